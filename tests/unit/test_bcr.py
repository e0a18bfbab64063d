"""BCR's settings, folders and module, read as what a phone and a user may hand over."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.archive import Archive
from agent.capture.bcr import _reservations, folders, prefs
from agent.capture.bcr.module import read_zip
from agent.capture.bcr.prefs import METADATA, RECORD, PrefsError
from agent.errors import ConfigError
from agent.phone.files import Source
from agent.sync import SyncEngine
from agent.sync.settled import is_theirs
from tests.faults.memory import Clock, MemoryPhone, wav
from tests.lab.bcr import ID, module_zip

HEAD = b"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n"
WHOLE = HEAD + (
    b"<map>\n"
    b'    <string name="filename_template">{date}[_{direction}|] &lt;&amp;&gt; \xe2\x80\xa6</string>\n'
    b'    <boolean name="call_recording" value="false" />\n'
    b'    <int name="codec_param_OGG/Opus" value="48000" />\n'
    b'    <set name="odd"><string>call_recording</string></set>\n'
    b'    <int name="next_notification_id" value="7" />\n'
    b"</map>\n"
)
CLOUD = "content://com.google.android.apps.docs.storage/tree/acc%3D1%3Bdoc%3D2"
TREE = "content://com.android.externalstorage.documents/tree/"


def with_prefs(*elements: str) -> dict[str, prefs.Entry]:
    return prefs.parse(HEAD + f"<map>{''.join(elements)}</map>".encode())


def test_a_change_leaves_every_other_byte_as_it_is() -> None:
    changed = prefs.change(WHOLE, {RECORD: True, METADATA: True})
    lines = changed.splitlines()
    assert [line for line in WHOLE.splitlines() if line not in lines] == [
        b'    <boolean name="call_recording" value="false" />'
    ]
    assert [line for line in lines if line not in WHOLE.splitlines()] == [
        b'    <boolean name="call_recording" value="true" />',
        b'    <boolean name="write_metadata" value="true" />',
    ]
    assert prefs.change(changed, {RECORD: False, METADATA: None}) == WHOLE


@pytest.mark.parametrize("empty", [b"<map />", b"<map></map>", b"<map>\n</map>\n"])
def test_a_file_without_settings_gets_them(empty: bytes) -> None:
    changed = prefs.change(HEAD + empty, {RECORD: True})
    assert prefs.truth(prefs.parse(changed), RECORD) is True


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ABX\0\0\0",
        b"<map>",
        b"<list></list>",
        b'<!DOCTYPE map [<!ENTITY a "b">]><map>&a;</map>',
        b'<map><boolean name="a" value="true" /><boolean name="a" value="false" /></map>',
        b'<map><boolean value="true" /></map>',
        b"<map>" + b" " * prefs.LARGEST + b"</map>",
    ],
)
def test_what_is_no_file_of_settings_is_not_changed(data: bytes) -> None:
    with pytest.raises(PrefsError):
        prefs.change(data, {RECORD: True})


def test_what_was_lost_is_put_back_and_what_was_changed_stays() -> None:
    left = HEAD + (
        b'<map>\n    <int name="codec_param_OGG/Opus" value="6000" />\n'
        b'    <int name="next_notification_id" value="9" />\n</map>\n'
    )
    lost = prefs.lost(prefs.parse(left), prefs.parse(WHOLE))
    assert lost == ["call_recording", "filename_template", "odd"]
    whole = prefs.parse(prefs.restore(left, WHOLE, lost))
    assert prefs.text(whole, "filename_template") == "{date}[_{direction}|] <&> …"
    assert prefs.number(whole, "codec_param_OGG/Opus") == 6000
    assert prefs.number(whole, "next_notification_id") == 9


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ("primary%3ABCR%2FCalls", "/data/media/0/BCR/Calls"),
        ("primary%3A", "/data/media/0"),
        ("primary%3A%E5%BD%95%E9%9F%B3", "/data/media/0/录音"),
        ("home%3ACalls", "/data/media/0/Documents/Calls"),
        ("1A2B-3C4D%3ABCR", "/mnt/media_rw/1A2B-3C4D/BCR"),
        ("primary%3A..%2F..%2Fdata", None),
        ("primary%3ABCR%2F%2F", None),
        ("primary%3Aa%00b", None),
        ("nonsense", None),
        ("..%3ABCR", None),
    ],
)
def test_the_users_folder(tree: str, place: str | None) -> None:
    entries = with_prefs(f'<string name="output_dir">{TREE}{tree}</string>')
    assert folders.chosen(entries, root=True) == place
    assert folders.is_elsewhere(entries) is (place is None)


def test_what_in_bcrs_own_settings_keeps_calls_away_is_said() -> None:
    assert _reservations(with_prefs()) == []
    said = _reservations(
        with_prefs(
            '<string name="record_rules">[]</string>',
            '<int name="min_duration" value="5" />',
            f'<string name="output_dir">{CLOUD}</string>',
        )
    )
    wanted = ("rules", "5 s", "not on the phone")
    assert all(word in line for word, line in zip(wanted, said, strict=True))


def test_in_a_folder_of_everybodys_only_bcrs_names_count() -> None:
    entries = with_prefs(f'<string name="output_dir">{TREE}primary%3ARecordings</string>')
    (shared,) = [s for s in folders.sources(entries) if "shared" in s.traits]
    assert is_theirs(shared, f"{shared.path}/Voice 001.m4a")
    assert not is_theirs(shared, f"{shared.path}/a/20230414_215701.088-0400_IN_+49301.oga")
    own = with_prefs(f'<string name="output_dir">{TREE}primary%3ABCR</string>')
    assert not any(is_theirs(s, f"{s.path}/Voice 001.m4a") for s in folders.sources(own))


def test_a_zip_that_is_not_bcrs_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bcr.zip"
    path.write_bytes(module_zip())
    assert read_zip(path).version == "v3.7"
    bad = io.BytesIO(module_zip())
    with zipfile.ZipFile(bad, "a") as file:
        file.writestr("../../etc/passwd", "x")
    for data, why in (
        (bad.getvalue(), "leads out of it"),
        (module_zip(name="other"), "its id is 'other'"),
        (module_zip(apk=b"no apk"), "it has no app"),
        (b"no zip", "not a zip"),
    ):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=why):
            read_zip(path)


class Bench:
    """BCR's default folder and the user's, and an engine."""

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self.archive, self.clock, self.phone = archive, clock, MemoryPhone()
        own = Source("bcr", f"/own/{ID}", recorder="bcr", traits=frozenset({"staging"}))
        users = Source("bcr folder", "/users", recorder="bcr")
        self.own, self.users = own.path, users.path
        self.engine = SyncEngine(archive, self.phone, [own, users])

    def filed(self, *, later: float = 0.0) -> list[tuple[str, list[str]]]:
        self.clock.go(later)
        return [(r.original_name, list(r.flags)) for r in self.engine.run_once().filed]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with Archive(tmp_path / "home", write=True, clock=clock) as archive:
        yield Bench(archive, clock)


def test_a_call_step_by_step_without_metadata(bench: Bench) -> None:
    phone, sound = bench.phone, wav(0.4)
    first, last = "20260101_101010.5+0100_IN", "20260101_101010.5+0100_IN_+49301"
    phone.calling = True
    phone.put(f"{bench.own}/{first}.log.txt", b"--------- beginning of main\n")
    assert bench.filed() == []
    phone.put(f"{bench.own}/{first}.wav", bytes(44))
    for size in (1000, 2000, 3000):  # it grows, and stands still for a while
        phone.put(f"{bench.own}/{first}.wav", bytes(44) + sound[44:size])
        assert bench.filed(later=20) == []
        assert bench.filed(later=20) == []
    phone.calling = False
    phone.put(f"{bench.own}/{first}.wav", sound)  # the head is written
    assert bench.filed(later=1) == []
    # The copy to the user's folder grows under its last name, beside what it is copied from.
    for size in (0, 2000, 4000):
        phone.put(f"{bench.users}/{last}.wav", sound[:size])
        assert bench.filed(later=1) == []
    phone.put(f"{bench.users}/{last}.wav", sound)
    del phone.files[f"{bench.own}/{first}.wav"]
    assert bench.filed(later=1) == []
    phone.put(f"{bench.users}/{last}.log.txt", b"x")
    del phone.files[f"{bench.own}/{first}.log.txt"]
    assert bench.filed(later=1) == []
    del phone.files[f"{bench.users}/{last}.log.txt"]
    assert bench.filed(later=9) == [(f"{last}.wav", [])]
    assert bench.filed(later=60) == []


def test_parts_that_a_crash_left_come_when_nothing_has_moved_for_long(bench: Bench) -> None:
    name = "20260101_101010.5+0100_OUT"
    bench.phone.put(f"{bench.own}/{name}.log.txt", b"x")
    bench.phone.put(f"{bench.own}/{name}.wav", wav(0.2)[:2000])
    bench.phone.calling = True
    assert bench.filed() == []
    assert bench.filed(later=30) == []
    bench.phone.calling = False
    assert bench.filed(later=5) == []
    assert bench.filed(later=5) == [(f"{name}.wav", ["cut", "not moved"])]


@pytest.mark.parametrize("traits", [set(), {"staging"}, {"sidecars"}])
def test_what_bcr_still_has_open_waits_where_root_can_tell(bench: Bench, traits: set[str]) -> None:
    name, sound = "20260101_101010+0100_IN.wav", wav(0.4)
    source = Source("bcr 0", "/data/media/0/BCR", True, recorder="bcr", traits=frozenset(traits))
    engine = SyncEngine(bench.archive, bench.phone, [source])
    bench.phone.writers.add(f"/storage/emulated/0/BCR/{name}")
    for size in (len(sound) // 2, len(sound)):  # no call is on, as far as Android says
        bench.phone.put(f"{source.path}/{name}", sound[:size], bench.clock.ms)
        engine.run_once()
        bench.clock.go(60)
        assert engine.run_once().filed == []
    bench.phone.writers.clear()
    (filed,) = engine.run_once().filed
    assert (filed.size, filed.flags) == (len(sound), ["not moved"] if "staging" in traits else [])


def test_files_of_others_are_left_in_a_shared_folder(bench: Bench) -> None:
    shared = Source("all", "/users", recorder="bcr", traits=frozenset({"shared"}))
    engine = SyncEngine(bench.archive, bench.phone, [replace(shared, name="bcr folder")])
    bench.phone.put("/users/Voice 001.wav", wav(0.1))
    bench.phone.put("/users/20260101_101010+0100_IN.wav", wav(0.3))
    engine.run_once()
    bench.clock.go(60)
    report = engine.run_once()
    assert [r.original_name for r in report.filed] == ["20260101_101010+0100_IN.wav"]
    assert report.waiting == []


def test_a_copy_that_has_another_size_than_its_original_is_under_way(bench: Bench) -> None:
    sound, name = wav(0.4), "20260101_101010+0100_IN.wav"
    bench.phone.put(f"{bench.own}/{name}", sound)
    bench.phone.put(f"{bench.users}/{name}", sound[:2000])
    assert bench.filed() == []
    assert bench.filed(later=5) == []  # an ordinary file would be done
    bench.phone.put(f"{bench.users}/{name}", sound)
    del bench.phone.files[f"{bench.own}/{name}"]
    assert bench.filed() == []
    assert bench.filed(later=5) == [(name, [])]
