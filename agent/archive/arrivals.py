"""Arrivals: where bytes lay on this computer when they were filed, as sightings are of a phone.

One row for each file: a second file with the same bytes is a second arrival of one recording.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database, Migrations

from agent.archive.records import storable
from agent.text import shown

if TYPE_CHECKING:
    from agent.archive.archive import Archive

ARRIVALS = Migrations("arrivals")


@ARRIVALS(name="0001_arrivals")
def _first_tables(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE arrivals (
            id INTEGER PRIMARY KEY,
            source TEXT NOT NULL, phone TEXT,
            path BLOB NOT NULL, shown TEXT NOT NULL,
            size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
            sha256 TEXT NOT NULL REFERENCES recordings(sha256),
            first_seen_ms INTEGER NOT NULL,
            moved_ms INTEGER,
            UNIQUE (path, size, mtime_ns, sha256)
        ) STRICT
        """
    )
    db.execute("CREATE INDEX arrivals_by_recording ON arrivals (sha256)")
    # What is being decoded now: a file whose decoding killed the program stands here afterwards.
    db.execute(
        "CREATE TABLE decoding (path BLOB PRIMARY KEY, mtime_ns INTEGER NOT NULL,"
        " tries INTEGER NOT NULL) STRICT"
    )


@dataclass(frozen=True)
class Arrival:
    """A file on this computer; ``path`` is absolute, with surrogates for what is not UTF-8."""

    source: str
    path: str
    size: int
    mtime_ns: int
    phone: str | None = None


def note(db: Database, arrival: Arrival, sha256: str, now_ms: int) -> None:
    """These bytes lay there; the caller holds a write transaction."""
    db.execute(
        "INSERT INTO arrivals (source, phone, path, shown, size, mtime_ns, sha256, first_seen_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (path, size, mtime_ns, sha256) DO UPDATE SET moved_ms = NULL",
        [
            arrival.source,
            arrival.phone,
            os.fsencode(arrival.path),
            storable(shown(arrival.path)),
            arrival.size,
            arrival.mtime_ns,
            sha256,
            now_ms,
        ],
    )


def is_noted(archive: Archive, arrival: Arrival, sha256: str) -> bool:
    """Whether it is noted that these bytes lay there, and that they still do."""
    with archive.reading() as db:
        found = db.execute(
            "SELECT 1 FROM arrivals WHERE path = ? AND size = ? AND mtime_ns = ? AND sha256 = ?"
            " AND moved_ms IS NULL",
            [os.fsencode(arrival.path), arrival.size, arrival.mtime_ns, sha256],
        )
        return found.fetchone() is not None


def known(archive: Archive) -> dict[tuple[str, int, int], str]:
    """The SHA-256 of every file that was filed from where it lies: by path, size and mtime."""
    with archive.reading() as db:
        rows = db.execute("SELECT path, size, mtime_ns, sha256 FROM arrivals ORDER BY id")
        return {(os.fsdecode(row[0]), row[1], row[2]): row[3] for row in rows.fetchall()}


def last_at(archive: Archive, paths: Iterable[str]) -> tuple[str, str] | None:
    """The path and the SHA-256 of what was last filed from one of these places."""
    listed = [os.fsencode(path) for path in paths]
    marks = ", ".join("?" * len(listed))
    with archive.reading() as db:
        row = db.execute(
            f"SELECT path, sha256 FROM arrivals WHERE path IN ({marks}) ORDER BY id DESC",  # noqa: S608
            listed,
        ).fetchone()
    return None if row is None else (os.fsdecode(row[0]), row[1])


def moved(db: Database, arrival: Arrival, now_ms: int) -> None:
    """The file was moved away."""
    db.execute(
        "UPDATE arrivals SET moved_ms = ? WHERE path = ? AND size = ? AND mtime_ns = ?",
        [now_ms, os.fsencode(arrival.path), arrival.size, arrival.mtime_ns],
    )


def of_recording(db: Database, sha256: str) -> list[dict[str, Any]]:
    """Where a recording lay on this computer, in the words of :mod:`agent.archive.sightings`, and
    ``here``."""
    return list(
        db.query(
            "SELECT phone, source, shown AS path, size, mtime_ns, first_seen_ms,"
            " moved_ms AS gone_ms, moved_ms IS NULL AS current, 1 AS here"
            " FROM arrivals WHERE sha256 = ? ORDER BY id",
            [sha256],
        )
    )


def decode_tries(archive: Archive, arrival: Arrival) -> int:
    """How often a program died while it decoded this very file."""
    with archive.reading() as db:
        row = db.execute(
            "SELECT tries FROM decoding WHERE path = ? AND mtime_ns = ?",
            [os.fsencode(arrival.path), arrival.mtime_ns],
        ).fetchone()
    return 0 if row is None else int(row[0])


def decoding(archive: Archive, arrival: Arrival) -> None:
    """Its decoding begins."""
    with archive.writing() as db:
        db.execute(
            "INSERT INTO decoding (path, mtime_ns, tries) VALUES (?, ?, 1)"
            " ON CONFLICT (path) DO UPDATE SET mtime_ns = excluded.mtime_ns,"
            " tries = CASE mtime_ns WHEN excluded.mtime_ns THEN tries + 1 ELSE 1 END",
            [os.fsencode(arrival.path), arrival.mtime_ns],
        )


def decoded(archive: Archive, arrival: Arrival) -> None:
    """The program survived it."""
    with archive.writing() as db:
        db.execute("DELETE FROM decoding WHERE path = ?", [os.fsencode(arrival.path)])
