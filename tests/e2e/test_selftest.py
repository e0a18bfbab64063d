"""`offhook selftest` on a lab phone: the stand-in of BCR records what both ends are made to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.lab.bcr import StandIn
from tests.lab.phone import LabPhone
from tests.lab.speech import RATE
from tests.offhook import Offhook
from tests.testcall import spoken, wav

CONSENT = ("--basis", "own-line", "--here", "DE")
NUMBER = "+4930123456789"
TURN = "2"
TALK = 8.5
# A second after the answer the first turn begins, and two seconds after it the next: both are
# noticed a moment late.
NEAR, FAR = (1.1, 3.2), (5.2, 7.6)
"""When each speaks, in seconds from the answer."""


def mix(near: tuple[float, float], far: tuple[float, float]) -> npt.NDArray[np.float64]:
    both = spoken(near, far, TALK)[:: RATE // 16000]
    return np.asarray(both.sum(axis=1))


def everything_in(folder: Path) -> str:
    return "".join(p.read_text() for p in sorted(folder.rglob("*")) if p.is_file())


def test_a_dialled_call_is_proven_for_the_test_alone_and_enable_goes_by_it(
    bcr: StandIn, offhook: Offhook
) -> None:
    prefs = bcr.prefs()
    bcr.give(wav(mix(NEAR, FAR), 16000), "wav")
    call = bcr.phone.start_call(dialled=True, ring=0.4, active=TALK, contact="Ada Miller")
    with offhook.selftest(
        "--turn", TURN, "--enable", "--dial", "+49 30 123456789", *CONSENT
    ) as test:
        test.wait_for("hang up now")
        ran = test.end()
    played = call.wait()
    assert ran.code == 0, ran.err
    said = ran.json
    assert (said["result"], said["route"], said["defects"]) == ("proven", "bcr", [])
    assert said["hears"] == ["near", "far"]
    assert min(said["channels"][0]["speech"].values()) > 0.4
    assert said["advice"] == []
    assert bcr.prefs().replace("next_notification", "") != ""
    assert 'call_recording" value="false' in bcr.prefs() or "call_recording" not in prefs
    assert offhook.good("--json", "status").json["installed"] is False

    (row,) = offhook.rows()
    assert row["sha256"] == said["sha256"]
    assert bcr.phone.root("content query --uri content://call_log/calls").count("Row:") == 1
    assert played.call.dialled

    _the_report_tells_nobody(offhook, bcr.phone, Path(said["report"]))
    proven = offhook.good("--json", "enable", *CONSENT).json
    assert "`offhook selftest` heard both ends" in proven["why"]
    assert "proven on 20" in offhook.good("routes").out
    rows = {row["route"]: row for row in offhook.good("--json", "doctor").json["routes"]}
    assert rows["bcr"]["proof"]["result"] == "proven"
    assert rows["alsa"]["proof"] is None


def _the_report_tells_nobody(offhook: Offhook, phone: LabPhone, path: Path) -> None:
    report = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent == offhook.home / "reports"
    said = everything_in(path.parent) + everything_in(offhook.home / "proofs")
    digits = NUMBER.removeprefix("+49")
    for secret in (phone.serial, digits, "Ada", "Miller", "127.0.0.1", str(phone.address[1])):
        assert secret.lower() not in said.lower()
    assert report["phone"]["model"] and report["phone"]["fingerprint"] and report["phone"]["kernel"]
    assert report["route"] == "bcr"
    assert report["call"]["direction"] == "out"
    assert report["call"]["talk_s"] == pytest.approx(TALK, abs=1.5)
    assert report["channels"][0]["speech_dbfs"]["near"] == pytest.approx(-18, abs=6)


def test_one_end_alone_is_a_proof_in_part_and_nobody_is_none(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.good("enable", *CONSENT)
    bcr.give(wav(mix(NEAR, (0, 0)), 16000), "wav")
    said = _with_a_call(bcr, offhook, 50)
    assert (said["result"], said["defects"]) == ("partly", ["one end"])
    assert "the far end is not heard" in said["words"][0]

    bcr.give(wav(np.random.default_rng(1).normal(0, 0.01, round(TALK * 16000)), 16000), "wav")
    with offhook.watching() as watching:  # another Offhook brings it
        watching.wait("state", text="idle")
        said = _with_a_call(bcr, offhook, 24)
    assert (said["result"], said["defects"]) == ("failed", ["no voice"])
    assert any("offhook routes" in words for words in said["advice"])

    assert "failed on 20" in offhook.good("routes").out
    offhook.good("disable")
    why = offhook.good("--json", "enable", *CONSENT).json["why"]
    assert "by `offhook selftest` it failed on 20" in why


def _with_a_call(bcr: StandIn, offhook: Offhook, code: int) -> Any:
    with offhook.selftest("--turn", TURN) as test:
        test.wait_for("Now call")
        call = bcr.phone.start_call(ring=0.4, active=TALK)
        ran = test.end()
        call.wait()
    assert ran.code == code, ran.err
    return ran.json


def test_no_verdict_where_nothing_can_be_said(bcr: StandIn, offhook: Offhook) -> None:
    off = offhook.run("selftest")
    assert (off.code, "--enable" in off.err) == (20, True)
    offhook.good("enable", *CONSENT)
    bcr.give(wav(mix(NEAR, FAR), 16000), "wav")
    with offhook.selftest("--turn", TURN) as test:
        test.wait_for("Now call")
        bcr.phone.call(ring=0.2, active=1.5)
        short = test.end()
    assert short.code == 20
    assert "ended before both ends had spoken" in short.err
    ongoing = bcr.phone.start_call(ring=0.1, active=30)
    ongoing.wait_for("active")
    assert "a call is on" in offhook.run("selftest").err
    ongoing.hang_up()
    ongoing.wait()
    assert not (offhook.home / "proofs").exists()
