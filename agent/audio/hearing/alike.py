"""Whether one channel is the other one again: also later, louder, or upside down."""

from __future__ import annotations

import numpy as np

from agent.audio.hearing.voice import RATE, Floats

_MOST_LAG_S = 1.0  # a call's own echo is later than no more than this


def likeness(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Compare two channels at 8 kHz: correlation, lag and gain of the second, as
    :class:`agent.audio.hearing.Likeness` has them."""
    a, b = a - a.mean(), b - b.mean()
    energy_a, energy_b = float(np.dot(a, a)), float(np.dot(b, b))
    if not energy_a or not energy_b:
        return 0.0, 0.0, 0.0
    size = 1 << (len(a) + round(_MOST_LAG_S * RATE)).bit_length()
    both = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    most = min(round(_MOST_LAG_S * RATE), len(a) - 1)
    near = np.concatenate((both[size - most :], both[: most + 1]))  # lags from -most to most
    best = int(np.argmax(np.abs(near)))
    return (
        float(near[best] / np.sqrt(energy_a * energy_b)),
        (best - most) / RATE,
        float(10 * np.log10(energy_b / energy_a)),
    )
