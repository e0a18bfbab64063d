"""How long a recording is, how loud each channel is, and whether there is anything to hear."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.audio.decode import (
    Stream,
    blocks,
    full_scale,
    have_av,
    have_numpy,
    open_stream,
    wav_samples,
)
from agent.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOR_DBFS = -120.0  # what digital silence is said to be
QUIET_DBFS = -60.0  # a window below this is silence
SILENT_SHARE = 0.98  # a channel with more silence than this is silent
WINDOW_S = 0.02
_PLAIN_MOST = 4_000_000  # samples that pure Python looks at; of longer files it takes windows


@dataclass(frozen=True)
class Level:
    """One channel: ``silence`` and ``clipped`` are shares of 1.

    The mean (a constant offset) does not count as sound in ``rms_dbfs`` and ``silence``.
    """

    peak_dbfs: float
    rms_dbfs: float
    silence: float
    clipped: float

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear in it."""
        return self.silence > SILENT_SHARE

    def as_dict(self) -> dict[str, float]:
        """The level as the index keeps it."""
        return {
            "peak_dbfs": round(self.peak_dbfs, 1),
            "rms_dbfs": round(self.rms_dbfs, 1),
            "silence": round(self.silence, 4),
            "clipped": round(self.clipped, 6),
        }


@dataclass(frozen=True)
class Measurement:
    """What was found in a recording. ``problem`` says what is wrong with its sound, if anything."""

    format: str
    codec: str
    rate: int
    channels: int
    duration_s: float
    levels: tuple[Level, ...] = field(default=())
    problem: str | None = None

    @property
    def silent_channels(self) -> list[int]:
        """The channels, from 0, in which there is nothing to hear."""
        return [number for number, level in enumerate(self.levels) if level.silent]

    @property
    def silent(self) -> bool | None:
        """Whether there is nothing to hear at all; None if that could not be measured."""
        return all(level.silent for level in self.levels) if self.levels else None

    def columns(self) -> dict[str, Any]:
        """The measurement as columns of ``recordings``."""
        return {
            "format": self.format,
            "codec": self.codec,
            "rate": self.rate,
            "channels": self.channels,
            "duration_s": round(self.duration_s, 3),
            "levels": [level.as_dict() for level in self.levels],
            "silent": None if self.silent is None else int(self.silent),
            "silent_channels": self.silent_channels,
            "problem": self.problem,
        }


class BrokenAudioError(AudioError):
    """A recording could be read in part; ``measurement`` is of that part."""

    def __init__(self, message: str, measurement: Measurement) -> None:
        super().__init__(message)
        self.measurement = measurement


def measure(path: Path, between: Callable[[], None] = lambda: None) -> Measurement:
    """Measure a recording from end to end; ``between`` is called again and again, and may raise.

    AudioError if nothing could be read, BrokenAudioError with the measurement of what could.
    """
    stream = open_stream(path)
    meter: _Meter | _PlainMeter
    broken: AudioError | None = None
    if stream.wav is not None and not have_numpy():
        meter = _PlainMeter(stream)
        meter.run(between)
    else:
        meter = _Meter(stream.rate, stream.channels)
        try:
            for block in blocks(stream):
                meter.add(block)
                between()
        except AudioError as error:
            broken = error
        meter.end()
    if meter.frames == 0 and broken is None:
        broken = AudioError(f"{path.name} has no sound in it")
    if meter.frames == 0 and broken is not None:
        raise broken
    problem = broken.message if broken else stream.problem
    found = Measurement(
        stream.format,
        stream.codec,
        stream.rate,
        stream.channels,
        meter.frames / stream.rate,
        meter.levels(),
        problem,
    )
    if problem:
        raise BrokenAudioError(problem, found)
    return found


def warm_up() -> None:
    """Load the libraries now, so that the first recording is not kept waiting for them."""
    if have_numpy():
        import numpy  # noqa: F401
    if have_av():
        import av  # noqa: F401


def dbfs(value: float) -> float:
    """A linear level (full scale 1) in dBFS, not below the floor."""
    return max(20 * math.log10(value), FLOOR_DBFS) if value > 0 else FLOOR_DBFS


_QUIET = 10 ** (QUIET_DBFS / 20)


class _Meter:
    """Sums over windows of 20 ms, with numpy, for any length in little memory."""

    def __init__(self, rate: int, channels: int) -> None:
        import numpy as np

        self._window = max(round(rate * WINDOW_S), 1)
        self._channels = channels
        self._rest: NDArray[np.float32] = np.zeros((0, channels), np.float32)
        self.frames = 0
        self._windows = 0
        self._peak = np.zeros(channels)
        self._power = np.zeros(channels)
        self._quiet = np.zeros(channels)
        self._clipped = np.zeros(channels)

    def add(self, block: NDArray[np.float32]) -> None:
        import numpy as np

        if block.shape[1] != self._channels:
            raise AudioError("the number of channels changes in the middle")
        self.frames += len(block)
        data = np.concatenate((self._rest, block)) if len(self._rest) else block
        whole = len(data) // self._window * self._window
        self._rest = data[whole:]
        if whole:
            self._sum(data[:whole].reshape(-1, self._window, self._channels))

    def end(self) -> None:
        if len(self._rest):
            self._sum(self._rest.reshape(1, -1, self._channels))

    def _sum(self, windows: NDArray[np.float32]) -> None:
        import numpy as np

        size = np.abs(windows)
        self._peak = np.maximum(self._peak, size.max(axis=(0, 1)))
        self._clipped += (size >= _CLIPPED).sum(axis=(0, 1))
        mean = windows.mean(axis=1)
        variance = np.maximum(np.square(windows).mean(axis=1) - np.square(mean), 0)
        self._power += variance.sum(axis=0) * windows.shape[1]
        self._quiet += (np.sqrt(variance) < _QUIET).sum(axis=0)
        self._windows += len(windows)

    def levels(self) -> tuple[Level, ...]:
        return tuple(
            Level(
                dbfs(float(self._peak[c])),
                dbfs(math.sqrt(float(self._power[c]) / self.frames)),
                float(self._quiet[c]) / self._windows,
                float(self._clipped[c]) / self.frames,
            )
            for c in range(self._channels)
        )


_CLIPPED = 32767 / 32768


class _PlainMeter:
    """The same without numpy, for WAV files; of long ones it takes windows spread evenly."""

    def __init__(self, stream: Stream) -> None:
        assert stream.wav is not None
        self._wav = stream.wav
        self.frames = stream.wav.frames
        self._window = max(round(stream.rate * WINDOW_S), 1)
        self._sums = [[0.0, 0.0, 0, 0, 0] for _ in range(stream.channels)]
        self._windows = 0

    def run(self, between: Callable[[], None]) -> None:
        every = max(self.frames * self._wav.channels // _PLAIN_MOST + 1, 1)
        for raw in self._taken(every):
            between()
            samples = wav_samples(raw, self._wav)
            self._windows += 1
            for channel, sums in enumerate(self._sums):
                self._add(samples[channel :: self._wav.channels], sums)

    def _taken(self, every: int) -> Iterator[bytes]:
        for number, raw in enumerate(self._wav.chunks(self._window)):
            if number % every == 0:
                yield raw

    def _add(self, samples: Any, sums: list[float]) -> None:
        scale = full_scale(self._wav)
        count = len(samples)
        mean = math.fsum(samples) / count
        power = max(math.fsum(x * x for x in samples) / count - mean * mean, 0.0) / scale**2
        sums[0] = max(sums[0], max(samples) / scale, -min(samples) / scale)
        sums[1] += power * count
        sums[2] += math.sqrt(power) < _QUIET
        sums[3] += sum(1 for x in samples if abs(x) >= _CLIPPED * scale)
        sums[4] += count

    def levels(self) -> tuple[Level, ...]:
        return tuple(
            Level(
                dbfs(peak),
                dbfs(math.sqrt(power / max(count, 1))),
                quiet / max(self._windows, 1),
                clipped / max(count, 1),
            )
            for peak, power, quiet, clipped, count in self._sums
        )
