"""Filing: from sealed bytes to a recording in the index, in steps that a kill can't tear apart.

1. What is about to be done is written to ``filing``.
2. The file gets its name.
3. The recording, its sighting, its custody entry and the end of (1) are one transaction.

A kill before (2) leaves a part, which is removed; after it, :func:`recover` does (3) again.
"""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from sqlite_utils import Database

from agent.archive import arrivals
from agent.archive.arrivals import Arrival
from agent.archive.names import LONGEST, SHORTER, split_suffix
from agent.archive.records import Fact, Recording, storable
from agent.archive.search import row_of
from agent.archive.store import (
    LongNameError,
    Part,
    disk_errors,
    seal_all,
    sha256_of,
    sync_folder,
)
from agent.archive.template import times
from agent.errors import ArchiveError
from agent.text import shown

if TYPE_CHECKING:
    from agent.archive.archive import Archive

T = TypeVar("T")

_MOST_NAMES = 5  # another program may take a name between our look and our rename

_UNREAD = (
    "It is tried again each time that something is filed. Make the file readable for its owner, who has "
    "to run Offhook; if the disk can't read it, save what it still holds, and move that file out of the "
    "archive's folder: what the phone still has is pulled anew."
)

#: Facts that fill a column of their own, and what such a column takes.
FACT_COLUMNS: dict[str, type] = {
    "route": str,
    "started_ms": int,
    "ended_ms": int,
    "direction": str,
    "number": str,
    "contact": str,
    "sim": str,
}


@dataclass
class NewRecording:
    """What is known of bytes that are about to be filed.

    ``original_name`` is as the phone has it; ``sound`` holds the columns that were measured
    (duration_s, format, codec, rate, channels, levels, silent, silent_channels, problem).
    ``recorded`` says by what it was recorded here, for the custody log; None where it was pulled.
    ``arrival`` is where it lay on this computer, where it did.
    """

    original_name: str
    mtime_ns: int
    phone: str | None = None
    source: str | None = None
    remote_path: str | None = None
    sighting: int | None = None
    facts: dict[str, Fact] = field(default_factory=dict)
    sound: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    sidecar: str | None = None
    how: dict[str, Any] = field(default_factory=dict)
    recorded: dict[str, str] | None = None
    arrival: Arrival | None = None


def path_of(
    archive: Archive, new: NewRecording, sha256: str | None = None, *, zone: tzinfo | None = None
) -> PurePosixPath:
    """Where a recording goes by the archive's template, if nothing else has that name."""
    return _paths_of(archive, new, sha256, zone, (LONGEST,))[0]


def where_it_fits(
    archive: Archive, new: NewRecording, sha256: str | None, take: Callable[[PurePosixPath], T]
) -> T:
    """What ``take`` makes of where a recording goes: first of the name that it should have, and of
    shorter ones where the disk takes none as long."""
    *longer, shortest = _paths_of(archive, new, sha256, None, SHORTER)
    for path in longer:
        with contextlib.suppress(LongNameError):
            return take(path)
    return take(shortest)


def _paths_of(
    archive: Archive,
    new: NewRecording,
    sha256: str | None,
    zone: tzinfo | None,
    lengths: Sequence[int],
) -> list[PurePosixPath]:
    """By the template, with names of at most these lengths in bytes; each path once."""
    stem, suffix = split_suffix(new.original_name)
    known = {name: fact.value for name, fact in new.facts.items()}
    started = known.get("started_ms", new.mtime_ns // 1_000_000)
    values: dict[str, Any] = {
        **times(started, zone),
        "direction": known.get("direction"),
        "number": "".join(ch for ch in str(known.get("number") or "") if ch in "+0123456789"),
        "contact": known.get("contact"),
        "recorder": known.get("recorder") or known.get("app") or known.get("route"),
        "route": known.get("route"),
        "name": stem,
        "hash": None if sha256 is None else sha256[:8],
    }
    if archive.template.uses("phone"):
        with archive.reading() as db:
            row = db.execute(
                "SELECT coalesce(alias, serial) FROM phones WHERE serial = ?", [new.phone]
            ).fetchone()
        values["phone"] = row[0] if row else new.phone
    texts = {name: None if value is None else str(value) for name, value in values.items()}
    paths = (archive.template.path(texts, suffix, longest) for longest in lengths)
    return list(dict.fromkeys(paths))


def columns_of(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """The columns that facts fill; a value of the wrong kind fills none."""
    columns = {}
    for name, kind in FACT_COLUMNS.items():
        if name in facts and isinstance(facts[name].value, kind):
            value = facts[name].value
            columns[name] = storable(value) if isinstance(value, str) else value
    return columns


def file_part(archive: Archive, part: Part, new: NewRecording) -> tuple[Recording, bool]:
    """File a part, which is gone afterwards; the recording, and whether its bytes were new."""
    require_writer(archive)
    try:
        part.seal(new.mtime_ns)
        with archive.filing:
            if archive.has(part.sha256):
                known = _file_again(archive, part, new)
                part.keep = False
                return known, False
            work = _work(archive, part, new)
            path = _place(archive, part, new, work)
            _finish(archive, str(path), work)
            part.keep = False
            return archive.recording(part.sha256), True
    finally:
        part.discard()


def file_known(archive: Archive, sha256: str, new: NewRecording) -> Recording | None:
    """Note that bytes were seen again that the archive has, on the disk, too; None where it does
    not, so that they have to be filed. An arrival that was noted before is no news."""
    require_writer(archive)
    with archive.filing:
        if not archive.has(sha256):
            return None
        known = archive.recording(sha256)
        final = archive.file_of(known)
        with disk_errors(final):
            if not final.exists():
                return None
        if new.arrival is None or not arrivals.is_noted(archive, new.arrival, sha256):
            _seen_again(archive, sha256, new, "seen again")
        return known


def file_parts(
    archive: Archive, parts: Sequence[tuple[Part, NewRecording]]
) -> list[tuple[Recording, bool]]:
    """The same for many, by the same steps: but all of them are flushed, written down, given
    their names and indexed together, so that many cost little more than one."""
    require_writer(archive)
    try:
        seal_all((part, new.mtime_ns) for part, new in parts)
        with archive.filing:
            fresh: dict[str, tuple[Part, NewRecording]] = {}
            for part, new in parts:
                if part.sha256 not in fresh and not archive.has(part.sha256):
                    fresh[part.sha256] = (part, new)
            # First what the archive has: what fails at one of them leaves nothing filed of which
            # nobody is told.
            with archive.writing():
                known = {
                    number: _file_again(archive, part, new)
                    for number, (part, new) in enumerate(parts)
                    if part.sha256 not in fresh
                }
            placed = _place_all(archive, list(fresh.values()))
            with archive.writing():
                for path, work in placed:
                    _finish(archive, str(path), work)
            with archive.writing():
                return [
                    (archive.recording(part.sha256), True)
                    if fresh.get(part.sha256) == (part, new)
                    else (known.get(number) or _file_again(archive, part, new), False)
                    for number, (part, new) in enumerate(parts)
                ]
    finally:
        for part, _ in parts:
            part.discard()


def recover(archive: Archive) -> list[ArchiveError]:
    """Finish what a killed run had begun to file; why it could not, of each file that the disk
    does not give. That one is left as it is until the next time, and keeps nothing else."""
    with archive.reading() as db:
        begun = list(db.query("SELECT * FROM filing"))
    left = []
    for row in begun:
        try:
            _recover(archive, row)
        except ArchiveError as error:
            left.append(
                ArchiveError(f"what was begun to be filed stays unfinished: {error}", hint=_UNREAD)
            )
    return left


def _recover(archive: Archive, row: Mapping[str, Any]) -> None:
    final = archive.store.locate(row["path"])
    try:
        with disk_errors(final):
            whole = final.is_file() and sha256_of(final) == row["sha256"]
            if whole:
                sync_folder(final.parent)  # the run may have died before it had done that
    except LongNameError:  # so it never got that name
        with archive.writing() as db:
            db.execute("DELETE FROM filing WHERE path = ?", [row["path"]])
        return
    if whole:
        _finish(archive, row["path"], json.loads(row["work"]))
        return
    with archive.writing() as db:
        known = db.execute("SELECT 1 FROM recordings WHERE path = ?", [row["path"]]).fetchone()
        # A name reserved on a disk without hard links, and nothing renamed onto it.
        with disk_errors(final):
            if not known and final.is_file() and final.stat().st_size == 0:
                final.unlink()
        db.execute("DELETE FROM filing WHERE path = ?", [row["path"]])


def index_text(db: Database, row_id: int, values: Mapping[str, str]) -> None:
    """Let search find a recording by these texts."""
    db.execute(
        "INSERT INTO search (rowid, number, contact, note, name, tails)"
        " VALUES (:id, :number, :contact, :note, :name, :tails)",
        {**values, "id": row_id},
    )


def require_writer(archive: Archive) -> None:
    """Only the one that has the archive's lock files recordings."""
    if not archive.lock.held:
        raise ArchiveError("the archive was not opened for writing")


def _place(archive: Archive, part: Part, new: NewRecording, work: dict[str, Any]) -> PurePosixPath:
    """Give the part a name of its own, each try written down first; the path it has now."""
    if (left := _left(archive, part, new)) is not None:
        return left

    def place(wanted: PurePosixPath) -> PurePosixPath:
        for _ in range(_MOST_NAMES):
            path = archive.store.free(wanted)
            _write_down(archive, part, path, work)
            if archive.store.place(part, path):
                return path
        raise ArchiveError("another program has each name that it could get")

    return where_it_fits(archive, new, part.sha256, place)


def _place_all(
    archive: Archive, parts: list[tuple[Part, NewRecording]]
) -> list[tuple[PurePosixPath, dict[str, Any]]]:
    """The same for many: where each is now, and its work."""
    works = [_work(archive, part, new) for part, new in parts]
    left = [_left(archive, part, new) for part, new in parts]
    paths: list[PurePosixPath] = []
    with archive.writing():
        for (part, new), work, there in zip(parts, works, left, strict=True):
            paths.append(there or archive.store.free(path_of(archive, new, part.sha256), paths))
            if there is None:
                _write_down(archive, part, paths[-1], work)
    for number, ((part, new), work) in enumerate(zip(parts, works, strict=True)):
        if left[number] is None and not _is_placed(archive, part, paths[number]):
            paths[number] = _place(archive, part, new, work)
    for folder in {archive.store.locate(path).parent for path in paths}:
        with disk_errors(folder):
            sync_folder(folder)
    return list(zip(paths, works, strict=True))


def _is_placed(archive: Archive, part: Part, path: PurePosixPath) -> bool:
    """Whether a part could have this very name, in a folder that is flushed later."""
    try:
        return archive.store.place(part, path, sync=False)
    except LongNameError:
        return False


def _write_down(archive: Archive, part: Part, path: PurePosixPath, work: dict[str, Any]) -> None:
    """Step 1."""
    with archive.writing() as db:
        db.execute("DELETE FROM filing WHERE sha256 = ?", [part.sha256])
        db.execute(
            "INSERT OR REPLACE INTO filing (path, sha256, work) VALUES (?, ?, ?)",
            [str(path), part.sha256, json.dumps(work)],
        )


def _left(archive: Archive, part: Part, new: NewRecording) -> PurePosixPath | None:
    """Where the same bytes lie already, if they do: written down, or under their own name."""
    with archive.reading() as db:
        begun = db.execute("SELECT path FROM filing WHERE sha256 = ?", [part.sha256]).fetchall()
    own = _paths_of(archive, new, part.sha256, None, SHORTER)
    for path in (*(PurePosixPath(path) for (path,) in begun), *own):
        if _is_left(archive, part, path):
            return path
    return None


def _is_left(archive: Archive, part: Part, path: PurePosixPath) -> bool:
    """Whether the same bytes have that name, but are in no index: theirs was lost in a power cut,
    or the disk failed when they had just got it. What can't be read is none that is known."""
    final = archive.store.locate(path)
    try:
        found = final.lstat()
    except OSError:
        return False
    with archive.reading() as db:
        known = db.execute("SELECT 1 FROM recordings WHERE path = ?", [str(path)]).fetchone()
    if known or not stat.S_ISREG(found.st_mode) or found.st_size != part.size:
        return False
    try:
        if sha256_of(final) != part.sha256:
            return False
    except OSError:
        return False
    with disk_errors(final):
        sync_folder(final.parent)
    return True


def _work(archive: Archive, part: Part, new: NewRecording) -> dict[str, Any]:
    """All that :func:`_finish` needs, as JSON can keep it."""
    row = {
        "sha256": part.sha256,
        "size": part.size,
        "original_name": storable(shown(new.original_name)),
        "phone": new.phone,
        "source": new.source,
        **columns_of(new.facts),
        **{k: json.dumps(v) if isinstance(v, list) else v for k, v in new.sound.items()},
        "flags": json.dumps(new.flags),
        "facts": json.dumps({name: fact.as_dict() for name, fact in new.facts.items()}),
        "sidecar": None if new.sidecar is None else storable(new.sidecar),
        "added_ms": archive.clock(),
        "verified_ms": archive.clock() if new.how.get("verified") else None,
    }
    remote = None if new.remote_path is None else shown(new.remote_path)
    return {
        "row": row,
        "sighting": new.sighting,
        "remote": remote,
        "how": new.how,
        "recorded": new.recorded,
        "arrival": None if new.arrival is None else vars(new.arrival),
    }


def _finish(archive: Archive, path: str, work: dict[str, Any]) -> None:
    row = {**work["row"], "path": path}
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    with archive.writing() as db:
        if not archive.has(row["sha256"]):
            cursor = db.execute(f"INSERT INTO recordings ({names}) VALUES ({marks})", row)  # noqa: S608
            texts = {"number": None, "contact": None, "note": None, **row}
            index_text(db, int(cursor.lastrowid or 0), row_of(texts))
            if work.get("recorded") is not None:
                archive.log(
                    "recorded here",
                    sha256=row["sha256"],
                    phone=row["phone"],
                    detail=work["recorded"],
                )
            archive.log(
                "filed",
                sha256=row["sha256"],
                phone=row["phone"],
                path=work["remote"],
                detail={"archived": path, "size": row["size"], **work["how"]},
            )
        _sighting_filed(db, work["sighting"], row["sha256"], archive.clock())
        if (arrival := work.get("arrival")) is not None:
            arrivals.note(db, Arrival(**arrival), row["sha256"], archive.clock())
        db.execute("DELETE FROM filing WHERE path = ?", [path])


def _file_again(archive: Archive, part: Part, new: NewRecording) -> Recording:
    """Bytes that the archive has: another sighting of them, and the file if that was lost."""
    known = archive.recording(part.sha256)
    final = archive.file_of(known)
    action = "seen again"
    with disk_errors(final):
        lost = not final.exists()
    if lost:
        archive.store.place_again(part, PurePosixPath(known.path))
        action = "restored"
    _seen_again(archive, part.sha256, new, action)
    return known


def _seen_again(archive: Archive, sha256: str, new: NewRecording, action: str) -> None:
    with archive.writing() as db:
        _sighting_filed(db, new.sighting, sha256, archive.clock())
        if new.arrival is not None:
            arrivals.note(db, new.arrival, sha256, archive.clock())
        archive.log(
            action,
            sha256=sha256,
            phone=new.phone,
            path=None if new.remote_path is None else shown(new.remote_path),
            detail=new.how,
        )


def _sighting_filed(db: Database, sighting: int | None, sha256: str, now_ms: int) -> None:
    if sighting is not None:
        db.execute(
            "UPDATE sightings SET state = 'filed', sha256 = ?, error = NULL, next_try_ms = NULL,"
            " last_seen_ms = ? WHERE id = ?",
            [sha256, now_ms, sighting],
        )
