"""An archive that does not take one file: a shorter name, or that file waits, and no other does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive, filing
from agent.archive.audit import audit
from agent.archive.names import SHORTER
from agent.archive.template import Template
from agent.errors import ArchiveError
from agent.phone.files import Source
from agent.sync import SyncEngine
from agent.sync.inbox.find import LocalFile, find
from agent.sync.inbox.take import Importer
from tests.faults.memory import START_MS, Clock, MemoryPhone, wav

CALLS = Source("calls", "/sdcard/Calls", atomic=True)
_CALLS = ("open", "link", "mkdir", "rename", "stat", "lstat")
NAMES = Template.parse("{year}/{contact}/{date}_{name}")


def refuse(monkeypatch: pytest.MonkeyPatch, number: int, where: Callable[[str], bool]) -> list[str]:
    """From now on the system has this error for each name that is so; those that it was asked for."""
    asked: list[str] = []

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            for arg in args:
                if isinstance(arg, (str, os.PathLike)) and where(name := Path(arg).name):
                    asked.append(name)
                    raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call

    for name in _CALLS:
        monkeypatch.setattr(os, name, wrapped(getattr(os, name)))
    return asked


def short(name: str, most: int = 143) -> bool:
    """Whether a file system such as eCryptfs refuses a name."""
    return len(name.encode()) > most


def phone_of(*names: str) -> MemoryPhone:
    """Its recordings, the newest first."""
    phone = MemoryPhone()
    for number, name in enumerate(names):
        phone.put(f"{CALLS.path}/{name}.wav", wav(0.2 + number), START_MS - number * 60_000)
    return phone


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("letter", ["n", "語"])
def test_a_name_that_is_too_long_for_the_disk_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int, letter: str
) -> None:
    long = letter * (240 // len(letter.encode()))
    phone = phone_of(long, *(f"plain {number}" for number in range(others)))
    names = Template.parse("{year}/{date} {name} {name}")  # a field has a hundred bytes at most
    with Archive(tmp_path, write=True, template=names) as archive:
        with monkeypatch.context() as patched:
            asked = refuse(patched, errno.ENAMETOOLONG, short)
            report = SyncEngine(archive, phone, [CALLS]).run_once()
            assert (len(report.filed), report.failed) == (1 + others, [])
            assert asked
            assert not any(short(path.name) for path in (archive.store.root / "2026").iterdir())
        recording = report.filed[0]
        assert recording.path.startswith(f"2026/2026-03-05 {letter * 20}")
        assert recording.path.endswith(".wav")
        assert recording.original_name == f"{long}.wav"
        archive.store.check(recording.path, recording.sha256)
        with archive.reading() as db:
            assert db.execute("SELECT count(*) FROM filing").fetchone() == (0,)
        assert audit(archive).findings == []


def test_a_name_that_fits_without_that_of_its_part_is_not_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Template.parse("{date} {name} " + "n" * 20)
    phone = phone_of("m" * 100)
    with Archive(tmp_path, write=True, template=names) as archive:
        refuse(monkeypatch, errno.ENAMETOOLONG, short)
        (recording,) = SyncEngine(archive, phone, [CALLS]).run_once().filed
    assert len(recording.path) == 10 + 1 + 100 + 1 + 20 + len(".wav")


def test_what_was_killed_before_it_could_have_its_long_name_keeps_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[ArchiveError] = []
    with Archive(tmp_path, write=True) as archive, archive.writing() as db:
        (archive.store.root / "2026").mkdir()
        db.execute("INSERT INTO filing (path, sha256, work) VALUES (?, 'aa', '{}')", ["n" * 170])
    refuse(monkeypatch, errno.ENAMETOOLONG, short)
    with Archive(tmp_path, write=True, tell=told.append) as archive, archive.reading() as db:
        assert db.execute("SELECT count(*) FROM filing").fetchone() == (0,)
    assert told == []


@pytest.mark.parametrize("others", [1, 3])
def test_a_file_that_the_archive_does_not_take_keeps_no_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """The newest is pulled first: none that is older ever came."""
    phone = phone_of("secret", *(f"plain {number}" for number in range(others)))
    clock = Clock()
    with Archive(tmp_path, write=True, clock=clock, template=NAMES) as archive:
        engine = SyncEngine(archive, phone, [CALLS])
        with monkeypatch.context() as patched:
            refuse(patched, errno.EIO, lambda name: "secret" in name)
            for _ in range(2):
                report = engine.run_once(retry_failed=False)
        assert len(archive.recordings()) == others
        assert report.again_in_s is not None  # a watch comes back for it
        with archive.reading() as db:
            ((error, tries, due),) = db.execute(
                "SELECT error, tries, next_try_ms FROM sightings WHERE state = 'failed'"
            ).fetchall()
        assert error == "the archive does not take it: Input/output error"
        assert (tries, due > clock.ms) == (1, True)
        clock.go(report.again_in_s + 1)
        assert len(engine.run_once(retry_failed=False).filed) == 1
        assert audit(archive).findings == []


def test_what_is_told_of_it_names_no_one_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive(tmp_path, write=True, template=NAMES) as archive:
        refuse(monkeypatch, errno.EACCES, lambda name: "secret" in name)
        (failure,) = SyncEngine(archive, phone_of("secret"), [CALLS]).run_once().failed
    assert failure.reason == "the archive does not take it: Permission denied"
    assert failure.hint is not None
    assert "writable" in failure.hint


def test_where_the_whole_archive_is_not_there_nothing_of_a_file_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = phone_of("a", "b")
    with Archive(tmp_path, write=True) as archive:
        engine = SyncEngine(archive, phone, [CALLS])
        with monkeypatch.context() as patched, pytest.raises(ArchiveError) as raised:
            refuse(patched, errno.EROFS, lambda name: name.endswith(".part"))
            engine.run_once()
        assert raised.value.message == f"{archive.store.root}: Read-only file system"
        assert "read-only" in (raised.value.hint or "")
        with archive.reading() as db:
            found = db.execute("SELECT DISTINCT state, tries, error FROM sightings").fetchall()
        assert found == [("seen", 0, None)]
        assert [path for path in archive.store.root.rglob("*") if path.is_file()] == []


def test_a_file_in_the_inbox_that_the_archive_does_not_take_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number, name in enumerate(("a secret", "plain")):
        (inbox / f"{name}.wav").write_bytes(wav(0.2 + number))
    with Archive(tmp_path / "home", write=True, template=NAMES) as archive:
        files = [one for one in find([str(inbox)]) if isinstance(one, LocalFile)]
        refuse(monkeypatch, errno.EIO, lambda name: "secret" in name and name.endswith(".part"))
        importer = Importer(archive, "import")
        outcomes = {Path(file.path).stem: importer.take(file) for file in files}
    assert outcomes["plain"].action == "filed"
    assert outcomes["a secret"].action == "failed"
    assert outcomes["a secret"].reason == "the archive does not take it: Input/output error"


def test_a_try_whether_the_archive_takes_anything_leaves_nothing(tmp_path: Path) -> None:
    with Archive(tmp_path, write=True) as archive:
        archive.store.prove()
        assert list(archive.store.root.iterdir()) == []
        left = archive.store.root / ".0123.part"  # by one that was killed in the middle of it
        left.mkdir()
        (left / ".a.part").write_bytes(b"offhook")
    with Archive(tmp_path, write=True) as archive:
        assert list(archive.store.root.iterdir()) == []


def test_what_lies_in_the_archive_already_is_found_by_its_shorter_name(tmp_path: Path) -> None:
    """A power cut took its row, and not its file."""
    new = filing.NewRecording("n" * 240 + ".wav", START_MS * 1_000_000)
    names = Template.parse("{date} {name} {name}")
    with Archive(tmp_path, write=True, template=names) as archive:
        part = archive.begin(new)
        part.write(b"voice")
        part.seal()
        paths = filing._paths_of(archive, new, part.sha256, None, SHORTER)
        assert len(paths) == len(SHORTER)
        assert archive.store.place(part, paths[1])
        again = archive.begin(new)
        again.write(b"voice")
        recording, _ = filing.file_part(archive, again, new)
        assert recording.path == str(paths[1])


def test_where_a_known_one_can_not_be_looked_at_what_came_with_it_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were filed, pulled once more, and then told as what had been there before."""
    phone = phone_of("secret")
    with Archive(tmp_path, write=True, template=NAMES) as archive:
        engine = SyncEngine(archive, phone, [CALLS])
        assert len(engine.run_once().filed) == 1
        phone.put(f"{CALLS.path}/again.wav", wav(0.2), START_MS)
        for number in range(2):
            phone.put(f"{CALLS.path}/plain {number}.wav", wav(1.2 + number), START_MS)
        refuse(monkeypatch, errno.EACCES, lambda name: name.endswith("secret.wav"))
        report = engine.run_once()
        assert len(report.failed) == 1
        assert (len(report.filed), len(report.duplicates)) == (2, 0)
        for recording in report.filed:
            assert [one.action for one in archive.custody_of(recording.sha256)] == ["filed"]
