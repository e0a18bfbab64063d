"""What keeps the archive from taking anything: told once, for all phones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from agent.archive import Archive
from agent.errors import (
    ArchiveError,
    BusyError,
    ConfigError,
    DiskFullError,
    LinkError,
    OffhookError,
)
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.trouble import Trouble
from tests.faults.test_machine import failing


class Bench:
    """Trouble of an archive that is told to fail."""

    def __init__(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        self.why: OffhookError | None = None
        self.tried = 0
        self.told: list[tuple[str, str]] = []
        self.trouble = Trouble(archive, self._tell)
        monkeypatch.setattr(archive, "prove", self._prove)

    def _prove(self) -> None:
        self.tried += 1
        if self.why is not None:
            raise self.why

    def _tell(self, event: WatchEvent | SyncEvent) -> None:
        assert isinstance(event, WatchEvent)
        assert event.kind == "unfiled"
        assert bool(event.text) == (event.error is not None)
        self.told.append((event.phone, event.text))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True) as opened:
        yield opened


@pytest.fixture
def bench(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(archive, monkeypatch)


def test_all_phones_and_all_tries_make_one_line_and_one_that_it_is_over(bench: Bench) -> None:
    bench.trouble.check()
    assert bench.tried == 0  # nothing is written while all is well
    bench.why = DiskFullError("no room left for /archive")
    for _ in range(3):
        for phone in ("desk", "lab"):
            assert bench.trouble.met(phone, DiskFullError(f"no room left for {phone}'s file"))
            with pytest.raises(DiskFullError):
                bench.trouble.check()
    assert bench.told == [("archive", "no room left for /archive")]
    bench.why = None
    bench.trouble.check()
    bench.trouble.passed("desk")
    assert len(bench.told) == 1  # the other one's file may still not be taken
    bench.trouble.passed("lab")
    assert bench.told[1:] == [("archive", "")]
    bench.trouble.passed("lab")
    assert len(bench.told) == 2


def test_a_phone_that_went_away_meanwhile_keeps_nobody(bench: Bench) -> None:
    bench.why = DiskFullError("no room left")
    bench.trouble.met("desk", bench.why)
    bench.trouble.left("desk")
    with pytest.raises(DiskFullError):
        bench.trouble.check()
    bench.trouble.met("desk", bench.why)  # it is here again
    assert len(bench.told) == 1
    bench.trouble.left("desk")
    bench.why = None
    bench.trouble.check()
    bench.trouble.passed("lab")
    assert [text for _, text in bench.told] == ["no room left", ""]


def test_another_trouble_is_told_too_and_each_once(bench: Bench) -> None:
    for _ in range(2):
        for why in ("no room left", "Read-only file system"):
            bench.why = ArchiveError(why)
            bench.trouble.met("desk", bench.why)
    assert [text for _, text in bench.told] == ["no room left", "Read-only file system"]


def test_what_is_not_the_archives_is_not_told_as_its(bench: Bench) -> None:
    assert not bench.trouble.met("desk", ConfigError("can't read journal.json"))
    assert not bench.trouble.met("desk", LinkError("away"))
    assert (bench.told, bench.trouble.on) == ([], False)
    bench.why = ConfigError("offhook.db can't be written")
    assert bench.trouble.met("desk", bench.why)
    assert len(bench.told) == 1


def test_who_has_the_index_is_not_waited_for_once_more(bench: Bench) -> None:
    assert bench.trouble.met("desk", BusyError("another program keeps it locked"))
    assert bench.tried == 0


def test_what_only_some_files_meet_is_told_without_their_names(
    archive: Archive, tmp_path: Path
) -> None:
    """Of a quota, say, a small file may be within it."""
    told: list[WatchEvent | SyncEvent] = []
    trouble = Trouble(archive, told.append)
    with (
        pytest.raises(ArchiveError) as raised,
        failing(("mkdir",), 1, OSError(122, "Q"), once=True),
    ):
        archive.store.begin(PurePosixPath("Ada/+49.wav"))
    assert trouble.met("desk", raised.value)
    (event,) = told
    assert isinstance(event, WatchEvent)
    assert (event.text, event.error) == ("Q", raised.value)


def test_folder_and_index_are_tried_and_nothing_is_changed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add_phone("P1")
    before = archive.phones()
    archive.prove()
    assert archive.phones() == before
    assert list(archive.store.root.iterdir()) == []
    with failing(("mkdir",), 1, OSError(30, "Read-only"), once=True), pytest.raises(ArchiveError):
        archive.prove()
    monkeypatch.setattr(archive.index, "read_only", ConfigError("offhook.db can't be written"))
    with pytest.raises(ConfigError):
        archive.prove()
