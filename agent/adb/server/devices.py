"""An adb server's list of phones, and following how it changes.

Source: AOSP packages/modules/adb, transport.cpp (``append_transport``) and SERVICES.TXT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from agent.adb.server.smartsocket import Deadline, SmartSocket
from agent.errors import LinkError

READY = frozenset({"device", "recovery", "rescue", "sideload"})
"""The states in which adbd answers; a phone that is up is in state ``device``."""

_STATES = (
    "device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload|bootloader|"
    "host|detached|unknown|no permissions"
)
_LINE = re.compile(rf"(.*?)\s+({_STATES})(?:\s+(.*))?")


@dataclass(frozen=True)
class ServerDevice:
    """A phone as an adb server lists it.

    ``serial`` is the name that the server gives it: the serial number for USB, HOST:PORT, or an
    mDNS name. ``state`` is ``device`` for one that can be used. ``usb`` is its port, ``1-2``.
    """

    serial: str
    state: str
    product: str | None = None
    model: str | None = None
    transport_id: int | None = None
    usb: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the server can talk with it now."""
        return self.state in READY

    # Two phones may share a serial number, so the server's own number of it is better.

    @property
    def transport(self) -> str:
        """The request that turns a socket to exactly this phone."""
        if self.transport_id is None:
            return f"host:transport:{self.serial}"
        return f"host:transport-id:{self.transport_id}"

    def about(self, question: str) -> str:
        """The request that asks the server something about this phone."""
        if self.transport_id is None:
            return f"host-serial:{self.serial}:{question}"
        return f"host-transport-id:{self.transport_id}:{question}"

    @property
    def hardware_serial(self) -> str | None:
        """The phone's own serial number, as far as its name tells it.

        USB names are the serial number; wireless debugging's are ``adb-SERIAL-XXXXXX._adb-tls…``.
        """
        if self.usb is not None:
            return self.serial
        match = re.match(r"adb-(.+)-[^-]+\._adb-tls-connect\._tcp", self.serial)
        return match[1] if match else None


class Tracker:
    """The server's list of phones, anew whenever it changes. Close it to end it."""

    def __init__(self, socket: SmartSocket) -> None:
        self._socket = socket
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[list[ServerDevice]]:
        """The lists, until it is closed here; LinkError when the server ends."""
        while True:
            try:
                yield self.next(None)
            except LinkError:
                if self._socket.closed:
                    return
                raise

    def close(self) -> None:
        """Stop; a :meth:`next` or :meth:`wait` in another thread ends at once."""
        self._socket.close()

    def wait(self, timeout: float | None) -> bool:
        """Whether there is news, or the end of it, within ``timeout`` seconds."""
        return self._whole() is not None or self._socket.wait(timeout)

    def next(self, timeout: float | None) -> list[ServerDevice]:
        """The next list; LinkTimeout when none came, LinkError when the server ended."""
        deadline = None if timeout is None else Deadline(timeout)
        while True:
            end = self._whole()
            if end is not None:
                text, self._buffer = self._buffer[4:end], self._buffer[end:]
                return parse_devices(text.decode("utf-8", "surrogateescape"))
            try:
                part = self._socket.read(deadline.left if deadline else None, 65536)
            except ConnectionError:
                part = b""
            if not part:
                raise LinkError(f"{self._socket.where} ended")
            self._buffer += part

    def _whole(self) -> int | None:
        """Where the first list in the buffer ends; None when it is not there yet."""
        if len(self._buffer) < 4:
            return None
        end = 4 + self._socket.size(self._buffer[:4])
        return end if len(self._buffer) >= end else None


def parse_devices(text: str) -> list[ServerDevice]:
    """The phones in an answer to host:devices-l, or to host:devices.

    A serial number, and an mDNS name, may have spaces in it.
    """
    found = []
    for line in text.splitlines():
        serial, tab, rest = line.partition("\t")
        match = None if tab else _LINE.fullmatch(line.strip())
        if match:
            serial, rest = match[1], f"{match[2]} {match[3] or ''}"
        if not serial.strip():
            continue
        rest = rest.strip()
        state = "no permissions" if rest.startswith("no permissions") else rest.partition(" ")[0]
        pairs = {k: v for k, colon, v in (word.partition(":") for word in rest.split()) if colon}
        number = pairs.get("transport_id", "")
        found.append(
            ServerDevice(
                serial.strip(),
                state or "unknown",
                product=pairs.get("product"),
                model=pairs.get("model"),
                transport_id=int(number) if number.isascii() and number.isdigit() else None,
                usb=pairs.get("usb"),
            )
        )
    return found
