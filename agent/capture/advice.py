"""What to do after a test call that was not as it should be."""

from __future__ import annotations

from collections.abc import Sequence

from agent.audio.hearing.judge import Defect, Judgement
from agent.capture.choose import choose
from agent.capture.proof import Proofs
from agent.capture.route import Verdict
from agent.errors import RouteError

_OF_DEFECTS: tuple[tuple[tuple[Defect, ...], str], ...] = (
    (
        ("silent", "constant", "nothing"),
        "Was it a call over Wi-Fi, or with Bluetooth? Some taps have nothing then: test without.",
    ),
    (
        ("no voice", "elsewhen"),
        "If nobody spoke when asked to, test again: each end says a few sentences in its turn.",
    ),
    (
        ("swapped",),
        "The legs are exchanged on this phone: what is called the uplink there is the far end.",
    ),
    (("copy", "mixed", "missing"), "Both ends can be heard, but not apart."),
    (("clipped",), "Turn the call's volume down on the phone, and test again."),
    (
        ("holes", "short"),
        "The phone may have been busy: test again; `offhook status` says what it lost.",
    ),
    (("quiet",), "Speak into the phone, or turn the call's volume up, and test again."),
)
_ANOTHER_ROUTE: frozenset[Defect] = frozenset(
    ("nothing", "silent", "constant", "no voice", "one end", "copy")
)


def advice(
    judgement: Judgement, route: str, verdicts: Sequence[Verdict], proofs: Proofs
) -> list[str]:
    """What to do, in sentences, the first thing first; nothing where all is well.

    ``verdicts`` are of all routes, ``proofs`` with the one that was made just now.
    """
    said = [words for which, words in _OF_DEFECTS if set(which) & set(judgement.defects)]
    if set(judgement.defects) & _ANOTHER_ROUTE:
        said.append(_other(route, verdicts, proofs))
    return said


def _other(route: str, verdicts: Sequence[Verdict], proofs: Proofs) -> str:
    others = [
        verdict
        for verdict in verdicts
        if verdict.route != route
        and not (verdict.route in proofs and proofs[verdict.route].result == "failed")
    ]
    try:
        best = choose(others, "this phone", proofs=proofs).verdict
    except RouteError as error:
        hint = f" {error.hint}" if error.hint else ""
        return f"No other way of recording works on this phone: `offhook routes` says why.{hint}"
    return (
        f"Try another way: `offhook disable`, then `offhook enable --route {best.route}` and "
        "`offhook selftest`."
    )
