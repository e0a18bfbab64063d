"""Recorder apps: ACR and ACR Phone, True Phone, axet's Call Recorder, and one without a name."""

from __future__ import annotations

import re

from agent.naming.draft import NUMBERS_CODE, Draft, Refused
from agent.naming.number import digits_of, number_in
from agent.naming.result import Confidence
from agent.naming.stamp import DAY, ISO_DAY, TIME, WHOLE, epoch, stamp_of
from agent.naming.text import Name

_ACR = re.compile(rf"(?P<way>[01])d{WHOLE}p(?P<number>.*)\Z", re.DOTALL)
_ACR_PHONE = re.compile(r"(?P<number>[^_]*)-(?P<way>[01])-(?P<epoch>\d{10}|\d{13})\Z", re.DOTALL)
_CODE_EPOCH = re.compile(r"(?P<number>[+*#\d]+|null)_(?P<way>[01])_(?P<epoch>\d{10}|\d{13})\Z")
_TRUE_PHONE = re.compile(
    rf"(?P<who>.*?) ?(?:\((?P<number>[^()]*)\)|@) ?{ISO_DAY}_{TIME}_(?P<way>in|out)\Z",
    re.IGNORECASE | re.DOTALL,
)
_TYPED = re.compile(r"(?P<number>[+*#\d][\d ()*#.-]*?)(?: +(?P<type>\D.*))?\Z", re.DOTALL)
_AXET = re.compile(
    rf"(?:{ISO_DAY} (?P<h>\d\d)\.(?P<mi>\d\d)\.(?P<s>\d\d)(?!\d))(?P<rest>.*)\Z", re.DOTALL
)
_AXET_I = re.compile(rf"{DAY}T{TIME}(?!\d)(?P<rest>.*)\Z", re.DOTALL)
_AXET_T = re.compile(r"(?P<epoch>\d{10}|\d{13}) (?P<who>\S.*)\Z", re.DOTALL)
_AXET_REST = re.compile(r"(?:[ _]+(?P<way>[↑↓]))?(?P<gap>[ _-]*)(?P<who>.*)\Z", re.DOTALL)


def acr(name: Name) -> Draft | Refused | None:
    """ACR by NLL: ``1d20141207215358p+36305566778``; 0 in, 1 out; hour 24 is the next day's 0."""
    found = _ACR.match(name.folded)
    if found is None:
        return None
    stamp = stamp_of(found, hour_24=True)
    if stamp is None:
        return Refused("it has ACR's form, but no such moment is in the calendar")
    draft = Draft("acr", stamp, direction=(NUMBERS_CODE[found["way"]], "high"))
    if found["h"] == "24":
        draft.start_sure = "medium"
        draft.notes.append("hour 24 is taken for the first hour of the next day")
    return draft if draft.call(name.text(found.start("number"))) else None


def acr_phone(name: Name) -> Draft | None:
    """ACR Phone: ``+491701234567-0-1716380880000``; 0 in, 1 out."""
    found = _ACR_PHONE.match(name.folded)
    stamp = epoch(found["epoch"]) if found else None
    if found is None or stamp is None:
        return None
    way: Confidence = "high" if found["way"] == "0" or name.home == "acr-phone" else "medium"
    draft = Draft("acr-phone", stamp, direction=(NUMBERS_CODE[found["way"]], way))
    return draft if draft.call(name.text(0, found.end("number"))) else None


def number_code_epoch(name: Name) -> Draft | None:
    """A recorder seen in 2022 whose name is not known: ``3630556677_1_1416923124000``."""
    found = _CODE_EPOCH.match(name.folded)
    stamp = epoch(found["epoch"]) if found else None
    if found is None or stamp is None:
        return None
    way: Confidence = "medium"
    draft = Draft(None, stamp, "medium", direction=(NUMBERS_CODE[found["way"]], way))
    return draft if draft.call(name.text(0, found.end("number"))) else None


def true_phone(name: Name) -> Draft | Refused | None:
    """True Phone: ``Name (number type) yyyy-MM-dd_HHmmss_out``, ``number @ …``."""
    ends = name.folded[-3:].lower() in ("_in", "out")
    found = _TRUE_PHONE.match(name.folded) if ends else None
    if found is None:
        return None
    stamp = stamp_of(found)
    if stamp is None:
        return Refused("it has True Phone's form, but no such moment is in the calendar")
    draft = Draft("true-phone", stamp, direction=(found["way"].lower(), "high"))
    who = name.text(0, found.end("who"))
    if found["number"] is None:
        draft.either(who)
        return draft
    typed = _TYPED.match(name.text(found.start("number"), found.end("number")))
    if typed is None or not draft.call(typed["number"].strip()):
        return None
    draft.name(who)
    return draft


def axet(name: Name) -> Draft | None:
    """axet's Call Recorder: ``%s`` or ``%I``, then ``%i`` (↓ in, ↑ out) and what the user chose."""
    found = _AXET.match(name.folded) or _AXET_I.match(name.folded)
    stamp = stamp_of(found) if found else None
    if found is None or stamp is None:
        return None
    rest = _AXET_REST.match(name.folded, found.start("rest"))
    if rest is None or (rest["who"] and not rest["gap"]):
        return None
    draft = Draft("axet", stamp, "medium" if rest["way"] or name.home == "axet" else "low")
    if rest["way"]:
        draft.direction = "in" if rest["way"] == "↓" else "out", "high"
    elif rest["who"] and name.home != "axet":
        return None  # a date and a title, as of anything
    who = name.text(rest.start("who"))
    number, dash, contact = who.partition("-")
    if dash and number_in(number) and len(digits_of(number)) > 6 and not number_in(who):
        draft.call(number.strip(), "medium")
        draft.name(contact, "medium")
    elif who.strip("- "):
        draft.either(who, "medium")
    return draft


def axet_epoch(name: Name) -> Draft | None:
    """axet's ``%T %p``: ``1512340435 +4915112345678``."""
    found = _AXET_T.match(name.folded)
    stamp = epoch(found["epoch"]) if found else None
    if found is None or stamp is None:
        return None
    number = number_in(name.text(found.start("who")))
    if number is None or number[1] == "low":
        return None
    draft = Draft("axet", stamp, "medium", start_sure="medium")
    draft.number = number
    return draft
