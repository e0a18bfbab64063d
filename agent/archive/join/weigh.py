"""How well a call explains a recording: its times, who it was with, which way, on which SIM.

Each agreement multiplies the density of the times by how much likelier it is with the right call
than with any other; each contradiction likewise by less than one.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.archive.join.parties import Agreement, names_agree, numbers_agree
from agent.archive.join.records import MISSED, OUTGOING, Call, Heard, Party, Weight
from agent.archive.join.times import Fit

Sims = Mapping[tuple[str, str], str]
"""What the log calls a SIM that a kind of recording calls otherwise."""

_NUMBER: dict[Agreement, float] = {"same": 40.0, "like": 15.0, "other": 0.0005, "unknown": 1.0}
# Where the file's name only assumes it, a contradiction is a hint.
_GUESSED_NUMBER, _GUESSED_NAME = 0.05, 0.3
_NAME: dict[Agreement, float] = {"same": 25.0, "like": 10.0, "other": 0.08, "unknown": 1.0}


def weigh(heard: Heard, call: Call, times: Fit, sims: Sims) -> Weight:
    """All the evidence that there is, as one density."""
    weight = Weight(times.density)
    weight.words += [times.words] if times.words else []
    weight.against += [times.against] if times.against else []
    weight.density *= _likely(call)
    _lengths(weight, heard, call)
    _party(weight, heard, call)
    if heard.direction is not None:
        same = heard.direction == call.direction
        weight.density *= 2.0 if same else 0.001
        (weight.words if same else weight.against).append(
            "same direction" if same else "the direction differs"
        )
    known = sims.get((heard.kind, heard.sim or ""))
    if known is not None and call.sim is not None:
        same = known == call.sim
        weight.density *= 1.9 if same else 0.02
        weight.words.append("same SIM" if same else "another SIM")
    return weight


def of_party(call: Call, parties: tuple[Party, ...]) -> Agreement:
    """Whether one of the parties can be who the call was with."""
    found: list[Agreement] = []
    for party in parties:
        number = _number(party.number, call)
        found.append(number if number != "unknown" else names_agree(party.contact, call.name))
    return _best(found)


def _likely(call: Call) -> float:
    """How likely a call of that type is recorded at all."""
    if call.talk_s > 0 and call.type in (1, OUTGOING):
        return 1.0
    if call.type == OUTGOING:
        return 0.2  # nobody answered, but a recorder may begin with dialling
    return 0.3 if call.talk_s > 0 and call.type > 7 else 0.001 if call.type == MISSED else 0.002


def _lengths(weight: Weight, heard: Heard, call: Call) -> None:
    seconds = heard.seconds
    if seconds is not None and abs(seconds - call.talk_s) <= 2:
        weight.words.append("same length")


def _party(weight: Weight, heard: Heard, call: Call) -> None:
    if heard.private and not heard.number:
        if call.private:
            weight.density *= 12.0
            weight.words.append("both private")
        elif call.number:
            weight.density *= 0.05
            weight.words.append("the log has a number")
    parties = heard.parties or (Party(heard.number, heard.contact),)
    if call.private and any(party.number for party in parties):
        weight.density *= 0.05
        weight.words.append("the log hides the number")
        return
    numbers = [_number(party.number, call) for party in parties]
    number = _best(numbers)
    guessed = number == "other" and "number" in heard.guessed and not heard.parties
    weight.density *= _GUESSED_NUMBER if guessed else _NUMBER[number]
    if number in ("same", "like"):
        weight.words.append("same number" if number == "same" else "the number's end is the same")
    elif guessed:
        weight.words.append("the number in the file's name differs")
    elif number == "other":
        weight.against.append("the number differs")
    name = _best([names_agree(party.contact, call.name) for party in parties])
    if number in ("same", "like"):
        # A name is a hint beside a number: people are renamed.
        weight.density *= {"same": 1.5, "like": 1.3, "other": 0.6, "unknown": 1.0}[name]
    elif name == "other" and "contact" in heard.guessed:
        weight.density *= _GUESSED_NAME
    else:
        weight.density *= _NAME[name]
    if name in ("same", "like"):
        weight.words.append("same contact" if name == "same" else "the contact's name begins alike")
    elif name == "other":
        weight.words.append("another contact's name")
    elif any(party.contact for party in parties) and call.number and number == "unknown":
        weight.density *= 0.5  # who has a name in a file has one in the log, mostly
        weight.words.append("the log has no name")


def _number(number: str | None, call: Call) -> Agreement:
    if not number or call.private:
        return "unknown"
    plain = numbers_agree(number, call.number, call.country)
    if plain in ("same", "unknown") or not call.normalized:
        return plain
    return "same" if numbers_agree(number, call.normalized, call.country) == "same" else plain


def _best(found: list[Agreement]) -> Agreement:
    order: tuple[Agreement, ...] = ("same", "like", "other", "unknown")
    return min(found, key=order.index, default="unknown")
