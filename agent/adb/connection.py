"""Many streams over one transport: the host's side of ADB's wire.

One thread reads and hands each packet to its stream, so a stream that says nothing holds up no
other, and a time limit that runs out leaves nothing out of step. A connection that breaks ends
every stream with the same error.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from agent.adb import packet
from agent.adb.keys import Signer
from agent.adb.packet import Header
from agent.adb.transport import SteadyTcp, Transport
from agent.errors import (
    LinkError,
    LinkTimeout,
    ProtocolError,
    RemoteError,
    UnauthorizedError,
)

_BANNER = b"host::features=shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,apex,abb,sendrecv_v2\0"
_READ_AHEAD = 1 << 20  # bytes that a stream holds for a slow reader before the phone has to wait
_STALL = 10.0  # seconds that a packet may pause in its middle
_WRITE_TIMEOUT = 10.0


class ConnectionStream:
    """One service's stream; made by :meth:`Connection.open`."""

    def __init__(self, connection: Connection, local: int) -> None:
        self._connection = connection
        self.local = local
        self.remote = 0
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._held = 0  # bytes in _chunks
        self._owed = 0  # packets received and not acknowledged yet
        self._may_write = False
        self._ended = False
        self._error: LinkError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, timeout: float | None) -> bytes:
        """See :class:`agent.adb.link.Stream`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._chunks or self._ended, timeout):
                raise LinkTimeout(f"nothing came from {self._connection.where} in {timeout:g} s")
            if not self._chunks:
                if self._error is not None:
                    raise self._error
                return b""
            data = self._chunks.popleft()
            self._held -= len(data)
            owed = 0
            if self._held < _READ_AHEAD and not self._ended:
                owed, self._owed = self._owed, 0
        for _ in range(owed):
            self._connection.send(packet.OKAY, self.local, self.remote)
        return data

    def write(self, data: bytes, timeout: float | None) -> None:
        """See :class:`agent.adb.link.Stream`."""
        size = self._connection.max_payload
        for start in range(0, len(data), size):
            with self._changed:
                if not self._changed.wait_for(lambda: self._may_write or self._ended, timeout):
                    raise LinkTimeout(f"{self._connection.where} took no data for {timeout:g} s")
                if self._ended:
                    raise self._error or LinkError(
                        f"{self._connection.where} closed the stream while data was sent"
                    )
                self._may_write = False
            self._connection.send(packet.WRTE, self.local, self.remote, data[start : start + size])

    def close(self) -> None:
        """See :class:`agent.adb.link.Stream`."""
        with self._changed:
            was_open, self._ended = not self._ended, True
            self._chunks.clear()
            self._held = 0
            self._changed.notify_all()
        self._connection.forget(self)
        if was_open and self.remote:
            with contextlib.suppress(LinkError):
                self._connection.send(packet.CLSE, self.local, self.remote)

    # What the reader thread calls.

    def on_okay(self, remote: int) -> None:
        """The phone took the open, or the last write."""
        with self._changed:
            self.remote = remote
            self._may_write = True
            self._changed.notify_all()

    def on_data(self, data: bytes) -> bool:
        """Take in a packet's bytes; whether it may be acknowledged at once."""
        with self._changed:
            if data:
                self._chunks.append(data)
                self._held += len(data)
            self._changed.notify_all()
            if self._held < _READ_AHEAD:
                return True
            self._owed += 1
            return False

    def on_end(self, error: LinkError | None) -> None:
        """No more will come: the phone closed the stream, or the connection broke."""
        with self._changed:
            if not self._ended:
                self._ended = True
                self._error = error
            self._changed.notify_all()

    def wait_open(self, timeout: float) -> bool:
        """Whether the phone opened the service; LinkTimeout when it said nothing."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.remote or self._ended, timeout):
                raise LinkTimeout(
                    f"{self._connection.where} did not open a service within {timeout:g} s"
                )
            if self._error is not None:
                raise self._error
            return bool(self.remote)


class Connection:
    """A connection to a phone's adbd; see :class:`agent.adb.link.Link`."""

    def __init__(self, transport: Transport, where: str) -> None:
        self._transport = transport
        self.where = where
        self.max_payload = packet.MAX_PAYLOAD
        self.banner: dict[str, str] = {}
        self.features: frozenset[str] = frozenset()
        self._checksum = True  # until both sides have said that they can do without
        self._ids = itertools.count(1)
        self._streams: dict[int, ConnectionStream] = {}
        self._lock = threading.Lock()
        self._send_lock = threading.Lock()
        self._error: LinkError | None = None
        self._buffer = bytearray()
        self._reader = threading.Thread(target=self._read_packets, name=f"adb {where}", daemon=True)

    # Opening and closing

    def handshake(
        self,
        signers: Sequence[Signer],
        timeout: float,
        on_prompt: Callable[[], None] | None = None,
    ) -> None:
        """Introduce ourselves, and prove with a key that the phone trusts us.

        ``on_prompt`` is called when the phone asks its user; ``timeout`` (seconds) then runs
        from there.
        """
        end = time.monotonic() + timeout
        self.send(packet.CNXN, packet.VERSION, packet.MAX_PAYLOAD, _BANNER)
        untried = list(signers)
        asked = False
        while True:
            try:
                header, payload = self._next(max(0.05, end - time.monotonic()))
            except LinkTimeout as error:
                if asked:
                    raise self._unauthorized("was not answered") from error
                raise LinkTimeout(
                    f"{self.where} does not speak ADB: no greeting within {timeout:g} s",
                    hint="Is it a phone's adbd that listens there? Another computer may hold it.",
                ) from error
            if header.command == packet.CNXN:
                return self._greet(header, payload)
            if header.command == packet.STLS:
                raise LinkError(
                    f"{self.where} is a wireless-debugging port, which wants TLS",
                    hint="Use `adb tcpip 5555` over USB once, then that port.",
                )
            if header.command != packet.AUTH or header.arg0 != packet.AUTH_TOKEN:
                raise ProtocolError(f"{self.where} answered the greeting with something else")
            if untried:
                signature = untried.pop(0).Sign(payload)
                self.send(packet.AUTH, packet.AUTH_SIGNATURE, 0, signature)
            elif signers and not asked:
                asked = True
                end = time.monotonic() + timeout
                if on_prompt is not None:
                    on_prompt()
                public = signers[0].GetPublicKey()
                raw = public.encode() if isinstance(public, str) else bytes(public)
                self.send(packet.AUTH, packet.AUTH_PUBLIC_KEY, 0, raw.rstrip(b"\0") + b"\0")
            else:
                raise self._unauthorized("was refused")

    def start(self) -> None:
        """Begin to hand packets to streams; call once, after :meth:`handshake`."""
        self._reader.start()

    def close(self) -> None:
        """End every stream and the connection."""
        self._fail(LinkError(f"the connection to {self.where} was closed"))
        if self._reader.is_alive() and self._reader is not threading.current_thread():
            self._reader.join()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known."""
        return self._error is None

    def open(self, service: str, timeout: float) -> ConnectionStream:
        """Open a service; RemoteError if the phone refuses it."""
        with self._lock:
            if self._error is not None:
                raise self._error
            stream = ConnectionStream(self, next(self._ids))
            self._streams[stream.local] = stream
        raw = service.encode("utf-8", "surrogateescape") + b"\0"
        if len(raw) > self.max_payload:
            self.forget(stream)
            raise RemoteError(f"a command of {len(raw)} bytes is too long for {self.where}")
        try:
            self.send(packet.OPEN, stream.local, 0, raw)
            opened = stream.wait_open(timeout)
        except BaseException:
            stream.close()
            raise
        if not opened:
            self.forget(stream)
            raise RemoteError(
                f"the phone at {self.where} refuses the service {service.split(':')[0]!r}",
                hint="Its adbd is too old for it, or was told not to.",
            )
        return stream

    # What streams call

    def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        """Send one packet, whole; any failure ends the connection."""
        data = packet.encode(command, arg0, arg1, payload, checksum=self._checksum)
        with self._send_lock:
            if self._error is not None:
                raise self._error
            try:
                self._transport.write(data, _WRITE_TIMEOUT)
            except LinkError as error:
                self._fail(error)
                raise

    def forget(self, stream: ConnectionStream) -> None:
        """The stream needs no more packets."""
        with self._lock:
            self._streams.pop(stream.local, None)

    # The reader thread

    def _read_packets(self) -> None:
        try:
            while True:
                self._dispatch(*self._next(None))
        except LinkError as error:
            self._fail(error)

    def _dispatch(self, header: Header, payload: bytes) -> None:
        if header.command in (packet.CNXN, packet.AUTH, packet.STLS):
            raise LinkError(f"the phone's adbd at {self.where} started anew")
        with self._lock:
            stream = self._streams.get(header.arg1)
        if header.command == packet.OKAY:
            if stream is not None:
                stream.on_okay(header.arg0)
            else:  # opened after we gave up waiting: the phone must not keep it
                self.send(packet.CLSE, header.arg1, header.arg0)
        elif header.command == packet.WRTE:
            if stream is None:
                self.send(packet.CLSE, header.arg1, header.arg0)
            elif stream.on_data(payload):
                self.send(packet.OKAY, header.arg1, header.arg0)
        elif header.command == packet.CLSE and stream is not None:
            self.forget(stream)
            stream.on_end(None)
            if stream.remote:
                self.send(packet.CLSE, header.arg1, header.arg0)

    def _next(self, timeout: float | None) -> tuple[Header, bytes]:
        header = packet.decode(self._exactly(packet.HEADER.size, timeout))
        payload = self._exactly(header.length, _STALL) if header.length else b""
        packet.verify(header, payload, checksum=self._checksum and header.command != packet.CNXN)
        return header, payload

    def _exactly(self, size: int, timeout: float | None) -> bytes:
        """``size`` bytes: ``timeout`` for the first one, then no pause longer than the stall."""
        while len(self._buffer) < size:
            try:
                self._buffer += self._transport.read(
                    max(size - len(self._buffer), 65536), _STALL if self._buffer else timeout
                )
            except LinkTimeout as error:
                if not self._buffer:
                    raise
                raise ProtocolError(f"{self.where} stopped in the middle of a packet") from error
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _greet(self, header: Header, payload: bytes) -> None:
        if header.arg0 >= packet.VERSION:
            self._checksum = False
        self.max_payload = max(4096, min(header.arg1, packet.MAX_PAYLOAD))
        _, _, text = payload.rstrip(b"\0").decode("utf-8", "replace").partition("::")
        pairs = (item.partition("=") for item in text.split(";"))
        self.banner = {key: value for key, _, value in pairs if key}
        self.features = frozenset(filter(None, self.banner.get("features", "").split(",")))

    def _unauthorized(self, what: str) -> UnauthorizedError:
        return UnauthorizedError(
            f"the phone at {self.where} does not trust this computer: its question {what}",
            hint="Unlock the phone, tap «Always allow from this computer», «Allow», and try again.",
        )

    def _fail(self, error: LinkError) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
            streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.on_end(self._error)
        self._transport.shutdown()


def connect_tcp(
    host: str,
    port: int,
    signers: Sequence[Signer],
    *,
    timeout: float = 10.0,
    on_prompt: Callable[[], None] | None = None,
) -> Connection:
    """A connection to the adbd at ``host:port``; LinkError or UnauthorizedError if there is none."""
    transport = SteadyTcp(host, port)
    transport.open(timeout)
    connection = Connection(transport, f"{host}:{port}")
    try:
        connection.handshake(signers, timeout, on_prompt)
        connection.start()
    except BaseException:
        connection.close()
        raise
    return connection
