"""watch: stay with the phones, and pull what appears."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import click

from agent.adb.address import is_address
from agent.adb.finding.discovery import Change, Discovery, Roster, finders
from agent.archive.archive import Archive
from agent.capture.journal import read_journal
from agent.cli.common import App, Target, pass_app
from agent.cli.metering import Meter
from agent.cli.rows import as_json, line, who
from agent.cli.stopping import stopped_by_signals
from agent.cli.syncing import targets_of
from agent.phone.phone import Phone
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.live import recover
from agent.sync.watch import Nap, Watch
from agent.text import json_text, shown


@click.command()
@click.option("--phone", metavar="NAME", help="Only this phone.")
@pass_app
def watch(app: App, phone: str | None) -> None:
    """Stay, and pull what appears.

    New recordings come by events from the phone. A phone that went away is found again when it
    comes back, on USB, in the adb server or by network. Ctrl-C ends it.
    """
    targets = targets_of(app, phone)
    stop = threading.Event()
    lines = _Lines(app)
    with (
        app.archive(write=True, purpose="watch") as archive,
        stopped_by_signals(stop),
        lines.meter,
    ):
        for recording in recover(archive):
            lines.tell(SyncEvent("filed", recording.phone or "", "", recording=recording))
        watched = [_Watched(app, target, archive, lines, stop) for target in targets]
        addresses = [target.name for target in targets if is_address(target.name)]
        places = finders(addresses=addresses, busy=_busy(watched), mdns=app.config.mdns)
        with Discovery(places) as discovery:
            follower = threading.Thread(target=_follow, args=(discovery, watched, lines))
            threads = [threading.Thread(target=one.run, name=f"watch {one}") for one in watched]
            for thread in threads:
                thread.start()
            follower.start()
            for thread in threads:
                thread.join()
            discovery.close()
            follower.join()
    for one in watched:
        if one.broken is not None:
            raise one.broken


class _Watched:
    """A phone that is watched, wherever it is now; its thread runs :meth:`run`."""

    def __init__(
        self, app: App, target: Target, archive: Archive, lines: _Lines, stop: threading.Event
    ) -> None:
        self.target = target
        self.connected = False
        self.broken: BaseException | None = None
        self.nap = Nap(stop)
        self._app, self._archive, self._stop = app, archive, stop
        self._watch = Watch(
            target.label,
            self._opened,
            archive,
            list(app.config.sources),
            lines.tell,
            stop,
            journal=lambda serial: read_journal(app.home, serial),
            nap=self.nap,
            contacts=app.config.contacts,
        )

    def __str__(self) -> str:
        return self.target.name

    def run(self) -> None:
        """Watch until told to stop; what ends it otherwise is in ``broken``, and ends all."""
        try:
            self._watch.run()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.broken = error
            self._stop.set()

    @contextmanager
    def _opened(self) -> Iterator[Phone]:
        target = self.target
        with self._app.reach(target) as found:
            self._app.check(target, found)
            self._app.remember(found, target, self._archive)
            self.target = replace(target, name=found.name, serial=found.serial)
            self.connected = True
            try:
                yield found
            finally:
                self.connected = False


def _busy(watched: list[_Watched]) -> Callable[[str], bool]:
    """Whether there is a connection to an address anyway, so that nobody need knock there."""
    return lambda address: any(one.connected and one.target.name == address for one in watched)


def _follow(discovery: Discovery, watched: list[_Watched], lines: _Lines) -> None:
    """Let each phone that comes, or comes back elsewhere, be reached there at once."""
    roster = Roster()
    strangers: set[str] = set()
    for event in discovery:
        for change in roster.take(event):
            if change.now is None:
                continue
            known = next((one for one in watched if one.target.serial == change.serial), None)
            if known is not None:
                _lead(known, change)
            elif change.serial not in strangers:
                strangers.add(change.serial)
                lines.tell(WatchEvent("stranger", change.serial, _STRANGER))


def _lead(one: _Watched, change: Change) -> None:
    """A phone that is out of reach is looked for where it was seen."""
    if one.connected or change.now is None:
        return
    if one.target.way == "auto":
        one.target = replace(one.target, name=change.now.name)
    one.nap.end()


_STRANGER = "is there too, and not watched: `offhook --phone SERIAL doctor` makes it known"


class _Lines:
    """The events of ``watch``, one line each; names and numbers only on a terminal."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._names = app.console.is_terminal
        self.meter = Meter(app.console)

    def tell(self, event: WatchEvent | SyncEvent) -> None:
        """Print what is worth a line."""
        with self._lock:
            if self._app.json:
                self._print_json(event)
                return
            if not isinstance(event, SyncEvent):
                self.meter.take(event)
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
                return line(recording, names=self._names), style
            if event.kind == "broken":
                return f"{shown(event.error or '')}; waiting for the phone", "yellow"
            if event.kind == "failed":
                return f"failed: {shown(event.error or '')}", "red"
            return "", ""
        if event.kind == "joined" and event.recording is not None:
            return (f"that was {who(event.recording)}" if self._names else ""), ""
        words = {
            "connected": (f"connected: {shown(event.text)}", ""),
            "stranger": (shown(event.text), "yellow"),
            "lost": (shown(event.text), "yellow"),
            "restarted": ("the recorder had ended; it runs again", "yellow"),
            "problem": (f"{shown(event.text)}{_hint(event)}", "bold red"),
            "version": (shown(event.text), "yellow"),
            "call log": (shown(event.text), "yellow"),
            "off": ("capture is off; turn it on with `offhook enable`", "yellow"),
            "no root": (shown(event.text), "bold red"),
            "state": (
                _STATES.get(event.text, "") + _why(event),
                "bold red" if event.text in ("refused", "failed") else "",
            ),
            "quiet": (shown(event.text), "bold red"),
            "clipping": (shown(event.text), "yellow"),
            "on": (f"{shown(event.text)}; the recording goes on while it can", "yellow"),
            "not live": (f"nothing is recorded: {shown(event.text)}{_hint(event)}", "bold red"),
        }
        return words.get(event.kind, ("", ""))

    def _print_json(self, event: WatchEvent | SyncEvent) -> None:
        if event.kind in ("progress", "scanned", "seen", "waiting", "level"):
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
        elif isinstance(event, WatchEvent) and event.kind == "state" and event.error:
            body["error"] = event.error.message
        click.echo(json_text(body))


_STATES = {
    "idle": "waiting for a call",
    "ringing": "rings",
    "offhook": "a call begins",
    "recording": "recording a call",
    "refused": "this call is NOT recorded: ",
    "failed": "recording this call FAILED; it is tried again: ",
    "voip": "another app has a call: it is not recorded",
}


def _why(event: WatchEvent) -> str:
    """What a recorder on the phone does not tell here is in its status."""
    if event.text not in ("refused", "failed"):
        return ""
    if event.error is None:
        return "see `offhook status`"
    return shown(event.error.message) + _hint(event)


def _hint(event: WatchEvent) -> str:
    return f". {shown(event.error.hint)}" if event.error and event.error.hint else ""


COMMANDS: tuple[click.Command, ...] = (watch,)
