"""The events of a watch, told to the desktop and to the user's own command."""

from __future__ import annotations

import time
from typing import Any

from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.cli.common import App
from agent.cli.rows import as_json, length, level, line
from agent.desk.hook import Hooks
from agent.desk.notices import Notices
from agent.sync.events import SyncEvent, Tell, WatchEvent


class Desktop:
    """Takes events, and never fails: what can't be told is told to ``tell`` in a sentence."""

    def __init__(self, app: App, archive: Archive, tell: Tell) -> None:
        self._app, self._archive, self._tell = app, archive, tell
        self._notices, self._hooks = self._made()
        self._away: dict[str, float] = {}  # since when
        self._said: set[str] = set()

    def _made(self) -> tuple[Notices, Hooks]:
        desk = self._app.config.desk

        def problem(text: str) -> None:
            self._tell(WatchEvent("desktop", "desktop", text))

        return Notices(desk.notify, problem), Hooks(desk.hook, self._app.home, problem)

    def start(self) -> None:
        """Begin."""
        self._notices.start()
        self._hooks.start()

    def stop(self) -> None:
        """End; a command that runs gets a moment."""
        self._notices.stop()
        self._hooks.stop()

    def reconfigure(self) -> None:
        """The settings may have changed."""
        desk = self._app.config.desk
        self._notices.reconfigure(desk.notify)
        self._hooks.reconfigure(desk.hook)

    def take(self, event: object) -> None:
        """One event of the watch."""
        if isinstance(event, SyncEvent):
            if event.kind == "filed" and event.recording is not None:
                self._filed(event.recording)
        elif isinstance(event, WatchEvent):
            if event.kind == "connected":
                self._away.pop(event.phone, None)
                self._said.discard(event.phone)
            elif event.kind == "lost":
                self._away.setdefault(event.phone, time.monotonic())

    def forget(self, phone: str) -> None:
        """A phone is not watched any more."""
        self._away.pop(phone, None)
        self._said.discard(phone)

    def turn(self) -> None:
        """Now and then: tell of phones that have been away for long."""
        setting = self._notices.setting
        if not setting.gone_min:
            return
        for phone, since in list(self._away.items()):
            if phone not in self._said and time.monotonic() - since >= setting.gone_min * 60:
                self._said.add(phone)
                name = phone if setting.names else "A watched phone"
                self._notices.show(
                    "Phone away", f"{name} has been out of reach for {setting.gone_min} minutes."
                )

    def _filed(self, recording: Recording) -> None:
        setting = self._notices.setting
        if recording.silent and setting.silent:
            self._notices.show("Nothing is heard", _words(recording, names=setting.names))
        elif setting.recorded:
            self._notices.show("Recorded", _words(recording, names=setting.names))
        self._hooks.recorded(facts_of(self._archive, recording))


def _words(recording: Recording, *, names: bool) -> str:
    if names:
        return line(recording, names=True)
    return f"Recording {recording.id}: {length(recording)}, {level(recording)}"


def facts_of(archive: Archive, recording: Recording) -> dict[str, Any]:
    """What the user's command gets: as ``show --json`` begins."""
    return {
        **as_json(recording),
        "file": str(archive.file_of(recording)),
        "facts": recording.facts,
        "sidecar": recording.sidecar,
    }
