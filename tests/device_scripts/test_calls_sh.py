"""What calls.sh makes of what Android says, in the shapes that phones of many years say it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

import pytest

from agent.phone import scripts
from tests.lab.phone import LabPhone

Ask = Callable[[str, str], str]
STAND_INS = "/data/local/tmp/stand-ins"


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Runs words of mksh with calls.sh, on a phone whose `dumpsys` says a text."""
    with LabPhone() as phone:
        phone.root(
            f"mkdir {STAND_INS}; cat >{STAND_INS}/dumpsys; chmod 755 {STAND_INS}/dumpsys",
            input=f"#!/system/bin/sh\ncat {STAND_INS}/said\n".encode(),
        )
        phone.root(f"cat >{STAND_INS}/calls.sh", input=scripts.script("calls.sh"))

        def run(text: str, words: str) -> str:
            phone.root(f"cat >{STAND_INS}/said", input=text.encode())
            begin = f"PATH={STAND_INS}:$PATH; set -u; NL='\n'; PRECISE='' recording=''; "
            return phone.root(f"sh -c {shlex.quote(begin + f'. {STAND_INS}/calls.sh; ' + words)}")

        yield run


SAY = (
    "read_state; print -r -- $? $STATE SIM=$SIM F=$FORE B=$BACK R=$RING other=$OTHER_APP "
    '"number=$NUMBER" "$(talking && print talking)"'
)

SEVEN = """last known state:
  Phone Id=0
  mCallState={}
  mCallIncomingNumber=
  mServiceState=0 0 voice home data home Net Net 26201 Net Net 26201  LTE LTE CSS not supported
  mSignalStrength=SignalStrength: 99 0 -120 -160 -120 -1 -1 26 -87 -7 262 gsm|lte
  mDataConnectionState=0
registrations: count=28
  {{callingPackage=com.android.systemui callerUserId=0 subId=-1 phoneId=-1 events=0}}
"""


def sim(number: int, state: int, ring: int = 0, fore: int = 0, back: int = 0, who: str = "") -> str:
    """A SIM's block as Android 11 and later print it."""
    return f"""  Phone Id={number}
    mCallState={state}
    mRingingCallState={ring}
    mForegroundCallState={fore}
    mBackgroundCallState={back}
    mPreciseCallState=Ringing call state: {ring}, Foreground call state: {fore}, \
Background call state: {back}, Disconnect cause: -1, Precise disconnect cause: -1
    mCallDisconnectCause=-1
    mCallIncomingNumber={who}
    mServiceState={{mVoiceRegState=0(IN_SERVICE), mOperatorAlphaLong=Net}}
    mCallStateLists=[]
"""


def two(first: str, second: str) -> str:
    return f"last known state:\n{first}{second}  mDefaultPhoneId=0\nregistrations: count=1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SEVEN.format(0), "0 0 SIM=0 F= B= R= other= number= "),
        (SEVEN.format(1), "0 1 SIM=0 F= B= R= other= number= "),
        (SEVEN.format(2), "0 2 SIM=0 F= B= R= other= number= talking"),
        # Telecom tells its state for every SIM; only the radio's says which has the call.
        (two(sim(0, 2), sim(1, 2, fore=1)), "0 2 SIM=1 F=1 B=0 R=0 other= number= talking"),
        (two(sim(0, 2, fore=1), sim(1, 2)), "0 2 SIM=0 F=1 B=0 R=0 other= number= talking"),
        (
            two(sim(0, 1, who="117"), sim(1, 1, ring=5, who="118")),
            "0 1 SIM=1 F=0 B=0 R=5 other= number=118 ",
        ),
        (two(sim(0, 0), sim(1, 2, fore=3)), "0 2 SIM=1 F=3 B=0 R=0 other= number= "),  # dials
        (two(sim(0, 2, fore=4), sim(1, 0)), "0 2 SIM=0 F=4 B=0 R=0 other= number= "),
        (two(sim(0, 0), sim(1, 2, ring=5)), "0 2 SIM=1 F=0 B=0 R=5 other= number= "),  # answered
        # Another caller waits; the call before goes on.
        (two(sim(0, 1, 6, 1), sim(1, 1)), "0 1 SIM=0 F=1 B=0 R=6 other= number= talking"),
        (two(sim(0, 2, 0, 0, 2), sim(1, 2)), "0 2 SIM=0 F=0 B=2 R=0 other= number= talking"),
        (two(sim(0, 2, 0, 1, 2), sim(1, 2)), "0 2 SIM=0 F=1 B=2 R=0 other= number= talking"),
        (two(sim(0, 2, fore=7), sim(1, 2)), "0 2 SIM=0 F=7 B=0 R=0 other= number= "),  # ends
        # The radio knows of no call: another app has one.
        (two(sim(0, 2), sim(1, 2)), "0 0 SIM=0 F=0 B=0 R=0 other=2 number= "),
        (two(sim(0, 1), sim(1, 1)), "0 0 SIM=0 F=0 B=0 R=0 other=1 number= "),
        # An Android 10: the precise states once, after both SIMs.
        (
            (
                "  Phone Id=0\n    mCallState=2\n  Phone Id=1\n    mCallState=0\n"
                "  mRingingCallState=0\n  mForegroundCallState=1\n  mBackgroundCallState=0\n"
            ),
            "0 2 SIM=0 F=1 B=0 R=0 other= number= talking",
        ),
        # Only one SIM says them, and nothing: the other's are not known.
        (
            (
                "Phone Id=0\n  mCallState=0\n  mRingingCallState=0\n  mForegroundCallState=0\n"
                "Phone Id=1\n  mCallState=2\n"
            ),
            "0 2 SIM=1 F= B= R= other= number= talking",
        ),
        # Some builds have them in one line only.
        (
            (
                "  Phone Id=0\n    mCallState=1\n    mPreciseCallState=Ringing call state: 5, "
                "Foreground call state: 0, Background call state: 0\n"
                "    mCallIncomingNumber=15559998888\n"
            ),
            "0 1 SIM=0 F=0 B=0 R=5 other= number=15559998888 ",
        ),
        ("", "1 0 SIM=0 F= B= R= other= number= "),
        ("Can't find service: telephony.registry\n", "1 0 SIM=0 F= B= R= other= number= "),
    ],
)
def test_the_registry(ask: Ask, text: str, said: str) -> None:
    assert ask(text, SAY).rstrip("\n") == said


def test_a_ring_in_a_call_of_an_old_phone_does_not_end_it(ask: Ask) -> None:
    assert ask(SEVEN.format(1), f"recording=yes; {SAY}").endswith("talking\n")


def test_a_phone_whose_radio_says_nothing_is_recorded_once_that_is_known(ask: Ask) -> None:
    text = two(sim(0, 2), sim(1, 2))
    assert ask(text, f"PRECISE=no; {SAY}").startswith("0 2 SIM=0 F= B= R= other= ")


def test_what_the_registry_says_is_never_evaluated(ask: Ask) -> None:
    who = "$(touch /data/local/tmp/stand-ins/evil)`id`;*"
    said = ask(
        two(sim(0, 1, 5, who=who), sim(1, 1)), SAY + '; clean_number "$NUMBER"; print "<$CLEAN>"'
    )
    assert "<>" in said
    assert who in said
    assert "evil" not in ask("", f"ls {STAND_INS}")


def telecom(*calls: tuple[str, str, str, int]) -> str:
    lines = "".join(
        f"    [Call id={name}, state={state}, tpac=ComponentInfo{{{account}}}, 1, UserHandle{{0}}, "
        f"handle=tel:*********67, vidst=A, childs({count}), has_parent(false), "
        "cap=[ hld sup_hld mut !v2a spd_aud], prop=[]], voip=false\n"
        for name, state, account, count in calls
    )
    # Each call stands there more than once.
    return f"CallsManager: \n  mCalls: \n{lines}mCallAudioManager:\n    All calls:\n{lines}"


RADIO = "com.android.phone/com.android.services.telephony.TelephonyConnectionService"
APP = "org.example.app/org.example.app.CallConnectionService"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (telecom(("TC@4", "ACTIVE", RADIO, 0)), "1 0 0 "),
        (telecom(("TC@4", "ON_HOLD", RADIO, 0), ("TC@5", "ACTIVE", RADIO, 0)), "2 0 0 "),
        (
            telecom(
                ("TC@4", "ACTIVE", RADIO, 0), ("TC@5", "ACTIVE", RADIO, 0),
                ("TC@6", "ACTIVE", RADIO, 2),
            ),
            "2 0 0 2",
        ),
        (telecom(("TC@4", "ACTIVE", RADIO, 0), ("TC@5", "RINGING", RADIO, 0)), "1 1 0 "),
        (telecom(("TC@7", "ACTIVE", APP, 0)), "0 0 1 "),
        (telecom(("TC@7", "DISCONNECTED", RADIO, 0)), "0 0 0 "),
        (telecom(), "0 0 0 "),
        # Before Android 11.
        (
            (f"    [TC@1, ACTIVE, {RADIO}, tel:*67, A, childs(0), has_parent(false), "
            "[Capabilities: CAPABILITY_HOLD], [Properties:]]\n"),
            "1 0 0 ",
        ),
        ("", "0 0 0 "),
    ],
)  # fmt: skip
def test_telecoms_calls(ask: Ask, text: str, said: str) -> None:
    assert (
        ask(text, 'ask_telecom; print "$CELLULAR $WAITING $FOREIGN $PARTIES"').rstrip("\n") == said
    )
