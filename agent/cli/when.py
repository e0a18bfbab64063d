"""Times as people type them: dates, times, ``today``, ``3d``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from agent.errors import UsageError
from agent.text import shown

_AGO = re.compile(r"(\d{1,5})\s*(min|h|d|w)\Z")
_UNITS = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAY = timedelta(days=1)


def moment(text: str, *, end: bool = False, now: datetime | None = None) -> int:
    """``text`` in milliseconds since 1970; a whole day's start, or with ``end`` its end.

    Known: ``2026-03-05``, ``2026-03-05 14:00``, ``2026-03-05T14:00+01:00``, ``14:00`` (today),
    ``today``, ``yesterday``, ``90min``, ``3h``, ``2d``, ``1w`` (ago). Times without an offset
    are local. UsageError for anything else.
    """
    now = now or datetime.now().astimezone()
    word = text.strip().lower()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": midnight, "yesterday": midnight - _DAY}
    ago = _AGO.match(word)
    try:
        if word in days:
            found = days[word] + (_DAY if end else timedelta())
        elif ago:
            found = now - int(ago.group(1)) * _UNITS[ago.group(2)]
        elif re.fullmatch(r"\d{1,2}:\d{2}", word):
            hour, minute = map(int, word.split(":"))
            found = midnight.replace(hour=hour, minute=minute)
        else:
            found = datetime.fromisoformat(text.strip())
            if end and re.fullmatch(r"[\d-]+", word):
                found += _DAY
        return round(found.astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{shown(text)!r} is not a time",
            hint="Write 2026-03-05, '2026-03-05 14:00', 14:00, yesterday, 3h or 2d.",
        ) from error
