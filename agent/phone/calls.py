"""The phone's call log, by ``content query``: rows as Android has them, parsed defensively.

``content`` escapes nothing, so only columns that can't hold a comma or a newline are asked for
first, and the one free text comes last. Source: AOSP Content.java.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.adb import shell
from agent.adb.link import Link

_COLUMNS = (
    "_id",
    "date",
    "duration",
    "type",
    "presentation",
    "features",
    "subscription_id",
    "number",
    "name",
)
_ROW = re.compile(r"^Row: \d+ (?=_id=\d+, date=)", re.MULTILINE)

#: Before this, a date is not in milliseconds but cut to 32 bits (old ``content`` commands).
_EARLIEST_MS = 10**11


@dataclass(frozen=True)
class LoggedCall:
    """A row of a phone's call log.

    ``type`` is Android's integer (1 in, 2 out, 3 missed…); ``duration_s`` counts from the
    answer; ``date_ms`` is when it began to ring or was dialled; ``number`` is empty where the
    log hides it; ``raw`` is the row's own text.
    """

    log_id: int
    date_ms: int
    duration_s: int
    type: int
    number: str = ""
    name: str | None = None
    presentation: int | None = None
    features: int | None = None
    sim: str | None = None
    raw: str = ""


def read_call_log(link: Link) -> list[LoggedCall]:
    """All rows that the phone keeps (Android: the newest 500), in its own order."""
    columns = ":".join(_COLUMNS)
    done = shell.run(
        link,
        f"content query --uri content://call_log/calls --projection {columns}",
        timeout=60,
    )
    return parse_call_log(done.stdout.decode("utf-8", "replace"))


def parse_call_log(text: str) -> list[LoggedCall]:
    """Rows out of what ``content query`` printed; a row that makes no sense is left out."""
    starts = [match.start() for match in _ROW.finditer(text)]
    rows = []
    for start, end in zip(starts, [*starts, len(text)][1:], strict=True):
        row = _parse_row(text[start:end].removesuffix("\n"))
        if row is not None:
            rows.append(row)
    return rows


def _parse_row(raw: str) -> LoggedCall | None:
    """One row, column by column in the order asked for."""
    rest = raw.split(" ", 2)[2]
    values: dict[str, str] = {}
    for column, following in zip(_COLUMNS, (*_COLUMNS[1:], None), strict=True):
        if not rest.startswith(f"{column}="):
            return None
        rest = rest.removeprefix(f"{column}=")
        if following is None:
            values[column] = rest
            break
        # A number can hold ", " only if someone dialled it; the next key's first place ends it.
        value, found, after = rest.partition(f", {following}=")
        if not found:
            return None
        values[column], rest = value, f"{following}={after}"
    try:
        date, duration = int(values["date"]), int(values["duration"])
        row_id, kind = int(values["_id"]), int(values["type"])
    except ValueError:
        return None
    if date < _EARLIEST_MS:
        return None
    presentation = _integer(values["presentation"])
    hidden = presentation not in (1, None)
    return LoggedCall(
        log_id=row_id,
        date_ms=date,
        duration_s=duration,
        type=kind,
        number="" if hidden else _text(values["number"]) or "",
        name=_text(values["name"]),
        presentation=presentation,
        features=_integer(values["features"]),
        sim=_text(values["subscription_id"]),
        raw=raw,
    )


def _text(value: str) -> str | None:
    return None if value in ("", "NULL") else value


def _integer(value: str) -> int | None:
    return int(value) if value.lstrip("-").isdecimal() else None
