"""Controls that lie, lock, vanish or stick: the PCM helper against a made-up kernel."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.device_scripts.pcm_tools import (
    DAMAGED,
    DENIED,
    NOT_FOUND,
    NOT_RESTORED,
    REFUSED,
    USAGE,
    Done,
    build_fake,
    run,
)

Fake = Callable[..., Done]
HOSTILE = b'\xff\x1b[31m"\\\xc3\xa9'


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_fake(tmp_path_factory.mktemp("pcm") / "fake")


@pytest.fixture
def fake(program: Path, tmp_path: Path) -> Fake:
    """Runs the helper; what it sets stays for the next run."""

    def call(*words: str | bytes, **env: str) -> Done:
        return run(program, *words, env={"FAKE_STATE": str(tmp_path / "mixer"), **env})

    return call


def _values(fake: Fake, name: str | bytes, **env: str) -> Any:
    (control,) = fake("get", name, **env).answer["controls"]
    return control["values"]


def _poke(tmp_path: Path, numid: int, value: int) -> None:
    """Another program sets a control's first value."""
    with (tmp_path / "mixer").open("r+b") as state:
        state.seek(numid * 16)
        state.write(struct.pack("<q", value))


# --- list and get -------------------------------------------------------------------------------


def test_all_of_many_controls(fake: Fake) -> None:
    answer = fake("controls").answer
    assert answer["card"] == {"card": 0, "id": "fake", "name": "Fake card"}
    controls = {c["numid"]: c for c in answer["controls"]}
    assert sorted(controls) == list(range(1, 800))
    assert controls[6]["type"] == "bytes" and controls[6]["values"] == [0xA5] * 512
    assert controls[7]["values"] is None
    assert not controls[7]["readable"] and controls[7]["writable"]
    assert controls[8]["values"] is None and controls[8]["read_errno"] == "EIO"
    assert (controls[9]["min"], controls[9]["max"], controls[9]["values"]) == (0, -1, [-1])
    assert controls[11]["name"].encode("utf-8", "surrogateescape") == HOSTILE
    assert controls[19]["values"] == [9]
    assert controls[19]["items"] == ["Off", "UL", "DL", "UL,DL"]
    assert controls[21]["values"] is None and controls[21]["count"] == 4096
    assert controls[5]["locked"] and controls[5]["owner"] == 4242
    assert not controls[4]["locked"]
    assert controls[17]["values"] == [5000000000]


def test_a_card_by_its_id(fake: Fake) -> None:
    assert fake("get", "-D", "fake", "Level").answer["card"]["card"] == 0
    assert fake("get", "-D", "fak", "Level").code == NOT_FOUND


def test_a_name_is_found_whole(fake: Fake) -> None:
    for name in ("level", "Leve", "Level ", "", "@0", "@900", "@-1", "Level" * 20):
        assert fake("get", name).code == NOT_FOUND, name
    assert fake("get", "12345").answer["controls"][0]["numid"] == 22
    assert fake("get", "@2").answer["controls"][0]["name"] == "Level"
    assert fake("get", HOSTILE).answer["controls"][0]["numid"] == 11


def test_of_one_name_the_lowest_index_and_no_guess(fake: Fake) -> None:
    assert fake("get", "Twin").answer["controls"][0]["numid"] == 13
    done = fake("get", "Pair")
    assert done.code == USAGE and "@NUMID" in done.answer["what"]
    assert fake("set", "@15=on").answer["set"][0]["new"] == [True]


# --- set ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("Level=3", [3, 3]),
        ("Level=3,4", [3, 4]),
        ("Level=0x10", [16, 16]),
        ("Mode=DL", ["DL"]),
        ("Mode=UL,DL", ["UL,DL"]),
        ("Mode=1", ["UL"]),
        ("Out Of Range=Off", ["Off"]),
        ("Odd=Name=on", [True]),
        ("Odd=Name=OFF", [False]),
        ("Voc VSID=0x10C01000", [0x10C01000]),
        ("Voc VSID=-1", [-1]),
        ("Wide=6000000000", [6000000000]),
        ("First Only=on", [True, False]),
    ],
)
def test_set_and_read_back(fake: Fake, words: str, values: list[Any]) -> None:
    name = words.rpartition("=")[0]
    before = _values(fake, name)
    (entry,) = fake("set", words).answer["set"]
    assert (entry["name"], entry["old"], entry["new"]) == (name, before, values)
    assert _values(fake, name) == values


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Level=101", REFUSED),
        ("Level=-1", REFUSED),
        ("Level=", REFUSED),
        ("Level= 1", REFUSED),
        ("Level=1 ", REFUSED),
        ("Level=1,2,3", REFUSED),
        ("Level=1,", REFUSED),
        ("Level=99999999999999999999", REFUSED),
        ("Level=on", REFUSED),
        ("Mode=Both", REFUSED),
        ("Mode=4", REFUSED),
        ("Odd=Name=2", REFUSED),
        ("First Only=on,on", REFUSED),
        ("Stubborn=on", REFUSED),
        ("Write Only=on", REFUSED),
        ("Read Only=1", REFUSED),
        ("Broken=1", REFUSED),
        ("Huge=1", REFUSED),
        ("Digital=1", REFUSED),
        ("Locked=on", DENIED),
        ("Nothing=1", NOT_FOUND),
        ("Level", USAGE),
        ("=1", USAGE),
    ],
)
def test_what_fails_leaves_all_as_it_was(fake: Fake, words: str, code: int) -> None:
    before = fake("controls").answer
    done = fake("set", "Voc VSID=7", "Mode=UL", words)
    assert done.code == code, done.answer
    assert done.answer["what"]
    assert fake("controls").answer == before


def test_a_lock_names_its_owner(fake: Fake) -> None:
    done = fake("set", "Locked=on")
    assert "4242" in done.answer["what"] and done.answer["errno"] == "EPERM"


def test_what_can_not_be_put_back_is_told(fake: Fake) -> None:
    done = fake("set", "Level=9", "Sticky=on", "Stubborn=on")
    assert done.code == NOT_RESTORED and done.answer["put_back"] is False
    assert "Sticky" in done.answer["what"] and "Stubborn" in done.answer["what"]
    assert _values(fake, "Level") == [7, 7]  # the rest is put back all the same


# --- the journal --------------------------------------------------------------------------------


def _killed(fake: Fake, tmp_path: Path, *settings_: str, **env: str) -> Path:
    """The journal of a capture that was killed, and the mixer as it left it."""
    journal = tmp_path / "undo"
    words = [word for setting in settings_ for word in ("--set", setting)]
    events = {"FAKE_EVENTS": "kill@50"}
    output = tmp_path / "killed.wav"
    command = ["capture", "-d", "23", "-r", "48000", "-c", "2", "--journal", str(journal)]
    with pytest.raises(AssertionError):  # it has no last words
        fake(*command, *words, "-o", str(output), **{**events, **env})
    output.unlink()
    return journal


def test_restore_what_a_killed_capture_left(fake: Fake, tmp_path: Path) -> None:
    before = fake("controls").answer
    wanted = ["Level=1,2", "Mode=DL", "Voc VSID=5", "Wide=1", "First Only=on", "Odd=Name=on"]
    journal = _killed(fake, tmp_path, *wanted)
    assert journal.stat().st_mode & 0o777 == 0o600
    assert fake("controls").answer != before
    done = fake("restore", str(journal))
    assert done.code == 0 and len(done.answer["restored"]) == 6
    assert fake("controls").answer == before
    assert not journal.exists()
    again = fake("restore", str(journal))
    assert again.code == 0 and again.answer == {"absent": True}


def test_hostile_names_go_through_the_journal(fake: Fake, tmp_path: Path) -> None:
    journal = _killed(fake, tmp_path, "@11=on")
    assert _values(fake, HOSTILE) == [True]
    assert journal.read_text().isascii()
    assert fake("restore", str(journal)).code == 0
    assert _values(fake, HOSTILE) == [False]


def test_a_vanished_control_does_not_keep_the_rest_away(fake: Fake, tmp_path: Path) -> None:
    journal = _killed(fake, tmp_path, "Level=1", "Mode=DL", "Wide=1")
    done = fake("restore", str(journal), FAKE_VANISHED="3")
    assert done.code == NOT_RESTORED
    assert [f["name"] for f in done.answer["failed"]] == ["Mode"]
    assert done.answer["failed"][0]["error"] == "not-found"
    assert (_values(fake, "Level"), _values(fake, "Wide")) == ([7, 7], [5000000000])
    assert journal.exists()
    done = fake("restore", "--drop-missing", str(journal), FAKE_VANISHED="3")
    assert done.code == 0 and not journal.exists()
    assert _values(fake, "Mode") == ["DL"]


def test_restore_says_what_does_not_go_back(fake: Fake, tmp_path: Path) -> None:
    journal = _killed(fake, tmp_path, "Sticky=on", "Level=1")
    done = fake("restore", "--drop-missing", str(journal))
    assert done.code == NOT_RESTORED and "Sticky" in done.answer["what"]
    assert _values(fake, "Level") == [7, 7]
    assert journal.exists()
    _poke(tmp_path, 16, 0)
    assert fake("restore", str(journal)).code == 0


def test_another_card_is_not_restored_to(fake: Fake, tmp_path: Path) -> None:
    journal = _killed(fake, tmp_path, "Level=1")
    journal.write_text(journal.read_text().replace("card 0 fake", "card 0 headset"))
    assert fake("restore", str(journal)).code == NOT_FOUND
    assert _values(fake, "Level") == [1, 1] and journal.exists()
    journal.write_text(journal.read_text().replace("card 0 headset", "card 3 fake"))
    assert fake("restore", str(journal)).code == 0  # its number has changed, its id has not
    assert _values(fake, "Level") == [7, 7]


GOOD = (
    "offhook-pcm journal 1\ncard 0 fake\n"
    "control 2 0 0 0 2 2 Level 7,7\ncontrol 2 0 0 0 3 1 Mode 0\nend 2\n"
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-1],
        GOOD + "\n",
        GOOD.replace("end 2", "end 1"),
        GOOD.replace("end 2\n", ""),
        GOOD.replace("journal 1", "journal 2"),
        GOOD.replace("card 0 fake\n", ""),
        GOOD.replace("Level 7,7", "Level 7"),
        GOOD.replace("Level 7,7", "Level 7,7,7"),
        GOOD.replace("Level 7,7", "Level 7,"),
        GOOD.replace("Level 7,7", "Level 7,7 "),
        GOOD.replace("Level 7,7", "Level 7,99999999999999999999"),
        GOOD.replace("Level", "%00evel"),
        GOOD.replace("Level", "%4"),
        GOOD.replace("Level", "L" * 44),
        GOOD.replace("2 2 Level", "2 129 Level"),
        GOOD.replace("2 2 Level", "9 2 Level"),
        GOOD.replace("control 2 0 0 0 2", "control 2 0 0 0  2"),
        GOOD.replace("Mode 0", "Mode 4294967296"),  # what an enum can't hold
        GOOD.replace("fake", "f\0ke"),
        "RIFF" + GOOD,
    ],
)
def test_half_a_journal_changes_nothing(fake: Fake, tmp_path: Path, text: str) -> None:
    fake("set", "Level=50", "Mode=UL")
    journal = tmp_path / "undo"
    journal.write_bytes(text.encode())
    done = fake("restore", str(journal))
    assert done.code == DAMAGED
    assert _values(fake, "Level") == [50, 50]
    assert journal.read_bytes() == text.encode()


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255), data=st.data())
def test_any_byte_of_a_journal_may_be_wrong(
    fake: Fake, tmp_path: Path, at: int, byte: int, data: st.DataObject
) -> None:
    text = bytearray(GOOD.encode())
    text[at] = byte
    cut = data.draw(st.integers(0, len(text)))
    journal = tmp_path / "undo"
    for content in (bytes(text), bytes(text[:cut])):
        journal.write_bytes(content)
        done = fake("restore", str(journal))
        assert done.code in {0, DAMAGED, NOT_FOUND, NOT_RESTORED}
        assert journal.exists() == (done.code != 0)


def test_a_journal_that_is_no_file(fake: Fake, tmp_path: Path) -> None:
    assert fake("restore", str(tmp_path)).code == DAMAGED
    os.mkfifo(tmp_path / "pipe")
    assert fake("restore", str(tmp_path / "pipe")).code == DAMAGED
