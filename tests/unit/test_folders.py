"""The table of folders, and folders as sources: whose they are, and none of them twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.archive.chosen import Choice, choices, choose
from agent.capture.bcr.folders import DEFAULT
from agent.capture.dialer.vendors import DIALERS
from agent.naming.folders import FOLDERS, below, folder_at, recorder_of
from agent.phone.files import IN_PLACE, SHARED, Source
from agent.sync import SyncEngine
from agent.sync.folders import all_sources, source_of
from tests.faults.memory import Clock, MemoryPhone, wav


@pytest.mark.parametrize(
    ("path", "recorder"),
    [
        ("/sdcard/MIUI/sound_recorder/call_rec", "miui"),
        ("/storage/1A2B-3C4D/miui/SOUND_RECORDER/Call_Rec/2026", "miui"),
        ("/data/media/10/Recordings/Call", "samsung"),
        ("/sdcard/Call", "samsung"),
        ("/sdcard/Backup/Call", None),  # anybody's word
        ("/sdcard/Recordings/Record/Call/13800138000", "vivo"),
        ("/sdcard/Record/PhoneRecord", "oxygenos"),
        ("/sdcard/PhoneRecord", "huawei"),
        ("/sdcard/Recordings/Call recordings", "lineageos"),
        ("/sdcard/Recordings/Call Recordings", "coloros"),
        ("/sdcard/Recordings/CALL RECORDINGS", None),  # of the two, and neither
        ("/sdcard/录音/通话录音", "vivo"),
        ("/sdcard/CallRecord", None),  # three makers'
        ("/sdcard/Android/data/com.chiller3.bcr/files", "bcr"),
        ("/sdcard/Android/data/com.kitsumed.shizucallrecorder.debug/files", "shizucallrecorder"),
        ("/data/user/10/com.google.android.dialer/files/callrecording", "google"),
        ("/sdcard/Music", None),
        ("", None),
        ("/", None),
    ],
)
def test_whose_a_folder_is(path: str, recorder: str | None) -> None:
    assert recorder_of(path) == recorder


def test_a_storage_has_many_paths_and_one_name() -> None:
    names = ("/sdcard/a", "/storage/emulated/0/a", "/storage/self/primary/a", "/data/media/0/a")
    assert {below(name) for name in names} == {("user 0", "a")}
    assert below("/mnt/media_rw/1A2B-3C4D/a/b") == below("/storage/1A2B-3C4D/a/b")
    assert below("/data/media/10/a") != below("/data/media/0/a")


def test_the_table_and_the_dialers_fit() -> None:
    known = {dialer.name for dialer in DIALERS}
    for row in FOLDERS:
        assert row.path.strip("/") == row.path
        assert set(row.dialers or ()) <= known, row.path
        found = folder_at(row.path)
        assert found is not None
        assert found.path == row.path, "a row that no folder can have"


def test_a_chosen_folder_is_a_source_of_its_recorder() -> None:
    miui = source_of("/sdcard/miui/sound_recorder/call_rec", root=False)
    assert miui == Source(
        "dialer miui/sound_recorder/call_rec",
        "/sdcard/miui/sound_recorder/call_rec",
        recorder="miui",
        traits=frozenset({IN_PLACE}),
        route="dialer",
    )
    assert source_of("/data/media/10/Call", root=True).name == "dialer /data/media/10/Call"
    bcr = source_of("/sdcard/BCR", root=False)
    assert (bcr.recorder, bcr.route, bcr.traits) == ("bcr", None, frozenset())
    voice = source_of("/sdcard/voice", root=False)
    assert voice.traits == {IN_PLACE, SHARED}


def test_no_folder_is_pulled_twice() -> None:
    call = "/storage/emulated/0/MIUI/sound_recorder/call_rec"
    route = Source("dialer x", "/sdcard/MIUI/sound_recorder/call_rec", left=frozenset({"old"}))
    spool = Source("offhook", "/data/adb/offhook/spool", root=True)
    own = Source("mine", "/sdcard/Recordings")
    picked = [
        source_of(call, root=False),
        source_of("/sdcard/Recordings/Call", root=False),  # in the user's own
        source_of("/data/media/10/Recordings/Call", root=True),  # another user's is not
    ]
    found = all_sources([spool, route], picked, [own])
    assert [source.name for source in found] == [
        "offhook",
        "dialer x",
        "dialer /data/media/10/Recordings/Call",
        "mine",
    ]
    assert found[1].left == frozenset()  # what is old is chosen, too
    assert all_sources([route], [], [])[0].left == {"old"}
    bcr = Source("bcr", DEFAULT, root=True, recorder="bcr")
    shells = source_of("/sdcard/Android/data/com.chiller3.bcr/files", root=False)
    assert all_sources([bcr], [shells], []) == [bcr]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "home", write=True, clock=Clock()) as opened:
        opened.add_phone("MEM1")
        opened.add_phone("OTHER")
        yield opened


def test_a_choice_is_kept_for_each_phone(archive: Archive) -> None:
    name = "/sdcard/\udcff\x1b[31m/Call"
    assert choices(archive, "MEM1") == []
    choose(archive, "MEM1", [Choice(name, False, True), Choice("/sdcard/Call", False, False)])
    assert [one.chosen for one in choices(archive, "MEM1")] == [False, True]
    assert choices(archive, "OTHER") == []
    choose(archive, "MEM1", [Choice(name, False, False)])
    assert {one.path: one.chosen for one in choices(archive, "MEM1")} == {
        name: False,
        "/sdcard/Call": False,
    }
    assert archive.verify_chain() == []
    with archive.reading() as db:
        said = [row[0] for row in db.execute("SELECT action FROM custody ORDER BY seq")]
    assert said == ["folder chosen", "folder left alone"]


def test_of_a_folder_that_others_use_only_calls_are_taken(archive: Archive) -> None:
    phone, clock = MemoryPhone(), archive.clock
    assert isinstance(clock, Clock)
    source = source_of("/sdcard/voice", root=False)
    phone.put("/sdcard/voice/Voice 001.wav", wav(0.2))
    phone.put("/sdcard/voice/PTT-20260101-WA0001.opus", wav(0.3))
    phone.put("/sdcard/voice/Call recording 010-4522-0000_260109_162929.wav", wav(0.4))
    engine = SyncEngine(archive, phone, [source])
    for _ in range(3):
        engine.run_once()
        clock.go(30)
    (one,) = archive.recordings()
    assert one.number == "010-4522-0000"
    # In a folder that is a recorder's own, all is a call's.
    own = replace(source, name="own", traits=frozenset({IN_PLACE}))
    engine = SyncEngine(archive, phone, [own])
    for _ in range(3):
        engine.run_once()
        clock.go(30)
    assert len(archive.recordings()) == 3
