"""What the join works with. Times are milliseconds since 1970, lengths are seconds."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

INCOMING, OUTGOING, MISSED = 1, 2, 3  # Android's CallLog.Calls.TYPE
ALLOWED = 1  # the presentation of a number that may be shown
LONGEST_RING_S = 120


@dataclass(frozen=True)
class Party:
    """Somebody who is heard: a number, a name, or both."""

    number: str | None = None
    contact: str | None = None


@dataclass(frozen=True)
class Heard:
    """What is known of a recording, by its recorder, its name, its bytes.

    ``start_ms`` may be early by up to ``precision_s``, where a name has no more than the minute;
    ``loose_s`` is how far it may be off besides. ``zone_known`` is False where the start was a
    local time, and the zone had to be assumed; ``other_hour_ms`` is what a clock that was just
    put back makes possible too. ``clock`` is whose clock told the start. ``begun_ms`` is when
    the recorder saw the call ring, or saw it dialled, always by the phone's clock. ``file_ms`` is
    the time of the file on the phone, which mostly is the call's end. ``guessed`` has ``number``
    or ``contact`` where the file's name only assumes it. ``kind`` says what wrote it (files of one
    call that lie beside each other are of different kinds), ``sim`` is in the words of that kind.
    ``app`` is set where an app's own call was heard, which the log does not have.
    """

    id: int
    start_ms: int
    end_ms: int | None = None
    length_s: float | None = None
    begun_ms: int | None = None
    precision_s: float = 0.0
    loose_s: float = 1.0
    zone_known: bool = True
    other_hour_ms: int = 0
    clock: Literal["phone", "host"] = "phone"
    file_ms: int | None = None
    direction: str | None = None
    number: str | None = None
    contact: str | None = None
    guessed: frozenset[str] = frozenset()
    private: bool = False
    sim: str | None = None
    kind: str = ""
    parties: tuple[Party, ...] = ()
    several: bool = False
    part: bool = False
    cut: bool = False
    app: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it is: measured, or else from start to end."""
        if self.length_s is not None:
            return self.length_s
        return None if self.end_ms is None else max(0.0, (self.end_ms - self.start_ms) / 1000)

    @property
    def stop_ms(self) -> int:
        """When it ended, as far as is known."""
        if self.length_s is not None:
            return self.start_ms + round(self.length_s * 1000)
        return self.start_ms if self.end_ms is None else self.end_ms


@dataclass(frozen=True)
class Call:
    """A row of the call log: begun (rung or dialled) at ``date_ms``, answered for ``talk_s``."""

    id: int
    date_ms: int
    talk_s: int
    type: int
    number: str | None = None
    normalized: str | None = None
    country: str | None = None
    name: str | None = None
    presentation: int | None = None
    sim: str | None = None

    @property
    def direction(self) -> str:
        """``in`` or ``out``."""
        return "out" if self.type == OUTGOING else "in"

    @property
    def private(self) -> bool:
        """Whether the log hides the number."""
        return self.presentation not in (None, ALLOWED)


@dataclass(frozen=True)
class Look:
    """A look at the phone, at ``at_ms`` by this computer's clock.

    ``clock_ms`` is the phone's clock less this computer's. ``log_rows`` and ``log_oldest_ms`` say
    how many calls the log had, and since when; None when it was not read.
    """

    at_ms: int
    clock_ms: int | None = None
    clock_error_ms: int = 0
    zone: str | None = None
    log_rows: int | None = None
    log_oldest_ms: int | None = None

    @property
    def phone_ms(self) -> int:
        """When it was, by the phone's clock."""
        return self.at_ms + (self.clock_ms or 0)


@dataclass(frozen=True)
class Candidate:
    """A call that may be the one: ``score`` is the probability that it is; ``reason`` in words,
    ``against`` what forbids to take it without asking."""

    call: Call
    score: float
    reason: str
    against: str = ""


@dataclass(frozen=True)
class Decision:
    """What a recording is of. ``calls`` is empty when that is open; the first is the main one.

    ``candidates`` are the calls that may be it, the likeliest first. ``reason`` has no number and
    no name in it. ``apart_ms`` lies between the call's begin and the recording's, ``shift_ms`` is
    what its start is off by the phone's clock.
    """

    heard: Heard
    calls: tuple[Call, ...]
    score: float
    reason: str
    candidates: tuple[Candidate, ...] = ()
    apart_ms: int = 0
    shift_ms: int = 0


_CAP = 450  # rows: Android keeps 500, some vendors count otherwise
_LATE_MS = 90_000  # after this, a call that is over is in the log


class Log:
    """A phone's calls, and how much of the time they cover."""

    def __init__(self, calls: Iterable[Call], looks: Sequence[Look] = ()) -> None:
        self.calls = sorted(_once(calls), key=lambda call: (call.date_ms, call.id))
        self._dates = [call.date_ms for call in self.calls]
        self.looks = sorted(looks, key=lambda look: look.at_ms)
        self._times = [look.at_ms for look in self.looks]
        reads = [look for look in self.looks if look.log_rows is not None]
        self._reads = sorted(reads, key=lambda look: look.phone_ms)
        self._read_times = [look.phone_ms for look in self._reads]

    def between(self, first_ms: float, last_ms: float) -> list[Call]:
        """The calls that began then."""
        begin = bisect.bisect_left(self._dates, first_ms)
        return self.calls[begin : bisect.bisect_right(self._dates, last_ms)]

    def clocks(self, at_ms: int) -> list[Look]:
        """The looks with a clock that are nearest to a time of this computer's: the last one
        before it and the first one after it."""
        place = bisect.bisect_right(self._times, at_ms)
        before = next((k for k in reversed(self.looks[:place]) if k.clock_ms is not None), None)
        after = next((k for k in self.looks[place:] if k.clock_ms is not None), None)
        return [look for look in (before, after) if look is not None]

    def missing(self, start_ms: int, stop_ms: int) -> float:
        """How likely it is that a call of that time is in no row that was read; over 1 where the
        log was not read since: calls come one after the other."""
        if not self._reads:
            return 0.5
        at = bisect.bisect_left(self._read_times, stop_ms)
        if at == len(self._reads):
            return 5.0  # not read since
        for look in self._reads[at : at + 50]:
            oldest = look.log_oldest_ms
            whole = (look.log_rows or 0) < _CAP or (oldest is not None and oldest < start_ms)
            if look.phone_ms - stop_ms >= _LATE_MS:
                return 0.01 if whole else 0.7
            if not whole:
                return 0.7
        return 0.3


@dataclass
class Weight:
    """How well a call explains a recording: a density, words for it, and what contradicts."""

    density: float = 0.0
    words: list[str] = field(default_factory=list)
    against: list[str] = field(default_factory=list)


def _once(calls: Iterable[Call]) -> list[Call]:
    """A log that was restored from a backup has its rows twice, under other numbers."""
    known: dict[tuple[object, ...], Call] = {}
    for call in calls:
        key = (call.date_ms, call.talk_s, call.type, call.number)
        if key not in known or call.id < known[key].id:
            known[key] = call
    return list(known.values())
