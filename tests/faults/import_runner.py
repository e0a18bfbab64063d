"""Import, die at a line of it, import again, and look: for many lines, each in a forked child.

    python -m tests.faults.import_runner FOLDER SEED COUNT

prints what :mod:`tests.faults.kill_runner` prints.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
from pathlib import Path

from agent.archive import Archive
from agent.archive.audit import audit
from agent.audio.measure import warm_up
from agent.sync.inbox.find import find
from agent.sync.inbox.run import run
from agent.sync.inbox.take import Importer
from tests.faults.kill_runner import KILLED, _points, in_child, lines_of
from tests.faults.memory import START_MS, wav
from tests.faults.ordinary import become_ordinary

FILES = {
    "a.wav": wav(0.2),
    "again.wav": wav(0.2),
    "other/a.wav": wav(0.3),
    "s.wav": wav(0.25),
    "s.json": json.dumps({"timestamp_unix_ms": START_MS, "direction": "in"}).encode(),
    "bad.m4a": b"\0\0\0\x20ftypM4A and no more",
}
SUMS = {hashlib.sha256(data).hexdigest() for name, data in FILES.items() if "json" not in name}


def fill(folder: Path) -> None:
    """The folder as another tool has left it."""
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (START_MS / 1000, START_MS / 1000))


def import_all(home: Path, folder: Path) -> None:
    """One import of it."""
    with Archive(home, write=True) as archive:
        found = list(find([str(folder)]))
        importer = Importer(archive, "import")
        list(run(found, importer.take, threading.Event(), settle_s=0.0))


def wrong_in(home: Path, folder: Path) -> list[str]:
    """What is not as it should be after everything was imported."""
    wrong = []
    with Archive(home, write=True) as archive:
        found = archive.recordings()
        if {one.sha256 for one in found} != SUMS or len(found) != len(SUMS):
            wrong.append(f"{len(found)} recordings of {len(SUMS)}")
        wrong += [f"{one.kind}: {one.path}: {one.text}" for one in audit(archive).findings]
        wrong += [f"a half file: {path}" for path in archive.store.root.rglob("*.part")]
        with archive.reading() as db:
            for sha256 in SUMS:
                listed = db.execute(
                    "SELECT count(*) FROM custody WHERE sha256 = ? AND action = 'filed'", [sha256]
                ).fetchone()[0]
                if listed != 1:
                    wrong.append(f"filed {listed} times")
            seen = db.execute("SELECT count(*) FROM arrivals").fetchone()[0]
            if seen != len(FILES) - 1:
                wrong.append(f"{seen} arrivals")
    for name, data in FILES.items():
        if (folder / name).read_bytes() != data:
            wrong.append(f"{name} was changed")
    return wrong


def main() -> None:
    become_ordinary()
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warm_up()
    given = folder / "in"
    fill(given)
    import_all(folder / "warm", given)  # as in kill_runner
    lines = lines_of(lambda: import_all(folder / "whole", given), None)
    wrong = [f"undisturbed: {text}" for text in wrong_in(folder / "whole", given)]
    points = _points(lines, seed, count)
    for point in points:
        home = folder / "killed"

        def die(point: int = point, home: Path = home) -> None:
            lines_of(lambda: import_all(home, given), point)

        def again(home: Path = home) -> None:
            import_all(home, given)

        if (died := in_child(die)) != KILLED:
            wrong.append(f"line {point}: ended with {died} instead of being killed")
        if in_child(again) != 0:
            wrong.append(f"line {point}: the run after it failed")
        wrong += [f"line {point}: {text}" for text in wrong_in(home, given)]
        shutil.rmtree(home)
    sys.stdout.write(json.dumps({"lines": len(lines), "runs": len(points), "wrong": wrong}))


if __name__ == "__main__":
    main()
