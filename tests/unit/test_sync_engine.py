"""The sync engine over a phone whose files misbehave."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive, store
from agent.errors import ArchiveError, RootError
from agent.phone.files import IN_PLACE, RemoteFile, Source
from agent.sync import Rules, SyncEngine, SyncEvent
from agent.sync.spot import spot
from tests.faults.memory import (
    FOLDER,
    SPOOL,
    START_MS,
    Clock,
    MemoryPhone,
    distinct,
    of_unknown_kind,
    wav,
)


class Bench:
    """An archive, a phone and an engine between them, and what the engine told."""

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self.archive = archive
        self.clock = clock
        self.phone = MemoryPhone()
        self.events: list[SyncEvent] = []
        self.engine = SyncEngine(archive, self.phone, [SPOOL, FOLDER], self.events.append)

    def spool(self, name: str, data: bytes, **said: Any) -> None:
        self.phone.put(f"/spool/{name}.json", json.dumps({"schema": 1, **said}).encode())
        self.phone.put(f"/spool/{name}.wav", data)

    def kinds(self, path: str) -> list[str]:
        return [event.kind for event in self.events if event.path == path]

    def state(self, path: str) -> tuple[str, str | None]:
        with self.archive.reading() as db:
            row = db.execute(
                "SELECT state, error FROM sightings WHERE path = ? AND current", [os.fsencode(path)]
            ).fetchone()
        return row[0], row[1]

    def parts(self) -> list[Path]:
        return list(self.archive.store.root.rglob("*.part"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        made = Bench(archive, clock)
        yield made
        assert made.phone.open_reads == 0, "a read was left open"
        assert made.parts() == []
        assert archive.verify_chain() == []


def test_a_recording_of_ours_is_filed_with_what_its_sidecar_says(bench: Bench) -> None:
    data = wav(0.5, gains=(0.3, 0.0))
    bench.spool(
        "call",
        data,
        recorder="offhook",
        route="alsa",
        direction="in",
        number="+41791234567",
        sim=1,
        started_ms=START_MS,
        call_ended_ms=START_MS + 500,
        cut=False,
    )
    report = bench.engine.run_once()
    (filed,) = report.filed
    assert report.whole
    assert report.again_in_s is None
    assert filed.sha256 == hashlib.sha256(data).hexdigest()
    assert bench.archive.file_of(filed).read_bytes() == data
    assert (filed.route, filed.direction, filed.number, filed.sim) == (
        "alsa",
        "in",
        "+41791234567",
        "1",
    )
    assert filed.duration_s == 0.5
    assert (filed.silent, filed.silent_channels) == (False, [1])
    assert filed.verified_ms == bench.clock()
    assert filed.facts["number"]["source"] == "offhook sidecar"
    assert bench.kinds("/spool/call.wav") == ["seen", "pulling", *["progress"], "filed"]
    assert bench.engine.run_once().filed == []
    assert bench.phone.reads.count("/spool/call.wav") == 1


def test_progress_is_in_bytes_and_ends_at_the_size(bench: Bench) -> None:
    data = distinct(1, 1_000_000)
    bench.spool("long", data)
    bench.engine.run_once()
    done = [event.done for event in bench.events if event.kind == "progress"]
    assert done == sorted(done)
    assert done[-1] == len(data)
    assert len(done) > 2


def test_a_recording_waits_for_its_sidecar_but_not_for_ever(bench: Bench) -> None:
    bench.phone.put("/spool/call.wav", wav())
    report = bench.engine.run_once()
    assert (report.filed, report.waiting) == ([], ["/spool/call.wav"])
    assert report.again_in_s == bench.engine.rules.sidecar_wait_s
    bench.clock.go(report.again_in_s)
    (filed,) = bench.engine.run_once().filed
    assert filed.flags == ["no sidecar"]
    bench.phone.put("/spool/call.json", b'{"schema": 1, "number": "117", "cut": true}')
    (late,) = bench.engine.run_once().completed
    assert (late.number, late.flags) == ("117", ["cut"])
    assert [one.id for one in bench.archive.search("117")] == [late.id]
    assert bench.engine.run_once().completed == []


def test_elsewhere_a_file_has_to_be_seen_unchanged_for_a_while(bench: Bench) -> None:
    path = "/sdcard/BCR/x.wav"
    bench.phone.put(path, wav(0.1))
    first = bench.engine.run_once()
    assert first.waiting == [path]
    assert first.again_in_s is not None
    bench.clock.go(2)
    bench.phone.put(path, wav(0.2), START_MS + 1)  # it grows
    assert bench.engine.run_once().waiting == [path]
    bench.clock.go(2)
    assert bench.engine.run_once().waiting == [path]
    bench.clock.go(1)
    (filed,) = bench.engine.run_once().filed
    assert filed.size == len(wav(0.2))
    assert bench.phone.reads == [path]


def test_a_clock_turned_back_does_not_make_a_file_settle(bench: Bench) -> None:
    path = "/sdcard/BCR/x.wav"
    bench.phone.put(path, wav())
    bench.engine.run_once()
    bench.clock.go(-86_400)
    assert bench.engine.run_once().again_in_s == 3.0
    bench.clock.go(3)
    assert len(bench.engine.run_once().filed) == 1


def test_the_same_bytes_twice_are_one_recording_with_two_sightings(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.spool("b", wav())
    report = bench.engine.run_once()
    assert (len(report.filed), len(report.duplicates)) == (1, 1)
    (one,) = bench.archive.recordings()
    seen = [row["path"] for row in bench.archive.sightings_of(one.sha256)]
    assert sorted(p for p in seen if p.endswith(".wav")) == ["/spool/a.wav", "/spool/b.wav"]
    assert [e.action for e in bench.archive.custody_of(one.sha256)] == ["filed", "seen again"]


def test_other_bytes_at_the_same_path_are_both_kept(bench: Bench) -> None:
    bench.spool("a", wav(0.2))
    bench.engine.run_once()
    bench.phone.put("/spool/a.wav", wav(0.4), START_MS)
    assert len(bench.engine.run_once().filed) == 1
    assert {one.size for one in bench.archive.recordings()} == {len(wav(0.2)), len(wav(0.4))}
    for one in bench.archive.recordings():
        bench.archive.store.check(one.path, one.sha256)


def test_a_lie_of_the_hash_tool_is_asked_again(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.phone.lies["/spool/a.wav"] = ["0" * 64, "rubbish"]
    assert len(bench.engine.run_once().filed) == 1
    assert bench.phone.reads.count("/spool/a.wav") == 3


def test_a_hash_that_never_agrees_fails_that_file_and_no_other(bench: Bench) -> None:
    bench.spool("a", wav(0.2))
    bench.spool("b", wav(0.3))
    bench.phone.lies["/spool/a.wav"] = ["0" * 64] * 3
    report = bench.engine.run_once()
    assert [failure.path for failure in report.failed] == ["/spool/a.wav"]
    assert "the phone has 000000000000…" in report.failed[0].reason
    assert len(report.filed) == 1
    assert bench.state("/spool/a.wav") == ("failed", report.failed[0].reason)
    # Watching leaves it alone until its next try is due; a sync by hand does not.
    again = bench.engine.scan(SPOOL)
    assert (again.filed, again.failed) == ([], [])
    assert again.again_in_s == bench.engine.rules.retry_s
    assert len(bench.engine.run_once().filed) == 1
    assert bench.state("/spool/a.wav") == ("filed", None)


def test_without_a_hash_tool_a_second_reading_proves_the_first(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.phone.no_hash_tool = True
    (filed,) = bench.engine.run_once().filed
    (entry,) = bench.archive.custody_of(filed.sha256)
    assert entry.detail["verified"] == "read twice"


def test_a_file_that_goes_while_it_is_checked_is_kept_and_said_to_be_unverified(
    bench: Bench,
) -> None:
    bench.spool("a", wav())
    path = "/spool/a.wav"

    def vanish(what: str) -> None:
        if what == "sha256":
            bench.phone.files.pop(path, None)

    bench.phone.before_each_call = vanish
    (filed,) = bench.engine.run_once().filed
    assert filed.verified_ms is None
    assert filed.flags == ["not verified: it vanished from the phone first"]


def test_a_file_that_goes_before_it_is_read_is_said_to_be_gone(bench: Bench) -> None:
    bench.spool("a", wav())

    def vanish(what: str) -> None:
        if what == "read":
            bench.phone.files.pop("/spool/a.wav", None)

    bench.phone.before_each_call = vanish
    report = bench.engine.run_once()
    assert report.gone == ["/spool/a.wav"]
    assert report.whole
    bench.phone.before_each_call = lambda what: None
    bench.spool("a", wav())
    assert len(bench.engine.run_once().filed) == 1


def test_a_file_that_grows_while_it_is_read_is_taken_when_it_has_settled(bench: Bench) -> None:
    path = "/sdcard/BCR/x.wav"
    bench.phone.put(path, wav(0.2))
    bench.engine.run_once()
    bench.clock.go(5)
    bench.phone.on_read[path] = lambda: bench.phone.put(path, wav(0.4), START_MS + 5)
    report = bench.engine.run_once()
    assert report.failed == []
    bench.clock.go(5)
    bench.engine.run_once()
    bench.clock.go(5)
    bench.engine.run_once()
    sizes = [one.size for one in bench.archive.recordings()]
    assert len(wav(0.4)) in sizes


def test_a_file_without_end_is_given_up_with_a_reason(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.spool("b", wav(0.5))
    bench.phone.endless.add("/spool/a.wav")
    for _ in range(3):
        report = bench.engine.run_once()
    assert "more came than" in report.failed[0].reason
    assert len(bench.archive.recordings()) == 1


@pytest.mark.parametrize("claim", [1, 10**6, 0, -5, 1 << 70])
def test_a_listing_that_lies_about_the_size_is_found_out(bench: Bench, claim: int) -> None:
    bench.spool("a", wav())
    bench.phone.claims["/spool/a.wav"] = claim
    for _ in range(3):
        report = bench.engine.run_once()
    if claim > len(wav()):  # the hash proves the bytes, so they are kept
        assert bench.archive.recordings()[0].flags == ["listed with another size"]
    else:
        assert "listed" in report.failed[0].reason
    bench.phone.claims.clear()
    bench.engine.run_once()
    assert [one.size for one in bench.archive.recordings()] == [len(wav())]


def test_bytes_without_end_behind_a_size_that_is_a_lie_are_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MOST", 100_000)
    bench.spool("a", wav())
    bench.spool("b", wav(0.5))
    bench.phone.endless.add("/spool/a.wav")
    bench.phone.claims["/spool/a.wav"] = 1 << 62
    report = bench.engine.run_once()
    (failure,) = report.failed
    assert "more than this disk can hold" in failure.reason
    assert "import" in (failure.hint or "")
    assert bench.phone.sent["/spool/a.wav"] < 110_000
    assert len(report.filed) == 1


def test_a_file_at_which_the_link_always_breaks_keeps_no_other(bench: Bench) -> None:
    bench.spool("a", wav(0.2))
    bench.spool("b", wav(0.3))
    bench.phone.put("/spool/a.wav", wav(0.2), START_MS + 1)  # comes first
    bench.phone.drop_at["/spool/a.wav"] = 0
    bench.phone.on_break = lambda: bench.phone.drop_at.update({"/spool/a.wav": 0})
    report = bench.engine.run_once()
    assert [failure.path for failure in report.failed] == ["/spool/a.wav"]
    assert "nothing of it comes: the link broke" in report.failed[0].reason
    assert report.link_lost is None
    assert len(report.filed) == 1


@pytest.mark.parametrize("at", [0, 1000, 3000])
def test_a_pull_goes_on_where_the_link_broke(bench: Bench, at: int) -> None:
    for number in range(3):
        bench.spool(f"c{number}", wav(0.2 + number / 10))
    bench.phone.drop_at["/spool/c1.wav"] = at
    report = bench.engine.run_once()
    assert report.whole
    assert len(report.filed) == 3
    assert report.pulled_bytes == sum(one.size for one in bench.archive.recordings())
    assert bench.phone.sent["/spool/c1.wav"] == len(wav(0.3))  # no byte came twice
    broken = next(event for event in bench.events if event.kind == "broken")
    assert (broken.done, broken.error) == (at, "the link broke")
    assert bench.parts() == []


def test_a_file_that_changed_while_the_link_was_down_is_not_patched_up(bench: Bench) -> None:
    old, new = distinct(1, 50_000), distinct(2, 50_000)
    bench.spool("a", old)
    bench.phone.drop_at["/spool/a.wav"] = 20_000
    bench.phone.on_break = lambda: bench.phone.put("/spool/a.wav", new)
    bench.engine.run_once()
    bench.clock.go(60)
    bench.engine.run_once()
    assert [one.sha256 for one in bench.archive.recordings()] == [hashlib.sha256(new).hexdigest()]


def test_a_phone_without_a_hash_tool_is_pulled_from_anew_after_a_break(bench: Bench) -> None:
    bench.spool("a", distinct(1, 50_000))
    bench.phone.drop_at["/spool/a.wav"] = 20_000
    bench.phone.no_hash_tool = True
    assert len(bench.engine.run_once().filed) == 1


def test_two_files_never_become_one_recording(bench: Bench) -> None:
    """Another file took the path while the link was down, and vanished before it was verified."""
    old, new = distinct(1, 50_000), distinct(2, 50_000)
    bench.spool("a", old)
    bench.phone.drop_at["/spool/a.wav"] = 20_000
    bench.phone.no_hash_tool = True
    bench.phone.on_break = lambda: bench.phone.put("/spool/a.wav", new)
    bench.phone.before_each_call = lambda what: (
        bench.phone.files.pop("/spool/a.wav", None)  # type: ignore[func-returns-value]
        if what == "sha256" and bench.phone.sent["/spool/a.wav"] >= 70_000
        else None
    )
    bench.engine.run_once()
    assert {one.sha256 for one in bench.archive.recordings()} <= {
        hashlib.sha256(data).hexdigest() for data in (old, new)
    }


@pytest.mark.parametrize("at", [0, 1000, 3000])
def test_a_phone_that_stays_away_stops_the_run_and_the_next_one_goes_on(
    bench: Bench, at: int
) -> None:
    for number in range(3):
        bench.spool(f"c{number}", wav(0.2 + number / 10))
    bench.phone.drop_at["/spool/c1.wav"] = at
    bench.phone.comes_back = False
    report = bench.engine.run_once()
    assert report.link_lost == "the phone stayed away"
    assert report.failed == []
    assert bench.parts() == []
    assert bench.state("/spool/c1.wav")[0] == "seen"
    bench.engine.run_once()
    assert len(bench.archive.recordings()) == 3


def test_a_link_that_is_down_is_said_once_and_nothing_is_concluded(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.engine.run_once()
    bench.phone.link_down = True
    report = bench.engine.run_once()
    assert (report.link_lost, report.gone) == ("the link is down", [])


def test_a_cancelled_run_leaves_no_part(bench: Bench) -> None:
    bench.spool("a", distinct(1, 50_000))
    stop = threading.Event()
    chunks = 0

    def count(what: str) -> None:
        nonlocal chunks
        chunks += what == "chunk"
        if chunks == 10:
            stop.set()

    bench.phone.before_each_call = count
    report = bench.engine.run_once(stop)
    assert report.cancelled
    assert bench.parts() == []
    assert len(bench.engine.run_once().filed) == 1


def test_one_file_that_can_not_be_read_does_not_stop_the_rest(bench: Bench) -> None:
    bench.spool("a", wav(0.2))
    bench.spool("b", wav(0.3))
    bench.phone.refuses["/spool/a.wav"] = "Permission \x1b[2Jdenied"
    report = bench.engine.run_once()
    assert [f.reason for f in report.failed] == ["Permission \\x1b[2Jdenied"]
    assert len(report.filed) == 1


def test_a_source_that_can_not_be_entered_does_not_stop_the_others(bench: Bench) -> None:
    bench.phone.put("/sdcard/BCR/x.wav", wav())

    class Denied(MemoryPhone):
        def scan(self, source: Source) -> list[RemoteFile]:
            if source.root:
                raise RootError("su says no")
            return super().scan(source)

    phone = Denied(files=bench.phone.files)
    engine = SyncEngine(bench.archive, phone, [SPOOL, FOLDER])
    engine.run_once()
    bench.clock.go(5)
    report = engine.run_once()
    assert [(f.path, f.reason) for f in report.failed] == [("offhook (/spool)", "su says no")]
    assert len(report.filed) == 1


HOSTILE = [
    "with space.wav",
    "quote'\"`$(reboot)`.wav",
    "😀 emoji.wav",
    "new\nline.wav",
    "\udcff\udcfe not utf8.wav",
    "../../../../tmp/escape.wav",
    "a/../b.wav",
    "-rf.wav",
    "\x1b[31mred\x07.wav",
    "\u202egpj.wav",
    "CON.wav",
    "é" * 124 + ".wav",
    "x" * 251 + ".wav",
    "trailing. .wav",
    "~root.wav",
    "a%s%n.wav",
]


@pytest.mark.parametrize("with_sidecar", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_harmless(bench: Bench, name: str, with_sidecar: bool) -> None:
    path = f"/spool/{name}"
    data = wav()
    bench.phone.put(path, data)
    if with_sidecar:
        bench.phone.put(path.removesuffix(".wav") + ".json", b'{"schema": 1, "number": "../../x"}')
    bench.clock.go(60)
    bench.engine.run_once()
    bench.clock.go(60)
    bench.engine.run_once()
    (one,) = bench.archive.recordings()
    kept = bench.archive.file_of(one)
    assert kept.read_bytes() == data
    assert kept.resolve().is_relative_to(bench.archive.store.root.resolve())
    assert len(kept.name.encode()) < 255
    assert kept.name.isprintable()
    outside = [p for p in bench.archive.home.parent.iterdir() if p.name not in ("home", "android")]
    assert outside == []
    (seen,) = [r for r in bench.archive.sightings_of(one.sha256) if r["path"].endswith(".wav")]
    assert seen["path"].isprintable()


def test_what_is_no_recording_is_left_alone(bench: Bench) -> None:
    for name in (".hidden.wav", ".pending-1-a.wav", "notes.txt", "wav", ".json", "a.wav.part"):
        bench.phone.put(f"/spool/{name}", b"x")
    report = bench.engine.run_once()
    assert (report.scanned, report.filed, report.waiting, report.failed) == (6, [], [], [])
    assert bench.phone.reads == []


def test_an_empty_file_is_not_a_recording_until_it_has_bytes(bench: Bench) -> None:
    bench.spool("a", b"")
    assert bench.engine.run_once().filed == []
    assert bench.state("/spool/a.wav")[0] == "empty"
    bench.phone.put("/spool/a.wav", wav(), START_MS + 1)
    assert len(bench.engine.run_once().filed) == 1


def test_what_no_library_can_decode_is_filed_with_the_reason(bench: Bench) -> None:
    bench.spool("a", distinct(3))
    (filed,) = bench.engine.run_once().filed
    assert filed.silent is None
    assert filed.problem is not None
    assert ".part" not in filed.problem


def test_a_file_that_killed_the_program_thrice_is_filed_unheard(bench: Bench) -> None:
    bench.spool("a", wav())
    spot(bench.archive, bench.phone.serial, SPOOL, bench.phone.scan(SPOOL))
    with bench.archive.writing() as db:
        db.execute("UPDATE sightings SET state = 'pulling', tries = 3 WHERE shown LIKE '%.wav'")
    (filed,) = bench.engine.run_once().filed
    assert filed.problem == "not measured: the program died of it before"


def test_a_recording_that_vanished_and_came_back_is_not_pulled_again(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.engine.run_once()
    kept = dict(bench.phone.files)
    bench.phone.files.clear()
    assert bench.engine.run_once().gone == []
    (one,) = bench.archive.recordings()
    assert all(row["gone_ms"] for row in bench.archive.sightings_of(one.sha256))
    bench.phone.files.update(kept)
    bench.engine.run_once()
    assert bench.phone.reads.count("/spool/a.wav") == 1
    assert not any(row["gone_ms"] for row in bench.archive.sightings_of(one.sha256))


def test_of_a_storage_that_is_not_there_nothing_is_concluded(bench: Bench) -> None:
    bench.phone.put("/sdcard/BCR/old.wav", wav())
    bench.engine.run_once()
    bench.clock.go(60)
    (old,) = bench.engine.run_once().filed
    bench.phone.put("/sdcard/BCR/waits.wav", wav(0.3))
    bench.engine.run_once()
    bench.spool("new", wav(0.4))
    bench.phone.away = {"/sdcard/BCR": "locked"}
    bench.clock.go(60)
    for _ in range(2):  # an unchanged list, too
        report = bench.engine.run_once()
        assert (report.gone, report.locked, report.whole, report.idle) == (
            [],
            "locked",
            True,
            False,
        )
    assert not any(row["gone_ms"] for row in bench.archive.sightings_of(old.sha256))
    assert "filed" in bench.kinds("/spool/new.wav")
    bench.phone.away = {}
    report = bench.engine.run_once()
    assert (report.locked, [one.original_name for one in report.filed]) == (None, ["waits.wav"])
    assert "gone" not in {event.kind for event in bench.events}
    bench.phone.files.clear()  # somebody does delete them
    bench.engine.run_once()
    assert all(row["gone_ms"] for row in bench.archive.sightings_of(old.sha256))


def test_the_newest_comes_first(bench: Bench) -> None:
    for number in (2, 1, 3):
        bench.spool(f"c{number}", wav(0.1 * number))
        bench.phone.put(f"/spool/c{number}.wav", wav(0.1 * number), START_MS + number)
    bench.engine.run_once()
    pulled = [event.path for event in bench.events if event.kind == "pulling"]
    assert pulled == ["/spool/c3.wav", "/spool/c2.wav", "/spool/c1.wav"]


def test_two_phones_with_the_same_path_are_kept_apart(bench: Bench) -> None:
    bench.spool("a", wav(0.2))
    bench.engine.run_once()
    other = MemoryPhone(serial="MEM2")
    other.put("/spool/a.json", b'{"schema": 1}')
    other.put("/spool/a.wav", wav(0.3))
    report = SyncEngine(bench.archive, other, [SPOOL]).run_once()
    assert [one.phone for one in report.filed] == ["MEM2"]


def test_a_reader_can_not_sync(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive, pytest.raises(ArchiveError):
        SyncEngine(archive, MemoryPhone(), [SPOOL])


def test_a_lost_sidecar_does_not_lose_the_recording(bench: Bench) -> None:
    bench.spool("a", wav())
    bench.phone.refuses["/spool/a.json"] = "Permission denied"
    report = bench.engine.run_once()
    (filed,) = report.filed
    assert filed.flags == ["no sidecar"]
    assert [one.path for one in report.failed] == ["/spool/a.json"]


def test_a_sidecar_that_could_not_be_read_is_tried_again_as_a_recording_is(bench: Bench) -> None:
    bench.spool("a", wav(), number="+4930123456")
    bench.phone.refuses["/spool/a.json"] = "Permission denied"
    bench.engine.run_once(retry_failed=False)
    reads = bench.phone.reads.count("/spool/a.json")
    bench.clock.go(10)
    report = bench.engine.run_once(retry_failed=False)
    assert (report.idle, bench.phone.reads.count("/spool/a.json")) == (False, reads)
    bench.clock.go(30)
    report = bench.engine.run_once(retry_failed=False)
    assert [one.path for one in report.failed] == ["/spool/a.json"]
    bench.phone.refuses.clear()
    bench.clock.go(3600)
    report = bench.engine.run_once(retry_failed=False)
    (completed,) = report.completed
    assert (completed.number, completed.flags, report.failed) == ("+4930123456", [], [])
    assert bench.engine.run_once().completed == []


def test_rules_are_the_callers(bench: Bench) -> None:
    engine = SyncEngine(bench.archive, bench.phone, [FOLDER], rules=Rules(settle_s=60))
    bench.phone.put("/sdcard/BCR/x.wav", wav())
    assert engine.run_once().again_in_s == 60
    bench.clock.go(59)
    assert engine.run_once().filed == []
    bench.clock.go(1)
    assert len(engine.run_once().filed) == 1


def test_a_call_over_the_end_of_a_month_is_filed_where_it_began(tmp_path: Path) -> None:
    phone, midnight = MemoryPhone(), 1_772_323_200_000  # 2026-03-01 UTC
    phone.put("/x/a.wav", wav(5.0), midnight + 2000)
    with Archive(tmp_path, write=True) as archive:
        engine = SyncEngine(archive, phone, [Source("x", "/x", atomic=True)])
        (recording,) = engine.run_once().filed
    assert recording.path.startswith("2026/02/")


def test_sound_of_an_unknown_kind_stops_nothing(bench: Bench) -> None:
    bench.phone.put("/sdcard/BCR/strange.m4a", of_unknown_kind(), START_MS + 1)  # comes first
    bench.phone.put("/sdcard/BCR/plain.wav", wav(0.2))
    bench.engine.run_once()
    bench.clock.go(60)
    bench.engine.run_once()
    found = {one.original_name: one for one in bench.archive.recordings()}
    assert found.keys() == {"strange.m4a", "plain.wav"}
    assert "of a kind that is not known" in (found["strange.m4a"].problem or "")


APP = Source(
    "folder Recordings/App", "/data/media/0/Recordings/App", True, traits=frozenset({IN_PLACE})
)


@pytest.mark.parametrize("source", [APP, Source("own", APP.path, root=True)])
def test_what_an_app_still_writes_is_not_taken_between_two_of_its_writes(
    bench: Bench, source: Source
) -> None:
    engine = SyncEngine(bench.archive, bench.phone, [source])
    data = wav(6)
    bench.phone.writers.add("/storage/emulated/0/Recordings/App/a.wav")
    for part in range(1, 7):  # an app's own call, of which Android knows none
        bench.phone.put(f"{APP.path}/a.wav", data[: len(data) * part // 6], bench.clock.ms)
        for _ in range(3):
            bench.clock.go(4)
            report = engine.run_once()
            assert (report.filed, report.waiting) == ([], [f"{APP.path}/a.wav"])
            assert report.again_in_s == Rules().settle_s
    bench.phone.writers.clear()
    (filed,) = engine.run_once().filed
    assert (filed.size, filed.problem) == (len(data), None)


def test_without_root_an_apps_own_call_is_not_taken_between_two_of_its_writes(
    bench: Bench,
) -> None:
    source = replace(APP, path="/sdcard/Recordings/App", root=False)
    bench.phone.clock = bench.clock
    engine = SyncEngine(bench.archive, bench.phone, [source])
    path, data = f"{source.path}/a.wav", wav(6)
    for part in range(1, 5):
        bench.phone.put(path, data[: len(data) * part // 4], bench.clock.ms)
        for _ in range(3):
            report = engine.run_once()
            assert (report.filed, report.waiting) == ([], [path])
            bench.clock.go(9)
    assert engine.run_once().again_in_s == 3
    bench.clock.go(3)
    (filed,) = engine.run_once().filed
    assert filed.size == len(data)


def test_without_root_what_is_old_or_was_closed_is_taken_soon(bench: Bench) -> None:
    source = replace(APP, path="/sdcard/Recordings/App", root=False)
    bench.phone.clock = bench.clock
    engine = SyncEngine(bench.archive, bench.phone, [source])
    old, path = f"{source.path}/old.wav", f"{source.path}/a.wav"
    bench.phone.put(old, wav(0.1), bench.clock.ms - 60_000)
    bench.phone.put(path, wav(0.2), bench.clock.ms)
    assert engine.run_once().filed == []
    bench.clock.go(3)
    assert [one.original_name for one in engine.run_once().filed] == ["old.wav"]
    engine.closed(["/storage/emulated/0/Recordings/App/a.wav"])
    assert [one.original_name for one in engine.run_once().filed] == ["a.wav"]
    bench.phone.put(path, wav(0.3), bench.clock.ms)  # opened anew: what was told is of before
    engine.run_once()
    bench.clock.go(3)
    assert engine.run_once().again_in_s == 27


def test_a_file_that_is_never_closed_is_taken_all_the_same(bench: Bench) -> None:
    engine = SyncEngine(bench.archive, bench.phone, [APP])
    bench.phone.put(f"{APP.path}/a.wav", wav())
    bench.phone.writers.add("/data/media/0/Recordings/App/a.wav")
    engine.run_once()
    bench.clock.go(Rules().held_s - 1)
    assert engine.run_once().again_in_s == 1
    bench.clock.go(1)
    assert len(engine.run_once().filed) == 1


def test_the_phone_is_not_asked_of_each_of_many_files(bench: Bench) -> None:
    engine = SyncEngine(bench.archive, bench.phone, [APP])
    asked: Counter[str] = Counter()
    bench.phone.before_each_call = lambda what: asked.update([what])
    for number in range(50):
        bench.phone.put(f"{APP.path}/{number}.wav", distinct(number))
    engine.run_once()
    bench.clock.go(4)
    assert len(engine.run_once().filed) == 50
    assert (asked["in_call"], asked["written"]) == (2, 1)
