"""A call on a lab phone becomes a verified recording here, and the phone is as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Enable
from tests.e2e.speech import LATE_S, H, check, recording_now, speak
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, wait_until
from tests.sound import compare
from tests.testcall import spoken, wav

pytestmark = pytest.mark.vm


def test_three_calls_from_the_modem_to_the_list(sm8250: LabPhone, enable: Enable) -> None:
    on = enable(sm8250)
    played = []
    with on.offhook.watching() as watching:
        watching.wait("state", text="idle")
        for number, what in enumerate(
            (
                {"number": "+4930123456", "contact": "Ada, 'M' \"x\"", "direction": "in"},
                {"number": "+441632960123", "direction": "out", "sim": 1},
                {"number": "", "presentation": "restricted", "direction": "in"},
            )
        ):
            speech = speak(sm8250, 6, seed=number)
            played.append((sm8250.call(active=3.0, **what), speech))
            watching.wait("filed", count=number + 1, timeout=20)  # sooner than a scan would
        watching.wait("joined", count=3)
    rows = on.offhook.rows()
    assert [row["direction"] for row in rows] == ["in", "out", "in"]
    assert [row["number"] for row in rows] == ["+4930123456", "+441632960123", None]
    assert rows[0]["contact"] == "Ada, 'M' \"x\""
    assert {row["route"] for row in rows} == {"alsa"}
    for row, (call, speech) in zip(rows, played, strict=True):
        check(on.offhook, row, call, speech)
        assert on.offhook.file(row).stat().st_mode & 0o777 == 0o400
    assert [row["id"] for row in on.offhook.good("--json", "search", "ada").json] == [rows[0]["id"]]
    assert [r["id"] for r in on.offhook.good("--json", "search", "960123").json] == [rows[1]["id"]]
    on.disable()


def test_the_phone_shows_that_capture_is_on_until_it_is_off(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    listed = sm8250.root("cmd notification list")
    assert "|com.android.shell|" in listed
    assert "|offhook|" in listed
    status = on.offhook.good("--json", "status").json
    assert (status["running"], status["state"], status["notice"]) == (True, "idle", True)
    on.disable()
    assert "|offhook|" not in sm8250.root("cmd notification list")


def test_a_call_without_a_desktop_is_recorded_and_comes_later(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    speech = speak(sm8250, 8, seed=4)
    ongoing = sm8250.start_call(active=4.0)
    recording_now(sm8250)
    sm8250.kill_adbd()
    try:
        call = ongoing.wait()
    finally:
        sm8250.start_adbd()
    on.offhook.good("sync")
    (row,) = on.offhook.rows()
    check(on.offhook, row, call, speech)
    on.disable()


def test_a_call_on_hold_is_one_recording(sm8250: LabPhone, enable: Enable) -> None:
    on = enable(sm8250)
    speak(sm8250, 10, seed=11)
    call = sm8250.call(active=1.5, hold=1.5, resume=1.5)
    wait_until(lambda: ".wav" in sm8250.root(f"ls {H}/spool"))
    on.offhook.good("sync")
    (row,) = on.offhook.rows()
    assert abs(row["duration_s"] - call.talk) <= LATE_S
    assert row["number"] == call.call.number
    on.disable()


def test_a_missed_call_leaves_no_recording_and_no_control_set(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    before = sm8250.snapshot()["mixer"]
    sm8250.call(outcome="missed", ring=2.0)
    wait_until(lambda: "state=idle" in sm8250.root(f"cat {H}/run/state"))
    assert sm8250.snapshot()["mixer"] == before
    assert sm8250.root(f"ls {H}/spool") == ""
    on.disable()


def test_a_wiped_notification_comes_back_during_the_call(sm8250: LabPhone, enable: Enable) -> None:
    on = enable(sm8250)
    call = sm8250.start_call(active=12.0)
    recording_now(sm8250)
    sm8250.root("am force-stop com.android.shell")
    assert "|offhook|" not in sm8250.root("cmd notification list")
    wait_until(lambda: "|offhook|" in sm8250.root("cmd notification list"), timeout=9)
    call.hang_up()
    call.wait()
    on.disable()


def test_a_call_is_not_recorded_on_when_the_notification_can_not_be_shown(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    call = sm8250.start_call(active=90.0)
    recording_now(sm8250)
    with sm8250.without_notifications():
        wait_until(lambda: "state=refused" in sm8250.root(f"cat {H}/run/state"), timeout=60)
        assert ".wav" in sm8250.root(f"ls {H}/spool")
        assert sm8250.snapshot()["mixer"] == on.before["mixer"]
    call.hang_up()
    call.wait()
    on.disable()
    (row,) = on.offhook.rows()
    assert "cut" in row["flags"]


def test_disable_in_a_call_keeps_what_was_recorded(sm8250: LabPhone, enable: Enable) -> None:
    on = enable(sm8250)
    speech = speak(sm8250, 20, seed=8)
    call = sm8250.start_call(active=15.0)
    recording_now(sm8250)
    on.offhook.good("disable")
    (row,) = on.offhook.rows()
    found = compare(on.offhook.file(row), speech)
    assert min(found.correlation) >= 0.9, found
    call.wait()
    assert sm8250.changes(on.before) == []


def test_tensor_does_not_turn_silent_after_an_overrun(tensor: LabPhone, enable: Enable) -> None:
    on = enable(tensor)
    speech = speak(tensor, 16, seed=9)
    call = tensor.start_call(active=10.0)
    recording_now(tensor)
    helper = f"$(cat {H}/run/capture.pid)"
    tensor.root(f"kill -STOP {helper}; sleep 3; kill -CONT {helper}")
    played = call.wait()
    wait_until(lambda: ".wav" in tensor.root(f"ls {H}/spool"))
    on.offhook.good("sync")
    (row,) = on.offhook.rows()
    facts = on.offhook.good("--json", "show", str(row["id"])).json["facts"]
    assert facts["capture"]["value"]["xruns"] >= 1
    found = compare(on.offhook.file(row), speech)
    # What was lost is silence of the same length; the rest is the call, before and after it.
    assert abs(found.seconds - played.talk) <= LATE_S
    assert min(found.correlation) >= 0.6, found
    assert found.tail(3.0, on.offhook.file(row), speech) >= 0.9
    on.disable()


def test_selftest_proves_both_legs_apart_and_leaves_the_phone_as_it_was(
    sm8250: LabPhone, tmp_path: Path
) -> None:
    before = sm8250.snapshot()
    offhook = Offhook(tmp_path / "home", sm8250.address)
    # An emulated phone may be asked seconds late: each end speaks longer than its turn.
    said = wav(spoken((0.5, 7.0), (9.5, 25.0), 25.0))
    sm8250.root("cat > /lab/state/speech.wav", input=said)
    call = sm8250.start_call(dialled=True, active=60.0)
    consent = ("--basis", "own-line", "--here", "DE")
    with offhook.selftest("--enable", "--dial", "+441632960999", "--turn", "4", *consent) as test:
        test.wait_for("hang up now")
        call.hang_up()
        ran = test.end()
    call.wait()
    assert ran.json["route"] == "alsa"
    # On a busy computer the recorder may begin too late, and that is told.
    assert set(ran.json["defects"]) <= {"short"}, ran.out
    assert ran.code == (50 if ran.json["defects"] else 0), ran.err
    assert [each["channel"] for each in ran.json["channels"]] == ["uplink", "downlink"]
    assert [each["hears"] for each in ran.json["channels"]] == [["near"], ["far"]]
    report = Path(ran.json["report"]).read_text()
    assert json.loads(report)["plan"]["pcm"] == 23
    assert all(word not in report for word in (sm8250.serial, "960999"))
    assert sm8250.changes(before) == []
