"""One stream of phones that come and go, from every place where they are noticed.

A phone on TCP does not say its serial number by its name: it is asked for it once, in the
background. It is never made to show its question for that.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Self

from agent.adb.address import parse_address
from agent.adb.direct import usb
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import load_signers
from agent.adb.finding.finders import (
    AddressFinder,
    Event,
    Finder,
    Gone,
    Seen,
    ServerFinder,
    Stop,
    UsbFinder,
)
from agent.adb.finding.roster import Change, Roster
from agent.adb.link import Link
from agent.adb.reach import read_serial
from agent.adb.server import link as server_link
from agent.adb.server.server import Server
from agent.errors import OffhookError, UnauthorizedError

__all__ = ["Change", "Discovery", "Event", "Finder", "Gone", "Roster", "Seen", "finders"]

_ASK_TIMEOUT = 3.0  # seconds that a phone has to say its serial number
_AGAIN = 5.0  # seconds until it is asked again, and twice as long each time
_LONGEST = 60.0
_PATIENCE = 3.0  # seconds that closing waits for threads that can't be interrupted

Ask = Callable[[Seen], Seen]


class Discovery:
    """Runs finders until it is closed, and gives what they tell, in one stream.

    ``problems`` holds the errors of finders that could not work at all, as ``usb`` without its
    extra. ``ask`` completes what was seen with the phone's serial number.
    """

    def __init__(self, finders: Iterable[Finder], *, ask: Ask | None = None) -> None:
        self.problems: list[OffhookError] = []
        self._stop = Stop()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._seen: dict[tuple[str, str], Seen] = {}
        self._to_ask: dict[tuple[str, str], tuple[float, float]] = {}  # when, and the next pause
        self._ask = ask or ask_serial
        self._threads = [
            threading.Thread(target=self._run, args=(finder,), name=type(finder).__name__)
            for finder in finders
        ]
        self._threads.append(threading.Thread(target=self._ask_all, name="serial numbers"))
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything; whoever waits for an event gets None.

        What looks up a host's name, or asks a phone, may outlast this by some seconds.
        """
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
        self._events.put(None)

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event; None when none came in ``timeout`` seconds, or it was closed."""
        with contextlib.suppress(queue.Empty):
            event = self._events.get(timeout=timeout)
            if event is None:
                self._events.put(None)
            return event
        return None

    def __iter__(self) -> Iterator[Event]:
        """Every event until it is closed."""
        while (event := self.next()) is not None:
            yield event

    # The finders' threads

    def _run(self, finder: Finder) -> None:
        try:
            finder.run(self._tell, self._stop)
        except OffhookError as error:
            self.problems.append(error)

    def _tell(self, event: Event) -> None:
        key = (event.way, event.name)
        with self._changed:
            if isinstance(event, Seen):
                old = self._seen.get(key)
                if event.serial is None and old is not None and event.state == old.state:
                    event = replace(event, serial=old.serial)
                self._seen[key] = event
                if event.serial is None and event.way in ("server", "tcp"):
                    if event.state in ("device", "found"):
                        self._to_ask[key] = (time.monotonic(), _AGAIN)
                        self._changed.notify_all()
                    else:
                        self._to_ask.pop(key, None)
            else:
                self._seen.pop(key, None)
                self._to_ask.pop(key, None)
            self._events.put(event)

    # The thread that asks

    def _ask_all(self) -> None:
        while (seen := self._next_to_ask()) is not None:
            try:
                told = self._ask(seen)
            except OffhookError:
                told = seen
            key = (seen.way, seen.name)
            with self._changed:
                if self._seen.get(key) is not seen or self._stop.is_set():
                    continue  # it went, or is another by now
                if told.serial is not None:
                    self._to_ask.pop(key, None)
                else:
                    _, pause = self._to_ask[key]
                    again = time.monotonic() + pause
                    self._to_ask[key] = (again, min(2 * pause, _LONGEST))
                if told != seen:
                    self._seen[key] = told
                    self._events.put(told)

    def _next_to_ask(self) -> Seen | None:
        """What is to be asked now; waits for it. None when all shall end."""
        with self._changed:
            while not self._stop.is_set():
                now = time.monotonic()
                due = min(self._to_ask, key=lambda key: self._to_ask[key][0], default=None)
                if due is None:
                    self._changed.wait()
                elif (wait := self._to_ask[due][0] - now) > 0:
                    self._changed.wait(wait)
                else:
                    return self._seen[due]
        return None


def finders(
    *,
    addresses: Iterable[str] = (),
    busy: Callable[[str], bool] = lambda _: False,
    mdns: bool = False,
    server: Server | None = None,
) -> list[Finder]:
    """Every finder that can work here: the server's, USB's with its extra, each address's, mDNS's.

    ``busy(address)`` says whether there is a connection to that address anyway. ConfigError when
    mDNS was asked for and its extra is not installed.
    """
    found: list[Finder] = [ServerFinder(server or Server.default())]
    if usb.available():
        found.append(UsbFinder())
    for address in dict.fromkeys(addresses):
        found.append(AddressFinder(address, busy=lambda at=address: busy(at)))  # type: ignore[misc]
    if mdns:
        from agent.adb.finding.mdns import MdnsFinder

        found.append(MdnsFinder())
    return found


def ask_serial(seen: Seen, *, server: Server | None = None) -> Seen:
    """What was seen, with the serial number and the state that the phone itself gives."""
    try:
        with _link(seen, server or Server.default()) as link:
            serial = read_serial(link, timeout=_ASK_TIMEOUT)
    except UnauthorizedError:
        return replace(seen, state="unauthorized")
    return replace(seen, state="device", serial=serial or None)


def _link(seen: Seen, server: Server) -> contextlib.AbstractContextManager[Link]:
    if seen.way == "server":
        return server_link.link(server, seen.name, timeout=_ASK_TIMEOUT)

    def refrain() -> None:
        raise UnauthorizedError(f"the phone at {seen.name} does not trust this computer yet")

    host, port = parse_address(seen.name)
    return connect_tcp(host, port, load_signers(), timeout=_ASK_TIMEOUT, on_prompt=refrain)
