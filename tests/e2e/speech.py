"""What is said in a call of these tests, and whether a recording has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.calls import PlayedCall
from tests.lab.phone import LabPhone
from tests.lab.speech import conversation
from tests.offhook import Offhook, wait_until
from tests.sound import compare

H = "/data/adb/offhook"
# How much of a call may be missed on a computer that is busy elsewhere. The demo, which has it to
# itself, asks for half a second.
LATE_S = 1.5


def speak(phone: LabPhone, seconds: float, seed: int) -> Path:
    """Give the modem what both sides will say."""
    speech = conversation(seconds, seed=seed)
    phone.root("cat > /lab/state/speech.wav", input=speech.read_bytes())
    return speech


def recording_now(phone: LabPhone, seconds: float = 0.5) -> None:
    """Until the recorder has so much of the call on the disk."""
    size = f"stat -c %s {H}/run/call.wav 2>/dev/null || echo 0"
    wait_until(lambda: int(phone.root(size)) >= seconds * 48_000 * 4)


def check(offhook: Offhook, row: dict[str, Any], call: PlayedCall, speech: Path) -> None:
    found = compare(offhook.file(row), speech, call.talk)
    assert min(found.correlation) >= 0.9, found
    assert abs(found.seconds - call.talk) <= LATE_S, (found, call.talk)
    assert row["verified"]
    assert not row["silent"]
