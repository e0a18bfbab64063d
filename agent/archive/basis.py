"""The basis that a recording rests on, as the fact that it carries: ``{basis, here, there,
answered, law}``, out of a sidecar's one word or of a stored answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"(own-line|one-party|all-party):([A-Z]{2}(?:-[A-Z0-9]{1,3})?):([A-Z]{2}(?:-[A-Z0-9]{1,3})?)"
    r"(?::(\d{4}-\d\d-\d\d):([0-9A-Za-z.]{0,20}))?"
)


def fact_of_token(text: str) -> dict[str, Any] | str:
    """What a sidecar's word says, as the fact that a recording carries; the word itself when it
    is of another kind."""
    said = _TOKEN.fullmatch(text)
    if said is None:
        return text
    basis, here, there, day, version = said.groups()
    return _fact(basis, here, there, day, version)


def fact_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fact that a recording carries, of a stored answer."""
    said = {name: given.get(name) or "" for name in ("basis", "here", "there", "at", "law")}
    return _fact(said["basis"], said["here"], said["there"], said["at"][:10], said["law"])


def _fact(
    basis: str, here: str, there: str, day: str | None, version: str | None
) -> dict[str, Any]:
    return {"basis": basis, "here": here, "there": there, "answered": day, "law": version}


def words_of(fact: Any) -> str:
    """A recording's fact ``consent`` in words; not yet fit for a terminal."""
    if not isinstance(fact, dict):
        return str(fact)
    said = {name: str(fact.get(name) or "?") for name in ("basis", "here", "there")}
    text = f"{said['basis']} ({said['here']} to {said['there']})"
    if fact.get("answered"):
        text += f", answered {fact['answered']}"
    if fact.get("law"):
        text += f", table of rules {fact['law']}"
    return text
