"""Dialers of phones, networks and ROMs whose form is a matter of one line."""

from __future__ import annotations

import re

from agent.naming.draft import Draft, Refused
from agent.naming.number import digits_of, number_in
from agent.naming.result import Confidence
from agent.naming.stamp import DAY, ISO_DAY, NO_YEAR, SHORT_DAY, TIME, WHOLE, Stamp, stamp_of
from agent.naming.text import Name, bare, fold
from agent.naming.words import call_prefix, is_call_word, is_nobody, is_other

_MILLIS = r"(?P<f>\d{3})"
_UNISOC = re.compile(
    rf"(?:sim(?P<sim>\d)-)?(?:(?P<number>.*)-)?voicecall-{WHOLE}{_MILLIS}\Z",
    re.IGNORECASE | re.DOTALL,
)
_GRAPHENE = re.compile(
    rf"(?:(?P<before>.*?)[ _-]+)?CallRecord_{DAY}-{TIME}_(?P<number>[^_]*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_LENOVO = re.compile(
    r"(?P<who>.*)_通[话話]_(?P<mo>\d\d)月(?P<d>\d\d)日_(?P<h>\d\d)点(?P<mi>\d\d)分\Z", re.DOTALL
)
_LINEAGE = re.compile(rf"(?P<number>[^_]*)_{SHORT_DAY}_{TIME}{_MILLIS}\Z", re.DOTALL)
_HARMONY = re.compile(rf"(?P<who>.*) {WHOLE}\Z", re.DOTALL)
_HUAWEI = re.compile(rf"(?P<contact>.*)@(?P<number>[^@_]*)_{WHOLE}\Z", re.DOTALL)
_SEVENTEEN = re.compile(rf"(?P<who>.*)_{WHOLE}{_MILLIS}\Z", re.DOTALL)
_FOURTEEN = re.compile(rf"(?P<who>.*)_{WHOLE}\Z", re.DOTALL)
_VIVO = re.compile(rf"(?P<who>.*) {ISO_DAY} (?P<h>\d\d)-(?P<mi>\d\d)-(?P<s>\d\d)\Z", re.DOTALL)
_OXYGEN = re.compile(rf"(?P<who>.*)-{WHOLE}\Z", re.DOTALL)
_COLOR = re.compile(rf"(?P<who>.*)-{SHORT_DAY}(?P<h>\d\d)(?P<mi>\d\d)\Z", re.DOTALL)
_NAME_NUMBER = re.compile(r"(?P<contact>.*)_(?P<number>[^_]*)\Z", re.DOTALL)
_SKT_2016 = re.compile(r"CallRec_(?P<number>[^_]*)\Z", re.IGNORECASE)
_KOREAN = re.compile(r"(?:통화 ?)?녹음 ?\((?P<number>[^()]*)\)\Z")
_LEAP = 2000  # the year in which every day of a name without year can be


def unisoc(name: Name) -> Draft | Refused | None:
    """UNISOC's dialer: ``[simN-][number-]voicecall-yyyyMMddHHmmssSSS`` (source: its code)."""
    found = _UNISOC.match(name.folded)
    if found is None:
        return None
    stamp = stamp_of(found)
    if stamp is None:
        return Refused("it has UNISOC's form, but no such moment is in the calendar")
    draft = Draft("unisoc", stamp, sim=int(found["sim"]) if found["sim"] else None)
    if found["number"]:
        draft.either(name.text(found.start("number"), found.end("number")))
    return draft


def grapheneos(name: Name) -> Draft | Refused | None:
    """GrapheneOS and crDroid: ``CallRecord_yyyyMMdd-HHmmss_<number|unknown>`` (source: code)."""
    found = _GRAPHENE.match(name.folded) if "callrecord_" in name.folded.lower() else None
    if found is None:
        return None
    stamp = stamp_of(found)
    if stamp is None:
        return Refused("it has GrapheneOS's form, but no such moment is in the calendar")
    draft = Draft("grapheneos", stamp)
    if not draft.call(name.text(found.start("number"))):
        return None
    if found["before"]:
        draft.notes.append("somebody has put text before it, which may name the contact")
    return draft


def lenovo(name: Name) -> Draft | Refused | None:
    """Lenovo: ``<number>_通话_MM月dd日_HH点mm分``, without year and seconds."""
    found = _LENOVO.match(name.folded) if name.folded.endswith("分") else None
    if found is None:
        return None
    dated = re.match(
        r"(?P<y>\d{4})(?P<mo>\d\d)(?P<d>\d\d)(?P<h>\d\d)(?P<mi>\d\d)\Z",
        f"{_LEAP}{found['mo']}{found['d']}{found['h']}{found['mi']}",
    )
    stamp = stamp_of(dated) if dated else None
    if stamp is None:
        return Refused("it has Lenovo's form, but no such moment is in the calendar")
    draft = Draft("lenovo", Stamp(stamp.at, NO_YEAR), start_sure="low")
    draft.notes.append(f"it was on {stamp.at:%m-%d at %H:%M}; the name has no year")
    draft.either(name.text(0, found.end("who")))
    return draft


def lineageos(name: Name) -> Draft | None:
    """LineageOS: ``<number|unknown>_yyMMdd_HHmmssSSS`` (source: its code)."""
    found = _LINEAGE.match(name.folded)
    stamp = stamp_of(found) if found else None
    if found is None or stamp is None:
        return None
    draft = Draft("lineageos", stamp)
    return draft if draft.call(name.text(0, found.end("number"))) else None


def harmonyos(name: Name) -> Draft | None:
    """HarmonyOS 4: ``通话录音 <number> yyyyMMddHHmmss``; a claim, not seen on a phone."""
    found = _HARMONY.match(name.folded)
    stamp = stamp_of(found) if found else None
    if found is None or stamp is None:
        return None
    who = name.text(0, found.end("who"))
    prefix = call_prefix(fold(who))
    if not prefix:
        return None
    draft = Draft("huawei", stamp, "medium", start_sure="medium")
    draft.either(who[prefix + 1 :], "medium")
    return draft


def huawei(name: Name) -> Draft | None:
    """Huawei and Honor: ``<contact>@<number>_yyyyMMddHHmmss``."""
    found = _HUAWEI.match(name.folded)
    stamp = stamp_of(found) if found else None
    if found is None or stamp is None:
        return None
    draft = Draft("huawei", stamp)
    if not draft.call(name.text(found.start("number"), found.end("number"))):
        return None
    # MIUI's word for «Call recording» stands there too, in a language that may not be listed.
    contact = name.text(0, found.end("contact"))
    if is_call_word(contact):
        draft.recorder = "miui"
    elif digits_of(contact) != digits_of(found["number"]) or number_in(contact) is None:
        draft.name(contact, "high" if name.home == "huawei" else "medium")
    return draft


def seventeen(name: Name) -> Draft | None:
    """LG U+ ixi-O: ``<number>_yyyyMMddHHmmssSSS``."""
    return _name_number(name, _SEVENTEEN, "lgu")


def fourteen(name: Name) -> Draft | None:
    """``[<contact>_]<number>_yyyyMMddHHmmss``: SKT with a contact; without, Huawei, Honor, SKT
    or MIUI, which only the folder tells apart."""
    draft = _name_number(name, _FOURTEEN, "skt")
    if draft is None:
        return None
    if name.home in ("skt", "huawei", "miui"):
        draft.recorder = name.home
    elif draft.number and not draft.contact:
        spaced = " " in draft.number[0].strip()
        korean = draft.number[0].startswith("0") or len(digits_of(draft.number[0])) == 8
        draft.recorder = "miui" if spaced else "skt" if korean else "huawei"
        draft.sure = "medium"
    elif not draft.contact:
        draft.recorder = None  # nobody, or a word for «call» alone: that is anybody's
        draft.sure = "medium"
    return draft


def _name_number(name: Name, form: re.Pattern[str], recorder: str) -> Draft | None:
    found = form.match(name.folded)
    stamp = stamp_of(found) if found else None
    if found is None or stamp is None:
        return None
    who = name.text(0, found.end("who"))
    draft = Draft(recorder, stamp)
    prefix = call_prefix(fold(who))
    if prefix and prefix < len(who):
        who = who[prefix + 1 :]
        draft.sure = "medium"
    if is_nobody(bare(who)):
        draft.call(bare(who))
        return draft
    if not who or (prefix and is_call_word(who)):
        return draft if prefix else None
    if number_in(who):
        draft.either(who)
        return draft
    both = _NAME_NUMBER.match(fold(who))
    number = number_in(who[both.start("number") :]) if both else None
    if both is not None and number is not None and len(digits_of(number[0])) >= 7:
        contact = who[: both.end("contact")]
        alone = number_in(contact) is None
        draft.call(number[0], "high" if alone else "medium")
        if not is_other(contact):
            draft.name(contact, ("high" if name.home == recorder else "medium") if alone else "low")
        return draft
    if is_other(who):
        return None
    draft.sure = "medium" if name.home == recorder else "low"
    draft.name(who, draft.sure)
    return draft


def vivo(name: Name) -> Draft | None:
    """vivo (2019): ``<number> yyyy-MM-dd HH-mm-ss``."""
    found = _VIVO.match(name.folded)
    stamp = stamp_of(found) if found else None
    if found is None or stamp is None or not found["who"].strip():
        return None
    who = name.text(0, found.end("who"))
    if name.home != "vivo" and is_other(who):
        return None
    number = number_in(who)
    sure: Confidence = "high" if number and number[1] == "high" else "low"
    draft = Draft("vivo", stamp, "high" if name.home == "vivo" else sure)
    prefix = call_prefix(fold(who))
    draft.either(who[prefix:].strip(" _-") if prefix else who, draft.sure)
    return draft


def oxygenos(name: Name) -> Draft | None:
    """OxygenOS until 11: ``<number>-yyyyMMddHHmmss``, in a folder for each number."""
    return _dashed(name, _OXYGEN, "oxygenos")


def coloros(name: Name) -> Draft | None:
    """ColorOS, realme UI, OxygenOS 12 and later: ``<contact or number>-yyMMddHHmm``.

    Ten digits at the end can be a number too, behind somebody's name.
    """
    return _dashed(name, _COLOR, "coloros")


def _dashed(name: Name, form: re.Pattern[str], recorder: str) -> Draft | None:
    found = form.match(name.folded)
    stamp = stamp_of(found) if found else None
    who = name.text(0, found.end("who")) if found else ""
    if stamp is None or not who or is_other(who):
        return None
    number = number_in(who)
    draft = Draft(recorder, stamp)
    if name.home != recorder and (number is None or number[1] != "high"):
        draft.sure = "medium"
        draft.start_sure = "medium" if stamp.precision == "minute" else "high"
    prefix = call_prefix(fold(who))
    if prefix and is_call_word(who):
        return draft
    draft.either(bare(who[prefix:]).strip("_- ") if prefix else who, draft.sure)
    return draft


def without_time(name: Name) -> Draft | None:
    """SKT in 2016, ``CallRec_<number>``, and a Korean ``녹음(<number>)``: no time at all."""
    found = _SKT_2016.match(name.folded) or _KOREAN.match(name.folded)
    number = number_in(name.text(found.start("number"), found.end("number"))) if found else None
    if found is None or number is None or len(digits_of(number[0])) < 7:
        return None
    recorder = "skt" if found.re is _SKT_2016 else None
    draft = Draft(recorder, None, "medium")
    draft.call(number[0], "medium" if number[1] == "low" else "high")
    draft.notes.append("the name has no time")
    return draft
