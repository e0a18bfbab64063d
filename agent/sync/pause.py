"""Whether a phone is too low or too hot for its recordings to be pulled now."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.limits import Limits
from agent.phone.battery import Battery

EVERY_S = 60.0  # how old an answer of the phone's may be
_MARGIN = 2.0  # per cent, or degrees, that it has to be better before it goes on


class Pause:
    """Of one phone. ``read`` asks it, which is done only when there is something to pull, and at
    most every minute; ``limits`` gives those of now."""

    def __init__(
        self,
        read: Callable[[], Battery],
        limits: Callable[[], Limits],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._limits, self._clock = read, limits, clock
        self._battery = Battery()
        self._read_at: float | None = None
        self._paused = False

    def why(self) -> str | None:
        """Why nothing is to be pulled now, in words, or None."""
        limits = self._limits()
        if not limits.pauses:
            self._paused = False
            return None
        now = self._clock()
        if self._read_at is None or now - self._read_at >= EVERY_S:
            self._battery, self._read_at = self._read(), now
        found = why_not(self._battery, limits, _MARGIN if self._paused else 0.0)
        self._paused = found is not None
        return found


def why_not(battery: Battery, limits: Limits, margin: float = 0.0) -> str | None:
    """What of a battery is out of the limits, in words; None where nothing is, or nothing known."""
    below, above = limits.pause_below, limits.pause_above
    percent = None if battery.powered else battery.percent
    if below is not None and percent is not None and percent < min(below + margin, 100):
        return f"its battery is at {int(percent)} %, and pause_below is {below}"
    if above is not None and battery.celsius is not None and battery.celsius >= above - margin:
        return f"its battery has {battery.celsius:.0f} °C, and pause_above is {above}"
    return None
