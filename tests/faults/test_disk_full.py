"""A disk without room: one clear error, nothing half done, and it goes on when there is room."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlite_utils import Migrations

from agent.archive import Archive
from agent.archive.audit import audit
from agent.archive.consents import CONSENTS
from agent.archive.template import Template
from agent.errors import ArchiveError, DiskFullError
from agent.sync import SyncEngine
from tests.faults.memory import SPOOL, Clock, MemoryPhone, wav
from tests.faults.test_machine import failing

_SCRIPT = """
import resource, sys
from pathlib import Path
from agent.archive import Archive
from agent.errors import DiskFullError
from agent.sync import SyncEngine
from tests.faults.memory import SPOOL, MemoryPhone, wav

phone = MemoryPhone(chunk=65536)
phone.put("/spool/long.json", b'{"schema": 1}')
phone.put("/spool/long.wav", wav(60))
with Archive(Path(sys.argv[1]), write=True) as archive:
    engine = SyncEngine(archive, phone, [SPOOL])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    try:
        engine.run_once()
    except DiskFullError as error:
        print("full:", error.hint)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("left:", [p.name for p in archive.store.root.rglob("*") if p.is_file()])
    print("then:", len(engine.run_once().filed), archive.verify_chain())
"""


def test_a_full_disk_stops_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "full: Free some space; what was not taken is still on the phone.",
        "left: []",
        "then: 1 []",
    ]


@pytest.mark.parametrize("call", ["write", "fdatasync", "link", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_of_any_call_is_the_archives_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    phone = MemoryPhone()
    phone.put("/spool/a.json", b'{"schema": 1}')
    phone.put("/spool/a.wav", wav())
    with Archive(tmp_path, write=True) as archive:
        engine = SyncEngine(archive, phone, [SPOOL])

        def broken(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(os, call, broken)
            with pytest.raises(ArchiveError) as raised:
                engine.run_once()
        assert isinstance(raised.value, DiskFullError) == (number != errno.EIO)
        assert [p for p in archive.store.root.rglob("*") if p.is_file()] == []
        assert phone.open_reads == 0
        assert len(engine.run_once().filed) == 1
        assert archive.verify_chain() == []


def test_what_a_disk_refuses_to_remove_hides_no_error_and_goes_later(tmp_path: Path) -> None:
    phone = MemoryPhone()
    phone.put("/spool/a.json", b'{"schema": 1}')
    phone.put("/spool/a.wav", wav())
    refusal = OSError(errno.EACCES, "no")
    with Archive(tmp_path, write=True) as archive:
        archive.ensure(CONSENTS)
        engine = SyncEngine(archive, phone, [SPOOL])
        with (
            failing(("unlink",), 1, refusal, once=False),
            pytest.raises(ArchiveError),
        ):
            engine.run_once()
        assert len(engine.run_once().filed) == 1
    with Archive(tmp_path, write=True) as archive:
        files = [p for p in archive.store.root.rglob("*") if p.is_file()]
        assert files == [archive.file_of(one) for one in archive.recordings()]
        assert files[0].stat().st_nlink == 1


def test_bytes_that_had_their_name_when_the_disk_failed_keep_it_whatever_they_come_as(
    tmp_path: Path,
) -> None:
    phone = MemoryPhone()
    phone.put("/spool/a.json", b'{"schema": 1}')
    phone.put("/spool/a.wav", wav())
    with Archive(tmp_path, write=True) as archive:
        archive.ensure(CONSENTS)
        engine = SyncEngine(archive, phone, [SPOOL])
        error = OSError(errno.EIO, "no")
        with failing(("unlink",), 1, error, once=False), pytest.raises(ArchiveError):
            engine.run_once()
        del phone.files["/spool/a.wav"]
        phone.put("/spool/b.json", b'{"schema": 1, "number": "117"}')
        phone.put("/spool/b.wav", wav())
        assert len(engine.run_once().filed) == 1
    with Archive(tmp_path, write=True) as archive:
        assert audit(archive).findings == []


def test_no_room_for_the_copy_before_a_change_of_tables_is_the_archives_error(
    tmp_path: Path,
) -> None:
    with Archive(tmp_path, write=True) as archive:
        archive.add_phone("MEM1")
        tables = Migrations("tables")
        tables(name="0001_first")(lambda db: db.execute("CREATE TABLE more (id INTEGER) STRICT"))
        archive.ensure(tables)
        tables(name="0002_wider")(lambda db: db.execute("ALTER TABLE more ADD COLUMN wide TEXT"))
        full = OSError(errno.ENOSPC, "full")
        with failing(("open",), 1, full, once=False), pytest.raises(DiskFullError):
            archive.ensure(tables)
        archive.ensure(tables)
        assert (tmp_path / "offhook-before-tables-0002_wider.db").exists()


class _Usage(NamedTuple):
    total: int
    free: int


def test_what_has_no_room_is_not_begun_waits_and_keeps_no_smaller_one_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = MemoryPhone()
    for name, seconds in (("large", 60), ("small", 0.2)):
        phone.put(f"/spool/{name}.json", b'{"schema": 1}')
        phone.put(f"/spool/{name}.wav", wav(seconds))
    clock = Clock()
    with Archive(tmp_path, write=True, clock=clock) as archive:
        engine = SyncEngine(archive, phone, [SPOOL])
        with monkeypatch.context() as patched:
            patched.setattr(
                shutil, "disk_usage", lambda _: _Usage(1 << 40, free=33_000_000 + 2**20)
            )
            for _ in range(2):
                report = engine.scan(SPOOL)
        assert len(archive.recordings()) == 1
        assert phone.sent["/spool/large.wav"] == 0
        assert report.again_in_s is not None  # a watch comes back for it
        clock.go(report.again_in_s + 1)
        assert len(engine.scan(SPOOL).filed) == 1


def test_a_disk_without_hard_links_gets_its_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    phone = MemoryPhone()
    for name in "ab":
        phone.put(
            f"/spool/{name}.json", b'{"schema": 1, "number": "117", "started_ms": 1772716927000}'
        )
        phone.put(f"/spool/{name}.wav", wav(0.2 if name == "a" else 0.3))
    names = Template.parse("{date}_{number}")
    with Archive(tmp_path, write=True, template=names) as archive:
        report = SyncEngine(archive, phone, [SPOOL]).run_once()
        assert len(report.filed) == 2
        assert len({one.path for one in archive.recordings()}) == 2
        for one in archive.recordings():
            archive.store.check(one.path, one.sha256)


@pytest.mark.parametrize("together", [False, True])
def test_a_disk_that_fills_up_again_and_again_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    phone = MemoryPhone()
    for number in range(1 + together):
        phone.put(f"/spool/{number}.json", b'{"schema": 1}')
        phone.put(f"/spool/{number}.wav", wav(0.2 + number))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Archive(tmp_path, write=True) as archive:
        engine = SyncEngine(archive, phone, [SPOOL])
        for _ in range(4):
            with monkeypatch.context() as patched, pytest.raises(DiskFullError):
                patched.setattr(os, "write", full)
                engine.run_once()
        filed = engine.run_once().filed
        assert [one.problem for one in filed] == [None] * (1 + together)
