"""Live routes: this computer hears the calls of a watched phone, and files what it heard.

    follower   what the phone's calls do, told by the phone
    session    one call: hear it, until it is over
    tape       one recording: FLAC into the archive, frame by frame
    gaps, levels   where a piece of sound belongs; how loud it is

:class:`Live` is of one phone, over all its connections.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.adb.reconnect import Backoff
from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.audio import flac
from agent.capture.journal import Journal
from agent.capture.live import LiveRoute
from agent.errors import CaptureError, LinkError, OffhookError
from agent.phone.phone import Phone
from agent.sync.events import Tell, WatchEvent
from agent.sync.live.follower import Call, Follower, Told
from agent.sync.live.session import Desk, Session
from agent.sync.live.tape import recover

__all__ = ["Live", "recover"]

_TICK = 0.5  # seconds after which a request to stop, or `disable`, is noticed
_REFUSED = "refused: "


class Live:
    """What this computer records of one phone's calls."""

    def __init__(
        self, name: str, archive: Archive, tell: Tell, journal: Callable[[str], Journal | None]
    ) -> None:
        self._name, self._archive, self._tell, self._journal = name, archive, tell, journal
        self._trust = "system"
        self._sessions: list[Session] = []
        self._pending: Call | None = None  # active, while an earlier call may be the same
        self._why = ""
        self._state = ""
        self._broken: BaseException | None = None
        self.filed = threading.Event()
        """Set when a recording was filed: its call's row is about to come."""
        self.off = threading.Event()
        """Set when capture was turned off, or changed, since :meth:`following` began."""

    @property
    def recording(self) -> bool:
        """Whether anything is being recorded, or filed."""
        return bool(self._sessions)

    @contextmanager
    def following(self, phone: Phone, route: LiveRoute | None) -> Iterator[None]:
        """Record the phone's calls meanwhile, if that is this computer's to do. A call that goes
        on afterwards is recorded on for as long as its route can: see :meth:`close`."""
        self.off.clear()
        if route is None:
            yield
            return
        try:
            flac.require()
        except OffhookError as error:
            self._tell(WatchEvent("not live", self._name, error.message, error=error))
            yield
            return
        self._state = ""
        done = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(phone, route, done), name=f"live {self._name}"
        )
        thread.start()
        lost: LinkError | None = None
        try:
            yield
        except LinkError as error:
            lost = error
            raise
        finally:
            done.set()
            thread.join()
            if lost is None:  # whoever watches may have seen first that it is off
                self._check_journal(phone.serial, route)
                self._end_if_off()
            self._out_of_sight(lost)

    def check(self) -> None:
        """Raise what a thread did not expect."""
        for session in [one for one in self._sessions if one.done]:
            self._sessions.remove(session)
            session.join()
        broken, self._broken = self._broken, None
        if broken is not None:
            raise broken

    def close(self) -> None:
        """End what is recorded, and return when it is filed."""
        for session in self._sessions:
            session.end(cut=True)
        for session in self._sessions:
            session.join()
        self._sessions.clear()
        self.check()

    def _session(self) -> Session | None:
        """The call that is thought to be on."""
        return next((one for one in self._sessions if one.going_on), None)

    def _run(self, phone: Phone, route: LiveRoute, done: threading.Event) -> None:
        try:
            self._follow(phone, route, done)
        except BaseException as error:  # noqa: BLE001 - raised again by check()
            self._broken = error

    def _follow(self, phone: Phone, route: LiveRoute, done: threading.Event) -> None:
        """Follow until told to stop, through every follower that ends."""
        backoff = Backoff(0.5, 30.0)
        while not done.is_set() and not self.off.is_set():
            try:
                with Follower(phone, self._trust) as follower:
                    while not done.is_set() and not self.off.is_set():
                        self._check_journal(phone.serial, route)
                        told = follower.next(_TICK)
                        self._trust = follower.trust
                        if told is not None:
                            self._take(told, phone, route)
            except OffhookError as error:
                if not phone.link.alive:
                    return  # whoever watches knows it too, and opens the next connection
                self._out_of_sight(error)
            self._end_if_off()
            done.wait(backoff.pause())

    def _out_of_sight(self, lost: OffhookError | None) -> None:
        """Nobody follows the call that is on, for the moment."""
        session = self._session()
        if session is not None:
            session.out_of_sight(lost=lost is not None)
            if lost is not None:
                self._tell(WatchEvent("on", self._name, lost.message))

    def _check_journal(self, serial: str, route: LiveRoute) -> None:
        """`disable`, of another process perhaps, ends the recording."""
        journal = self._journal(serial)
        if journal is None or journal.off or journal.route != route.name:
            self.off.set()

    def _end_if_off(self) -> None:
        """To be called when no follower is left: it shows the notification in a call, and `disable`
        takes that away as soon as the call's recording is filed."""
        if self.off.is_set() and (session := self._session()) is not None:
            session.end(cut=True)

    def _take(self, told: Told, phone: Phone, route: LiveRoute) -> None:
        session = self._session()
        if told.kind == "say":
            self._why = told.text.removeprefix(_REFUSED) if _REFUSED in told.text else self._why
        elif told.kind == "state" and told.text != "recording":  # the session says that itself
            why = CaptureError(self._why) if told.text == "refused" else None
            state = "voip" if told.text == "idle" and told.said["voip"] else told.text
            if state != self._state:
                self._state = state
                self._tell(WatchEvent("state", self._name, state, error=why))
        elif told.kind == "call" and told.call is not None:
            if session is not None and told.call.late:
                self._pending = told.call
            else:
                self._begin(told.call, phone, route)
        elif told.kind == "facts":
            self._same_call(told.said["ids"], phone, route)
            if (session := self._session()) is not None:
                session.note(told.said)
        elif told.kind == "look":
            self._same_call(frozenset(), phone, route)
            if session is not None and not told.text:
                session.end(cut=False)  # while nobody looked
        elif told.kind == "end" and session is not None:
            session.end(told.said.get("at"), cut=told.said["cut"])

    def _same_call(self, ids: frozenset[str], phone: Phone, route: LiveRoute) -> None:
        """After a break a call is on: the one from before, unless Telecom has it otherwise."""
        call, self._pending = self._pending, None
        session = self._session()
        if call is None or session is None:
            return
        if ids and session.call.ids and not ids & session.call.ids:
            self._begin(call, phone, route)
        else:
            session.in_sight(phone)
            self._tell(WatchEvent("state", self._name, "recording"))

    def _begin(self, call: Call, phone: Phone, route: LiveRoute) -> None:
        self._state = "recording"
        if (session := self._session()) is not None:
            session.end(cut=False)
        journal = self._journal(phone.serial)
        if journal is None:
            return
        desk = Desk(
            self._name, phone.serial, self._archive, route, journal, self._tell, self._filed
        )
        self._sessions.append(Session(desk, call, phone, time.monotonic()))

    def _filed(self, _recording: Recording) -> None:
        self.filed.set()
