"""BCR, and what names like it: ShizuCallRecorder, CallVault, and Offhook itself.

BCR's template (source: its source code): ``{date}[_{direction}|][_sim{sim_slot}|]
[_{phone_number}|][_{contact}|]``, where date is ``yyyyMMdd_HHmmss``, a fraction of up to nine
digits without trailing zeros, and the offset. Versions 1.75 and later write IN and OUT. What a
file system can't hold, and in old versions a space, is ``_``. Numbers and names of a conference
are joined with commas. The time is when the call was made.
"""

from __future__ import annotations

import re

from agent.naming.draft import Draft, Refused
from agent.naming.number import digits_of, number_in
from agent.naming.result import Confidence
from agent.naming.stamp import DAY, OFFSET, TIME, stamp_of
from agent.naming.text import Name, fold

_DATE = re.compile(rf"{DAY}_{TIME}(?:\.(?P<f>\d{{1,9}}))?{OFFSET}(?=_|\Z)")
_DIRECTION = re.compile(r"_(in|out|conference|unknown)(?=_|\Z)", re.IGNORECASE)
_SIM = re.compile(r"_sim(\d{1,2})(?=_|\Z)", re.IGNORECASE)
_PART = re.compile(r"_part(\d{1,3})\Z")
_FIELD = re.compile(r"_([^_]*)(?=_|\Z)")
# Behind a pause stands what was dialled after the answer.
_DIALLED = re.compile(r"(?P<number>[+\d][\d ()-]{6,})[,;][\d,;*#]{1,12}")
_STAR = re.compile(r"_{1,2}(\d[\d_]*[#_])\Z")


def dated(name: Name) -> Draft | Refused | None:
    """BCR's own date first, with its offset."""
    text = name.folded
    # What BCR could not put in its folder it names so, the folders' names in it.
    error = text.startswith("ERROR_")
    date = _DATE.search(text, 6) if error else _DATE.match(text)
    if date is None:
        return None
    stamp = stamp_of(date)
    if stamp is None:
        return Refused("it has BCR's form, but no such moment is in the calendar")
    draft = Draft(_who(name, date), stamp)
    if error:
        draft.notes.append("BCR could not put it where it belongs")
    rest = fields(name, date.end(), draft)
    if rest and draft.direction is None and draft.number is None:
        draft.sure = "medium"  # one field: what it is can only be told from its look
    return draft


def fields(name: Name, at: int, draft: Draft) -> bool:
    """Read BCR's fields from a place on into a draft; whether there was anything."""
    text = name.folded
    if at >= len(text):
        return False
    if found := _DIRECTION.match(text, at):
        word = found[1].lower()
        draft.direction = None if word == "unknown" else (word, "high")
        at = found.end()
    if found := _SIM.match(text, at):
        draft.sim = int(found[1])
        at = found.end()
    if found := _PART.match(text, at):
        draft.recorder = "offhook"
        draft.notes.append(f"part {int(found[1])} of the call's recording")
        return True
    if text[at:] == "_":
        draft.notes.append("the number was withheld")
        return True
    at = _number(name, at, draft)
    if at < len(text) - 1:
        _contact(name, at + 1, draft)
    return True


def _number(name: Name, at: int, draft: Draft) -> int:
    """Read the field of the number, or of a conference's numbers; where the next one begins."""
    found = _FIELD.match(name.folded, at)
    if found is None:
        return at
    written = name.text(found.start(1), found.end(1))
    numbers = [piece.strip() for piece in written.split(",")]
    alone = draft.direction is not None and draft.direction[0] != "conference"
    dialled = _DIALLED.fullmatch(fold(written)) if alone else None
    if dialled is not None and number_in(written[: dialled.end("number")]):
        draft.number = written, "medium"
        return found.end()
    if len(numbers) > 1 and all(number_in(n) and len(digits_of(n)) > 2 for n in numbers):
        draft.parties = [(number, None) for number in numbers]
        told = draft.direction is not None and draft.direction[0] == "conference"
        draft.parties_sure = "high" if told else "medium"
        draft.direction = draft.direction or ("conference", "medium")
        return found.end()
    if written and draft.call(written, "high" if draft.direction else "medium"):
        return found.end()
    star = _STAR.match(name.folded, at)
    if star is not None and (star[0].startswith("__") or star[1].endswith("#")):
        # *100# in a file name: a file system has no stars.
        draft.number = "*" + star[1].replace("_", "*"), "low"
        return star.end()
    return at


def _contact(name: Name, at: int, draft: Draft) -> None:
    written = name.text(at)
    if draft.parties:
        _share_out(written, draft)
        return
    # A replaced sign, no suffix to end it: it may be not quite so.
    doubtful = "_" in written or not name.suffix or draft.direction is None or draft.number is None
    sure: Confidence = "medium" if doubtful else "high"
    if len(written) > 2 and written[0] == written[-1] == "_":  # quotes
        written = written[1:-1]
    draft.name(written, sure)


def _share_out(written: str, draft: Draft) -> None:
    """A conference's names, which are joined like its numbers, but may have commas themselves."""
    names = written.split(",")
    if len(names) > len(draft.parties):
        # "Miller, Ada" has a space there; what BCR joins has none.
        joined: list[str] = []
        for piece in names:
            if piece.startswith(" ") and joined:
                joined[-1] += "," + piece
            else:
                joined.append(piece)
        names = joined
        draft.parties_sure = "medium"
    if len(names) != len(draft.parties):
        draft.parties_sure = "medium"
        draft.notes.append(f"whose of the numbers these names are is not clear: {written}")
        return
    draft.parties = [
        (number, one.strip()) for (number, _), one in zip(draft.parties, names, strict=True)
    ]


def _who(name: Name, date: re.Match[str]) -> str:
    if name.home in ("bcr", "shizucallrecorder", "callvault", "offhook"):
        return name.home
    rest = name.folded[date.end() :].lower()
    if name.suffix == "ogg" and len(date["f"] or "") == 3 and rest.startswith(("_in_", "_out_")):
        return "shizucallrecorder"
    return "shizucallrecorder" if rest in ("_in_", "_out_") else "bcr"
