"""Cube ACR: ``yyyy-MM-dd HH-mm-ss (phone) Name (number) ↗`` and ``source_yyyyMMdd-HHmmss_Name``.

↗ is outgoing; for incoming calls both ↙ and ↘ were seen. In brackets stands what was recorded:
the phone, or an app, which has no numbers. Times are local.
"""

from __future__ import annotations

import re

from agent.naming.draft import Draft, Refused
from agent.naming.number import number_in
from agent.naming.stamp import DAY, ISO_DAY, TIME, stamp_of
from agent.naming.text import Name, without_mark

_ARROWS = re.compile(
    rf"{ISO_DAY} (?P<h>\d\d)-(?P<mi>\d\d)-(?P<s>\d\d) \((?P<app>[^()]{{1,40}})\)"
    r"(?P<who>.*?)(?P<arrow>[↗↙↘])?[\ufe0e\ufe0f]?\s*\Z",
    re.DOTALL,
)
_BRACKETS = re.compile(
    r"(?P<contact>.*\S)\s*\((?P<number>[^()]*(?:\(\d+\)[^()]*)?)\)\s*\Z", re.DOTALL
)
_SOURCE = re.compile(
    r"(?P<app>mic|phone|voip|whatsapp|whatsapp[ _]business|telegram|viber|skype|signal|messenger"
    r"|facebook|line|wechat|kakao\w*|imo|zoom|hangouts|duo|meet|zalo|botim|discord|slack|teams)"
    rf"_{DAY}-{TIME}(?:_(?P<who>.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)


def arrows(name: Name) -> Draft | Refused | None:
    """The form of calls."""
    found = _ARROWS.match(name.folded)
    if found is None:
        return None
    stamp = stamp_of(found)
    if stamp is None:
        return Refused("it has Cube ACR's form, but no such moment is in the calendar")
    draft = Draft("cube", stamp, app=_app(found["app"]))
    if not found["arrow"] and _before_mark(name.folded):
        return None  # to be asked again without the mark
    if found["arrow"]:
        draft.direction = "out" if found["arrow"] == "↗" else "in", "high"
    who = name.text(found.start("who"), found.end("who"))
    in_brackets = _BRACKETS.match(who)
    if in_brackets and draft.call(in_brackets["number"].strip()):
        draft.name(in_brackets["contact"])
    elif draft.app is not None and number_in(who):
        draft.either(who, "medium")
    elif who:
        draft.either(who)
    return draft


def source_first(name: Name) -> Draft | Refused | None:
    """The form of what it hears of apps and of the microphone."""
    found = _SOURCE.match(name.folded)
    if found is None:
        return None
    stamp = stamp_of(found)
    if stamp is None:
        return Refused("it has Cube ACR's form, but no such moment is in the calendar")
    draft = Draft("cube", stamp, app=_app(found["app"]))
    if draft.app == "mic":
        draft.notes.append("the microphone's side; of a call over an app there is a second file")
        draft.sure = "medium"
    if found["who"]:
        draft.either(name.text(found.start("who"), found.end("who")))
    return draft


def _before_mark(text: str) -> bool:
    """Whether an arrow stands before what may be a mark of a copy."""
    shorter = without_mark(text)
    return shorter is not None and shorter.rstrip(" \ufe0e\ufe0f")[-1:] in ("↗", "↙", "↘")


def _app(word: str) -> str | None:
    word = word.strip().lower()
    return None if word == "phone" else word
