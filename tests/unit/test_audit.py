"""`offhook verify`: what is done to an archive behind its back is found, and put right."""

from __future__ import annotations

import errno
import json
import os
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


def test_what_another_program_files_meanwhile_is_no_finding(
    archive: Archive, phone: MemoryPhone
) -> None:
    engine = SyncEngine(archive, phone, [SPOOL])

    def while_it_reads(done: int, total: int) -> None:
        if done == total:
            record(phone, "late", wav(0.9), {"schema": 1, "started_ms": START_MS + 1})
            engine.run_once()
            archive.set_note(first(archive).sha256, "a note")

    with Archive(archive.home) as reader:
        assert audit(reader, while_it_reads).findings == []
    assert len(archive.recordings()) == 4


def test_what_is_being_filed_is_left_over_only_when_nobody_writes(archive: Archive) -> None:
    path = "2026/03/half.wav"
    archive.store.locate(path).write_bytes(b"x")
    with archive.writing() as db:
        db.execute("INSERT INTO filing (path, sha256, work) VALUES (?, '', '{}')", [path])
    assert kinds(archive) == []
    archive.close()
    with Archive(archive.home) as reader:
        assert kinds(reader) == ["left over"]


def test_an_archive_on_a_disk_of_its_own_is_looked_through(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lost+found", "closed"):
        (archive.store.root / name).mkdir()
    real = os.scandir

    def scandir(folder: Path) -> Any:
        if Path(folder).name in ("lost+found", "closed"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = [(one.kind, one.path, one.text) for one in audit(archive).findings]
    assert found == [("added", "closed", "it can't be looked into")]


def test_wrong_bytes_are_set_aside_from_another_disk_too(
    archive: Archive, phone: MemoryPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(archive)
    wrong = archive.file_of(first(archive)).read_bytes()

    def rename(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", rename)
    mended = mend(archive, audit(archive))
    assert (len(mended.done), mended.failed) == (1, [])
    (kept,) = (archive.home / ASIDE).iterdir()
    assert kept.read_bytes() == wrong
    SyncEngine(archive, phone, [SPOOL]).run_once()
    assert kinds(archive) == []


def test_a_disk_without_hard_links_is_mended_too(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    rename(archive)
    assert mend(archive, audit(archive)).failed == []
    assert kinds(archive) == []


def test_what_can_not_be_mended_is_said_and_keeps_nothing_else(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, _, oldest = archive.recordings()
    archive.file_of(newest).chmod(0o644)
    archive.file_of(oldest).chmod(0o644)
    real = Path.chmod

    def chmod(self: Path, mode: int) -> None:
        if self == archive.file_of(oldest):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(self, mode)

    monkeypatch.setattr(Path, "chmod", chmod)
    mended = mend(archive, audit(archive))
    assert mended.done == [f"{newest.path} is read-only and private again"]
    (why,) = mended.failed
    assert oldest.path in why


def test_a_disk_that_keeps_no_modes_is_not_said_to_be_mended(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_up(archive)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    mended = mend(archive, audit(archive))
    assert mended.done == []
    assert mended.failed == [f"{first(archive).path}: the disk does not keep its mode"]
