"""A folder that lists as it did when nothing was left to do is not gone through again; all that
differs is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.archive import Archive, sightings
from agent.phone.files import SHARED, Source
from agent.sync import SyncEngine
from agent.sync import engine as engine_module
from agent.sync.spot import spot
from tests.faults.memory import FOLDER, START_MS, Clock, MemoryPhone, wav

PATH = "/sdcard/BCR/x.wav"
STAGING = Source("bcr files", "/data/bcr", root=True, recorder="bcr", traits=frozenset({"staging"}))
MIXED = Source("bcr mixed", "/sdcard/Mixed", recorder="bcr", traits=frozenset({SHARED}))


class Desk:
    """An engine over a phone whose only file is filed; which sources were gone through since."""

    def __init__(self, archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.archive, self.clock = archive, clock
        self.looked: list[str] = []

        def told(
            archive: Archive, serial: str, source: Source, files: object, *, whole: bool
        ) -> object:
            self.looked.append(source.name)
            return spot(archive, serial, source, files, whole=whole)  # type: ignore[arg-type]

        monkeypatch.setattr(engine_module, "spot", told)
        self.phone = MemoryPhone()
        self.phone.put(PATH, wav(0.1))
        self.engine = SyncEngine(archive, self.phone, [FOLDER, STAGING, MIXED])
        self.engine.run_once()
        clock.go(10)
        assert len(self.engine.run_once().filed) == 1
        assert self.engine.run_once().idle
        self.looked.clear()

    def state(self, path: str) -> str:
        with self.archive.reading() as db:
            (state,) = db.execute(
                "SELECT state FROM sightings WHERE path = ? AND current", [path.encode()]
            ).fetchone()
        return str(state)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        yield Desk(archive, clock, monkeypatch)


def test_what_is_as_it_was_is_not_gone_through(desk: Desk) -> None:
    report = desk.engine.run_once()
    assert (desk.looked, report.scanned, report.idle) == ([], 1, True)


@pytest.mark.parametrize("what", ["size", "time", "new", "gone"])
def test_what_differs_is_seen(desk: Desk, what: str) -> None:
    if what == "size":
        desk.phone.put(PATH, wav(0.2))
    elif what == "time":
        desk.phone.put(PATH, wav(0.1), START_MS + 1)
    elif what == "new":
        desk.phone.put("/sdcard/BCR/y.wav", wav(0.3))
    else:
        del desk.phone.files[PATH]
    report = desk.engine.run_once()
    assert desk.looked[0] == "bcr"
    if what == "gone":
        with desk.archive.reading() as db:
            assert db.execute("SELECT gone_ms FROM sightings").fetchone()[0] is not None
        return
    assert len(report.waiting) == 1
    desk.clock.go(10)
    again = desk.engine.run_once()
    assert len(again.filed) + len(again.duplicates) == 1


def test_what_waits_is_gone_through_though_it_lists_the_same(desk: Desk) -> None:
    desk.phone.put("/sdcard/BCR/y.wav", wav(0.3))
    for _ in range(3):
        assert len(desk.engine.run_once().waiting) == 1
    desk.clock.go(10)
    assert len(desk.engine.run_once().filed) == 1


def test_what_failed_is_tried_again_though_it_lists_the_same(desk: Desk) -> None:
    desk.phone.refuses["/sdcard/BCR/y.wav"] = "Permission denied"
    desk.phone.put("/sdcard/BCR/y.wav", wav(0.3))
    desk.engine.run_once()
    desk.clock.go(10)
    assert len(desk.engine.run_once().failed) == 1
    desk.phone.refuses.clear()
    assert len(desk.engine.run_once().filed) == 1


def test_news_in_one_folder_of_a_recorder_is_news_of_the_others(desk: Desk) -> None:
    """By its name it is no recording of BCR's; by its sidecar, which could not be moved, it is."""
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.4))
    assert desk.engine.run_once().idle
    assert desk.engine.run_once().idle
    assert desk.state("/sdcard/Mixed/call.wav") == "seen"
    beside = {"output": {"recording": {"frames_total": 10}}, "call_log_name": None}
    desk.phone.put("/data/bcr/call.json", json.dumps(beside).encode())
    filed = []
    for _ in range(3):
        desk.clock.go(20)
        filed += desk.engine.run_once().filed
    assert [one.original_name for one in filed] == ["call.wav"]


def test_other_bytes_that_cleaning_met_are_taken_though_the_list_is_the_same(desk: Desk) -> None:
    file = desk.phone.files[PATH]
    file.data = file.data[:-1] + bytes([file.data[-1] ^ 1])
    with desk.archive.writing() as db:
        (sighting,) = sightings.current(db, desk.phone.serial, FOLDER.name).values()
        sightings.retire(db, sighting, desk.clock())
    assert desk.engine.run_once().idle
    desk.engine.look_again()
    desk.engine.run_once()
    desk.clock.go(10)
    assert len(desk.engine.run_once().filed) == 1
    assert len(desk.archive.recordings()) == 2
