"""`offhook verify`: what is done to an archive behind its back is found, and put right."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive, Recording
from agent.archive.audit import ASIDE, audit, mend
from agent.phone.calls import LoggedCall
from agent.sync import SyncEngine
from tests.faults.memory import SPOOL, START_MS, Clock, MemoryPhone, wav


def record(phone: MemoryPhone, name: str, sound: bytes, sidecar: dict[str, Any] | None) -> None:
    phone.put(f"{SPOOL.path}/{name}.wav", sound)
    if sidecar is not None:
        phone.put(f"{SPOOL.path}/{name}.json", json.dumps(sidecar).encode())


@pytest.fixture
def phone() -> MemoryPhone:
    phone = MemoryPhone(chunk=65536)
    for number in range(3):
        start = START_MS + number * 60_000
        record(phone, f"call{number}", wav(0.3 + number / 10), {"schema": 1, "started_ms": start})
    return phone


@pytest.fixture
def archive(tmp_path: Path, phone: MemoryPhone) -> Iterator[Archive]:
    with Archive(tmp_path / "home", write=True, clock=Clock()) as opened:
        SyncEngine(opened, phone, [SPOOL]).run_once()
        assert len(opened.recordings()) == 3
        yield opened


def kinds(archive: Archive) -> list[str]:
    return sorted(one.kind for one in audit(archive).findings)


def first(archive: Archive) -> Recording:
    return archive.recordings()[-1]


def test_an_archive_that_nobody_touched_is_as_filed(archive: Archive) -> None:
    found = audit(archive)
    assert (found.findings, found.files) == ([], 3)
    assert found.bytes == sum(recording.size for recording in archive.recordings())


def test_what_the_program_itself_changes_is_no_finding(
    archive: Archive, phone: MemoryPhone
) -> None:
    recording = first(archive)
    archive.set_note(recording.sha256, "a note")
    archive.add_calls("MEM1", [LoggedCall(1, START_MS - 2000, 1, 1, "+4930123456", "Ada", 1)])
    archive.join_calls("MEM1")
    record(phone, "late", wav(0.7), None)
    engine = SyncEngine(archive, phone, [SPOOL])
    engine.run_once()
    record(phone, "late", wav(0.7), {"schema": 1, "started_ms": START_MS + 1})
    engine.run_once()
    assert len(archive.recordings()) == 4
    assert kinds(archive) == []


def flip(archive: Archive) -> None:
    path = archive.file_of(first(archive))
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    path.chmod(0o400)


def remove(archive: Archive) -> None:
    archive.file_of(first(archive)).unlink()


def rename(archive: Archive) -> None:
    path = archive.file_of(first(archive))
    path.rename(path.with_name("mine.wav"))


def replace_by_a_link(archive: Archive) -> None:
    path = archive.file_of(first(archive))
    path.rename(archive.home / "elsewhere.wav")
    path.symlink_to(archive.home / "elsewhere.wav")


def open_up(archive: Archive) -> None:
    archive.file_of(first(archive)).chmod(0o644)


def sql(statement: str) -> Callable[[Archive], None]:
    def run(archive: Archive) -> None:
        with sqlite3.connect(archive.home / "offhook.db") as db:
            db.execute("DROP TRIGGER IF EXISTS custody_no_update")
            db.execute("DROP TRIGGER IF EXISTS custody_no_delete")
            db.execute(statement)
        db.close()

    return run


@pytest.mark.parametrize(
    ("harm", "wanted", "mends"),
    [
        (flip, ["changed"], True),
        (remove, ["missing"], True),
        (rename, ["renamed"], True),
        (replace_by_a_link, ["changed"], True),
        (open_up, ["mode"], True),
        (sql("UPDATE recordings SET number = '+1' WHERE id = 1"), ["edited"], False),
        (sql("UPDATE recordings SET note = 'x' WHERE id = 2"), ["edited"], False),
        (sql("UPDATE custody SET at = '2020' WHERE seq = 1"), ["log"], False),
        (sql("DELETE FROM custody WHERE seq = 2"), ["log", "log", "log"], False),
    ],
    ids=["bit", "missing", "renamed", "link", "mode", "number", "note", "entry", "entry gone"],
)
def test_harm_is_found_and_mended_where_the_phone_still_has_it(
    archive: Archive,
    phone: MemoryPhone,
    harm: Callable[[Archive], None],
    wanted: list[str],
    mends: bool,
) -> None:
    before = {recording.sha256 for recording in archive.recordings()}
    harm(archive)
    assert kinds(archive) == wanted
    mend(archive, audit(archive))
    SyncEngine(archive, phone, [SPOOL]).run_once()
    assert {recording.sha256 for recording in archive.recordings()} == before
    assert kinds(archive) == ([] if mends else wanted)


def test_wrong_bytes_are_set_aside_and_never_removed(archive: Archive) -> None:
    flip(archive)
    wrong = archive.file_of(first(archive)).read_bytes()
    mend(archive, audit(archive))
    (kept,) = (archive.home / ASIDE).iterdir()
    assert kept.read_bytes() == wrong


def test_a_phone_that_has_it_no_more_leaves_it_missing(
    archive: Archive, phone: MemoryPhone
) -> None:
    remove(archive)
    phone.files.clear()
    mend(archive, audit(archive))
    SyncEngine(archive, phone, [SPOOL]).run_once()
    assert kinds(archive) == ["missing"]


def test_a_row_that_was_deleted_and_a_file_that_was_added_are_told(archive: Archive) -> None:
    sql("DELETE FROM recordings WHERE id = 3")(archive)
    (archive.store.root / "2026").joinpath("new.wav").write_bytes(b"x")
    # The sighting of what was deleted points to nothing, and the file is in no index.
    assert set(kinds(archive)) == {"added", "edited", "index"}


def test_a_part_is_left_over_only_when_nobody_writes(tmp_path: Path, archive: Archive) -> None:
    folder = archive.file_of(first(archive)).parent
    (folder / ".x.wav.00000000.part").write_bytes(b"half")
    assert kinds(archive) == []
    archive.close()
    with Archive(tmp_path / "home") as reader:
        assert kinds(reader) == ["left over"]
