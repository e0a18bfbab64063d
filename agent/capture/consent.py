"""The basis on which calls are recorded. Without one, capture is not turned on."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from agent.errors import ConsentError

#: What a user may rest a recording on, and what it means.
BASES = {
    "own-line": "both ends of the test calls are my own lines",
    "one-party": "I take part in the calls, and the law of both ends asks for no more",
    "all-party": "everybody in the calls was told beforehand, and agreed",
}

_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


@dataclass(frozen=True)
class Consent:
    """A basis, and the jurisdictions (ISO 3166: ``DE``, ``US-CA``) of both ends."""

    basis: str
    here: str
    there: str
    at: str

    def as_dict(self) -> dict[str, str]:
        """The same, to be stored."""
        return asdict(self)

    @property
    def token(self) -> str:
        """One word for the phone's sidecars: ``own-line:DE:US-CA``."""
        return f"{self.basis}:{self.here}:{self.there}"


def consent(basis: str, here: str, there: str, at: str) -> Consent:
    """A checked answer, given at ``at`` (ISO 8601); ConsentError when it is none."""
    if basis not in BASES:
        raise ConsentError(
            f"{basis!r} is not a basis for recording", hint=f"One of: {', '.join(BASES)}."
        )
    for end in (here, there):
        if not _JURISDICTION.fullmatch(end):
            raise ConsentError(
                f"{end!r} is not a jurisdiction",
                hint="Write a country's code, with a state's where it matters: DE, GB, US-CA.",
            )
    return Consent(basis, here, there, at)
