"""import: recordings that lie on this computer into the archive."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agent.archive.archive import LOCK, Archive
from agent.archive.audit import ASIDE
from agent.archive.lock import held_for
from agent.cli.common import App, pass_app
from agent.cli.rows import as_json, iso, when
from agent.cli.stopping import Signals
from agent.errors import BusyError, NoPhoneError, OffhookError, PartialError, UsageError
from agent.naming.number import known_region
from agent.naming.zone import zone_of
from agent.sync.inbox.find import LocalFile, find
from agent.sync.inbox.run import run
from agent.sync.inbox.take import Action, Importer, Outcome, folders_of
from agent.sync.inbox.take import Progress as Tell
from agent.sync.named import Place
from agent.sync.pull import Cancelled
from agent.text import shown

_WORDS: dict[Action, tuple[str, str]] = {
    "filed": ("filed", "would be filed"),
    "known": ("known already", "known already"),
    "left": ("left alone", "left alone"),
    "waiting": ("not finished", "not finished"),
    "failed": ("FAILED", "FAILED"),
}


@click.command("import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Say what would become of each file; change nothing.")
@click.option("--phone", metavar="NAME", help="The phone that all of them are of.")
@click.option("--new-phone", is_flag=True, help="NAME is a phone that was never connected here.")
@click.option("--zone", metavar="ZONE", help="Of times in names: Europe/Berlin, +02:00.")
@click.option("--region", metavar="CC", help="The phone's country, for national numbers: DE.")
@click.option("--json", "json_too", is_flag=True, help="The same as `offhook --json import`.")
@pass_app
def import_(
    app: App,
    paths: tuple[str, ...],
    dry_run: bool,
    phone: str | None,
    new_phone: bool,
    zone: str | None,
    region: str | None,
    json_too: bool,
) -> None:
    """File recordings that lie on this computer.

    PATH is a file, or a folder with all that is in it. Each recording is copied, proven the same,
    measured, named and indexed as one that was pulled, with the sidecar beside it. Nothing is
    moved or removed. What is no recording is left alone, and listed with the reason.
    """
    app.json = app.json or json_too
    place = Place(None if zone is None else zone_of(zone), _region(region), app.config.names)
    done: list[Outcome] = []
    stopped, failed = False, None
    with _archive(app, dry_run) as archive, Signals() as stop:
        serial = _serial(archive, phone or app.phone, new_phone, dry_run)
        own = (archive.store.root, archive.home / ASIDE)
        found = list(find(map(os.path.abspath, paths), not_below=own))
        total = sum(one.size for one in found if isinstance(one, LocalFile))
        with _bar(app, total) as tell:
            importer = Importer(
                archive,
                "import",
                phone=serial,
                place=place,
                folders=folders_of(archive),
                cancel=stop,
                progress=tell,
            )
            handle = importer.decide if dry_run else importer.take
            try:
                done.extend(run(found, handle, stop))
            except Cancelled:
                stopped = True
            except OffhookError as error:  # a full disk: what is done is listed all the same
                failed = error
            finally:
                joined = 0 if dry_run else join_all(archive, done)
    _print(app, done, dry_run=dry_run, joined=joined)
    if failed is not None:
        raise failed
    if stopped:
        app.note("Stopped. What is listed is done; start it again for the rest.")
        raise click.exceptions.Exit(130)
    wrong = [one for one in done if one.action in ("failed", "waiting")]
    if wrong:
        raise PartialError(
            f"{len(wrong)} of {len(done)} could not be taken",
            hint="Import them again when the reason is gone; nothing is filed twice.",
        )


@contextmanager
def _archive(app: App, dry_run: bool) -> Iterator[Archive]:
    """The archive. While `watch` has it, its inbox is the way in."""
    opened = app.archive(write=not dry_run, purpose="import")
    try:
        opened.__enter__()
    except BusyError as error:
        if held_for(app.home / LOCK) != "watch":
            raise
        inbox = app.config.desk.inbox
        if inbox is not None:
            hint = f"Put them into the inbox, {inbox.folder}: it files them from there."
        else:
            hint = (
                'Stop it; or give it an inbox ([inbox] folder = "inbox" in offhook.toml, which it '
                "reads again at once), and put them there: it files them from there."
            )
        raise BusyError(error.message, hint=hint) from error
    try:
        yield opened
    finally:
        opened.close()


def join_all(archive: Archive, done: list[Outcome]) -> int:
    """Join what was filed with the calls that are known; how many recordings that gave."""
    phones = {one.phone for one in done if one.action == "filed" and one.phone}
    return sum(len(archive.join_calls(serial)) for serial in sorted(phones))


def _region(region: str | None) -> str | None:
    if region is not None and not known_region(region):
        raise UsageError(
            f"{shown(region)!r} is no country with a numbering plan",
            hint="Write its two letters: DE, KR, US.",
        )
    return region


def _serial(archive: Archive, phone: str | None, new: bool, dry: bool) -> str | None:
    """The serial of the phone that is meant."""
    if phone is None:
        if new:
            raise UsageError("--new-phone says that --phone is new: give that, too")
        return None
    for known in archive.phones():
        if phone in (known.serial, known.alias, known.address):
            return known.serial
    if not new:
        names = ", ".join(shown(known.name) for known in archive.phones()) or "none"
        raise NoPhoneError(
            f"no phone is known as {shown(phone)!r} (known: {names})",
            hint="If it was never connected here, add --new-phone: NAME is then its serial number.",
        )
    if not dry:
        archive.add_phone(phone)
    return phone


@contextmanager
def _bar(app: App, total: int) -> Iterator[Tell]:
    """A progress bar in bytes, on a terminal."""
    if app.json or not app.console.is_terminal:
        yield lambda _count: None
        return
    with Progress(
        TextColumn("Reading"), BarColumn(), DownloadColumn(), console=app.console, transient=True
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.update(task, advance=count)


def _print(app: App, done: list[Outcome], *, dry_run: bool, joined: int) -> None:
    counts = Counter(one.action for one in done)
    if app.json:
        app.print_json(
            {
                "dry_run": dry_run,
                "files": [as_json_outcome(one) for one in done],
                "counts": {action: counts[action] for action in _WORDS},
                "joined": joined,
            }
        )
        return
    if done:
        _print_table(app, done, dry_run=dry_run)
    parts = [f"{counts[action]} {_WORDS[action][dry_run]}" for action in _WORDS if counts[action]]
    app.note(", ".join(parts) + "." if parts else "There is nothing.")


def _print_table(app: App, done: list[Outcome], *, dry_run: bool) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("file", "what", "begun", "phone", "in the archive, or why not"):
        table.add_column(column, overflow="fold", no_wrap=column in ("what", "begun"))
    for one in done:
        style = {"failed": "bold red", "waiting": "yellow", "filed": "green"}.get(one.action, "dim")
        table.add_row(
            Text(shown(os.path.relpath(one.path) if _is_near(one.path) else one.path)),
            Text(_WORDS[one.action][dry_run], style=style),
            Text(when(one.started_ms) if one.started_ms is not None else ""),
            Text(shown(one.phone or "")),
            Text(shown(one.archived or one.reason or "")),
        )
    app.console.print(table)


def _is_near(path: str) -> bool:
    return Path(path).is_relative_to(Path.cwd())


def as_json_outcome(one: Outcome) -> dict[str, Any]:
    """What became of a file, for ``--json``. These keys stay."""
    said: dict[str, Any] = {
        "path": shown(one.path),
        "action": one.action,
        "reason": one.reason,
        "sha256": one.sha256,
        "archived": one.archived,
        "phone": one.phone,
        "started": iso(one.started_ms),
        "duration_s": one.duration_s,
        "size": one.size,
        "sidecar": one.sidecar,
    }
    if one.recording is not None:
        said["recording"] = as_json(one.recording)
    return said


COMMANDS: tuple[click.Command, ...] = (import_,)
