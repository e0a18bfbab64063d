"""What phones share: turns that go round, a place for what is small, and one rate for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.phone.files import Source
from agent.sync import SyncEngine
from agent.sync.batch import FILES
from agent.sync.events import SyncEvent
from agent.sync.pull import Cancelled, never
from agent.sync.share import LARGE, Share
from tests.faults.memory import SPOOL, START_MS, Clock, MemoryPhone, distinct
from tests.offhook import wait_until

BEHIND = 3 * FILES


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True, clock=Clock()) as opened:
        yield opened


def phone_of(serial: str, count: int, first: int = 0) -> MemoryPhone:
    """A phone with so many files, the first the oldest."""
    phone = MemoryPhone(serial=serial)
    for number in range(count):
        phone.put(f"/spool/{number}.json", b'{"schema": 1, "number": "117"}')
        phone.put(f"/spool/{number}.wav", distinct(first + number), START_MS + number * 1000)
    return phone


def test_phones_that_are_behind_take_turns(archive: Archive) -> None:
    """None waits for all that another has."""
    share = Share(1)
    phones = [phone_of(f"MEM{n}", BEHIND, 10_000 * n) for n in range(3)]
    order: list[str] = []
    done: list[str] = []
    errors: list[BaseException] = []

    def tell(event: SyncEvent) -> None:
        if event.kind == "pulling":
            if not order or order[-1] != event.phone:
                # Only when all the others that have something left stand in the queue.
                others = len(phones) - 1
                wait_until(lambda: share.waiting + len(set(done) - {event.phone}) >= others)
            order.append(event.phone)

    def pull(phone: MemoryPhone) -> None:
        try:
            engine = SyncEngine(archive, phone, [SPOOL], tell, share=share)
            assert len(engine.run_once().filed) == BEHIND
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            errors.append(error)
        done.append(phone.serial)

    threads = [threading.Thread(target=pull, args=(phone,)) for phone in phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    turns = [serial for serial, _ in groupby(order)]
    assert sorted(turns[:3]) == ["MEM0", "MEM1", "MEM2"]
    assert turns == turns[:3] * (len(turns) // 3)
    assert len(turns) == 3 * 4  # the newest alone, and three batches, of each


def test_what_is_small_does_not_wait_for_all_that_is_large() -> None:
    share, order = Share(2), []

    def second() -> None:
        with share.turn(LARGE + 1, never()):
            order.append("large")

    thread = threading.Thread(target=second)
    with share.turn(LARGE + 1, never()):
        thread.start()
        wait_until(lambda: share.waiting == 1)
        with share.turn(LARGE, never()):
            order.append("small")
    thread.join()
    assert order == ["small", "large"]


def test_a_phone_that_is_waited_for_has_no_turn(archive: Archive) -> None:
    share = Share(1)
    away, here = phone_of("MEM1", 1), phone_of("MEM2", 3, 100)
    away.drop_at["/spool/0.wav"] = 2000
    other = threading.Thread(
        target=SyncEngine(archive, here, [SPOOL], share=share).run_once, daemon=True
    )

    def on_break() -> None:
        other.start()
        other.join(30)
        assert not other.is_alive()

    away.on_break = on_break
    report = SyncEngine(archive, away, [SPOOL], share=share).run_once()
    assert report.whole
    assert len(archive.recordings()) == 4


def test_who_is_told_to_stop_does_not_wait_on() -> None:
    share, stop = Share(1), threading.Event()
    with share.turn(1, never()):
        stop.set()
        with pytest.raises(Cancelled), share.turn(1, stop):
            raise AssertionError("it is another's turn")
    with share.turn(1, never()):
        assert share.waiting == 0


def test_the_rate_is_that_of_all_phones_together(archive: Archive) -> None:
    time = Time()
    share = Share(rate=1000, clock=time.clock, sleep=time.sleep)
    first, second = phone_of("MEM1", 2), phone_of("MEM2", 3, 100)
    for phone in (first, second):
        assert SyncEngine(archive, phone, [SPOOL], share=share).run_once().whole
    assert time.now - 1000 == pytest.approx(5 * 5000 / 1000)  # and not for the sidecars
    time.now += 3600  # in which nothing came
    share.pace(2000, never())
    share.pace(500, never())
    assert time.now - 1000 == pytest.approx(25 + 3600 + 2.5)


def test_a_second_reading_counts_too(archive: Archive) -> None:
    time = Time()
    share = Share(rate=1000, clock=time.clock, sleep=time.sleep)
    phone = phone_of("MEM1", 1)
    phone.no_hash_tool = True
    assert SyncEngine(archive, phone, [SPOOL], share=share).run_once().whole
    assert time.now - 1000 == pytest.approx(10)


def test_a_new_rate_holds_at_once_and_a_stop_too() -> None:
    time, stop = Time(), threading.Event()

    def faster(seconds: float) -> None:
        time.sleep(seconds)
        share.rate = None

    share = Share(rate=10, clock=time.clock, sleep=faster)
    for _ in range(2):
        share.pace(1_000_000, stop)
        assert time.now < 1002
    share.rate = 20
    stop.set()
    with pytest.raises(Cancelled):
        share.pace(1_000_000, stop)


def test_at_a_low_rate_few_go_together() -> None:
    assert Share().together(16 << 20) == 16 << 20
    assert Share(rate=10 << 20).together(16 << 20) == 16 << 20
    assert Share(rate=100_000).together(16 << 20) == 400_000


def test_a_new_recording_comes_before_all_that_are_behind(archive: Archive) -> None:
    phone = phone_of("MEM1", BEHIND)
    engine = SyncEngine(archive, phone, [SPOOL])
    came = False

    def news() -> bool:
        """While the second batch of many was pulled, a call came to its end."""
        nonlocal came
        if len(archive.recordings()) < 2 or came:
            return False
        phone.put("/spool/new.json", b'{"schema": 1, "number": "117"}')
        phone.put("/spool/new.wav", distinct(5000), START_MS + 3_000_000)
        return (came := True)

    report = engine.run_once(news=news)
    assert report.again_in_s is not None and report.again_in_s < 1
    assert len(report.filed) == 1 + FILES
    report = engine.run_once()
    assert report.filed[0].original_name == "new.wav"
    assert len(archive.recordings()) == BEHIND + 1
    newest_first = [one.original_name for one in report.filed[1:]]
    assert newest_first == sorted(newest_first, key=lambda name: -int(name.split(".")[0]))


def test_what_is_finished_meanwhile_does_not_wait_either(tmp_path: Path) -> None:
    """A file that was still growing when its folder was looked at."""
    clock, phone = Clock(), MemoryPhone()
    folder = Source("load", "/load")
    for number in range(BEHIND):
        phone.put(f"/load/{number}.wav", distinct(number), START_MS + number * 1000)
    with Archive(tmp_path / "other", write=True, clock=clock) as archive:
        engine = SyncEngine(archive, phone, [folder])
        engine.run_once()
        clock.go(3)
        phone.put("/load/new.wav", distinct(5000), START_MS + 3_000_000)
        turns = [0]

        def news() -> bool:
            turns[0] += 1
            clock.go(3)
            return False

        report = engine.run_once(news=news)
        assert turns[0] == 2
        assert report.waiting == ["/load/new.wav"]
        assert len(report.filed) == 1 + FILES
        report = engine.run_once(news=lambda: True)
        assert [one.original_name for one in report.filed] == ["new.wav"]
        assert len(archive.recordings()) == 1 + FILES + 1
        engine.run_once()  # who asks once gets all of it
        assert len(archive.recordings()) == BEHIND + 1


def test_the_newest_of_all_folders_comes_first(archive: Archive) -> None:
    other = Source("other", "/other", root=True, atomic=True, recorder="offhook")
    phone = phone_of("MEM1", BEHIND)
    phone.put("/other/new.json", b'{"schema": 1, "number": "117"}')
    phone.put("/other/new.wav", distinct(5000), START_MS + 3_000_000)
    order: list[str] = []

    def tell(event: SyncEvent) -> None:
        if event.kind == "filed":
            order.append(event.path)

    report = SyncEngine(archive, phone, [SPOOL, other], tell).run_once()
    assert order[:2] == ["/other/new.wav", f"/spool/{BEHIND - 1}.wav"]
    assert report.whole
    assert len(report.filed) == len(order) == BEHIND + 1
