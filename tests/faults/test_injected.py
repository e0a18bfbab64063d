"""Faults at system calls: a sample of `make faults`, and of the same with a phone in memory."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import injected as shim
from tests.faults.__main__ import run
from tests.faults.powercut import Disk
from tests.lab.phone import LabPhone

RUNS = int(os.environ.get("OFFHOOK_FAULTS", "20"))
KILLS = int(os.environ.get("OFFHOOK_KILLS", "30"))
_ANY = shim.WRITES | shim.SYNCS | shim.NAMES


@pytest.fixture
def runs() -> Iterator[Memory]:
    with shim.folder() as folder, shim.Runs(Path(folder) / "home", Path(folder)) as started:
        yield Memory(started)


class Memory:
    """Syncs with the phone of kill_runner."""

    def __init__(self, runs: shim.Runs) -> None:
        self.runs, self.disk = runs, Disk()
        self.log = runs.folder / "log"

    def run(self, **asked: Any) -> dict[str, Any]:
        asked = {"memory": True, "classes": _ANY, **asked}
        ran = self.runs.run(log=str(self.log), **asked)
        self.disk.read(self.log)
        return ran

    def wrong(self) -> list[str]:
        """What is wrong after one more run, without a fault."""
        assert (ran := self.run(later=True))["code"] == 0, ran["said"]
        ran = self.runs.run(memory=True, look=True)
        return json.loads(ran["out"]) if ran["code"] == 0 else [ran["said"]]

    def clear(self) -> None:
        self.disk.settle()
        shutil.rmtree(self.runs.home)


def test_what_sync_meets_over_a_lab_phone_loses_and_doubles_nothing() -> None:
    told: list[str] = []
    with shim.folder() as folder, LabPhone() as phone:
        counts = run(phone, Path(folder), seed=20260305, count=RUNS, epoch=0, tell=told.append)
    assert not counts.said, "\n".join(told)
    assert counts.runs >= RUNS


def test_killed_or_without_power_at_any_system_call_it_reaches_the_same_end(runs: Memory) -> None:
    calls = runs.run()["count"]
    assert calls > 200
    runs.clear()
    chance = random.Random(KILLS)
    modes = (shim.KILL_BEFORE, shim.KILL_AFTER, shim.TORN)
    for at in range(1, calls + 1) if KILLS == 0 else sorted(chance.sample(range(1, calls), KILLS)):
        mode = chance.choice(modes)
        died = runs.run(mode=mode, at=at)
        where = f"mode {mode} at {at} of {calls}, {died['call']}"
        assert died["code"] == -9, where
        if power := chance.random() < 0.6:
            where += f", {runs.disk.cut(chance)} things lost"
        if not power and chance.random() < 0.5:
            # The next one comes a little further, and then there is no power.
            runs.run(mode=mode, at=chance.randint(1, calls), later=True)
            where += f", then {runs.disk.cut(chance)} things lost"
        assert runs.wrong() == [], where
        runs.clear()


def test_a_name_that_a_killed_run_gave_is_on_the_disk_before_its_row(runs: Memory) -> None:
    """Whoever finishes another's work does not know whether the name of a file is safe."""
    at = runs.run(classes=shim.NAMES)["count"]
    while True:  # the last name that is given, or another one's would make its folder safe
        runs.clear()
        died = runs.run(mode=shim.KILL_AFTER, at=at, classes=shim.NAMES)
        if died["call"] in ("link", "linkat"):
            break
        at -= 1
    assert runs.run(later=True)["code"] == 0
    runs.disk.cut(_Worst())
    assert runs.wrong() == []


def test_what_was_filed_is_there_after_a_power_cut(runs: Memory) -> None:
    """Whatever has its row then has its name and its bytes, which were flushed together."""
    assert runs.run()["code"] == 0
    assert runs.disk.cut(_Worst()) > 0
    assert runs.wrong() == []


def test_an_index_that_needs_its_log_keeps_it_whatever_call_fails_when_it_is_opened(
    runs: Memory, tmp_path: Path
) -> None:
    """The power went while the log was copied into the index, which is no database without it."""
    home, saved = runs.runs.home, tmp_path / "saved"
    at = runs.run()["count"]
    while True:
        runs.clear()
        runs.run(mode=shim.KILL_BEFORE, at=at)
        runs.disk.cut(_Worst())
        if (home / "offhook.db").read_bytes()[:16] == bytes(16):
            break
        at -= 1
    assert (home / "offhook.db-wal").stat().st_size > 0
    shutil.copytree(home, saved)
    for error, mode, at in itertools.product(
        (errno.ENOSPC, errno.EIO), (shim.FAIL, shim.FAIL_ON), range(1, 9)
    ):
        runs.clear()
        shutil.copytree(saved, home)
        ran = runs.run(mode=mode, at=at, error=error, classes=shim.WRITES, later=True)
        assert runs.wrong() == [], f"{ran['call']}, the {at}th, with {error} in mode {mode}"


class _Worst(random.Random):
    """Takes all that it may."""

    def random(self) -> float:
        return 0.0

    def randint(self, a: int, b: int) -> int:
        return a
