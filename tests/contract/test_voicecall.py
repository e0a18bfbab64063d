"""A call heard by scrcpy's server, by both ways to a phone; and what goes wrong with that.

The server is a stand-in on the phone; adbd, which carries its socket, is Google's own.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.server.link import link as server_link
from agent.adb.server.server import Server
from agent.capture import control
from agent.capture.consent import consent
from agent.capture.control import Wanted
from agent.capture.journal import Journal, read_journal
from agent.capture.live import Block, Ear
from agent.capture.voicecall import VoiceCallRoute, onphone, releases
from agent.capture.voicecall import ear as ears
from agent.capture.voicecall.releases import RELEASES, Release
from agent.capture.voicecall.server import find_server
from agent.errors import CaptureError, LinkError
from agent.phone import notice
from agent.phone.phone import Phone
from tests.lab.calls import OngoingCall
from tests.lab.google import Adb
from tests.lab.phone import LabPhone
from tests.lab.scrcpy import StandIn, jar
from tests.lab.speech import conversation
from tests.offhook import wait_until
from tests.sound import read_wav

RATE = 48000
ROUTE = VoiceCallRoute()


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone(profile="voicecall") as phone:
        yield phone


@pytest.fixture
def server(lab: LabPhone) -> Iterator[StandIn]:
    made = StandIn(lab)
    made.say(conversation(6))
    made.goes_wrong()
    yield made
    lab.root(f"rm -f {onphone.JAR}; am force-stop com.android.shell")


@pytest.fixture(params=["tcp", "server"])
def phone(request: pytest.FixtureRequest, lab: LabPhone, signer: Signer) -> Iterator[Phone]:
    """The phone by either way."""
    if request.param == "tcp":
        with Phone(lambda *_: connect_tcp(*lab.address, [signer]), "lab") as phone:
            yield phone
        return
    google: Adb = request.getfixturevalue("google")
    name = google.connect(lab)
    with Phone(lambda *_: server_link(Server(port=google.port), name), "lab") as phone:
        yield phone


@pytest.fixture
def direct(lab: LabPhone, signer: Signer) -> Iterator[Phone]:
    with Phone(lambda *_: connect_tcp(*lab.address, [signer]), "lab") as phone:
        yield phone


@pytest.fixture
def enable(
    tmp_path: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Journal]:
    """Turns the route on with a server of some version, which is a known one."""

    def turn_on(phone: Phone, version: str = "4.1") -> Journal:
        data = jar(version)
        known = Release(version, hashlib.sha256(data).hexdigest(), "a test")
        monkeypatch.setattr(releases, "RELEASES", (*RELEASES, known))
        monkeypatch.setenv("SCRCPY_SERVER_PATH", str(tmp_path / "scrcpy-server"))
        (tmp_path / "scrcpy-server").write_bytes(data)
        given = consent("own-line", "DE", "DE", "2026-01-01T00:00:00+00:00")
        choice = control.plan(phone, tmp_path, lambda _: None, Wanted())
        control.enable(phone, tmp_path, given, lambda _: None, Wanted(), choice)
        assert choice.verdict.route == "voicecall"
        journal = read_journal(tmp_path, phone.serial)
        assert journal is not None
        return journal

    return turn_on


@contextmanager
def call(lab: LabPhone, seconds: float = 20.0) -> Iterator[OngoingCall]:
    """A call that is active, and is hung up afterwards."""
    going = lab.start_call(ring=0.05, active=seconds)
    try:
        going.wait_for("active")
        yield going
    finally:
        going.hang_up()
        going.wait()


def hear(ear: Ear, seconds: float) -> list[Block]:
    """So much sound."""
    blocks: list[Block] = []
    while sum(len(block.samples) for block in blocks) < seconds * RATE * 4:
        block = ear.read(5.0)
        assert block is not None
        blocks.append(block)
    return blocks


def gaps(blocks: list[Block]) -> list[int]:
    """Where something is missing between blocks: how many frames."""
    ends = [block.frame + len(block.samples) // 4 for block in blocks]
    return [b.frame - end for end, b in zip(ends, blocks[1:], strict=False) if b.frame != end]


def likeness(blocks: list[Block], speech: Path) -> float:
    """How much it is what both said, wherever in that it is."""
    heard = np.frombuffer(b"".join(block.samples for block in blocks), "<i2").reshape(-1, 2)
    assert (heard[:, 0] == heard[:, 1]).all()
    said, _ = read_wav(speech)
    both, mine = said.mean(axis=1), heard[:, 0].astype(float)
    size = 1 << (len(both) + len(mine)).bit_length()
    match = np.fft.irfft(np.fft.rfft(both, size) * np.conj(np.fft.rfft(mine, size)), size)
    start = int(np.argmax(match[: len(both) - len(mine) + 1]))
    return float(np.corrcoef(both[start : start + len(mine)], mine)[0, 1])


# That it hears


def test_a_call_is_heard_and_nothing_is_left(
    lab: LabPhone,
    phone: Phone,
    server: StandIn,
    enable: Callable[..., Journal],
    request: pytest.FixtureRequest,
) -> None:
    version = "3.2" if "server" in request.node.name else "4.1"
    before = lab.snapshot()
    journal = enable(phone, version)
    assert journal.before["server"]["version"] == version
    with call(lab):
        ear = ROUTE.listen(phone, journal)
        blocks = hear(ear, 1.5)
        assert ROUTE.status(phone, journal).state == "recording"
        ear.close()
        ear.close()
        assert server.running() == 0
    assert (ear.rate, ear.channels, ear.legs) == (RATE, 2, ("mixed", "mixed"))
    assert ear.about["by"] == f"scrcpy's server {version}"
    assert gaps(blocks) == []
    assert likeness(blocks, conversation(6)) > 0.99
    assert ROUTE.disarm(phone, journal, lambda _: None) == [onphone.JAR, "notification"]
    assert lab.changes(before) == []


def test_holes_are_holes_and_times_that_lie_are_not(
    lab: LabPhone, direct: Phone, server: StandIn, enable: Callable[..., Journal]
) -> None:
    journal = enable(direct)
    for wrong, expected in (("holes", [RATE * 3 // 10]), ("back", []), ("far", [])):
        server.goes_wrong(wrong)
        with call(lab):
            ear = ROUTE.listen(direct, journal)
            blocks = hear(ear, 1.4)
            ear.close()
        assert [round(gap, -2) for gap in gaps(blocks)] == expected, wrong
        assert blocks[0].frame == 0


def test_sound_that_begins_late_is_placed_late(
    lab: LabPhone, direct: Phone, server: StandIn, enable: Callable[..., Journal]
) -> None:
    journal = enable(direct)
    server.goes_wrong("late")
    with call(lab):
        ear = ROUTE.listen(direct, journal)
        assert ear.read(0.1) is None
        first = ear.read(5.0)
        ear.close()
    assert first is not None
    assert first.frame > RATE // 2


def test_a_capture_from_before_the_call_is_silent(
    lab: LabPhone, direct: Phone, enable: Callable[..., Journal]
) -> None:
    ear = ROUTE.listen(direct, enable(direct))
    with call(lab):
        blocks = hear(ear, 0.5)
        ear.close()
    assert not any(block.samples.strip(b"\0") for block in blocks)


# What goes wrong


def test_no_permission_and_no_sense_are_told_with_the_servers_words(
    lab: LabPhone, direct: Phone, server: StandIn, enable: Callable[..., Journal]
) -> None:
    journal = enable(direct)
    for wrong, said in (
        ("denied", "no sound of this call: Failed to start audio capture"),
        ("nonsense", "can't record on .*: Capture/encoding error"),
    ):
        server.goes_wrong(wrong)
        with call(lab), pytest.raises(CaptureError, match=said):
            ROUTE.listen(direct, journal)
        assert server.running() == 0


def test_a_server_that_is_slow_is_waited_for_and_one_that_never_listens_is_not_forever(
    lab: LabPhone,
    phone: Phone,
    server: StandIn,
    enable: Callable[..., Journal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = enable(phone)
    server.goes_wrong("slow")
    with call(lab):
        ROUTE.listen(phone, journal).close()
    monkeypatch.setattr(ears, "_PATIENCE", 1.0)
    server.goes_wrong("deaf")
    with call(lab), pytest.raises(CaptureError, match="does not answer"):
        ROUTE.listen(phone, journal)
    assert server.running() == 0


@pytest.mark.parametrize("wrong", ["dies", "fails"])
def test_a_server_that_ends_in_a_call_is_told_after_what_was_heard(
    lab: LabPhone, phone: Phone, server: StandIn, enable: Callable[..., Journal], wrong: str
) -> None:
    journal = enable(phone)
    server.goes_wrong(wrong)
    with call(lab):
        ear = ROUTE.listen(phone, journal)
        heard = hear(ear, 0.9)
        with pytest.raises(CaptureError, match="server ended") as caught:
            hear(ear, 5)
        ear.close()
    assert likeness(heard, conversation(6)) > 0.99
    assert ("no more sound" in caught.value.message) == (wrong == "fails")


def test_a_link_that_breaks_is_its_own_error_and_the_server_ends_by_itself(
    lab: LabPhone, direct: Phone, server: StandIn, enable: Callable[..., Journal]
) -> None:
    journal = enable(direct)
    with call(lab):
        ear = ROUTE.listen(direct, journal)
        hear(ear, 0.3)
        lab.unplug()
        try:
            with pytest.raises(LinkError):
                hear(ear, 5)
            ear.close()
            wait_until(lambda: server.running() == 0)
        finally:
            lab.plug()


def test_a_wrong_version_a_changed_file_and_a_missing_one(
    lab: LabPhone,
    direct: Phone,
    server: StandIn,
    enable: Callable[..., Journal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = jar("4.0")
    monkeypatch.setattr("tests.contract.test_voicecall.jar", lambda _: data)
    before = lab.snapshot()
    with pytest.raises(CaptureError, match=r"version \(4\.0\) does not match the client \(4\.1\)"):
        enable(direct)
    assert lab.changes(before) == []
    monkeypatch.undo()
    monkeypatch.setattr("tests.contract.test_voicecall.jar", jar)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "9")
    journal = enable(direct)
    assert ROUTE.status(direct, journal).running
    for spoil in (f"echo >> {onphone.JAR}", f"rm {onphone.JAR}"):
        lab.root(spoil)
        with call(lab), pytest.raises(CaptureError, match=r"not on .* as it was put there"):
            ROUTE.listen(direct, journal)
        status = ROUTE.status(direct, journal)
        assert not status.running
        assert "offhook enable" in str(status.problem)


def test_a_file_that_arrives_as_another_is_not_started(direct: Phone, tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(jar("4.1"))
    sent = find_server(tmp_path / "server")
    onphone.put(direct, sent)
    with pytest.raises(CaptureError, match="not the file that was sent"):
        onphone.put(direct, replace(sent, data=sent.data + b"\0"))
    onphone.remove(direct)
    assert not onphone.is_there(direct, sent.sha256)


def test_without_the_notification_there_is_no_ear(
    lab: LabPhone,
    direct: Phone,
    server: StandIn,
    enable: Callable[..., Journal],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = enable(direct)
    lab.root("am force-stop com.android.shell")  # as after a reboot: it is shown anew
    with call(lab):
        ROUTE.listen(direct, journal).close()
        assert notice.is_shown(direct)
        monkeypatch.setattr(notice, "is_shown", lambda _: False)
        with pytest.raises(CaptureError, match="does not show the notification"):
            ROUTE.listen(direct, journal)
    assert server.running() == 0


def test_disarm_ends_what_a_computer_that_died_has_left_and_nothing_else(
    lab: LabPhone, direct: Phone, server: StandIn, enable: Callable[..., Journal]
) -> None:
    journal = enable(direct)
    lab.root(f"cp {onphone.JAR} /data/local/tmp/theirs.jar; chmod 644 /data/local/tmp/*.jar")
    for file, scid in ((onphone.JAR, 1), ("/data/local/tmp/theirs.jar", 2)):
        options = onphone.capture_options("4.1", os.getpid() << 8 | scid)
        words = " ".join(f"{name}={value}" for name, value in options.items())
        lab.root(
            f"CLASSPATH={file} /lab/bin/as 2000 app_process / com.genymobile.scrcpy.Server 4.1 "
            f"{words} </dev/null >/dev/null 2>&1 &"
        )
    wait_until(lambda: server.running() == 2)
    ROUTE.disarm(direct, journal, lambda _: None)
    wait_until(lambda: server.running() == 1)
    lab.root("kill $(pgrep -f 'com[.]genymobile[.]scrcpy'); rm /data/local/tmp/theirs.jar")


# The stand-in itself, examined with Google's adb and by what scrcpy's source says alone


def test_googles_adb_forwards_to_the_stand_in_and_its_bytes_are_scrcpys(
    lab: LabPhone, google: Adb, server: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "server").write_bytes(jar("4.1"))
    name = google.connect(lab)
    at = "/data/local/tmp/scrcpy-server.jar"

    def run(version: str, words: str) -> tuple[int, str]:
        google.run("-s", name, "push", str(tmp_path / "server"), at)
        said = google.run(
            "-s", name, "shell", f"CLASSPATH={at} app_process / com.genymobile.scrcpy.Server "
            f"{version} {words}",
        )  # fmt: skip
        return said.code, (said.out + said.err).decode()

    code, said = run("4.0", "")
    assert (code, "The server version (4.1) does not match the client (4.0)" in said) == (1, True)
    code, said = run("4.1", "list_encoders=true cleanup=false odd=1")
    assert code == 0
    assert "List of audio encoders" in said
    assert "Unknown server option: odd" in said
    scid = f"{os.getpid():08x}"
    forwarded = google.run("-s", name, "forward", "tcp:0", f"localabstract:scrcpy_{scid}")
    port = int(forwarded.text)
    with call(lab):
        command = (
            f"CLASSPATH={at} app_process / com.genymobile.scrcpy.Server 4.1 scid={scid} video=false "
            "control=false audio_source=voice-call audio_codec=raw tunnel_forward=true"
        )
        process = google.popen(lab, "shell", command)
        with knocked(port) as stream:
            assert exactly(stream, 64).rstrip(b"\0") == b"lab phone"
            assert exactly(stream, 4) == b"\0raw"
            times = []
            for _ in range(8):
                pts, size = struct.unpack(">QI", exactly(stream, 12))
                assert pts >> 61 == 0
                exactly(stream, size)
                times.append(pts)
            steps = {round(b - a, -2) for a, b in itertools.pairwise(times)}
            assert steps == {20_000}
            assert lab.root(f"ls {at} 2>/dev/null; :") == ""  # cleanup=true
        process.communicate(timeout=20)  # it ends with its socket
    google.run("-s", name, "forward", "--remove-all")


@contextmanager
def knocked(port: int) -> Iterator[socket.socket]:
    """A connection that gave the first byte: adb accepts one even if nobody listens there."""
    end = time.monotonic() + 20
    while True:
        stream = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            if stream.recv(1) == b"\0":
                break
        except ConnectionError:
            pass
        stream.close()
        assert time.monotonic() < end
    with stream:
        yield stream


def exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = stream.recv(size - len(data))
        assert part, "the stream ended"
        data += part
    return data
