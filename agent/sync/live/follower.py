"""What the phone's calls do, told by the phone as it happens: ``device_scripts/follow.sh``.

It is the recorder's own loop, run as the shell, with nothing of it on the phone's disk. What it
says is read as the hostile input that it is: a value of the wrong kind is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from agent.adb import shell
from agent.phone import scripts
from agent.phone.phone import Phone
from agent.sync.lines import Lines
from agent.text import shown

_SCRIPTS = ("common.sh", "calls.sh", "events.sh", "loop.sh", "follow.sh")
_TRUSTS = ("system", "main,system", "untrusted")
_STATES = ("idle", "ringing", "offhook", "recording", "refused", "failed")
_EARLIEST_MS = 1_000_000_000_000  # 2001; before it, a clock that was never set
_LATEST_MS = 32_503_680_000_000  # 3000
_NUMBER = re.compile(r"[0-9+*#]{1,40}")
_LONGEST = 200

#: state   ``text``: idle, ringing, offhook, recording or refused; ``voip`` in ``said``
#: call    a call is active: ``call``
#: facts   it was held, joined, or another came: ``said`` has holds, calls, parties, ids
#: look    the first look at the phone is over; ``text`` is ``active`` where there is a call
#: end     the call is over; ``said`` has ``at``, and ``cut`` where the call itself goes on
#: say     ``text`` is what the recorder would write into its log
Kind = Literal["state", "call", "facts", "look", "end", "say"]


@dataclass(frozen=True)
class Call:
    """An active call, as it was known when it became so. Times are the phone's, ms since 1970.

    ``ids`` are Telecom's for the calls that are in it, with the phone's boot: the same id is the
    same call. ``late``: it had begun before anybody looked.
    """

    at_ms: int | None = None
    direction: str | None = None
    sim: str | None = None
    number: str | None = None
    ringing_ms: int | None = None
    offhook_ms: int | None = None
    late: bool = False
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Told:
    """One thing that the phone said."""

    kind: Kind
    text: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    call: Call | None = None


def parse(line: str) -> Told | None:
    """One line of ``follow.sh``; None when it makes no sense."""
    word, _, rest = line.partition(" ")
    if word == "say":
        return Told("say", shown(rest[:_LONGEST]))
    if word == "state":
        state, _, rest = rest.partition(" ")
        if state not in _STATES:
            return None
        said = _pairs(rest)
        kept = {"voip": said.get("voip") == "yes"}
        return Told("state", state, kept | _some(trust=_one_of(said.get("trust"), _TRUSTS)))
    said = _pairs(rest)
    if word == "call":
        return Told("call", call=_call(said))
    if word == "facts":
        counts = {name: _count(said.get(name)) for name in ("holds", "calls", "parties")}
        return Told("facts", said=_some(**counts) | {"ids": _ids(said)})
    if word == "look":
        return Told("look", "active" if said.get("active") == "yes" else "")
    if word == "end":
        kept = {"cut": said.get("cut") == "true"}
        return Told("end", said=kept | _some(at=_time(said.get("at"))))
    return None


def _call(said: dict[str, str]) -> Call:
    number = said.get("number", "")
    sim = said.get("sim", "")
    return Call(
        at_ms=_time(said.get("at")),
        direction=_one_of(said.get("direction"), ("in", "out")),
        sim=sim if re.fullmatch("[0-9]", sim) else None,
        number=number if _NUMBER.fullmatch(number) else None,
        ringing_ms=_time(said.get("ringing")),
        offhook_ms=_time(said.get("offhook")),
        late=said.get("late") == "yes",
    )


def _pairs(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in text.split(" "))}


def _some(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _one_of(value: str | None, known: tuple[str, ...]) -> str | None:
    return value if value in known else None


def _time(value: str | None) -> int | None:
    if value is None or not re.fullmatch("[0-9]{13,14}", value):
        return None
    return int(value) if _EARLIEST_MS <= int(value) <= _LATEST_MS else None


def _count(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch("[0-9]{1,2}", value) else None


def _ids(said: dict[str, str]) -> frozenset[str]:
    boot, ids = said.get("boot", ""), said.get("ids", "")
    if not re.fullmatch("[0-9a-f-]{36}", boot) or not re.fullmatch(
        "[0-9]{1,9}(,[0-9]{1,9}){0,19}", ids
    ):
        return frozenset()
    return frozenset(f"{boot}:{one}" for one in ids.split(","))


class Follower:
    """Follows a phone's calls until it is closed. ``trust`` is what an earlier one found out of
    the phone's log."""

    def __init__(self, phone: Phone, trust: str = "system") -> None:
        self.trust = trust if trust in _TRUSTS else "system"
        text = "".join(scripts.script(name).decode() for name in _SCRIPTS)
        self._process = shell.spawn(phone.link, f"TRUST={self.trust}\n{_bare(text)}")
        self._lines = Lines(self._process, "the phone's follower of its calls")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.close()

    def next(self, timeout: float) -> Told | None:
        """What the phone says next, or None when that was nothing; LinkError when there will be
        no more."""
        line = self._lines.next(timeout)
        told = None if line is None else parse(line)
        if told is not None and "trust" in told.said:
            self.trust = told.said["trust"]
        return told


def _bare(text: str) -> str:
    """A script without its comments: it goes through a service's name, which has a limit."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#")
    )
