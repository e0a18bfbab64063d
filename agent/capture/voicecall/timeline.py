"""Where each packet of sound belongs: from the phone's times to frames.

The times are those of the phone's audio hardware where it tells them, else they are counted on
from the packet before, and never go back (S/audio/AudioRecordReader.java). They come in steps of
a delivery, 40 to 80 ms, so they jitter by as much; a hole, in which the phone gave nothing, is
what does not come back.
"""

from __future__ import annotations

RATE = 48000  # Hz
_JITTER = RATE // 10  # frames by which times may be off without being a hole
_BEHIND = RATE  # frames after which times that lag are taken to have been set anew
_SLACK = 2.0  # seconds that the phone's clock may be ahead of ours
_DRIFT = 5000  # one frame in so many: 200 ppm, more than two clocks ever differ


class Timeline:
    """Counts frames from the opening of an ear."""

    def __init__(self) -> None:
        self._base: int | None = None  # thousandths of a frame: the time of frame 0
        self._next = 0

    @property
    def position(self) -> int:
        """The frame after the last."""
        return self._next

    def begin(self, frames: int, elapsed: float) -> None:
        """The first packet has only come now, ``elapsed`` seconds after the opening, and was
        waited for: there was no sound before it."""
        late = int(elapsed * RATE) - frames
        if late > _JITTER:
            self._next = late

    def place(self, pts: int, frames: int, elapsed: float) -> int:
        """The frame at which a packet begins; never before the end of the one before.

        ``pts`` is its time in microseconds, ``elapsed`` how many seconds the ear is open: no
        hole is longer than the time that has really passed.
        """
        at = pts * (RATE // 1000)
        if self._base is None:
            self._base = at - self._next * 1000
        off = at - self._base - self._next * 1000
        ahead = off // 1000
        if ahead < -_BEHIND or self._next + ahead > (elapsed + _SLACK) * RATE:
            self._base += off  # a clock that was set, or a lie: no hole can be told from it
        elif ahead > _JITTER:
            self._next += ahead
        else:  # two clocks: follow slowly, so that they never add up to a hole
            most = frames * 1000 // _DRIFT
            self._base += max(-most, min(most, off))
        start = self._next
        self._next += frames
        return start
