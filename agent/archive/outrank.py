"""Between a recording's own facts and those of its call: which counts, and what is kept of both.

The call log fills what is missing, and outranks what a file's name only assumed; that is kept as
``overruled``. What a sidecar or a name says for sure stays; where the log says otherwise, that is
kept beside it as ``differs``. Both go when the recording is parted from its call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.archive.join.parties import names_agree, numbers_agree
from agent.archive.records import Fact

LOG = "call log"  # how the source of a fact begins that a call gave
OVERRULED, DIFFERS = "overruled", "differs"

#: Facts in which a call and a recording can contradict each other, and whether two values do.
#: (A SIM has other words in a name than in the log.)
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "number": lambda one, other: numbers_agree(one, other) == "other",
    "contact": lambda one, other: names_agree(one, other) == "other",
    "direction": lambda one, other: bool(one != other),
}
_BELONGINGS = {"number": ("number_e164",)}


def is_logs(fact: Mapping[str, Any]) -> bool:
    """Whether a call gave it."""
    return str(fact.get("source", "")).startswith(LOG)


def own(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What a recording says of itself, whatever its call made of that; empty where nothing."""
    fact = facts.get(name, {})
    if fact and not is_logs(fact):
        return fact if isinstance(fact, dict) else {}
    kept = facts.get(OVERRULED, {}).get("value")
    said = kept.get(name) if isinstance(kept, dict) else None
    return said if isinstance(said, dict) else {}


def of_call(
    known: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]], said: Mapping[str, Fact]
) -> tuple[dict[str, Fact], list[str]]:
    """What a call's facts make of a recording's: facts to be set, and names to be dropped before.

    ``known`` are the recording's columns, ``facts`` its facts.
    """
    new: dict[str, Fact] = {}
    kept: dict[str, Any] = dict(facts.get(OVERRULED, {}).get("value", {}))
    differs: dict[str, Any] = dict(facts.get(DIFFERS, {}).get("value", {}))
    before = len(kept), dict(differs)
    dropped: list[str] = []
    for name, fact in said.items():
        if known.get(name) is None:
            new[name] = fact
            continue
        contradict = _COMPARED.get(name)
        mine = facts.get(name, {})
        if contradict is None or is_logs(mine):
            continue
        if mine.get("confidence") == "assumed":
            new[name] = fact
            kept[name] = dict(mine)
            for other in _BELONGINGS.get(name, ()):
                if other in facts:
                    kept[other] = dict(facts[other])
                    dropped.append(other)
        elif contradict(mine.get("value"), fact.value):
            differs[name] = fact.value
    source = next(iter(said.values())).source if said else LOG
    sure = next(iter(said.values())).confidence if said else "joined"
    if len(kept) != before[0]:
        new[OVERRULED] = Fact(kept, "what the file's name says", "assumed")
    if differs != before[1]:
        new[DIFFERS] = Fact(differs, source, sure)
    return new, dropped


def parted(facts: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Fact], list[str]]:
    """What is left of a recording's facts without its call: facts to be set, and names to be
    dropped before."""
    gone = [name for name, fact in facts.items() if is_logs(fact)]
    kept = facts.get(OVERRULED, {}).get("value")
    if not isinstance(kept, dict):
        return {}, gone
    back = {
        name: Fact(fact["value"], fact["source"], fact["confidence"])
        for name, fact in kept.items()
        if name in gone or name not in facts
    }
    return back, [*gone, OVERRULED]
