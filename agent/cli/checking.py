"""verify: the archive against itself, and what can be put right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from agent.archive.archive import Archive
from agent.archive.audit import Audit, Mended, audit, mend
from agent.cli.common import App, pass_app
from agent.cli.syncing import pull_from
from agent.errors import IntegrityError
from agent.text import shown


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be, and pull again what was lost.")
@pass_app
def verify(app: App, repair: bool) -> None:
    """Check every recording, the index and the custody log.

    Reads each file again and compares it with what was filed; finds files that are missing,
    renamed, changed or added, rows that were edited, and a custody log that is not whole. A file
    with wrong bytes is never removed: --repair moves it beside the archive.
    """
    mended: Mended | None = None
    problems: list[str] = []
    with app.archive(write=repair, purpose="verify") as archive:
        found = _audit(app, archive)
        first = found
        if repair and found.findings:
            mended = mend(archive, found)
            known = {target.serial: target for target in app.known().values()}
            targets = [known[serial] for serial in mended.again if serial in known]
            if targets:
                app.note("Pulling again what was lost")
                report, pulled = pull_from(app, archive, targets)
                problems = [
                    f"{one.target.label}: {error.message}"
                    for one in pulled
                    for error in one.problems
                ]
                problems += [f"{failure.path}: {failure.reason}" for failure in report.failed]
            found = _audit(app, archive)
        app.log(
            archive,
            "verified",
            detail={"files": found.files, "entries": found.entries, "wrong": len(found.findings)},
        )
    if app.json:
        app.print_json(
            {
                "files": found.files,
                "bytes": found.bytes,
                "entries": found.entries,
                "findings": [one.as_dict() for one in found.findings],
                "repaired": mended.done if mended else [],
                "problems": [*(mended.failed if mended else ()), *problems],
            }
        )
    else:
        _print(app, first, found, mended, problems)
    if found.findings:
        count = len(found.findings)
        raise IntegrityError(
            f"{count} {'thing is' if count == 1 else 'things are'} not as filed",
            hint=None if repair else "`offhook verify --repair` puts right what can be.",
        )


def _print(
    app: App, first: Audit, found: Audit, mended: Mended | None, problems: list[str]
) -> None:
    for text in mended.done if mended else ():
        app.note(f"repaired: {shown(text)}")
    if mended and (restored := _restored(first, found)):
        app.note(f"pulled again: {restored}")
    for text in mended.failed if mended else ():
        app.note(f"not repaired: {shown(text)}")
    for text in problems:
        app.note(f"not pulled: {shown(text)}")
    for one in found.findings:
        about = " ".join(
            part
            for part in (
                f"{one.kind}:",
                f"#{one.recording}" if one.recording else "",
                f"{shown(one.path)}:" if one.path else "",
                shown(one.text),
            )
            if part
        )
        app.errors.print(about, style="red", markup=False)
    if not found.findings:
        files, entries = found.files, found.entries
        app.note(
            f"{files} recording{'s' * (files != 1)}, {found.bytes / 1e6:.1f} MB, and {entries} "
            f"{'entry' if entries == 1 else 'entries'} of the custody log: all as filed."
        )


def _restored(first: Audit, found: Audit) -> int:
    """How many recordings are whole again that were lost."""

    def lost(audit: Audit) -> set[int | None]:
        return {f.recording for f in audit.findings if f.kind in ("missing", "changed")}

    return len(lost(first) - lost(found))


def _audit(app: App, archive: Archive) -> Audit:
    with _bar(app) as tell:
        return audit(archive, tell)


@contextmanager
def _bar(app: App) -> Iterator[Callable[[int, int], None]]:
    """A progress bar in bytes, on a terminal."""
    if app.json or not app.console.is_terminal:
        yield lambda _done, _all: None
        return
    with Progress(
        TextColumn("Reading"), BarColumn(), DownloadColumn(), console=app.console, transient=True
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


COMMANDS: tuple[click.Command, ...] = (verify,)
