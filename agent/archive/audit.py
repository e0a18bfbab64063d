"""An audit: every file against the index, the index against the files, and the custody log.

Nothing is changed by it. :func:`mend` then does what needs no phone, and marks for the next sync
what the phone may still have.
"""

from __future__ import annotations

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
from agent.archive.store import disk_errors, sha256_of, sync_folder
from agent.errors import ArchiveError
from agent.text import shown

ASIDE = "set-aside"  # beside the archive: files whose bytes are not what was filed

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
    found.findings += _edited(archive, rows)
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
        digest = sha256_of(final)
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
        row = None
        if path.is_file() and not path.is_symlink() and path.stat().st_size in sizes:
            row = wanted.pop(sha256_of(path), None)
        if row is None:
            yield Finding("added", "it is in no index", shown(relative))
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


def _walk(folder: Path) -> Iterator[Path]:
    """All that is no folder, in order; a link is what it is."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _edited(archive: Archive, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """Rows that are not what the log's last entry of each has sealed, and rows that are gone."""
    with archive.reading() as db:
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
    """What :func:`mend` did: each in words; ``again`` are phones that may still have files."""

    done: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)


def mend(archive: Archive, found: Audit) -> Mended:
    """Put right what can be: names and modes here, lost bytes by being pulled again.

    A file with wrong bytes is set aside, not removed. Each step is in the custody log. What a
    killed run left is seen to by opening the archive for writing, which this needs.
    """
    require_writer(archive)
    mended, phones = Mended(), set[str]()
    for one in found.findings:
        if one.kind == "renamed" and one.path and one.found:
            _rename(archive, one.found, one.path)
            _log(archive, "renamed back", one, {"from": one.found})
            mended.done.append(f"{one.path} has its name again")
        elif one.kind == "mode" and one.path:
            with disk_errors(archive.store.locate(one.path)):
                archive.store.locate(one.path).chmod(0o400)
            mended.done.append(f"{one.path} is read-only and private again")
        elif one.kind in ("missing", "changed") and one.path and one.sha256:
            if one.kind == "changed":
                aside = _set_aside(archive, one.path)
                _log(archive, "set aside", one, {"to": aside})
                mended.done.append(f"{one.path} has wrong bytes: it was moved to {aside}")
            phones |= _see_again(archive, one.sha256)
    mended.again = sorted(phones)
    return mended


def _rename(archive: Archive, now: str, then: str) -> None:
    source, final = archive.store.locate(now), archive.store.locate(then)
    with disk_errors(final):
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.link(source, final, follow_symlinks=False)  # never over another file
        source.unlink()
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
        final.rename(folder / name)
        sync_folder(final.parent)
        sync_folder(folder)
    return f"{ASIDE}/{name}"


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
