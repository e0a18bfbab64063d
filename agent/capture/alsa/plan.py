"""The ``alsa`` route: a plan computed from a phone's live mixer and its list of PCMs.

The numbers of PCMs differ from phone to phone, so they are found by name; what a phone's XML
files say is asked only where the kernel was not seen, or does not say. The families are in
:data:`agent.capture.alsa.families.FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.capture.alsa.families import FAMILIES
from agent.capture.alsa.families.family import INSTEAD, LOOK, Seen, Tap, answer
from agent.capture.alsa.hints import Hints, XmlFile
from agent.capture.route import Verdict
from agent.phone.helper import Card, Control, Pcm


def plan(
    controls: Mapping[int, Sequence[Control]] | None,
    cards: Sequence[Card],
    pcms: Sequence[Pcm] | None,
    hints: Hints | None = None,
) -> Verdict:
    """The verdict for a phone.

    ``controls`` are each card's, by its number; None when no mixer was seen. ``pcms`` is None
    when the list was not seen: a live phone always shows it, and a verdict that is not "no" can
    then be carried out as it is.
    """
    hints = hints or Hints()
    if controls is None:
        return _hinted(cards, pcms, hints)
    refused: Verdict | None = None  # or only worth a try, which is better
    for number, listed in controls.items():
        card = next((c for c in cards if c.number == number), None)
        mixer = {control.name: control for control in listed}
        own = None if pcms is None else [pcm for pcm in pcms if pcm.card == number]
        seen = Seen(mixer, card, own, hints, pcms or (), cards)
        for family in FAMILIES:
            verdict = family.live(seen)
            if verdict is None:
                continue
            if verdict.possible:
                return verdict
            if refused is None or (verdict.possible is None and refused.possible is False):
                refused = verdict
    if refused is not None:
        return refused
    if not cards and not any(controls.values()):
        return answer(None, False, "the phone's kernel lists no sound card", Tap(), INSTEAD)
    names = ", ".join(card.name for card in cards) or "a card"
    return answer(
        None,
        False,
        f"no family that is known: {names}, "
        f"{sum(map(len, controls.values()))} controls, none that taps a call",
        Tap(),
        INSTEAD,
    )


def wants_hints(verdict: Verdict) -> bool:
    """Whether the chip's name could change the verdict on a live mixer."""
    return not verdict.possible


def wants_xml(verdict: Verdict) -> bool:
    """Whether the phone's XML files could."""
    return not verdict.possible and verdict.family in ("exynos", "qualcomm-slimbus")


def _hinted(cards: Sequence[Card], pcms: Sequence[Pcm] | None, hints: Hints) -> Verdict:
    """Without a live mixer: what the files, the PCMs' names and the chip's name say."""
    seen = Seen(None, None, pcms, hints, pcms or (), cards)
    for family in FAMILIES:
        if (verdict := family.hinted(seen)) is not None:
            return verdict
    for family in FAMILIES:
        if why := family.named(seen):
            return family.by_name(seen, why)
    for family in FAMILIES:
        if why := family.by_file_name(seen):
            return family.by_name(seen, why)
    known = ", ".join((*hints.chips, *(card.name for card in cards)))
    if known:
        return answer(None, False, f"no family that is known: {known}", Tap(), INSTEAD)
    files = [file for file in hints.xml if file.controls]
    if files:
        why = f"no family that is known: of {_count(files)} controls in the XML, none taps a call"
        return answer(None, False, why, Tap(), INSTEAD)
    why = "no file here tells the chip, and the mixer was not seen"
    return answer(None, None, why, Tap(), LOOK)


def _count(files: Sequence[XmlFile]) -> int:
    return len(frozenset[str]().union(*(file.controls for file in files)))
