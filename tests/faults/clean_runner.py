"""Clean a phone, die at a line of it, clean again, and look: for many lines.

    python -m tests.faults.clean_runner FOLDER SEED COUNT

prints what :mod:`tests.faults.kill_runner` prints. The phone's files lie in a folder here, so what
was removed stays so.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agent.archive import Archive
from agent.archive.settings import Cleanup
from agent.audio.measure import warm_up
from agent.phone.files import RemoteFile, Source
from agent.phone.removing import Answer, Meant, Removal
from agent.sync import Rules, SyncEngine
from agent.sync.clean import Cleaner
from tests.faults.kill_runner import killed_at, lines_of
from tests.faults.memory import SPOOL, START_MS, Clock, MemoryPhone, distinct
from tests.faults.ordinary import become_ordinary

_FILES = 4
_SETTINGS = Cleanup(after_days=90, keep_newest=1)


class FolderPhone(MemoryPhone):
    """A phone whose files are those of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        for path in sorted(folder.iterdir()):
            age_ms = int(path.stem) * 1000 if path.stem.isdigit() else 0
            self.put(f"{SPOOL.path}/{path.name}", path.read_bytes(), START_MS - age_ms)

    def remove(
        self, source: Source, file: Meant, beside: Sequence[Meant] = (), *, look: bool = False
    ) -> Removal:
        """As a phone does it, at once."""
        for one in (*beside, file):
            assert hashlib.sha256(self.files[one.path].data).hexdigest() == one.sha256
            if look:
                continue
            del self.files[one.path]
            (self._folder / one.path.rpartition("/")[2]).unlink()
        said: Answer = "same" if look else "removed"
        return Removal(said, (said,) * len(beside))

    def scan(self, source: Source) -> list[RemoteFile]:
        return super().scan(source) if source == SPOOL else []


def fill(home: Path) -> None:
    """A phone with recordings and sidecars, and an archive that has them all."""
    folder = home / "phone"
    folder.mkdir(parents=True)
    for number in range(_FILES):
        (folder / f"{number}.wav").write_bytes(distinct(number))
        (folder / f"{number}.json").write_text(json.dumps({"schema": 1, "part": number}))
    with Archive(home, write=True, clock=Clock()) as archive:
        assert len(SyncEngine(archive, FolderPhone(folder), [SPOOL]).run_once().filed) == _FILES


def clean(home: Path) -> None:
    """A run, a hundred days later."""
    with Archive(home, write=True, clock=Clock(START_MS + 100 * 86_400_000)) as archive:
        Cleaner(archive, FolderPhone(home / "phone"), [SPOOL], _SETTINGS).run()


def wrong_in(home: Path) -> list[str]:
    """What is not as it should be when all was cleaned."""
    wrong = []
    if (left := sorted(path.name for path in (home / "phone").iterdir())) != ["0.json", "0.wav"]:
        wrong.append(f"on the phone are {left}")
    with Archive(home, write=True) as archive:
        phone = FolderPhone(home / "phone")
        report = SyncEngine(archive, phone, [SPOOL], rules=Rules(sidecar_wait_s=0)).run_once()
        if report.gone or report.failed or report.filed:
            wrong.append(f"the next sync says {report}")
        found = archive.recordings()
        if len(found) != _FILES:
            wrong.append(f"{len(found)} recordings")
        wrong += archive.verify_chain()
        with archive.reading() as db:
            if db.execute("SELECT count(*) FROM removals").fetchone()[0]:
                wrong.append("a removal is open yet")
        for one in found:
            archive.store.check(one.path, one.sha256)
            said = [
                (entry.action, entry.detail.get("begun", entry.seq))
                for entry in archive.custody_of(one.sha256)
                if "phone" in entry.action
            ]
            # Each that was begun has one end; and the last says that it is gone, if it is.
            ends = Counter(begun for _, begun in said)
            if any(count != 2 for count in ends.values()):
                wrong.append(f"#{one.id}: {said}")
            last = said[-1][0] if said else "stays"
            if (last == "stays") != (one.original_name == "0.wav") or last.startswith("not"):
                wrong.append(f"#{one.id}, {one.original_name}: {last}")
    return wrong


def main() -> None:
    become_ordinary()
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warm_up()
    fill(folder / "filled")
    for name in ("warm", "whole"):
        shutil.copytree(folder / "filled", folder / name)
    clean(folder / "warm")  # as in kill_runner
    lines = lines_of(lambda: clean(folder / "whole"), None)
    wrong = [f"undisturbed: {text}" for text in wrong_in(folder / "whole")]
    every = range(1, len(lines) + 1)
    points = list(every) if count == 0 else sorted(random.Random(seed).sample(every, count))
    wrong += killed_at(points, folder / "killed", clean, clean, wrong_in, folder / "filled")
    sys.stdout.write(json.dumps({"lines": len(lines), "runs": len(points), "wrong": wrong}))


if __name__ == "__main__":
    main()
