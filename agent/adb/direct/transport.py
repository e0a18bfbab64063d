"""adb-shell's transports, with what they lose put right.

Of adb-shell 0.4.4's ``TcpTransport``, three things were seen to fail: ``bulk_write`` drops what
the socket did not take at once, the end of the stream is returned for ever as ``b""``, and small
packets wait for Nagle's algorithm. The subclass here loops, raises and sets TCP_NODELAY. It also
has the kernel gather a whole payload before Python wakes up.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from typing import Protocol

from adb_shell.transport.tcp_transport import TcpTransport

from agent.adb.direct.packet import Buffer
from agent.errors import LinkError, LinkTimeout


class CutShort(LinkTimeout):
    """A packet was sent only in part: what follows would not be understood any more."""


class Transport(Protocol):
    """Raw bytes to and from a phone's adbd."""

    def read(self, size: int, timeout: float | None) -> bytes:
        """At least one byte and at most ``size``; LinkTimeout, or LinkError at the end.

        ``size`` is what is missing of a header or of a payload, never more.
        """

    def write(self, header: bytes, payload: Buffer, timeout: float | None) -> None:
        """Send one packet whole.

        LinkTimeout if the phone took nothing of it in time, CutShort if it took a part.
        """

    def shutdown(self) -> None:
        """Make every read and write, also those under way in other threads, fail at once."""

    def close(self) -> None:
        """Free what the operating system holds for this transport."""


class SteadyTcp(TcpTransport):  # type: ignore[misc]  # adb-shell ships no types
    """adb-shell's TCP transport: whole packets, an end that is an error, no delay."""

    _connection: socket.socket | None

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._where = f"{host}:{port}"
        self._read_timeout: float | None = None

    def open(self, timeout: float) -> None:
        """Connect; LinkError says what the phone's address answered."""
        try:
            self.connect(timeout)
        except TimeoutError as error:
            raise LinkTimeout(
                f"{self._where} did not answer within {timeout:g} s",
                hint="Is the phone on, in the same network, and is `adb tcpip 5555` set on it?",
            ) from error
        except OSError as error:
            raise LinkError(
                f"can't reach a phone at {self._where}: {error.strerror or error}",
                hint="Check the address; on the phone, ADB over TCP must be on "
                "(`adb tcpip 5555` over USB, once after each reboot).",
            ) from error
        sock = self._live()
        # The kernel keeps the time limits (SO_RCVTIMEO), so one call gathers a whole payload.
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # A phone that left the network without a word is noticed in about half a minute.
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def read(self, size: int, timeout: float | None) -> bytes:
        """See :class:`Transport`."""
        sock = self._live()
        try:
            if timeout != self._read_timeout:
                self._limit_reads(sock, timeout)
            data = sock.recv(size, socket.MSG_WAITALL)
        except BlockingIOError as error:
            raise LinkTimeout(f"nothing came from {self._where} in {timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        if not data:
            raise LinkError(f"{self._where} closed the connection")
        return data

    def write(self, header: bytes, payload: Buffer, timeout: float | None) -> None:
        """See :class:`Transport`."""
        sock = self._live()
        end = None if timeout is None else time.monotonic() + timeout
        rest = [memoryview(part) for part in (header, payload) if part]
        begun = False
        while rest:
            try:
                sent = sock.sendmsg(rest, [], socket.MSG_DONTWAIT)
            except BlockingIOError:
                left = None if end is None else end - time.monotonic()
                if not self._wait_writable(sock, left):
                    kind = CutShort if begun else LinkTimeout
                    raise kind(f"{self._where} took no data for {timeout:g} s") from None
                continue
            except (OSError, ValueError) as error:
                raise self._broken(error) from error
            begun = True
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][sent:]

    def shutdown(self) -> None:
        """See :class:`Transport`."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it was down already
                self._connection.shutdown(socket.SHUT_RDWR)

    def _limit_reads(self, sock: socket.socket, timeout: float | None) -> None:
        """Let reads wait for ``timeout`` seconds; of less than a microsecond, 0 would be for ever."""
        whole, part = divmod(0 if timeout is None else max(1, round(timeout * 1e6)), 1_000_000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", whole, part))
        self._read_timeout = timeout

    def _wait_writable(self, sock: socket.socket, timeout: float | None) -> bool:
        if timeout is not None and timeout <= 0:
            return False
        try:
            waiter = select.poll()
            waiter.register(sock, select.POLLOUT)
            return bool(waiter.poll(None if timeout is None else timeout * 1000))
        except (OSError, ValueError) as error:
            raise self._broken(error) from error

    def _live(self) -> socket.socket:
        if self._connection is None:
            raise LinkError(f"the connection to {self._where} is closed")
        return self._connection

    def _broken(self, error: Exception) -> LinkError:
        words = getattr(error, "strerror", None) or error
        return LinkError(f"the connection to {self._where} broke: {words}")
