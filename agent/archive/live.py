"""Recordings that are being made here: what they are, kept from before their first byte on.

A row names a ``.part`` in the archive's folder. While it stands, the part is not removed; when the
program that wrote it has died, whoever opens the archive for writing next can still file it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database, Migrations

from agent.archive.records import storable

if TYPE_CHECKING:
    from agent.archive.archive import Archive

LIVE = Migrations("live")


@LIVE(name="0001_live")
def _first_table(db: Database) -> None:
    db.execute(
        "CREATE TABLE live (part TEXT PRIMARY KEY, phone TEXT NOT NULL, known TEXT NOT NULL) STRICT"
    )


@dataclass(frozen=True)
class LivePart:
    """A part that is being recorded, or was when its program died. ``part`` is relative to the
    archive's folder; ``known`` is its recorder's own, as JSON can keep it."""

    part: PurePosixPath
    phone: str
    known: dict[str, Any] = field(default_factory=dict)


def keep(archive: Archive, part: Path, phone: str, known: dict[str, Any]) -> None:
    """Note, on the disk before this returns, what is known of a part; again when it is more."""
    with archive.writing() as db:
        db.execute(
            "INSERT OR REPLACE INTO live (part, phone, known) VALUES (?, ?, ?)",
            [_relative(archive, part), storable(phone), json.dumps(known)],
        )


def forget(archive: Archive, part: Path) -> None:
    """The part was filed, or is gone."""
    with archive.writing() as db:
        db.execute("DELETE FROM live WHERE part = ?", [_relative(archive, part)])


def parts(archive: Archive, phone: str | None = None) -> list[LivePart]:
    """What is being recorded, on one phone or on all."""
    with archive.reading() as db:
        rows = list(db.query("SELECT * FROM live ORDER BY part"))
    return [
        LivePart(PurePosixPath(row["part"]), row["phone"], json.loads(row["known"]))
        for row in rows
        if phone is None or row["phone"] == storable(phone)
    ]


def _relative(archive: Archive, part: Path) -> str:
    return part.relative_to(archive.store.root).as_posix()
