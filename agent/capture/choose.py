"""Which route is taken: what the user asked for, else what was proven, else what is likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.capture.route import Verdict
from agent.capture.routes import NAMES
from agent.errors import RouteError, UsageError


@dataclass(frozen=True)
class Choice:
    """A route's verdict, and why it was taken."""

    verdict: Verdict
    why: str


def choose(
    verdicts: Sequence[Verdict], phone: str, *, asked: str | None = None, proven: str | None = None
) -> Choice:
    """The route to take; RouteError with every reason when there is none.

    ``proven`` is the route that a self-test heard on this very build. A recorder that is on
    already is taken rather than fought: two of them never hold the call's tap at once.
    """
    by_name = {verdict.route: verdict for verdict in verdicts}
    running = next((v for v in verdicts if v.on), None)
    if asked is not None:
        return _asked(by_name, asked, running, phone)
    if running is not None:
        return Choice(running, f"it records on this phone already: {running.reason}")
    if proven in by_name and by_name[proven].possible is not False:
        return Choice(by_name[proven], "`offhook selftest` heard both ends with it on this build")
    able = sorted(
        (v for v in verdicts if v.possible is not False),
        key=lambda v: (v.possible is None, v.route == "microphone", _one_end(v)),
    )
    if not able:
        reasons = "; ".join(f"{v.route}: {v.reason}" for v in verdicts)
        hint = next((v.instead for v in verdicts if v.instead), None)
        raise RouteError(f"no route for {phone}: {reasons}", hint=hint)
    best = able[0]
    passed = [f"{v.route}: {v.reason}" for v in verdicts[: verdicts.index(best)] if not v.possible]
    why = best.reason
    if best.possible is None:
        why += " (not proven: `offhook selftest` tells)"
    return Choice(best, why + "".join(f"; not {reason}" for reason in passed))


def _asked(by_name: dict[str, Verdict], asked: str, running: Verdict | None, phone: str) -> Choice:
    if asked not in by_name:
        raise UsageError(f"no route is called {asked!r}", hint=f"There are: {', '.join(NAMES)}.")
    verdict = by_name[asked]
    if running is not None and running.route != asked:
        raise RouteError(
            f"{running.route} records on {phone} already, and two recorders would cut each other",
            hint=f"Turn that off on the phone, or run `offhook enable --route {running.route}`.",
        )
    if verdict.possible is False:
        raise RouteError(
            f"{asked} does not work on {phone}: {verdict.reason}", hint=verdict.instead
        )
    return Choice(verdict, f"asked for; {verdict.reason}")


def _one_end(verdict: Verdict) -> bool:
    """Whether it is known to hear only one end of a call."""
    return len(verdict.legs) == 1 and verdict.legs[0] in ("uplink", "downlink")
