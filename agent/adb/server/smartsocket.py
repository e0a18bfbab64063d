"""A socket to an adb server, and the words that are said on it.

Source: AOSP packages/modules/adb, OVERVIEW.TXT and SERVICES.TXT. A request is four hexadecimal
digits, its length, and its text. The answer begins with OKAY, or with FAIL, a length and a reason.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from agent.adb.address import address_text
from agent.errors import LinkError, LinkTimeout, NoServerError, ProtocolError, RemoteError
from agent.text import shown

_LONGEST = 0xFFFF  # bytes of a request: its length is four hexadecimal digits
_PIECE = 1 << 20  # bytes that are asked of the kernel at once


class RefusedError(Exception):
    """The server answered FAIL; ``words`` is its reason, as it came."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Deadline:
    """A time limit, in seconds, over several reads and writes."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._end = time.monotonic() + timeout

    @property
    def left(self) -> float:
        """Seconds left; 0 when it is over."""
        return max(0.0, self._end - time.monotonic())


class SmartSocket:
    """A connection to an adb server, for one request or one stream.

    One thread may read while another writes, and any may close: what blocks then ends at once.
    """

    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        self.where = f"the adb server at {address_text(host, port)}"
        try:
            self._socket = socket.create_connection((host, port), deadline.left or 0.001)
        except TimeoutError as error:
            raise LinkTimeout(
                f"{self.where} did not answer within {deadline.timeout:g} s"
            ) from error
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise NoServerError(
                f"no adb server answers at {address_text(host, port)}: {why}",
                hint="Start one with `adb start-server`.",
            ) from error
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # it may be far away
        self._space: bytearray | None = None
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def close(self) -> None:
        """Close it; reads and writes in other threads end at once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise
            # A descriptor that a thread still waits on must not be given to another socket.
            if not self._users:
                self._socket.close()

    def shutdown(self) -> None:
        """End both directions, so that who reads sees the end; :meth:`close` is still due."""
        with self._lock:
            if not self._closed:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    if error.errno != errno.ENOTCONN:
                        raise

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called here."""
        return self._closed

    def wait(self, timeout: float | None) -> bool:
        """Whether there is something to read, or the end, within ``timeout`` seconds."""
        with self._use() as open_:
            return not open_ or self._poll(select.POLLIN, timeout)

    def read(self, timeout: float | None, size: int = _PIECE) -> bytes:
        """The next bytes, ``b""`` at the end or once closed; LinkTimeout leaves it usable.

        ConnectionError is the caller's to judge: the server closes so what it has no use for.
        """
        with self._use() as open_:
            if not open_:
                return b""
            if size < _PIECE:
                return self._receive(size, timeout)
            if self._space is None:
                self._space = bytearray(_PIECE)
            view = memoryview(self._space)
            while True:
                try:
                    with _one_error():
                        return bytes(view[: self._socket.recv_into(view)])
                except BlockingIOError:
                    if not self._poll(select.POLLIN, timeout):
                        raise self._silent(timeout) from None

    def _receive(self, size: int, timeout: float | None) -> bytes:
        while True:
            try:
                with _one_error():
                    return self._socket.recv(size)
            except BlockingIOError:
                if not self._poll(select.POLLIN, timeout):
                    raise self._silent(timeout) from None

    def write(self, data: bytes, timeout: float | None) -> None:
        """Send all of ``data``; LinkTimeout, or ConnectionError when the other side closed."""
        with self._use() as open_:
            if not open_:
                raise BrokenPipeError(errno.EPIPE, "the stream was closed")
            rest = memoryview(data)
            deadline = None if timeout is None else Deadline(timeout)
            while rest:
                try:
                    with _one_error():
                        rest = rest[self._socket.send(rest) :]
                except BlockingIOError:
                    if not self._poll(select.POLLOUT, deadline.left if deadline else None):
                        raise LinkTimeout(f"{self.where} took no data for {timeout:g} s") from None

    # The words

    def request(self, text: str, deadline: Deadline) -> None:
        """Ask for a service and hear OKAY; RefusedError when it is FAIL."""
        raw = text.encode("utf-8", "surrogateescape")
        if len(raw) > _LONGEST:
            raise RemoteError(f"a command of {len(raw)} bytes is too long for an adb server")
        try:
            self.write(b"%04x" % len(raw) + raw, deadline.left)
        except ConnectionError as error:
            raise self._gone() from error
        self.verdict(self.exactly(4, deadline), deadline)

    def verdict(self, said: bytes, deadline: Deadline) -> None:
        """Nothing for OKAY, RefusedError for FAIL, ProtocolError for what no adb server says."""
        if said == b"FAIL":
            raise RefusedError(self.text(deadline))
        if said != b"OKAY":
            raise ProtocolError(
                f"{self.where} is none: it answered {shown(said.decode('latin-1'))!r}",
                hint="Another program listens there; ANDROID_ADB_SERVER_PORT says where adb's is.",
            )

    def text(self, deadline: Deadline) -> str:
        """A length and as much text."""
        return self.sized(self.exactly(4, deadline), deadline)

    def sized(self, length: bytes, deadline: Deadline) -> str:
        """As much text as ``length``, four hexadecimal digits, says."""
        return self.exactly(self.size(length), deadline).decode("utf-8", "surrogateescape")

    def size(self, length: bytes) -> int:
        """The number that four hexadecimal digits are."""
        if len(length) != 4 or set(length) - set(b"0123456789abcdefABCDEF"):
            raise ProtocolError(f"{self.where} sent no length: {length!r}")
        return int(length, 16)

    def exactly(self, size: int, deadline: Deadline) -> bytes:
        """``size`` bytes; LinkError when the server ends before."""
        data = b""
        while len(data) < size:
            try:
                part = self.read(deadline.left, size - len(data))
            except LinkTimeout as error:
                raise LinkTimeout(
                    f"{self.where} did not answer within {deadline.timeout:g} s",
                    hint="Is it an adb server that listens there?",
                ) from error
            except ConnectionError as error:
                raise self._gone() from error
            if not part:
                raise self._gone()
            data += part
        return data

    def _gone(self) -> LinkError:
        return LinkError(f"{self.where} closed the connection")

    def _silent(self, timeout: float | None) -> LinkTimeout:
        return LinkTimeout(f"nothing came through {self.where} in {timeout:g} s")

    # The descriptor

    @contextmanager
    def _use(self) -> Iterator[bool]:
        """Keeps the descriptor ours; gives whether it is open."""
        with self._lock:
            open_ = not self._closed
            self._users += open_
        try:
            yield open_
        finally:
            if open_:
                with self._lock:
                    self._users -= 1
                    if self._closed and not self._users:
                        self._socket.close()

    def _poll(self, what: int, timeout: float | None) -> bool:
        poll = select.poll()
        poll.register(self._socket, what)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


@contextmanager
def _one_error() -> Iterator[None]:
    """A network that failed is a connection that ended."""
    try:
        yield
    except (BlockingIOError, ConnectionError):
        raise
    except OSError as error:
        raise ConnectionAbortedError(error.errno, error.strerror) from error
