"""How loud what is being recorded is: for the meter, and for warnings while there is time."""

from __future__ import annotations

from agent.audio.measure import FLOOR_DBFS, QUIET_DBFS, dbfs

EVERY_S = 0.2  # of sound, between two looks at the meter
QUIET_S = 10.0  # of nothing to hear, after which somebody should look
_FULL = 32767
_CLIPPED_SHARE = 0.001  # of a channel's samples: more is heard


class Levels:
    """Watches the samples as they come. ``now`` has each channel's peak in dBFS, of the last
    moment; ``quiet_s`` for how long nothing was heard; ``clipping`` whether it is too loud."""

    def __init__(self, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels
        self._peaks = [0] * channels
        self._frames = 0  # since the last look
        self._total = 0
        self._clipped = [0] * channels
        self.now: tuple[float, ...] = (FLOOR_DBFS,) * channels
        self.quiet_s = 0.0

    def add(self, samples: bytes) -> bool:
        """Take samples; whether ``now`` is anew."""
        import numpy as np

        data = np.frombuffer(samples, "<i2").reshape(-1, self._channels).astype(np.int32)
        if not len(data):
            return False
        sizes = np.abs(data)
        for channel, peak in enumerate(sizes.max(axis=0)):
            self._peaks[channel] = max(self._peaks[channel], int(peak))
        for channel, count in enumerate((sizes >= _FULL).sum(axis=0)):
            self._clipped[channel] += int(count)
        # A constant offset is nothing to hear.
        loudest = float(np.sqrt(np.square(data - data.mean(axis=0)).mean(axis=0)).max())
        if dbfs(loudest / 32768) < QUIET_DBFS:
            self.quiet_s += len(data) / self._rate
        else:
            self.quiet_s = 0.0
        self._frames += len(data)
        self._total += len(data)
        if self._frames < EVERY_S * self._rate:
            return False
        self.now = tuple(dbfs(peak / 32768) for peak in self._peaks)
        self._peaks, self._frames = [0] * self._channels, 0
        return True

    def silence(self, frames: int) -> None:
        """Frames that the source did not give."""
        self._total += frames
        self.quiet_s += frames / self._rate

    @property
    def clipping(self) -> bool:
        """Whether more than a sample here and there is at full scale."""
        return any(count > max(self._total * _CLIPPED_SHARE, 20) for count in self._clipped)

    @property
    def length_s(self) -> float:
        """Seconds so far."""
        return self._total / self._rate

    def is_quiet(self) -> bool:
        """Whether nothing was heard for too long."""
        return self.quiet_s >= QUIET_S
