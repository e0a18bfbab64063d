"""Time zones as people write them."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from agent.errors import UsageError
from agent.text import shown

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?([0-5]\d)?\Z", re.IGNORECASE)


def zone_of(text: str) -> tzinfo:
    """A time zone by its name (``Europe/Berlin``), or an offset; UsageError for anything else."""
    offset = _OFFSET.match(text.strip())
    if offset is not None and int(offset[2]) <= 18:
        shift = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(-shift if offset[1] == "-" else shift)
    try:
        return ZoneInfo(text.strip())
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{shown(text)!r} is no time zone", hint="Write Europe/Berlin, UTC or +02:00."
        ) from error
