"""Sightings: which file was seen where on a phone, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlite_utils import Database

from agent.archive.records import storable
from agent.phone.files import RemoteFile, path_bytes, path_text
from agent.text import shown

State = Literal["seen", "settling", "pulling", "filed", "failed", "gone", "empty"]


@dataclass(slots=True)
class Sighting:
    """A file at a path on a phone, as it was last seen there.

    ``unchanged_ms`` is since when its size and mtime have been as they are; ``tries`` counts the
    pulls begun since then; ``error`` says why the last one failed.
    """

    id: int
    phone: str
    source: str
    path: str
    size: int
    mtime_ns: int
    state: State
    sha256: str | None
    error: str | None
    tries: int
    next_try_ms: int | None
    first_seen_ms: int
    unchanged_ms: int
    gone_ms: int | None

    @property
    def shown(self) -> str:
        """The path, fit for a terminal."""
        return shown(self.path)


_COLUMNS = (
    "id, phone, source, path, size, mtime_ns, state, sha256, error, tries, next_try_ms,"
    " first_seen_ms, unchanged_ms, gone_ms"
)


def current(db: Database, phone: str, source: str) -> dict[str, Sighting]:
    """What is known of a source's files as they are now, by path."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM sightings WHERE phone = ? AND source = ? AND current",  # noqa: S608
        [phone, source],
    )
    found = map(_sighting_of, rows)
    return {sighting.path: sighting for sighting in found}


def by_ids(db: Database, ids: Iterable[int]) -> list[Sighting]:
    """Sightings by their numbers, in that order."""
    found = []
    for number in ids:
        row = db.execute(f"SELECT {_COLUMNS} FROM sightings WHERE id = ?", [number]).fetchone()  # noqa: S608
        if row is not None:
            found.append(_sighting_of(row))
    return found


def of_recording(db: Database, sha256: str) -> list[dict[str, Any]]:
    """Where a recording was seen, first sighting first; paths as shown text."""
    return list(
        db.query(
            "SELECT phone, source, shown AS path, size, mtime_ns, first_seen_ms, gone_ms, current"
            " FROM sightings WHERE sha256 = ? ORDER BY id",
            [sha256],
        )
    )


def is_filed(db: Database, phone: str, source: str, file: RemoteFile) -> bool:
    """Whether this very file, as a scan saw it, is in the archive."""
    found = db.execute(
        "SELECT 1 FROM sightings WHERE phone = ? AND source = ? AND path = ? AND current"
        " AND state = 'filed' AND size = ? AND mtime_ns = ?",
        [phone, source, path_bytes(file.path), _int64(file.size), _int64(file.mtime_ns)],
    )
    return found.fetchone() is not None


def was_taken(db: Database, sighting: Sighting, flag: str) -> bool:
    """Whether a recording with this flag was filed from the same path before."""
    found = db.execute(
        "SELECT 1 FROM sightings JOIN recordings USING (sha256) WHERE sightings.phone = ?"
        " AND sightings.source = ? AND sightings.path = ? AND instr(recordings.flags, ?)",
        [sighting.phone, sighting.source, path_bytes(sighting.path), f'"{flag}"'],
    )
    return found.fetchone() is not None


def add(db: Database, phone: str, source: str, files: Iterable[RemoteFile], now_ms: int) -> None:
    """Note files seen for the first time."""
    db.conn.executemany(
        "INSERT INTO sightings (phone, source, path, shown, size, mtime_ns, state,"
        " first_seen_ms, unchanged_ms, last_seen_ms) VALUES (?, ?, ?, ?, ?, ?, 'seen', ?, ?, ?)",
        [
            (
                phone,
                source,
                path_bytes(file.path),
                storable(shown(file.path)),
                _int64(file.size),
                _int64(file.mtime_ns),
                now_ms,
                now_ms,
                now_ms,
            )
            for file in files
        ],
    )


def retire(db: Database, sighting: Sighting, now_ms: int) -> None:
    """The path has other bytes now: this sighting is history, and another takes its place."""
    db.execute(
        "UPDATE sightings SET current = 0, gone_ms = coalesce(gone_ms, ?) WHERE id = ?",
        [now_ms, sighting.id],
    )


def update(db: Database, sighting: Sighting, now_ms: int, **changes: Any) -> None:
    """Change a sighting, in the index and in ``sighting`` itself."""
    for name, value in changes.items():
        setattr(sighting, name, value)
    values = {
        name: storable(value) if name == "error" and value is not None else value
        for name, value in changes.items()
    }
    sets = "".join(f", {name} = :{name}" for name in values)
    db.execute(
        f"UPDATE sightings SET last_seen_ms = :now{sets} WHERE id = :id",  # noqa: S608
        {**values, "now": now_ms, "id": sighting.id},
    )


def _sighting_of(row: tuple[Any, ...]) -> Sighting:
    row_id, phone, source, path, *rest = row
    return Sighting(row_id, phone, source, path_text(path), *rest)


def _int64(value: int) -> int:
    """A phone may say any number; SQLite keeps 64 bits."""
    return max(-(1 << 63), min(value, (1 << 63) - 1))
