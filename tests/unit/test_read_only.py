"""An archive that can't be written, as on a disk mounted so: it is read all the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.sync import SyncEngine
from tests.faults.memory import SPOOL, START_MS, MemoryPhone, wav
from tests.offhook import Offhook, Ran

Run = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    phone = MemoryPhone(chunk=65536)
    facts = {"schema": 1, "route": "alsa", "started_ms": START_MS, "number": "+41791234567"}
    phone.put("/spool/1.json", json.dumps(facts).encode())
    phone.put("/spool/1.wav", wav(1), START_MS)
    with Archive(tmp_path / "home", write=True) as archive:
        archive.add_phone(phone.serial)
        assert len(SyncEngine(archive, phone, [SPOOL]).run_once().filed) == 1
    return tmp_path / "home"


@pytest.fixture
def closed(home: Path) -> Run:
    return Offhook(home).run_closed


@pytest.mark.parametrize(
    "words",
    [("list",), ("search", "4567"), ("show", "latest"), ("calls",), ("link", "latest")],
)
def test_what_only_reads_needs_not_write(home: Path, closed: Run, words: tuple[str, ...]) -> None:
    before = sorted(home.iterdir())
    ran = closed("--json", *words)
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert words == ("calls",) or ran.json
    assert sorted(home.iterdir()) == before


def test_verify_checks_and_says_that_its_log_does_not_tell_of_it(closed: Run) -> None:
    ran = closed("verify")
    assert ran.code == 0, ran.err
    assert "1 recording, " in ran.out
    assert "its custody log does not tell of this" in ran.out


@pytest.mark.parametrize("words", [("note", "latest", "heard"), ("sync",), ("verify", "--repair")])
def test_what_has_to_write_says_that_it_cannot(
    home: Path, closed: Run, words: tuple[str, ...]
) -> None:
    if words == ("sync",):
        (home / "offhook.toml").write_text('[[phone]]\nalias = "desk"\naddress = "127.0.0.1:9"\n')
    ran = closed(*words)
    assert ran.code == 3, ran.err
    assert "can't be" in ran.err
    assert "--home" in ran.err or "lock" in ran.err


def test_what_lies_in_the_write_ahead_log_alone_is_read_too(home: Path, closed: Run) -> None:
    """As where a program was killed, and the whole was then copied to a disk mounted read-only."""
    writer = sqlite3.connect(home / "offhook.db")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE recordings SET note = 'newest'")
    writer.commit()
    for name in ("offhook.db", "offhook.db-wal"):
        shutil.copyfile(home / name, home / f"{name}.copy")
    writer.close()
    for name in ("offhook.db", "offhook.db-wal"):
        (home / f"{name}.copy").replace(home / name)
    assert closed("--json", "list").json[0]["note"] == "newest"
    assert not list(home.glob("*-shm"))


def test_while_somebody_else_writes_it_what_he_has_committed_is_read(
    home: Path, closed: Run
) -> None:
    with sqlite3.connect(home / "offhook.db") as writer:
        writer.execute("UPDATE recordings SET note = 'newest'")
        writer.commit()
        assert (home / "offhook.db-shm").exists()
        assert closed("--json", "list").json[0]["note"] == "newest"
    writer.close()


def test_an_older_archive_is_read_without_its_being_changed(home: Path, closed: Run) -> None:
    with sqlite3.connect(home / "offhook.db") as db:
        db.executescript("DROP TABLE arrivals; DROP TABLE decoding;")
        db.execute("DELETE FROM _sqlite_migrations WHERE migration_set = 'arrivals'")
    db.close()
    before = (home / "offhook.db").read_bytes()
    assert closed("--json", "show", "latest").code == 0
    assert (home / "offhook.db").read_bytes() == before
