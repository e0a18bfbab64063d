"""Quiet folders: what a phone said of a folder's files when nothing was left to do there.

Who is told the same again need not look at each file anew: a list of 100,000 old files costs no
more than the phone's telling it. A row stands only for as long as no sighting of its folder
changes: the index itself removes it, whoever changes one, and in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from agent.phone.files import Seen

if TYPE_CHECKING:
    from agent.archive.archive import Archive

QUIET = Migrations("quiet")


@QUIET(name="0001_quiet")
def _first_table(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE quiet (
            phone TEXT NOT NULL, source TEXT NOT NULL,
            basis BLOB NOT NULL, mark BLOB NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (phone, source)
        ) STRICT, WITHOUT ROWID
        """
    )
    for change, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        db.execute(
            f"CREATE TRIGGER quiet_no_more_{change.lower()} AFTER {change} ON sightings"  # noqa: S608
            f" BEGIN DELETE FROM quiet WHERE phone = {row}.phone AND source = {row}.source; END"
        )


def seen(archive: Archive, phone: str, source: str, basis: bytes) -> Seen | None:
    """What was seen in a source when nothing was left to do there; None where that is not known,
    where something of it has changed since, or where it was concluded on another ``basis``."""
    with archive.reading() as db:
        row = db.execute(
            "SELECT mark, count FROM quiet WHERE phone = ? AND source = ? AND basis = ?",
            [phone, source, basis],
        ).fetchone()
    return None if row is None else Seen(*row)


def keep(archive: Archive, phone: str, source: str, basis: bytes, now: Seen) -> None:
    """Nothing is left to do in a source, of which this was seen."""
    with archive.writing() as db:
        db.execute(
            "INSERT OR REPLACE INTO quiet (phone, source, basis, mark, count)"
            " VALUES (?, ?, ?, ?, ?)",
            [phone, source, basis, now.mark, now.count],
        )


def forget(archive: Archive, phone: str, sources: Iterable[str]) -> None:
    """Look through these sources again, whatever the phone says of them."""
    with archive.reading() as db:
        rows = db.execute("SELECT source FROM quiet WHERE phone = ?", [phone])
        known = {row[0] for row in rows}.intersection(sources)
    if known:  # most often there is none, and nothing to write
        with archive.writing() as db:
            db.conn.executemany(
                "DELETE FROM quiet WHERE phone = ? AND source = ?",
                [(phone, source) for source in known],
            )
