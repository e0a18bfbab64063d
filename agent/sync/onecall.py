"""The recordings of one call, as soon as they are in the archive: whoever brings them there.

This is the seam between a test call and the routes. What is recorded on the phone is pulled by a
watch, what this computer hears itself is recorded by one: so somebody has to watch, and then the
call's recordings turn up in the archive. Where no ``offhook watch`` runs, we are the one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.capture.journal import Journal
from agent.errors import BusyError
from agent.phone.phone import Phone
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.watch import Watch

_LOOK_EVERY_S = 0.25
_MORE_S = 1.0  # after its first part, for others
_SLACK_MS = 5_000  # clocks, and what a recorder writes of its begin


@dataclass(frozen=True)
class Window:
    """A call of a phone: its times by the phone's clock, and since when, by this computer's,
    recordings of it can have been filed."""

    serial: str
    begun_ms: int
    ended_ms: int
    since_ms: int


def of_call(archive: Archive, window: Window) -> list[Recording]:
    """What was filed of a call so far, the first part first."""
    rows = archive.recordings(
        phone=window.serial,
        since_ms=window.begun_ms - _SLACK_MS,
        until_ms=window.ended_ms + _SLACK_MS,
    )
    mine = [row for row in rows if row.added_ms >= window.since_ms]
    return sorted(mine, key=lambda row: (row.started_ms or 0, row.id))


class Bringing:
    """Watches a phone that is open already, until the block ends, or lets another Offhook do so.

    ``archive`` makes an archive that is not open yet, to write to or not; ``journal`` reads the
    journal of a serial number.
    """

    def __init__(
        self,
        phone: Phone,
        archive: Callable[[bool], Archive],
        journal: Callable[[str], Journal | None],
    ) -> None:
        self._phone = phone
        self._archive = archive
        self._journal = journal
        self._stop = threading.Event()
        self._unfinished = False
        self._thread: threading.Thread | None = None
        self._broken: BaseException | None = None
        self._opened = ExitStack()
        self.problem: str | None = None
        """Why a call was not recorded, as the watch told it last."""

    def __enter__(self) -> Self:
        self.ensure()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._opened.close()

    @property
    def ours(self) -> bool:
        """Whether it is we who watch, and not another Offhook."""
        return self._thread is not None

    def ensure(self) -> None:
        """Watch from now on, unless somebody does."""
        if self._thread is not None:
            return
        try:
            archive = self._opened.enter_context(self._archive(True))
        except BusyError:
            return
        watch = Watch(
            self._phone.name,
            self._same_phone,
            archive,
            [],
            self._take,
            self._stop,
            journal=self._journal,
        )
        self._thread = threading.Thread(target=self._run, args=(watch,), name="selftest")
        self._thread.start()

    def wait(self, window: Window, patience_s: float) -> list[Recording]:
        """The call's recordings, the first part first; none when none came in so many seconds."""
        never, end = threading.Event(), time.monotonic() + patience_s
        with self._archive(False) as archive:
            while not (found := of_call(archive, window)):
                self._raise()
                if time.monotonic() > end:
                    return []
                never.wait(_LOOK_EVERY_S)
                self.ensure()
            soon = time.monotonic() + _MORE_S
            while time.monotonic() < soon or (self._unfinished and time.monotonic() < end):
                never.wait(_LOOK_EVERY_S)
            return of_call(archive, window) or found

    def _run(self, watch: Watch) -> None:
        try:
            watch.run()
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            self._broken = error

    def _raise(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _take(self, event: WatchEvent | SyncEvent) -> None:
        if isinstance(event, WatchEvent) and event.report is not None:
            self._unfinished = bool(event.report.waiting)
        if (
            isinstance(event, WatchEvent)
            and event.kind in ("state", "lost", "problem", "unfiled")
            and event.error
        ):
            self.problem = event.error.message

    @contextmanager
    def _same_phone(self) -> Iterator[Phone]:
        """The connection that there is: USB has no second one."""
        yield self._phone
