"""The microphone route as a user has it: a lab phone, and a real PortAudio that hears a tone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from agent.audio import flac
from tests.lab.phone import LabPhone
from tests.live.conftest import FORGET
from tests.live.mic import RATE, Microphone
from tests.offhook import PROGRAM, Offhook, Watching, wait_until

ENABLE = ("enable", "--route", "microphone", "--basis", "own-line", "--here", "DE")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mic")


@pytest.fixture
def mic(folder: Path) -> Microphone:
    return Microphone(folder)


@pytest.fixture
def offhook(lab: LabPhone, mic: Microphone, tmp_path: Path) -> Iterator[Offhook]:
    lab.root(FORGET)
    lab.su("absent")  # nothing here needs root
    one = Offhook(tmp_path / "home", lab.address)
    one.env |= mic.environment
    yield one
    one.run("disable")
    lab.su("grant")


def hears(watching: Watching, count: int = 1) -> None:
    watching.wait("state", count=count, text="recording")


def heard(offhook: Offhook, row: dict[str, object]) -> array[int]:
    return array("h", b"".join(flac.samples_of(offhook.file(row))))


def is_whole(sound: array[int]) -> bool:
    """A sine of 440 Hz never jumps; something lost would let it."""
    steps = max(abs(one - two) for one, two in pairwise(sound))
    return steps < 9000 * 0.06 and max(sound) > 8900


def test_enable_watch_calls_disable(lab: LabPhone, offhook: Offhook) -> None:
    before = lab.snapshot()
    ran = offhook.good(*ENABLE, "--microphone", "usb")
    assert "'usbmic' can hear a call" in ran.out
    assert "speakerphone" in ran.out
    assert "while `offhook watch` runs" in ran.out
    assert "|offhook|" in lab.root("cmd notification list")
    assert "`offhook watch` does not run" in offhook.good("status").out
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        assert offhook.good("--json", "status").json["state"] == "idle"
        call = lab.start_call(ring=0.3, active=60, contact="Ada Miller")
        hears(watching)
        said = offhook.good("--json", "status").json
        assert (said["state"], said["watching"], said["route"]) == ("recording", True, "microphone")
        call.hang_up()
        first = call.wait()
        watching.wait("filed")
        second = lab.call(ring=0.3, active=1.0, direction="out", number="+49309")
        watching.wait("joined", count=2)
        lab.call(ring=0.1, active=1.0, app="org.example.voip")
    rows = offhook.rows()
    assert [(row["contact"], row["number"]) for row in rows] == [
        ("Ada Miller", "+4917012345678"),
        (None, "+49309"),
    ]
    for row, played in zip(rows, (first, second), strict=True):
        assert (row["route"], row["format"], row["rate"]) == ("microphone", "flac", RATE)
        assert abs(row["duration_s"] - played.talk) < 1.0
        assert is_whole(heard(offhook, row))
        assert (row["flags"], row["silent"], row["call_id"] is not None) == ([], False, True)
        assert offhook.file(row).stat().st_mode & 0o777 == 0o400
    shown = offhook.good("show", "latest").out
    assert "recorded here" in shown
    assert "usbmic" in offhook.good("--json", "show", "latest").out
    offhook.good("disable")
    assert lab.changes(before) == []
    assert "Capture is off" in offhook.good("status").out


def test_killed_in_a_call_the_next_run_files_it_and_records_on(
    lab: LabPhone, offhook: Offhook
) -> None:
    offhook.good(*ENABLE, "--microphone", "desk")
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        call = lab.start_call(ring=0.3, active=30, number="+49310")
        hears(watching)
        parts = f"{offhook.home}/archive"
        wait_until(lambda: _size(parts) > 60_000)  # of a tone: about two seconds
        watching.process.kill()
        watching.process.wait()
    with offhook.watching() as watching:
        watching.wait("filed")  # what was left
        hears(watching)
        again = _size(parts)
        wait_until(lambda: _size(parts) > again + 30_000)
        call.hang_up()
        call.wait()
        watching.wait("filed", count=2)
        watching.wait("joined", count=2)
    one, two = offhook.rows()
    assert (one["flags"], two["flags"]) == (["cut"], ["part 2"])
    assert one["duration_s"] > 1.5
    assert {one["number"], two["number"]} == {"+49310"}
    assert one["call_id"] == two["call_id"] is not None
    assert all(is_whole(heard(offhook, row)) for row in (one, two))


def _size(folder: str) -> int:
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def test_ctrl_c_in_a_call_files_it(lab: LabPhone, offhook: Offhook) -> None:
    offhook.good(*ENABLE, "--microphone", "usb")
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        call = lab.start_call(ring=0.3, active=30)
        hears(watching)
        wait_until(lambda: _size(f"{offhook.home}/archive") > 30_000)
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(timeout=30) == 0
        call.hang_up()
        call.wait()
    (row,) = offhook.rows()
    assert row["flags"] == ["cut"]
    assert is_whole(heard(offhook, row))


def test_disable_in_a_call_keeps_it_and_gives_the_phone_back(
    lab: LabPhone, offhook: Offhook
) -> None:
    before = lab.snapshot()
    offhook.good(*ENABLE, "--microphone", "usb")
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        call = lab.start_call(ring=0.3, active=30)
        try:
            hears(watching)
            wait_until(lambda: _size(f"{offhook.home}/archive") > 30_000)
            offhook.good("disable")
            (row,) = offhook.rows()  # it is filed before `disable` ends
            assert "|offhook|" not in lab.root("cmd notification list")
            watching.wait("off")
        finally:
            call.hang_up()
            call.wait()
    assert row["flags"] == ["cut"]
    assert lab.changes(before) == []


def test_a_microphone_that_is_pulled_out_is_told_and_taken_again(
    lab: LabPhone, offhook: Offhook, mic: Microphone
) -> None:
    offhook.good(*ENABLE, "--microphone", "usb")
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        call = lab.start_call(ring=0.3, active=30)
        hears(watching)
        wait_until(lambda: _size(f"{offhook.home}/archive") > 30_000)
        mic.unplug()
        watching.wait("state", text="failed")
        mic.plug("usbmic")
        hears(watching, 2)
        wait_until(lambda: len(list(offhook.home.rglob("*.part"))) == 1)
        call.hang_up()
        call.wait()
        watching.wait("filed", count=1)
    rows = offhook.rows()
    assert rows[0]["flags"] == ["cut"]


@pytest.mark.parametrize(
    ("only", "words", "said", "hint"),
    [
        (("usbmic", "desk"), ("--microphone", "gramophone"), "no sound input", "0 usbmic, 1 desk"),
        (("usb1", "usb2"), ("--microphone", "usb"), "2 sound inputs", "0 usb1, 1 usb2"),
        ((), (), "this computer has no sound input", "Plug a microphone in"),
    ],
)
def test_which_input_is_meant_has_to_be_clear(
    offhook: Offhook,
    mic: Microphone,
    only: tuple[str, ...],
    words: tuple[str, ...],
    said: str,
    hint: str,
) -> None:
    mic.plug(*only)
    ran = offhook.run(*ENABLE, *words)
    assert ran.code == 21
    assert said in ran.err
    assert hint in ran.err
    assert ran.err.count("offhook: ") == 1


def test_the_input_can_stand_in_the_settings(offhook: Offhook) -> None:
    offhook.home.mkdir(exist_ok=True)
    (offhook.home / "offhook.toml").write_text('[microphone]\ninput = "desk"\n')
    assert offhook.good("--json", *ENABLE).json["input"] == "desk"
    listed = {row["route"]: row for row in offhook.good("--json", "routes").json}
    assert listed["microphone"]["possible"] is None
    assert listed["microphone"]["input"] == "desk"


def test_on_a_terminal_there_is_a_meter(lab: LabPhone, offhook: Offhook) -> None:
    offhook.good(*ENABLE, "--microphone", "usb")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "watch"], env=offhook.env | {"TERM": "xterm"}, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    out = bytearray()

    def until(word: bytes) -> None:
        while word not in out:
            out.extend(os.read(ours, 65536))

    until(b"waiting for a call")
    call = lab.start_call(ring=0.3, active=2.0)
    until("█".encode())
    call.wait()
    until(b"recorded from")
    process.send_signal(signal.SIGINT)
    try:
        while True:
            out.extend(os.read(ours, 65536))
    except OSError:  # the terminal is closed
        pass
    assert process.wait(timeout=30) == 0
    os.close(ours)
    text = out.decode()
    assert "-11 dB" in text
    assert "\x1b[?25h" in text  # the cursor is there again
