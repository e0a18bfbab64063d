"""Dies at lines of a recording or of its filing, over and over, and looks: `FOLDER SEED COUNT`.

A process of its own, since what it forks must not have a test runner's threads. It prints how many
lines there are, how many recordings were filed, and what was wrong.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from agent.archive import Archive, live
from agent.archive.records import Fact
from agent.audio import flac
from agent.audio.measure import warm_up
from agent.capture.live import Block
from agent.errors import ArchiveError
from agent.sync.live.tape import Known, Tape, recover
from tests.faults.kill_runner import killed_at, lines_of
from tests.faults.ordinary import become_ordinary
from tests.live.sounds import Tone, noise

SAMPLES = noise(16000)
PIECE = 1600  # bytes


def record(home: Path) -> None:
    """A second of sound with more becoming known in the middle, as a session does it."""
    with Archive(home, write=True) as archive:
        archive.add_phone("P")
        facts = {
            "route": Fact("microphone", "test", "stated"),
            "started_ms": Fact(1772716927000, "test", "stated"),
        }
        ear = Tone()
        tape = Tape(archive, Known("P", "microphone.flac", facts), ear, 0.0)
        for at in range(0, len(SAMPLES), PIECE):
            tape.add(Block(at // 2, SAMPLES[at : at + PIECE]))
            if at == PIECE * 5:
                tape.known.facts["number"] = Fact("117", "test", "stated")
                tape.keep()
        tape.file(1772716928000, [])


def again(home: Path) -> None:
    with Archive(home, write=True) as archive:
        wrong: list[ArchiveError] = []
        recover(archive, wrong.append)
        assert recover(archive, wrong.append) == []
        if wrong:
            raise wrong[0]


def wrong_in(home: Path, *, killed: bool) -> list[str]:
    with Archive(home) as archive:
        found = archive.recordings()
        wrong = archive.verify_chain()
        if live.parts(archive):
            wrong.append("a part is left in the index")
        kept = {path for path in archive.store.root.rglob("*") if path.is_file()}
        if kept != {archive.file_of(one) for one in found}:
            wrong.append(f"other files in the store: {sorted(kept)}")
        if len(found) > 1:
            wrong.append(f"{len(found)} recordings of one")
        for one in found:
            archive.store.check(one.path, one.sha256)
            heard = b"".join(flac.samples_of(archive.file_of(one)))
            if not SAMPLES.startswith(heard) or not heard:
                wrong.append("it is not what was heard")
            if len(heard) < len(SAMPLES) and "cut" not in one.flags:
                wrong.append("a part of it is missing, and nothing says so")
            if one.verified_ms is None or one.flags not in ([], ["cut"]):
                wrong.append(f"{one.flags}")
        if not killed and not found:
            wrong.append("nothing was recorded")
    return wrong


def main() -> None:
    become_ordinary()
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warm_up()
    record(folder / "warm")  # what is remembered after a first run costs lines in that alone
    lines = lines_of(lambda: record(folder / "whole"), None)
    wrong = [f"undisturbed: {text}" for text in wrong_in(folder / "whole", killed=False)]
    every = range(1, len(lines) + 1)
    points = sorted(random.Random(seed).sample(every, min(count, len(lines))) or every)
    filed = 0

    def look(home: Path) -> list[str]:
        nonlocal filed
        with Archive(home) as archive:
            filed += len(archive.recordings())
        return wrong_in(home, killed=True)

    wrong += killed_at(points, folder / "killed", record, again, look)
    sys.stdout.write(json.dumps({"lines": len(lines), "filed": filed, "wrong": wrong}))


if __name__ == "__main__":
    main()
