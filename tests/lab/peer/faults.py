"""What can be wrong on the wire, and a socket that does it."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

HEADER = struct.Struct("<6I")
COMMANDS = {
    name: int.from_bytes(name.encode(), "little")
    for name in ("CNXN", "AUTH", "OPEN", "OKAY", "CLSE", "WRTE", "STLS", "SYNC")
}
NAMES = {number: name for name, number in COMMANDS.items()}

_SLOW = 2000  # bytes of a packet that go one by one

BREAKS = ("close", "reset", "stall")
"""They end it all at a byte, in either direction."""
PACES = ("drip", "bytewise")
"""They slow a packet down, for 2,000 bytes from a byte on; everything still works."""
TWISTS = (
    "garbage",  # random bytes from a byte of the packet on, and a pause, as if the rest was lost
    "checksum",  # a wrong one
    "magic",
    "command",  # one that there is not
    "oversize",  # a length beyond all that was agreed
    "remote-id",  # arg0, the peer's own id, is another
    "local-id",  # arg1, the client's id, is another
    "no-id",  # both are 0
)
"""They change one packet of the peer's."""
INSERTS = (
    "duplicate-clse",  # after each CLSE of the connection, from the packet on
    "unknown-okay",
    "unknown-wrte",
    "unknown-clse",
    "opens",  # asks the client for a service
    "greets-again",  # CNXN
    "asks-again",  # AUTH
    "wants-tls",  # STLS
    "repeat",  # the packet comes twice; of data, ADB could not know
    "drop",  # the packet does not come at all; nor here
)
"""They add a packet before one of the peer's, or take it away."""
KINDS = (*BREAKS, *PACES, *TWISTS, *INSERTS)


@dataclass(frozen=True)
class Fault:
    """One fault: where in a connection, and what.

    ``packet`` counts from 0, apart for what the peer sends (``out``) and receives (``in``). At
    ``byte`` 0 it happens before the packet; an offset past the packet's end means its last byte.
    """

    kind: str
    packet: int = 0
    byte: int = 0
    direction: Literal["out", "in"] = "out"

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind
        assert self.direction == "out" or self.kind in BREAKS, "only a break comes inwards"


class BrokenWire(Exception):  # noqa: N818 - reads as what it is
    """The connection has ended, by a fault or by the client."""


@dataclass
class Packet:
    """A packet; ``checksum`` None is computed when it is sent."""

    command: str
    arg0: int
    arg1: int
    payload: bytes = b""
    checksum: int | None = None

    def raw(self) -> bytes:
        number = COMMANDS[self.command]
        total = sum(self.payload) & 0xFFFFFFFF if self.checksum is None else self.checksum
        head = HEADER.pack(
            number, self.arg0, self.arg1, len(self.payload), total, number ^ 0xFFFFFFFF
        )
        return head + self.payload


class FaultyWire:
    """Packets over a socket, with the faults that were ordered. Any thread may send."""

    def __init__(self, sock: socket.socket, faults: Sequence[Fault], max_payload: int) -> None:
        self._socket = sock
        self._max_payload = max_payload
        self._out = [fault for fault in faults if fault.direction == "out"]
        self._in = [fault for fault in faults if fault.direction == "in"]
        self._sending = threading.Lock()
        self._over = threading.Event()
        self._alarm = os.eventfd(0)
        self._ending = threading.Lock()
        self._closed = False
        self.checksum = True  # until it is known what the client speaks
        self.sent = 0
        self.received = 0
        self.happened: list[Fault] = []

    # Out

    def send(self, packet: Packet) -> None:
        """Send a packet, or what the faults make of it; BrokenWire when there is no more wire."""
        if not self.checksum and packet.checksum is None:
            packet = replace(packet, checksum=0)
        with self._sending:
            index, self.sent = self.sent, self.sent + 1
            now = [fault for fault in self._out if fault.packet == index]
            if packet.command == "CLSE" and any(
                fault.kind == "duplicate-clse" and fault.packet <= index for fault in self._out
            ):
                now.append(Fault("repeat", index))
            raw = packet.raw()
            for fault in now:
                if raw and (fault.kind in TWISTS or fault.kind in INSERTS):
                    self.happened.append(fault)
                    raw = self._changed(fault, packet, raw)
            for fault in now:
                if fault.kind in BREAKS or fault.kind in PACES:
                    raw = self._slowed(fault, raw)
            self._write(raw)

    def _changed(self, fault: Fault, packet: Packet, raw: bytes) -> bytes:
        stranger = 0x7FFFFFF0
        words = list(HEADER.unpack_from(raw))
        match fault.kind:
            case "garbage":
                at = min(fault.byte, len(raw) - 1)
                noise = random.Random(fault.packet * 1009 + fault.byte)
                return raw[:at] + noise.randbytes(len(raw) - at + HEADER.size)
            case "checksum":
                words[4] ^= 0x55AA
            case "magic":
                words[5] ^= 1 << fault.byte % 32
            case "command":
                words[0] ^= 0x20
                words[5] = words[0] ^ 0xFFFFFFFF
            case "oversize":
                words[3] = 0x40000000
            case "remote-id" if packet.command in ("OKAY", "WRTE", "CLSE"):
                words[1] ^= 0x1000
            case "local-id" if packet.command in ("OKAY", "WRTE", "CLSE"):
                words[2] ^= 0x1000
            case "no-id":
                words[1] = words[2] = 0
            case "unknown-okay" | "unknown-wrte" | "unknown-clse":
                kind = fault.kind[-4:].upper()
                return Packet(kind, stranger, stranger, b"what" * (kind == "WRTE")).raw() + raw
            case "opens":
                return Packet("OPEN", stranger, 0, b"shell:\0").raw() + raw
            case "greets-again":
                version = 0x01000000 + (not self.checksum)
                return Packet("CNXN", version, self._max_payload, b"device::\0").raw() + raw
            case "asks-again":
                return Packet("AUTH", 1, 0, bytes(20)).raw() + raw
            case "wants-tls":
                return Packet("STLS", 0x01000000, 0).raw() + raw
            case "repeat" if packet.command != "WRTE":
                return raw + raw
            case "drop" if packet.command != "WRTE":
                return b""
        return HEADER.pack(*words) + raw[HEADER.size :]

    def _slowed(self, fault: Fault, raw: bytes) -> bytes:
        at = max(0, min(fault.byte, len(raw) - 1))
        self._write(raw[:at])
        self.happened.append(fault)
        if fault.kind in BREAKS:
            self._break(fault.kind)
        slow, rest = raw[at : at + _SLOW], raw[at + _SLOW :]
        for byte in slow:
            if fault.kind == "drip":
                self._over.wait(0.002)
            self._write(bytes([byte]))
        return rest

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(select.POLLOUT)
            try:
                rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise BrokenWire from error

    # In

    def receive(self) -> Packet:
        """The client's next packet; BrokenWire at the end."""
        index, self.received = self.received, self.received + 1
        now = [fault for fault in self._in if fault.packet == index]
        head = self._exactly(HEADER.size, now, 0)
        command, arg0, arg1, length, checksum, magic = HEADER.unpack(head)
        assert magic == command ^ 0xFFFFFFFF, "the client sent a wrong magic"
        assert length <= self._max_payload, "the client sent more than was agreed"
        payload = self._exactly(length, now, HEADER.size)
        for fault in now:  # past its end: it is read, and that was the last
            if fault.byte >= HEADER.size + length:
                self.happened.append(fault)
                self._break(fault.kind)
        if self.checksum:
            assert checksum == sum(payload) & 0xFFFFFFFF, "the client sent a wrong checksum"
        return Packet(NAMES[command], arg0, arg1, payload, checksum)

    def _exactly(self, size: int, faults: Sequence[Fault], offset: int) -> bytes:
        data = bytearray()
        while True:
            at = offset + len(data)
            for fault in faults:
                if fault.byte == at and len(data) < size:
                    self.happened.append(fault)
                    self._break(fault.kind)
            if len(data) == size:
                return bytes(data)
            ahead = [fault.byte - at for fault in faults if fault.byte > at]
            self._wait(select.POLLIN)
            try:
                part = self._socket.recv(min([size - len(data), *ahead]))
            except OSError as error:
                raise BrokenWire from error
            if not part:
                raise BrokenWire
            data += part

    # The end

    def _break(self, kind: str) -> None:
        if kind == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == "stall":
            self._over.wait()
        self.end(reset=kind == "reset")
        raise BrokenWire

    def _wait(self, event: int) -> None:
        """Until the socket is ready. Nobody blocks in it: a reset goes out when the last one who
        uses the socket has let go of it."""
        waiter = select.poll()
        try:
            waiter.register(self._socket, event)
        except (OSError, ValueError) as error:  # it was closed
            raise BrokenWire from error
        waiter.register(self._alarm, select.POLLIN)
        waiter.poll()
        if self._over.is_set():
            raise BrokenWire

    def end(self, *, reset: bool = False) -> None:
        """End the wire; whoever waits on it is told."""
        with self._ending:
            if self._closed:
                return
            self._over.set()
            os.eventfd_write(self._alarm, 1)
            if reset:
                self._socket.close()
            else:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free what the operating system holds; no thread sends or receives any more."""
        with self._ending:
            self._closed = True
            self._socket.close()
            os.close(self._alarm)
