"""What is removed from phones, as the custody log has it: first that it is going to be, then what
came of it. What was begun and has no end yet is listed, so that a later run can look.

Each step is one transaction; the caller removes the file between :func:`begin` and :func:`end`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database, Migrations

from agent.archive import sightings
from agent.archive.settings import Cleanup
from agent.archive.sightings import Sighting

if TYPE_CHECKING:
    from agent.archive.archive import Archive

REMOVALS = Migrations("removals")

BEGUN = "removing from phone"
REMOVED = "removed from phone"
NOT_REMOVED = "not removed from phone"
GONE = "gone from phone"


@REMOVALS(name="0001_removals")
def _first(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE removals (
            sighting INTEGER PRIMARY KEY REFERENCES sightings(id),
            begun INTEGER NOT NULL REFERENCES custody(seq)
        ) STRICT
        """
    )
    # By which settings a phone was last looked at, and cleaned: what has to be asked once.
    db.execute(
        """
        CREATE TABLE cleanings (
            phone TEXT PRIMARY KEY REFERENCES phones(serial),
            settings TEXT NOT NULL,
            agreed INTEGER NOT NULL,
            at_ms INTEGER NOT NULL
        ) STRICT
        """
    )


def begin(archive: Archive, sighting: Sighting, detail: Mapping[str, Any]) -> None:
    """A file is going to be removed: from here on nobody knows, until :func:`end`."""
    archive.ensure(REMOVALS)
    with archive.writing() as db:
        begun = archive.log(
            BEGUN, sha256=sighting.sha256, phone=sighting.phone, path=sighting.shown, detail=detail
        )
        db.execute(
            "INSERT OR REPLACE INTO removals (sighting, begun) VALUES (?, ?)", [sighting.id, begun]
        )


def end(
    archive: Archive,
    sighting: Sighting,
    action: str,
    *,
    gone: Sequence[Sighting] = (),
    why: str | None = None,
) -> None:
    """What came of it: :data:`REMOVED`, :data:`NOT_REMOVED` or :data:`GONE`; ``gone`` are the
    sightings of files that are not on the phone any more."""
    with archive.writing() as db:
        (begun,) = db.execute(
            "SELECT begun FROM removals WHERE sighting = ?", [sighting.id]
        ).fetchone()
        detail: dict[str, Any] = {"begun": begun}
        if why is not None:
            detail["why"] = why
        if beside := [one.shown for one in gone if one.id != sighting.id]:
            detail["beside"] = beside
        now = archive.clock()
        for one in gone:
            if one.gone_ms is None:
                sightings.update(db, one, now, gone_ms=now)
        archive.log(
            action, sha256=sighting.sha256, phone=sighting.phone, path=sighting.shown, detail=detail
        )
        db.execute("DELETE FROM removals WHERE sighting = ?", [sighting.id])


def open_ones(archive: Archive, phone: str) -> list[Sighting]:
    """The files of a phone of whose removal nobody knows what came of it."""
    archive.ensure(REMOVALS)
    with archive.reading() as db:
        return sightings.by_ids(
            db,
            [
                row[0]
                for row in db.execute(
                    "SELECT sighting FROM removals JOIN sightings ON sightings.id = sighting"
                    " WHERE phone = ? ORDER BY begun",
                    [phone],
                ).fetchall()
            ],
        )


def looked(archive: Archive, phone: str, settings: Cleanup) -> bool:
    """Whether a phone was looked at by these very settings, with or without removing anything."""
    return _last(archive, phone, settings) is not None


def agreed(archive: Archive, phone: str, settings: Cleanup) -> bool:
    """Whether the user has had a phone cleaned by these very settings."""
    return bool(_last(archive, phone, settings))


def last_ms(archive: Archive, phone: str) -> int | None:
    """When a phone was last looked at or cleaned."""
    archive.ensure(REMOVALS)
    with archive.reading() as db:
        row = db.execute("SELECT at_ms FROM cleanings WHERE phone = ?", [phone]).fetchone()
    return None if row is None else int(row[0])


def note_run(archive: Archive, phone: str, settings: Cleanup, *, cleans: bool) -> None:
    """A phone is looked at, or cleaned, by these settings now."""
    said = bool(agreed(archive, phone, settings) or cleans)
    with archive.writing() as db:
        db.execute(
            "INSERT OR REPLACE INTO cleanings (phone, settings, agreed, at_ms) VALUES (?, ?, ?, ?)",
            [phone, _text(settings), said, archive.clock()],
        )


def _last(archive: Archive, phone: str, settings: Cleanup) -> bool | None:
    archive.ensure(REMOVALS)
    with archive.reading() as db:
        row = db.execute(
            "SELECT agreed FROM cleanings WHERE phone = ? AND settings = ?",
            [phone, _text(settings)],
        ).fetchone()
    return None if row is None else bool(row[0])


def _text(settings: Cleanup) -> str:
    return json.dumps(asdict(settings), sort_keys=True)
