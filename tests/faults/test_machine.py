"""A phone, its link and sync together, in any order, against what has to be in the archive."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.archive import Archive
from agent.errors import LinkError
from agent.sync import SyncEngine
from tests.faults.memory import FOLDER, SPOOL, START_MS, Clock, MemoryPhone, distinct

NAMES = st.sampled_from(["a", "b", "c d", "é\n"])
CONTENT = st.integers(0, 5)


class SyncMachine(RuleBasedStateMachine):
    """What was whole and quiet on the phone at a sync without faults is in the archive for good."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.phone = MemoryPhone(chunk=2000)
        self.owed: set[str] = set()
        self.ever: set[str] = set()
        self.ticks = START_MS
        self._open()

    def _open(self) -> None:
        self.archive = Archive(self.home, write=True, clock=self.clock)
        self.archive.__enter__()
        self.engine = SyncEngine(self.archive, self.phone, [SPOOL, FOLDER])

    def _put(self, path: str, data: bytes) -> None:
        self.ticks += 2000
        self.phone.put(path, data, self.ticks)
        self.ever.add(hashlib.sha256(data).hexdigest())

    @rule(name=NAMES, content=CONTENT, sidecar=st.booleans())
    def record(self, name: str, content: int, sidecar: bool) -> None:
        self._put(f"/spool/{name}.wav", distinct(content))
        if sidecar:
            self.phone.put(f"/spool/{name}.json", b'{"schema": 1, "number": "117"}')

    @rule(name=NAMES, content=CONTENT)
    def appear_elsewhere(self, name: str, content: int) -> None:
        self._put(f"/sdcard/BCR/{name}.m4a", distinct(content))

    @rule(name=NAMES, content=CONTENT)
    def grow(self, name: str, content: int) -> None:
        path = f"/sdcard/BCR/{name}.m4a"
        if path in self.phone.files:
            self._put(path, self.phone.files[path].data + distinct(content, 700))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        for path in (f"/spool/{name}.wav", f"/spool/{name}.json", f"/sdcard/BCR/{name}.m4a"):
            self.phone.files.pop(path, None)

    @rule(seconds=st.integers(-100, 1000))
    def time_passes(self, seconds: int) -> None:
        self.clock.go(seconds)

    @rule()
    def sync(self) -> None:
        report = self.engine.run_once()
        assert report.whole, report.failed

    @rule(calls=st.integers(1, 30))
    def sync_over_a_link_that_breaks(self, calls: int) -> None:
        left = calls

        def count(what: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise LinkError("broken")

        self.phone.before_each_call = count
        self.engine.run_once()
        self.phone.before_each_call = lambda what: None

    @rule(name=NAMES, lies=st.integers(1, 4))
    def sync_with_a_hash_tool_that_lies(self, name: str, lies: int) -> None:
        self.phone.lies = {f"/spool/{name}.wav": ["0" * 64] * lies}
        self.engine.run_once()
        self.phone.lies = {}

    @rule()
    def sync_until_all_is_quiet(self) -> None:
        # The first scan dates what it sees, the second may find what a clock turned back hid.
        for _ in range(4):
            self.engine.run_once()
            self.clock.go(20)
        report = self.engine.run_once()
        assert (report.waiting, report.failed, report.again_in_s) == ([], [], None)
        self.owed |= {
            hashlib.sha256(file.data).hexdigest()
            for path, file in self.phone.files.items()
            if not path.endswith(".json")
        }

    @rule()
    def restart(self) -> None:
        self.archive.close()
        self._open()

    @invariant()
    def what_is_owed_is_there_once_and_nothing_else(self) -> None:
        if not hasattr(self, "archive"):
            return
        found = [one.sha256 for one in self.archive.recordings()]
        assert len(found) == len(set(found))
        assert self.owed <= set(found) <= self.ever
        files = [p for p in self.archive.store.root.rglob("*") if p.is_file()]
        assert len(files) == len(found)
        assert self.phone.open_reads == 0

    def teardown(self) -> None:
        if hasattr(self, "archive"):
            for one in self.archive.recordings():
                self.archive.store.check(one.path, one.sha256)
            assert self.archive.verify_chain() == []
            self.archive.close()
            shutil.rmtree(self.home)


TestSyncMachine = SyncMachine.TestCase
TestSyncMachine.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
