"""What all phones share of this computer: how many pull at once, in what order, and how fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.adb.reconnect import Cancel
from agent.sync.pull import Cancelled

PULLS = 4
LARGE = 16 << 20  # bytes: more takes a while, however fast the link is
AHEAD_S = 4.0  # at a limited rate, what goes together takes no longer than that, if it can
_TICK = 0.25  # seconds after which a request to stop is noticed


class Share:
    """Turns for phones, one thread each, and a rate for what all of them pull together.

    At most ``pulls`` have a turn; who comes first gets the next one, so that phones that all have
    much to give take turns. Of the turns, one is never given to what is large: a new recording is
    not kept waiting until the large ones of other phones are through. ``rate`` is in bytes a
    second, None for no limit, and may be changed from any thread.
    """

    def __init__(
        self,
        pulls: int = PULLS,
        rate: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pulls, self._most_large = pulls, max(1, pulls - 1)
        self.rate = rate
        self._clock, self._sleep = clock, sleep
        self._changed = threading.Condition()
        self._queue: list[Turn] = []
        self._has: list[Turn] = []
        self._free_at = 0.0  # when all bytes that were let through will be paid for

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._queue)

    @contextmanager
    def turn(self, size: int, cancel: Cancel) -> Iterator[Turn]:
        """Wait for a turn to pull ``size`` bytes; Cancelled when told to stop meanwhile."""
        mine = Turn(self, size > LARGE, cancel)
        mine.take()
        try:
            yield mine
        finally:
            mine.give()

    def together(self, most: int) -> int:
        """How many bytes may go together at this rate, ``most`` at most: others wait for them."""
        rate = self.rate
        return most if rate is None else min(most, round(rate * AHEAD_S))

    def pace(self, size: int, cancel: Cancel) -> None:
        """Wait until so many bytes that came are within the rate; Cancelled when told to stop.

        Who does not read them holds up the phone: its link takes in only so much ahead.
        """
        rate = self.rate
        if rate is None:
            return
        with self._changed:
            # What nobody used before is not made up for.
            self._free_at = max(self._free_at, self._clock()) + size / rate
            until = self._free_at
        while (left := until - self._clock()) > 0:
            if cancel.is_set():
                raise Cancelled
            if self.rate != rate:
                return
            self._sleep(min(left, _TICK))

    def _take(self, turn: Turn, cancel: Cancel) -> None:
        with self._changed:
            self._queue.append(turn)
            try:
                while self._next() is not turn:
                    if cancel.is_set():
                        raise Cancelled
                    self._changed.wait(_TICK)
                self._has.append(turn)
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()

    def _give(self, turn: Turn) -> None:
        with self._changed:
            self._has.remove(turn)
            self._changed.notify_all()

    def _next(self) -> Turn | None:
        """Whose turn it is, if one is free."""
        if len(self._has) >= self._pulls:
            return None
        full = sum(turn.large for turn in self._has) >= self._most_large
        return next((turn for turn in self._queue if not (turn.large and full)), None)


class Turn:
    """A phone's turn; it may be lent to others while the phone is waited for."""

    def __init__(self, share: Share, large: bool, cancel: Cancel) -> None:
        self.large = large
        self._share, self._cancel = share, cancel
        self._mine = False

    def take(self) -> None:
        """Wait for it; Cancelled when told to stop."""
        self._share._take(self, self._cancel)
        self._mine = True

    def give(self) -> None:
        """It is over; harmless twice."""
        if self._mine:
            self._mine = False
            self._share._give(self)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Others may have it meanwhile. What fails in the block gets no turn again."""
        was = self._mine
        self.give()
        yield
        if was:
            self.take()
