"""What a pulled recording's name says gets into the index, unless its sidecar says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.archive import Archive, Recording
from agent.phone.facts import Facts
from agent.phone.files import Source
from agent.sync import SyncEngine
from agent.sync.named import Place, place_of
from tests.faults.memory import START_MS, Clock, MemoryPhone, wav

CALLS = Source("calls", "/sdcard/Recordings/Call")
SEOUL = Place(ZoneInfo("Asia/Seoul"), "KR")


class Bench:
    def __init__(self, archive: Archive, clock: Clock) -> None:
        self.archive, self.clock, self.phone = archive, clock, MemoryPhone()

    def put(self, name: str, data: bytes | None = None, *, folder: str = CALLS.path) -> None:
        self.phone.put(f"{folder}/{name}", wav(0.1 + len(name) / 100) if data is None else data)

    def sync(self, place: Place = SEOUL, source: Source = CALLS) -> list[Recording]:
        engine = SyncEngine(self.archive, self.phone, [source], place=place)
        engine.run_once()
        self.clock.go(30)
        engine.run_once()
        return self.archive.recordings()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        yield Bench(archive, clock)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def facts(recording: Recording, *names: str) -> dict[str, tuple[Any, str, str]]:
    kept = recording.facts
    return {
        name: (kept[name]["value"], kept[name]["source"], kept[name]["confidence"])
        for name in names or kept
        if name in kept
    }


def test_a_name_fills_the_index_and_is_found(bench: Bench) -> None:
    bench.put("Call recording 010-4522-0000_260109_162929.m4a")
    (one,) = bench.sync()
    assert one.started_ms == ms("2026-01-09T16:29:29+09:00")
    assert (one.number, one.contact, one.direction) == ("010-4522-0000", None, None)
    assert facts(one, "number", "number_e164", "started_ms", "zone", "recorder") == {
        "number": ("010-4522-0000", "file name (samsung)", "stated"),
        "number_e164": ("+821045220000", "file name (samsung), country KR", "assumed"),
        "started_ms": (
            one.started_ms,
            "file name (samsung), in the phone's zone",
            "assumed",
        ),
        "zone": ("assumed", "the phone's zone", "assumed"),
        "recorder": ("samsung", "file name", "stated"),
    }
    assert [found.id for found in bench.archive.search("+82 10 4522 0000")] == [one.id]
    assert one.path.startswith("2026/01/2026-01-09_")
    assert "4522" not in one.path


def test_all_that_a_name_has(bench: Bench) -> None:
    bench.put("20260109_162929.5+0200_OUT_sim2_+4930123456_Ada Lovelace.oga")
    (one,) = bench.sync()
    assert one.started_ms == ms("2026-01-09T16:29:29.500+02:00")
    assert (one.number, one.contact, one.direction, one.sim) == (
        "+4930123456",
        "Ada Lovelace",
        "out",
        "2",
    )
    assert facts(one, "started_ms", "zone", "precision") == {
        "started_ms": (one.started_ms, "file name (bcr)", "stated")
    }
    assert [found.id for found in bench.archive.search("lovelace")] == [one.id]
    assert [found.id for found in bench.archive.recordings(direction="out")] == [one.id]


def test_a_conference_has_parties_and_no_direction(bench: Bench) -> None:
    bench.put("20260109_162929.5+0200_conference_+4930123456,+4930654321_Ada,Bob.oga")
    (one,) = bench.sync()
    assert (one.direction, one.flags) == (None, ["conference"])
    assert one.facts["parties"]["value"] == [
        {"number": "+4930123456", "number_e164": "+4930123456", "contact": "Ada"},
        {"number": "+4930654321", "number_e164": "+4930654321", "contact": "Bob"},
    ]


def test_a_minute_is_told_to_be_one(bench: Bench) -> None:
    bench.put("+8613800138000-2601091629.mp3")
    (one,) = bench.sync(Place())
    assert one.facts["precision"]["value"] == "minute"
    assert one.started_ms == round(datetime(2026, 1, 9, 16, 29).timestamp() * 1000)  # noqa: DTZ001
    assert "this computer's zone" in one.facts["started_ms"]["source"]


def test_what_is_only_possible_fills_no_number(bench: Bench) -> None:
    bench.put("Call recording Ada 03012345678_260109_162929.m4a")
    (one,) = bench.sync()
    assert (one.number, one.contact) == (None, "Ada")
    assert one.facts["contact"]["confidence"] == "assumed"


@pytest.mark.parametrize("name", ["Voice 003_260109_162929.m4a", "PTT-20260109-WA0003.opus"])
def test_what_is_no_call_is_said_to_be_none(bench: Bench, name: str) -> None:
    bench.put(name)
    (one,) = bench.sync()
    assert len(one.flags) == 1
    assert one.flags[0].endswith(", by its name")
    assert one.facts["started_ms"]["source"] == "the file's time less its length"


BCR_NAME = "20260109_162929.5+0200_OUT_+4930123456_Ada_L"
BCR = {
    "timestamp_unix_ms": START_MS,
    "direction": "out",
    "calls": [{"phone_number": "+4930123456", "contact_name": "Ada: L"}],
}


def test_a_sidecar_in_a_folder_of_nobody_in_particular_wins_over_the_name(bench: Bench) -> None:
    bench.put(f"{BCR_NAME}.oga")
    bench.put(f"{BCR_NAME}.json", json.dumps(BCR).encode())
    (one,) = bench.sync()
    assert (one.started_ms, one.contact) == (START_MS, "Ada: L")
    assert one.facts["contact"]["source"] == "bcr sidecar"
    assert one.facts["recorder"]["source"] == "file name"


def test_a_broken_sidecar_is_told_and_the_name_used(bench: Bench) -> None:
    bench.put(f"{BCR_NAME}.oga")
    bench.put(f"{BCR_NAME}.json", b'{"timestamp_unix_ms": 17')
    (one,) = bench.sync()
    assert one.flags == ["sidecar not understood"]
    assert (one.number, one.contact) == ("+4930123456", "Ada_L")
    assert one.sidecar == '{"timestamp_unix_ms": 17'


def test_a_late_sidecar_takes_the_start_and_what_hung_on_it(bench: Bench) -> None:
    name = "Ada-2601091629"
    bench.put(f"{name}.mp3")
    (one,) = bench.sync()
    assert set(facts(one, "zone", "precision")) == {"zone", "precision"}
    bench.put(f"{name}.json", json.dumps(BCR).encode())
    (one,) = bench.sync()
    assert (one.started_ms, one.contact) == (START_MS, "Ada: L")
    assert facts(one, "zone", "precision") == {
        "zone": ("stated", "bcr sidecar", "stated"),
        "precision": ("millisecond", "bcr sidecar", "stated"),
    }


def test_a_withheld_number_is_not_taken_from_the_name(bench: Bench) -> None:
    spool = Source("offhook", "/spool", atomic=True, recorder="offhook")
    said = {"schema": 1, "recorder": "offhook", "presentation": 2, "started_ms": START_MS}
    name = "20260109_162929.5+0200_in_+4930123456"
    bench.put(f"{name}.json", json.dumps(said).encode(), folder="/spool")
    bench.put(f"{name}.wav", folder="/spool")
    (one,) = bench.sync(source=spool)
    assert (one.number, one.direction, one.started_ms) == (None, "in", START_MS)
    assert "number_e164" not in one.facts


FACTS = Facts("S", "", "", "", 0, "", "", "", "", "Asia/Seoul", "", "", None, "KR")


def test_where_a_phone_is() -> None:
    assert place_of(FACTS) == SEOUL
    assert place_of(replace(FACTS, timezone="", country="")) == Place()
    assert place_of(replace(FACTS, timezone="../../etc/passwd", country="")) == Place()
    assert place_of(replace(FACTS, timezone="\\x00", country="")) == Place()
