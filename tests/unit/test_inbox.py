"""The inbox, look by look, and the guard of the archived files."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.archive.audit import Finding, audit
from agent.desk.guard import Guard
from agent.desk.settings import After, InboxSetting
from agent.errors import DiskFullError
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.inbox.find import LocalFile
from agent.sync.inbox.settle import is_written_to, open_to_read
from agent.sync.inbox.stay import Inbox
from agent.sync.inbox.take import Importer, Outcome
from tests.faults.memory import START_MS, wav
from tests.offhook import wait_until

SAID = {"timestamp_unix_ms": START_MS, "direction": "out", "calls": [{"phone_number": "117"}]}


class Bench:
    """An archive, an inbox that is looked into when the test says so, and what was told."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.archive, self.folder = archive, folder
        self.told: list[SyncEvent | WatchEvent] = []
        self.stop = threading.Event()
        folder.mkdir()
        self.open()

    def open(self, after: After = "keep", phone: str | None = None, settle_s: float = 0.0) -> Inbox:
        setting = InboxSetting(self.folder, after, phone)
        self.inbox = Inbox(self.archive, setting, self.told.append, self.stop, settle_s=settle_s)
        return self.inbox

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.inbox.look()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]

    def actions(self) -> list[str]:
        with self.archive.reading() as db:
            return [row["action"] for row in db.query("SELECT action FROM custody ORDER BY seq")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Archive(tmp_path / "home", write=True) as archive:
        yield Bench(archive, tmp_path / "in")
        assert list(archive.store.root.rglob("*.part")) == []
        assert audit(archive).findings == []


def test_two_looks_have_to_agree(bench: Bench) -> None:
    path = bench.put("a.wav", wav())
    bench.look(1)
    assert bench.archive.recordings() == []
    path.write_bytes(wav(0.3))
    bench.look(1)
    assert bench.archive.recordings() == []
    bench.look(1)
    (only,) = bench.archive.recordings()
    assert bench.archive.file_of(only).read_bytes() == wav(0.3)


def test_what_is_younger_than_the_clocks_tick_waits(bench: Bench) -> None:
    bench.open(settle_s=3.0)
    bench.put("a.wav", wav())
    assert bench.inbox.look() <= 3.0
    assert 0 < bench.inbox.look() <= 3.0
    assert bench.archive.recordings() == []


def test_a_file_that_is_written_to_is_not_taken(bench: Bench) -> None:
    path = bench.put("a.wav", wav())
    fd = open_to_read(str(path))
    try:
        assert not is_written_to(fd)
        with path.open("ab"):
            assert is_written_to(fd)
            bench.look(3)
            assert bench.archive.recordings() == []
        assert not is_written_to(fd)
    finally:
        os.close(fd)
    bench.look(1)
    assert len(bench.archive.recordings()) == 1


def test_what_was_filed_is_not_read_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put("a.wav", wav())
    bench.look()
    assert bench.kinds() == ["filed"]
    reads: list[str] = []

    def noted(path: str) -> int:
        reads.append(path)
        return open_to_read(path)

    monkeypatch.setattr("agent.sync.inbox.take.open_to_read", noted)
    bench.open()  # as after a restart
    bench.look(3)
    assert (reads, bench.kinds(), bench.actions()) == ([], ["filed"], ["filed"])


def test_moved_away_only_when_both_are_proven_the_same(bench: Bench) -> None:
    bench.open("move")
    path = bench.put("deep/a.wav", wav())
    bench.put("deep/a.json", json.dumps(SAID).encode())
    bench.look()
    assert not path.exists()
    moved = bench.folder / ".filed/deep/a.wav"
    assert moved.read_bytes() == wav()
    assert moved.with_suffix(".json").exists()
    assert bench.actions() == ["filed", "moved away here"]
    (only,) = bench.archive.recordings()
    (seen,) = bench.archive.sightings_of(only.sha256)
    assert seen["gone_ms"] is not None
    # Another of the same name goes beside it; one whose archived copy is spoiled stays.
    bench.put("deep/a.wav", wav(0.3))
    bench.look()
    assert moved.with_name("a~2.wav").read_bytes() == wav(0.3)
    bench.put("a.wav", wav())
    final = bench.archive.file_of(only)
    final.chmod(0o600)
    final.write_bytes(b"spoiled")
    bench.look(3)
    assert (bench.folder / "a.wav").read_bytes() == wav()
    final.write_bytes(wav())
    final.chmod(0o400)
    bench.look(1)
    assert not (bench.folder / "a.wav").exists()


def test_a_kill_between_filing_and_moving_is_made_good(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    bench.open("move")
    path = bench.put("a.wav", wav())
    monkeypatch.setattr(Inbox, "_move", die)
    with pytest.raises(Killed):
        bench.look()
    monkeypatch.undo()
    assert path.exists()
    bench.open("move")
    bench.look()
    assert not path.exists()
    assert bench.actions() == ["filed", "moved away here"]


@pytest.mark.parametrize("after", ["keep", "move"])
def test_a_sidecar_that_comes_late_is_added(bench: Bench, after: After) -> None:
    bench.open(after)
    bench.put("a.wav", wav())
    bench.look()
    bench.put("a.json", json.dumps(SAID).encode())
    bench.look(3)
    (only,) = bench.archive.recordings()
    assert (only.number, only.direction) == ("117", "out")
    assert bench.kinds() == ["filed", "sidecar"]
    assert bench.actions().count("sidecar added") == 1
    assert (bench.folder / "a.json").exists() == (after == "keep")


def test_whose_a_recording_is(bench: Bench) -> None:
    bench.archive.add_phone("S1", alias="desk")
    bench.archive.add_phone("S2", alias="other")
    bench.open(phone="other")
    bench.put("desk/a.wav", wav(0.2))
    bench.put("b.wav", wav(0.3))
    bench.look()
    assert {one.original_name: one.phone for one in bench.archive.recordings()} == {
        "a.wav": "S1",
        "b.wav": "S2",
    }


def test_a_full_disk_is_told_once_and_then_it_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("a.wav", wav())

    def full(*_: object, **__: object) -> None:
        raise DiskFullError("no room left")

    monkeypatch.setattr("agent.archive.store.Store.begin", full)
    bench.look(4)
    assert bench.kinds() == ["inbox"]
    monkeypatch.undo()
    bench.look()
    assert bench.kinds() == ["inbox", "filed"]


def test_a_folder_that_is_not_there_is_told_once_and_looked_for(bench: Bench) -> None:
    bench.folder.rmdir()
    bench.look(3)
    assert bench.kinds() == ["inbox"]
    bench.folder.mkdir()
    bench.put("a.wav", wav())
    bench.look()
    assert bench.kinds() == ["inbox", "filed"]


def test_it_runs_by_events_and_ends_when_told(bench: Bench) -> None:
    thread = threading.Thread(target=bench.inbox.run)
    thread.start()
    bench.put("a.wav", wav())
    wait_until(lambda: bench.kinds() == ["filed"], 60)
    bench.stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_file_that_was_empty_is_taken_when_it_is_not(bench: Bench) -> None:
    """A browser makes the name first, and puts the whole file in its place at the end."""
    bench.put("a.wav", b"")
    bench.look()
    bench.put(".a.wav", wav()).rename(bench.folder / "a.wav")
    bench.look()
    assert bench.kinds() == ["left", "filed"]


def test_a_folder_that_was_made_anew_is_heard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sync.inbox.stay.LOOK_EVERY", 3600.0)
    bench.folder = bench.archive.home / "in"  # where it is made anew at once
    thread = threading.Thread(target=bench.open().run)
    thread.start()
    try:
        for number in range(3):
            wait_until(bench.folder.is_dir, 60)
            bench.put("a.wav", wav(1 + number))
            wait_until(lambda count=number + 1: bench.kinds() == ["filed"] * count, 60)  # type: ignore[misc]
            shutil.rmtree(bench.folder)
    finally:
        bench.stop.set()
        thread.join(30)


@pytest.fixture
def few_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system lets no folder below one be watched, as where its limit is reached."""
    inotify_c = pytest.importorskip("watchdog.observers.inotify_c", exc_type=ImportError)
    real = inotify_c.inotify_add_watch

    def add(fd: int, path: bytes, mask: int) -> int:
        if Path(os.fsdecode(path)).name.startswith("below"):
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return int(real(fd, path, mask))

    monkeypatch.setattr(inotify_c, "inotify_add_watch", add)


@pytest.mark.parametrize("before", [True, False])
def test_a_folder_below_that_is_not_heard_is_told_once_and_looked_into_often(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, few_watches: None, before: bool
) -> None:
    monkeypatch.setattr("agent.sync.inbox.stay.LOOK_EVERY", 3600.0)
    monkeypatch.setattr("agent.sync.inbox.stay.POLL_EVERY", 0.1)
    if before:
        bench.folder.joinpath("below").mkdir()
    thread = threading.Thread(target=bench.open().run)
    thread.start()
    try:
        if not before:
            bench.put("a.wav", wav(1))
            wait_until(lambda: bench.kinds() == ["filed"], 60)
            bench.folder.joinpath("below").mkdir()
        wait_until(lambda: "inbox" in bench.kinds(), 60)
        for number in (2, 3):
            bench.put(f"below/{number}.wav", wav(number))
            wait_until(lambda count=number - before: bench.kinds().count("filed") == count, 60)  # type: ignore[misc]
    finally:
        bench.stop.set()
        thread.join(30)
    (told,) = [event for event in bench.told if event.kind == "inbox"]
    assert isinstance(told, WatchEvent)
    assert told.text.endswith("not at once: the system's limit of watched folders is reached")
    assert told.error is not None
    assert "fs.inotify.max_user_watches=" in str(told.error.hint)


def test_the_guard_says_that_it_does_not_hear_of_all(bench: Bench, few_watches: None) -> None:
    guard = Guard(bench.archive, bench.archive.home / "x", lambda _: None, lambda: None)
    guard.start()
    try:
        assert guard.problem is None
        (bench.archive.store.root / "below").mkdir()
        wait_until(lambda: guard.problem is not None, 60)
    finally:
        guard.stop()
    assert "fs.inotify.max_user_watches=" in str(guard.problem and guard.problem.hint)
    (bench.archive.store.root / "below").rmdir()


def test_a_file_that_can_not_be_moved_away_is_told_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sync.inbox.stay._RETRY_FIRST", 0.0)
    bench.open("move")
    (bench.folder / ".filed").write_bytes(b"no folder")
    bench.put("a.wav", wav())
    bench.look(4)
    assert bench.kinds() == ["filed", "inbox"]
    (bench.folder / ".filed").unlink()
    bench.look()
    assert (bench.folder / ".filed/a.wav").exists()


def test_a_mistake_over_one_file_holds_up_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Importer.take

    def take(self: Importer, file: LocalFile) -> Outcome:
        if file.path.endswith("a.wav"):
            raise ZeroDivisionError("Ada")
        return real(self, file)

    monkeypatch.setattr(Importer, "take", take)
    bench.put("a.wav", wav())
    bench.put("b.wav", wav(2))
    bench.look(3)
    assert bench.kinds() == ["failed", "filed"]
    (said,) = [e.error for e in bench.told if isinstance(e, SyncEvent) and e.kind == "failed"]
    assert "ZeroDivisionError" in str(said)
    assert "Ada" not in str(said)


def test_a_phone_that_is_not_known_is_told_once(bench: Bench) -> None:
    bench.open(phone="dsek")
    bench.put("a.wav", wav())
    bench.look(3)
    assert bench.kinds() == ["inbox", "filed"]
    bench.archive.add_phone("S1", alias="dsek")
    bench.put("b.wav", wav(2))
    bench.look(3)
    assert bench.kinds() == ["inbox", "filed", "filed"]
    assert {one.phone for one in bench.archive.recordings()} == {None, "S1"}


def test_a_folder_that_can_not_be_had_is_told_once(bench: Bench) -> None:
    setting = InboxSetting(bench.folder / ("x" * 300))
    bench.inbox = Inbox(bench.archive, setting, bench.told.append, bench.stop)
    bench.look(3)
    (event,) = bench.told
    assert isinstance(event, WatchEvent)
    assert "can't be had: file name too long" in event.text


def test_what_is_archived_is_no_news_of_the_inbox(bench: Bench) -> None:
    """Even where the archive came to lie below it, by a link."""
    bench.put("a.wav", wav())
    bench.look()
    (bench.folder / "a.wav").unlink()
    setting = InboxSetting(bench.archive.home, "move")
    bench.inbox = Inbox(bench.archive, setting, bench.told.append, bench.stop, settle_s=0.0)
    bench.look(3)
    assert not (bench.archive.home / ".filed").exists()


def test_a_folder_in_a_home_that_is_a_link_is_made(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    with Archive(tmp_path / "home", write=True) as archive:
        setting = InboxSetting(tmp_path / "real/in")
        Inbox(archive, setting, lambda _: None, threading.Event()).look()
    assert (tmp_path / "real/in").stat().st_mode & 0o777 == 0o700


# The guard


def test_the_guard_tells_of_the_archives_folder_and_hears_of_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.desk.guard.FOLDER_EVERY_S", 0.1)
    bench.put("a.wav", wav())
    bench.look()
    (recording,) = bench.archive.recordings()
    found: list[Finding] = []
    guard = Guard(bench.archive, bench.archive.home / "x", found.append, lambda: None)
    guard.start()
    root, away = bench.archive.store.root, bench.archive.home / "away"
    try:
        root.rename(away)
        wait_until(lambda: len(found) == 1, 60)
        assert found[0].text == "the archive's folder is not there"
        shutil.copytree(away, root)
        bench.archive.file_of(recording).chmod(0o400)

        def is_heard() -> bool:
            (root / "stranger.wav").write_bytes(b"x")
            return len(found) == 2

        wait_until(is_heard, 60)
        assert found[1].kind == "added"
    finally:
        guard.stop()
    (root / "stranger.wav").unlink()
    shutil.rmtree(away)


def test_the_guard_tells_of_changes_and_not_of_our_own_filing(bench: Bench) -> None:
    found: list[Finding] = []
    settings = threading.Event()
    toml = bench.archive.home / "offhook.toml"
    guard = Guard(bench.archive, toml, found.append, settings.set)
    guard.start()
    assert guard.problem is None
    try:
        for number in range(5):
            bench.put(f"{number}.wav", wav(0.2 + number / 10))
        bench.look()
        newest, other, *_ = bench.archive.recordings()
        assert not settings.is_set()
        toml.write_text("")
        assert settings.wait(60)
        final = bench.archive.file_of(newest)
        final.rename(final.with_name("renamed.wav"))
        wait_until(lambda: len(found) == 2, 60)
        assert {one.kind for one in found} == {"missing", "added"}
        final.with_name("renamed.wav").rename(final)
        bench.archive.file_of(other).chmod(0o644)
        wait_until(lambda: len(found) == 3, 60)
        assert (found[2].kind, found[2].recording) == ("mode", other.id)
        bench.archive.file_of(other).chmod(0o400)
        final.unlink()
        wait_until(lambda: len(found) == 4, 60)
        assert (found[3].kind, found[3].recording) == ("missing", newest.id)
    finally:
        guard.stop()
    bench.folder.joinpath("0.wav").touch()
    bench.look(3)  # its bytes lie in the inbox yet, and are put back
    for path in bench.folder.iterdir():
        path.touch()
    bench.look(3)
