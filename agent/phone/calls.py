"""The phone's call log, by ``content query``: rows as Android has them, parsed defensively.

``content`` escapes nothing, so the columns that can't hold a comma or a newline are asked for
alone, and names, which can hold anything, in a query of their own. Source: AOSP Content.java.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    rows = parse_call_log(_query(link, _COLUMNS))
    names = parse_names(_query(link, ("_id", "name")), [row.log_id for row in rows])
    return [
        replace(row, name=names.get(row.log_id), raw=f"{row.raw}, name={names.get(row.log_id)}")
        for row in rows
    ]


def _query(link: Link, columns: Sequence[str]) -> str:
    command = f"content query --uri content://call_log/calls --projection {':'.join(columns)}"
    return shell.run(link, command, timeout=60).stdout.decode("utf-8", "replace")


def parse_call_log(text: str) -> list[LoggedCall]:
    """Rows, without names, out of what ``content query`` printed; one that makes no sense is
    left out."""
    starts = [match.start() for match in _ROW.finditer(text)]
    rows = []
    for start, end in zip(starts, [*starts, len(text)][1:], strict=True):
        row = _parse_row(text[start:end].removesuffix("\n"))
        if row is not None:
            rows.append(row)
    return rows


def parse_names(text: str, ids: Sequence[int]) -> dict[int, str]:
    """Names by row, out of a query for ``_id`` and ``name``; ``ids`` are the rows' in order.

    A name may hold anything, also what looks like a row: only the head of the row that comes
    next ends it, so that no call can be made up, and none lost.
    """
    names: dict[int, str] = {}
    heads = [f"Row: {number} _id={log_id}, name=" for number, log_id in enumerate(ids)]
    at = 0
    for number, head in enumerate(heads):
        begin = text.find(head, at)
        if begin < 0:
            break
        begin += len(head)
        after = text.find("\n" + heads[number + 1], begin) if number + 1 < len(heads) else -1
        end = after if after >= 0 else len(text.removesuffix("\n"))
        name = _text(text[begin:end])
        if name is not None:
            names[ids[number]] = name
        at = end
    return names


def _parse_row(raw: str) -> LoggedCall | None:
    """One row, column by column in the order asked for."""
    rest = raw.split(" ", 2)[2]
    values: dict[str, str] = {}
    for column, following in zip(_COLUMNS, (*_COLUMNS[1:], None), strict=True):
        if not rest.startswith(f"{column}="):
            return None
        rest = rest.removeprefix(f"{column}=")
        value, found, after = rest.partition(f", {following}=") if following else (rest, "", "")
        if following and not found:
            return None
        values[column], rest = value, f"{following}={after}"
    date, duration = _integer(values["date"]), _integer(values["duration"])
    row_id, kind = _integer(values["_id"]), _integer(values["type"])
    if date is None or duration is None or row_id is None or kind is None or date < _EARLIEST_MS:
        return None
    presentation = _integer(values["presentation"])
    hidden = presentation not in (1, None)
    return LoggedCall(
        log_id=row_id,
        date_ms=date,
        duration_s=duration,
        type=kind,
        number="" if hidden else _text(values["number"]) or "",
        presentation=presentation,
        features=_integer(values["features"]),
        sim=_text(values["subscription_id"]),
        raw=raw,
    )


def _text(value: str) -> str | None:
    return None if value in ("", "NULL") else value


def _integer(value: str) -> int | None:
    """What SQLite can keep as an integer, else None."""
    return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else None
