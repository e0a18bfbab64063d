"""What was killed, or turned on or off meanwhile, is made good on a lab phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Enable
from tests.e2e.speech import H, check, recording_now, speak
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, wait_until
from tests.sound import compare

pytestmark = pytest.mark.vm


@pytest.mark.parametrize(
    "victims",
    ["$(cat run/daemon.pid)", "$(cat run/capture.pid)", "$(cat run/daemon.pid run/capture.pid)"],
    ids=["loop", "helper", "loop and helper"],
)
def test_a_recorder_killed_in_a_call_keeps_what_there_was_and_goes_on(
    sm8250: LabPhone, enable: Enable, victims: str
) -> None:
    on = enable(sm8250)
    speech = speak(sm8250, 12, seed=5)
    call = sm8250.start_call(active=8.0)
    recording_now(sm8250, seconds=2)  # less is too little speech to be compared
    sm8250.root(f"cd {H}; kill -KILL {victims}")
    played = call.wait()
    wait_until(lambda: sm8250.root(f"ls {H}/spool").count(".wav") == 2)
    on.offhook.good("sync")
    rows = on.offhook.rows()
    assert len(rows) == 2
    assert "cut" in rows[0]["flags"]
    heard = [compare(on.offhook.file(row), speech, played.talk) for row in rows]
    assert min(heard[0].correlation + heard[1].correlation) >= 0.9, heard
    assert heard[0].lag_s < heard[1].lag_s
    lost = played.talk - sum(part.seconds for part in heard)
    assert lost < 3.0, f"{lost} s of the call were lost"
    on.disable()


def test_a_recorder_killed_altogether_leaves_nothing_that_disable_can_not_mend(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    speech = speak(sm8250, 12, seed=6)
    call = sm8250.start_call(active=6.0)
    recording_now(sm8250)
    sm8250.root(f"cd {H}/run; kill -KILL $(cat supervisor.pid daemon.pid capture.pid logcat.pid)")
    assert sm8250.diff(on.before, sm8250.snapshot())  # controls are left set: there is work to do
    played = call.wait()
    assert on.offhook.good("--json", "status").json["running"] is False
    on.disable()
    (row,) = on.offhook.rows()
    found = compare(on.offhook.file(row), speech, played.talk)
    assert min(found.correlation) >= 0.9, found


def test_a_watch_starts_a_recorder_that_was_killed(sm8250: LabPhone, enable: Enable) -> None:
    on = enable(sm8250)
    sm8250.root(f"cd {H}/run; kill -KILL $(cat supervisor.pid daemon.pid logcat.pid)")
    with on.offhook.watching() as watching:
        watching.wait("restarted")
        speech = speak(sm8250, 6, seed=7)
        call = sm8250.call(active=3.0)
        watching.wait("filed")
    (row,) = on.offhook.rows()
    check(on.offhook, row, call, speech)
    on.disable()


def test_an_agent_killed_in_a_call_is_made_good_by_the_next_one(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    speech = speak(sm8250, 10, seed=10)
    with on.offhook.watching() as watching:
        watching.wait("state", text="idle")
        call = sm8250.start_call(active=5.0)
        recording_now(sm8250)
        watching.process.kill()
    played = call.wait()
    with on.offhook.watching() as watching:
        watching.wait("filed")
    (row,) = on.offhook.rows()
    check(on.offhook, row, played, speech)
    on.disable()


def test_a_watch_does_not_turn_on_what_disable_turned_off(sm8250: LabPhone, enable: Enable) -> None:
    on = enable(sm8250)
    speech = speak(sm8250, 6, seed=12)
    call = sm8250.call(active=3.0)
    wait_until(lambda: ".wav" in sm8250.root(f"ls {H}/spool"))
    sm8250.root(f"sh {H}/offhookd.sh stop")  # as far as a disable came that lost its link
    with on.offhook.watching() as watching:
        watching.wait("off")
        watching.wait("filed")
    assert "offhookd" not in sm8250.root("ps -ef | grep -v grep")
    (row,) = on.offhook.rows()
    check(on.offhook, row, call, speech)
    on.disable()


def test_a_watch_notices_that_capture_was_turned_on(sm8250: LabPhone, tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home", sm8250.address)
    before = sm8250.snapshot()
    with offhook.watching() as watching:
        watching.wait("off")
        offhook.good("enable", "--basis", "own-line", "--here", "DE")
        watching.wait("state", text="idle")
        sm8250.call(active=2.0)
        watching.wait("filed", timeout=20)
        offhook.good("disable")
    # What watched on the phone ends with the link, a moment later.
    wait_until(lambda: not sm8250.diff(before, sm8250.snapshot()))


def test_an_enable_that_fails_beside_recordings_keeps_them(
    sm8250: LabPhone, enable: Enable, tmp_path: Path
) -> None:
    on = enable(sm8250)
    sm8250.call(active=2.0)
    wait_until(lambda: ".wav" in sm8250.root(f"ls {H}/spool"))
    with sm8250.without_notifications():
        other = Offhook(tmp_path / "other", sm8250.address)
        assert other.run("enable", "--basis", "own-line", "--here", "DE").code == 20
    assert ".wav" in sm8250.root(f"ls {H}/spool")
    on.disable()
    assert len(on.offhook.rows()) == 1


def test_enable_twice_keeps_one_recorder_and_the_first_state(
    sm8250: LabPhone, enable: Enable
) -> None:
    on = enable(sm8250)
    on.offhook.good("enable")
    assert sm8250.root("ps -ef").count("offhookd.sh run") == 1
    on.disable()


def test_audioreach_is_refused_with_what_to_do_instead(
    audioreach: LabPhone, tmp_path: Path
) -> None:
    before = audioreach.snapshot()
    offhook = Offhook(tmp_path / "home", audioreach.address)
    ran = offhook.run("enable", "--basis", "own-line", "--here", "DE")
    assert ran.code == 21
    assert "AudioReach" in ran.err
    assert "BCR" in ran.err
    assert audioreach.changes(before) == []
    routes = offhook.good("--json", "doctor").json["routes"]
    assert routes[0]["route"] == "alsa"
    assert routes[0]["possible"] is False
    assert audioreach.changes(before) == []
