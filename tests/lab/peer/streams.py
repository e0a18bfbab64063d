"""A stream on the peer's side."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections import deque
from typing import TYPE_CHECKING

from tests.lab.peer.faults import BrokenWire, Packet

if TYPE_CHECKING:
    from tests.lab.peer.adbd import Session


class PeerStream:
    """Bytes to and from one service. EOFError and BrokenWire end what is written.

    ``credit`` is the number of bytes that the client takes, or None for one packet at a time.
    """

    def __init__(self, session: Session, local: int, remote: int, credit: int | None) -> None:
        self.local, self.remote = local, remote
        self._session = session
        self._windowed = credit is not None
        self._credit = 1 if credit is None else credit
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._over = False

    def grant(self, amount: int) -> None:
        """Tell the client that it may send: so many bytes more, or a packet."""
        payload = struct.pack("<i", amount) if self._windowed else b""
        self._session.wire.send(Packet("OKAY", self.local, self.remote, payload))

    def read(self) -> bytes:
        """The next bytes; ``b""`` when the client has closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._over)
            if not self._chunks:
                return b""
            data = self._chunks.popleft()
            over = self._over
        if not over:
            with contextlib.suppress(BrokenWire):
                self.grant(len(data))
        return data

    def exactly(self, size: int, held: bytearray) -> bytes:
        """``size`` bytes; EOFError when the client closes before. What is too much stays held."""
        while len(held) < size:
            data = self.read()
            if not data:
                raise EOFError
            held += data
        data = bytes(held[:size])
        del held[:size]
        return data

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            piece = bytes(rest[: self._session.max_payload])
            with self._changed:
                self._changed.wait_for(lambda: self._credit > 0 or self._over)
                if self._over:
                    raise EOFError
                self._credit -= len(piece) if self._windowed else 1
            self._session.wire.send(Packet("WRTE", self.local, self.remote, piece))
            rest = rest[len(piece) :]

    def close(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._session.forget(self):
            with contextlib.suppress(BrokenWire):
                self._session.wire.send(Packet("CLSE", self.local, self.remote))

    # What the session calls.

    def on_okay(self, payload: bytes) -> None:
        assert len(payload) == (4 if self._windowed else 0), "the client acknowledges wrongly"
        with self._changed:
            if self._windowed:
                self._credit += struct.unpack("<i", payload)[0]
            else:
                self._credit = 1
            self._changed.notify_all()

    def on_data(self, data: bytes) -> None:
        with self._changed:
            self._chunks.append(data)
            self._changed.notify_all()

    def on_close(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
