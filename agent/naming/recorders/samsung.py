"""Samsung: ``<Call recording> <number or contact>_yyMMdd_HHmmss``, in the phone's language.

The words before are a translated resource, and one phone of 2026 has none: so the end counts.
There is either the number or the contact, never both. What a number has of ``*`` is ``_``.
"""

from __future__ import annotations

import re

from agent.naming.draft import Draft, Refused
from agent.naming.number import digits_of, number_in
from agent.naming.result import Confidence, least
from agent.naming.stamp import SHORT_DAY, stamp_of
from agent.naming.text import Name, bare, fold
from agent.naming.words import call_prefix, is_nobody, is_other, is_weak

_WHEN = re.compile(
    rf"(?P<gap>[_ -])(?P<century>20)?{SHORT_DAY}(?P<middle>[_ -])"
    r"(?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)?\Z"
)
_LONGEST_WHEN = 16
# Six digits alone: a date only where they can't be a time of the day.
_DAY_ONLY = re.compile(rf"_{SHORT_DAY}\Z")
_MORE = re.compile(r"(?P<contact>.*?\S)[ _]+(?P<number>[+(]?\d[\d ()-]{7,})\Z", re.DOTALL)
_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d\Z")
_STAR = re.compile(r"_\d{2,}[\d_]*#?\Z")
_WORDS = re.compile(r"[^\d_@(){}\[\].,;:+/*#]{3,40}\Z")


def dialer(name: Name) -> Draft | Refused | None:
    """Samsung's dialer."""
    text = name.folded
    found = _WHEN.search(text, max(0, len(text) - _LONGEST_WHEN))
    draft = Draft("samsung")
    if found is not None:
        draft.stamp = stamp_of(found)
        usual = (found["gap"], found["middle"], found["century"]) == ("_", "_", None)
        if draft.stamp is None and usual and found["s"] and call_prefix(text):
            return Refused("it has Samsung's form, but no such moment is in the calendar")
        if not usual or not found["s"]:
            draft.sure = draft.start_sure = "medium"
        if found["century"] and name.home != "samsung":
            draft.recorder = None
    elif (found := _DAY_ONLY.search(text, max(0, len(text) - 7))) is not None:
        if _TIME_OF_DAY.match(found["yy"] + found["mo"] + found["d"]):
            return None
        draft.stamp = stamp_of(found)
        draft.sure, draft.start_sure = "medium", "low"
    if found is None or draft.stamp is None:
        return None
    who = name.text(0, found.start())
    prefix = call_prefix(fold(who))
    if prefix:
        weak = is_weak(who[:prefix])
        if weak and draft.start_sure != "high":
            return None  # «Call_…» is anybody's
        if weak:
            draft.sure = "medium"
        _after_prefix(who[prefix + 1 :], draft, spaced=fold(who)[prefix : prefix + 1] != "_")
        return draft
    if draft.start_sure != "high" and name.home != "samsung":
        return None
    return _unprefixed(name, who, draft)


def _after_prefix(rest: str, draft: Draft, *, spaced: bool) -> None:
    rest = rest.strip()
    level: Confidence = draft.sure if spaced else "medium"
    if _STAR.match(fold(rest)):
        draft.number = "*" + rest[1:].replace("_", "*"), "low"
        return
    if number_in(rest) or is_nobody(rest):
        draft.either(rest, level)
        return
    more = _MORE.match(fold(rest))
    if more is not None and number_in(more["number"]) and len(digits_of(more["number"])) >= 9:
        # Seen as a claim only. It can be the end of a contact's name.
        draft.number = bare(rest[more.start("number") :]), "low"
        draft.name(rest[: more.end("contact")], "low")
        return
    # A «_» can be a replaced sign; digits at the end may be a number of a foreign form.
    doubtful = "_" in rest or rest[-1:].isdigit()
    draft.name(rest, least(level, "medium") if doubtful else level)


def _unprefixed(name: Name, who: str, draft: Draft) -> Draft | None:
    """Without a word that is listed: a number by its look, anything else with little trust."""
    if not who or is_other(who):
        return None
    number = number_in(who)
    if number is not None:
        draft.sure = "high" if name.home == "samsung" else "medium"
        draft.number = number[0], least(number[1], draft.sure)
        return draft
    draft.sure = "medium" if name.home == "samsung" else "low"
    more = _MORE.match(fold(who))
    known = number_in(more["number"]) if more else None
    if more is not None and known and (known[0].startswith("+") or len(digits_of(known[0])) >= 9):
        draft.number = bare(who[more.start("number") :]), "medium"
        before = who[: more.end("contact")]
        if _WORDS.match(fold(before)):
            draft.sure = "medium"
            draft.notes.append(f"{before!r} is taken for «Call recording» in another language")
        else:
            draft.name(before, "low")
        return draft
    draft.name(who, draft.sure)
    return draft
