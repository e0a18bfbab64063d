"""Which dialer a phone has, and when what it records is done."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.capture.dialer.look import Found, _any_case, choose
from agent.capture.dialer.vendors import BY_NAME, DIALERS
from agent.phone.files import IN_PLACE, RemoteFile, Source
from agent.sync import SyncEngine
from tests.faults.memory import Clock, MemoryPhone, wav

FOLDER = "/sdcard/MIUI/sound_recorder/call_rec"
SOURCE = Source(
    "dialer MIUI", FOLDER, recorder="miui", traits=frozenset({IN_PLACE}), route="dialer"
)


@pytest.mark.parametrize(
    ("app", "maker", "platform", "properties", "row"),
    [
        ("com.android.contacts", "Xiaomi", "mt6768", "ro.miui.ui.version.name", "miui"),
        ("com.google.android.dialer", "Xiaomi", "mt6768", "ro.miui.ui.version.name", "google"),
        ("com.google.android.dialer", "Google", "zuma", "", "google"),
        ("com.samsung.android.dialer", "samsung", "exynos990", "", "samsung"),
        ("com.huawei.contacts", "HUAWEI", "kirin990", "", "huawei"),
        ("com.hihonor.contacts", "HONOR", "lahaina", "", "huawei"),
        ("com.android.contacts", "OnePlus", "taro", "ro.build.version.oplusrom", "coloros"),
        ("com.oneplus.dialer", "OnePlus", "msmnile", "", "oxygenos"),
        ("com.android.dialer", "OnePlus", "msmnile", "ro.lineage.version", "lineageos"),
        ("com.android.dialer", "vivo", "mt6893", "ro.vivo.os.version", "vivo"),
        ("com.android.dialer", "Hisense", "ums512", "", "unisoc"),
        ("com.skt.prod.dialer", "samsung", "exynos990", "", "skt"),
        ("", "samsung", "exynos990", "", "samsung"),
        # Another app shows the calls, so the maker's recorder does not run.
        ("com.truecaller", "Xiaomi", "mt6768", "ro.miui.ui.version.name", None),
        # Nobody knows this phone.
        ("com.android.dialer", "Acme", "mt6768", "", None),
        ("", "Acme", "", "", None),
    ],
)
def test_the_row_of_a_phone(
    app: str, maker: str, platform: str, properties: str, row: str | None
) -> None:
    found = choose(app, maker, platform, frozenset(), frozenset(properties.split()))
    assert (found.name if found else None) == row


def test_every_row_can_be_used() -> None:
    assert len(BY_NAME) == len(DIALERS)
    for dialer in DIALERS:
        assert dialer.folders or dialer.private, dialer.name
        assert dialer.taps.endswith("."), dialer.name
        for folder in dialer.folders:
            assert folder.strip("/") == folder, dialer.name
            # Others keep their sounds there too.
            assert folder not in ("Recordings", "Recorder", "Music", "Sounds", "voice", "录音")
        for setting in (s for switch in (*dialer.switches, dialer.unlocks) for s in switch):
            assert setting.space in ("system", "secure", "global"), dialer.name


@pytest.mark.parametrize(
    ("row", "values", "on"),
    [
        ("miui", {"system button_auto_record_call": "1"}, True),
        ("miui", {"system button_auto_record_call": "0"}, False),
        ("miui", {"system button_auto_record_call": None}, None),
        (
            "samsung",
            {
                "system record_calls_automatically_on_off": "1",
                "system record_calls_automatically_type": "1",
            },
            False,  # for some numbers only
        ),
        (
            "samsung",
            {
                "system record_calls_automatically_on_off": "1",
                "system record_calls_automatically_type": "0",
            },
            True,
        ),
        ("huawei", {"secure enable_record_auto_key": "1"}, True),
        ("vivo", {"global call_record_state_global": "2"}, False),
        ("coloros", {"global oppo_all_call_audio_record": "1"}, True),
        (
            "coloros",
            {
                "global oplus_customize_all_call_audio_record": "0",
                "global oppo_all_call_audio_record": "1",
            },
            False,  # the newer one counts
        ),
        ("lineageos", {}, None),
    ],
)
def test_what_settings_say(row: str, values: dict[str, str | None], on: bool | None) -> None:
    assert Found("", BY_NAME[row], settings=values).on is on


def test_a_pattern_for_any_case_quotes_what_the_shell_would_take() -> None:
    assert _any_case("a B/录音") == r"[aA]\ [bB]/录音"
    assert _any_case("$(x)*") == r"\$\([xX]\)\*"


class Bench:
    def __init__(self, archive: Archive, clock: Clock) -> None:
        self.archive, self.clock, self.phone = archive, clock, MemoryPhone()
        self.engine = SyncEngine(archive, self.phone, [SOURCE])

    def filed(self, *, later: float = 0.0) -> list[str]:
        self.clock.go(later)
        return [recording.original_name for recording in self.engine.run_once().filed]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        yield Bench(archive, clock)


def test_a_file_that_stands_still_in_a_call_is_not_done(bench: Bench) -> None:
    bench.phone.calling = True
    bench.phone.put(f"{FOLDER}/a.wav", wav()[:500])
    for _ in range(5):
        assert bench.filed(later=20) == []
    # The call is over, and what a file begins with is not written yet.
    bench.phone.calling = False
    assert bench.filed(later=20) == []
    bench.phone.put(f"{FOLDER}/a.wav", wav())
    assert bench.filed(later=2.9) == []
    assert bench.filed(later=2.9) == []
    assert bench.filed(later=0.2) == ["a.wav"]
    (row,) = bench.archive.recordings()
    assert row.sha256 == hashlib.sha256(wav()).hexdigest()
    assert (row.route, row.facts["recorder"]["value"]) == ("dialer", "miui")


def test_a_phone_on_which_a_call_never_ends_gets_its_recordings_taken_too(bench: Bench) -> None:
    bench.phone.calling = True
    bench.phone.put(f"{FOLDER}/a.wav", wav())
    assert bench.filed() == []
    assert bench.filed(later=599) == []
    assert bench.filed(later=2) == ["a.wav"]


def test_what_is_hidden_or_a_transcript_is_no_recording_and_an_odd_suffix_is_one(
    bench: Bench,
) -> None:
    for name in (".pending-1795498188-a.m4a", ".trashed-1795498188-b.mp3", "c.txt", "d.m4a.tmp"):
        bench.phone.put(f"{FOLDER}/{name}", wav(0.1))
    bench.phone.put(f"{FOLDER}/sub/folder/49301_141225_101530123.m4a ", wav(0.3))
    assert bench.filed() == []
    assert bench.filed(later=4) == ["49301_141225_101530123.m4a "]
    (row,) = bench.archive.recordings()
    assert row.path.endswith(".m4a")


def test_what_was_there_before_stays_alone_until_it_has_grown(bench: Bench) -> None:
    old, growing = RemoteFile(f"{FOLDER}/old.wav", 100, 5), RemoteFile(f"{FOLDER}/new.wav", 100, 5)
    source = replace(SOURCE, left=frozenset(map(SOURCE.fingerprint, (old, growing))))
    engine = SyncEngine(bench.archive, bench.phone, [source])
    bench.phone.put(old.path, wav(0.1)[:100])
    bench.phone.put(growing.path, wav(0.2))  # it was being written when capture was turned on
    assert engine.run_once().filed == []
    bench.clock.go(4)
    assert [r.original_name for r in engine.run_once().filed] == ["new.wav"]
    # Where all is asked for, the old one comes.
    bench.engine.run_once()
    assert bench.filed(later=4) == ["old.wav"]
