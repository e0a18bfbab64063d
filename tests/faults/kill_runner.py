"""Run sync, die at a line of it, run it again, and look: for many lines, each in a forked child.

    python -m tests.faults.kill_runner FOLDER SEED COUNT

prints a JSON object: the lines there are, the runs made, and what was wrong after them. Half of
the lines are of where files get their names; a COUNT of 0 takes every line there is.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from agent.archive import Archive
from agent.archive.template import Template
from agent.audio.measure import warm_up
from agent.phone.calls import LoggedCall
from agent.sync import Rules, SyncEngine
from tests.faults.memory import FOLDER, SPOOL, START_MS, Clock, MemoryPhone, wav
from tests.faults.ordinary import become_ordinary

_WATCHED = ("/agent/archive/", "/agent/sync/")
KILLED = 9
#: By which names clash, and one of them is another when its sidecar has come.
_NAMES = Template.parse("{year}/{month}/{date}_{time}_{number}_{name}")


def a_phone(*, later: bool = False) -> MemoryPhone:
    """A phone with everything that goes a way of its own through sync.

    ``later`` it has a sidecar that gives a recording another name, if it is not filed yet.
    """
    phone = MemoryPhone(chunk=4000)
    sidecar = {"schema": 1, "started_ms": START_MS, "call_ended_ms": START_MS + 200}
    phone.put("/spool/a.json", json.dumps(sidecar).encode())
    phone.put("/spool/a.wav", wav(0.2))
    phone.put("/spool/again.wav", wav(0.2))  # the same bytes
    if later:
        phone.put("/spool/clash.json", b'{"schema": 1, "number": "117"}')
    phone.put("/spool/clash.wav", wav(0.3))  # without a sidecar, dated by its file
    phone.put("/sdcard/BCR/clash.wav", wav(0.3, gains=(0.1,)))  # the same name and time
    phone.put("/sdcard/BCR/o'dd \n\udcff.m4a", b"not sound at all")
    return phone


def sync_all(home: Path, *, later: bool = False) -> None:
    """Two scans, with time between them, so that everything is taken."""
    clock = Clock()
    phone = a_phone(later=later)
    with Archive(home, write=True, clock=clock, template=_NAMES) as archive:
        engine = SyncEngine(archive, phone, [SPOOL, FOLDER], rules=Rules(sidecar_wait_s=3))
        engine.run_once()
        clock.go(20)
        engine.run_once()
        archive.add_calls(phone.serial, [LoggedCall(7, START_MS, 0, 1, raw="Row: 0")])
        archive.join_calls(phone.serial)


def wrong_in(home: Path) -> list[str]:
    """What is not as it should be after everything was synced."""
    wrong = []
    wanted = {
        hashlib.sha256(file.data).hexdigest()
        for p, file in a_phone().files.items()
        if not p.endswith(".json")
    }
    with Archive(home) as archive:
        found = archive.recordings()
        if {one.sha256 for one in found} != wanted or len(found) != len(wanted):
            wrong.append(f"{len(found)} recordings of {len(wanted)}")
        for one in found:
            path = archive.file_of(one)
            if hashlib.sha256(path.read_bytes()).hexdigest() != one.sha256:
                wrong.append(f"{one.path} has other bytes")
            if path.stat().st_mode & 0o777 != 0o400 or path.stat().st_nlink != 1:
                wrong.append(f"{one.path} has mode or links of its own")
        kept = {p for p in archive.store.root.rglob("*") if p.is_file()}
        if kept != {archive.file_of(one) for one in found}:
            wrong.append(f"other files in the store: {len(kept)}")
        wrong += archive.verify_chain()
        with archive.reading() as db:
            filed = [row["action"] for row in db.query("SELECT action FROM custody")]
            if filed.count("filed") != len(wanted):
                wrong.append(f"filed {filed.count('filed')} times")
            if db.execute("SELECT count(*) FROM filing").fetchone()[0]:
                wrong.append("something is still being filed")
            states = db.execute("SELECT count(*) FROM sightings WHERE state != 'filed'")
            if left := states.fetchone()[0]:
                wrong.append(f"{left} sightings are not filed")
            indexed = db.execute("SELECT count(*) FROM search").fetchone()[0]
            if indexed != len(wanted):
                wrong.append(f"search knows {indexed}")
    return wrong


def lines_of(run: Callable[[], object], die_at: int | None) -> list[str]:
    """The files of the lines that a run goes through, in order; it dies at one of them."""
    lines: list[str] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not any(part in frame.f_code.co_filename for part in _WATCHED):
            return None
        if event == "line":
            lines.append(frame.f_code.co_filename)
            if len(lines) == die_at:
                os._exit(KILLED)
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
    return lines


_LONGEST_S = 120


def in_child(work: Callable[[], object]) -> int:
    """Do it in a forked child; its exit code."""
    child = os.fork()
    if child == 0:
        signal.alarm(_LONGEST_S)  # one that hangs is no reason to wait for ever
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a child has nobody to raise it to
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(
    points: Sequence[int],
    home: Path,
    run: Callable[[Path], object],
    again: Callable[[Path], object],
    look: Callable[[Path], list[str]],
    filled: Path | None = None,
) -> list[str]:
    """Run in ``home``, a copy of ``filled`` if that is given, die at each of these lines, run
    again, and look; what was wrong."""
    wrong = []
    for point in points:
        if filled is not None:
            shutil.copytree(filled, home)
        died = in_child(partial(lines_of, partial(run, home), point))
        if died != KILLED:
            wrong.append(f"line {point}: ended with {died} instead of being killed")
        if in_child(partial(again, home)) != 0:
            wrong.append(f"line {point}: the run after it failed")
        wrong += [f"line {point}: {text}" for text in look(home)]
        shutil.rmtree(home)
    return wrong


def _points(lines: list[str], seed: int, count: int) -> list[int]:
    if count == 0:
        return list(range(1, len(lines) + 1))
    chance = random.Random(seed)
    naming = [n for n, file in enumerate(lines, 1) if file.endswith(("/filing.py", "/store.py"))]
    half = chance.sample(naming, min(count // 2, len(naming)))
    return sorted(half + chance.sample(range(1, len(lines) + 1), count - len(half)))


def main() -> None:
    become_ordinary()
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warm_up()
    sync_all(folder / "warm")  # what is remembered after a first run costs lines in that alone
    lines = lines_of(lambda: sync_all(folder / "whole"), None)
    wrong = [f"undisturbed: {text}" for text in wrong_in(folder / "whole")]
    points = _points(lines, seed, count)
    wrong += killed_at(
        points,
        folder / "killed",
        sync_all,
        partial(sync_all, later=True),
        wrong_in,
    )
    sys.stdout.write(json.dumps({"lines": len(lines), "runs": len(points), "wrong": wrong}))


if __name__ == "__main__":
    main()
