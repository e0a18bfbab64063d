"""From the numbers of a test call to a verdict in plain words, for each channel and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agent.audio.hearing import Channel, Heard, Kind, Likeness, Who

#: proven   both ends are heard, and nothing is wrong
#: partly   something of the call is heard, but not all as it should be
#: failed   nobody is heard
Result = Literal["proven", "partly", "failed"]

#: nothing   there is no recording            silent     there is nothing in any channel
#: constant  one value in all of them         no voice   noise or tones, but nobody speaks
#: elsewhen  a voice, but in nobody's turn    one end    only one end is heard
#: swapped   the legs are exchanged           copy       both channels hold the same
#: mixed     a leg holds both ends            missing    fewer channels than the route has
#: quiet     somebody is hardly heard         clipped    the tops are cut off
#: offset    a constant under the sound       holes      pieces are missing inside speech
#: short     shorter than the call            long       longer than the call
Defect = Literal[
    "nothing",
    "silent",
    "constant",
    "no voice",
    "elsewhen",
    "one end",
    "swapped",
    "copy",
    "mixed",
    "missing",
    "quiet",
    "clipped",
    "offset",
    "holes",
    "short",
    "long",
]

# Who is told to speak for eight seconds begins a second late, breathes, and may end early: a
# share of 0.6 to 1 was seen of who spoke, and 0 of who did not, in noise down to 10 dB.
HEARD = 0.15
# Whoever comes back in the other's leg, by echo or crosstalk, is quieter by more than this; in a
# leg that holds both, both are nearly as loud.
ECHO_DB = 15.0
# Two people's speech has at most 0.1; the same speech with noise 12 dB below it has 0.94.
COPY = 0.9
QUIET_DBFS = -45.0  # played beside a normal recording (-20), one has to turn it up to hear it
# Of speech, two samples in 100,000 come within a tenth of a per cent of its highest. Where 3 dB
# are cut off its peaks, it is two in 1000.
CLIPPED = 0.002
OFFSET = 0.05
# Half of the holes are found (those that cut a loud sound). A single short one is bad luck.
_HOLES, _LOST_SHARE = 3, 0.005
# Some recorders begin a second after the answer, and one encoder's buffer may be lost at the end.
_SLACK_S, _SLACK_SHARE = 2.0, 0.05

_ENDS: dict[Who, str] = {"near": "this phone's end", "far": "the far end"}
_ROLES: dict[str, Who] = {"uplink": "near", "downlink": "far"}
_NOTHING: dict[Kind, tuple[Defect, str]] = {
    "silent": ("silent", "SILENT: there is nothing in it"),
    "constant": ("constant", "a constant value, and no sound"),
    "noise": ("no voice", "noise alone: nobody speaks"),
    "tone": ("no voice", "tones alone: nobody speaks"),
}


@dataclass(frozen=True)
class Length:
    """How long the recording is, beside the call, in seconds: from the answer to the end, at the
    least, and from dialling or the first ring, at the most."""

    recorded_s: float
    talk_s: float
    whole_s: float


@dataclass(frozen=True)
class ChannelVerdict:
    """A channel: what it is called, whether all is well with it, and that in words."""

    name: str
    good: bool
    words: str
    hears: tuple[Who, ...]
    defects: tuple[Defect, ...]
    numbers: Channel

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json`` and the report."""
        return {
            "channel": self.name,
            "good": self.good,
            "words": self.words,
            "hears": list(self.hears),
            "defects": list(self.defects),
            **self.numbers.as_dict(),
        }


@dataclass(frozen=True)
class Judgement:
    """A test call: the result, the ends that are heard, and what is wrong, once each.

    ``words`` are about the whole; each channel has its own.
    """

    result: Result
    hears: tuple[Who, ...] = ()
    defects: tuple[Defect, ...] = ()
    words: tuple[str, ...] = ()
    channels: tuple[ChannelVerdict, ...] = ()
    likenesses: tuple[Likeness, ...] = field(default=())

    def with_words(self, words: str) -> Judgement:
        """The same, and one thing more to say of the whole."""
        return replace(self, words=(*self.words, words))


def judge(heard: Heard, legs: Sequence[str], length: Length) -> Judgement:
    """Judge what was heard of a call in which both ends spoke in their turns.

    ``legs`` is what the route says of its channels: ``uplink`` and ``downlink`` in the file's
    order, ``mixed``, or nothing where it does not know.
    """
    count = len(heard.channels)
    roles = roles_of(legs, count)
    channels = [
        _channel(name, role, numbers, heard.seconds)
        for (name, role), numbers in zip(roles, heard.channels, strict=True)
    ]
    defects: list[Defect] = []
    words: list[str] = []
    if len(legs) > count and set(legs) & set(_ROLES):
        defects.append("missing")
        are = "is 1 channel" if count == 1 else f"are {count} channels"
        words.append(f"there {are} of {len(legs)}: {' and '.join(legs)}")
    for alike in heard.likenesses:
        if abs(alike.correlation) >= COPY and not _may_be_alike(roles, alike):
            defects.append("copy")
            words.append(_copy_words(roles, alike))
    hears: tuple[Who, ...] = tuple(
        who for who in _ENDS if any(who in each.hears for each in channels)
    )
    if len(hears) == 1:
        missing = _ENDS["far" if hears == ("near",) else "near"]
        defects.append("one end")
        words.append(f"{missing} is not heard in any channel")
    _check_length(length, defects, words)
    found = [*(d for each in channels for d in each.defects), *defects]
    result: Result = "failed" if not hears else "partly" if found else "proven"
    return Judgement(
        result,
        hears,
        tuple(dict.fromkeys(found)),
        tuple(words),
        tuple(channels),
        heard.likenesses,
    )


def roles_of(legs: Sequence[str], count: int) -> list[tuple[str, str | None]]:
    """The name and the role (uplink, downlink, mixed, or None: not known) of each channel."""
    if count == 1 and len(legs) != 1:
        return [("the channel", "mixed")]
    if len(legs) == 1 and legs[0] == "mixed":
        legs = ["mixed"] * count
    if len(legs) != count:
        return [(f"channel {number + 1}", None) for number in range(count)]
    named = [leg if leg in _ROLES else f"channel {n + 1}" for n, leg in enumerate(legs)]
    known = [leg if leg in _ROLES or leg == "mixed" else None for leg in legs]
    if count == 1 and legs[0] == "mixed":
        named = ["the channel"]
    return list(zip(named, known, strict=True))


def _channel(name: str, role: str | None, numbers: Channel, seconds: float) -> ChannelVerdict:
    if numbers.kind in _NOTHING:
        defect, words = _NOTHING[numbers.kind]
        return ChannelVerdict(name, False, words, (), (defect,), numbers)
    hears = _hears(numbers, role)
    defects: list[Defect] = []
    said = [f"hears {' and '.join(_ENDS[who] for who in hears)}"]
    if not hears:
        defects.append("elsewhen")
        said = ["somebody speaks in it, but hardly while anybody was asked to"]
    elif role in _ROLES and _ROLES[role] not in hears:
        defects.append("swapped")
        said[0] += f", which is not the {role}: SWAPPED, or only the other end's copy"
    elif role in _ROLES and len(hears) > 1:
        defects.append("mixed")
        said[0] += " mixed, where only one was to be"
    said += _flaws(numbers, hears, defects, seconds)
    return ChannelVerdict(name, not defects, "; ".join(said), hears, tuple(defects), numbers)


def _hears(numbers: Channel, role: str | None) -> tuple[Who, ...]:
    """Who is heard; in a leg of one end's, the other's echo does not count."""
    heard: list[Who] = [who for who in _ENDS if numbers.speech.get(who, 0.0) >= HEARD]
    levels = {who: level for who in heard if (level := numbers.speech_dbfs.get(who)) is not None}
    if role in _ROLES and len(levels) > 1:
        loudest = max(levels.values())
        heard = [who for who in heard if loudest - levels[who] < ECHO_DB]
    return tuple(heard)


def _flaws(
    numbers: Channel, hears: Sequence[Who], defects: list[Defect], seconds: float
) -> list[str]:
    said = []
    for who in hears:
        level = numbers.speech_dbfs.get(who)
        if level is not None and level < QUIET_DBFS:
            defects.append("quiet")
            said.append(f"{_ENDS[who]} is hardly heard ({level:.0f} dBFS)")
    if numbers.clipped >= CLIPPED:
        defects.append("clipped")
        said.append(f"the tops of its sound are cut off ({numbers.clipped:.1%} of it)")
    if abs(numbers.offset) >= OFFSET:
        defects.append("offset")
        said.append(f"a constant of {numbers.offset:+.2f} lies under it")
    if numbers.holes and (numbers.holes >= _HOLES or numbers.lost_s > _LOST_SHARE * seconds):
        defects.append("holes")
        many = "a hole" if numbers.holes == 1 else f"{numbers.holes} holes"
        said.append(f"{many} inside speech, {numbers.lost_s:.2f} s together")
    return said


def _may_be_alike(roles: Sequence[tuple[str, str | None]], alike: Likeness) -> bool:
    """The same mix in two channels is as it should be, where nothing else was promised."""
    pair = {roles[alike.one][1], roles[alike.other][1]}
    return alike.correlation > 0 and not pair & set(_ROLES)


def _copy_words(roles: Sequence[tuple[str, str | None]], alike: Likeness) -> str:
    how = []
    if alike.correlation < 0:
        how.append("upside down, so that both together are silence")
    if abs(alike.lag_s) >= 0.001:
        how.append(f"{abs(alike.lag_s) * 1000:.0f} ms {'later' if alike.lag_s > 0 else 'earlier'}")
    if abs(alike.gain_db) >= 1:
        how.append(f"{abs(alike.gain_db):.0f} dB {'louder' if alike.gain_db > 0 else 'quieter'}")
    again = f" ({', '.join(how)})" if how else ""
    return f"{roles[alike.other][0]} is a copy of {roles[alike.one][0]}{again}"


def _check_length(length: Length, defects: list[Defect], words: list[str]) -> None:
    slack = max(_SLACK_S, _SLACK_SHARE * length.talk_s)
    said = f"it is {length.recorded_s:.1f} s long, and the call was {length.talk_s:.1f} s"
    if length.recorded_s < length.talk_s - slack:
        defects.append("short")
        words.append(said)
    elif length.recorded_s > length.whole_s + slack:
        defects.append("long")
        words.append(said)
