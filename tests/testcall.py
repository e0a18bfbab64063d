"""What is said in a test call: first this phone's end, then the far end, each in its turn."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tests.lab.speech import RATE, conversation
from tests.sound import read_wav

Samples = npt.NDArray[np.float64]
Times = tuple[float, float]


def spoken(near: Times, far: Times, seconds: float, *, seed: int = 0) -> Samples:
    """Frames × 2 at 48 kHz, within ±1: left who speaks at this phone, right the far end.

    Each only in its own time, and silent else, down to noise 70 dB below full scale.
    """
    samples, _ = read_wav(conversation(seconds, seed=seed))
    out = samples / 32768
    for side, (begin, end) in enumerate((near, far)):
        out[:, side] *= _gate(len(out), begin, end)
    noise = np.random.default_rng(seed).normal(0, 10 ** (-70 / 20), out.shape)
    return np.asarray(out + noise)


def _gate(frames: int, begin: float, end: float) -> Samples:
    """1 in a time, 0 else, with 20 ms between."""
    at = np.arange(frames) / RATE
    return np.clip(np.minimum(at - begin, end - at) / 0.02, 0, 1)


def wav(samples: Samples | Sequence[float], rate: int = RATE) -> bytes:
    """A 16-bit WAV file."""
    array = np.asarray(samples)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1 if array.ndim == 1 else array.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((array.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return out.getvalue()
