"""A file name explained: which recorder names so, and what the name says of the call."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal

from agent.naming.draft import Draft, Refused
from agent.naming.folders import recorder_of
from agent.naming.kinds import is_memo, kind_of
from agent.naming.number import digits_of, e164
from agent.naming.pattern import Pattern
from agent.naming.recorders import generic, read
from agent.naming.result import Confidence, Named, Party, Said, least
from agent.naming.stamp import NO_YEAR, Stamp
from agent.naming.text import Name, bare, composed, fold, split, without_mark

_NO_FORM = "it has the form of no recorder that is known here"
_DIGITS = re.compile(r"\+\d{7,15}\Z")


def explain(
    file: str,
    *,
    folder: str | None = None,
    zone: tzinfo | None = None,
    region: str | None = None,
    near: datetime | None = None,
    own: Sequence[Pattern] = (),
) -> Named:
    """What the name of a file says; never an error, whatever the name is.

    ``file`` may have its folder before it; ``folder`` says it otherwise. ``zone`` is the zone
    taken where the name states none, ``region`` the country of numbers without a country's code
    (``DE``). ``near``, the file's own time, gives the year to a name that has none. ``own`` are
    the user's own patterns, which are asked first.
    """
    head, base = posixpath.split(file) if "/" in file else ("", file)
    folder = (head if folder is None else folder) or ""
    kind, rest = kind_of(composed(base))
    if not rest.strip():
        kind = "unknown" if kind == "call" else kind
        return Named(file, kind, notes=_why(kind))
    stem, suffix, copy = split(rest)
    folded = fold(stem)
    home = recorder_of(composed(folder)) if folder else None
    by, found = _by_own(own, Name(rest, stem, folded, suffix, copy, folder, home))
    if kind != "call":
        suffix = suffix or "-"  # a sidecar's name ends where its own suffix begins
    elif found is None and is_memo(folded):
        return Named(file, "voice memo", notes=_why("voice memo"))
    draft = _draft(Name(rest, stem, folded, suffix, copy, folder, home), found)
    if isinstance(draft, Refused):
        return Named(file, "unknown" if kind == "call" else kind, notes=(draft.reason,), own=by)
    named = _Telling(file, kind, draft, folder, home, region).named(zone, near)
    return named if by is None else replace(named, own=by)


def _by_own(own: Sequence[Pattern], name: Name) -> tuple[Pattern | None, Draft | Refused | None]:
    """The user's own pattern that reads a name, and what it makes of it."""
    for pattern in own:
        found = pattern.read(name)
        if found is not None:
            return pattern, found
    return None, None


def _why(kind: str) -> tuple[str, ...]:
    return {
        "unfinished": ("it is still being written, or was left half",),
        "deleted": ("it was thrown away, and Android keeps it for a while",),
        "voice note": ("it was sent in a chat",),
        "voice memo": ("a voice recorder names so, and none of calls does",),
    }.get(kind, (_NO_FORM,))


def _draft(name: Name, found: Draft | Refused | None) -> Draft | Refused:
    found = read(name) if found is None else found
    if found is None:
        shorter = without_mark(name.stem)
        if shorter is not None:
            found = read(name._replace(stem=shorter, folded=fold(shorter), copy=True))
        if isinstance(found, Draft):
            _doubt(found)
    elif isinstance(found, Draft) and found.contact and _ends_in_doubt(name, found.contact[0]):
        found.contact = found.contact[0], least(found.contact[1], "medium")
    if found is None:
        found = generic.tokens(name)
    if found is None and name.home == "google" and name.suffix == "wav":
        # The dialer's own folder, where nothing else lies. Its names are not known.
        return Draft("google", None, "medium")
    return Refused(_NO_FORM) if found is None else found


def _ends_in_doubt(name: Name, contact: str) -> bool:
    """Whether a contact at the end had or has what can be a mark of a copy: «Bob (1)»."""
    at_end = name.stem.endswith(contact)
    return at_end and (name.copy or without_mark(name.stem) is not None)


def _doubt(draft: Draft) -> None:
    """Something at the end of the name was taken for a mark of a copy."""
    draft.sure = least(draft.sure, "medium")
    draft.start_sure = least(draft.start_sure, "medium")
    if draft.contact:
        draft.contact = draft.contact[0], "low"
    if draft.number:
        draft.number = draft.number[0], least(draft.number[1], "medium")


class _Telling:
    """From a draft to facts with sources."""

    def __init__(
        self,
        file: str,
        kind: str,
        draft: Draft,
        folder: str,
        home: str | None,
        region: str | None,
    ) -> None:
        self.file, self.kind, self.draft = file, kind, draft
        self.folder, self.home = folder, home
        self.region = None if region is None else region.upper()
        self.source = f"file name ({draft.recorder})" if draft.recorder else "file name"
        self.facts: dict[str, Said] = {}
        self.notes = list(draft.notes)

    def named(self, zone: tzinfo | None, near: datetime | None) -> Named:
        """The whole of it."""
        draft = self.draft
        stamp, start_source = self._stamp(near)
        stated = stamp is not None and stamp.at.tzinfo is not None
        zoned: Literal["stated", "assumed"] | None = "stated" if stated else None
        if stamp is not None:
            at = stamp.at
            if not stated and zone is not None and stamp.precision != "day":
                at, zoned = self._in_zone(at, zone), "assumed"
            elif stated and zone is not None and at.utcoffset() == timedelta() and _absolute(draft):
                at = at.astimezone(zone)  # a count of seconds has no zone of its own
            self._tell("start", at, least(draft.start_sure, stamp.confidence), start_source)
        self._numbers()
        if draft.contact:
            self._tell("contact", *draft.contact)
        if draft.direction:
            self._tell("direction", *draft.direction)
        if draft.sim is not None:
            self._tell("sim", draft.sim, "high" if draft.recorder else "medium")
        if draft.parties:
            self._tell("parties", self._parties(), draft.parties_sure)
        if draft.app:
            self._tell("app", draft.app, "high")
        facts = self.facts
        if draft.recorder:
            level: Confidence = "high" if self.home == draft.recorder else draft.sure
            facts["recorder"] = Said(draft.recorder, "file name", level)
        facts["kind"] = Said(self.kind, "file name", draft.sure)
        if zoned is not None:
            facts["zone"] = (
                Said(zoned, "file name", "high")
                if zoned == "stated"
                else Said(zoned, "the zone given", "medium")
            )
        return Named(
            self.file,
            self.kind,
            draft.recorder,
            facts,
            None if stamp is None else stamp.precision,
            zoned,
            tuple(self.notes),
        )

    def _tell(self, fact: str, value: Any, level: Confidence, source: str | None = None) -> None:
        self.facts[fact] = Said(value, source or self.source, level)

    def _stamp(self, near: datetime | None) -> tuple[Stamp | None, str]:
        """The moment, with a year if the name has none and the file's own time gives one."""
        stamp = self.draft.stamp
        if stamp is None or stamp.precision != NO_YEAR:
            return stamp, self.source
        if near is None:
            return None, self.source
        local = near.replace(tzinfo=None)
        years: list[datetime] = []
        for year in (local.year - 1, local.year):
            try:
                years.append(stamp.at.replace(year=year))
            except ValueError:  # 29 February
                continue
        # A file is never older than its call; a day's grace for zones.
        before = [at for at in years if at <= local + timedelta(days=1)]
        if not before:
            return None, self.source
        return Stamp(before[-1], "minute"), f"{self.source}, year by the file's time"

    def _in_zone(self, at: datetime, zone: tzinfo) -> datetime:
        early, late = at.replace(tzinfo=zone), at.replace(tzinfo=zone, fold=1)
        if early.utcoffset() != late.utcoffset():
            self.draft.start_sure = "low"
            self.notes.append("the clocks were changed in that hour")
        return early

    def _numbers(self) -> None:
        if self.draft.number is None:
            return
        number, level = self.draft.number
        self._tell("number", number, level)
        found = self._e164(number)
        if found is not None:
            value, sure, source = found
            self._tell("number_e164", value, least(sure, level), source)

    def _e164(self, number: str) -> tuple[str, Confidence, str] | None:
        digits = digits_of(number)
        if self.draft.trunk_00 and digits.startswith("00") and not number.startswith("+"):
            found = e164("+" + digits[2:])
            return None if found is None else (found[0], "medium", self.source)
        if found := e164(number, self.region):
            own = fold(bare(number)).startswith("+")
            return (*found, self.source if own else f"{self.source}, country {self.region}")
        # A folder for each number has it in full.
        last = bare(posixpath.basename(self.folder.rstrip("/")))
        if _DIGITS.match(last) and len(digits) >= 7 and last.endswith(digits.lstrip("0")):
            return last, "medium", "folder"
        return None

    def _parties(self) -> tuple[Party, ...]:
        found = []
        for number, contact in self.draft.parties:
            written = self._e164(number) if number else None
            found.append(Party(number, written[0] if written else None, contact))
        return tuple(found)


def _absolute(draft: Draft) -> bool:
    return draft.recorder in ("acr-phone", "axet", None)
