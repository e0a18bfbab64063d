"""What a file name says: each fact with where it is from and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from agent.naming.pattern import Pattern

Confidence = Literal["high", "medium", "low"]
_RANKS: dict[Confidence, int] = {"low": 0, "medium": 1, "high": 2}


def least(one: Confidence, other: Confidence) -> Confidence:
    """The lower of two confidences: a chain is as strong as its weakest link."""
    return one if _RANKS[one] <= _RANKS[other] else other


class Said(NamedTuple):
    """A value, where it comes from, and how sure it is."""

    value: Any
    source: str
    confidence: Confidence


class Party(NamedTuple):
    """One of the others in a conference."""

    number: str | None = None
    number_e164: str | None = None
    contact: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """The same, for JSON."""
        return {
            "number": self.number,
            "number_e164": self.number_e164,
            "contact": self.contact,
        }


@dataclass(frozen=True)
class Named:
    """A file name, explained.

    ``kind`` is ``call``, or what else it is: ``voice memo``, ``voice note``, ``unfinished``,
    ``deleted``, ``transcript``, ``sidecar``, ``log``, ``unknown``. ``recorder`` is what names
    files so. ``start`` in ``facts`` is a datetime, with a zone only where one is known;
    ``precision`` is its smallest unit that the name has: ``day``, ``minute``, ``second``,
    ``millisecond`` or ``microsecond``; ``zone`` is ``stated`` by the name, ``assumed`` by the
    caller, or None. ``notes`` are for a person: what is odd, or why a name is refused. ``own`` is
    the user's own pattern that read the name, if one did.
    """

    file: str
    kind: str = "unknown"
    recorder: str | None = None
    facts: dict[str, Said] = field(default_factory=dict)
    precision: str | None = None
    zone: Literal["stated", "assumed"] | None = None
    notes: tuple[str, ...] = ()
    own: Pattern | None = None

    def __getitem__(self, fact: str) -> Any:
        """A fact's value; None where the name does not say."""
        said = self.facts.get(fact)
        return None if said is None else said.value

    @property
    def is_call(self) -> bool:
        """Whether the name is that of a call's recording."""
        return self.kind == "call"

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``offhook name --json``. These keys stay."""
        start: datetime | None = self["start"]
        parties: Sequence[Party] = self["parties"] or ()
        return {
            "file": self.file,
            "kind": self.kind,
            "recorder": self.recorder,
            "start": None if start is None else _iso(start, self.precision),
            "precision": self.precision,
            "zone": self.zone,
            "number": self["number"],
            "number_e164": self["number_e164"],
            "contact": self["contact"],
            "direction": self["direction"],
            "sim": self["sim"],
            "parties": [party.as_dict() for party in parties],
            "app": self["app"],
            "notes": list(self.notes),
            "sources": {
                name: {"source": said.source, "confidence": said.confidence}
                for name, said in self.facts.items()
            },
        }


def _iso(start: datetime, precision: str | None) -> str:
    """ISO 8601 with no more digits than the name has: a minute is not told as :00 seconds."""
    if precision == "day":
        return start.date().isoformat()
    units = {"minute": "minutes", "millisecond": "milliseconds", "microsecond": "microseconds"}
    return start.isoformat(timespec=units.get(precision or "", "seconds"))
