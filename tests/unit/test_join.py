"""Which call a recording is of, when its recorder saw the call begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.archive.filing import NewRecording, file_part
from agent.archive.records import Fact
from agent.phone.calls import LoggedCall

T = 1_767_000_000_000


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True) as opened:
        opened.add_phone("S1")
        yield opened


def record(archive: Archive, ringing: int, *, number: str | None = None) -> str:
    """A recording of 3 s that began 2 s after its call began to ring."""
    facts = {
        "ringing_ms": ringing,
        "started_ms": ringing + 2000,
        "ended_ms": ringing + 5000,
        "direction": "in",
        "number": number,
    }
    new = NewRecording(
        original_name=f"{ringing}.wav",
        mtime_ns=(ringing + 5000) * 10**6,
        phone="S1",
        source="offhook",
        facts={k: Fact(v, "sidecar", "stated") for k, v in facts.items() if v is not None},
    )
    part = archive.begin(new)
    part.write(json.dumps(facts).encode())
    part.seal(new.mtime_ns)
    recording, _ = file_part(archive, part, new)
    return recording.sha256


def call(log_id: int, at: int, number: str = "", presentation: int = 1) -> LoggedCall:
    raw = f"Row: {log_id}"
    return LoggedCall(log_id, at, 3, 1, number, None, presentation, None, "1", raw)


def test_an_earlier_call_of_the_same_length_is_not_taken_before_its_own_row_comes(
    archive: Archive,
) -> None:
    archive.add_calls("S1", [call(1, T, "+4930123456")])
    private = record(archive, T + 8000)
    assert archive.join_calls("S1") == []
    archive.add_calls("S1", [call(2, T + 8100, presentation=2)])
    (joined,) = archive.join_calls("S1")
    assert joined.sha256 == private
    assert joined.number is None
    assert joined.facts["presentation"]["value"] == 2


def test_two_calls_a_few_seconds_apart_each_get_their_own(archive: Archive) -> None:
    first, second = record(archive, T), record(archive, T + 4000)
    archive.add_calls("S1", [call(1, T + 100, "+491"), call(2, T + 4100, "+492")])
    archive.join_calls("S1")
    assert archive.recording(first).number == "+491"
    assert archive.recording(second).number == "+492"


def test_calls_too_close_to_tell_apart_are_left_open(archive: Archive) -> None:
    sha256 = record(archive, T)
    archive.add_calls("S1", [call(1, T - 300, "+491"), call(2, T + 300, "+492")])
    assert archive.join_calls("S1") == []
    assert archive.recording(sha256).call_id is None
