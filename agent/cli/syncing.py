"""sync, watch: recordings from the phone into the archive."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType

import click
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.capture import recorder
from agent.capture.journal import read_journal
from agent.cli.common import FIRST_PHONE, App, Target, pass_app
from agent.cli.rows import as_json, length, level, who
from agent.errors import BusyError, LinkError, NoPhoneError, PartialError, PhoneError, RootError
from agent.phone.files import Source
from agent.phone.phone import Phone
from agent.sync.calllog import sync_calls
from agent.sync.engine import SyncEngine
from agent.sync.events import Report, SyncEvent
from agent.sync.watch import Watch, WatchEvent
from agent.text import shown

_OTHERS_PATIENCE = 60.0  # seconds that `disable` gives a running `watch`
_PATIENCE = 15.0  # seconds that `sync` waits for files that are still being written


@click.command()
@click.option("--phone", metavar="NAME", help="Only this phone.")
@pass_app
def sync(app: App, phone: str | None) -> None:
    """Pull what is new, once."""
    targets = _targets(app, phone)
    total = Report("")
    problems: list[PhoneError] = []
    with app.archive(write=True) as archive, _progress(app) as tell:
        for target in targets:
            try:
                with app.reach(target) as opened:
                    app.check(target, opened)
                    app.remember(opened, target, archive)
                    report = _sync_phone(app, archive, opened, tell, problems)
            except PhoneError as error:
                problems.append(error)
            else:
                total.add(report)
                if report.link_lost is not None:
                    problems.append(LinkError(report.link_lost))
    if len(problems) == 1 and len(targets) == 1 and not total.filed and not total.failed:
        raise problems[0]
    _print_report(app, total, problems)
    if problems or total.failed:
        raise PartialError(
            f"{len(total.failed)} files and {len(problems)} phones failed",
            hint="Run `offhook sync` again; what is in the archive is not pulled twice.",
        )


def _sync_phone(
    app: App, archive: Archive, phone: Phone, tell: _Tell, problems: list[PhoneError]
) -> Report:
    """One phone, all of its sources, until nothing is left unfinished or patience is over."""
    try:
        sources = sources_of(app, phone)
    except RootError as error:
        # What needs no root is pulled all the same.
        sources = [source for source in app.config.sources if not source.root]
        problems.append(error)
    engine = SyncEngine(archive, phone, sources, tell)
    report = settle(engine, _PATIENCE)
    if report.link_lost is None:
        sync_calls(archive, phone)
    return report


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
        report.waiting, report.failed, report.again_in_s = [], [], None
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


def sources_of(app: App, phone: Phone) -> list[Source]:
    """Our recorder's spool where there is one, and the user's own sources."""
    others = list(app.config.sources)
    on = read_journal(app.home, phone.serial) is not None
    try:
        if recorder.is_installed(phone):
            return [recorder.SOURCE, *others]
    except RootError:
        if on or not others or any(source.root for source in others):
            raise
    return others


def drain(app: App, phone: Phone) -> int:
    """Pull everything from the recorder's spool; how many recordings could not be had.

    Another Offhook that has the archive (a running ``watch``) does the pulling then.
    """
    if not recorder.is_installed(phone):
        return 0
    app.note("Pulling what is left")
    try:
        with app.archive(write=True) as archive:
            engine = SyncEngine(archive, phone, [recorder.SOURCE], lambda _: None)
            report = settle(engine, _PATIENCE)
            sync_calls(archive, phone)
            return len(report.failed) + len(report.waiting)
    except BusyError:
        app.note("Another Offhook is at it")
    never, end = threading.Event(), time.monotonic() + _OTHERS_PATIENCE
    while True:
        with app.archive() as archive:
            left = _unfiled(archive, phone)
        if not left or time.monotonic() > end:
            return left
        never.wait(0.2)


def _unfiled(archive: Archive, phone: Phone) -> int:
    """How many recordings in the spool are not in the archive."""
    spooled = [f for f in phone.scan(recorder.SOURCE) if f.path.endswith(".wav")]
    return sum(not archive.is_filed(phone.serial, recorder.SOURCE.name, f) for f in spooled)


@click.command()
@click.option("--phone", metavar="NAME", help="Only this phone.")
@pass_app
def watch(app: App, phone: str | None) -> None:
    """Stay, and pull what appears.

    New recordings come by events from the phone. Ctrl-C ends it.
    """
    targets = _targets(app, phone)
    stop = threading.Event()
    broken: list[BaseException] = []
    with app.archive(write=True, purpose="watch") as archive, _stopped_by_signals(stop):
        lines = _Lines(app)

        def watch_one(target: Target) -> None:
            @contextmanager
            def opened() -> Iterator[Phone]:
                with app.reach(target) as found:
                    app.check(target, found)
                    app.remember(found, target, archive)
                    yield found

            try:
                Watch(
                    target.label, opened, archive, list(app.config.sources), lines.tell, stop
                ).run()
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                broken.append(error)
                stop.set()

        threads = [
            threading.Thread(target=watch_one, args=(t,), name=f"watch {t.name}") for t in targets
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if broken:
        raise broken[0]


def _targets(app: App, phone: str | None) -> list[Target]:
    targets = app.targets(phone)
    if not targets:
        raise NoPhoneError("no phone is known yet, and none is at hand", hint=FIRST_PHONE)
    return targets


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the watch in good order."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class _Tell:
    """Takes sync's events; the base takes them in silence."""

    def __call__(self, event: SyncEvent) -> None: ...


class _Bars(_Tell):
    """A progress bar in bytes, for a person at a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: SyncEvent) -> None:
        if event.kind == "pulling":
            self._tasks[event.path] = self._progress.add_task(_name(event), total=event.size)
        task = self._tasks.get(event.path)
        if task is None:
            return
        if event.kind == "progress":
            self._progress.update(task, completed=event.done, description=_name(event))
        elif event.kind == "broken":
            self._progress.update(task, description=f"{_name(event)} (waiting for the phone)")
        elif event.kind in ("filed", "duplicate", "failed", "gone"):
            self._progress.remove_task(self._tasks.pop(event.path))


def _name(event: SyncEvent) -> str:
    return shown(event.path.rsplit("/", 1)[-1])


@contextmanager
def _progress(app: App) -> Iterator[_Tell]:
    if app.json or not app.console.is_terminal:
        yield _Tell()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=app.console, transient=True) as progress:
        yield _Bars(progress)


def _print_report(app: App, report: Report, problems: list[PhoneError]) -> None:
    if app.json:
        app.print_json(
            {
                "filed": [as_json(recording) for recording in report.filed],
                "duplicates": len(report.duplicates),
                "waiting": report.waiting,
                "gone": report.gone,
                "bytes": report.pulled_bytes,
                "failed": [vars(failure) for failure in report.failed]
                + [{"path": None, "reason": error.message} for error in problems],
            }
        )
        return
    for recording in report.filed:
        app.note(_line(recording, names=True))
    for path in report.waiting:
        app.note(f"still being written: {path}")
    for failure in report.failed:
        app.errors.print(
            f"failed: {shown(failure.path)}: {shown(failure.reason)}", style="red", markup=False
        )
    for error in problems:
        app.errors.print(f"failed: {shown(error.message)}", style="red", markup=False)
    size = report.pulled_bytes / 1e6
    app.note(
        f"{len(report.filed)} new, {size:.1f} MB, every one verified."
        if report.filed
        else "Nothing new."
    )


def _line(recording: Recording, *, names: bool) -> str:
    """A recording in a line; without ``names`` nobody can be told from it."""
    arrow = {"in": "from", "out": "to"}.get(recording.direction or "", "with")
    party = f" {arrow} {who(recording)}" if names else ""
    sound = "SILENT: the call's audio is not in it" if recording.silent else level(recording)
    return f"recorded{party}, {length(recording)}, {sound}, verified"


class _Lines:
    """The events of ``watch``, one line each; names and numbers only on a terminal."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._names = app.console.is_terminal

    def tell(self, event: WatchEvent | SyncEvent) -> None:
        """Print what is worth a line."""
        with self._lock:
            if self._app.json:
                self._print_json(event)
                return
            text, style = self._words(event)
            if text:
                now = datetime.now().astimezone().strftime("%H:%M:%S")
                self._app.console.print(
                    f"{now}  {shown(event.phone)}  {text}",
                    style=style,
                    markup=False,
                    soft_wrap=True,
                )

    def _words(self, event: WatchEvent | SyncEvent) -> tuple[str, str]:
        if isinstance(event, SyncEvent):
            recording = event.recording
            if event.kind == "filed" and recording is not None:
                style = "bold red" if recording.silent else "green"
                return _line(recording, names=self._names), style
            if event.kind == "broken":
                return f"{shown(event.error or '')}; waiting for the phone", "yellow"
            if event.kind == "failed":
                return f"failed: {shown(event.error or '')}", "red"
            return "", ""
        if event.kind == "joined" and event.recording is not None:
            return (f"that was {who(event.recording)}" if self._names else ""), ""
        words = {
            "connected": (f"connected: {shown(event.text)}", ""),
            "lost": (shown(event.text), "yellow"),
            "restarted": ("the recorder had ended; it runs again", "yellow"),
            "off": ("capture is off; turn it on with `offhook enable`", "yellow"),
            "no root": (shown(event.text), "bold red"),
            "state": (
                _STATES.get(event.text, ""),
                "bold red" if event.text in ("refused", "failed") else "",
            ),
        }
        return words.get(event.kind, ("", ""))

    def _print_json(self, event: WatchEvent | SyncEvent) -> None:
        if event.kind in ("progress", "scanned", "seen", "waiting"):
            return
        body: dict[str, object] = {
            "at": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "event": event.kind,
            "phone": event.phone,
        }
        if isinstance(event, WatchEvent) and event.text:
            body["text"] = event.text
        if event.recording is not None:
            body["recording"] = as_json(event.recording)
        if isinstance(event, SyncEvent) and event.error:
            body["error"] = event.error
        click.echo(json.dumps(body, ensure_ascii=False))


_STATES = {
    "idle": "waiting for a call",
    "ringing": "rings",
    "offhook": "a call begins",
    "recording": "recording a call",
    "refused": "this call is NOT recorded: see `offhook status`",
    "failed": "recording this call FAILED; it is tried again: see `offhook status`",
}

COMMANDS: tuple[click.Command, ...] = (sync, watch)
