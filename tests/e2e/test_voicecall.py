"""The `voicecall` route on a lab phone without root: enable, calls, disable, as a user would.

The server is a stand-in of scrcpy's; what it hears is known, so what arrives is compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests.lab.phone import LabPhone
from tests.lab.scrcpy import StandIn, jar
from tests.lab.speech import conversation
from tests.offhook import Offhook
from tests.sound import read_wav
from tests.testcall import spoken, wav

ENABLE = ("enable", "--basis", "own-line", "--here", "DE")
RATE = 48000


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone(profile="voicecall") as phone:
        StandIn(phone).say(conversation(10))
        yield phone


@pytest.fixture
def server(lab: LabPhone) -> StandIn:
    made = StandIn(lab)
    made.goes_wrong()
    return made


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "scrcpy-server").write_bytes(jar("4.1"))
    return str(tmp_path / "scrcpy-server")


@pytest.fixture
def offhook(lab: LabPhone, tmp_path: Path) -> Iterator[Offhook]:
    made = Offhook(tmp_path / "home", lab.address)
    made.env |= {"SCRCPY_SERVER_PATH": ""}
    yield made
    made.run("disable")


def heard(offhook: Offhook, row: dict[str, Any]) -> npt.NDArray[np.float64]:
    """A recording's samples, of which both channels have to be the same."""
    path = offhook.file(row)
    assert path.suffix == ".flac"
    with av.open(str(path)) as sound:
        stream = sound.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("flac", RATE, 2)
        pieces = [frame.to_ndarray().reshape(-1, 2) for frame in sound.decode(stream)]
    samples = np.concatenate(pieces).astype(np.float64)
    assert (samples[:, 0] == samples[:, 1]).all()
    return samples[:, 0]


def agrees(samples: npt.NDArray[np.float64]) -> tuple[float, float]:
    """How much it is both sides of what was said, and how far into that it begins, in seconds.

    What is silent at the end, after the call, is left out.
    """
    samples = samples[: int(np.flatnonzero(samples)[-1]) + 1]
    said = read_wav(conversation(10))[0].mean(axis=1)
    size = 1 << (len(said) + len(samples)).bit_length()
    match = np.fft.irfft(np.fft.rfft(said, size) * np.conj(np.fft.rfft(samples, size)), size)
    start = int(np.argmax(match[: len(said) - len(samples) + 1]))
    part = said[start : start + len(samples)]
    return float(np.corrcoef(part, samples)[0, 1]), start / RATE


def test_calls_come_as_flac_with_both_sides_and_disable_leaves_no_trace(
    lab: LabPhone, server: StandIn, offhook: Offhook, file: str
) -> None:
    before = lab.snapshot()
    ran = offhook.good("--json", *ENABLE, "--scrcpy-server", file)
    assert "none of the releases" in ran.err
    said = ran.json
    assert (said["route"], said["possible"]) == ("voicecall", None)
    assert said["channels"] == ["mixed", "mixed"]
    assert "not alsa: " in said["why"]
    assert (said["scrcpy"]["version"], said["scrcpy"]["known"]) == ("4.1", False)
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        status = offhook.good("--json", "status").json
        assert (status["running"], status["state"], status["notice"]) == (True, "idle", True)
        played = lab.call(ring=0.3, active=3.0, number="+49301", contact="Ada")
        watching.wait("joined")
        lab.call(ring=0.3, active=1.5, number="+49302", direction="out")
        watching.wait("joined", count=2)
        assert server.running() == 0
    one, two = offhook.rows()
    assert [one["number"], two["number"]] == ["+49301", "+49302"]
    assert [one["direction"], two["direction"]] == ["in", "out"]
    assert {row["route"] for row in (one, two)} == {"voicecall"}
    assert [one["flags"], two["flags"]] == [[], []]
    assert one["verified"]
    assert not one["silent"]
    likeness, lag = agrees(heard(offhook, one))
    assert likeness > 0.99
    assert lag < 1.5  # a start that took so long: this computer has others to serve
    assert abs(len(heard(offhook, one)) / RATE + lag - played.talk) < 1.0
    shown = offhook.good("--json", "show", str(one["id"])).out
    assert "scrcpy's server 4.1" in shown
    offhook.good("disable")
    assert lab.changes(before) == []
    assert "2 settings compared" not in offhook.good("disable").err


def test_a_server_that_dies_disable_in_a_call_and_a_watch_that_is_ended_in_one(
    lab: LabPhone, server: StandIn, offhook: Offhook, file: str
) -> None:
    offhook.good(*ENABLE, "--scrcpy-server", file)
    server.goes_wrong("dies")
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        going = lab.start_call(ring=0.2, active=60.0)
        watching.wait("filed")
        server.goes_wrong()
        watching.wait("state", text="recording", count=2)
        offhook.good("disable")
        watching.wait("filed", count=2)
        watching.wait("off")
        going.hang_up()
        going.wait()
        parts = len(offhook.rows())
        offhook.good("enable", "--scrcpy-server", file)
        watching.wait("state", text="idle", count=2)
        recording = sum(event.get("text") == "recording" for event in watching.events)
        going = lab.start_call(ring=0.2, active=60.0)
        watching.wait("state", text="recording", count=recording + 1)
    assert server.running() == 0
    going.hang_up()
    going.wait()
    flags = [row["flags"] for row in offhook.rows()]
    assert flags[:2] == [["cut"], ["part 2", "cut"]]
    assert flags[parts:] == [["cut"]]


def test_a_call_without_sound_says_why(
    lab: LabPhone, server: StandIn, offhook: Offhook, file: str
) -> None:
    offhook.good(*ENABLE, "--scrcpy-server", file)
    server.goes_wrong("denied")
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        lab.call(ring=0.2, active=1.5)
        watching.wait("state", text="failed")
    (failed,) = [e for e in watching.events if e.get("text") == "failed"]
    assert "no sound of this call: Failed to start audio capture" in failed["error"]
    assert offhook.rows() == []


def test_selftest_by_a_route_on_which_this_computer_hears_the_call(
    lab: LabPhone, server: StandIn, offhook: Offhook, file: str, tmp_path: Path
) -> None:
    offhook.good(*ENABLE, "--scrcpy-server", file)
    said = tmp_path / "turns.wav"
    said.write_bytes(wav(spoken((0.3, 4.0), (4.8, 10.0), 10.0)))
    server.say(said)
    try:
        call = lab.start_call(dialled=True, ring=0.2, active=30.0)
        with offhook.selftest("--turn", "2", "--dial", "+441632960777") as test:
            test.wait_for("hang up now")
            call.hang_up()
            ran = test.end()
        call.wait()
    finally:
        server.say(conversation(10))
    assert ran.code == 0, ran.out + ran.err
    assert (ran.json["route"], ran.json["result"]) == ("voicecall", "proven")
    assert [each["hears"] for each in ran.json["channels"]] == [["near", "far"]] * 2
    assert ran.json["likenesses"][0]["correlation"] > 0.99
    assert server.running() == 0
    assert "960777" not in Path(ran.json["report"]).read_text()
