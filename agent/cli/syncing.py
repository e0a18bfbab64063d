"""sync: recordings from the phone into the archive, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import click
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from agent.archive import live
from agent.archive.archive import Archive
from agent.capture.alsa import recorder
from agent.capture.control import installed_route
from agent.capture.journal import read_journal
from agent.cli import sourcing
from agent.cli.common import FIRST_PHONE, App, Target, pass_app
from agent.cli.rows import as_json, line, megabytes
from agent.errors import BusyError, LinkError, NoPhoneError, PartialError, PhoneError, RootError
from agent.phone.battery import read_battery
from agent.phone.files import Source
from agent.phone.phone import Phone
from agent.sync.calllog import sync_calls
from agent.sync.engine import SyncEngine
from agent.sync.events import Report, SyncEvent
from agent.sync.folders import all_sources, chosen_sources
from agent.sync.live import recover
from agent.sync.named import place_of
from agent.sync.pause import why_not
from agent.sync.settled import is_theirs
from agent.sync.share import Share
from agent.sync.spot import kind_of
from agent.text import shown

_OTHERS_PATIENCE = 60.0  # seconds that `disable` gives a running `watch`
_PATIENCE = 15.0  # seconds that `sync` waits for files that are still being written


@click.command()
@click.option("--phone", metavar="NAME", help="Only this phone.")
@pass_app
def sync(app: App, phone: str | None) -> None:
    """Pull what is new, once."""
    targets = targets_of(app, phone)
    with app.archive(write=True) as archive:
        sourcing.ask_targets(app, archive, targets)
        total, pulled = pull_from(app, archive, targets)
    failed = [one for one in pulled if one.problems]
    if len(failed) == len(targets) == 1 and not total.filed and not total.failed:
        raise failed[0].problems[0]
    _print_report(app, total, pulled)
    if failed or total.failed:
        raise PartialError(
            f"{_count(total.failed, 'file')} and {_count(failed, 'phone')} failed",
            hint="Run `offhook sync` again; what is in the archive is not pulled twice.",
        )


@dataclass
class Pulled:
    """What one phone gave, and what kept it from giving more. Its ``target`` has the serial number
    from the moment that it has answered."""

    target: Target
    report: Report
    problems: list[PhoneError] = field(default_factory=list)


def pull_from(app: App, archive: Archive, targets: Sequence[Target]) -> tuple[Report, list[Pulled]]:
    """What is new on these phones into the archive: altogether, and of each phone."""
    total, share = Report(""), Share(rate=app.config.limits.rate)
    pulled: list[Pulled] = []
    with _progress(app) as tell:
        total.filed += recover(archive, app.warn)
        for target in targets:
            one = Pulled(target, Report(target.label))
            try:
                with app.reach(target) as opened:
                    app.check(target, opened)
                    one.target = replace(target, serial=opened.serial)
                    app.remember(opened, target, archive)
                    _sync_phone(app, archive, opened, one, tell, share)
            except PhoneError as error:
                one.problems.append(error)
            total.add(one.report)
            pulled.append(one)
    return total, pulled


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}" if len(things) == 1 else f"{len(things)} {name}s"


def _sync_phone(
    app: App,
    archive: Archive,
    phone: Phone,
    pulled: Pulled,
    tell: _Tell,
    share: Share,
) -> None:
    """One phone, all of its sources, until nothing is left unfinished or patience is over."""
    sources, problem = sources_at_hand(app, archive, phone)
    if problem is not None:
        pulled.problems.append(problem)
    if recorder.SOURCE in sources and (words := recorder.version_problem(phone)):
        app.errors.print(f"! {words}", style="yellow", markup=False)
    limits = app.config.limits
    if limits.pauses and (why := why_not(read_battery(phone.link), limits)):
        # Who asks for it now gets it now; only `watch` waits.
        said = f"! {shown(pulled.target.label)}: {why}: `watch` would wait"
        app.errors.print(said, style="yellow", markup=False)
    place = place_of(phone.facts, app.config.names)
    engine = SyncEngine(archive, phone, sources, tell, place=place, share=share)
    report = settle(engine, _PATIENCE)
    pulled.report.add(report)
    if report.link_lost is None:
        read_calls(app, archive, phone)
    else:
        pulled.problems.append(LinkError(report.link_lost))


def read_calls(app: App, archive: Archive, phone: Phone) -> None:
    """Keep the phone's call log; what it refuses is said, and no failure."""
    for words in sync_calls(archive, phone, contacts=app.config.contacts).problems:
        app.errors.print(f"! {shown(words)}", style="yellow", markup=False)


def settle(engine: SyncEngine, patience: float) -> Report:
    """Run until nothing is unfinished that can be finished within ``patience`` seconds.

    What failed is not tried again here, and stays in the report.
    """
    never = threading.Event()
    report = engine.run_once(never)
    end = time.monotonic() + patience
    while (
        report.link_lost is None
        and report.again_in_s is not None
        and time.monotonic() + report.again_in_s < end
    ):
        never.wait(report.again_in_s)
        failed = {failure.path: failure for failure in report.failed}
        report.waiting, report.failed = [], []
        report.locked = report.again_in_s = None
        report.add(engine.run_once(never, retry_failed=False))
        again = {failure.path for failure in report.failed}
        report.failed += [
            failure
            for path, failure in failed.items()
            if path not in again and path in report.waiting
        ]
    report.waiting = [
        path for path in report.waiting if path not in {failure.path for failure in report.failed}
    ]
    return report


def sources_of(app: App, archive: Archive, phone: Phone) -> list[Source]:
    """The folders of the route that is on, if one is, those that the user has chosen, and the
    user's own sources."""
    picked = chosen_sources(archive, phone.serial)
    others = all_sources((), picked, app.config.sources)
    journal = read_journal(app.home, phone.serial)
    try:
        route = installed_route(phone, journal)
    except RootError:
        if not others or any(source.root for source in others):
            raise
        return others
    if route is None:
        return others
    if journal is None or not journal.off:
        route.tend(phone, journal)
    return all_sources(route.sources(phone, journal), picked, app.config.sources)


def sources_at_hand(
    app: App, archive: Archive, phone: Phone
) -> tuple[list[Source], RootError | None]:
    """The same; where the phone gives no root, and why, what needs none."""
    try:
        return sources_of(app, archive, phone), None
    except RootError as error:
        picked = chosen_sources(archive, phone.serial)
        others = all_sources((), picked, app.config.sources)
        return [source for source in others if not source.root], error


def drain(app: App, phone: Phone) -> int:
    """Pull everything that the route has left; how many recordings could not be had.

    Another Offhook that has the archive (a running ``watch``) does the pulling then.
    """
    journal = read_journal(app.home, phone.serial)
    route = installed_route(phone, journal)
    if route is not None and route.live:
        return _drain_live(app, phone)
    sources = route.sources(phone, journal) if route else []
    if not sources:
        return 0
    app.note("Pulling what is left")
    try:
        with app.archive(write=True) as archive:
            place = place_of(phone.facts, app.config.names)
            share = Share(rate=app.config.limits.rate)
            engine = SyncEngine(archive, phone, sources, place=place, share=share)
            report = settle(engine, _PATIENCE)
            read_calls(app, archive, phone)
            return len(report.failed) + len(report.waiting)
    except BusyError:
        app.note("Another Offhook is at it")
    never, end = threading.Event(), time.monotonic() + _OTHERS_PATIENCE
    while True:
        with app.archive() as archive:
            left = sum(_unfiled(archive, phone, source) for source in sources)
        if not left or time.monotonic() > end:
            return left
        never.wait(0.2)


def _drain_live(app: App, phone: Phone) -> int:
    """What this computer was recording of a phone is filed, by a running ``watch`` or by us."""
    never, end = threading.Event(), time.monotonic() + _OTHERS_PATIENCE
    while True:
        with app.archive() as archive:
            left = len(live.parts(archive, phone.serial))
        if not left or time.monotonic() > end:
            return left
        try:
            with app.archive(write=True) as archive:
                recover(archive, app.warn)  # once: what can't be filed is told
                read_calls(app, archive, phone)
                return len(live.parts(archive, phone.serial))
        except BusyError:
            never.wait(0.2)


def _unfiled(archive: Archive, phone: Phone, source: Source) -> int:
    """How many recordings in a source are not in the archive, though they have to be."""
    files = [
        file
        for file in phone.scan(source)
        if kind_of(file.path) == "recording"
        and file.size
        and not source.leaves(file)
        and not is_theirs(source, file.path)
    ]
    return sum(not archive.is_filed(phone.serial, source.name, file) for file in files)


def targets_of(app: App, phone: str | None) -> list[Target]:
    """The phones to work with; NoPhoneError when there is none."""
    targets = app.targets(phone)
    if not targets:
        raise NoPhoneError("no phone is known yet, and none is at hand", hint=FIRST_PHONE)
    return targets


class _Tell:
    """Takes sync's events; the base takes them in silence."""

    def __call__(self, event: SyncEvent) -> None: ...


class _Bar(_Tell):
    """A progress bar in bytes, for a person at a terminal: of a file, or of those that come
    together."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._coming: dict[str, tuple[int, int]] = {}  # file: bytes, of how many
        self._open: set[str] = set()  # those that are not through
        self._phone = ""

    def __call__(self, event: SyncEvent) -> None:
        if event.phone != self._phone:  # one whose link broke leaves some that never are
            self._end()
            self._phone = event.phone
        if event.kind == "pulling":
            self._coming[event.path] = 0, event.size
            self._open.add(event.path)
        if event.path not in self._open:
            return
        if event.kind in ("pulling", "progress"):
            self._coming[event.path] = event.done, event.size
            self._show()
        elif event.kind == "broken":
            self._show("waiting for the phone")
        elif event.kind in ("filed", "duplicate", "failed", "gone", "waiting"):
            self._open.remove(event.path)
            if not self._open:
                self._end()

    def _show(self, note: str = "") -> None:
        done, size = (sum(part) for part in zip(*self._coming.values(), strict=True))
        name = next(iter(self._coming)).rsplit("/", 1)[-1]
        name = shown(name) if len(self._coming) == 1 else f"{len(self._coming)} files"
        if self._task is None:
            self._task = self._progress.add_task(name, total=size, note="")
        note = note or ("checking" if done == size else "")
        self._progress.update(self._task, description=name, completed=done, total=size, note=note)

    def _end(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = None
        self._coming.clear()
        self._open.clear()


class _Note(ProgressColumn):
    """How much has come and how fast, or what is waited for."""

    def render(self, task: Task) -> Text:
        """See rich."""
        if task.fields["note"]:
            return Text(task.fields["note"])
        speed = f", {task.speed / 1e6:.0f} MB/s" if task.speed else ""
        return Text(f"{megabytes(task.completed, task.total or 0)}{speed}")


@contextmanager
def _progress(app: App) -> Iterator[_Tell]:
    if app.json or not app.console.is_terminal:
        yield _Tell()
        return
    name = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=20),
        _Note(table_column=Column(no_wrap=True, width=24)),
    )
    with Progress(*columns, console=app.console, transient=True, expand=True) as progress:
        yield _Bar(progress)


def _failed(pulled: Pulled) -> list[dict[str, object]]:
    """What of a phone could not be had, for ``--json``: files, and then the phone itself."""
    whose = _whose(pulled.target)
    files = [{**whose, **vars(failure)} for failure in pulled.report.failed]
    return files + [
        {**whose, "path": None, "reason": error.message, "hint": error.hint}
        for error in pulled.problems
    ]


def _each(
    pulled: Sequence[Pulled], of: Callable[[Report], list[dict[str, str]]]
) -> list[dict[str, object]]:
    """What the reports have, for ``--json``, each with whose it is."""
    return [{**_whose(one.target), **found} for one in pulled for found in of(one.report)]


def _whose(target: Target) -> dict[str, object]:
    return {"serial": target.serial, "name": target.label}


def _print_report(app: App, report: Report, pulled: list[Pulled]) -> None:
    if app.json:
        app.print_json(
            {
                "filed": [as_json(recording) for recording in report.filed],
                "duplicates": len(report.duplicates),
                "waiting": _each(pulled, lambda of: [{"path": path} for path in of.waiting]),
                "gone": _each(pulled, lambda of: [{"path": path} for path in of.gone]),
                "locked": _each(pulled, lambda of: [{"reason": of.locked}] if of.locked else []),
                "left": _each(
                    pulled, lambda of: [{"path": one.path, "reason": one.reason} for one in of.left]
                ),
                "doubts": _each(pulled, lambda of: [{"reason": words} for words in of.doubts]),
                "bytes": report.pulled_bytes,
                "failed": [failure for one in pulled for failure in _failed(one)],
            }
        )
        return
    for recording in report.filed:
        app.note(line(recording, names=True))
    for path in report.waiting:
        app.note(f"still being written: {path}")
    for left in report.left:
        app.note(f"left alone: {left.path}: {left.reason}")
    for doubt in report.doubts:
        app.errors.print(f"! {shown(doubt)}", style="yellow", markup=False)
    for one in pulled:
        if one.report.locked:
            said = f"! {shown(one.target.label)}: {one.report.locked}"
            app.errors.print(said, style="yellow", markup=False)
        whose = f"{shown(one.target.label)}: " if len(pulled) > 1 else ""
        for failure in one.report.failed:
            text = f"failed: {whose}{shown(failure.path)}: {shown(failure.reason)}"
            app.errors.print(text, style="red", markup=False)
        for hint in dict.fromkeys(failure.hint for failure in one.report.failed):
            if hint:
                app.errors.print(shown(hint), markup=False)
        for error in one.problems:
            text = f"failed: {shown(one.target.label)}: {shown(error.message)}"
            app.errors.print(text, style="red", markup=False)
            if error.hint:
                app.errors.print(shown(error.hint), markup=False)
    size = report.pulled_bytes / 1e6
    app.note(
        f"{len(report.filed)} new, {size:.1f} MB, every one verified."
        if report.filed
        else "Nothing new."
    )


COMMANDS: tuple[click.Command, ...] = (sync,)
