"""The custody log can't be changed unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.archive.custody import GENESIS, seal
from agent.errors import ArchiveError
from tests.unit.test_archive import put


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True) as opened:
        opened.add_phone("P1")
        for number in range(5):
            put(opened, str(number).encode())
        yield opened


def tamper(archive: Archive, statement: str) -> None:
    """What somebody with the file and a SQLite shell can do."""
    connection = sqlite3.connect(archive.home / "offhook.db")
    for trigger in ("custody_no_update", "custody_no_delete", "custody_at_end"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_chain_has_nothing_wrong(archive: Archive) -> None:
    assert archive.verify_chain() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody SET actor = 'x'",
        "DELETE FROM custody WHERE seq = 5",
        "INSERT OR REPLACE INTO custody SELECT * FROM custody WHERE seq = 2",
        "REPLACE INTO custody VALUES (3, '', '', '', '', '', '', '', '', '')",
        "INSERT INTO custody VALUES (0, '', '', '', '', '', '', '', '', '')",
    ],
)
def test_the_database_refuses_to_change_it(archive: Archive, statement: str) -> None:
    with pytest.raises(ArchiveError, match="append-only"), archive.writing() as db:
        db.execute(statement)
    assert archive.verify_chain() == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE custody SET actor = 'x' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE custody SET at = '2020' WHERE seq = 1", "entry 1 was changed"),
        ("UPDATE custody SET detail = '{}' WHERE seq = 5", "entry 5 was changed"),
        ("UPDATE custody SET sha256 = NULL WHERE seq = 2", "entry 2 was changed"),
        ("DELETE FROM custody WHERE seq = 3", "entry 3 is missing (the next is 4)"),
        ("DELETE FROM custody WHERE seq = 1", "entry 1 is missing (the next is 2)"),
        ("DELETE FROM custody WHERE seq = 5", "recording 5 has no entry of its filing"),
        ("DELETE FROM custody", "recording 1 has no entry of its filing"),
    ],
)
def test_what_is_changed_behind_its_back_is_found(
    archive: Archive, statement: str, found: str
) -> None:
    tamper(archive, statement)
    assert found in archive.verify_chain()


def test_an_entry_sealed_anew_breaks_what_follows(archive: Archive) -> None:
    with archive.reading() as db:
        row = dict(next(iter(db.query("SELECT * FROM custody WHERE seq = 2"))))
    row["actor"] = "somebody else"
    tamper(
        archive, f"UPDATE custody SET actor = 'somebody else', hash = '{seal(row)}' WHERE seq = 2"
    )
    assert archive.verify_chain() == ["entry 3 does not follow from the one before it"]


def test_the_seal_is_the_documented_one() -> None:
    """Anyone can check it with a few lines of their own: so it must never change."""
    fields = {
        "seq": 1,
        "at": "2026-03-05T13:22:07.000+00:00",
        "actor": "offhook 0.1.0",
        "action": "filed",
        "sha256": "ab" * 32,
        "phone": "P1",
        "path": "/spool/ü.wav",
        "detail": "{}",
        "prev": GENESIS,
    }
    assert seal(fields) == "2f1f9ca7a96d5b333094fc013f3f75633dfe6ab618c71e047a7f8782a29b27ae"
