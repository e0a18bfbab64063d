"""One call that this computer records: a thread that hears it, until somebody says it is over.

What ends early (the route fails, the link takes the sound with it) is filed as it is, and the
rest of the call is its next part. A route that does not need the link goes on without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from agent import __version__
from agent.adb.reconnect import Backoff
from agent.archive.archive import Archive
from agent.archive.basis import fact_of
from agent.archive.records import Fact, Recording
from agent.audio.announce import Announcer
from agent.capture.announcement import announcement_of
from agent.capture.journal import Journal
from agent.capture.live import Ear, LiveRoute
from agent.errors import DiskFullError, LinkError, OffhookError
from agent.phone.phone import Phone
from agent.sync.events import SyncEvent, Tell, WatchEvent
from agent.sync.live.follower import Call
from agent.sync.live.tape import CUT, Known, Tape

BLIND_S = 600.0  # seconds that are recorded while nobody can tell whether the call goes on
LINK_LOST = "link lost"
_READ_S = 0.25  # after which an end is noticed
_DRAIN_S = 1.0  # for what was heard before the end, and not yet read
_RADIO = "the phone's telephony"


@dataclass(frozen=True)
class Desk:
    """What a session works with; ``filed`` is told of each recording."""

    name: str
    serial: str
    archive: Archive
    route: LiveRoute
    journal: Journal
    tell: Tell
    filed: Callable[[Recording], None]


class Session:
    """Records one call. All but the thread's own work is done by setting what it looks at."""

    def __init__(self, desk: Desk, call: Call, phone: Phone, received: float) -> None:
        self.call = call
        self.broken: BaseException | None = None
        self._desk, self._phone, self._received = desk, phone, received
        self._over = threading.Event()
        self._news = threading.Event()  # of the call's end, or of the phone's coming back
        self._noted = threading.Event()
        self._said: dict[str, Any] = {}
        self._ended_ms: int | None = None
        self._cut = False
        self._part = 1
        self._lost = False
        self._blind_at: float | None = None
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"call on {desk.name}")
        self._thread.start()

    # What others tell it

    @property
    def going_on(self) -> bool:
        """Whether the call is thought to be on."""
        return not self._over.is_set()

    def note(self, said: dict[str, Any]) -> None:
        """More is known of the call: ``holds``, ``calls``, ``parties``, ``ids``."""
        self.call = replace(self.call, ids=self.call.ids | said.get("ids", frozenset()))
        self._said |= {name: value for name, value in said.items() if name != "ids"}
        self._noted.set()

    def out_of_sight(self, *, lost: bool) -> None:
        """Nobody follows the phone's calls any more; ``lost``: because the link broke."""
        if self.going_on:
            self._blind_at = self._blind_at or time.monotonic()
            self._lost |= lost

    def in_sight(self, phone: Phone) -> None:
        """The phone is back, and the call still on."""
        self._phone, self._blind_at = phone, None
        self._news.set()

    def end(self, ended_ms: int | None = None, *, cut: bool) -> None:
        """The call is over, at a time of the phone's clock; or it is not to be heard any more."""
        if self.going_on:
            self._ended_ms, self._cut = ended_ms, cut
            self._over.set()
            self._news.set()

    def join(self) -> None:
        """Wait until all is filed; raises what nobody expected."""
        self._thread.join()
        if self.broken is not None:
            raise self.broken

    @property
    def done(self) -> bool:
        """Whether all is filed."""
        return not self._thread.is_alive()

    # The thread's

    def _run(self) -> None:
        try:
            with Announcer(announcement_of(self._desk.journal.announce)) as self._announcer:
                self._record()
        except BaseException as error:  # noqa: BLE001 - told by the thread that watches
            self.broken = error

    def _record(self) -> None:
        backoff, told = Backoff(0.25, 5.0), ""
        while self.going_on:
            try:
                self._hear_part()
                continue
            except DiskFullError as error:
                # Nothing more of this call; what there is was filed, or is by the next run.
                self._state("refused", error)
                return
            except OffhookError as error:
                if isinstance(error, LinkError) and not self._phone.link.alive:
                    self.out_of_sight(lost=True)
                elif error.message != told:
                    told = error.message
                    self._state("failed", error)
            self._wait(backoff.pause())

    def _wait(self, seconds: float) -> None:
        """Until the next try; without the phone, until it is back."""
        end = time.monotonic() + seconds
        while self.going_on and (self._blind_at is not None or time.monotonic() < end):
            if self._news.wait(_READ_S):
                self._news.clear()
                return
            self._look_at_clock()

    def _hear_part(self) -> None:
        """Hear until the call ends, or until something fails, and file it."""
        desk = self._desk
        with closing(desk.route.listen(self._phone, desk.journal)) as ear:
            opened = time.monotonic()
            if not self.going_on:
                return
            self._lost = self._lost and self._blind_at is not None
            tape = Tape(desk.archive, self._known(ear, opened), ear, opened)
            self._state("recording")
            whole = False
            try:
                self._hear(ear, tape)
                whole = True
            except LinkError:
                self._lost = True
                raise
            finally:  # whatever failed: what was heard is filed
                ear.close()
                self._file(tape, whole=whole)

    def _hear(self, ear: Ear, tape: Tape) -> None:
        while self.going_on:
            self._look_at_clock()
            if self._noted.is_set():
                self._noted.clear()
                tape.known.facts |= self._call_facts()
                tape.keep()
            block = ear.read(_READ_S)
            if block is not None and tape.add(block):
                self._show(tape)
        until = time.monotonic() + _DRAIN_S
        try:
            while time.monotonic() < until and (block := ear.read(0)) is not None:
                tape.add(block)
        except LinkError:  # the call had ended: what is lost is what was still on its way
            self._lost = True

    def _file(self, tape: Tape, *, whole: bool) -> None:
        whole = whole and not self._cut
        flags = [] if whole else [CUT]
        if self._lost:
            flags.append(LINK_LOST)
        tape.known.facts |= self._call_facts()
        if not self.going_on:
            self._announcer.close()
        if (announced := self._announcer.fact()) is not None:
            tape.known.facts["announced"] = Fact(announced, "Offhook", "stated")
        recording = tape.file(self._ended_ms if whole else None, flags)
        if recording is None:
            return
        self._part += 1
        desk = self._desk
        desk.tell(
            SyncEvent("filed", desk.serial, recording.path, recording.size, recording=recording)
        )
        desk.filed(recording)

    def _look_at_clock(self) -> None:
        """A recording that nobody can tell the end of ends by itself."""
        if self._blind_at is not None and time.monotonic() - self._blind_at > BLIND_S:
            self.end(cut=True)

    # What is known, and what is told

    def _known(self, ear: Ear, opened: float) -> Known:
        desk, call = self._desk, self.call
        late_ms = round((opened - self._received) * 1000)
        if call.at_ms is not None:
            started = Fact(call.at_ms + late_ms, "the phone's clock", "stated")
        else:
            started = Fact(desk.archive.clock(), "this computer's clock", "assumed")
        facts = {
            "route": Fact(desk.route.name, "Offhook", "stated"),
            "started_ms": started,
            "legs": Fact(",".join(ear.legs), f"route {desk.route.name}", "stated"),
            "consent": Fact(fact_of(desk.journal.consent), "the journal", "told"),
            "recorder": Fact("offhook", "Offhook", "stated"),
            "recorder_version": Fact(__version__, "Offhook", "stated"),
        }
        flags = []
        if self._part > 1:
            facts["part"] = Fact(self._part, "Offhook", "stated")
            flags.append(f"part {self._part}")
        recorded = {"route": desk.route.name} | ear.about
        name = f"{desk.route.name}.flac"
        return Known(desk.serial, name, facts | self._call_facts(), flags, recorded)

    def _call_facts(self) -> dict[str, Fact]:
        call, said = self.call, self._said
        parties = said.get("parties")
        known: dict[str, Any] = {
            "direction": call.direction,
            "number": call.number,
            "sim": call.sim,
            "ringing_ms": call.ringing_ms,
            "offhook_ms": call.offhook_ms,
            "call_ids": sorted(call.ids) or None,
            "late": call.late or None,
            "holds": said.get("holds") or None,
            "calls": said.get("calls") if said.get("calls", 1) > 1 else None,
            "parties": parties,
            "conference": True if parties else None,
        }
        return {
            name: Fact(value, _RADIO, "stated")
            for name, value in known.items()
            if value is not None
        }

    def _show(self, tape: Tape) -> None:
        desk, levels = self._desk, tape.levels
        desk.tell(WatchEvent("level", desk.name, f"{tape.length_s:.1f}", levels=levels.now))
        if not levels.is_quiet():
            self._warned.discard("quiet")
        elif "quiet" not in self._warned:
            self._warned.add("quiet")
            words = f"nothing is heard for {levels.quiet_s:.0f} s"
            desk.tell(WatchEvent("quiet", desk.name, f"{words}{_then(desk.route.quiet)}"))
        if levels.clipping and "clipping" not in self._warned:
            self._warned.add("clipping")
            desk.tell(WatchEvent("clipping", desk.name, "it is too loud, and distorted"))

    def _state(self, state: str, error: OffhookError | None = None) -> None:
        self._desk.tell(WatchEvent("state", self._desk.name, state, error=error))


def _then(hint: str) -> str:
    return f": {hint}" if hint else ""
