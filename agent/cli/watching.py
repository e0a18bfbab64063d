"""watch: stay with the phones, and pull what appears."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from agent.archive.records import Recording
from agent.cli import sourcing
from agent.cli.common import App, pass_app
from agent.cli.keeping import Keeper, Told
from agent.cli.rows import as_json, line, who
from agent.cli.screen import Screen
from agent.cli.stopping import Signals
from agent.cli.syncing import targets_of
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.live import recover
from agent.text import json_text, shown

_END_S = 0.2  # for who prints to be done with it
_OF_NO_FILE = ("joined", "doubt")  # events of sync's that name no path on the phone


@click.command()
@click.option("--phone", metavar="NAME", help="Only this phone.")
@click.option("--stay", is_flag=True, help="Stay even while no phone is known; as a service does.")
@pass_app
def watch(app: App, phone: str | None, stay: bool) -> None:
    """Stay, and pull what appears.

    New recordings come by events from the phone. A phone that went away is found again when it
    comes back, on USB, in the adb server or by network. What is dropped into the inbox is filed,
    if offhook.toml names one. offhook.toml is read again when it changes. Ctrl-C ends it.
    """
    alone = stay or app.config.desk.inbox is not None
    targets = app.targets(phone) if alone else targets_of(app, phone)
    lines = _Lines(app)
    with app.archive() as archive:
        sourcing.ask_targets(app, archive, targets)
    with (
        app.archive(write=True, purpose="watch") as archive,
        Signals(reload=True) as signals,
        lines.screen,
    ):
        if lines.screen.shows and app.errors.is_terminal:
            app.errors = app.console  # which knows of the table that stands below
        keeper = Keeper(app, archive, phone, lines, signals)
        keeper.run(targets, recover(archive, app.warn))


class _Lines(Told):
    """The events of ``watch``, one line each; names and numbers only on a terminal, where a table
    stands below."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._names = app.console.is_terminal
        self._said = ""
        self.screen = Screen(app.console, wanted=not app.json)

    def have(self, status: str, names: Sequence[str], last: Mapping[str, Recording]) -> None:
        """Say what is watched, where no table does."""
        with self._lock:
            self.screen.have(names, last)
            if status != self._said and not (self._app.json or self.screen.shows):
                self._app.console.print(f"{_now()}  {status}", markup=False, soft_wrap=True)
            self._said = status

    def tell(self, event: WatchEvent | SyncEvent) -> None:
        """Print what is worth a line."""
        with self._lock:
            if self._app.json:
                self._print_json(event)
                return
            self.screen.take(event)
            text, style = self._words(event)
            if text:
                self._app.console.print(
                    f"{_now()}  {shown(event.phone)}  {text}",
                    style=style,
                    markup=False,
                    soft_wrap=True,
                )

    def end(self) -> None:
        """Take the table away, unless somebody is held up while printing."""
        if self._lock.acquire(timeout=_END_S):
            try:
                self.screen.end()
            finally:
                self._lock.release()

    def _words(self, event: WatchEvent | SyncEvent) -> tuple[str, str]:
        if isinstance(event, SyncEvent):
            recording = event.recording
            if event.kind == "filed" and recording is not None:
                style = "bold red" if recording.silent else "green"
                return line(recording, names=self._names), style
            if event.kind == "broken":
                return f"{shown(event.error or '')}; waiting for the phone", "yellow"
            if event.kind == "doubt":
                return f"! {shown(event.error or '')}", "yellow"
            if event.kind in ("failed", "left"):
                word = "failed" if event.kind == "failed" else "left alone"
                name = f" {event.path.rsplit('/', 1)[-1]}" if self._names and event.path else ""
                return f"{word}{name}: {shown(event.error or '')}", "red"
            return "", ""
        if event.kind == "joined" and event.recording is not None:
            return (f"that was {who(event.recording)}" if self._names else ""), ""
        words = {
            "connected": (f"connected: {shown(event.text)}", ""),
            "stranger": (shown(event.text), "yellow"),
            "lost": (shown(event.text), "yellow"),
            "unfiled": (
                (f"nothing is filed: {shown(event.text)}{_hint(event)}", "bold red")
                if event.text
                else ("it takes recordings again", "green")
            ),
            "restarted": ("the recorder had ended; it runs again", "yellow"),
            "problem": (f"{shown(event.text)}{_hint(event)}", "bold red"),
            "paused": (
                (f"nothing is pulled: {shown(event.text)}", "yellow")
                if event.text
                else ("pulls again", "")
            ),
            "locked": (
                (shown(event.text), "yellow") if event.text else ("its storage is unlocked", "")
            ),
            "version": (shown(event.text), "yellow"),
            "call log": (shown(event.text), "yellow"),
            "cleaned": (shown(event.text), ""),
            "off": ("capture is off; turn it on with `offhook enable`", "yellow"),
            "no root": (shown(event.text), "bold red"),
            "state": (
                _STATES.get(event.text, "") + _why(event),
                "bold red" if event.text in ("refused", "failed") else "",
            ),
            "quiet": (shown(event.text), "bold red"),
            "clipping": (shown(event.text), "yellow"),
            "on": (f"{shown(event.text)}; the recording goes on while it can", "yellow"),
            "inbox": (f"{shown(event.text)}{_hint(event)}", "bold red"),
            "archive": (f"{shown(event.text)}{_hint(event)}", "bold red"),
            "settings": (
                f"offhook.toml: {shown(event.text)}{_hint(event)}",
                "bold red" if event.error else "",
            ),
            "desktop": (shown(event.text), "yellow"),
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
        if isinstance(event, SyncEvent) and event.path and event.kind not in _OF_NO_FILE:
            body["path"] = event.path
        if event.recording is not None:
            body["recording"] = as_json(event.recording)
        if isinstance(event, SyncEvent) and event.error:
            body["error"] = event.error
        elif isinstance(event, WatchEvent) and event.kind == "state" and event.error:
            body["error"] = event.error.message
        elif isinstance(event, WatchEvent) and event.kind == "unfiled" and event.error:
            body |= {"hint": event.error.hint} if event.error.hint else {}
        click.echo(json_text(body))


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


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
