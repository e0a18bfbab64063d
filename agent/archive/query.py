"""Finding recordings: by filters, by words, by what the user calls them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from agent.archive.records import Direction, Recording, recording_of, storable
from agent.archive.search import digits_of, like_of, match_of, same_number
from agent.errors import NoRecordingError
from agent.text import shown

_SELECT = (
    "SELECT recordings.*, phones.alias AS phone_alias FROM recordings"
    " LEFT JOIN phones ON phones.serial = recordings.phone"
)
_NEWEST = " ORDER BY coalesce(recordings.started_ms, recordings.added_ms) DESC, recordings.id DESC"
_MATCHES = "recordings.id IN (SELECT rowid FROM search WHERE search MATCH ?)"
_CONTACT = r"""(recordings.contact LIKE ? ESCAPE '\' OR EXISTS (SELECT 1 FROM joins
    JOIN calls ON calls.id = joins.call_id WHERE joins.recording_id = recordings.id
    AND (calls.name LIKE ? ESCAPE '\' OR calls.contact LIKE ? ESCAPE '\')))"""
_SHORTEST_SHA = 4
_SHA = re.compile(r"[0-9a-f]{4,64}\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Filters:
    """What to list; None lets everything through. Times are of the recording's start."""

    since_ms: int | None = None
    until_ms: int | None = None
    number: str | None = None
    contact: str | None = None
    direction: Direction | None = None
    silent: bool | None = None
    phone: str | None = None
    limit: int | None = None


def recordings(db: Database, filters: Filters) -> list[Recording]:
    """The recordings that fit, newest first."""
    where: list[str] = []
    values: list[Any] = []
    start = "coalesce(recordings.started_ms, recordings.added_ms)"
    for clause, value in (
        (f"{start} >= ?", filters.since_ms),
        (f"{start} < ?", filters.until_ms),
        ("recordings.direction = ?", filters.direction),
        ("recordings.silent = ?", filters.silent),
    ):
        if value is not None:
            where.append(clause)
            values.append(value)
    if filters.contact:
        where.append(_CONTACT)
        values += [like_of(storable(filters.contact))] * 3
    if filters.phone is not None:
        where.append("(recordings.phone = ? OR phones.alias = ?)")
        values += [storable(filters.phone)] * 2
    text = f"{_SELECT}{' WHERE ' if where else ''}{' AND '.join(where)}{_NEWEST}"
    found: Iterable[Recording] = map(recording_of, db.query(text, values))
    if filters.number is not None:
        wanted, others = filters.number, _numbers_of_calls(db)
        found = (
            one
            for one in found
            if any(_number_fits(wanted, number) for number in (one.number, *others[one.id]))
        )
    listed: list[Recording] = []
    for one in found:
        if filters.limit is not None and len(listed) >= filters.limit:
            break
        listed.append(one)
    return listed


def search(db: Database, text: str, limit: int | None) -> list[Recording]:
    """The recordings with every word of ``text``; else those with ``text`` anywhere in them."""
    text, top = storable(text), -1 if limit is None else limit
    match = match_of(text)
    if match is not None:
        found = db.query(
            f"{_SELECT} WHERE {_MATCHES}{_NEWEST} LIMIT ?",
            [match, top],
        )
        if listed := [recording_of(row) for row in found]:
            return listed
    # Scripts without spaces and signs that are no words have no tokens to be found by.
    like = like_of(text)
    found = db.query(
        rf"{_SELECT} WHERE recordings.number LIKE :like ESCAPE '\'"
        r" OR recordings.contact LIKE :like ESCAPE '\' OR recordings.note LIKE :like ESCAPE '\'"
        rf" OR recordings.original_name LIKE :like ESCAPE '\'{_NEWEST} LIMIT :top",
        {"like": like, "top": top},
    )
    return [recording_of(row) for row in found]


def by_sha256(db: Database, sha256: str) -> Recording:
    """The recording with exactly this SHA-256."""
    for row in db.query(f"{_SELECT} WHERE recordings.sha256 = ?", [sha256]):
        return recording_of(row)
    raise NoRecordingError(f"no recording {shown(sha256)}")


def resolve(db: Database, text: str) -> Recording:
    """The recording meant by ``latest``, a list number, or the start of a SHA-256."""
    word = text.strip().removeprefix("#")
    if word == "latest":
        for row in db.query(f"{_SELECT}{_NEWEST} LIMIT 1"):
            return recording_of(row)
        raise NoRecordingError("there is no recording yet", hint="Pull some: offhook sync")
    if word.isascii() and word.isdigit() and len(word) < 19:
        for row in db.query(f"{_SELECT} WHERE recordings.id = ?", [int(word)]):
            return recording_of(row)
    if _SHA.match(word):
        rows = list(
            db.query(f"{_SELECT} WHERE recordings.sha256 GLOB ? LIMIT 3", [f"{word.lower()}*"])
        )
        if len(rows) == 1:
            return recording_of(rows[0])
        if rows:
            raise NoRecordingError(
                f"several recordings begin with {word}", hint="Give more of the SHA-256."
            )
    raise NoRecordingError(
        f"no recording is called {shown(text)!r}",
        hint=f"Use a number of `offhook list`, the first {_SHORTEST_SHA} or more digits of a"
        " SHA-256, or `latest`.",
    )


def _numbers_of_calls(db: Database) -> defaultdict[int, list[str]]:
    """By recording, the numbers of all of its calls: a conference has several."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for recording, number in db.execute(
        "SELECT joins.recording_id, calls.number FROM joins JOIN calls ON calls.id = joins.call_id"
        " WHERE calls.number <> ''"
    ):
        found[recording].append(number)
    return found


def _number_fits(wanted: str, number: str | None) -> bool:
    if number is None:
        return False
    return (
        same_number(wanted, number)
        or (len(digits_of(wanted)) >= 4 and digits_of(number).endswith(digits_of(wanted)))
        or wanted == number
    )
