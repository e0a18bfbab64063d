"""Listening to a test call: who is heard when, in each channel, and what is wrong with it.

Two people were asked to speak, one after the other; where each did in the recording is known.
What is looked for is what a phone's tap of a call does wrong: nothing, a constant, noise alone,
one end twice, the ends swapped, holes. It needs numpy, and for what is not a WAV file, PyAV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.audio.decode import HINT, Stream, blocks, have_numpy, open_stream
from agent.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Who = Literal["near", "far"]
#: silent    nothing at all
#: constant  one value, and no sound on it
#: noise     a sound, but no voice at any time: noise, hum
#: tone      tones alone, steady or beeping
#: speech    somebody speaks, whenever it is
Kind = Literal["silent", "constant", "noise", "tone", "speech"]

MOST_S = 180.0  # seconds that are looked at; the turns of a test call take less than a minute
_BEFORE_S = 15.0
_LOSSLESS = ("pcm_", "flac")


@dataclass(frozen=True)
class Turn:
    """Somebody's turn to speak, in seconds from the recording's begin."""

    who: Who
    start: float
    end: float


@dataclass(frozen=True)
class Channel:
    """One channel's numbers.

    ``speech`` is the share of each turn in which a voice is heard, ``speech_dbfs`` how loud it is
    then (None without one). ``offset`` is a constant, ``clipped`` the share of sound cut off at
    one height. ``holes`` were cut into speech, of ``lost_s`` seconds together; None where a lossy
    codec hides them.
    """

    kind: Kind
    peak_dbfs: float
    rms_dbfs: float
    silence: float
    offset: float
    clipped: float = 0.0
    speech: Mapping[Who, float] = field(default_factory=dict)
    speech_dbfs: Mapping[Who, float | None] = field(default_factory=dict)
    holes: int | None = None
    lost_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json`` and the report, rounded."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Likeness:
    """How alike two channels are, at the lag where they are most: 1 is a copy, -1 an inverted
    one. ``lag_s`` is by how much ``other`` is later than ``one``, ``gain_db`` by how much louder."""

    one: int
    other: int
    correlation: float
    lag_s: float
    gain_db: float

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json`` and the report, rounded."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Heard:
    """What was heard in a recording, or in the part of it that was looked at."""

    rate: int
    seconds: float
    channels: tuple[Channel, ...]
    likenesses: tuple[Likeness, ...] = ()


def require() -> None:
    """AudioError, which names the extra, where numpy is not installed."""
    if not have_numpy():
        raise AudioError(
            "a test call can't be judged here: numpy, of the extra «audio», is not installed",
            hint=HINT,
        )


def hear(path: Path, turns: Sequence[Turn]) -> Heard:
    """Listen to a recording around the turns; AudioError when it can't be decoded."""
    require()
    from agent.audio.hearing import alike, voice

    stream = open_stream(path)
    begin = max(min((turn.start for turn in turns), default=0.0) - _BEFORE_S, 0.0)
    samples = _load(stream, begin)
    slow = voice.at_8k(samples, stream.rate)
    lossless = stream.codec.startswith(_LOSSLESS)
    at = [Turn(turn.who, turn.start - begin, turn.end - begin) for turn in turns]
    channels = tuple(
        _channel(samples[:, number], slow[:, number], stream.rate, at, lossless=lossless)
        for number in range(samples.shape[1])
    )
    sounding = [n for n, channel in enumerate(channels) if channel.kind not in _NOTHING]
    likenesses = tuple(
        Likeness(one, other, *alike.likeness(slow[:, one], slow[:, other]))
        for other in sounding
        for one in sounding
        if one < other
    )
    return Heard(stream.rate, len(samples) / stream.rate, channels, likenesses)


_NOTHING = ("silent", "constant")


def _load(stream: Stream, begin: float) -> NDArray[np.float32]:
    """Frames × channels from ``begin`` seconds on; what is broken later is not missed here."""
    import numpy as np

    taken: list[NDArray[np.float32]] = []
    left = round(MOST_S * stream.rate)
    try:
        for block in blocks(stream, begin):
            taken.append(block[:left])
            left -= len(block)
            if left <= 0:
                break
    except AudioError:
        if not taken:
            raise
    if not taken:
        raise AudioError("there is no sound in the recording where somebody was to speak")
    return np.concatenate(taken)


def _channel(
    samples: NDArray[np.float32],
    slow: NDArray[np.float64],
    rate: int,
    turns: Sequence[Turn],
    *,
    lossless: bool,
) -> Channel:
    from agent.audio.hearing import flaws, voice

    level = flaws.level(samples, rate)
    sound = voice.Voice(slow)
    kind: Kind = sound.kind
    if level.silent:
        kind = "constant" if abs(level.offset) >= flaws.OFFSET else "silent"
    if kind != "speech":
        return Channel(kind, level.peak_dbfs, level.rms_dbfs, level.silence, level.offset)
    holes = flaws.holes(samples, rate) if lossless else None
    return Channel(
        kind,
        level.peak_dbfs,
        level.rms_dbfs,
        level.silence,
        level.offset,
        flaws.clipped(samples),
        {turn.who: sound.share(turn.start, turn.end) for turn in turns},
        {turn.who: sound.level(turn.start, turn.end) for turn in turns},
        None if holes is None else holes.count,
        0.0 if holes is None else holes.seconds,
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value
