"""Calls: each step at its time, told alike by dumpsys, logcat and the call log."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.lab_tests.conftest import Shell

CALLS = "content query --uri content://call_log/calls"
STATES = re.compile(r"setCallState ([A-Z_]+)(?:\([A-Z_]+\))? -> ([A-Z_]+)")


@pytest.fixture(autouse=True)
def _fresh(phone: LabPhone) -> None:
    phone.root("logcat -b all -c; /lab/bin/sqlite3 /lab/state/sys/calllog.db 'DELETE FROM calls'")


def telecom_states(phone: LabPhone) -> list[str]:
    """All the states that Telecom logged, in order."""
    steps = STATES.findall(phone.root("logcat -d -b main,system -s Telecom:I"))
    for (_, to), (origin, _) in itertools.pairwise(steps):
        assert to == origin
    return [steps[0][0], *(to for _, to in steps)] if steps else []


def registry(shell: Shell) -> list[dict[str, str]]:
    """A dictionary for each SIM, out of dumpsys telephony.registry."""
    blocks = re.split(
        r"^ +Phone Id=\d$", shell("dumpsys telephony.registry").text, flags=re.MULTILINE
    )[1:]
    return [dict(re.findall(r"^ +(m\w+)= ?(.*)$", block, re.MULTILINE)) for block in blocks]


def precise(block: dict[str, str]) -> str:
    names = ("mCallState", "mRingingCallState", "mForegroundCallState", "mBackgroundCallState")
    return " ".join(block[name] for name in names)


def test_an_idle_phone(shell: Shell) -> None:
    first, second = registry(shell)
    assert precise(first) == precise(second) == "0 0 0 0"
    telecom = shell("dumpsys telecom").text
    assert "    Ringing call:\n    null\n" in telecom and "[Call id=" not in telecom
    assert telecom.endswith("Elapsed 1ms\n")
    assert shell(CALLS).text == "No result found.\n"


def test_an_incoming_call_step_by_step(shell: Shell, phone: LabPhone) -> None:
    call = phone.start_call(
        number="+491512345667", sim=1, ring=0.6, active=0.8, hold=0.6, resume=0.4
    )
    call.wait_for("ringing")
    idle, block = registry(shell)
    assert precise(idle) == "0 0 0 0" and precise(block) == "1 5 0 0"
    assert block["mCallIncomingNumber"] == "+491512345667"
    telecom = shell("dumpsys telecom").text
    assert re.search(r"Ringing call:\n    \[Call id=TC@\d+, state=RINGING, ", telecom)
    assert "handle=tel:***********67," in telecom  # not the number
    call.wait_for("active")
    assert precise(registry(shell)[1]) == "2 0 1 0"
    assert "- Actual mode = MODE_IN_CALL" in shell("dumpsys audio").text
    call.wait_for("hold")
    assert precise(registry(shell)[1]) == "2 0 0 2"
    played = call.wait()
    assert precise(registry(shell)[1]) == "0 0 0 0"
    assert list(played.at) == ["ringing", "offhook", "active", "hold", "resume", "idle"]
    assert list(played.at.values()) == sorted(played.at.values())
    assert telecom_states(phone) == (
        ["NEW", "RINGING", "ANSWERED", "ACTIVE", "ON_HOLD", "ACTIVE", "DISCONNECTED"]
    )
    assert 1.8 <= played.talk < 3
    history = re.findall(r"setMode\((\w+)\) from", shell("dumpsys audio").text)
    assert history[-3:] == ["MODE_RINGTONE", "MODE_IN_CALL", "MODE_NORMAL"]


def test_an_outgoing_call(shell: Shell, phone: LabPhone) -> None:
    call = phone.start_call(direction="out", ring=0.4, active=0.3)
    call.wait_for("dialing")
    assert precise(registry(shell)[0]) == "2 0 3 0"
    played = call.wait()
    assert telecom_states(phone) == ["NEW", "CONNECTING", "DIALING", "ACTIVE", "DISCONNECTED"]
    assert played.at["offhook"] == played.at["dialing"] < played.at["active"]
    assert played.type == 2


def telecom_calls(shell: Shell) -> list[tuple[str, str, str]]:
    """State, children and parent of each call that Telecom knows."""
    text = shell("dumpsys telecom").text.partition("mCallAudioManager")[0]
    return re.findall(r"state=(\w+),.*childs\((\d)\), has_parent\((\w+)\)", text)


def test_a_second_caller_waits_and_the_first_is_held(shell: Shell, phone: LabPhone) -> None:
    call = phone.start_call(sim=1, ring=0.8, active=0.3, second=0.8, back=0.8)
    call.wait_for("waiting")
    block = registry(shell)[1]
    assert precise(block) == "1 6 1 0"
    assert block["mCallIncomingNumber"] == call.call.second_number
    assert [c[0] for c in telecom_calls(shell)] == ["ACTIVE", "RINGING"]
    call.wait_for("second")
    assert precise(registry(shell)[1]) == "2 0 1 2"
    assert [c[0] for c in telecom_calls(shell)] == ["ON_HOLD", "ACTIVE"]
    call.wait_for("back")
    assert precise(registry(shell)[1]) == "2 0 1 0"
    assert [c[0] for c in telecom_calls(shell)] == ["ACTIVE"]
    played = call.wait()
    assert list(played.at)[3:] == ["waiting", "second", "back", "idle"]
    assert precise(registry(shell)[1]) == "0 0 0 0" and telecom_calls(shell) == []
    rows = phone.root(f"{CALLS} --projection _id:number:type:duration:subscription_id")
    first, second = f"_id={played.row}, number=+49170", f"_id={played.row2}, number=+49159"
    assert re.search(rf"{re.escape(first)}12345678, type=1, duration=[2-9], ", rows)
    assert re.search(rf"{re.escape(second)}87654321, type=1, duration=[01], ", rows)


def test_two_calls_become_a_conference(shell: Shell, phone: LabPhone) -> None:
    call = phone.start_call(ring=0.1, active=0.1, second=0.1, merge=0.6)
    call.wait_for("merged")
    assert precise(registry(shell)[0]) == "2 0 1 0"
    assert telecom_calls(shell) == [
        ("ACTIVE", "0", "true"),
        ("ACTIVE", "0", "true"),
        ("ACTIVE", "2", "false"),
    ]
    played = call.wait()
    assert list(played.at)[-2:] == ["merged", "idle"]
    assert played.row is not None and played.row2 == played.row + 1
    assert phone.call(active=0.1).id == played.id + 3


@pytest.mark.parametrize("managed", [False, True])
def test_an_apps_own_call_is_telecoms_and_not_the_radios(
    managed: bool, shell: Shell, phone: LabPhone
) -> None:
    call = phone.start_call(app="org.example.chat", managed=managed, ring=0.1, active=0.6)
    call.wait_for("active")
    assert {precise(block) for block in registry(shell)} == {"0 0 0 0"}
    telecom = shell("dumpsys telecom").text
    assert "state=ACTIVE, tpac=ComponentInfo{org.example.chat/" in telecom
    assert f"prop=[{'' if managed else ' self_mng'}]], voip=true\n" in telecom
    audio = shell("dumpsys audio").text
    assert "- Actual mode = MODE_IN_COMMUNICATION" in audio
    assert "- Package: org.example.chat" in audio
    assert (call.wait().row is not None) is managed
    assert "voip=true" in phone.root("logcat -d -b main,system -s Telecom:I")


def test_the_lengths_are_those_asked_for(phone: LabPhone) -> None:
    played = phone.call(ring=0.25, active=1.5)
    assert played.at["offhook"] - played.at["ringing"] >= 250
    assert 1500 <= played.at["idle"] - played.at["active"] < 2500
    assert played.duration == 1


@pytest.mark.parametrize(
    ("direction", "outcome", "type_", "states"),
    [
        ("in", "missed", 3, "NEW RINGING DISCONNECTED"),
        ("in", "rejected", 5, "NEW RINGING DISCONNECTED"),
        ("in", "blocked", 6, "NEW DISCONNECTED"),
        ("out", "unanswered", 2, "NEW CONNECTING DIALING DISCONNECTED"),
    ],
)
def test_calls_without_talk(
    direction: str, outcome: str, type_: int, states: str, phone: LabPhone
) -> None:
    played = phone.call(direction=direction, outcome=outcome, ring=0.1)
    assert (played.type, played.duration, played.talk) == (type_, 0, 0.0)
    assert telecom_states(phone) == states.split()


def test_the_line_of_android_15_says_the_state_twice() -> None:
    with LabPhone(profile="tensor") as phone:
        phone.call(ring=0.1, active=0.1)
        said = phone.root("logcat -d -s Telecom")
        assert (
            "CallsManager: setCallState ANSWERED(ANSWERED) -> ACTIVE, call: [Call id=TC@1" in said
        )


def test_the_owner_of_the_audio_mode_on_other_makes() -> None:
    with LabPhone(profile="sm8250") as phone:
        call = phone.start_call(ring=0.1, active=0.5)
        call.wait_for("active")
        assert "mAudioModeOwner: AudioModeInfo: mMode=MODE_IN_CALL, mPid=" in phone.root(
            "dumpsys audio"
        )
        call.wait()


def test_the_row_of_a_call(shell: Shell, phone: LabPhone) -> None:
    played = phone.call(number="+491701", contact="Zoë, née O'Hara", sim=1, ring=0.1, active=1.2)
    row = shell(CALLS).text
    assert row.startswith("Row: 0 formatted_number=NULL, duration=1, subject=, ")
    for part in (
        f"_id={played.row},",
        f"date={played.at['ringing']},",
        "name=Zoë, née O'Hara,",
        "type=1,",
        "presentation=1,",
        "subscription_id=2,",
        "matched_number=NULL,",
    ):
        assert f" {part}" in row
    chosen = shell(
        f"{CALLS} --projection _id:number:is_read --where 'duration>0' --sort 'date ASC'"
    )
    assert chosen.text == f"Row: 0 _id={played.row}, number=+491701, is_read=NULL\n"
    assert shell(f"{CALLS} --where 'type=3'").text == "No result found.\n"
    unknown = shell(f"{CALLS} --projection _id:nonsense")
    assert (unknown.code, unknown.out) == (0, b"") and b"Invalid column nonsense" in unknown.err


def test_a_private_number_leaves_no_number(shell: Shell, phone: LabPhone) -> None:
    phone.call(number="+49170", contact="Nobody", presentation="restricted", ring=0.1, active=0.1)
    said = shell(f"{CALLS} --projection number:presentation:name:normalized_number").text
    assert said == "Row: 0 number=, presentation=2, name=NULL, normalized_number=NULL\n"
    assert registry(shell)[0]["mCallIncomingNumber"] == ""


HOSTILE = 'a\'; DROP TABLE calls; --\n$(touch /data/local/tmp/pwned) `id` \\n "%s" 😀 ,name=x'


def test_hostile_texts_stay_texts(shell: Shell, phone: LabPhone) -> None:
    phone.call(number=HOSTILE, contact=HOSTILE, ring=0.1, active=0.1)
    said = shell(f"{CALLS} --projection name:number").text
    assert said == f"Row: 0 name={HOSTILE}, number={HOSTILE}\n"
    assert f"mCallIncomingNumber={HOSTILE}\n" in shell("dumpsys telephony.registry").text
    assert phone.root("ls /data/local/tmp") == ""


def test_the_call_log_keeps_500_of_each_sim(shell: Shell, phone: LabPhone) -> None:
    phone.call(sim=1, ring=0, active=0)
    phone.root(
        '/lab/bin/sqlite3 /lab/state/sys/calllog.db "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL '
        "SELECT i + 1 FROM n WHERE i < 600) INSERT INTO calls (date, type, subscription_id) "
        "SELECT i, 1, '1' FROM n\""
    )
    phone.call(ring=0, active=0)
    said = shell(f"{CALLS} --projection date:subscription_id --sort date").text.splitlines()
    assert len(said) == 501
    assert said[0] == "Row: 0 date=102, subscription_id=1"


def test_a_call_can_be_hung_up(phone: LabPhone) -> None:
    call = phone.start_call(ring=0.1, active=60)
    call.wait_for("active")
    call.hang_up()
    played = call.wait()
    assert played.talk < 10 and played.row is not None


def test_a_caller_who_gives_up_is_missed(phone: LabPhone) -> None:
    call = phone.start_call(ring=60)
    call.wait_for("ringing")
    call.hang_up()
    played = call.wait()
    assert (played.type, list(played.at)) == (3, ["ringing", "idle"])
    with pytest.raises(LabError, match="without being active"):
        call.wait_for("active")


def test_one_call_at_a_time(phone: LabPhone) -> None:
    call = phone.start_call(ring=0.1, active=1)
    call.wait_for("ringing")
    with pytest.raises(LabError, match="there is a call already"):
        phone.call()
    call.wait()


def test_a_row_can_be_late_or_missing(phone: LabPhone) -> None:
    assert phone.call(ring=0.1, active=0.1, logged=False).row is None
    call = phone.start_call(ring=0.1, active=0.1, log_delay=1)
    call.wait_for("idle")
    assert phone.root(CALLS) == "No result found.\n"
    assert call.wait().row is not None


@pytest.mark.parametrize("words", ["--sim 2", "--ring x", "--direction up", "--nonsense 1"])
def test_what_is_no_call_is_refused(words: str, phone: LabPhone) -> None:
    with pytest.raises(LabError, match="exit 2: call: "):
        phone.root(f"/lab/bin/call {words}")
    assert phone.root(CALLS) == "No result found.\n"
