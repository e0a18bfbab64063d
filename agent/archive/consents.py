"""Which answer was in force on a phone, and when: a table that only grows.

A recording carries the answer of its time, however late it is pulled. Times are the phone's own,
as its recordings are dated by its clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database, Migrations

if TYPE_CHECKING:
    from agent.archive.archive import Archive

CONSENTS = Migrations("consents")


@CONSENTS(name="0001_consents")
def _first(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE consents (
            id INTEGER PRIMARY KEY,
            phone TEXT NOT NULL,
            route TEXT NOT NULL,
            sources TEXT NOT NULL,
            from_ms INTEGER NOT NULL,
            until_ms INTEGER,
            answer TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX consents_by_phone ON consents (phone, from_ms)")


def begin(
    archive: Archive,
    phone: str,
    route: str,
    answer: Mapping[str, Any],
    *,
    from_ms: int,
    sources: Iterable[str] = (),
) -> None:
    """From now on this answer is in force; the one before it ends.

    ``sources`` are the names of the sources whose recordings are the route's.
    """
    archive.ensure(CONSENTS)
    with archive.writing() as db:
        _end(db, phone, from_ms)
        db.execute(
            "INSERT INTO consents (phone, route, sources, from_ms, answer) VALUES (?, ?, ?, ?, ?)",
            [phone, route, json.dumps(sorted(sources)), from_ms, json.dumps(dict(answer))],
        )


def end(archive: Archive, phone: str, until_ms: int) -> None:
    """Capture is off: no answer is in force any more."""
    archive.ensure(CONSENTS)
    with archive.writing() as db:
        _end(db, phone, until_ms)


def _end(db: Database, phone: str, until_ms: int) -> None:
    db.execute(
        "UPDATE consents SET until_ms = ? WHERE phone = ? AND until_ms IS NULL", [until_ms, phone]
    )


def in_force(
    archive: Archive, phone: str, at_ms: int, *, route: str | None, source: str | None
) -> dict[str, Any] | None:
    """The answer that was in force for a recording of that route or source, begun then."""
    archive.ensure(CONSENTS)
    with archive.reading() as db:
        rows = db.query(
            "SELECT route, sources, answer FROM consents WHERE phone = :phone"
            " AND from_ms <= :at AND (until_ms IS NULL OR until_ms > :at) ORDER BY id DESC",
            {"phone": phone, "at": at_ms},
        )
        for row in rows:
            if row["route"] == route or source in json.loads(row["sources"]):
                said = json.loads(row["answer"])
                return said if isinstance(said, dict) else None
    return None
