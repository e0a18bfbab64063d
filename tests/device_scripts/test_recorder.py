"""The recorder's loop on a lab phone: what wakes it, what it refuses, and who starts it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.capture.alsa.recorder import HOME, SPOOL
from tests.device_scripts.recorder_phone import Recorder
from tests.lab.phone import LabPhone
from tests.offhook import wait_until

STAND_INS = "/data/local/tmp/stand-ins"
SOON = {"events.sh": {"IDLE_S=60 ": "IDLE_S=1 "}}


@pytest.fixture(scope="module")
def phone() -> Iterator[LabPhone]:
    with LabPhone() as one:
        yield one


@pytest.fixture
def recorder(phone: LabPhone) -> Iterator[Recorder]:
    one = Recorder(phone)
    yield one
    one.clear()


def stand_in(phone: LabPhone, name: str, script: str) -> str:
    """A program that stands in for one of Android's; the folder to put before the others."""
    path = f"{STAND_INS}/{name}"
    text = f"#!/system/bin/sh\n{script}\n".encode()
    phone.root(f"mkdir -p {STAND_INS}; cat >{path}; chmod 755 {path}", input=text)
    return STAND_INS


def settled(recorder: Recorder) -> None:
    """Until it waits for the log, and for nothing else."""
    asked = f"{STAND_INS}/asked"
    count = "[ -f {0} ] && wc -l <{0} || echo 0"

    def quiet() -> bool:
        before = recorder.phone.root(count.format(asked))
        recorder.phone.root("sleep 1.3")  # longer than it waits while it is not sure
        return before == recorder.phone.root(count.format(asked))

    wait_until(quiet, 20)


def counted(phone: LabPhone) -> str:
    """A dumpsys that counts how often it is asked."""
    return stand_in(
        phone, "dumpsys", f'echo "$*" >>{STAND_INS}/asked; exec /system/bin/dumpsys "$@"'
    )


def test_nothing_is_asked_while_nothing_happens_and_a_call_is_there_at_once(
    recorder: Recorder,
) -> None:
    recorder.install()
    recorder.do("on", path=counted(recorder.phone))
    settled(recorder)
    before = recorder.status()
    call = recorder.phone.start_call(ring=1.5, active=1.0)
    rung = call.wait_for("ringing")
    recorder.until("ringing", 10)
    said = recorder.phone.root(f"cat {HOME}/run/state")
    seen = int(said.partition("at=")[2].partition("\n")[0])
    assert seen - rung < 1500  # a computer may stand still; it is 60 ms where it does not
    played = call.wait()
    recorder.until("idle")
    (car,) = recorder.sidecars()
    assert (car["direction"], car["sim"], car["cut"]) == ("in", 0, False)
    assert (car["holds"], car["calls"], car["conference"], car["parties"]) == (0, 1, False, None)
    assert car["legs"] == "downlink,uplink"
    assert car["started_ms"] - played.at["active"] < 1500
    assert before["events"] == "system"
    assert before["protocol"] == "1"
    assert int(before["lived"]) >= 1
    said = recorder.phone.root(f"cat {HOME}/said")
    assert "--journal" not in said  # no control, no journal


def test_each_control_is_held_and_in_a_journal(recorder: Recorder) -> None:
    recorder.install("Level=1\nVoc Rec Config=2\n", CARD=3, DEVICE=44, CHANNELS=1, RATE=16000)
    recorder.do("on")
    recorder.phone.call(ring=0.2, active=0.5)
    wait_until(lambda: len(recorder.sidecars()) == 1)
    (car,) = recorder.sidecars()
    assert (car["card"], car["device"]) == (3, 44)
    said = recorder.phone.root(f"cat {HOME}/said").splitlines()[0]
    assert "capture -D 3 -d 44 -r 16000 -c 1 --hold Level=1 --hold Voc Rec Config=2 " in said
    assert f"--journal {HOME}/run/undo" in said


def test_a_log_that_does_not_announce_calls_loses_its_trust_for_good(recorder: Recorder) -> None:
    never = f"{STAND_INS}/never"
    path = stand_in(
        recorder.phone, "logcat", f"[ -p {never} ] || mkfifo {never}; read -r line <>{never}"
    )
    recorder.install(quick=SOON)
    recorder.do("on", path=path)
    settled(recorder)
    for events in ("main,system", "untrusted"):
        recorder.phone.call(ring=2.5, active=0.5)
        wait_until(lambda e=events: recorder.status()["events"] == e)  # type: ignore[misc]
        if events != "untrusted":  # it is found wanting only once it has been there for a while
            recorder.phone.root("sleep 2")
    wait_until(lambda: len(recorder.sidecars()) == 2)
    recorder.do("stop")
    recorder.do("on")
    assert recorder.status()["events"] == "untrusted"
    assert recorder.processes("logcat") == []


def test_a_log_that_is_silenced_is_not_waited_for(recorder: Recorder) -> None:
    recorder.install()
    recorder.phone.root("setprop log.tag.Telecom S")
    try:
        recorder.do("on")
        assert recorder.status()["events"] == "untrusted"
    finally:
        recorder.phone.root("setprop log.tag.Telecom ''")


def test_calls_are_found_while_logcat_is_dead_and_it_is_started_again(recorder: Recorder) -> None:
    recorder.install(quick={"events.sh": {'"$logcat_at" 10000': '"$logcat_at" 4000'}})
    recorder.do("on", path=counted(recorder.phone))
    settled(recorder)
    (logcat,) = recorder.processes("logcat -b")
    recorder.phone.root(f"kill -KILL {logcat}")
    recorder.phone.call(ring=1.5, active=0.5)
    wait_until(lambda: len(recorder.sidecars()) == 1)
    wait_until(lambda: recorder.status()["events"] == "system")
    assert recorder.processes("logcat -b") != [logcat]


def test_another_apps_call_is_told_and_not_recorded(recorder: Recorder) -> None:
    recorder.install()
    recorder.do("on")
    call = recorder.phone.start_call(app="org.example.talk", ring=0.5, active=4.0)
    wait_until(lambda: recorder.status()["voip"] == "yes")
    assert recorder.state() == "idle"
    call.hang_up()
    call.wait()
    wait_until(lambda: recorder.status()["voip"] == "no")
    assert recorder.sidecars() == []


def test_a_second_call_and_a_conference_are_one_recording(recorder: Recorder) -> None:
    recorder.install()
    recorder.do("on")
    recorder.phone.call(number="+4930123456", ring=0.7, active=0.7, second=1.2, merge=1.2)
    wait_until(lambda: len(recorder.sidecars()) == 1)
    recorder.phone.call(ring=0.3, active=0.7, hold=0.8, resume=0.5)
    wait_until(lambda: len(recorder.sidecars()) == 2)
    both, held = recorder.sidecars()
    assert (both["calls"], both["conference"], both["parties"]) == (2, True, 2)
    assert both["number"] == "+4930123456"
    assert (held["calls"], held["conference"], held["holds"]) == (1, False, 1)
    assert {both["part"], held["part"]} == {1}


def test_a_call_that_rang_into_the_one_before_is_a_recording_of_its_own(
    recorder: Recorder,
) -> None:
    recorder.install()
    recorder.do("on")
    # Not the number that the last call left in the registry.
    recorder.phone.call(number="+441632960123", ring=0.7, active=0.7, second=0.7, takeover=True)
    wait_until(lambda: len(recorder.sidecars()) == 2)
    first, then = recorder.sidecars()
    assert (first["number"], first["calls"], first["cut"]) == ("+441632960123", 1, False)
    assert (then["number"], then["calls"], then["cut"]) == ("+4915987654321", 1, False)
    assert (then["direction"], then["part"]) == ("in", 1)


def test_a_call_that_took_over_unseen_is_a_recording_of_its_own(recorder: Recorder) -> None:
    recorder.install()
    recorder.do("on", path=counted(recorder.phone))
    call = recorder.phone.start_call(ring=1.5, active=1.5, second=4, takeover=True)
    recorder.until("recording")
    recorder.phone.root(f"usleep 500000; : >{STAND_INS}/asked")  # what it asked as it began
    call.wait_for("waiting")
    wait_until(lambda: "telecom" in recorder.phone.root(f"cat {STAND_INS}/asked"))
    recorder.phone.root(f"kill -STOP $(cat {HOME}/run/daemon.pid)")
    call.wait_for("active2")
    recorder.phone.root(f"kill -CONT $(cat {HOME}/run/daemon.pid)")
    call.wait()
    wait_until(lambda: len(recorder.sidecars()) == 2)
    first, then = recorder.sidecars()
    assert "another call, with nothing seen between the two" in recorder.log()
    assert (first["calls"], first["cut"], first["number"]) == (1, False, "+4917012345678")
    assert (then["calls"], then["cut"], then["number"]) == (1, False, None)
    assert (then["direction"], then["part"]) == ("in", 1)


LOG = "logcat -b system"


def test_told_to_end_just_as_it_begins_to_read_the_log_it_leaves_none(recorder: Recorder) -> None:
    recorder.install(quick={"events.sh": {"\n  logcat=$!\n": "\n  sleep 2\n  logcat=$!\n"}})
    recorder.do("on")
    wait_until(lambda: len(recorder.processes(LOG)) == 1)
    recorder.do("stop")
    assert recorder.processes(LOG) == []


@pytest.mark.parametrize("where", ["    is_orphan", "    put ", "    exec logcat"])
def test_killed_as_it_begins_to_read_the_log_it_leaves_no_second_reader(
    recorder: Recorder, where: str
) -> None:
    """Wherever the one that is to read the log was just then."""
    # The first one only: who comes after it is not kept up.
    late = f"[ -e {HOME}/first ] || {{ : >{HOME}/first; sleep 3; }}"
    recorder.install(quick={"events.sh": {f"\n{where}": f"\n    {late}\n{where}"}})
    recorder.do("on")
    wait_until(lambda: "1" in recorder.phone.root(f"ls {HOME}/first 2>/dev/null | wc -l"))
    daemon = recorder.phone.root(f"cat {HOME}/run/daemon.pid").strip()
    recorder.phone.root(f"kill -KILL {daemon}")
    wait_until(lambda: len(recorder.processes(LOG)) == 1)
    wait_until(lambda: not recorder.processes("sleep 3"))
    assert len(recorder.processes(LOG)) == 1
    recorder.do("stop")
    assert recorder.processes(LOG) == []


def test_a_full_spool_refuses_the_next_call(recorder: Recorder) -> None:
    recorder.install(SPOOL_MAX_KB=4096)
    recorder.do("on")
    recorder.phone.root(f"head -c 3000000 /dev/zero >{SPOOL}/20260101_000000_in.wav")
    call = recorder.phone.start_call(ring=0.2, active=30)
    recorder.until("refused")
    call.hang_up()
    call.wait()
    recorder.until("idle")
    said = recorder.status()
    assert "the spool is full, " in said["problem"]
    assert (said["spool"], said["spool_max_kb"]) == ("1", "4096")


def test_a_call_that_fills_the_spool_is_kept_and_its_rest_refused(recorder: Recorder) -> None:
    recorder.install(SPOOL_MAX_KB=3072)
    recorder.do("on")
    call = recorder.phone.start_call(ring=0.2, active=30)
    recorder.until("refused")
    (car,) = recorder.sidecars()
    assert (car["cut"], car["capture"]["ended"]) == (True, "max-bytes")
    call.hang_up()
    call.wait()
    recorder.until("idle")
    assert len(recorder.sidecars()) == 1
    assert "no more room" in recorder.status()["problem"]


def test_a_supervisor_that_was_killed_is_replaced(recorder: Recorder) -> None:
    recorder.install()
    recorder.do("on", path=counted(recorder.phone))
    for _ in range(2):  # the second one, too
        (before,) = recorder.processes("offhookd.sh supervise")
        recorder.phone.root(f"kill -KILL {before}")
        wait_until(
            lambda b=before: (  # type: ignore[misc]
                recorder.processes("offhookd.sh supervise") not in ([], [b])
                and len(recorder.processes("offhookd.sh run")) == 1
            )
        )
    recorder.until("idle")
    (loop,) = recorder.processes("offhookd.sh run")
    recorder.phone.root(f"kill -KILL {loop}")
    recorder.phone.root("sleep 0.2")
    recorder.until("idle")
    recorder.phone.call(ring=1.0, active=0.5)
    wait_until(lambda: len(recorder.sidecars()) == 1)
    assert len(recorder.processes("logcat -b")) == 1
    recorder.do("stop")
    assert recorder.processes("offhookd.sh") == []


def test_a_start_that_comes_late_does_not_outlive_the_stop(recorder: Recorder) -> None:
    recorder.install()
    for pause in ("0", "0.02", "0.06", "0.15"):
        recorder.phone.root(
            f"sh {HOME}/offhookd.sh on & sleep {pause}; sh {HOME}/offhookd.sh stop; wait; exit 0"
        )
        if recorder.phone.root(f"[ -f {HOME}/off ] && echo off; exit 0") == "off\n":
            assert recorder.processes("offhookd.sh") == [], pause
        else:  # it came after the stop: it has the last word
            assert len(recorder.processes("offhookd.sh supervise")) == 1
            recorder.do("stop")
    assert recorder.processes("logcat -b") == []


def test_a_sidecar_whose_recording_was_not_filed_is_replaced(recorder: Recorder) -> None:
    """Killed between the two: the next one files the same recording."""
    recorder.install()
    recorder.phone.root(
        f"cd {HOME}; head -c 100000 /dev/zero >run/call.wav; "
        "print -r -- 'direction=in\nnumber=117\nsim=1\nringing_ms=1795000000000\n"
        "offhook_ms=1795000001000\nactive_ms=1795000002123\npart=1\nboot=other' >run/call; "
        "echo '{\"schema\":1}' >spool/$(date -d @1795000002 '+%Y%m%d_%H%M%S.123%z')_in.json"
    )
    recorder.do("on")
    (car,) = recorder.sidecars()
    assert (car["number"], car["sim"], car["cut"], car["started_ms"]) == (
        "117",
        1,
        True,
        1795000002123,
    )
    assert recorder.phone.root(f"ls {SPOOL}").count("json") == 1
