"""The archive as a whole: opening, locking, phones, calls, what is found again."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database, Migrations

from agent.archive import Archive, Fact, NewRecording, Recording, filing, live, store
from agent.archive.audit import audit, mend
from agent.archive.filing import file_part
from agent.archive.lock import held_for
from agent.errors import (
    ArchiveError,
    BusyError,
    ConfigError,
    NoRecordingError,
    UsageError,
)
from agent.phone.calls import LoggedCall

START = 1_772_716_927_000


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "home", write=True) as opened:
        opened.add_phone("P1", alias="desk")
        yield opened


def put(archive: Archive, data: bytes, *, name: str = "x.wav", **facts: Any) -> Recording:
    """File bytes with facts; ``flags``, ``sound`` and ``phone`` are what they are called."""
    stated = {"started_ms": START, **facts}
    new = NewRecording(
        name,
        START * 1_000_000,
        phone=stated.pop("phone", "P1"),
        flags=stated.pop("flags", []),
        sound=stated.pop("sound", {}),
        facts={},
    )
    new.facts = {key: Fact(value, "test", "told") for key, value in stated.items()}
    part = archive.begin(new)
    part.write(data)
    return file_part(archive, part, new)[0]


def test_only_its_owner_can_read_any_of_it(archive: Archive) -> None:
    recording = put(archive, b"voice")
    for path in archive.home.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, path
    assert stat.S_IMODE(archive.file_of(recording).stat().st_mode) == 0o400


def test_one_writer_at_a_time_and_readers_always(archive: Archive) -> None:
    with pytest.raises(BusyError, match=rf"process {os.getpid()} \('sync'"):
        Archive(archive.home, write=True).__enter__()
    recording = put(archive, b"voice")
    with Archive(archive.home) as reader:
        reader.set_note(recording.sha256, "from elsewhere")
    assert archive.recording(recording.sha256).note == "from elsewhere"
    archive.close()
    with Archive(archive.home, write=True):
        pass


def test_what_a_power_cut_left_in_the_lock_names_nobody(tmp_path: Path) -> None:
    with Archive(tmp_path, write=True, purpose="watch") as archive:
        left = json.loads(archive.lock.path.read_bytes())
        assert held_for(archive.lock.path) == "watch"
    # The process number is another's after the computer has started again.
    archive.lock.path.write_text(json.dumps(left | {"boot": "another"}))
    assert held_for(archive.lock.path) is None


def test_a_file_system_without_locks_is_not_said_to_be_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_fd: int, how: int) -> None:
        if how & fcntl.LOCK_NB:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ConfigError, match="can't be locked"), Archive(tmp_path, write=True):
        pass


def test_an_archive_whose_disk_is_not_there_is_not_filled_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Archive(home, write=True) as archive:
        archive.add_phone("P1")
        put(archive, b"voice")
    root = home / "archive"
    root.rename(tmp_path / "disk")
    root.mkdir()
    (root / "lost+found").mkdir()
    for _ in range(2):
        with pytest.raises(ArchiveError, match="is empty") as refused, Archive(home, write=True):
            pass
        assert refused.value.hint is not None
        assert "not mounted" in refused.value.hint
    assert held_for(home / "offhook.lock") is None
    with Archive(home) as archive:
        assert len(archive.recordings()) == 1
        assert [one.kind for one in audit(archive).findings] == ["missing"]
    with pytest.raises(ArchiveError, match="is empty"):  # its disk may be away for verify, too
        Archive(home, write=True, purpose="verify").__enter__()
    assert [path.name for path in root.iterdir()] == ["lost+found"]
    (root / "lost for good").mkdir()
    with Archive(home, write=True, purpose="verify") as archive:
        mend(archive, audit(archive))
    with Archive(home, write=True) as archive:  # its user knows that they are lost
        put(archive, b"another voice")


def test_nothing_is_filed_on_another_disk_than_it_began_on(tmp_path: Path) -> None:
    home, other = tmp_path / "home", Path(tempfile.mkdtemp(dir="/dev/shm"))
    assert other.stat().st_dev != tmp_path.stat().st_dev
    try:
        with Archive(home, write=True) as archive:
            archive.add_phone("P1")
            put(archive, b"voice")
            archive.store.root.rename(tmp_path / "disk")
            archive.store.root.symlink_to(other)
            with pytest.raises(ArchiveError, match="another disk"):
                put(archive, b"another voice")
            assert list(other.iterdir()) == []
            archive.store.root.unlink()
            (tmp_path / "disk").rename(archive.store.root)
            put(archive, b"another voice")
    finally:
        shutil.rmtree(other)


def test_a_disk_that_comes_back_under_another_number_is_filed_on_again(tmp_path: Path) -> None:
    home, other = tmp_path / "home", Path(tempfile.mkdtemp(dir="/dev/shm"))
    assert other.stat().st_dev != tmp_path.stat().st_dev
    try:
        with Archive(home, write=True) as archive:
            archive.add_phone("P1")
            first = put(archive, b"voice")
            shutil.copytree(archive.store.root, other / "disk")
            archive.store.root.rename(tmp_path / "gone")
            archive.store.root.symlink_to(other / "disk")
            second = put(archive, b"another voice", started_ms=START + 1000)
            assert {archive.file_of(one).exists() for one in (first, second)} == {True}
    finally:
        shutil.rmtree(other)


def test_what_was_being_recorded_here_is_not_forgotten_while_its_disk_is_away(
    tmp_path: Path,
) -> None:
    with Archive(tmp_path, write=True) as archive:
        part = archive.begin(NewRecording("a.flac", 0, phone="P1"), keep=True)
        part.write(b"the first call of all")
        live.keep(archive, part.path, "P1", {})
        part.discard()
    root = tmp_path / "archive"
    root.rename(tmp_path / "disk")
    root.mkdir()
    with pytest.raises(ArchiveError, match="is empty"), Archive(tmp_path, write=True):
        pass
    root.rmdir()
    (tmp_path / "disk").rename(root)
    with Archive(tmp_path, write=True) as archive:
        assert [archive.store.locate(one.part) for one in live.parts(archive)] == [part.path]
        assert part.path.exists()


def test_an_archive_that_is_a_link_to_a_disk_that_is_away_says_so(tmp_path: Path) -> None:
    (tmp_path / "archive").symlink_to(tmp_path / "disk" / "archive")
    with pytest.raises(ArchiveError, match=r"a link to .*, which is not there") as refused:
        Archive(tmp_path, write=True).__enter__()
    assert "not mounted" in (refused.value.hint or "")


def test_a_reader_can_not_file(tmp_path: Path) -> None:
    with Archive(tmp_path) as reader:
        reader.add_phone("P1")
        with pytest.raises(ArchiveError):
            put(reader, b"voice")


def test_a_home_that_can_not_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as raised:
        Archive(tmp_path / "file" / "home").__enter__()
    assert raised.value.hint is not None


def test_a_damaged_index_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "offhook.db").write_bytes(b"this is not SQLite" * 100)
    with pytest.raises(ArchiveError, match="damaged"):
        Archive(tmp_path).__enter__()


def test_before_a_migration_the_index_is_copied_aside(archive: Archive) -> None:
    recording = put(archive, b"voice")
    extra = Migrations("extra")

    @extra(name="0001_more")
    def more(db: Database) -> None:
        db.execute("CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT")

    archive.ensure(extra)
    assert list(archive.home.glob("*-before-*")) == []  # its first tables: nothing was touched

    @extra(name="0002_wider")
    def wider(db: Database) -> None:
        db.execute("ALTER TABLE more ADD COLUMN wide TEXT")

    archive.ensure(extra)
    copy = archive.home / "offhook-before-extra-0002_wider.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    kept = Database(str(copy))
    assert [row["sha256"] for row in kept["recordings"].rows] == [recording.sha256]
    assert "wide" not in kept["more"].columns_dict
    kept.close()
    stamp = copy.stat().st_mtime_ns
    archive.ensure(extra)
    assert copy.stat().st_mtime_ns == stamp


def test_a_failing_migration_changes_nothing(archive: Archive) -> None:
    broken = Migrations("broken")

    @broken(name="0001_half")
    def half(db: Database) -> None:
        db.execute("CREATE TABLE half (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE half (id INTEGER PRIMARY KEY)")

    with pytest.raises(ArchiveError):
        archive.ensure(broken)
    with archive.reading() as db:
        assert "half" not in db.table_names()


def test_an_index_of_a_newer_program_is_refused(archive: Archive) -> None:
    with archive.writing() as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('archive', '9999_future', 'x')"
        )
    with pytest.raises(ArchiveError, match="newer"):
        Archive(archive.home).__enter__()


def test_a_phone_keeps_what_was_known_of_it(archive: Archive) -> None:
    archive.add_phone("P1", model="Test \udcff\0Phone", address="192.0.2.1:5555")
    (phone,) = archive.phones()
    assert (phone.alias, phone.model, phone.address) == (
        "desk",
        "Test \\xffPhone",
        "192.0.2.1:5555",
    )
    assert phone.name == "desk"


def test_filters(archive: Archive) -> None:
    archive.add_phone("P2")
    one = put(archive, b"1", number="+41791234567", contact="Ada 100%", direction="in")
    two = put(
        archive,
        b"2",
        number="0445556677",
        direction="out",
        started_ms=START + 5000,
        phone="P2",
        sound={"silent": 1},
    )
    three = put(archive, b"3", started_ms=START + 9000, sound={"silent": 0})

    def ids(**filters: Any) -> list[int]:
        return [found.id for found in archive.recordings(**filters)]

    assert ids() == [three.id, two.id, one.id]
    assert ids(limit=1) == [three.id]
    assert ids(since_ms=START + 5000, until_ms=START + 9000) == [two.id]
    assert ids(number="079 123 45 67") == [one.id]
    assert ids(number="6677") == [two.id]
    assert ids(number="66") == []
    assert ids(contact="ada") == [one.id]
    assert ids(contact="100%") == [one.id]
    assert ids(contact="1%0") == []
    assert ids(direction="out") == [two.id]
    assert ids(silent=True) == [two.id]
    assert ids(silent=False) == [three.id]
    assert ids(phone="P2") == [two.id]
    assert ids(phone="desk") == [three.id, one.id]


def test_a_recording_is_found_by_number_by_hash_and_as_the_latest(archive: Archive) -> None:
    one = put(archive, b"1")
    two = put(archive, b"2", started_ms=START + 1)
    assert archive.resolve("latest") == two
    assert archive.resolve(str(one.id)) == one
    assert archive.resolve(f"#{one.id}") == one
    assert archive.resolve(one.sha256[:6].upper()) == one
    for nothing in ("99", "ffffffff", "", "x" * 64, one.sha256[:3] + "z", "9" * 30):
        with pytest.raises(NoRecordingError):
            archive.resolve(nothing)


def test_a_start_that_several_hashes_have_is_refused(archive: Archive) -> None:
    found: dict[str, bytes] = {}
    for number in range(400):
        recording = put(archive, str(number).encode())
        if recording.sha256[:4] in found:
            with pytest.raises(NoRecordingError, match="several"):
                archive.resolve(recording.sha256[:4])
            return
        found[recording.sha256[:4]] = b""
    raise AssertionError("no two hashes begin alike")


def test_no_recording_at_all(archive: Archive) -> None:
    assert archive.recordings() == []
    with pytest.raises(NoRecordingError) as raised:
        archive.resolve("latest")
    assert raised.value.hint == "Pull some: offhook sync"
    with pytest.raises(UsageError):
        archive.search("  ")


def test_a_note_is_set_taken_away_and_in_the_custody_log(archive: Archive) -> None:
    recording = put(archive, b"1")
    archive.set_note(recording.sha256, "call back \udcff")
    assert archive.recording(recording.sha256).note == "call back \\xff"
    archive.set_note(recording.sha256, "")
    assert archive.recording(recording.sha256).note is None
    actions = [entry.action for entry in archive.custody_of(recording.sha256)]
    assert actions == ["filed", "note changed", "note changed"]


def call(at_s: float, duration_s: int, kind: int = 1, number: str = "0791234567") -> LoggedCall:
    date = START + round(at_s * 1000)
    return LoggedCall(date % 100_000, date, duration_s, kind, number, "Ada", 1, raw=f"Row {at_s}")


@pytest.mark.parametrize(
    ("calls", "facts", "joined"),
    [
        ([call(-7, 30)], {}, True),  # rang 7 s, recorded from the answer
        ([call(0, 20, 2)], {"direction": "out"}, True),  # recorded from dialling, rang 10 s
        ([call(-7, 30, 2)], {"direction": "in"}, False),
        ([call(-7, 30)], {"number": "0445556677"}, False),
        ([call(-7, 30)], {"number": "+41791234567"}, True),
        ([call(-7, 60)], {}, False),  # too long
        ([call(-200, 30)], {}, False),  # rang for more than two minutes
        ([call(10, 30)], {}, False),  # began after it
        ([call(-7, 30, 3)], {}, False),  # missed
        ([call(-7, 30), call(-9, 30, number="117")], {}, False),  # either
        ([call(-7, 30), call(-9, 30, number="117")], {"number": "117"}, True),
        ([call(-7, 300)], {"flags": ["cut"]}, True),
    ],
)
def test_a_recording_is_joined_with_the_one_call_that_fits(
    archive: Archive, calls: list[LoggedCall], facts: dict[str, Any], joined: bool
) -> None:
    recording = put(archive, b"1", ended_ms=START + 30_000, **facts)
    assert archive.add_calls("P1", calls) == len(calls)
    assert archive.add_calls("P1", calls) == 0
    found = archive.join_calls("P1")
    assert [one.id for one in found] == ([recording.id] if joined else [])
    assert archive.join_calls("P1") == []
    if joined:
        kept = archive.recording(recording.sha256)
        assert kept.contact == "Ada"
        assert kept.facts["contact"]["source"].startswith("call log, ")
        assert kept.facts["contact"]["confidence"] == "joined"
        assert archive.search("ada") == [kept]


def test_a_call_that_comes_later_joins_then_and_says_how_far_apart(archive: Archive) -> None:
    recording = put(archive, b"1", ended_ms=START + 30_000, number="+493011700117")
    assert archive.join_calls("P1") == []
    archive.add_calls("P1", [call(-7, 30, number="+493011700117")])
    (found,) = archive.join_calls("P1")
    assert found.facts["contact"]["source"] == "call log, 7 s apart"
    assert found.facts["number"]["source"] == "test"  # what was known stays
    entry = archive.custody_of(recording.sha256)[-1]
    assert (entry.action, entry.detail["date_ms"]) == ("joined with a call", START - 7000)
    assert "3011700117" not in json.dumps(entry.detail).replace(str(START - 7000), "")


def test_a_private_number_of_the_call_log_is_not_a_number(archive: Archive) -> None:
    recording = put(archive, b"1", ended_ms=START + 30_000)
    archive.add_calls("P1", [LoggedCall(1, START, 30, 1, "-2", None, 2, raw="Row")])
    archive.join_calls("P1")
    assert archive.recording(recording.sha256).number is None
    assert archive.recording(recording.sha256).direction == "in"


def test_a_filing_that_was_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    with Archive(tmp_path, write=True) as archive:
        archive.add_phone("P1")
        recording = put(archive, b"voice", number="117")
        with archive.writing() as db:
            db.execute("DELETE FROM search")
            row = next(iter(db.query("SELECT * FROM recordings")))
            db.execute("DELETE FROM recordings")
            del row["id"], row["path"]
            work = json.dumps({"row": row, "sighting": None, "remote": None, "how": {}})
            db.execute(
                "INSERT INTO filing (path, sha256, work) VALUES (?, ?, ?)",
                [recording.path, recording.sha256, work],
            )
    with Archive(tmp_path, write=True) as archive:
        (found,) = archive.search("117")
        assert found.sha256 == recording.sha256
        with archive.reading() as db:
            assert db.execute("SELECT count(*) FROM filing").fetchone()[0] == 0


@pytest.mark.parametrize("pulled_again", [False, True])
def test_an_unfinished_filing_that_can_not_be_read_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pulled_again: bool
) -> None:
    told: list[ArchiveError] = []

    def begun(archive: Archive) -> list[str]:
        with archive.reading() as db:
            return [path for (path,) in db.execute("SELECT path FROM filing ORDER BY path")]

    with Archive(tmp_path, write=True) as archive:
        archive.add_phone("P1")
        one, two = put(archive, b"one", name="1.wav"), put(archive, b"two", name="2.wav")
        with archive.writing() as db:
            for row in list(db.query("SELECT * FROM recordings")):
                path, sha256 = row.pop("path"), row["sha256"]
                del row["id"]
                work = json.dumps({"row": row, "sighting": None, "remote": None, "how": {}})
                db.execute("INSERT INTO filing VALUES (?, ?, ?)", [path, sha256, work])
            db.execute("DELETE FROM search")
            db.execute("DELETE FROM recordings")
    ill = archive.store.locate(one.path)

    def sick(path: Path) -> str:
        if path == ill:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return store.sha256_of(path)

    with monkeypatch.context() as disk:
        disk.setattr(filing, "sha256_of", sick)
        for count in (1, 2):  # said once at each opening
            with Archive(tmp_path, write=True, tell=told.append) as archive:
                assert archive.has(two.sha256)
                assert begun(archive) == [one.path]
                assert [one.path in each.message for each in told] == [True] * count
                assert told[0].hint is not None
        if pulled_again:
            with Archive(tmp_path, write=True) as archive:
                again = put(archive, b"one", name="1.wav")
                assert (again.sha256, begun(archive)) == (one.sha256, [])
                assert again.path != one.path
    assert ill.read_bytes() == b"one"  # it was left alone
    with Archive(tmp_path, write=True) as archive:
        assert begun(archive) == []
        assert archive.file_of(archive.recording(one.sha256)).read_bytes() == b"one"
        assert (archive.recording(one.sha256).path == one.path) != pulled_again


def test_parts_of_a_dead_run_are_removed_but_only_by_a_writer(tmp_path: Path) -> None:
    with Archive(tmp_path, write=True) as archive:
        part = archive.begin(NewRecording("x.wav", START * 10**6))
        part.write(b"half")
        part._close()
    with Archive(tmp_path):
        assert part.path.exists()
    with Archive(tmp_path, write=True):
        assert not part.path.exists()


def test_a_file_lost_from_the_store_is_put_back_when_its_bytes_come_again(
    archive: Archive,
) -> None:
    recording = put(archive, b"voice")
    archive.file_of(recording).unlink()
    again = put(archive, b"voice")
    assert again.id == recording.id
    archive.store.check(recording.path, recording.sha256)
    assert [e.action for e in archive.custody_of(recording.sha256)] == ["filed", "restored"]


@pytest.mark.parametrize(("purpose", "words"), [("watch", "by itself"), ("sync", "wait until")])
def test_who_finds_it_taken_is_told_whether_to_wait(
    tmp_path: Path, purpose: str, words: str
) -> None:
    with Archive(tmp_path / "home", write=True, purpose=purpose):
        with pytest.raises(BusyError) as caught:
            Archive(tmp_path / "home", write=True).__enter__()
        assert words in str(caught.value.hint)


@pytest.mark.parametrize("closed", ["offhook.db", "offhook.lock", "offhook.migrate-lock"])
def test_a_home_of_somebody_else_is_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """As after `sudo offhook sync`; simulated, since root may write everything."""
    really = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if Path(path).name == closed and flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(ConfigError, match=f"{closed} can't be") as caught:
        Archive(tmp_path / "home", write=True).__enter__()
    assert caught.value.hint


def test_a_database_that_can_only_be_read_is_an_error_with_a_hint(archive: Archive) -> None:
    archive.index.db.execute("PRAGMA query_only = ON")
    with pytest.raises(ConfigError, match="can't be written") as caught:
        archive.add_phone("P2")
    assert caught.value.hint


def test_a_path_of_a_phone_is_the_same_bytes_whatever_this_computer_writes(tmp_path: Path) -> None:
    """A C locale without UTF-8: os.fsencode would refuse the name, latin-1 would change it."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from agent.archive import Archive\n"
        "from agent.phone.files import RemoteFile, Source\n"
        "from agent.sync.spot import spot\n"
        "assert sys.getfilesystemencoding() != 'utf-8'\n"
        "path = '/r/\\u00fc\\U0001f600\\udcff.wav'\n"
        "source = Source('s', '/r')\n"
        "with Archive(Path(sys.argv[1])) as archive:\n"
        "    archive.add_phone('P1')\n"
        "    found = spot(archive, 'P1', source, [RemoteFile(path, 1, 1)])\n"
        "    assert [one.path for one in found.recordings] == [path]\n"
        "    source.fingerprint(RemoteFile(path, 1, 1))\n"
        "    raw = archive.index.db.execute('SELECT path FROM sightings').fetchone()[0]\n"
        "    assert raw == b'/r/\\xc3\\xbc\\xf0\\x9f\\x98\\x80\\xff.wav', raw\n"
    )
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "home")], env=env, check=True)
