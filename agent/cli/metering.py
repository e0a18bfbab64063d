"""How loud the calls are that this computer records now: one line below the others, on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent.sync.events import WatchEvent
from agent.text import shown

_LOWEST_DBFS = -60.0
_LOUD_DBFS = -3.0
_WIDTH = 24


class Meter:
    """A context manager; shows nothing where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._live: Live | None = None
        self._lines: dict[str, Text] = {}
        if console.is_terminal:
            self._live = Live(Text(), console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.clear()
        if self._live is not None:
            self._live.stop()

    def take(self, event: WatchEvent) -> None:
        """A level of a call, or what ends it."""
        if self._live is None:
            return
        if event.kind == "level":
            self._lines[event.phone] = _line(event)
            self._live.start()
        elif event.kind == "state" and event.text != "recording":
            self._lines.pop(event.phone, None)
        else:
            return
        if self._lines:
            self._live.update(Text("\n").join(self._lines.values()), refresh=True)
        else:
            self._live.update(Text())
            self._live.stop()


def _line(event: WatchEvent) -> Text:
    seconds = int(float(event.text or 0))
    line = Text(f"          {shown(event.phone)}  {seconds // 60}:{seconds % 60:02}", no_wrap=True)
    for level in event.levels:
        filled = round((1 - max(level, _LOWEST_DBFS) / _LOWEST_DBFS) * _WIDTH)
        style = "red" if level > _LOUD_DBFS else "green"
        line.append("  ").append("█" * filled, style).append("·" * (_WIDTH - filled), "dim")
        line.append(f" {level:4.0f} dB" if level > _LOWEST_DBFS else "   quiet")
    return line
