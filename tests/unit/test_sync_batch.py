"""Many files at once: what goes together, and that nothing of it is another's trouble."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from sqlite_utils import Database

from agent.archive import Archive, sightings
from agent.archive.sightings import Sighting
from agent.errors import ArchiveError, DiskFullError
from agent.sync import SyncEngine
from agent.sync.batch import BYTES, FILES, LARGEST, Ready, batches
from agent.sync.events import SyncEvent
from tests.faults.memory import SPOOL, Clock, MemoryPhone, distinct
from tests.faults.test_machine import failing

_SEEN = Sighting(1, "P", "s", "/s/a", 10, 0, "seen", None, None, 0, None, 0, 0, None)


def _ready(*sizes: int, state: str = "seen") -> list[Ready]:
    return [
        Ready(replace(_SEEN, path=f"/s/{n}", size=size, state=state), ())
        for n, size in enumerate(sizes)
    ]


def _lengths(ready: list[Ready]) -> list[int]:
    assert [one for batch in batches(ready) for one in batch] == ready
    return [len(batch) for batch in batches(ready)]


def test_a_batch_is_bounded_in_files_and_bytes_and_large_files_go_alone() -> None:
    assert _lengths([]) == []
    assert _lengths(_ready(*[10] * (2 * FILES + 1))) == [1, FILES, FILES]  # the newest first
    assert _lengths(_ready(*[LARGEST] * (BYTES // LARGEST + 1))) == [BYTES // LARGEST, 1]
    assert _lengths(_ready(10, 10, LARGEST + 1, 10, 10)) == [2, 1, 2]


def test_what_the_program_died_of_once_goes_alone() -> None:
    """Else it would take all the others of its batch with it again."""
    assert _lengths(_ready(1, 1) + _ready(1, 1, state="pulling") + _ready(1)) == [2, 1, 1, 1]


def test_the_names_of_a_batch_fit_into_one_command() -> None:
    long = [Ready(replace(_SEEN, path="/" + "x" * 4000), ()) for _ in range(20)]
    assert all(sum(len(one.sighting.path) for one in batch) < 40_000 for batch in batches(long))


@pytest.fixture
def phone() -> MemoryPhone:
    made = MemoryPhone()
    for number in range(40):
        made.put(f"/spool/{number}.json", b'{"schema": 1, "number": "117"}')
        made.put(f"/spool/{number}.wav", distinct(number % 30))  # ten are another's bytes
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True, clock=Clock()) as opened:
        yield opened
        assert opened.verify_chain() == []
        assert list(opened.store.root.rglob("*.part")) == []


def test_many_files_cost_one_hash_command_and_few_flushes(
    phone: MemoryPhone, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    statements: list[str] = []
    folders: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (folders.append(fd), real(fd)))
    phone.before_each_call = lambda what: asked.update([what])
    engine = SyncEngine(archive, phone, [SPOOL])
    engine.run_once()  # which makes tables and folders
    for number in range(40, 80):
        phone.put(f"/spool/{number}.json", b'{"schema": 1, "number": "117"}')
        phone.put(f"/spool/{number}.wav", distinct(number))
    asked.clear()
    folders.clear()
    with archive.reading() as db:
        db.conn.set_trace_callback(statements.append)
    report = engine.run_once()
    with archive.reading() as db:
        db.conn.set_trace_callback(None)
    assert len(report.filed) == 40
    assert asked["sha256_many"] == 1
    assert len(folders) == 1  # all of them are of the same month
    assert statements.count("COMMIT") < 12


@pytest.mark.parametrize("count", [1, 40])
def test_no_row_says_more_than_the_disk_has_flushed(
    phone: MemoryPhone, archive: Archive, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    engine = SyncEngine(archive, phone, [SPOOL])
    engine.run_once()
    before = len(archive.recordings())
    for number in range(40, 40 + count):
        phone.put(f"/spool/{number}.json", b'{"schema": 1, "number": "117"}')
        phone.put(f"/spool/{number}.wav", distinct(number))
    real = os.fsync

    def no_folder(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_folder)
        with pytest.raises(ArchiveError, match="Input/output error"):
            engine.run_once()
    assert len(archive.recordings()) == before
    for _ in range(3):
        engine.run_once()
    assert len(archive.recordings()) == before + count
    assert len([p for p in archive.store.root.rglob("*") if p.is_file()]) == before + count


def test_it_is_told_how_much_is_to_come_and_each_byte_that_came(
    phone: MemoryPhone, archive: Archive
) -> None:
    """A batch takes a while, and nothing of it is filed before its end."""
    events: list[SyncEvent] = []
    SyncEngine(archive, phone, [SPOOL], events.append).run_once()
    kinds = [event.kind for event in events if event.kind in ("pulling", "progress", "filed")]
    assert [kind for kind, _ in groupby(kinds)] == ["pulling", "progress", "filed"]
    done = {event.path: event.done for event in events if event.kind == "progress"}
    assert done == {event.path: event.size for event in events if event.kind == "pulling"}


def test_bytes_that_come_twice_in_a_batch_are_filed_once(
    phone: MemoryPhone, archive: Archive
) -> None:
    report = SyncEngine(archive, phone, [SPOOL]).run_once()
    assert report.whole
    assert (len(report.filed), len(report.duplicates)) == (30, 10)
    assert len(archive.recordings()) == 30
    assert len([p for p in archive.store.root.rglob("*") if p.is_file()]) == 30
    assert all(one.sidecar for one in archive.recordings())


def test_one_bad_file_is_nobody_elses_trouble(phone: MemoryPhone, archive: Archive) -> None:
    phone.lies["/spool/3.wav"] = ["0" * 64] * 3
    phone.refuses["/spool/4.wav"] = "permission denied"
    phone.claims["/spool/5.wav"] = 4
    phone.on_read["/spool/6.wav"] = lambda: phone.files.pop("/spool/6.wav") and None
    report = SyncEngine(archive, phone, [SPOOL]).run_once()
    assert {failure.path for failure in report.failed} == {"/spool/3.wav", "/spool/4.wav"}
    assert len(report.filed) + len(report.duplicates) >= 36
    assert phone.open_reads == 0


def test_a_disk_that_is_full_in_a_batch_leaves_nothing_and_it_goes_on(
    phone: MemoryPhone, archive: Archive
) -> None:
    engine = SyncEngine(archive, phone, [SPOOL])
    full = OSError(28, "full")
    for call, first in (("write", 90), ("fdatasync", 20), ("link", 20)):
        with failing((call,), first, full, once=False), pytest.raises(DiskFullError):
            engine.run_once()
        assert list(archive.store.root.rglob("*.part")) == []
        assert phone.open_reads == 0
        with archive.writing() as db:  # as if that had been another batch
            db.execute("UPDATE sightings SET state = 'seen' WHERE state = 'pulling'")
    report = engine.run_once()
    assert report.whole
    assert len(archive.recordings()) == 30
    assert len([p for p in archive.store.root.rglob("*") if p.is_file()]) == 30


def test_recordings_whose_sidecars_could_not_be_noted_are_told_and_noted_later(
    archive: Archive, phone: MemoryPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may fail once, and just then; the folder must not count as one that is done with."""
    events: list[SyncEvent] = []
    engine = SyncEngine(archive, phone, [SPOOL], events.append)
    update, failed = sightings.update, 0

    def fails_once(db: Database, sighting: Sighting, now_ms: int, **changes: object) -> None:
        nonlocal failed
        update(db, sighting, now_ms, **changes)
        if sighting.path.endswith(".json") and not failed:
            failed += 1
            raise ArchiveError("the disk failed")

    monkeypatch.setattr(sightings, "update", fails_once)
    first = engine.run_once()
    assert failed == 1
    assert len(first.filed) + len(first.duplicates) == 40
    assert Counter(one.kind for one in events)["filed"] == len(first.filed) == 30
    assert not first.idle
    for _ in range(2):
        assert SyncEngine(archive, phone, [SPOOL]).run_once().whole
    with archive.reading() as db:
        states = Counter(row["state"] for row in db.query("SELECT state FROM sightings"))
    assert states == {"filed": 80}
    assert len(phone.reads) < 40 + 2 * 40 + 40, "no recording came twice"
