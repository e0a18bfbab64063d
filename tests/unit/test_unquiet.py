"""Folders that must not count as quiet: something of them is still to be taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.errors import FileGoneError
from agent.phone.files import SHARED, Listed, PartialListingError, Seen, Source
from agent.sync import SyncEngine
from agent.sync.events import Report
from tests.faults.memory import FOLDER, Clock, MemoryPhone, wav

STAGING = Source("bcr files", "/data/bcr", root=True, recorder="bcr", traits=frozenset({"staging"}))
MIXED = Source("bcr mixed", "/sdcard/Mixed", recorder="bcr", traits=frozenset({SHARED}))
BESIDE = json.dumps({"output": {"recording": {"frames_total": 10}}, "call_log_name": None}).encode()


class Desk:
    def __init__(self, archive: Archive, clock: Clock) -> None:
        self.archive, self.clock, self.phone = archive, clock, MemoryPhone()

    def made(self, *sources: Source) -> SyncEngine:
        return SyncEngine(self.archive, self.phone, sources)

    def runs(self, engine: Callable[[], SyncEngine], times: int = 4) -> list[Report]:
        reports = []
        for _ in range(times):
            self.clock.go(20)
            reports.append(engine().run_once())
        return reports

    def names(self) -> list[str]:
        return sorted(one.original_name for one in self.archive.recordings())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        yield Desk(archive, clock)


@pytest.mark.parametrize("what", ["sidecar", "empty"])
def test_what_could_not_be_found_once_is_looked_for_again(desk: Desk, what: str) -> None:
    """A card that is taken out between a list and a reading, and put in again, lists as before."""
    desk.phone.put("/sdcard/BCR/x.wav", wav(0.1))
    desk.runs(lambda: desk.made(FOLDER))
    late = "/sdcard/BCR/x.json" if what == "sidecar" else "/sdcard/BCR/y.wav"
    desk.phone.put(late, BESIDE if what == "sidecar" else b"")
    desk.made(FOLDER).run_once()
    read = desk.phone.read

    def out(path: str, *, root: bool, offset: int = 0) -> Iterator[bytes]:
        if path == late:
            raise FileGoneError("the card is out")
        return read(path, root=root, offset=offset)

    desk.phone.read = out  # type: ignore[method-assign]
    desk.runs(lambda: desk.made(FOLDER), 1)
    desk.phone.read = read  # type: ignore[method-assign]
    desk.runs(lambda: desk.made(FOLDER))
    with desk.archive.reading() as db:
        (state,) = db.execute(
            "SELECT state FROM sightings WHERE path = ?", [late.encode()]
        ).fetchone()
    assert state == ("filed" if what == "sidecar" else "empty")


def test_a_folder_that_was_left_out_when_its_kin_had_news_is_gone_through(desk: Desk) -> None:
    """`disable` drains the route's folders alone; then `sync` has the chosen one again, too."""
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.1))
    desk.runs(lambda: desk.made(STAGING, MIXED))
    desk.phone.put("/data/bcr/call.json", BESIDE)
    desk.runs(lambda: desk.made(STAGING))
    desk.runs(lambda: desk.made(STAGING, MIXED))
    assert desk.names() == ["call.wav"]


def test_what_came_while_there_was_no_root_is_looked_at_when_there_is(desk: Desk) -> None:
    """`sync` goes on with what needs no root where the phone gives none."""
    desk.phone.put("/data/bcr/call.json", BESIDE)
    desk.runs(lambda: desk.made(STAGING, MIXED))
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.1))
    desk.runs(lambda: desk.made(MIXED))
    desk.runs(lambda: desk.made(STAGING, MIXED))
    assert desk.names() == ["call.wav"]


def test_a_log_that_came_and_went_is_not_remembered(desk: Desk) -> None:
    """A watch that looks between BCR's moving of a recording and the end of its log."""
    engine = desk.made(STAGING, FOLDER)
    desk.runs(lambda: engine, 3)
    desk.phone.put("/data/bcr/20230414_215701.log.txt", b"x")
    desk.phone.put("/sdcard/BCR/20230414_215701.wav", wav(0.1))
    desk.clock.go(20)
    engine.run_once()
    del desk.phone.files["/data/bcr/20230414_215701.log.txt"]
    desk.runs(lambda: engine)
    (recording,) = desk.archive.recordings()
    assert "cut" not in recording.flags


def test_what_a_part_of_a_list_lacked_is_known_again_with_the_whole(desk: Desk) -> None:
    desk.phone.put("/data/bcr/call.json", BESIDE)
    desk.phone.put("/data/bcr/other.json", BESIDE)
    engine = desk.made(STAGING, MIXED)
    desk.runs(lambda: engine, 3)
    whole = desk.phone.scan_unless

    def part(seen: Seen, source: Source) -> object:
        if source != STAGING:
            return whole(seen, source)
        files = [f for f in desk.phone.scan(source) if "other" in f.path]
        raise PartialListingError("it broke off", Listed(files))

    desk.phone.scan_unless = part  # type: ignore[assignment]
    desk.runs(lambda: engine, 1)
    desk.phone.scan_unless = whole  # type: ignore[method-assign]
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.1))
    desk.runs(lambda: engine)
    desk.runs(lambda: desk.made(STAGING, MIXED))
    assert desk.names() == ["call.wav"]


def test_what_lay_in_storage_that_was_locked_is_known_again(desk: Desk) -> None:
    desk.phone.put("/data/bcr/call.json", BESIDE)
    engine = desk.made(STAGING, MIXED)
    desk.runs(lambda: engine, 3)
    desk.phone.away = {STAGING.path: "locked"}
    desk.runs(lambda: engine, 1)
    desk.phone.away = {}
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.1))
    desk.runs(lambda: engine)
    desk.runs(lambda: desk.made(STAGING, MIXED))
    assert desk.names() == ["call.wav"]


def test_a_scan_of_one_folder_alone_knows_its_kin(desk: Desk) -> None:
    desk.phone.put("/data/bcr/call.json", BESIDE)
    desk.runs(lambda: desk.made(STAGING, MIXED))
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.1))
    engine = desk.made(STAGING, MIXED)
    desk.clock.go(20)
    engine.scan(MIXED)
    desk.clock.go(20)
    engine.scan(MIXED)
    desk.runs(lambda: engine)
    desk.runs(lambda: desk.made(STAGING, MIXED))
    assert desk.names() == ["call.wav"]


def test_of_kin_that_were_quiet_the_first_tells(desk: Desk) -> None:
    """Which sidecar of a name counts is not left to chance, and not to what was quiet."""
    kin = [
        Source(f"bcr {n}", f"/data/bcr{n}", True, recorder="bcr", traits=frozenset({"staging"}))
        for n in range(6)
    ]
    for number, one in enumerate(kin):
        said = json.loads(BESIDE) | {"phone_number": f"+4915123456{number}"}
        desk.phone.put(f"{one.path}/call.json", json.dumps(said).encode())
    desk.runs(lambda: desk.made(*kin, MIXED))
    desk.phone.put("/sdcard/Mixed/call.wav", wav(0.1))
    desk.runs(lambda: desk.made(*kin, MIXED))
    (recording,) = desk.archive.recordings()
    assert "+49151234560" in (recording.sidecar or "")
