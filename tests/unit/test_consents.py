"""Each recording carries the answer that was in force when it was made, by whichever route."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive, consents
from agent.capture.consent import consent
from agent.phone.files import Source
from agent.sync import SyncEngine
from tests.faults.memory import START_MS, Clock, MemoryPhone, wav

BCR = Source("bcr", "/bcr", recorder="bcr")
THEIRS = Source("theirs", "/theirs")
ALSA = Source("offhook", "/spool", recorder="offhook", atomic=True)
CLOCK = Clock()
OWN = consent("own-line", "DE", "DE", "2026-01-01T00:00:00+00:00")
ALL = consent("all-party", "DE", "US-CA", "2026-02-01T00:00:00+00:00")


@pytest.fixture
def phone() -> MemoryPhone:
    return MemoryPhone()


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    with Archive(tmp_path / "home", write=True, clock=CLOCK) as opened:
        yield opened


def put(phone: MemoryPhone, folder: str, name: str, began_ms: int, **said: Any) -> None:
    phone.put(f"{folder}/{name}.wav", wav(0.2, gains=(0.1 + len(phone.files) / 100,)), 0)
    if said:
        when = (
            {"schema": 1, "recorder": "offhook", "started_ms": began_ms}
            if folder == "/spool"
            else {"timestamp_unix_ms": began_ms}
        )
        body = when | said
        phone.put(f"{folder}/{name}.json", json.dumps(body).encode())


def pull(archive: Archive, phone: MemoryPhone, *sources: Source) -> dict[str, Any]:
    """The fact ``consent`` of everything that there is, by its name."""
    engine = SyncEngine(archive, phone, sources)
    for _ in range(3):
        engine.run_once()
        CLOCK.go(100)  # everything settles
    return {one.original_name: one.facts.get("consent") for one in archive.recordings()}


def test_an_answer_is_of_its_time_its_phone_and_its_route(archive: Archive) -> None:
    def at(ms: int, phone: str = "P", route: str = "bcr", source: str | None = None) -> str | None:
        said = consents.in_force(archive, phone, ms, route=route, source=source)
        return None if said is None else str(said["basis"])

    assert at(5) is None
    consents.begin(archive, "P", "bcr", OWN.as_dict(), from_ms=10, sources=["bcr", "moved"])
    consents.begin(archive, "Q", "dialer", ALL.as_dict(), from_ms=10)
    assert (at(9), at(10), at(99)) == (None, "own-line", "own-line")
    assert at(50, phone="Q") is None
    assert at(50, phone="Q", route="dialer") == "all-party"
    assert at(50, route="alsa") is None
    assert at(50, route="?", source="moved") == "own-line"
    consents.begin(archive, "P", "bcr", ALL.as_dict(), from_ms=100)
    assert (at(99), at(100)) == ("own-line", "all-party")
    consents.end(archive, "P", 200)
    assert (at(199), at(200), at(999)) == ("all-party", None, None)


def test_recordings_of_another_recorder_carry_the_answer_that_was_in_force(
    archive: Archive, phone: MemoryPhone
) -> None:
    consents.begin(archive, phone.serial, "bcr", OWN.as_dict(), from_ms=START_MS)
    consents.begin(archive, phone.serial, "bcr", ALL.as_dict(), from_ms=START_MS + 60_000)
    consents.end(archive, phone.serial, START_MS + 120_000)
    for name, began in (("before", -1), ("own", 1), ("all", 60_001), ("after", 120_001)):
        put(phone, "/bcr", name, START_MS + began, direction="in")
    put(phone, "/theirs", "other", START_MS + 2)
    got = pull(archive, phone, BCR, THEIRS)
    assert {name: fact and fact["value"]["basis"] for name, fact in got.items()} == {
        "before.wav": None,
        "own.wav": "own-line",
        "all.wav": "all-party",
        "after.wav": None,
        "other.wav": None,
    }
    assert got["all.wav"]["value"] == {
        "basis": "all-party", "here": "DE", "there": "US-CA",
        "answered": "2026-02-01", "law": ALL.law,
    }  # fmt: skip
    assert got["all.wav"]["confidence"] == "told"


def test_what_our_recorder_wrote_down_counts_more_than_what_is_in_force_here(
    archive: Archive, phone: MemoryPhone
) -> None:
    consents.begin(archive, phone.serial, "alsa", OWN.as_dict(), from_ms=0)
    put(phone, "/spool", "a", START_MS, route="alsa", consent=ALL.token)
    put(phone, "/spool", "b", START_MS, route="alsa", consent="own-line:DE:DE")
    put(phone, "/spool", "c", START_MS, route="alsa", consent={"no": "text"})
    got = pull(archive, phone, ALSA)
    assert got["a.wav"]["value"]["basis"] == "all-party"
    assert got["a.wav"]["confidence"] == "stated"
    assert got["b.wav"]["value"]["answered"] is None
    assert (got["c.wav"]["value"]["basis"], got["c.wav"]["confidence"]) == ("own-line", "told")
