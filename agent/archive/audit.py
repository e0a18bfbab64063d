"""An audit: every file against the index, the index against the files, and the custody log.

Nothing is changed by it. :func:`mend` then does what needs no phone, and marks for the next sync
what the phone may still have.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent.archive import custody
from agent.archive.archive import Archive
from agent.archive.filing import require_writer
from agent.archive.lock import held_for
from agent.archive.store import (
    Part,
    disk_errors,
    name_once,
    sha256_of,
    sha256_on_disk,
    sync_folder,
)
from agent.errors import ArchiveError, BusyError, DiskFullError
from agent.text import shown

ASIDE = "set-aside"  # beside the archive: files whose bytes are not what was filed
_DISKS_OWN = "lost+found"  # in the folder at which an ext4 disk is mounted; only root may look

#: missing   a recording's file is not there, and its bytes are under no other name
#: renamed   a recording's file has another name; ``found`` is that
#: changed   a recording's file has other bytes than were filed, or can't be read
#: mode      others than its owner may read a file, or it may be written to
#: added     a file that is in no index
#: left over a part of a run that was killed, while nobody writes here
#: edited    a row is not what the custody log says was filed
#: log       the custody log is not whole
#: index     the database itself is damaged
FindingKind = Literal[
    "missing", "renamed", "changed", "mode", "added", "left over", "edited", "log", "index"
]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. ``path`` is relative to the archive's folder."""

    kind: FindingKind
    text: str
    path: str | None = None
    recording: int | None = None
    sha256: str | None = None
    found: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        return vars(self)


@dataclass
class Audit:
    """What was looked at, and what was found."""

    files: int = 0
    bytes: int = 0
    entries: int = 0
    findings: list[Finding] = field(default_factory=list)


Progress = Callable[[int, int], None]


def audit(archive: Archive, on_progress: Progress = lambda _done, _all: None) -> Audit:
    """Read everything again; ``on_progress`` is told the bytes read, and those there are."""
    found = Audit()
    found.findings += _of_index(archive)
    with archive.reading() as db:
        rows = list(db.query("SELECT id, sha256, size, path, added_ms FROM recordings ORDER BY id"))
        found.entries = int(db.execute("SELECT count(*) FROM custody").fetchone()[0])
    total, done = sum(row["size"] for row in rows), 0
    lost: list[dict[str, Any]] = []
    for row in rows:
        problem = _of_file(archive, row)
        if problem is not None and problem.kind == "missing":
            lost.append(row)
        elif problem is not None:
            found.findings.append(problem)
        found.files += problem is None or problem.kind != "missing"
        done += row["size"]
        on_progress(done, total)
    found.bytes = total - sum(row["size"] for row in lost)
    found.findings += _strangers(archive, {row["path"] for row in rows}, lost)
    with archive.reading() as db:
        found.findings += [Finding("log", text) for text in custody.verify_chain(db)]
    found.findings += _edited(archive)
    return found


def look_at(archive: Archive, path: str) -> Finding | None:
    """What is wrong with what has this path in the archive's folder, if anything; None also for
    what is on its way into the archive."""
    with archive.reading() as db:
        found = db.query(
            "SELECT id, sha256, size, path, added_ms FROM recordings WHERE path = ?", [path]
        )
        row = next(iter(found), None)
        filing = db.execute("SELECT 1 FROM filing WHERE path = ?", [path]).fetchone()
    if row is not None:
        return _of_file(archive, row)
    if filing is not None or not os.path.lexists(archive.store.locate(path)):
        return None
    return Finding("added", "it is in no index", shown(path))


def _of_index(archive: Archive) -> Iterator[Finding]:
    with archive.reading() as db:
        for (text,) in db.execute("PRAGMA integrity_check(20)").fetchall():
            if text != "ok":
                yield Finding("index", shown(str(text)))
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall():
            yield Finding("index", f"{table} {row} points to nothing in {parent}")


def _of_file(archive: Archive, row: dict[str, Any]) -> Finding | None:
    """What is wrong with one recording's file."""
    about = {"path": row["path"], "recording": row["id"], "sha256": row["sha256"]}
    try:
        final = archive.store.locate(row["path"])
        status = final.lstat()
    except FileNotFoundError:
        return Finding("missing", "it is not in the archive's folder", **about)
    except (ArchiveError, OSError) as error:
        return Finding("changed", f"it can't be looked at: {error}", **about)
    if not stat.S_ISREG(status.st_mode):
        return Finding("changed", "something that is no file stands in its place", **about)
    try:
        digest = sha256_on_disk(final)
    except OSError as error:
        return Finding("changed", f"it can't be read: {error.strerror}", **about)
    if digest != row["sha256"]:
        size = "" if status.st_size == row["size"] else f"; {row['size']} bytes were filed"
        return Finding("changed", f"it has other bytes than were filed{size}", **about)
    if stat.S_IMODE(status.st_mode) & 0o277:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        return Finding("mode", f"its mode is {mode}, not 0400", **about)
    return None


def _strangers(archive: Archive, known: set[str], lost: list[dict[str, Any]]) -> Iterator[Finding]:
    """Files that no row names; those with the bytes of a lost recording are that, renamed."""
    wanted: dict[str, dict[str, Any]] = {row["sha256"]: row for row in lost}
    sizes = {row["size"] for row in lost}
    for path in _walk(archive.store.root):
        relative = path.relative_to(archive.store.root).as_posix()
        if relative in known:
            continue
        if path.name.startswith(".") and path.name.endswith(".part"):
            if held_for(archive.lock.path) is None:
                yield Finding("left over", "a run that was killed left it", shown(relative))
            continue
        if (since := _came_since(archive, relative)) is not None:
            if since == "filing" and held_for(archive.lock.path) is None:
                yield Finding("left over", "a run that was killed left it", shown(relative))
            continue
        row, why = None, "it is in no index"
        try:
            if path.is_dir() and not path.is_symlink():
                why = "it can't be looked into"
            elif path.is_file() and not path.is_symlink() and path.stat().st_size in sizes:
                row = wanted.pop(sha256_of(path), None)
        except OSError as error:
            why += f", and can't be read: {error.strerror}"
        if row is None:
            yield Finding("added", why, shown(relative))
        else:
            yield Finding(
                "renamed",
                f"it is now {shown(relative)}",
                row["path"],
                row["id"],
                row["sha256"],
                found=relative,
            )
    for row in wanted.values():
        yield Finding(
            "missing", "it is not in the archive's folder", row["path"], row["id"], row["sha256"]
        )


def _came_since(archive: Archive, path: str) -> Literal["filed", "filing"] | None:
    """Whether another program has filed what has this path since the rows were read, or does."""
    with archive.reading() as db:
        (filed, filing) = db.execute(
            "SELECT EXISTS (SELECT 1 FROM recordings WHERE path = :path),"
            " EXISTS (SELECT 1 FROM filing WHERE path = :path)",
            {"path": path},
        ).fetchone()
    return "filed" if filed else "filing" if filing else None


def _walk(folder: Path, top: bool = True) -> Iterator[Path]:
    """All that is no folder, and folders that can't be listed, in order; a link is what it is."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        if top and entry.name == _DISKS_OWN:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), top=False)
        else:
            yield Path(entry.path)


def _edited(archive: Archive) -> Iterator[Finding]:
    """Rows that are not what the log's last entry of each has sealed, and rows that are gone."""
    with archive.index.snapshot() as db:
        rows = list(db.query("SELECT id, sha256, path FROM recordings ORDER BY id"))
        entries = list(
            db.query(
                "SELECT sha256, action, detail FROM custody WHERE sha256 IS NOT NULL ORDER BY seq"
            )
        )
        now = {row["sha256"]: custody.row_seal(db, row["sha256"]) for row in rows}
    sealed: dict[str, str] = {}
    filed: dict[str, str] = {}
    for entry in entries:
        detail = json.loads(entry["detail"])
        if entry["action"] == "filed" and "archived" in detail:
            filed.setdefault(entry["sha256"], str(detail["archived"]))
        if "row" in detail:
            sealed[entry["sha256"]] = detail["row"]
    for row in rows:
        seal, filed_as = sealed.get(row["sha256"]), filed.get(row["sha256"], row["path"])
        if filed_as != row["path"] or (seal is not None and seal != now[row["sha256"]]):
            where = f"; it was filed as {filed_as}" if filed_as != row["path"] else ""
            text = f"its row is not what was last logged{where}"
            yield Finding("edited", text, row["path"], row["id"], row["sha256"])
    for sha256, filed_as in filed.items():
        if sha256 not in now:
            text = "it was filed, and has no row any more"
            yield Finding("edited", text, filed_as, None, sha256)


@dataclass
class Mended:
    """What :func:`mend` did, and what it could not do: each in words; ``again`` are phones that
    may still have files."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)


def mend(archive: Archive, found: Audit) -> Mended:
    """Put right what can be: names and modes here, lost bytes by being pulled again.

    A file with wrong bytes is set aside, not removed. Each step is in the custody log. What a
    killed run left is seen to by opening the archive for writing, which this needs.
    """
    require_writer(archive)
    mended, phones = Mended(), set[str]()
    for one in found.findings:
        try:
            phones |= _mend_one(archive, one, mended)
        except (BusyError, DiskFullError):
            raise
        except ArchiveError as error:  # of this file; the others can be put right all the same
            mended.failed.append(error.message)
    mended.again = sorted(phones)
    return mended


def _mend_one(archive: Archive, one: Finding, mended: Mended) -> set[str]:
    """The phones that may have what is lost by it."""
    if one.kind == "renamed" and one.path and one.found:
        _rename(archive, one.found, one.path)
        _log(archive, "renamed back", one, {"from": one.found})
        mended.done.append(f"{one.path} has its name again")
    elif one.kind == "mode" and one.path:
        final = archive.store.locate(one.path)
        with disk_errors(final):
            final.chmod(0o400)
            kept = not stat.S_IMODE(final.stat().st_mode) & 0o277
        if kept:
            mended.done.append(f"{one.path} is read-only and private again")
        else:
            mended.failed.append(f"{one.path}: the disk does not keep its mode")
    elif one.kind in ("missing", "changed") and one.path and one.sha256:
        if one.kind == "changed":
            aside = _set_aside(archive, one.path)
            _log(archive, "set aside", one, {"to": aside})
            mended.done.append(f"{one.path} has wrong bytes: it was moved to {aside}")
        return _see_again(archive, one.sha256)
    return set()


def _rename(archive: Archive, now: str, then: str) -> None:
    source, final = archive.store.locate(now), archive.store.locate(then)
    with disk_errors(final):
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not name_once(source, final):
            raise ArchiveError(f"{then}: another file has that name now")
        final.chmod(0o400)
        sync_folder(final.parent)


def _set_aside(archive: Archive, path: str) -> str:
    final = archive.store.locate(path)
    folder = archive.home / ASIDE
    with disk_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        name, count = final.name, 1
        while os.path.lexists(folder / name):
            count += 1
            name = f"{final.stem}~{count}{final.suffix}"
        _move(final, folder / name)
        sync_folder(final.parent)
        sync_folder(folder)
    return f"{ASIDE}/{name}"


def _move(source: Path, target: Path) -> None:
    """Also to another disk: the archive's folder may be a link to one, or a disk of its own."""
    try:
        source.rename(target)
    except OSError as error:
        status = source.lstat()
        if error.errno != errno.EXDEV or not stat.S_ISREG(status.st_mode):
            raise
        part = Part(target)
        try:
            with source.open("rb") as file:
                while chunk := file.read(1 << 20):
                    part.write(chunk)
            part.seal(status.st_mtime_ns)
            sync_folder(target.parent)
        except BaseException:
            part.discard()
            raise
        source.unlink()


def _see_again(archive: Archive, sha256: str) -> set[str]:
    """Let the next sync pull these bytes anew, where a phone still shows the file."""
    with archive.writing() as db:
        phones = {
            row["phone"]
            for row in db.query(
                "SELECT phone FROM sightings WHERE sha256 = ? AND current AND gone_ms IS NULL",
                [sha256],
            )
        }
        db.execute(
            "UPDATE sightings SET state = 'seen', tries = 0, next_try_ms = NULL"
            " WHERE sha256 = ? AND current AND gone_ms IS NULL",
            [sha256],
        )
    return phones


def _log(archive: Archive, action: str, one: Finding, detail: dict[str, Any]) -> None:
    archive.log(action, sha256=one.sha256, path=one.path, detail=detail)
