"""A file's name as facts of a recording, in the words of the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from agent.archive.records import Confidence, Fact
from agent.naming import Named, Pattern, Said, explain
from agent.phone.facts import Facts

_ALLOWED = "1"  # the presentation of a number that may be shown
#: What of a name goes with a fact, and is void with it where a sidecar has that fact.
_BELONGINGS = {
    "started_ms": ("zone", "precision"),
    "number": ("number_e164",),
}
#: Facts that are kept as they are told, where they are more than a possibility.
_PLAIN = ("number", "number_e164", "direction", "app")


@dataclass(frozen=True)
class Place:
    """What reading a name takes. Where a phone is: the zone of times in names, None for this
    computer's, and the country of numbers without a country's code. And the user's own
    patterns."""

    zone: tzinfo | None = None
    region: str | None = None
    own: tuple[Pattern, ...] = ()


NOWHERE = Place()


@dataclass
class FromName:
    """What a name says."""

    facts: dict[str, Fact] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)


def place_of(facts: Facts, own: Sequence[Pattern] = ()) -> Place:
    """Where a phone says it is; a zone that this computer does not know is none."""
    zone: tzinfo | None = None
    if facts.timezone:
        try:
            zone = ZoneInfo(facts.timezone)
        except (OSError, ValueError, LookupError):
            zone = None
    return Place(zone, facts.country or None, tuple(own))


def beside(sidecar: Mapping[str, Fact], name: Mapping[str, Fact]) -> dict[str, Fact]:
    """A sidecar's facts, and a name's where the sidecar says nothing: not half of a fact from
    here and half from there."""
    left = dict(name)
    for fact, belongings in _BELONGINGS.items():
        if fact in sidecar:
            for one in belongings:
                left.pop(one, None)
    shown = sidecar.get("presentation")
    if shown is not None and shown.value != _ALLOWED:  # withheld: a name can't know better
        left.pop("number", None)
        left.pop("number_e164", None)
    return left | dict(sidecar)


def overruled(sidecar: Mapping[str, Fact], known: Mapping[str, object]) -> dict[str, Fact]:
    """What a sidecar that came late makes of the facts that a name had given."""
    began = sidecar.get("started_ms")
    if began is None or not {"zone", "precision"} & set(known):
        return {}
    told = {"zone": "stated", "precision": "millisecond"}
    return {name: Fact(value, began.source, "stated") for name, value in told.items()}


def read_name(path: str, mtime_ns: int, place: Place = NOWHERE) -> FromName:
    """What the name at a path on a phone says. A reading that is less than likely fills nothing
    but the contact: a wrong number keeps a recording from the call that it is of."""
    near = _time(mtime_ns, place)
    named = explain(path, zone=place.zone, region=place.region, near=near, own=place.own)
    found = FromName()
    if named.kind not in ("call", "unknown"):
        found.flags.append(f"{named.kind}, by its name")
        return found
    for fact in _PLAIN:
        said = named.facts.get(fact)
        if said is not None and said.confidence != "low":
            found.facts[fact] = _fact(said)
    if (contact := named.facts.get("contact")) is not None:
        found.facts["contact"] = _fact(contact)
    if (sim := named.facts.get("sim")) is not None:
        found.facts["sim"] = _fact(sim, str(sim.value))
    if named["direction"] == "conference":
        # The index knows in and out; of a conference it is not told.
        found.facts.pop("direction", None)
        found.flags.append("conference")
    if (parties := named.facts.get("parties")) is not None:
        found.facts["parties"] = _fact(parties, [party.as_dict() for party in parties.value])
    if named.recorder is not None:
        found.facts["recorder"] = _fact(named.facts["recorder"])
    _start(named, found, place)
    return found


def _start(named: Named, found: FromName, place: Place) -> None:
    """The start, with what the join has to know of it: whose zone, and how exact it is."""
    said = named.facts.get("start")
    if said is None:
        return
    at: datetime = said.value
    source, sure = said.source, _confidence(said)
    if named.zone != "stated":
        at = at if at.tzinfo else at.replace(tzinfo=place.zone)
        whose = "this computer's" if place.zone is None else "the phone's"
        source, sure = f"{source}, in {whose} zone", "assumed"
        found.facts["zone"] = Fact("assumed", f"{whose} zone", "assumed")
    try:
        started = round(at.timestamp() * 1000)  # of a time without a zone: by this computer's
    except (ValueError, OverflowError, OSError):
        return
    found.facts["started_ms"] = Fact(started, source, sure)
    if named.precision in ("minute", "day"):
        found.facts["precision"] = Fact(named.precision, said.source, "stated")


def _fact(said: Said, value: object = None) -> Fact:
    return Fact(said.value if value is None else value, said.source, _confidence(said))


def _confidence(said: Said) -> Confidence:
    return "stated" if said.confidence == "high" else "assumed"


def _time(mtime_ns: int, place: Place) -> datetime | None:
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC).astimezone(place.zone)
    except (ValueError, OverflowError, OSError):
        return None
