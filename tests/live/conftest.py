"""A lab phone without sound, an archive, and what this computer records of the phone's calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.archive import Archive, live
from agent.archive.records import Recording
from agent.capture.journal import Journal
from agent.phone.phone import Phone, open_phone
from agent.sync.calllog import sync_calls
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.live import Live
from tests.lab.phone import LabPhone
from tests.live.sounds import FakeRoute
from tests.offhook import wait_until

CONSENT = {"basis": "own-line", "here": "DE", "there": "DE", "at": "2026-01-01T00:00:00+00:00"}

#: Calls of other tests fit as well, and a number that was there before is not believed.
FORGET = (
    "/lab/bin/sqlite3 /lab/state/sys/calllog.db 'DELETE FROM calls'; rm -f /lab/state/telephony/now"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone() as phone:
        yield phone


class Desk:
    """A computer at which a phone's calls are recorded, in an archive of its own."""

    def __init__(self, lab: LabPhone, archive: Archive) -> None:
        self.lab, self.archive = lab, archive
        self.journal: Journal | None = Journal(
            lab.serial, "", "", 0, {}, {}, CONSENT, route="microphone"
        )
        self.events: list[WatchEvent | SyncEvent] = []
        self.live = Live("lab", archive, self.events.append, lambda _: self.journal)
        archive.add_phone(lab.serial)

    @contextmanager
    def recording(self, route: FakeRoute | None = None) -> Iterator[Phone]:
        """Meanwhile, calls are recorded; the phone is reached anew each time."""
        with open_phone("{}:{}".format(*self.lab.address)) as phone:
            before = self.count("state", "idle")
            with self.live.following(phone, route or FakeRoute()):
                self.until("state", "idle", before + 1)
                yield phone

    def count(self, kind: str, text: str | None = None) -> int:
        """How many events of a kind there were, with a text."""
        return sum(
            one.kind == kind and text in (None, getattr(one, "text", None))
            for one in list(self.events)
        )

    def until(self, kind: str, text: str | None = None, count: int = 1) -> None:
        """Until there were so many."""
        wait_until(lambda: self.count(kind, text) >= count, 20)

    def talk(self, seconds: float) -> None:
        """Until so much was heard."""
        wait_until(lambda: any(_heard(event, seconds) for event in list(self.events)), 20)

    def error(self, text: str) -> str:
        """Why the last state of that name was."""
        errors = [e.error for e in self.events if isinstance(e, WatchEvent) and e.text == text]
        return str(errors[-1])

    def recordings(self) -> list[Recording]:
        """All recordings, the oldest first, with their calls; the archive has to be whole."""
        with open_phone("{}:{}".format(*self.lab.address)) as phone:
            sync_calls(self.archive, phone)
        found = sorted(self.archive.recordings(), key=lambda one: one.started_ms or 0)
        assert self.archive.verify_chain() == []
        assert live.parts(self.archive) == []
        kept = {path for path in self.archive.store.root.rglob("*") if path.is_file()}
        assert kept == {self.archive.file_of(one) for one in found}
        for one in found:
            self.archive.store.check(one.path, one.sha256)
            assert self.archive.file_of(one).stat().st_mode & 0o777 == 0o400
        return found


def _heard(event: WatchEvent | SyncEvent, seconds: float) -> bool:
    return isinstance(event, WatchEvent) and event.kind == "level" and float(event.text) >= seconds


@pytest.fixture
def desk(lab: LabPhone, tmp_path: Path) -> Iterator[Desk]:
    lab.root(FORGET)
    with Archive(tmp_path / "home", write=True) as archive:
        one = Desk(lab, archive)
        yield one
        one.live.close()
    lab.root("am force-stop com.android.shell")
