"""Sounds, and an ear that gives them as time goes by."""

from __future__ import annotations

import math
import random
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent.capture.live import Block, LiveRoute
from agent.capture.route import RouteStatus, Verdict

if TYPE_CHECKING:
    from agent.capture.journal import Journal
    from agent.phone.files import Source


def noise(count: int, seed: int = 7, loudness: int = 3000) -> bytes:
    """So many samples that no encoder makes small."""
    chance = random.Random(seed)
    return array("h", [chance.randrange(-loudness, loudness) for _ in range(count)]).tobytes()


def tone(count: int, hertz: float = 440.0, rate: int = 16000, loudness: int = 9000) -> bytes:
    """So many samples of a sine."""
    step = 2 * math.pi * hertz / rate
    return array("h", [int(loudness * math.sin(step * n)) for n in range(count)]).tobytes()


class Tone:
    """An ear that hears a tone, in real time. ``gap`` is when (seconds) it hears nothing, and for
    how long; ``fails`` when, and with what."""

    rate = 16000
    channels = 1
    legs = ("mixed",)

    def __init__(
        self,
        *,
        gap: tuple[float, float] | None = None,
        fails: tuple[float, Exception] | None = None,
        loudness: int = 9000,
    ) -> None:
        self.about = {"by": "a tone"}
        self.closed = False
        self._begun = time.monotonic()
        self._frame = 0
        self._gap, self._fails, self._loudness = gap, fails, loudness
        self._never = threading.Event()

    def read(self, timeout: float) -> Block | None:
        assert not self.closed
        end = time.monotonic() + timeout
        while True:
            at = time.monotonic() - self._begun
            if self._fails is not None and at > self._fails[0]:
                raise self._fails[1]
            if int(at * self.rate) - self._frame >= 800:
                here = self._frame
                self._frame += 800
                if self._gap is None or not self._gap[0] <= here / self.rate < sum(self._gap):
                    return Block(here, tone(800, loudness=self._loudness))
                continue
            if time.monotonic() >= end:
                return None
            self._never.wait(0.01)

    def close(self) -> None:
        self.closed = True


class FakeRoute(LiveRoute):
    """A live route whose ears are made by a test, one after another; the last is made again."""

    name = "microphone"
    what = "a tone"
    needs = ""

    def __init__(self, *ears: Callable[[], Any]) -> None:
        self._ears: Sequence[Callable[[], Any]] = ears or (Tone,)
        self.opened: list[Any] = []

    def listen(self, phone: Any, journal: Journal) -> Any:
        ear = self._ears[min(len(self.opened), len(self._ears) - 1)]
        self.opened.append(None)
        self.opened[-1] = ear()
        return self.opened[-1]

    def probe(self, seen: Any) -> Verdict:
        return Verdict(self.name, True, "")

    def arm(self, phone: Any, verdict: Verdict, setup: Any) -> None: ...

    def stop(self, phone: Any, journal: Journal | None, tell: Any) -> None: ...

    def disarm(self, phone: Any, journal: Journal | None, tell: Any) -> list[str]:
        return []

    def status(self, phone: Any, journal: Journal | None) -> RouteStatus:
        return RouteStatus(self.name, True, True)

    def sources(self, phone: Any, journal: Journal | None) -> list[Source]:
        return []
