"""What a phone's line does now, and a call begun there: for who makes a test call."""

from __future__ import annotations

import re
from typing import Literal

from agent.errors import CaptureError, RemoteError, UsageError
from agent.phone.phone import Phone

#: idle     no call
#: ringing  one comes in
#: dialing  one goes out, and was not answered yet
#: active   somebody can be heard
LineState = Literal["idle", "ringing", "dialing", "active"]

_ASK = (
    "dumpsys telephony.registry | "
    "grep -E '^ *m(Foreground|Background)?CallState=|Foreground call state: '"
)
_FEWEST = 4  # digits; what is shorter may be an emergency call


def read_line(phone: Phone) -> LineState:
    """Ask the phone, whichever SIM it is; RemoteError when it says nothing of its calls."""
    text = phone.run(_ASK, timeout=15).text
    if "mCallState=" not in text:
        raise RemoteError(f"{phone.facts.name} does not tell whether a call is on")
    return parse_line(text)


def parse_line(text: str) -> LineState:
    """Out of ``dumpsys telephony.registry``.

    ``mCallState``: 0 idle, 1 ringing, 2 off-hook (TelephonyManager). The precise states are the
    radio's (PreciseCallState): 1 active, 2 held, 3 dialing, 4 alerting; Android 7 has none, and
    there are phones on which they never change: there, off-hook is taken for active.
    """
    states = set(re.findall(r"\bmCallState=(\d)", text))
    if "2" not in states:
        return "ringing" if "1" in states else "idle"
    precise = set(re.findall(r"\bm(?:Foreground|Background)CallState=(\d+)", text))
    precise |= set(re.findall(r"ground call state: (\d+)", text))
    if precise & {"1", "2"}:
        return "active"
    return "dialing" if precise & {"3", "4"} else "active"


def checked_number(text: str) -> str:
    """A number as it can be dialled; UsageError, which does not repeat it, when it is none.

    Short numbers are refused, for one of them is an emergency call, and so are codes with ``*``
    and ``#``, which change what the network does with the user's calls.
    """
    number = re.sub(r"[\s().\-/]", "", text)
    if not re.fullmatch(r"\+?[0-9]{1,20}", number) or not number.isascii():
        raise UsageError(
            "--dial takes a telephone number", hint="Digits, with + and a country's code or not."
        )
    if len(number.lstrip("+")) < _FEWEST:
        raise UsageError(
            f"--dial takes a number of {_FEWEST} digits at least",
            hint="A shorter one may be an emergency call. Dial it by hand, and use --wait.",
        )
    return number


def dial(phone: Phone, number: str) -> None:
    """Begin a call, as the shell, which Android allows to; CaptureError when it does not.

    The phone's own words are left out of the error: the number stands in them.
    """
    done = phone.run(f"am start -a android.intent.action.CALL -d tel:{checked_number(number)}")
    if done.code != 0 or re.search(rb"^(Error|Exception|Security)", done.stderr, re.MULTILINE):
        raise CaptureError(
            f"{phone.facts.name} does not dial for the shell",
            hint="Make the call by hand, and run `offhook selftest --wait`.",
        )
