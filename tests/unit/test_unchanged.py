"""A folder that lists as it did when nothing was left to do is not gone through again; all that
differs is. So it is in one engine's runs, and so in those of one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive, sightings
from agent.errors import DiskFullError
from agent.naming.pattern import compiled
from agent.phone.files import SHARED, Listed, NotAFile, Source
from agent.sync import SyncEngine, basis
from agent.sync import engine as engine_module
from agent.sync.events import Report
from agent.sync.named import Place
from agent.sync.spot import spot
from tests.faults.memory import FOLDER, START_MS, Clock, MemoryPhone, wav

PATH = "/sdcard/BCR/x.wav"
STAGING = Source("bcr files", "/data/bcr", root=True, recorder="bcr", traits=frozenset({"staging"}))
MIXED = Source("bcr mixed", "/sdcard/Mixed", recorder="bcr", traits=frozenset({SHARED}))


class Desk:
    """An engine over a phone whose only file is filed; which sources were gone through since."""

    def __init__(
        self, archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, anew: bool
    ) -> None:
        self.archive, self.clock, self.anew = archive, clock, anew
        self.looked: list[str] = []

        def told(
            archive: Archive, serial: str, source: Source, files: object, *, whole: bool
        ) -> object:
            self.looked.append(source.name)
            return spot(archive, serial, source, files, whole=whole)  # type: ignore[arg-type]

        monkeypatch.setattr(engine_module, "spot", told)
        self.phone = MemoryPhone()
        self.phone.put(PATH, wav(0.1))
        self.engine = self.made()
        self.run()
        clock.go(10)
        assert len(self.run().filed) == 1
        assert self.run().idle
        self.looked.clear()

    def made(self, sources: Sequence[Source] = (FOLDER, STAGING, MIXED), **how: Any) -> SyncEngine:
        return SyncEngine(self.archive, self.phone, sources, **how)

    def run(self) -> Report:
        if self.anew:
            self.engine = self.made()
        return self.engine.run_once()

    def state(self, path: str) -> str:
        with self.archive.reading() as db:
            (state,) = db.execute(
                "SELECT state FROM sightings WHERE path = ? AND current", [path.encode()]
            ).fetchone()
        return str(state)


@pytest.fixture(params=["one engine", "one after another"])
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        yield Desk(archive, clock, monkeypatch, anew=request.param == "one after another")


def test_what_is_as_it_was_is_not_gone_through(desk: Desk) -> None:
    report = desk.run()
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
    report = desk.run()
    assert desk.looked[0] == "bcr"
    if what == "gone":
        with desk.archive.reading() as db:
            assert db.execute("SELECT gone_ms FROM sightings").fetchone()[0] is not None
        return
    assert len(report.waiting) == 1
    desk.clock.go(10)
    again = desk.run()
    assert len(again.filed) + len(again.duplicates) == 1


def test_what_waits_is_gone_through_though_it_lists_the_same(desk: Desk) -> None:
    desk.phone.put("/sdcard/BCR/y.wav", wav(0.3))
    for _ in range(3):
        assert len(desk.run().waiting) == 1
    desk.clock.go(10)
    assert len(desk.run().filed) == 1


def test_what_failed_is_tried_again_though_it_lists_the_same(desk: Desk) -> None:
    desk.phone.refuses["/sdcard/BCR/y.wav"] = "Permission denied"
    desk.phone.put("/sdcard/BCR/y.wav", wav(0.3))
    desk.run()
    desk.clock.go(10)
    assert len(desk.run().failed) == 1
    desk.phone.refuses.clear()
    assert len(desk.run().filed) == 1


def test_news_in_one_folder_of_a_recorder_is_news_of_the_others(desk: Desk) -> None:
    """By its name it is no recording of BCR's; by its sidecar, which could not be moved, it is."""
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.4))
    assert desk.run().idle
    assert desk.run().idle
    assert desk.state("/sdcard/Mixed/call.wav") == "seen"
    beside = {"output": {"recording": {"frames_total": 10}}, "call_log_name": None}
    desk.phone.put("/data/bcr/call.json", json.dumps(beside).encode())
    filed = []
    for _ in range(3):
        desk.clock.go(20)
        filed += desk.run().filed
    assert [one.original_name for one in filed] == ["call.wav"]


def test_a_folder_that_was_quiet_all_along_is_gone_through_with_the_others_of_its_recorder(
    desk: Desk,
) -> None:
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.4))
    for _ in range(2):
        assert desk.run().idle
    beside = {"output": {"recording": {"frames_total": 10}}, "call_log_name": None}
    desk.phone.put("/data/bcr/call.json", json.dumps(beside).encode())
    desk.clock.go(20)
    desk.looked.clear()
    new = desk.made()
    report = new.scan(MIXED)
    assert (desk.looked, report.idle, report.scanned) == ([], True, 1)
    report = new.scan(STAGING)
    assert desk.looked == ["bcr files", "bcr mixed"]
    assert ([one.original_name for one in report.filed], report.scanned) == (["call.wav"], 2)


@pytest.mark.parametrize("how", ["retired", "changed", "removed"])
def test_a_sighting_that_anybody_changes_is_looked_at_though_the_list_is_the_same(
    desk: Desk, how: str
) -> None:
    """As cleaning does, that met other bytes; as repair does, and as a hand may."""
    file = desk.phone.files[PATH]
    file.data = file.data[:-1] + bytes([file.data[-1] ^ 1])
    assert desk.run().idle
    with desk.archive.writing() as db:
        if how == "retired":
            (sighting,) = sightings.current(db, desk.phone.serial, FOLDER.name).values()
            sightings.retire(db, sighting, desk.clock())
        elif how == "changed":
            db.execute("UPDATE sightings SET state = 'seen' WHERE current")
        else:
            db.execute("DELETE FROM sightings")
    desk.run()
    desk.clock.go(10)
    desk.run()
    assert len(desk.archive.recordings()) == 2


def test_what_a_pattern_of_names_tells_now_is_looked_at_though_the_list_is_the_same(
    desk: Desk,
) -> None:
    desk.phone.put("/sdcard/Tapes/tape 230414.wav", wav(0.4))
    tapes = Source("tapes", "/sdcard/Tapes", traits=frozenset({SHARED}))
    desk.clock.go(60)
    for _ in range(2):
        assert desk.made([tapes]).run_once().idle
    assert desk.looked == ["tapes"]
    own = compiled("taper", "tape {start:%y%m%d}", "/sdcard/Tapes")
    engine = desk.made([tapes], place=Place(own=(own,)))
    engine.run_once()
    desk.clock.go(60)
    assert [one.original_name for one in engine.run_once().filed] == ["tape 230414.wav"]


def test_an_engine_of_another_version_looks_for_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basis, "_code", lambda: "another")
    assert desk.run().idle
    assert sorted(desk.looked) == ["bcr", "bcr files", "bcr mixed"]


def test_what_is_no_file_is_told_by_each_run(desk: Desk) -> None:
    scan = desk.phone.scan

    def scanned(source: Source) -> Listed:
        others = [NotAFile("/sdcard/BCR/pipe.wav", "a FIFO")] if source == FOLDER else []
        return Listed(scan(source), others)

    desk.phone.scan = scanned  # type: ignore[method-assign]
    with desk.archive.writing() as db:
        db.execute("UPDATE sightings SET last_seen_ms = 0")  # so that it is gone through
    for _ in range(2):
        assert [one.path for one in desk.run().left] == ["/sdcard/BCR/pipe.wav"]


def test_a_full_disk_is_no_trouble_where_nothing_is_to_be_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFullError("no room left")

    monkeypatch.setattr(engine_module.quiet, "keep", full)
    with desk.archive.writing() as db:
        db.execute("UPDATE sightings SET last_seen_ms = 0")
    for _ in range(2):
        assert desk.run().idle
    assert desk.looked.count("bcr") == 2
