"""Which phones are there, by serial number, whatever ways lead to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.adb.finding.finders import Event, Seen

_USABLE = ("device", "found")  # the better one first
_ORDER = ("server", "tcp", "usb", "mdns")  # as reach.auto has it


@dataclass(frozen=True)
class Change:
    """What became of a phone.

    ``arrived``: there is a way to it now (``now``); ``before`` is the last one of an earlier
    time, so a phone that came back elsewhere has another name there. ``moved``: the best way is
    another than ``before``. ``departed``: the last way, ``before``, is gone.
    """

    kind: Literal["arrived", "moved", "departed"]
    serial: str
    now: Seen | None
    before: Seen | None


class Roster:
    """Phones by serial number, and the ways to each; fed with :meth:`take`.

    A phone whose serial number is not known yet is not in it. One thread may use it at a time.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Seen] = {}
        self._best: dict[str, Seen] = {}
        self._last: dict[str, Seen] = {}

    def take(self, event: Event) -> list[Change]:
        """Note an event; what it changes, which is often nothing."""
        key = (event.way, event.name)
        old = self._seen.pop(key, None)
        if isinstance(event, Seen):
            self._seen[key] = event
        serials = [s for s in (old and old.serial, isinstance(event, Seen) and event.serial) if s]
        return [c for s in dict.fromkeys(serials) if (c := self._compare(s)) is not None]

    def ways(self, serial: str) -> list[Seen]:
        """The ways to a phone that can be tried, the best one first."""
        usable = [s for s in self._seen.values() if s.serial == serial and s.state in _USABLE]
        return sorted(usable, key=lambda s: (_USABLE.index(s.state), _ORDER.index(s.way), s.name))

    @property
    def phones(self) -> list[str]:
        """The serial numbers of the phones that are there."""
        return sorted(self._best)

    def _compare(self, serial: str) -> Change | None:
        before = self._best.get(serial)
        now = next(iter(self.ways(serial)), None)
        if now is None:
            if before is None:
                return None
            del self._best[serial]
            return Change("departed", serial, None, before)
        self._best[serial] = now
        last, self._last[serial] = self._last.get(serial), now
        if before is None:
            return Change("arrived", serial, now, last)
        if (before.way, before.name) != (now.way, now.name):
            return Change("moved", serial, now, before)
        return None
