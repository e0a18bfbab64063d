"""One service's stream over a connection, and its flow control.

The classic rule: each WRTE waits for the OKAY to the one before. The newer one, where both sides
have ``delayed_ack`` (adbd of Android 14 and later): OPEN's arg1 and the OKAYs' four bytes of
payload say how many bytes more the other side may send. Source: AOSP packages/modules/adb,
adb.cpp and sockets.cpp.
"""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

from agent.adb.direct import packet
from agent.adb.direct.wire import Wire
from agent.errors import LinkError, LinkTimeout, ProtocolError

_CLOSE_PATIENCE = 0.5
# Bytes held for a slow reader at most. A real adbd does not always stop at the window: with 512 KiB
# granted, Debian's of 34.0 was seen to send 2.4 MB. Past this the phone is lying.
_MOST = 32 << 20
_CREDIT = struct.Struct("<i")


class ConnectionStream:
    """One service's stream; made by :meth:`Connection.open`. See :class:`agent.adb.link.Stream`."""

    def __init__(
        self,
        wire: Wire,
        local: int,
        *,
        ahead: int,
        windowed: bool,
        forget: Callable[[ConnectionStream], None],
    ) -> None:
        self.local = local
        self.remote = 0
        self._wire = wire
        self._forget = forget
        self._ahead = ahead  # bytes held for a slow reader before the phone has to wait
        self._windowed = windowed
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._held = 0  # bytes in _chunks
        self._owed = 0  # not acknowledged yet: bytes, or packets in the classic way
        self._credit = 0  # bytes that may be sent, or 1 and 0 in the classic way
        self._ended = False
        self._error: LinkError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def window(self) -> int:
        """OPEN's arg1: bytes that the phone may send before it hears of us."""
        return self._ahead if self._windowed else 0

    def read(self, timeout: float | None) -> bytes:
        """See :class:`agent.adb.link.Stream`."""
        with self._changed:
            if not self._chunks and not self._ended:
                self._wait(lambda: self._chunks or self._ended, timeout, "nothing came from {}")
            if not self._chunks:
                if self._error is not None:
                    raise self._error
                return b""
            data = self._chunks.popleft()
            self._held -= len(data)
            owed = 0
            if self._ended:
                pass
            elif self._windowed:
                self._owed += len(data)
                if self._owed >= self._ahead // 4:
                    owed, self._owed = self._owed, 0
            elif self._owed and self._held < self._ahead:
                owed, self._owed = self._owed, 0
        if owed:
            # What came is given out first; the connection's end is told by the next call.
            with contextlib.suppress(LinkError):
                self._acknowledge(owed)
        return data

    def write(self, data: bytes, timeout: float | None) -> None:
        """See :class:`agent.adb.link.Stream`."""
        rest = memoryview(data)
        while rest:
            piece = rest[: self._wire.max_payload]
            end = None if timeout is None else time.monotonic() + timeout
            cost = len(piece) if self._windowed else 1
            with self._changed:
                if self._credit <= 0 or self._ended:
                    self._wait(lambda: self._credit > 0 or self._ended, timeout, "{} took no data")
                if self._ended:
                    raise self._error or LinkError(
                        f"{self._wire.where} closed the stream while data was sent"
                    )
                self._credit -= cost
            left = None if end is None else max(0.0, end - time.monotonic())
            try:
                self._wire.send(packet.WRTE, self.local, self.remote, piece, left)
            except LinkTimeout:
                with self._changed:
                    self._credit += cost
                raise
            rest = rest[len(piece) :]

    def close(self) -> None:
        """See :class:`agent.adb.link.Stream`."""
        with self._changed:
            was_open, self._ended = not self._ended, True
            self._chunks.clear()
            self._held = 0
            self._changed.notify_all()
        self._forget(self)
        if was_open and self.remote:
            with contextlib.suppress(LinkError):
                self._wire.post(packet.CLSE, self.local, self.remote, patience=_CLOSE_PATIENCE)

    def wait_open(self, timeout: float) -> bool:
        """Whether the phone opened the service; LinkTimeout when it said nothing."""
        with self._changed:
            self._wait(lambda: self.remote or self._ended, timeout, "{} did not open a service")
            if self._error is not None:
                raise self._error
            return bool(self.remote)

    def _wait(self, ready: Callable[[], object], timeout: float | None, what: str) -> None:
        if not self._changed.wait_for(ready, timeout):
            raise LinkTimeout(f"{what.format(self._wire.where)} within {timeout:g} s")

    def _acknowledge(self, amount: int) -> None:
        if self._windowed:
            self._wire.post(packet.OKAY, self.local, self.remote, _CREDIT.pack(amount))
        else:
            for _ in range(amount):
                self._wire.post(packet.OKAY, self.local, self.remote)

    # What the thread that receives calls.

    def on_okay(self, remote: int, payload: bytes) -> bool:
        """The phone opened the service, or took what was sent; False if that is of no use any
        more, as the stream was closed before it was open."""
        if len(payload) != (_CREDIT.size if self._windowed else 0):
            raise ProtocolError(
                f"{self._wire.where} acknowledged data in a way that was not agreed"
            )
        self._check(remote, opening=not self.remote)
        with self._changed:
            if self._ended and not self.remote:
                return False
            self.remote = remote
            self._credit = self._credit + _CREDIT.unpack(payload)[0] if self._windowed else 1
            self._changed.notify_all()
            return True

    def on_data(self, remote: int, data: bytes) -> None:
        """Take in a packet's bytes, and acknowledge them unless the reader is too far behind."""
        self._check(remote)
        with self._changed:
            if self._ended:
                return  # closed just now: the phone hears of it
            if self._held >= _MOST:
                raise ProtocolError(f"{self._wire.where} sent more than it was allowed to")
            if data:
                self._chunks.append(data)
                self._held += len(data)
                self._changed.notify_all()
            if self._windowed:
                return
            if self._held >= self._ahead:
                self._owed += 1
                return
        self._acknowledge(1)

    def on_close(self, remote: int) -> None:
        """The phone closed the stream, or refused to open it."""
        if remote:  # 0: adbd's services may fail so even after they were opened
            self._check(remote, opening=not self.remote)
        self.on_end(None)
        if self.remote:
            self._wire.post(packet.CLSE, self.local, self.remote)

    def on_end(self, error: LinkError | None) -> None:
        """No more will come: the phone closed the stream, or the connection broke."""
        with self._changed:
            if not self._ended:
                self._ended = True
                self._error = error
            self._changed.notify_all()

    def _check(self, remote: int, *, opening: bool = False) -> None:
        if not remote or (remote != self.remote and not opening):
            raise ProtocolError(f"{self._wire.where} mixes up its streams")
