"""Where somebody speaks: a voice is periodic, moves, and is in more than a tone's few pitches.

All at 8 kHz, which is what a call's speech needs at the least.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.audio.measure import dbfs

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RATE = 8000
_FRAME, _HOP = 256, 128  # 32 ms: two periods of the lowest voice
_LOWEST_HZ, _HIGHEST_HZ = 60, 400
_LEAST_DBFS = -60.0
_RANGE_DB = 30.0  # a word's soft ends are so far below its vowels
_ABOVE_FLOOR_DB = 6.0  # noise as loud as it gets stays below this over its own quiet tenth
# The highest autocorrelation at a voice's lags: white noise has 0.2 to 0.3, vowels have 0.7 to 1.
_VOICED = 0.5
# The share of a frame's power in its four best bins (125 Hz): one tone or a dialling pair has
# 0.95 and more, vowels 0.5 to 0.9.
_TONAL = 0.93
_TONES = 0.6  # so much of what is periodic is tonal: then it is no voice
_TONE_EDGE = 2  # frames
# Unvoiced sounds and the pauses inside a word are speech too.
_AROUND_S = 0.15
_LEAST_VOICED_S = 0.3  # less in a whole recording is a click, or chance


def at_8k(samples: NDArray[np.float32], rate: int) -> Floats:
    """The samples (frames × channels) at 8 kHz, by their spectrum."""
    count = max(round(len(samples) * RATE / rate), 1)
    if rate == RATE:
        return samples.astype(np.float64)
    out = np.empty((count, samples.shape[1]))
    for channel in range(samples.shape[1]):  # one at a time: a spectrum is large
        spectrum = np.fft.rfft(samples[:, channel])
        kept = np.zeros(count // 2 + 1, dtype=complex)
        most = min(len(kept), len(spectrum))
        kept[:most] = spectrum[:most]
        out[:, channel] = np.fft.irfft(kept, count) * (count / len(samples))
    return out


class Voice:
    """One channel at 8 kHz, asked for the speech in it."""

    def __init__(self, samples: Floats) -> None:
        padded = np.concatenate((samples, np.zeros(max(_FRAME - len(samples), 0))))
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
        self._frames = frames - frames.mean(axis=1, keepdims=True)
        # Rumble and wind are waves of any length: flattened, they are noise like any other.
        self._flat = np.diff(self._frames, axis=1, prepend=0.0)
        self._power = np.square(self._frames).mean(axis=1)
        self._levels = 10 * np.log10(np.maximum(self._power, 1e-12))

    @cached_property
    def _active(self) -> Flags:
        """Frames with a sound that rises over whatever is always there."""
        floor, top = np.percentile(self._levels, (10, 99))
        return np.asarray(self._levels > max(floor + _ABOVE_FLOOR_DB, top - _RANGE_DB, _LEAST_DBFS))

    @cached_property
    def _periodic(self) -> Flags:
        spectrum = np.fft.rfft(self._flat * np.hanning(_FRAME), 2 * _FRAME)
        own = np.fft.irfft(np.square(np.abs(spectrum)))
        window = np.fft.irfft(np.square(np.abs(np.fft.rfft(np.hanning(_FRAME), 2 * _FRAME))))
        lags = slice(RATE // _HIGHEST_HZ, RATE // _LOWEST_HZ)
        likeness = own[:, lags] / np.maximum(own[:, :1], 1e-12) * (window[0] / window[lags])
        return np.asarray(likeness.max(axis=1) > _VOICED)

    @cached_property
    def _tonal(self) -> Flags:
        power = np.square(np.abs(np.fft.rfft(self._frames * np.hanning(_FRAME))))
        best = np.sort(power, axis=1)[:, -4:].sum(axis=1)
        return np.asarray(best > _TONAL * np.maximum(power.sum(axis=1), 1e-12))

    @cached_property
    def _voiced(self) -> Flags:
        # Where a tone begins and ends it is in more pitches.
        near_tone = np.convolve(self._tonal, np.ones(2 * _TONE_EDGE + 1), "same") > 0.5
        return np.asarray(self._active & self._periodic & ~near_tone)

    @cached_property
    def kind(self) -> Literal["noise", "tone", "speech"]:
        """What kind of sound it is, silence apart."""
        periodic = self._levels > _LEAST_DBFS
        periodic &= self._periodic
        if periodic.sum() and (periodic & self._tonal).sum() > _TONES * periodic.sum():
            return "tone"
        return "speech" if self._voiced.sum() * _HOP / RATE >= _LEAST_VOICED_S else "noise"

    @cached_property
    def _speech(self) -> Flags:
        if self.kind != "speech":
            return np.zeros(len(self._levels), dtype=bool)
        width = 2 * round(_AROUND_S * RATE / _HOP) + 1
        return np.asarray(np.convolve(self._voiced, np.ones(width), "same") > 0.5)

    def _turn(self, start: float, end: float) -> slice:
        return slice(max(round(start * RATE / _HOP), 0), max(round(end * RATE / _HOP), 0))

    def share(self, start: float, end: float) -> float:
        """The share of a time (seconds) in which somebody speaks; what is not there counts."""
        expected = (end - start) * RATE / _HOP
        found = int(self._speech[self._turn(start, end)].sum())
        return min(found / expected, 1.0) if expected > 0 else 0.0

    def level(self, start: float, end: float) -> float | None:
        """How loud the voice is in a time, in dBFS (RMS over what is voiced); None without."""
        turn = self._turn(start, end)
        power = self._power[turn][self._voiced[turn]]
        return dbfs(float(np.sqrt(power.mean()))) if self.kind == "speech" and len(power) else None
