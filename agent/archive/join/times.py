"""How likely a recording's times are, if it is of a given call.

Densities per second. The figures are estimates of how people and recorders behave: how long a
call rings, how late a recorder starts. They need not be right, only right in their order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

from agent.archive.join.records import LONGEST_RING_S, Call, Heard, Log

Cdf = Callable[[float], float]

_ZONE_STEP_S = 900
_FARTHEST_ZONE_S = 26 * 3600
_LONGEST_WAIT_S = LONGEST_RING_S * 3.0
_LONGEST_PARTS_S = 4 * 3600.0
_JUMP_S = 900.0  # a clock that is set right during a call moves by no more, mostly
_OVERRUN_S = 30.0
_RING_MEDIAN_S, _RING_SPREAD, _RING_USUAL_S = 9.0, 0.85, 60.0


@dataclass(frozen=True, slots=True)
class Guess:
    """When a recording began by the phone's clock: between ``start_s`` and ``wide_s`` after it,
    give or take ``loose_s``; ``share`` is how likely that is."""

    start_s: float
    wide_s: float
    loose_s: float
    share: float
    words: str = ""


def guesses(heard: Heard, log: Log) -> list[Guess]:
    """All that a recording's start may mean, by the phone's clock."""
    found = _by_clock(heard, log)
    if not heard.zone_known or heard.other_hour_ms:
        found = [
            Guess(one.start_s + shift, one.wide_s, one.loose_s, one.share * share, words)
            for one in found
            for shift, share, words in _zones(heard.zone_known, heard.other_hour_ms)
        ]
    return _by_file(heard, found)


def _by_clock(heard: Heard, log: Log) -> list[Guess]:
    start, wide, loose = heard.start_ms / 1000, heard.precision_s, heard.loose_s
    looks = log.clocks(heard.start_ms)
    if heard.clock == "phone":
        found = [Guess(start, wide, loose, 1.0)]
        if heard.begun_ms is None and len(looks) == 2:
            set_by = ((looks[1].clock_ms or 0) - (looks[0].clock_ms or 0)) / 1000
            if 5 < abs(set_by) < _FARTHEST_ZONE_S:
                words = "if the clock was set in between"
                found.append(Guess(start - set_by, wide, loose + 5, 0.01, words))
        return found
    if not looks:
        return [Guess(start, wide, 15.0, 1.0, "by this computer's clock")]
    found = []
    far = [abs(look.at_ms - heard.start_ms) / 86_400_000 for look in looks]
    for look, days in zip(looks, far, strict=True):
        share = 1.0 if len(looks) == 1 else 1 - (days + 0.001) / (sum(far) + 0.002)
        off = (look.clock_ms or 0) / 1000
        drift = loose + look.clock_error_ms / 1000 + min(15.0, 2 * days)
        found.append(Guess(start + off, wide, drift, share, f"with the phone's clock {_off(off)}"))
    return found


def _off(seconds: float) -> str:
    size = abs(round(seconds))
    if size < 2:
        return "as ours"
    words = f"{size} s" if size < 120 else f"{size // 60} min"
    return f"{words} {'ahead' if seconds > 0 else 'behind'}"


@functools.lru_cache(maxsize=64)
def _zones(zone_known: bool, other_hour_ms: int) -> tuple[tuple[float, float, str], ...]:
    """Seconds to add for another zone, how likely it is, and words for it."""
    other = other_hour_ms / 1000
    if zone_known:
        return (0.0, 0.5, ""), (other, 0.5, "in the hour that there was twice")
    found = [(0.0, 0.49 if other else 0.97, "")]
    if other:
        found.append((other, 0.48, "in the hour that there was twice"))
    hours = [hour for hour in range(-25, 26) if hour and hour * 3600 != other]
    for hour in hours:
        share = 0.005 if abs(hour) == 1 else 0.02 / len(hours)
        found.append((hour * 3600.0, share, f"in a zone {abs(hour)} h off"))
    return tuple(found)


def _by_file(heard: Heard, found: list[Guess]) -> list[Guess]:
    """The file's own time, less its length, is a start that knows of no zone and of seconds."""
    seconds = heard.seconds
    if heard.file_ms is None or seconds is None or heard.clock != "phone":
        return found
    if not heard.precision_s and heard.zone_known:
        return found
    begun = heard.file_ms / 1000 - seconds
    off = begun - heard.start_ms / 1000
    steps = round((off - heard.precision_s / 2) / _ZONE_STEP_S)
    if heard.zone_known:
        steps = 0
    rest = off - steps * _ZONE_STEP_S
    if not -3 <= rest <= heard.precision_s + 6 or abs(steps * _ZONE_STEP_S) > _FARTHEST_ZONE_S:
        return found
    words = ""
    if steps:
        words = f"in a zone {abs(steps) * _ZONE_STEP_S / 3600:g} h off, as the file's time shows"
    else:
        words = "as the file's time shows"
    first, width = begun - 2.5, 2.5
    if not heard.precision_s:
        first, width = heard.start_ms / 1000 + steps * _ZONE_STEP_S, 0.0
    sharp = Guess(first, width, heard.loose_s, 0.93, words)
    return [sharp, *(Guess(g.start_s, g.wide_s, g.loose_s, g.share * 0.07, g.words) for g in found)]


def _ring(seconds: float) -> float:
    """The share of calls that are answered sooner than that. Networks give up after a minute."""
    if seconds <= 0:
        return 0.0
    spread = math.log(min(seconds, _RING_USUAL_S) / _RING_MEDIAN_S) / _RING_SPREAD
    share = 0.5 * (1 + math.erf(spread / math.sqrt(2)))
    if seconds > _RING_USUAL_S:
        share += (1 - share) * (1 - math.exp((_RING_USUAL_S - seconds) / 10))
    return share


def _evenly(first: float, last: float) -> Cdf:
    return lambda x: min(1.0, max(0.0, (x - first) / (last - first)))


_AT_ONCE = _evenly(-0.3, 2.5)  # a recorder that starts with dialling or ringing
_SAME = _evenly(-1.6, 2.2)  # a whole length, in the log without its fraction


def _density(cdf: Cdf, at: float, wide: float, loose: float) -> float:
    """Of a delay that is seen as ``at``, but may be ``wide`` more, or ``loose`` off."""
    close = (cdf(at + wide + loose) - cdf(at - loose)) / (wide + 2 * loose)
    far = (cdf(at + wide + 5 * loose) - cdf(at - 5 * loose)) / (wide + 10 * loose)
    return 0.92 * close + 0.08 * far


@dataclass(frozen=True)
class Fit:
    """How dense a recording's times are for a call, why, and what speaks against it."""

    density: float
    words: str
    shift_ms: int = 0
    against: str = ""


def reach(heard: Heard, found: list[Guess], log: Log) -> dict[int, tuple[Call, list[Guess]]]:
    """The calls that can be meant at all, each with the guesses that can mean it."""
    reached: dict[int, tuple[Call, list[Guess]]] = {}
    before = _LONGEST_WAIT_S + (_LONGEST_PARTS_S if heard.part else 0.0)
    early = 0.0
    if heard.begun_ms is not None:
        early = max(0.0, (heard.start_ms - heard.begun_ms) / 1000)
        before = max(before, early + 30)
    for guess in found:
        first, last = guess.start_s - before, guess.start_s + guess.wide_s + 20
        for call in log.between(first * 1000, last * 1000):
            reached.setdefault(call.id, (call, []))[1].append(guess)
    start = heard.start_ms / 1000
    far = _JUMP_S + early + heard.precision_s
    for call in log.between((start - far) * 1000, (start + far) * 1000):
        reached.setdefault(call.id, (call, []))
    return reached


def fit(heard: Heard, call: Call, found: list[Guess]) -> Fit:
    """The densest reading of a recording's times, and the sum of all of them."""
    if heard.begun_ms is not None:
        return _begun(heard, heard.begun_ms, call, found)
    total, best = 0.0, Fit(0.0, "")
    for guess in found:
        waited = guess.start_s - call.date_ms / 1000
        if not waited + guess.wide_s >= -20 or waited > LONGEST_RING_S * 3 + call.talk_s:
            continue
        density, words = _ways(heard, call, waited, guess.wide_s, guess.loose_s)
        density *= guess.share
        total += density
        if density > best.density:
            shift = round(guess.start_s * 1000) - heard.start_ms
            best = Fit(density, f"{words} {guess.words}".strip(), shift)
    if heard.seconds is not None and heard.seconds > call.talk_s + _OVERRUN_S:
        density = _overrun(heard, call, found)
        total += density
        if density > best.density:
            best = Fit(density, best.words, best.shift_ms, "it is much longer than the call")
    # A clock that was set while the call was on, and of which no look tells.
    start = heard.start_ms / 1000 - call.date_ms / 1000
    if heard.clock == "phone" and abs(start) < _JUMP_S + heard.precision_s:
        density = 0.001 / (2 * _JUMP_S) * _length(heard, call, _SAME)
        total += density
        if density > best.density:
            return Fit(total, "", 0, "it was begun at another time")
    return Fit(total, best.words, best.shift_ms, best.against)


def _overrun(heard: Heard, call: Call, found: list[Guess]) -> float:
    """A recorder that did not notice the call's end."""
    date = call.date_ms / 1000
    begun = sum(
        guess.share * _density(_ring, guess.start_s - date, guess.wide_s, guess.loose_s)
        for guess in found
    )
    return 0.0005 * begun * any_length(heard)


def _ways(heard: Heard, call: Call, waited: float, wide: float, loose: float) -> tuple[float, str]:
    """A recorder starts with the call or with the answer; it ends with the call, or before."""
    from_ring = _density(_AT_ONCE, waited, wide, loose)
    from_answer = _density(_ring, waited, wide, loose)
    inside = _density(_evenly(0, call.talk_s + LONGEST_RING_S), waited, wide, loose)
    same, rung = _length(heard, call, _SAME), _length(heard, call, _ring)
    less = _shorter(heard, call)
    # It ends when the call does at the latest: how long must that have rung?
    rang = waited + (heard.seconds or 0.0) - call.talk_s - 3 - loose
    less *= 1 - _ring(rang)
    usual = 0.2 if heard.cut or heard.part else 0.97
    rang_words = f"rang {max(0, round(waited + wide / 2))} s before it"
    if wide > 5:  # a name with no seconds does not tell that
        rang_words = "begun on that day" if wide > 3600 else "begun about that minute"
    ways = (
        (usual * 0.66 * from_answer * same, rang_words),
        (usual * 0.22 * from_ring * rung, "recorded from its first ring"),
        (usual * 0.12 * from_ring * same, "begun with it"),
        (
            (0.55 if heard.cut else 0.02) * (0.75 * from_answer + 0.25 * from_ring) * less,
            "ends before it",
        ),
        ((0.55 if heard.part else 0.004) * inside * less, "a part of it"),
    )
    density = sum(one for one, _ in ways)
    return density, max(ways)[1]


def _begun(heard: Heard, begun_ms: int, call: Call, found: list[Guess]) -> Fit:
    """The recorder saw the call begin, by the phone's clock, which is what the log's date is."""
    apart = (begun_ms - call.date_ms) / 1000
    near = _density(_evenly(-1.5, 1.5), apart, 0.0, 0.3)
    near += 0.05 * _density(_evenly(-5, 5), apart, 0.0, 0.5)
    same, rung = _length(heard, call, _SAME), _length(heard, call, _ring)
    less = _shorter(heard, call)
    lengths = 0.5 * same + 0.2 * rung + (0.6 if heard.cut or heard.part else 0.1) * less
    likely = max(found, key=lambda guess: guess.share, default=None)
    shift = 0 if likely is None else round(likely.start_s * 1000) - heard.start_ms
    return Fit(near * lengths, f"begun {_apart(apart)}", shift)


def _apart(seconds: float) -> str:
    if abs(seconds) < 1:
        return "in the same second"
    return f"{abs(seconds):.0f} s {'after' if seconds > 0 else 'before'} it"


def _length(heard: Heard, call: Call, extra: Cdf) -> float:
    """Of what a recording is longer than the talk."""
    seconds = heard.seconds
    if seconds is None:
        return any_length(heard)
    more = seconds - call.talk_s
    return 0.97 * _density(extra, more, 0.0, 0.4) + 0.03 * _density(extra, more, 0.0, 3.0)


def _shorter(heard: Heard, call: Call) -> float:
    """Of a length that is no more than a share of the talk."""
    seconds = heard.seconds
    if seconds is None:
        return any_length(heard)
    return 1 / (call.talk_s + 20) if seconds <= call.talk_s + 3 else 0.0


def any_length(heard: Heard) -> float:
    """Of a length of which nothing is known: short ones are more frequent."""
    seconds = heard.seconds
    return 1 / (4 * ((60.0 if seconds is None else seconds) + 8))
