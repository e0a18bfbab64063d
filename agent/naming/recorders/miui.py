"""MIUI and HyperOS: ``<Call recording>@name(number)_yyyyMMddHHmmss`` (source: its code).

The word before ``@`` is in the phone's language, or is left out (2023). A conference is several
``name(number)`` joined by ``_``. MIUI 8 cuts at 50 characters, and writes ``+`` as ``00``, ``*``
as ``s`` and a pause as ``p``. For somebody unknown the name is the number again.
"""

from __future__ import annotations

import re

from agent.naming.draft import Draft
from agent.naming.number import digits_of, number_in
from agent.naming.result import Confidence, least
from agent.naming.stamp import WHOLE, stamp_of
from agent.naming.text import Name, bare, fold
from agent.naming.words import call_prefix, is_weak

_WHEN = re.compile(rf"(?P<who>.*)_{WHOLE}\Z", re.DOTALL)
_NAMED = re.compile(r"(?P<contact>.+)\((?P<number>[^()]*)\)\Z", re.DOTALL)
_TORN = re.compile(r"(?P<contact>.*\S)\((?P<number>\+?\d[\dsp#]{4,})\Z", re.DOTALL)
_NOBODY = re.compile(r"(?P<nobody>[^()]+)\((?P=nobody)\)\Z")
_NUMBER = re.compile(r"[+*#sp\d][\d #*+spSP,;wW-]*\Z")
_MAIL = re.compile(r"[\w.+-]+@[a-z\d-]+(?:\.[a-z\d-]+)*\.[a-z]{2,}\(", re.IGNORECASE)
_CAP = range(47, 54)  # lengths at which a name of MIUI 8's can be a cut one

_Party = tuple[str, str | None]


def bracketed(name: Name) -> Draft | None:
    """Everything of MIUI's but a bare number, which others have too."""
    when = _WHEN.match(name.folded)
    if when is None:
        return None
    who = name.text(0, when.end("who"))
    prefix = call_prefix(fold(who))
    at = fold(who).find("@")
    sure: Confidence
    if prefix and at == prefix:
        sure, body = "high", who[at + 1 :]
    elif name.home == "miui" and at > 0:
        sure, body = "medium", who[at + 1 :]
    elif at > 0 and _bracketed(who[at + 1 :]) and not _MAIL.match(fold(who)):
        sure, body = "medium", who[at + 1 :]  # the word in a language that is not listed
    elif prefix and not is_weak(who[:prefix]) and _bracketed(who[prefix + 1 :]):
        sure, body = "medium", who[prefix + 1 :]
    else:
        sure, body = ("high" if name.home == "miui" else "medium"), who
        if not _bracketed(body):
            return None
    stamp = stamp_of(when)
    if stamp is None:
        return None
    draft = Draft("miui", stamp, sure, trunk_00=True)
    parties = _parties(body)
    if len(parties) > 1:
        _conference(parties, draft)
    elif parties:
        _one(name, *parties[0], draft)
    elif both := _NOBODY.match(fold(body)):
        draft.either(both["nobody"], "medium")
    elif torn := _TORN.match(body):
        # A «_» in a name made MIUI 8 close the brackets too early.
        draft.number = _decoded(torn["number"]), "low"
        draft.name(torn["contact"].replace(")_", "_"), "low")
    else:
        draft.either(body, "medium")
    return draft


def _bracketed(text: str) -> bool:
    found = _party(text)
    return found is not None and found[1] is not None


def _party(text: str) -> _Party | None:
    """``name(number)``, or a number alone, as number and name; None for anything else."""
    named = _NAMED.match(fold(text))
    if named is not None:
        number = _number(text[named.start("number") : named.end("number")])
        return None if number is None else (number, text[: named.end("contact")])
    number = _number(text)
    return None if number is None else (number, None)


def _number(text: str) -> str | None:
    """A number as MIUI writes it, read back; None for what is none."""
    text = bare(text)
    if not _NUMBER.match(fold(text)) or not 2 <= len(digits_of(text)) <= 20:
        return None
    decoded = _decoded(text)
    plain = decoded.split(",")[0]
    return decoded if number_in(plain) or len(digits_of(plain)) > 15 else None


def _decoded(text: str) -> str:
    return text.replace("s", "*").replace("p", ",")


def _parties(body: str) -> list[_Party]:
    """The parties of ``a(1)_b(2)_3``: what is no party belongs to the name of the next one."""
    found: list[_Party] = []
    pending: list[str] = []
    for token in body.split("_"):
        party = _party("_".join([*pending, token]))
        if party is None:
            pending.append(token)
        elif party[1] is None and not pending and len(digits_of(token)) < 7 and not found:
            pending.append(token)  # 12_Bob(138…) is rather somebody's name
        else:
            found.append(party)
            pending = []
    if pending and not found:
        numbers = [_party(token) for token in pending]
        return [party for party in numbers if party] if all(numbers) else []
    return [] if pending else found


def _conference(parties: list[_Party], draft: Draft) -> None:
    draft.direction = "conference", "medium"
    draft.parties = [(number, _contact(number, contact)) for number, contact in parties]
    if len(digits_of(parties[-1][0])) < 5:
        draft.parties_sure = "low"
        draft.notes.append("the last number was cut: the name had no room for it")


def _one(name: Name, number: str, contact: str | None, draft: Draft) -> None:
    level: Confidence = "high" if len(digits_of(number)) > 2 else "medium"
    draft.number = number, least(level, draft.sure)
    contact = _contact(number, contact)
    if contact is None:
        return
    cut = len(name.given) in _CAP and number.startswith("00")
    if cut:
        draft.notes.append("MIUI 8 cuts names at 50 characters: the contact's may be cut")
    if "@" in contact or number_in(contact):
        cut = True
    draft.name(contact, "medium" if cut else draft.sure)


def _contact(number: str, contact: str | None) -> str | None:
    """The name, unless it is the number again."""
    if contact is None or not contact.strip():
        return None
    if number_in(contact):
        one, other = digits_of(contact).lstrip("0"), digits_of(number).lstrip("0")
        if one == other or (min(len(one), len(other)) >= 7 and one[-7:] == other[-7:]):
            return None
    return contact.strip()
