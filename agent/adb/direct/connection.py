"""Many streams over one transport: the host's side of ADB's wire.

One thread receives and hands each packet to its stream, so a stream that says nothing holds up
no other, and a time limit that runs out leaves nothing out of step. A connection that breaks
ends every stream with the same error.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from agent.adb.direct import packet
from agent.adb.direct.handshake import DELAYED_ACK, shake_hands
from agent.adb.direct.keys import Signer
from agent.adb.direct.packet import Header
from agent.adb.direct.stream import ConnectionStream
from agent.adb.direct.transport import SteadyTcp, Transport
from agent.adb.direct.wire import Wire
from agent.errors import LinkError, LinkTimeout, ProtocolError, RemoteError

_STALL = 10.0
# Bytes that a stream holds for a slow reader before the phone has to wait. adbd stops after the
# packet that used them up, of up to 1 MiB: across a network two have to be under way. On a cable
# or this computer, less was seen to be faster: what was just received is still in the cache.
_READ_AHEAD_NEAR = 512 << 10
_READ_AHEAD_FAR = 2 << 20
_FAR = 0.002  # seconds of a round trip
_GOODBYE = 0.5  # seconds that a close may take to tell the phone of it
_LAST_ID = 0x7FFFFFFF
_REMEMBERED = 4096  # closed streams of which the phone may still speak


class Connection:
    """A connection to a phone's adbd; see :class:`agent.adb.link.Link`.

    ``stall`` is how many seconds a begun packet may pause.
    """

    def __init__(self, transport: Transport, where: str, *, stall: float = _STALL) -> None:
        self.where = where
        self.banner: dict[str, str] = {}
        self.features: frozenset[str] = frozenset()
        self._wire = Wire(transport, where, stall)
        self._windowed = False
        self._last_id = 0
        self._streams: dict[int, ConnectionStream] = {}
        self._closed: dict[int, int] = {}  # ids, ours and the phone's, until it has closed too
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._receive, name=f"adb {where}", daemon=True)

    def handshake(
        self,
        signers: Sequence[Signer],
        timeout: float,
        on_prompt: Callable[[], None] | None = None,
    ) -> None:
        """Greet the phone; see :func:`agent.adb.direct.handshake.shake_hands`."""
        self.banner = shake_hands(self._wire, signers, timeout, on_prompt)
        self.features = frozenset(filter(None, self.banner.get("features", "").split(",")))
        self._windowed = DELAYED_ACK in self.features

    def start(self) -> None:
        """Begin to hand packets to streams; call once, after :meth:`handshake`."""
        self._reader.start()

    @property
    def max_payload(self) -> int:
        """Bytes that the phone takes in one packet."""
        return self._wire.max_payload

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known."""
        return self._wire.error is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every stream and the connection; a phone that does not listen is not waited for."""
        with self._lock:
            streams = list(self._streams.values())
        end = time.monotonic() + _GOODBYE
        with contextlib.suppress(LinkError):
            for stream in streams:  # over USB, the phone learns of the end in no other way
                if stream.remote:
                    left = max(0.0, end - time.monotonic())
                    self._wire.send(packet.CLSE, stream.local, stream.remote, timeout=left)
        self._wire.fail(LinkError(f"the connection to {self.where} was closed"))
        if self._reader.ident is not None and self._reader is not threading.current_thread():
            self._reader.join()
        self._wire.close()

    def open(self, service: str, timeout: float) -> ConnectionStream:
        """Open a service; RemoteError if the phone refuses it."""
        raw = service.encode("utf-8", "surrogateescape") + b"\0"
        if len(raw) > self.max_payload:
            raise RemoteError(f"a command of {len(raw)} bytes is too long for {self.where}")
        end = time.monotonic() + timeout
        stream = self._new_stream()
        try:
            self._wire.send(packet.OPEN, stream.local, stream.window, raw, timeout)
            opened = stream.wait_open(max(0.0, end - time.monotonic()))
        except BaseException:
            stream.close()
            raise
        if not opened:
            raise RemoteError(
                f"the phone at {self.where} refuses the service {service.split(':')[0]!r}",
                hint="Its adbd is too old for it, or was told not to.",
            )
        return stream

    def _new_stream(self) -> ConnectionStream:
        with self._lock:
            if self._wire.error is not None:
                raise self._wire.error
            while True:
                self._last_id = self._last_id % _LAST_ID + 1
                if self._last_id not in self._streams and self._last_id not in self._closed:
                    break
            stream = ConnectionStream(
                self._wire,
                self._last_id,
                ahead=_READ_AHEAD_NEAR if self._wire.round_trip < _FAR else _READ_AHEAD_FAR,
                windowed=self._windowed,
                forget=self._forget,
            )
            self._streams[stream.local] = stream
            return stream

    def _forget(self, stream: ConnectionStream) -> None:
        with self._lock:
            if self._streams.pop(stream.local, None) is not None and stream.remote:
                self._remember(stream.local, stream.remote)

    def _remember(self, local: int, remote: int) -> None:
        self._closed[local] = remote
        if len(self._closed) > _REMEMBERED:
            del self._closed[next(iter(self._closed))]

    # The thread that receives

    def _receive(self) -> None:
        wire = self._wire
        try:
            while True:
                try:
                    header, payload = wire.receive(wire.stall)
                except LinkTimeout:
                    header = None
                if header is not None:
                    self._dispatch(header, payload)
                wire.flush()
        except LinkError as error:
            wire.fail(error)
        finally:
            end = wire.fail(LinkError(f"the connection to {self.where} broke"))
            with self._lock:
                streams, self._streams = list(self._streams.values()), {}
            for stream in streams:
                stream.on_end(end)

    def _dispatch(self, header: Header, payload: bytes) -> None:
        command, remote, local = header[:3]
        with self._lock:
            stream = self._streams.get(local)
            closed = self._closed.get(local) if stream is None else None
        if command == packet.WRTE:
            if stream is not None:
                stream.on_data(remote, payload)
            elif closed != remote:  # its bytes would be missing elsewhere
                raise ProtocolError(f"{self.where} sent data for a stream that there is not")
        elif command == packet.OKAY:
            known = stream is not None and stream.on_okay(remote, payload)
            if not known and closed != remote:  # opened too late: the phone must not keep it
                with self._lock:
                    self._remember(local, remote)
                self._wire.post(packet.CLSE, local, remote)
        elif command == packet.CLSE:
            if stream is not None:  # else we closed it first
                stream.on_close(remote)
            with self._lock:
                self._streams.pop(local, None)
                self._closed.pop(local, None)
        elif command == packet.OPEN:  # it asks for a service of ours; there are none
            self._wire.post(packet.CLSE, 0, remote)
        else:
            raise LinkError(f"the phone's adbd at {self.where} started anew")


def connect_tcp(
    host: str,
    port: int,
    signers: Sequence[Signer],
    *,
    timeout: float = 10.0,
    stall: float = _STALL,
    on_prompt: Callable[[], None] | None = None,
) -> Connection:
    """A connection to the adbd at ``host:port``; LinkError or UnauthorizedError if there is none.

    ``stall`` (seconds): see :class:`Connection`.
    """
    transport = SteadyTcp(host, port)
    transport.open(timeout)
    connection = Connection(transport, f"{host}:{port}", stall=stall)
    try:
        connection.handshake(signers, timeout, on_prompt)
        connection.start()
    except BaseException:
        connection.close()
        raise
    return connection
