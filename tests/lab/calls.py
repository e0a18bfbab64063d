"""Calls on a lab phone: what is played, and what it was when it is over."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.errors import LabError

Root = Callable[..., str]
"""``LabPhone.root``."""

_LENGTHS = ("ring", "active", "hold", "resume", "second", "merge", "back", "log_delay")


@dataclass(frozen=True)
class Call:
    """A call to play. Lengths are in seconds. The texts may be anything, they are never evaluated.

    ``presentation`` is allowed, restricted (a private number), unknown or payphone; ``outcome`` is
    answered, missed, rejected or blocked for ``in``, answered or unanswered for ``out``.

    ``second``: after ``active``, another caller (``second_number``) waits for ``ring``, and is
    then talked to while the first is held. After that both are talked to in a conference for
    ``merge``, or else the first again for ``back``; where both are 0, all of it ends. With
    ``takeover`` the first caller hangs up while the second rings: that is two calls, the second
    of which is answered after another ``ring`` (``left``, ``answered2``, ``active2``).

    ``app`` is the package of an app whose own call it is: Telecom knows it, the radio and its
    registry do not, and it is in the call log only where it is ``managed`` (a SIP account).

    ``dialled``: it is a call that goes out, once the phone dials one: to the number dialled.
    """

    number: str = "+4917012345678"
    contact: str = ""
    direction: str = "in"
    sim: int = 0
    presentation: str = "allowed"
    outcome: str = "answered"
    ring: float = 0.5
    active: float = 2.0
    hold: float = 0.0
    resume: float = 0.0
    second: float = 0.0
    second_number: str = "+4915987654321"
    second_contact: str = ""
    merge: float = 0.0
    back: float = 0.0
    takeover: bool = False
    app: str = ""
    managed: bool = False
    dialled: bool = False
    log_delay: float = 0.1
    logged: bool = True

    @property
    def length(self) -> float:
        """Seconds from the first ring to the row in the call log."""
        alone = self.ring + self.active + self.hold + self.resume + self.log_delay
        ring = self.ring * (2 if self.takeover else 1)
        return alone + (ring + self.second + self.merge + self.back if self.second else 0.0)

    def command(self) -> str:
        """The command of mksh that plays it."""
        words = ["/lab/bin/call", "--direction", self.direction, "--number", self.number]
        words += ["--contact", self.contact, "--sim", str(self.sim)]
        words += ["--presentation", self.presentation, "--outcome", self.outcome]
        words += ["--second-number", self.second_number, "--second-contact", self.second_contact]
        words += ["--app", self.app] + ["--managed"] * self.managed
        words += ["--takeover"] * self.takeover + ["--dialled"] * self.dialled
        for name in _LENGTHS:
            seconds = f"{getattr(self, name):.3f}".rstrip("0").rstrip(".") or "0"
            words += [f"--{name.replace('_', '-')}", seconds]
        if not self.logged:
            words.append("--no-log")
        return shlex.join(words)


@dataclass(frozen=True)
class PlayedCall:
    """A call that is over. Times are the phone's own, in milliseconds since 1970."""

    call: Call
    id: int
    row: int | None
    """``_id`` in the call log; None for a call that was not logged."""
    row2: int | None
    """The second caller's."""
    type: int
    """As the call log has it: 1 in, 2 out, 3 missed, 5 rejected, 6 blocked."""
    duration: int
    """Whole seconds, as the call log has it."""
    at: dict[str, int]
    """ringing or dialing, offhook, active, hold, resume, waiting, second, merged, back, idle ->
    when; only those that happened."""

    @property
    def begin(self) -> int:
        """When it rang or was dialled: the ``date`` of its row."""
        return min(self.at.values())

    @property
    def talk(self) -> float:
        """Seconds from active to idle, holds included; 0 when it was never answered."""
        return (self.at["idle"] - self.at["active"]) / 1000 if "active" in self.at else 0.0

    @classmethod
    def parse(cls, call: Call, text: str) -> PlayedCall:
        """Out of what the telephony script printed."""
        said = dict(line.split("=", 1) for line in text.splitlines())
        return cls(
            call=call,
            id=int(said["id"]),
            row=int(said["row"]) if said["row"] else None,
            row2=int(said["row2"]) if said["row2"] else None,
            type=int(said["type"]),
            duration=int(said["duration"]),
            at={name[3:]: int(ms) for name, ms in said.items() if name.startswith("at.")},
        )


class OngoingCall:
    """A call that is being played. Wait for it, or its thread is left."""

    def __init__(self, root: Root, call: Call) -> None:
        self.call = call
        self._root = root
        last = root("cat /lab/state/telephony/last 2>/dev/null || echo 0")
        self.id = int(last) + 1
        self._played: PlayedCall | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._play, name=f"call {self.id}", daemon=True)
        self._thread.start()

    def _play(self) -> None:
        try:
            said = self._root(self.call.command(), timeout=self.call.length + 60)
            self._played = PlayedCall.parse(self.call, said)
        except Exception as error:  # noqa: BLE001 - raised again by wait()
            self._error = error

    def wait_for(self, step: str, timeout: float = 30) -> int:
        """When ``step`` (``active``, say) happened, ms since 1970, once it has.

        Raises LabError when the call ended without it, or nothing came in time.
        """
        times = f"/lab/state/telephony/times.{self.id}"
        name = shlex.quote(f"{step}=")
        said = self._root(
            f"until grep -q -e {name} -e idle= {times} 2>/dev/null; do usleep 5000; done; "
            f"cat {times}",
            timeout=timeout,
        )
        for word in said.split():
            if word.startswith(f"{step}="):
                return int(word.partition("=")[2])
        raise LabError(f"call {self.id} ended without being {step}")

    def hang_up(self) -> None:
        """Ends the call at once; ``wait`` tells what became of it."""
        self._root("kill -USR1 $(cat /lab/state/telephony/pid)")

    def wait(self) -> PlayedCall:
        """The call, once it is over and in the call log; raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._played is not None
        return self._played
