"""Where phones are noticed: an adb server's list, USB, addresses that are known.

Each finder tells what it sees, in a thread of :class:`agent.adb.finding.discovery.Discovery`.
:mod:`agent.adb.finding.mdns` has one more.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from agent.adb.address import address_text, parse_address
from agent.adb.server.server import Server, ServerDevice
from agent.errors import PhoneError

_START = 2.0  # seconds that a server has to give its first list


@dataclass(frozen=True)
class Seen:
    """A phone is there, or its state or serial number is another than was told.

    ``way`` is ``server``, ``tcp``, ``usb`` or ``mdns``; ``name`` is what
    :func:`agent.adb.reach.reach` takes. ``state`` is ``device`` for a phone that can be used,
    ``found`` for one that nobody has talked with yet, ``tls`` for wireless debugging, which only
    an adb server can do, else what the server says: ``unauthorized``, ``offline``, …
    ``serial`` is the phone's own, where it is known.
    """

    way: str
    name: str
    state: str
    serial: str | None = None


@dataclass(frozen=True)
class Gone:
    """What was seen by that name is there no more."""

    way: str
    name: str


Event = Seen | Gone
Tell = Callable[[Event], None]


class Stop(threading.Event):
    """Set when all shall end; it also wakes what would not notice."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._wakes: list[Callable[[], object]] = []

    def set(self) -> None:
        """Stop; whatever was given to :meth:`calling` is called."""
        with self._guard:
            super().set()
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    @contextlib.contextmanager
    def calling(self, wake: Callable[[], object]) -> Iterator[None]:
        """``wake`` is called when it is time to stop, from another thread, or now if it is."""
        with self._guard:
            self._wakes.append(wake)
            late = self.is_set()
        if late:
            wake()
        try:
            yield
        finally:
            with self._guard:
                self._wakes.remove(wake)


class Finder(Protocol):
    """One place where phones are noticed."""

    def run(self, tell: Tell, stop: Stop) -> None:
        """Tell what is there, then each change, until ``stop`` is set; OffhookError if it can't."""


class ServerFinder:
    """The phones of an adb server, which may come and go itself.

    While none runs, its port is tried every ``pause`` seconds: a refused connection each.
    """

    def __init__(self, server: Server, *, pause: float = 2.0) -> None:
        self._server = server
        self._pause = pause

    def run(self, tell: Tell, stop: Stop) -> None:
        """See :class:`Finder`."""
        known: dict[str, Seen] = {}
        while not stop.is_set():
            try:
                with self._server.track(timeout=_START) as tracker, stop.calling(tracker.close):
                    for devices in tracker:
                        known = _tell_changes(tell, known, devices)
            except PhoneError:  # none runs, it ended, or it is something else
                known = _tell_changes(tell, known, [])
            stop.wait(self._pause)


def _tell_changes(
    tell: Tell, known: dict[str, Seen], devices: list[ServerDevice]
) -> dict[str, Seen]:
    there: dict[str, Seen] = {}
    for device in sorted(devices, key=lambda d: d.ready):  # of two with one name, the ready one
        there[device.serial] = Seen("server", device.serial, device.state, device.hardware_serial)
    for name in known.keys() - there.keys():
        tell(Gone("server", name))
    for name, seen in there.items():
        if known.get(name) != seen:
            tell(seen)
    return there


class UsbFinder:
    """The phones on this computer's USB ports; it needs the extra ``usb``."""

    def run(self, tell: Tell, stop: Stop) -> None:
        """See :class:`Finder`."""
        from agent.adb.direct import usb

        def pass_on(event: usb.UsbEvent) -> None:
            phone = event.phone
            name = phone.serial or f"usb:{phone.path}"
            if event.arrived:
                state = "found" if phone.openable else "no permissions"
                tell(Seen("usb", name, state, phone.serial or None))
            else:
                tell(Gone("usb", name))

        watch = usb.UsbWatch()
        with stop.calling(watch.wake):
            watch.run(pass_on, stop)


class AddressFinder:
    """A phone's address, to which a TCP connection is tried every ``pause`` seconds.

    Not while ``busy`` says that there is a connection anyway.
    """

    def __init__(
        self, address: str, *, busy: Callable[[], bool] = lambda: False, pause: float = 5.0
    ) -> None:
        self._host, self._port = parse_address(address)
        self._name = address_text(self._host, self._port)
        self._busy = busy
        self._pause = pause

    def run(self, tell: Tell, stop: Stop) -> None:
        """See :class:`Finder`."""
        there = False
        while not stop.is_set():
            if not self._busy():
                answers = self._answers(stop)
                if answers != there and not stop.is_set():
                    there = answers
                    tell(Seen("tcp", self._name, "found") if there else Gone("tcp", self._name))
            stop.wait(self._pause)

    def _answers(self, stop: Stop) -> bool:
        """Whether something listens there."""
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )[0]
            with socket.socket(family, kind, proto) as probe:

                def wake() -> None:
                    with contextlib.suppress(OSError):
                        probe.shutdown(socket.SHUT_RDWR)

                with stop.calling(wake):
                    probe.settimeout(2.0)
                    probe.connect(address)
                    _see_to_its_end(probe)
        except OSError:
            return False
        return True


def _see_to_its_end(probe: socket.socket) -> None:
    """Close it, and wait for adbd to have done so too.

    adbd names a connection after its descriptor, and was seen to drop a new one that came while
    the old one of that name was still going.
    """
    with contextlib.suppress(OSError):
        probe.shutdown(socket.SHUT_WR)
        end = time.monotonic() + 1.0
        while (left := end - time.monotonic()) > 0:
            probe.settimeout(left)
            if not probe.recv(4096):
                return
