"""One channel: how loud it is, what was cut out of its speech, and what was cut off its peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.audio.measure import QUIET_DBFS, SILENT_SHARE, WINDOW_S, dbfs

# A constant (DC) of a hundredth of full scale is a converter's fault, not a rounding's.
OFFSET = 0.01
# Digital silence: the noise that a phone plays in pauses is louder.
_DEAD = 1.5 / 32768
_SHORTEST_S = 0.02  # one frame of every speech codec; the shortest thing that a phone loses
# A pause begins and ends softly. Where the very samples beside a run of nothing are not much
# quieter than speech, on both sides, something was cut out.
_EDGE_S = 0.0005
_EDGE_DB = -14.0
_FRAME_S = 0.02
_LOUD_PERCENT = 80  # of the frames that are not dead: what counts as the speech's level
_AT_TOP = 0.999
_AUDIBLE = 0.03  # below this peak, the steps of 16 bits are coarser than that tenth of a per cent


@dataclass(frozen=True)
class Level:
    """As :class:`agent.audio.measure.Level`, and the constant; ``silence`` is a share of 1."""

    peak_dbfs: float
    rms_dbfs: float
    silence: float
    offset: float

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear in it."""
        return self.silence > SILENT_SHARE


def level(samples: NDArray[np.float32], rate: int) -> Level:
    """How loud one channel is, its constant apart, by the measures of the archive."""
    window = max(round(rate * WINDOW_S), 1)
    whole = samples[: max(len(samples) // window, 1) * window].astype(np.float64)
    windows = whole.reshape(-1, min(window, len(whole)))
    deviation = windows.std(axis=1)
    quiet = deviation < 10 ** (QUIET_DBFS / 20)
    rms = float(np.sqrt(np.square(deviation).mean()))
    peak = float(np.abs(samples).max())
    return Level(dbfs(peak), dbfs(rms), float(quiet.mean()), float(np.median(whole)))


@dataclass(frozen=True)
class Holes:
    """How many holes, and their seconds together."""

    count: int
    seconds: float


def holes(samples: NDArray[np.float32], rate: int) -> Holes:
    """The holes in one channel's speech: runs of nothing that begin and end abruptly."""
    size = np.abs(samples)
    edges = np.flatnonzero(np.diff((size <= _DEAD).astype(np.int8), prepend=0, append=0))
    begins, ends = edges[::2], edges[1::2]
    long = ends - begins >= round(_SHORTEST_S * rate)
    least = _loud(size, rate) * 10 ** (_EDGE_DB / 20)
    beside = max(round(_EDGE_S * rate), 1)
    found, lost = 0, 0
    for begin, end in zip(begins[long], ends[long], strict=True):
        before, after = size[max(begin - beside, 0) : begin], size[end : end + beside]
        if before.max(initial=0.0) > least and after.max(initial=0.0) > least:
            found, lost = found + 1, lost + int(end - begin)
    return Holes(found, lost / rate)


def _loud(size: NDArray[np.float32], rate: int) -> float:
    """The level (RMS) of what is loud in a channel."""
    frame = max(round(_FRAME_S * rate), 1)
    frames = size[: len(size) // frame * frame].reshape(-1, frame)
    levels = np.sqrt(np.square(frames, dtype=np.float64).mean(axis=1))
    sounding = levels[levels > _DEAD]
    return float(np.percentile(sounding, _LOUD_PERCENT)) if len(sounding) else 0.0


def clipped(samples: NDArray[np.float32]) -> float:
    """The share of what sounds that is cut off at one height, whatever that height is.

    What was clipped before a lossy codec is not seen: that moves the tops a little.
    """
    size = np.abs(samples)
    top = float(size.max(initial=0.0))
    sounding = int((size > top / 30).sum())
    if top < _AUDIBLE or not sounding:
        return 0.0
    return float((size >= top * _AT_TOP).sum()) / sounding
