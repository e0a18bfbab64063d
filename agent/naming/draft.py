"""What a parser makes of a name, before zone, region and folder are brought in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.naming.number import digits_of, number_in
from agent.naming.result import Confidence, least
from agent.naming.stamp import Stamp
from agent.naming.text import Name, bare
from agent.naming.words import is_conference, is_nobody

NUMBERS_CODE = {"0": "in", "1": "out"}


@dataclass(slots=True)
class Draft:
    """A reading of a name. ``sure``: how surely the name is this recorder's at all."""

    recorder: str | None
    stamp: Stamp | None = None
    sure: Confidence = "high"
    kind: str = "call"
    number: tuple[str, Confidence] | None = None
    contact: tuple[str, Confidence] | None = None
    direction: tuple[str, Confidence] | None = None
    sim: int | None = None
    app: str | None = None
    parties: list[tuple[str | None, str | None]] = field(default_factory=list)
    parties_sure: Confidence = "medium"
    start_sure: Confidence = "high"
    trunk_00: bool = False
    """Whether a leading 00 stands for +."""
    notes: list[str] = field(default_factory=list)

    def call(self, number: str, sure: Confidence = "high") -> bool:
        """Take a text that has its own place for the number; whether it was one."""
        found = number_in(number)
        if found is None:
            if number and not is_nobody(number):
                return False
            self.notes.append("the name says that the number is not known")
            return True
        # In a place of its own a short number is a number all the same.
        level: Confidence = "high" if found[1] == "medium" else found[1]
        self.number = found[0], least(level, sure)
        return True

    def name(self, contact: str, sure: Confidence = "high") -> None:
        """Take a text for the contact, unless it says that there is none."""
        contact = contact.strip()
        if not bare(contact).strip("_ "):
            return
        if is_nobody(bare(contact)):
            self.notes.append("the name says that the number is not known")
            return
        if self.direction is None and is_conference(bare(contact)):
            self.direction = "conference", "medium"
            return
        self.contact = contact, sure

    def either(self, text: str, sure: Confidence = "high") -> None:
        """Take a text that is the number or else the contact."""
        found = number_in(text)
        if found is not None:
            self.number = found[0], least(found[1], sure)
        else:
            # It can still be a number whose signs were replaced.
            several = len(digits_of(text)) >= 5
            self.name(text, least(sure, "medium") if several else sure)


@dataclass(frozen=True, slots=True)
class Refused:
    """A name in a recorder's form that can't be true, and why."""

    reason: str


Parser = Callable[[Name], Draft | Refused | None]
