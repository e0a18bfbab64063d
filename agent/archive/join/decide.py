"""Deciding: all open recordings of a phone at once, since each call explains but one of them.

The likeliest pair is taken first. A call that has its recording is then only open to what can be
another file of the same call: a further part, or what another recorder heard of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agent.archive.join.records import (
    LONGEST_RING_S,
    Call,
    Candidate,
    Decision,
    Heard,
    Log,
    Weight,
)
from agent.archive.join.times import any_length, fit, guesses, reach
from agent.archive.join.weigh import Sims, of_party, weigh

#: From this score on a call is taken without asking, and from that on it is sure.
TAKEN_FROM, SURE = 0.95, 0.99

_CALLS_PER_S = 1 / 1200  # when there are calls at all, there are many
_SHOWN_FROM = 0.001
_MOST_SHOWN = 10
_SLACK_S = 5.0


def decide(
    open_: Iterable[Heard],
    log: Log,
    *,
    taken: Mapping[int, Sequence[Heard]] | None = None,
    sims: Sims | None = None,
) -> list[Decision]:
    """What each recording is of, in the order given.

    ``taken``: by call, the recordings that are known to be of it. ``sims``: see
    :data:`agent.archive.join.weigh.Sims`.
    """
    pairs = [_Pairs(heard, log, sims or {}) for heard in open_]
    takers = {call: list(heards) for call, heards in (taken or {}).items()}
    queue = [(-one.best(takers), place) for place, one in enumerate(pairs)]
    heapq.heapify(queue)
    decided: dict[int, Decision] = {}
    while queue:
        before, place = heapq.heappop(queue)
        best = pairs[place].best(takers)
        if best < -before * (1 - 1e-9):
            heapq.heappush(queue, (-best, place))  # its call was taken meanwhile
            continue
        decision = pairs[place].decide(takers)
        decided[place] = decision
        if decision.calls:
            takers.setdefault(decision.calls[0].id, []).append(decision.heard)
    found = [decided[place] for place in range(len(pairs))]
    return [_with_others(one, log, takers) for one in found]


class _Pairs:
    """A recording, with every call that may be its own."""

    def __init__(self, heard: Heard, log: Log, sims: Sims) -> None:
        self.heard = heard
        found = guesses(heard, log)
        self.near: list[tuple[Call, Weight, int]] = []
        for call, meant in reach(heard, found, log).values():
            times = fit(heard, call, meant)
            if times.density > 0:
                self.near.append((call, weigh(heard, call, times, sims), times.shift_ms))
        # Which of the log's gaps the recording may lie in depends on what its start means.
        first = max(found, key=lambda guess: guess.share)
        shift = round(first.start_s * 1000) - heard.start_ms
        missing = log.missing(heard.start_ms + shift, heard.stop_ms + shift)
        if heard.app:
            missing = 1.0
        self.missing = missing
        self.nothing = missing * _CALLS_PER_S * any_length(heard)
        if heard.app:
            self.nothing *= 100

    def best(self, takers: Mapping[int, Sequence[Heard]]) -> float:
        """The density of the likeliest call."""
        return max((density for density, _ in self._densities(takers)), default=0.0)

    def decide(self, takers: Mapping[int, Sequence[Heard]]) -> Decision:
        """The call that it is of, if one is likely enough."""
        listed = sorted(self._densities(takers), key=lambda pair: (-pair[0], pair[1]))
        total = sum(density for density, _ in listed) + self.nothing
        candidates = []
        shifts = {}
        for density, place in listed:
            call, weight, shift = self.near[place]
            words = list(weight.words)
            if takers.get(call.id) and density < weight.density:
                words.append("it has a recording")
            score = density / total
            shifts[call.id] = shift
            reason, against = ", ".join(weight.against + words), "; ".join(weight.against)
            candidates.append(Candidate(call, score, reason, against))
        shown = tuple(one for one in candidates[:_MOST_SHOWN] if one.score >= _SHOWN_FROM)
        first = candidates[0] if candidates else None
        if first is None or first.score < TAKEN_FROM or first.against:
            return Decision(self.heard, (), 0.0, self._why_open(shown), shown)
        shift = shifts[first.call.id]
        heard, call = self.heard, first.call
        begun = heard.start_ms + shift if heard.begun_ms is None else heard.begun_ms
        apart = abs(begun - call.date_ms)
        return Decision(heard, (call,), first.score, first.reason, shown, apart, shift)

    def _densities(self, takers: Mapping[int, Sequence[Heard]]) -> list[tuple[float, int]]:
        found = []
        for place, (call, weight, _) in enumerate(self.near):
            share = min(
                (_beside(self.heard, other, call) for other in takers.get(call.id, ())),
                default=1.0,
            )
            found.append((weight.density * share, place))
        return found

    def _why_open(self, shown: Sequence[Candidate]) -> str:
        if self.heard.app and not shown:
            return "an app's own call, which is in no call log"
        likely = [one for one in shown if one.score >= 0.05]
        if len(likely) > 1:
            return f"{len(likely)} calls may be it"
        if likely and likely[0].against:
            return f"one call may be it, but {likely[0].against}"
        if likely:
            return "one call may be it, but is not likely enough"
        if self.missing >= 0.7:
            return "no call that is known fits, and the call log of that time was not read"
        return "no call fits"


def _beside(heard: Heard, other: Heard, call: Call) -> float:
    """How likely a recording is of a call that another recording is of."""
    first, second = sorted((heard, other), key=lambda one: one.start_ms)
    gap = (second.start_ms - first.stop_ms) / 1000
    lengths = [one.seconds for one in (heard, other)]
    if gap >= -_SLACK_S:
        fits = None not in lengths and sum(s or 0 for s in lengths) <= call.talk_s + 15
        in_parts = heard.part or other.part or heard.cut or other.cut
        if not fits and not (in_parts and None in lengths):
            return 1e-4
        return 1.0 if in_parts else 0.3 if call.talk_s > 30 else 0.01
    shorter = min((s for s in lengths if s is not None), default=0.0)
    both = (min(first.stop_ms, second.stop_ms) - second.start_ms) / 1000
    # Of a minute that is named only, the overlap is not known.
    if both < 0.7 * shorter - heard.precision_s - other.precision_s:
        return 0.01
    longer = max((s for s in lengths if s is not None), default=0.0)
    if both >= 0.95 * longer:
        return 1.0  # a leg each, or another format of the same
    return 1.0 if heard.kind != other.kind else 0.02


def _with_others(decision: Decision, log: Log, takers: Mapping[int, Sequence[Heard]]) -> Decision:
    """Other calls that can be heard in the same recording: who was called in, or waited."""
    heard = decision.heard
    if not decision.calls or heard.seconds is None or heard.part:
        return decision
    main = decision.calls[0]
    end_ms = heard.stop_ms + decision.shift_ms + heard.precision_s * 1000
    within = log.between(main.date_ms + 1, end_ms)
    found = [call for call in within if _is_within(heard, main, call, end_ms, takers)]
    if not found:
        return decision
    words = f"{decision.reason}; {len(found)} more in the same recording"
    return replace(decision, calls=(main, *found), reason=words)


def _is_within(
    heard: Heard,
    main: Call,
    call: Call,
    end_ms: float,
    takers: Mapping[int, Sequence[Heard]],
) -> bool:
    if call.id == main.id or call.talk_s <= 0 or takers.get(call.id):
        return False
    if call.date_ms < main.date_ms + 3000 or call.talk_s >= main.talk_s:
        return False  # it came later, and was answered later
    if call.date_ms + call.talk_s * 1000 > end_ms + _SLACK_S * 1000:
        return False
    # A line has one call after the other, unless one of them is held.
    if call.date_ms >= main.date_ms + (main.talk_s + LONGEST_RING_S) * 1000:
        return False
    who = of_party(call, heard.parties)
    if heard.parties and who != "unknown":
        return who in ("same", "like")
    return heard.several or call.date_ms + call.talk_s * 1000 <= end_ms
