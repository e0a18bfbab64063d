"""A recording that is made here, from its first samples to its row."""

from __future__ import annotations

from pathlib import Path

from agent.archive import Archive
from agent.archive.records import Fact, Recording
from agent.capture.live import Block
from agent.sync.live.tape import Known, Tape
from tests.live.sounds import Tone


def recorded(archive: Archive, samples: bytes, began_ms: int) -> Recording:
    facts = {
        "route": Fact("microphone", "test", "stated"),
        "started_ms": Fact(began_ms, "test", "stated"),
    }
    tape = Tape(archive, Known("P", "microphone.flac", facts), Tone(), 0.0)
    tape.add(Block(0, samples))
    recording = tape.file(began_ms + 1000, [])
    assert recording is not None
    return recording


def test_two_calls_that_a_muted_microphone_heard_are_two_recordings(tmp_path: Path) -> None:
    with Archive(tmp_path, write=True) as archive:
        archive.add_phone("P")
        silence = bytes(16000)
        one = recorded(archive, silence, 1772716927000)
        two = recorded(archive, silence, 1772716937000)
        assert (one.id, two.id) == (1, 2)
        assert [(row.started_ms, row.silent) for row in archive.recordings()] == [
            (1772716937000, True),
            (1772716927000, True),
        ]
