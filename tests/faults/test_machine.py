"""A phone, its link, the disk and sync together, in any order, against what has to be in the archive.

`make faults ARGS="--steps 10000"` takes that many steps; here there are a few hundred.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agent.archive import Archive
from agent.archive.audit import audit
from agent.errors import ArchiveError, LinkError
from agent.sync import Rules, SyncEngine
from tests.faults.injected import folder
from tests.faults.memory import FOLDER, SPOOL, START_MS, Clock, MemoryPhone, distinct

NAMES = st.sampled_from(["a", "b", "c d", "é\n"])
CONTENT = st.one_of(st.integers(0, 5), st.integers(6, 10**6))
#: What changes the disk; SQLite's own calls are not among them: :mod:`tests.faults.injected`.
CALLS = ("open", "write", "fdatasync", "fsync", "link", "unlink", "mkdir", "fchmod", "utime")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)


class Killed(BaseException):
    """The program is dead: nothing that it tries any more comes to pass."""


@contextlib.contextmanager
def failing(
    calls: tuple[str, ...], first: int, error: BaseException, *, once: bool
) -> Iterator[None]:
    """Let these functions of ``os`` raise, from the ``first`` call of them on, or then alone."""
    count = 0

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == first or (count > first and not once):
                raise error
            return real(*args, **kwargs)

        return call

    with contextlib.ExitStack() as patches:
        for name in calls:
            patches.enter_context(mock.patch.object(os, name, wrapped(getattr(os, name))))
        yield


class SyncMachine(RuleBasedStateMachine):
    """What was whole and quiet on the phone at a sync without faults is in the archive for good."""

    @initialize()
    def begin(self) -> None:
        self.folder = folder()
        self.home = Path(self.folder.name)
        self.whole = True  # whether no run has ended in the middle since the archive was opened
        self.clock = Clock()
        self.phone = MemoryPhone(chunk=2000)
        self.owed: set[str] = set()
        self.ever: set[str] = set()
        self.ticks = START_MS
        self._open()

    def _open(self) -> None:
        self.archive = Archive(self.home, write=True, clock=self.clock)
        self.archive.__enter__()
        self.engine = SyncEngine(self.archive, self.phone, [SPOOL, FOLDER], rules=Rules(attempts=4))
        self.whole = True

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

    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        for path in ("/spool/{}.wav", "/spool/{}.json", "/sdcard/BCR/{}.m4a"):
            if (file := self.phone.files.pop(path.format(name), None)) is not None:
                self.phone.files[path.format(to)] = file

    @rule(
        name=NAMES, content=CONTENT, what=st.sampled_from(["grow", "replace", "delete", "rename"])
    )
    def sync_while_it_changes(self, name: str, content: int, what: str) -> None:
        path = f"/sdcard/BCR/{name}.m4a"

        def change() -> None:
            if what == "grow":
                self.grow(name, content)
            elif what == "replace":
                self.appear_elsewhere(name, content)
            elif what == "delete":
                self.phone.files.pop(path, None)
            else:
                self.rename(name, "c d")

        self.phone.on_read[path] = change
        self.engine.run_once()
        self.phone.on_read.clear()

    @rule(seconds=st.integers(-100, 1000))
    def time_passes(self, seconds: int) -> None:
        self.clock.go(seconds)

    @rule()
    def sync(self) -> None:
        report = self.engine.run_once()
        assert report.whole, report.failed

    @rule(why=st.sampled_from([None, "locked"]))
    def sync_while_the_storage_is_not_there(self, why: str | None) -> None:
        self.phone.away = {FOLDER.path: why}
        report = self.engine.run_once()
        assert not [path for path in report.gone if path.startswith(FOLDER.path)]
        assert report.locked == why
        self.phone.away = {}

    @rule(name=NAMES, content=CONTENT, calls=st.integers(1, 30))
    def sync_over_a_link_that_breaks(self, name: str, content: int, calls: int) -> None:
        self.record(name, content, True)
        left = calls

        def count(what: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise LinkError("broken")

        self.phone.before_each_call = count
        self.engine.run_once()
        self.phone.before_each_call = lambda what: None

    @rule(name=NAMES, content=CONTENT, lies=st.integers(1, 4))
    def sync_with_a_hash_tool_that_lies(self, name: str, content: int, lies: int) -> None:
        self.record(name, content, True)
        self.phone.lies = {f"/spool/{name}.wav": ["0" * 64] * lies}
        self.engine.run_once()
        self.phone.lies = {}

    @rule(
        name=NAMES,
        content=CONTENT,
        call=st.sampled_from(CALLS),
        first=st.integers(1, 3),
        number=st.sampled_from(ERRORS),
        once=st.booleans(),
    )
    def sync_on_a_disk_that_fails(
        self, name: str, content: int, call: str, first: int, number: int, once: bool
    ) -> None:
        self.record(name, content, True)
        error = OSError(number, os.strerror(number))
        try:
            with failing((call,), first, error, once=once):
                self.engine.run_once()
        except ArchiveError:
            # A part may be left, or a name without a row, until the archive is opened anew.
            self.whole = False
        self.whole &= call != "unlink"

    @rule(name=NAMES, content=CONTENT, first=st.integers(1, 20))
    def sync_that_is_killed(self, name: str, content: int, first: int) -> None:
        self.record(name, content, True)
        with (
            failing(CALLS, first, Killed(), once=False),
            contextlib.suppress(Killed),
        ):
            self.engine.run_once()
        self.restart()

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
        # What was written down and could not be finished is, at the next try or the next opening.
        with self.archive.reading() as db:
            begun = {
                self.archive.store.locate(row["path"]) for row in db.query("SELECT * FROM filing")
            }
        files = [p for p in self.archive.store.root.rglob("*") if p.is_file() and p not in begun]
        assert len(files) == len(found) or not self.whole
        assert self.phone.open_reads == 0

    def teardown(self) -> None:
        if hasattr(self, "archive"):
            self.restart()
            assert audit(self.archive).findings == []
            self.archive.close()
            self.folder.cleanup()


def run(steps: int) -> None:
    """So many steps; raises what is wrong, and tells the steps to it."""
    several = 50
    options = settings(
        max_examples=max(1, steps // several), stateful_step_count=several, **_PATIENT
    )
    run_state_machine_as_test(SyncMachine, settings=options)


_PATIENT: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    # Without `explain`, which runs what has failed line by line.
    "phases": (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
}

TestSyncMachine = SyncMachine.TestCase
TestSyncMachine.settings = settings(max_examples=15, stateful_step_count=25, **_PATIENT)
