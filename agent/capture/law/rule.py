"""What a row of the table of rules is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from agent.capture.law.codes import name_of

Kind = Literal["one-party", "all-party", "unknown"]


@dataclass(frozen=True)
class Rule:
    """What the law of a place asks of somebody who records a call of their own.

    ``code`` is ISO 3166's of a country, or of a part of one. ``kind`` is unknown where no
    statute is known. ``says`` is a line in our own words, no quotation; ``source`` is where it
    is from, and ``as_of`` the day, month or year of which the source speaks, or on which it was
    read where it bears no date. ``contested``: lists, courts or statutes differ. ``verified``:
    it was found in a source; else it was written from memory.
    """

    code: str
    kind: Kind
    says: str
    source: str
    as_of: str
    contested: bool = False
    verified: bool = True

    @property
    def one_is_enough(self) -> bool:
        """Whether a participant may record without the others, as far as this table can tell.

        What is contested, unknown or not verified is taken from the strict side.
        """
        return self.kind == "one-party" and not self.contested and self.verified

    @property
    def applied(self) -> Kind:
        """The rule that Offhook goes by: one-party or all-party."""
        return "one-party" if self.one_is_enough else "all-party"

    @property
    def words(self) -> str:
        """What there is to know of it in a few words: ``contested: taken as all-party``."""
        if self.kind == "all-party" or self.one_is_enough:
            return self.kind + (", contested" if self.contested else "")
        why = (
            "contested" if self.contested else "unknown" if self.kind == "unknown" else "unverified"
        )
        return f"{why}: taken as all-party"

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        return {
            "code": self.code,
            "name": name_of(self.code),
            "rule": self.kind,
            "applied": self.applied,
            "contested": self.contested,
            "confidence": "sourced" if self.verified else "unverified",
            "says": self.says,
            "source": self.source,
            "as_of": self.as_of,
        }
