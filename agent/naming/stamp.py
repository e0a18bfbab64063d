"""Dates and times in names, checked against the calendar."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from agent.naming.result import Confidence

NO_YEAR = "minute, no year"  # the precision of Lenovo's, until a year is found
_FIRST_YEAR, _LAST_YEAR = 1970, 2099
_SHORT_YEARS = range(5, 60)  # of two digits: there were phones that record, 2005 to 2059
_CLOCK_SET = 2005  # a phone that dates before it has lost its clock

# Pieces of patterns; a pattern has each of these groups at most once.
DAY = r"(?P<y>\d{4})(?P<mo>\d\d)(?P<d>\d\d)"
SHORT_DAY = r"(?P<yy>\d\d)(?P<mo>\d\d)(?P<d>\d\d)"
TIME = r"(?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)"
MINUTE = r"(?P<h>\d\d)(?P<mi>\d\d)"
ISO_DAY = r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)"
WHOLE = DAY + TIME
OFFSET = r"(?P<off>[+-]\d{4}(?:\d\d)?)"


class Stamp(NamedTuple):
    """A moment as a name has it; ``at`` has a zone where the name states one."""

    at: datetime
    precision: str = "second"

    @property
    def confidence(self) -> Confidence:
        """How sure it is, where its place and its form are sure."""
        return "high" if self.at.year >= _CLOCK_SET else "medium"


def stamp_of(match: re.Match[str], *, hour_24: bool = False) -> Stamp | None:
    """The moment in a match of the patterns above; None if the calendar has no such moment.

    ``hour_24``: hour 24 is the first one of the next day, as some recorders write it.
    """
    got = match.groupdict().get
    short = got("yy")
    if short is not None:
        year = 2000 + int(short) if int(short) in _SHORT_YEARS else 0
    else:
        year = int(match["y"])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    hour, minute, second, fraction = got("h"), got("mi"), got("s"), (got("f") or "")[:6]
    hours, later = int(hour or 0), False
    if half := got("half"):
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    if hour_24 and hours == 24:
        hours, later = 0, True
    try:
        at = datetime(
            year,
            int(match["mo"]),
            int(match["d"]),
            hours,
            int(minute or 0),
            int(second or 0),
            int(fraction.ljust(6, "0")) if fraction else 0,
            UTC if got("utc") else _zone(got("off") or got("iso")),
        )
    except ValueError:
        return None
    if later:
        at += timedelta(days=1)
    if fraction:
        return Stamp(at, "millisecond" if len(fraction) <= 3 else "microsecond")
    return Stamp(at, "second" if second else "minute" if minute else "day")


def epoch(digits: str) -> Stamp | None:
    """Seconds (10 digits) or milliseconds (13) since 1970, which are the same in every zone."""
    value = int(digits)
    millis = value if len(digits) == 13 else value * 1000
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    if not _FIRST_YEAR < at.year <= _LAST_YEAR:
        return None
    return Stamp(at, "millisecond" if len(digits) == 13 else "second")


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    digits = "".join(filter(str.isdigit, offset))
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:6] or 0)
    if hours > 18 or minutes > 59 or seconds > 59:
        raise ValueError(offset)
    shift = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-shift if offset[0] == "-" else shift)
