"""The basis on which calls are recorded. Without one, capture is not turned on.

An answer is a basis and the places of both ends. It has to fit the stricter law of the two, as
:mod:`agent.capture.law` has it, and each recording carries it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from agent.capture import law
from agent.errors import ConsentError

#: What a user may rest a recording on, and what it means.
BASES = {
    "own-line": "both ends of the test calls are my own lines",
    "one-party": "I take part in the calls, and the law of both ends asks for no more",
    "all-party": "everybody in the calls was told beforehand, and agreed",
}


@dataclass(frozen=True)
class Consent:
    """A basis, and the jurisdictions (ISO 3166: ``DE``, ``US-CA``) of both ends.

    ``at`` is when the answer was given (ISO 8601), ``law`` the version of the table of rules
    that it was held against.
    """

    basis: str
    here: str
    there: str
    at: str
    law: str = ""

    def as_dict(self) -> dict[str, str]:
        """The same, to be stored."""
        return asdict(self)

    @property
    def token(self) -> str:
        """One word for the phone's sidecars: ``own-line:DE:US-CA:2026-11-23:2026.1``, which
        :mod:`agent.archive.basis` reads."""
        return ":".join((self.basis, self.here, self.there, self.at[:10], self.law))

    def same_as(self, other: Consent | None) -> bool:
        """Whether it says the same, whenever it was said."""
        mine = (self.basis, self.here, self.there)
        return other is not None and mine == (other.basis, other.here, other.there)


def consent(basis: str, here: str, there: str, at: str) -> Consent:
    """A checked answer, given at ``at`` (ISO 8601); ConsentError when it is none, or when the
    law of one end asks for more than that basis."""
    if basis not in BASES:
        raise ConsentError(
            f"{basis!r} is not a basis for recording", hint=f"One of: {', '.join(BASES)}."
        )
    given = Consent(basis, law.checked(here), law.checked(there), at, law.VERSION)
    check(given)
    return given


def check(given: Consent) -> None:
    """ConsentError when the law of either end asks for more than the basis says."""
    if given.basis in allowed(given.here, given.there):
        return
    strict = [rule for rule in rules_of(given.here, given.there) if not rule.one_is_enough]
    places = " and ".join(f"{law.name_of(rule.code)} ({rule.words})" for rule in strict)
    codes = " ".join(rule.code for rule in strict)
    raise ConsentError(
        f"{given.basis} is no basis for these calls: {places}",
        hint="If both lines are your own: --basis own-line. If everybody in the calls was told "
        f"and agreed: --basis all-party. `offhook law {codes}` says more.",
    )


def rules_of(here: str, there: str) -> list[law.Rule]:
    """The rules of both ends, once where they are the same."""
    return [law.rule_of(code) for code in dict.fromkeys((here, there))]


def allowed(here: str, there: str) -> list[str]:
    """The bases that the stricter law of both ends leaves."""
    enough = all(rule.one_is_enough for rule in rules_of(here, there))
    return [basis for basis in BASES if enough or basis != "one-party"]
