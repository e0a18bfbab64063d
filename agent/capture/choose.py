"""Which route is taken: what the user asked for, else what was proven, else what is likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.capture.proof import Proof, Proofs
from agent.capture.route import Verdict
from agent.capture.routes import NAMES
from agent.errors import RouteError, UsageError


@dataclass(frozen=True)
class Choice:
    """A route's verdict, and why it was taken."""

    verdict: Verdict
    why: str


def choose(
    verdicts: Sequence[Verdict],
    phone: str,
    *,
    asked: str | None = None,
    proofs: Proofs | None = None,
) -> Choice:
    """The route to take; RouteError with every reason when there is none.

    ``proofs`` are what self-tests heard on this very build. A recorder that is on already is
    taken rather than fought: two of them never hold the call's tap at once.
    """
    by_name = {verdict.route: verdict for verdict in verdicts}
    running = next((v for v in verdicts if v.on), None)
    heard = _that_count(verdicts, proofs or {})
    if asked is not None:
        return _asked(by_name, asked, running, phone, heard)
    if running is not None:
        why = f"it records on this phone already: {running.reason}"
        return Choice(running, why + _but(heard.get(running.route)))
    able = sorted(
        (v for v in verdicts if v.possible is not False),
        key=lambda v: (
            _rank(heard.get(v.route)),
            v.route == "microphone",  # a room's sound is what is left
            v.possible is None,
            _one_end(v, heard.get(v.route)),
        ),
    )
    if not able:
        reasons = "; ".join(f"{v.route}: {v.reason}" for v in verdicts)
        raise RouteError(f"no route for {phone}: {reasons}", hint=_least(verdicts))
    best = able[0]
    proof = heard.get(best.route)
    if proof is not None and proof.result == "proven":
        why = f"`offhook selftest` heard both ends with it on this build, on {proof.at[:10]}"
        return Choice(best, why + "".join(_lost(v, heard) for v in able[1:]))
    passed = [f"{v.route}: {v.reason}" for v in verdicts[: verdicts.index(best)] if not v.possible]
    why = best.reason + _but(proof)
    if best.possible is None and proof is None:
        why += " (not proven: `offhook selftest` tells)"
    why += "".join(f"; not {reason}" for reason in passed)
    return Choice(best, why + "".join(_lost(v, heard) for v in able[1:]))


def _least(verdicts: Sequence[Verdict]) -> str | None:
    """What asks the least of the user: rooting a phone comes last."""
    wanted = sorted((v for v in verdicts if v.instead), key=lambda v: v.lacks_root)
    return wanted[0].instead if wanted else None


def _that_count(verdicts: Sequence[Verdict], proofs: Proofs) -> dict[str, Proof]:
    """The proofs that say something of what each route would do now."""
    return {
        v.route: proofs[v.route]
        for v in verdicts
        if v.route in proofs and proofs[v.route].counts_for(v)
    }


def _rank(proof: Proof | None) -> int:
    """What was proven comes first, what was heard to fail last."""
    if proof is None:
        return 1
    return {"proven": 0, "partly": 1, "failed": 2}[proof.result]


def _but(proof: Proof | None) -> str:
    """A word of warning, where the last test call was not what it should be."""
    if proof is None or proof.result == "proven":
        return ""
    return f" (but by `offhook selftest` it {_had(proof)})"


def _had(proof: Proof) -> str:
    return proof.words if proof.result == "failed" else f"was {proof.words}"


def _lost(verdict: Verdict, heard: Proofs) -> str:
    """Why a route that may be likelier was not taken, where a test call says so."""
    proof = heard.get(verdict.route)
    if proof is None or proof.result != "failed":
        return ""
    return f"; not {verdict.route}: `offhook selftest` {proof.words}"


def _asked(
    by_name: dict[str, Verdict], asked: str, running: Verdict | None, phone: str, heard: Proofs
) -> Choice:
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
    return Choice(verdict, f"asked for; {verdict.reason}" + _but(heard.get(asked)))


def _one_end(verdict: Verdict, proof: Proof | None) -> bool:
    """Whether it is known to hear only one end of a call."""
    if proof is not None:
        return len(proof.hears) == 1
    return len(verdict.legs) == 1 and verdict.legs[0] in ("uplink", "downlink")
