"""Is a recording what was played? Channel by channel, whatever the delay."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """``correlation`` of each channel (1 is the same), the recording's length in seconds, and
    ``lag_s``: how far into what was played it begins."""

    correlation: tuple[float, ...]
    seconds: float
    lag_s: float

    def tail(self, seconds: float, recorded: Path, played: Path) -> float:
        """The correlation of the last seconds alone, of the worse channel, at the same lag."""
        heard, rate = read_wav(recorded)
        said, _ = read_wav(played)
        end = len(heard)
        begin = max(0, end - round(seconds * rate))
        lag = round(self.lag_s * rate)
        window = said[max(0, begin + lag) : max(0, end + lag)]
        part = heard[begin : begin + len(window)]
        return min(_correlation(part[:, c], window[:, c]) for c in range(part.shape[1]))


def legs(
    recorded: Path, played: Path, channels: Sequence[str], seconds: float | None = None
) -> list[tuple[float, float]]:
    """Whether each channel of a recording holds what its name says: for each name, how like it is
    to that end of the line (or to both together, for ``mixed``), and to the other end.

    Of a recording that is called mixed, all channels are taken together. What was played is the
    owner's voice left and the far end's right.
    """
    heard, rate = read_wav(recorded)
    said, said_rate = read_wav(played)
    assert rate == said_rate
    if seconds is not None:
        said = said[: round(seconds * rate)]
    if tuple(channels) == ("mixed",):
        heard = heard.mean(axis=1, keepdims=True)
    assert heard.shape[1] == len(channels), f"{heard.shape[1]} channels, and not {channels}"
    found = []
    for column, name in zip(heard.T, channels, strict=True):
        ends = {"uplink": said[:, 0], "downlink": said[:, 1], "mixed": said.sum(axis=1)}
        other = {"uplink": "downlink", "downlink": "uplink"}.get(name)
        like, window = _best(column, ends[name])
        unlike = _correlation(column, window(ends[other])) if other else 0.0
        found.append((like, unlike))
    return found


def _best(
    heard: npt.NDArray[np.float64], said: npt.NDArray[np.float64]
) -> tuple[float, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]]:
    """The best correlation at any lag, and what cuts another end's sound at that lag."""
    pad = np.zeros(len(heard))
    padded = np.concatenate([pad, said, pad])
    size = 1 << (len(padded) + len(heard)).bit_length()
    product = np.fft.irfft(np.fft.rfft(padded, size) * np.conj(np.fft.rfft(heard, size)), size)
    start = int(np.argmax(product[: len(padded) - len(heard) + 1]))

    def window(sound: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate([pad, sound, pad])[start : start + len(heard)]

    return _correlation(heard, window(said)), window


def read_wav(path: Path) -> tuple[Samples, int]:
    """Samples as frames × channels, and the rate."""
    with wave.open(str(path), "rb") as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return raw.reshape(-1, file.getnchannels()).astype(np.float64), file.getframerate()


def compare(recorded: Path, played: Path, seconds: float | None = None) -> Likeness:
    """Find the recording in what was played, by its loudest agreement over both channels, and
    correlate each channel there. Of what was prepared, only so many ``seconds`` were played:
    the call's own length."""
    heard, rate = read_wav(recorded)
    said, said_rate = read_wav(played)
    if seconds is not None:
        said = said[: round(seconds * said_rate)]
    assert rate == said_rate, f"{rate} Hz recorded, {said_rate} Hz played"
    # The recording may begin before or after what was played: pad what was played on both sides.
    pad = np.zeros((len(heard), said.shape[1]))
    said = np.concatenate([pad, said, pad])
    size = 1 << (len(said) + len(heard)).bit_length()
    both = sum(
        np.fft.irfft(np.fft.rfft(said[:, c], size) * np.conj(np.fft.rfft(heard[:, c], size)), size)
        for c in range(heard.shape[1])
    )
    start = int(np.argmax(np.asarray(both)[: len(said) - len(heard) + 1]))
    window = said[start : start + len(heard)]
    return Likeness(
        tuple(_correlation(heard[:, c], window[:, c]) for c in range(heard.shape[1])),
        len(heard) / rate,
        (start - len(pad)) / rate,
    )


def _correlation(one: Samples, other: Samples) -> float:
    scale = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return float(np.dot(one, other)) / scale if scale else 0.0
