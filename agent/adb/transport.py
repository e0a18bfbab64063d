"""adb-shell's transports, with what they lose put right.

Of adb-shell 0.4.4's ``TcpTransport``, three things were seen to fail: ``bulk_write`` drops what
the socket did not take at once, the end of the stream is returned for ever as ``b""``, and small
packets wait for Nagle's algorithm. The subclass here loops, raises and sets TCP_NODELAY.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Protocol

from adb_shell.exceptions import TcpTimeoutException
from adb_shell.transport.tcp_transport import TcpTransport

from agent.errors import LinkError, LinkTimeout


class Transport(Protocol):
    """Raw bytes to and from a phone's adbd."""

    def read(self, size: int, timeout: float | None) -> bytes:
        """At least one byte and at most ``size``; LinkTimeout, or LinkError at the end."""

    def write(self, data: bytes, timeout: float) -> None:
        """Send all of ``data``."""

    def shutdown(self) -> None:
        """Make every read and write, also those under way in other threads, fail at once."""

    def close(self) -> None:
        """Free what the operating system holds for this transport."""


class SteadyTcp(TcpTransport):  # type: ignore[misc]  # adb-shell ships no types
    """adb-shell's TCP transport: whole writes, an end that is an error, no delay."""

    _connection: socket.socket | None

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._where = f"{host}:{port}"

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
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # A phone that left the network without a word is noticed in about half a minute.
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def read(self, size: int, timeout: float | None) -> bytes:
        """See :class:`Transport`."""
        self._live()
        try:
            data = self.bulk_read(size, timeout)
        except TcpTimeoutException as error:
            raise LinkTimeout(f"nothing came from {self._where} in {timeout} s") from error
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        if not data:
            raise LinkError(f"{self._where} closed the connection")
        return bytes(data)

    def write(self, data: bytes, timeout: float) -> None:
        """See :class:`Transport`."""
        sock, rest, end = self._live(), memoryview(data), time.monotonic() + timeout
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0 or not select.select([], [sock], [], left)[1]:
                    raise LinkTimeout(f"{self._where} took no data for {timeout:g} s") from None
            except (OSError, ValueError) as error:
                raise self._broken(error) from error

    def shutdown(self) -> None:
        """See :class:`Transport`."""
        if self._connection is not None:
            try:
                self._connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was down already

    def _live(self) -> socket.socket:
        if self._connection is None:
            raise LinkError(f"the connection to {self._where} is closed")
        return self._connection

    def _broken(self, error: Exception) -> LinkError:
        return LinkError(f"the connection to {self._where} broke: {error}")
