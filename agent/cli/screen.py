"""How each phone stands: a table below the lines of `watch`, on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.archive.records import Recording
from agent.cli.rows import ARROWS, NARROW, length, level, megabytes, when, who
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.inbox.stay import NAME as INBOX
from agent.text import shown

_LOWEST_DBFS = -60.0
_LOUD_DBFS = -3.0
_WIDTH = 24
_EVERY_S = 0.2  # how often bytes that come are counted anew
_LABEL = 24  # columns that a phone's name may have

_CALLS = {
    "idle": ("waiting for a call", "green"),
    "ringing": ("rings", "cyan"),
    "offhook": ("a call begins", "cyan"),
    "recording": ("recording a call", "bold cyan"),
    "refused": ("this call is NOT recorded", "bold red"),
    "failed": ("recording this call FAILED", "bold red"),
    "voip": ("another app has a call", "yellow"),
}
_NOTES = {"off": "capture is off", "no root": "no root", "locked": "locked", "paused": "paused"}
_LASTING = ("off", "no root")  # told once, and not again after each connection


@dataclass
class _Row:
    """What is known of a phone, or of the inbox (which is always there)."""

    here: bool | None = None  # None: not found yet
    idle: tuple[str, str] = ("there", "")
    since: str = ""
    unfiled: bool = False  # the archive takes nothing
    call: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    coming: dict[str, tuple[int, int]] = field(default_factory=dict)  # file: bytes, of how many
    unfinished: int = 0
    failed: int = 0
    filed: int = 0
    last: Recording | None = None
    levels: Text | None = None

    def now(self) -> Text:
        """In a few words what it does, or what keeps it."""
        if self.here is None:
            return Text("looking for it", "dim")
        if not self.here:
            return Text(f"away since {self.since}", "yellow")
        said: list[tuple[str, str]] = []
        if self.call in _CALLS:
            said.append(_CALLS[self.call])
        said += [(words, "yellow") for words in self.notes.values()]
        if self.unfiled:
            said.append(("the archive takes nothing", "bold red"))
        elif self.coming:
            done, size = (sum(part) for part in zip(*self.coming.values(), strict=True))
            said.append((f"pulling {megabytes(done, size)}", "cyan"))
        if self.unfinished:
            said.append((f"{self.unfinished} not finished", "dim"))
        if self.failed:
            said.append((f"{self.failed} failed", "red"))
        return Text(", ").join(Text(words, style) for words, style in said or [self.idle])

    def take(self, event: WatchEvent | SyncEvent) -> bool:
        """Note an event; whether there is something else to be seen."""
        return self._of_file(event) if isinstance(event, SyncEvent) else self._of_phone(event)

    def _of_phone(self, event: WatchEvent) -> bool:
        kind = event.kind
        if kind == "connected":
            self.here = True
            self.call = ""
            self.coming.clear()
            self.notes = {kind: said for kind, said in self.notes.items() if kind in _LASTING}
        elif kind == "lost":
            if self.here is not False:
                self.since = datetime.now().astimezone().strftime("%H:%M")
            self.here = False
            self.coming.clear()
        elif kind == "state":
            self.call = event.text
            self._forget(*_LASTING)
        elif kind in _NOTES:
            self._forget(kind, *(_LASTING if kind in _LASTING else ()))
            if event.text or kind == "off":
                self.notes[kind] = _NOTES[kind]
            if kind == "off":
                self.call = ""
        elif kind == "scanned" and event.report is not None:
            before = self.unfinished, self.failed
            self.unfinished, self.failed = len(event.report.waiting), len(event.report.failed)
            return before != (self.unfinished, self.failed)
        elif kind == "joined" and event.recording is not None:
            if self.last is None or self.last.sha256 != event.recording.sha256:
                return False
            self.last = event.recording
        elif kind == "level":
            self.levels = _meter(event)
            return True
        else:
            return False
        if self.call != "recording" or not self.here:
            self.levels = None
        return True

    def _forget(self, *kinds: str) -> None:
        for kind in kinds:
            self.notes.pop(kind, None)

    def _of_file(self, event: SyncEvent) -> bool:
        if event.kind in ("pulling", "progress"):
            self.coming[event.path] = event.done, event.size
            return True
        self.coming.pop(event.path, None)
        if event.kind == "filed" and event.recording is not None:
            self.filed += 1
            # The newest comes first: what is filed last may be the oldest.
            if self.last is None or _begun(event.recording) >= _begun(self.last):
                self.last = event.recording
        return event.kind in ("filed", "duplicate", "failed", "gone", "broken")


class Screen:
    """A context manager; shows nothing where there is no terminal that can, or is not ``wanted``.
    One thread at a time."""

    def __init__(self, console: Console, *, wanted: bool = True) -> None:
        self._console = console
        self._rows: dict[str, _Row] = {}
        self._unfiled = False
        self._live: Live | None = None
        self._drawn = 0.0
        if wanted and console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(Text(), console=console, auto_refresh=False, transient=True)

    @property
    def shows(self) -> bool:
        """Whether there is a table."""
        return self._live is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Take it away."""
        if self._live is not None:
            self._live.stop()

    def have(self, names: Sequence[str], last: Mapping[str, Recording]) -> None:
        """These phones are watched, and the inbox if it is among them; ``last`` are their newest
        recordings."""
        if self._live is None:
            return
        before, self._rows = self._rows, {}
        for name in names:
            new = _Row(last=last.get(name))
            if name == INBOX:
                new = _Row(here=True, idle=("waiting for files", "green"))
            self._rows[name] = before.get(name) or new
            self._rows[name].unfiled = self._unfiled
        self._live.start()
        self._draw()

    def take(self, event: WatchEvent | SyncEvent) -> None:
        """Show what has changed."""
        if event.kind == "unfiled":
            self._unfiled = bool(isinstance(event, WatchEvent) and event.text)
            for each in self._rows.values():
                each.unfiled = self._unfiled
                each.coming.clear()
            self._draw()
            return
        row = self._rows.get(event.phone)
        if row is None or not row.take(event):
            return
        often = event.kind == "progress" or (event.kind == "pulling" and len(row.coming) > 1)
        if often and time.monotonic() - self._drawn < _EVERY_S:
            return
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._drawn = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Group:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("phone", no_wrap=True, max_width=_LABEL)
        table.add_column("now", no_wrap=True, overflow="ellipsis")
        table.add_column("new", no_wrap=True, justify="right")
        roomy = self._console.width >= NARROW
        if roomy:
            table.add_column("last recording", no_wrap=True, overflow="ellipsis")
        for name, row in self._rows.items():
            cells = [Text(shown(name)), row.now(), Text(str(row.filed) if row.filed else "")]
            table.add_row(*cells, *([_last(row.last)] if roomy else []))
        meters = [
            Text.assemble("  ", shown(name), "  ", row.levels, no_wrap=True)
            for name, row in self._rows.items()
            if row.levels is not None
        ]
        return Group(Text(), table, *meters)


def _last(recording: Recording | None) -> Text:
    if recording is None:
        return Text()
    at, today = when(_begun(recording)), when(int(time.time() * 1000))
    begun = at[11:16] if at[:10] == today[:10] else at[5:16]
    arrow = ARROWS.get(recording.direction, ARROWS[None])
    said = f"{begun} {arrow} {length(recording)}, {level(recording)}, {who(recording)}"
    return Text(said, "red" if recording.silent else "")


def _begun(recording: Recording) -> int:
    return recording.started_ms or recording.added_ms


def _meter(event: WatchEvent) -> Text:
    """How loud a call is that this computer records now."""
    seconds = int(float(event.text or 0))
    line = Text(f"{seconds // 60}:{seconds % 60:02}", no_wrap=True)
    for loud in event.levels:
        filled = round((1 - max(loud, _LOWEST_DBFS) / _LOWEST_DBFS) * _WIDTH)
        style = "red" if loud > _LOUD_DBFS else "green"
        line.append("  ").append("█" * filled, style).append("·" * (_WIDTH - filled), "dim")
        line.append(f" {loud:4.0f} dB" if loud > _LOWEST_DBFS else "   quiet")
    return line
