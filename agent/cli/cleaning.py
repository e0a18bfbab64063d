"""clean: remove from a phone what has long been in the archive."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from agent.archive import removals
from agent.archive.archive import Archive
from agent.archive.settings import Cleanup
from agent.cli.common import App, Target, pass_app
from agent.cli.syncing import sources_at_hand, targets_of
from agent.errors import ConfigError, LinkError, OffhookError, PartialError, PhoneError, UsageError
from agent.phone.phone import Phone
from agent.sync.clean import Cleaner, CleanReport
from agent.text import shown


@dataclass
class _Run:
    """What a run did on all phones: each one's name with its report, and with what kept it from
    more."""

    look: bool
    done: list[tuple[str, CleanReport]] = field(default_factory=list)
    problems: list[tuple[str, OffhookError]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing stays on a phone but by the rules."""
        return not self.problems and all(report.whole for _, report in self.done)


@click.command()
@click.option("--phone", metavar="NAME", help="Only this phone.")
@click.option("--dry-run", "look", is_flag=True, help="Check all the same, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, the first time.")
@pass_app
def clean(app: App, phone: str | None, look: bool, yes: bool) -> None:
    """Remove from the phone what has long been archived.

    Off, until [cleanup] of offhook.toml says after how many days. A file goes only if its archived
    copy is read again and whole, and the phone's own file still has the same bytes; never the
    newest recordings, and never more than so many in a run. The archive keeps all. Without an
    earlier --dry-run by the same settings it says what it would do, and asks. From then on a
    running `offhook watch` does it once a day.
    """
    settings = app.config.cleanup
    if settings is None:
        raise ConfigError(
            "nothing is removed from phones: [cleanup] of offhook.toml does not say when",
            hint="With after_days = 90 there, what was archived 90 days ago may go.",
        )
    targets = targets_of(app, phone)
    run = _Run(look)
    with app.archive(write=not look, purpose="clean") as archive:
        for target in targets:
            try:
                with app.reach(target) as opened:
                    app.check(target, opened)
                    app.remember(opened, target, archive)
                    _clean(app, archive, opened, settings, run, yes=yes)
            except (PhoneError, UsageError) as error:
                run.problems.append((target.label, error))
    _end(app, run, targets)


def _clean(
    app: App, archive: Archive, phone: Phone, settings: Cleanup, run: _Run, *, yes: bool
) -> None:
    name = phone.facts.name
    sources, problem = sources_at_hand(app, archive, phone)
    if problem is not None:
        run.problems.append((name, problem))
    if not run.look and not yes and not removals.looked(archive, phone.serial, settings):
        if app.json or not sys.stdin.isatty() or not app.console.is_terminal:
            raise UsageError(
                f"{name} was never cleaned by these settings, and nobody is there to be asked",
                hint="Look at it first, by `offhook clean --dry-run`; or add --yes.",
            )
        would = Cleaner(archive, phone, sources, settings, look=True).run()
        _print(app, name, would, look=True)
        if not would.removed:
            run.done.append((name, would))
            return
        count = len(would.removed)
        if not click.confirm(
            f"Remove {'it' if count == 1 else f'these {count}'} from {shown(name)}?"
        ):
            app.note("Nothing was removed.")
            return
    if not run.look:
        removals.note_run(archive, phone.serial, settings, cleans=True)
    report = Cleaner(archive, phone, sources, settings, look=run.look).run()
    if run.look and report.removed:  # who saw nothing has not seen what would go
        removals.note_run(archive, phone.serial, settings, cleans=False)
    run.done.append((name, report))
    if report.link_lost is not None:
        run.problems.append((name, LinkError(report.link_lost)))
    if not app.json:
        _print(app, name, report, look=run.look)


def _end(app: App, run: _Run, targets: list[Target]) -> None:
    if len(run.problems) == 1 and len(targets) == 1 and not run.done:
        raise run.problems[0][1]
    if app.json:
        app.print_json(
            {
                "dry_run": run.look,
                "phones": [_as_dict(name, report) for name, report in run.done],
                "problems": [f"{label}: {error.message}" for label, error in run.problems],
            }
        )
    for label, error in run.problems if not app.json else ():
        said = f"failed: {shown(label)}: {shown(error.message)}"
        app.errors.print(said, style="red", markup=False)
        if error.hint:
            app.errors.print(shown(error.hint), markup=False)
    if not run.whole:
        stays = sum(len(report.kept) for _, report in run.done)
        raise PartialError(
            f"{stays} of what should go {'stays' if stays == 1 else 'stay'}, and "
            f"{len(run.problems)} of {len(targets)} phones failed",
            hint="`offhook verify` checks the archive, and `offhook sync` takes what is not in it.",
        )


def _as_dict(name: str, report: CleanReport) -> dict[str, Any]:
    return {
        "serial": report.phone,
        "name": name,
        "removed": [
            {
                "path": one.path,
                "bytes": one.size,
                "recording": one.recording.id,
                "sha256": one.recording.sha256,
                "sidecars": one.beside,
            }
            for one in report.removed
        ],
        "kept": [asdict(one) for one in report.kept],
        "cut_off_before": [asdict(one) for one in report.settled],
        "not_archived": report.unarchived,
        "too_young": report.young,
        "newest": report.newest,
        "next_run": report.left,
        "locked": report.locked,
    }


def _print(app: App, name: str, report: CleanReport, *, look: bool) -> None:
    for one in report.settled:
        app.note(f"begun before: {one.path}: {one.reason}")
    for gone in report.removed:
        also = " and its sidecar" if gone.beside else ""
        verb = "would remove" if look else "removed"
        app.note(f"{verb}: #{gone.recording.id}  {gone.path}{also}")
    for one in report.kept:
        app.errors.print(
            f"stays: {shown(one.path)}: {shown(one.reason)}", style="red", markup=False
        )
    if report.locked:
        app.errors.print(f"! {shown(name)}: {report.locked}", style="yellow", markup=False)
    size = sum(one.size for one in report.removed) / 1e6
    verb = "would be removed" if look else "removed"
    count = len(report.removed)
    said = f"{name}: {count} recording{'s' * (count != 1)} {verb}, {size:.1f} MB."
    stays = [
        f"{number} {what}"
        for number, what in (
            (report.young, "too new"),
            (report.newest, "of the newest"),
            (report.left, "left for the next run"),
            (report.unarchived, "not in the archive"),
        )
        if number
    ]
    app.note(shown(said) + (f" The rest stays: {', '.join(stays)}." if stays else ""))


COMMANDS: tuple[click.Command, ...] = (clean,)
