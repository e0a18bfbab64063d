"""A test call as it goes: waited for, told who speaks when, and followed to its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from agent.audio.hearing import Turn, Who
from agent.errors import CaptureError, LinkError, RemoteError
from agent.phone.facts import read_clock
from agent.phone.line import LineState, read_line
from agent.phone.phone import Phone

_POLL_S = 0.25
_LEAD_S = 1.0  # from the answer to the first turn: the voice path opens, the phone is at the ear
_BETWEEN_S = 2.0  # for the one who talks on a little, and for the way to the other end
_PATIENCE_S = 60.0  # how long a phone may be out of reach while the call goes on
_MISSES = 8
_LATE_MS = 2000  # how far a recorder's own word may be off before it is not believed


class Prompts(Protocol):
    """What the people are told. Each returns at once."""

    def rings(self) -> None:
        """A call comes in, or is being dialled."""

    def turn(self, who: Who, seconds: float) -> None:
        """Now this end speaks, for so long."""

    def left(self, seconds: float) -> None:
        """So much of the turn is left."""

    def listen(self) -> None:
        """A turn is over."""

    def hang_up(self) -> None:
        """That was all."""


@dataclass(frozen=True)
class Moment:
    """When something happened between two looks at the phone: its clock, ms since 1970."""

    earliest: int
    latest: int

    @property
    def middle(self) -> float:
        """The likeliest, where nothing more is known."""
        return (self.earliest + self.latest) / 2


@dataclass(frozen=True)
class TestCall:
    """A call that is over. ``begun``: when it rang or was dialled. ``turns``: who was to speak,
    from when to when, by the phone's clock."""

    __test__ = False  # for pytest

    outgoing: bool
    begun: Moment
    active: Moment
    ended: Moment
    turns: tuple[tuple[Who, int, int], ...]

    @property
    def talk_s(self) -> float:
        """From the answer to the end, at the least."""
        return max(self.ended.earliest - self.active.latest, 0) / 1000

    @property
    def whole_s(self) -> float:
        """From the first ring, or from dialling, to the end, at the most."""
        return (self.ended.latest - self.begun.earliest) / 1000

    def turns_in(self, started_ms: int | None, seconds: float) -> list[Turn]:
        """The turns in a recording of the call that is so long, and whose sound begins at
        ``started_ms``, if its recorder says so.

        Recorders begin when they can, but all end with the call: where nothing is said, or what
        is said does not fit the call, it is laid against the call's end.
        """
        begin = self.ended.middle - seconds * 1000
        if started_ms is not None:
            end = started_ms + seconds * 1000
            if (
                self.begun.earliest - _LATE_MS <= started_ms
                and self.ended.earliest - _LATE_MS <= end <= self.ended.latest + _LATE_MS
            ):
                begin = started_ms
        return [Turn(who, (a - begin) / 1000, (b - begin) / 1000) for who, a, b in self.turns]


@dataclass
class _Follower:
    phone: Phone
    offset_ms: float
    state: LineState = "idle"
    misses: int = 0
    since: Moment = field(default_factory=lambda: Moment(0, 0))
    """When the state became what it is: between the last look that saw another, and the first."""
    _asked: int = 0
    never: threading.Event = field(default_factory=threading.Event)

    def now(self) -> int:
        """The phone's clock."""
        return round(time.time() * 1000 + self.offset_ms)

    def line(self) -> LineState:
        """The line's state; a link that breaks in the call is waited for, and a phone that does
        not answer is asked again."""
        asked = self.now()
        try:
            state, self.misses = read_line(self.phone), 0
        except LinkError:
            self.phone.link.mend(_PATIENCE_S, self.never)
            asked = self.now()
            state = read_line(self.phone)
        except RemoteError:
            self.misses += 1
            if self.misses > _MISSES:
                raise
            return self.state
        if state != self.state or not self._asked:
            self.since = Moment(self._asked or asked, self.now())
        self.state, self._asked = state, asked
        return state

    def until(self, wanted: tuple[LineState, ...], seconds: float) -> LineState | None:
        """The first of these states; None when none came in time."""
        end = time.monotonic() + seconds
        while (state := self.line()) not in wanted:
            if time.monotonic() > end:
                return None
            self.never.wait(_POLL_S)
        return state


def follow(
    phone: Phone, prompts: Prompts, *, outgoing: bool, turn_s: float, wait_s: float, end_s: float
) -> TestCall:
    """Wait for a call for ``wait_s`` seconds, lead through it, and return when it is over.

    CaptureError when no call comes, when it ends before both have spoken, or when it is still on
    ``end_s`` seconds after they have: then nothing can be said of the route.
    """
    one = _Follower(phone, read_clock(phone.link).ms)
    begun, active = _answered(one, prompts, outgoing=outgoing, wait_s=wait_s)
    turns: list[tuple[Who, int, int]] = []
    at = one.now() + _LEAD_S * 1000
    for who in ("near", "far"):
        _wait_until(one, at)
        begin = one.now()
        prompts.turn(who, turn_s)
        _wait_until(one, begin + turn_s * 1000, prompts)
        prompts.listen()
        turns.append((who, begin, one.now()))
        at = one.now() + _BETWEEN_S * 1000
    prompts.hang_up()
    if one.until(("idle",), end_s) is None:
        raise CaptureError(
            f"the call was still on {end_s:.0f} s after both had spoken",
            hint="Hang up when you are told to, and run `offhook selftest` again.",
        )
    return TestCall(outgoing, begun, active, one.since, tuple(turns))


def _answered(
    one: _Follower, prompts: Prompts, *, outgoing: bool, wait_s: float
) -> tuple[Moment, Moment]:
    """When the call began, and when it became active."""
    end = time.monotonic() + wait_s
    begun = None
    while True:
        state = one.line()
        if state == "active":
            return begun or one.since, one.since
        if state == "idle" and begun is not None:
            begun = None
            if outgoing:
                raise CaptureError(
                    "the call was not answered",
                    hint="Nothing was judged. Run `offhook selftest` again.",
                )
        if state != "idle" and begun is None:
            begun = one.since
            prompts.rings()
        if time.monotonic() > end:
            raise CaptureError(
                f"no call was answered within {wait_s:.0f} s",
                hint="Nothing was judged. --limit SECONDS waits longer.",
            )
        one.never.wait(_POLL_S)


def _wait_until(one: _Follower, at_ms: float, prompts: Prompts | None = None) -> None:
    """Until a time of the phone's clock, as long as the call is on."""
    while (left := at_ms - one.now()) > 0:
        if prompts is not None:
            prompts.left(left / 1000)
        if one.line() == "idle":
            raise CaptureError(
                "the call ended before both ends had spoken",
                hint="Nothing was judged. Stay in the call until you are told to hang up.",
            )
        one.never.wait(min(_POLL_S, max(at_ms - one.now(), 0) / 1000))
