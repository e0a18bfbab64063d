"""One phone's watch, when what nobody foresaw happens in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agent.archive import Archive
from agent.capture.journal import Journal
from agent.capture.live import LiveRoute
from agent.errors import DiskFullError, LinkError
from agent.phone.phone import Phone
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.live import Live
from agent.sync.trouble import Trouble
from agent.sync.watch import Nap, Watch
from tests.offhook import wait_until


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True) as opened:
        yield opened


class Bench:
    """A watch of a phone whose opening fails by script, one error after the other, then the last
    again and again; without any, it is ``phone`` that is there."""

    def __init__(self, archive: Archive, errors: list[Exception]) -> None:
        self.errors = errors
        self.opened = 0
        self.events: list[WatchEvent | SyncEvent] = []
        self.take: Callable[[WatchEvent | SyncEvent], None] = self.events.append
        self.stop = threading.Event()
        self.nap = Nap(self.stop)
        self.raised: BaseException | None = None
        self.phone: Phone | None = None
        self.journal: Callable[[], Journal | None] = lambda: None
        self.trouble = Trouble(archive, lambda e: self.take(e))
        self._watch = Watch(
            "desk",
            self._open,
            archive,
            [],
            lambda e: self.take(e),
            self.stop,
            journal=lambda _: self.journal(),
            nap=self.nap,
            trouble=self.trouble,
        )

    @contextmanager
    def _open(self) -> Iterator[Phone]:
        self.opened += 1
        if self.errors:
            raise self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        assert self.phone is not None
        yield self.phone

    @contextmanager
    def running(self) -> Iterator[threading.Thread]:
        def run() -> None:
            try:
                self._watch.run()
            except BaseException as error:  # noqa: BLE001 - looked at by the test
                self.raised = error

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield thread
        finally:
            self.stop.set()
            self.nap.end()
            thread.join()

    def again(self) -> None:
        """Until it has tried once more, without waiting for its pause."""
        before = self.opened
        wait_until(lambda: (self.nap.end(), self.opened > before)[1])


def test_a_mistake_is_told_once_without_what_it_says_and_tried_again(archive: Archive) -> None:
    bench = Bench(archive, [KeyError("+49301234"), KeyError("+49305678"), LinkError("away")])
    with bench.running():
        wait_until(lambda: bench.opened > 0)
        bench.again()
        bench.again()
        bench.again()
    assert bench.raised is None
    first, second = bench.events
    assert isinstance(first, WatchEvent) and isinstance(second, WatchEvent)
    assert (first.kind, second.kind) == ("problem", "lost")
    assert "KeyError" in first.text
    assert "sync/watch.py:" in first.text
    assert "4930" not in first.text
    assert first.error is not None and first.error.hint


def test_what_can_not_be_told_ends_it(archive: Archive) -> None:
    """Such as to a pipe that was closed: nobody is there any more."""
    bench = Bench(archive, [LinkError("away")])

    def closed(event: object) -> None:
        bench.take = bench.events.append  # a console says nothing more, either
        raise BrokenPipeError

    bench.take = closed
    with bench.running() as thread:
        thread.join(30)
        assert not thread.is_alive()
    assert isinstance(bench.raised, BrokenPipeError)
    assert bench.events == []


def test_what_the_archive_does_not_take_before_a_phone_is_there_is_not_its_loss(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = DiskFullError("no room left", hint="Free some space.")
    bench = Bench(archive, [full, full, full, LinkError("away")])

    def prove() -> None:
        raise full

    monkeypatch.setattr(archive, "prove", prove)
    with bench.running():
        wait_until(lambda: bench.opened > 0)
        for _ in range(4):
            bench.again()
    told = [(event.kind, event.phone) for event in bench.events]
    assert told == [("unfiled", "archive"), ("lost", "desk")]


def test_a_route_of_this_computers_is_followed_that_is_turned_on_while_the_archive_takes_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls were nobody's: when the archive took something again, the watch took that route for
    the one that it had been following all along."""
    full = DiskFullError("no room left")
    followed: list[str | None] = []
    on: list[Journal] = []

    @contextmanager
    def following(live: Live, _phone: Phone, route: LiveRoute | None) -> Iterator[None]:
        live.off.clear()
        followed.append(None if route is None else route.name)
        yield

    def prove() -> None:
        raise full

    monkeypatch.setattr(archive, "prove", prove)
    monkeypatch.setattr(Live, "following", following)
    bench = Bench(archive, [])
    bench.phone = cast(
        "Phone",
        SimpleNamespace(
            serial="P1", facts=SimpleNamespace(name="a phone"), run=lambda _command: None
        ),
    )
    bench.journal = lambda: on[0] if on else None
    bench.trouble.met("lab", full)
    with bench.running():
        wait_until(lambda: followed == [None])
        on.append(Journal("P1", "now", "1", 0, {}, {}, {}, route="voicecall"))
        wait_until(lambda: (bench.nap.end(), len(followed) > 1)[1])
    assert followed[:2] == [None, "voicecall"]
    assert bench.raised is None
    assert [event.kind for event in bench.events] == ["unfiled", "connected"]
