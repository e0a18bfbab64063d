"""The phone's call log, by ``content query``: rows as Android has them, parsed defensively.

``content`` escapes nothing (:mod:`agent.phone.content`), so the columns that can't hold a comma
or a newline are asked for together, and names, which can hold anything, in a query of their own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.adb.link import Link
from agent.errors import RemoteError
from agent.phone import content
from agent.phone.content import integer_of, text_of

URI = "content://call_log/calls"

#: What is asked for, the number last; and what a provider gives that does not know all of it.
COLUMNS: tuple[str, ...] = (
    "_id",
    "date",
    "duration",
    "type",
    "presentation",
    "features",
    "subscription_id",
    "countryiso",
    "normalized_number",
    "number",
)
_FEWER = ("_id", "date", "duration", "type", "number")

#: Before this, a date is not in milliseconds but cut to 32 bits: older ``content`` commands
#: print every integer as an int (AOSP Content.java).
_EARLIEST_MS = 10**11
_CUT = 1 << 32
_MOST_CUTS = 40  # of 49.7 days each: five years
_AT_ONCE = 100  # rows that are asked for by their numbers
_MOST_ALONE = 20
_TRIES = 3  # a call may end between two queries


@dataclass(frozen=True)
class LoggedCall:
    """A row of a phone's call log.

    ``type`` is Android's integer (1 in, 2 out, 3 missed…); ``duration_s`` counts from the
    answer; ``date_ms`` is when it began to ring or was dialled; ``number`` is empty where the
    log hides it; ``normalized`` is the number as E.164 where the log has that; ``country`` is
    where the phone was; ``raw`` is the row's own text, of the columns that are read here;
    ``whole`` is that of all columns, None where it was not asked for.
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
    normalized: str | None = None
    country: str | None = None
    whole: str | None = None


def read_call_log(link: Link, known: Container[tuple[int, int]] = frozenset()) -> list[LoggedCall]:
    """All rows that the phone keeps (Android: the newest 500), the oldest ``_id`` first.

    Rows are read whole except those whose ``_id`` and date are ``known``. RemoteError when the
    provider refuses.
    """
    for tries in range(_TRIES):
        rows = _read(link)
        said = content.query(link, URI, ("_id", "name"), sort="_id")
        names = parse_names(said, [row.log_id for row in rows])
        if names is not None or tries == _TRIES - 1:
            break
    names = names or {}
    whole = _read_whole(link, [row for row in rows if (row.log_id, row.date_ms) not in known])
    return [
        replace(
            row,
            name=names.get(row.log_id),
            raw=f"{row.raw}, name={names.get(row.log_id)}",
            whole=whole.get(row.log_id),
        )
        for row in rows
    ]


def has_rows_after(link: Link, log_id: int) -> bool:
    """Whether the log has a row whose ``_id`` is higher: one short query, where the whole log
    takes several. RemoteError when the provider refuses."""
    said = content.query(link, URI, ("_id", "type"), where=f"_id > {log_id}")
    return next(iter(content.rows(said, ("_id", "type"))), None) is not None


def _read(link: Link) -> list[LoggedCall]:
    try:
        columns, said = COLUMNS, content.query(link, URI, COLUMNS, sort="_id")
    except RemoteError:
        columns, said = _FEWER, content.query(link, URI, _FEWER, sort="_id")
    cut = cut_ids(said, columns)
    eras = _eras(link, cut) if cut else {}
    return parse_call_log(said, columns, eras)


def parse_call_log(
    text: str, columns: Sequence[str] = COLUMNS, eras: Mapping[int, int] | None = None
) -> list[LoggedCall]:
    """Rows, without names, out of what ``content query`` printed; one that makes no sense is
    left out. ``eras``: for rows whose date is cut to 32 bits, what stands above these."""
    parsed = (_call_of(*row, eras or {}) for row in content.rows(text, columns))
    return [call for call in parsed if call is not None]


def parse_names(text: str, ids: Sequence[int]) -> dict[int, str] | None:
    """Names by row, out of a query for ``_id`` and ``name``; ``ids`` are the rows' in order.

    None when there are other rows than these by now.
    """
    return content.texts(text, "name", ids)


def cut_ids(text: str, columns: Sequence[str] = COLUMNS) -> set[int]:
    """The rows whose date was cut to 32 bits."""
    found = set()
    for values, _ in content.rows(text, columns):
        row_id, date = integer_of(values["_id"]), integer_of(values["date"])
        if row_id is not None and date is not None and -_CUT // 2 <= date < _CUT // 2:
            found.add(row_id)
    return found


def _eras(link: Link, ids: set[int]) -> dict[int, int]:
    """What stands above the 32 bits of these rows' dates: the provider itself is asked which
    rows lie in each span of 2^32 ms, from now backwards."""
    eras: dict[int, int] = {}
    newest = time.time_ns() // 1_000_000 // _CUT + 1
    for era in range(newest, newest - _MOST_CUTS, -1):
        where = f"date >= {era * _CUT} AND date < {(era + 1) * _CUT}"
        said = content.query(link, URI, ("_id", "type"), where=where)
        for values, _ in content.rows(said, ("_id", "type")):
            row_id = integer_of(values["_id"])
            if row_id is not None:
                eras[row_id] = era
        if ids <= eras.keys():
            break
    return eras


def _read_whole(link: Link, wanted: Sequence[LoggedCall]) -> dict[int, str]:
    """Rows with all of their columns, by ``_id``: many at once, and what a strange name keeps
    from being told apart, alone."""
    found: dict[int, str] = {}
    for begin in range(0, len(wanted), _AT_ONCE):
        some = {row.log_id: row for row in wanted[begin : begin + _AT_ONCE]}
        where = f"_id IN ({','.join(map(str, some))})"
        rows = content.pieces(content.query(link, URI, where=where))
        if len(rows) != len(some) or any("\nRow: " in raw for raw in rows):
            continue
        for raw in rows:
            row = some.get(integer_of(content.value_in(raw, "_id") or "") or -1)
            date = integer_of(content.value_in(raw, "date") or "")
            if row is not None and date is not None and (date - row.date_ms) % _CUT == 0:
                found[row.log_id] = raw
    for row in [row for row in wanted if row.log_id not in found][:_MOST_ALONE]:
        said = content.query(link, URI, where=f"_id = {row.log_id}")
        if said.startswith("Row: 0 "):
            found[row.log_id] = said.removesuffix("\n")
    return found


def _call_of(values: Mapping[str, str], raw: str, eras: Mapping[int, int]) -> LoggedCall | None:
    date, duration = integer_of(values["date"]), integer_of(values["duration"])
    row_id, kind = integer_of(values["_id"]), integer_of(values["type"])
    if date is None or duration is None or row_id is None or kind is None:
        return None
    if date < _EARLIEST_MS and row_id in eras:
        date = eras[row_id] * _CUT + date % _CUT
    if date < _EARLIEST_MS:
        return None
    presentation = integer_of(values.get("presentation", ""))
    hidden = presentation not in (1, None)
    country = values.get("countryiso", "")
    normalized = values.get("normalized_number", "")
    return LoggedCall(
        log_id=row_id,
        date_ms=date,
        duration_s=duration,
        type=kind,
        number="" if hidden else text_of(values["number"]) or "",
        presentation=presentation,
        features=integer_of(values.get("features", "")),
        sim=text_of(values.get("subscription_id", "")),
        raw=raw,
        normalized=normalized if re.fullmatch(r"\+\d{5,15}", normalized) and not hidden else None,
        country=country.upper() if re.fullmatch(r"[A-Za-z]{2}", country) else None,
    )
