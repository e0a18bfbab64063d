"""Packets over a transport: whole ones out, whole ones in, or an error that ends it all."""

from __future__ import annotations

import threading
import time
from collections import deque

from agent.adb.direct import packet
from agent.adb.direct.packet import Buffer, Header
from agent.adb.direct.transport import CutShort, Transport
from agent.errors import LinkError, LinkTimeout, ProtocolError

_MOST_POSTED = 1 << 16  # small packets that wait for who sends; a phone that causes more is lying


class Wire:
    """One side of ADB's wire. One thread may receive, any number may send."""

    def __init__(self, transport: Transport, where: str, stall: float) -> None:
        self._transport = transport
        self.where = where
        self.stall = stall
        """Seconds without a byte that a begun packet, or the phone's reading, may pause."""
        self.max_payload = packet.MAX_PAYLOAD
        self.checksum: bool | None = None
        """Whether packets have checksums; None while it is not known what the phone speaks."""
        self.round_trip = float("inf")
        """Seconds that the phone took to answer, at best, when it was greeted."""
        self.error: LinkError | None = None
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._posted: deque[tuple[bytes, bytes]] = deque()

    # Out

    def send(
        self, command: int, arg0: int, arg1: int, payload: Buffer = b"", timeout: float | None = 10
    ) -> None:
        """Send one packet, whole.

        LinkTimeout when nothing of it went out in ``timeout`` seconds; any other failure ends the
        connection.
        """
        header = packet.encode(command, arg0, arg1, payload, checksum=self.checksum is not False)
        end = None if timeout is None else time.monotonic() + timeout
        if not self._sending.acquire(timeout=-1 if timeout is None else timeout):
            raise self.error or LinkTimeout(f"{self.where} took no data for {timeout:g} s")
        try:
            self._write(header, payload, None if end is None else end - time.monotonic())
        finally:
            self._sending.release()
        self.flush()

    def post(
        self,
        command: int,
        arg0: int,
        arg1: int,
        payload: bytes = b"",
        patience: float | None = None,
    ) -> None:
        """Send a small packet soon: now, or by the thread that sends at the moment.

        So the one thread that receives never waits for a sender that waits for the phone. A phone
        that takes nothing for ``patience`` seconds gets it later; without one, the connection ends.
        """
        header = packet.encode(command, arg0, arg1, payload, checksum=self.checksum is not False)
        self._posted.append((header, payload))
        if len(self._posted) > _MOST_POSTED:
            raise self.fail(ProtocolError(f"{self.where} asks for answers, and takes none"))
        self.flush(patience)

    def flush(self, patience: float | None = None) -> None:
        """Send what was posted, unless another thread is about to; see :meth:`post`."""
        while self._posted and self._sending.acquire(blocking=False):
            try:
                while self._posted:
                    self._write(*self._posted[0], self.stall if patience is None else patience)
                    self._posted.popleft()
            except LinkTimeout as error:
                if patience is None:
                    raise self.fail(error) from error
                return
            finally:
                self._sending.release()

    def _write(self, header: bytes, payload: Buffer, timeout: float | None) -> None:
        if self.error is not None:
            raise self.error
        try:
            self._transport.write(header, payload, timeout)
        except LinkTimeout as error:
            if isinstance(error, CutShort):
                self.fail(error)
            raise
        except LinkError as error:
            raise self.fail(error) from error
        except BaseException:  # Ctrl-C, perhaps in the middle of the packet
            self.fail(LinkError(f"the connection to {self.where} was interrupted"))
            raise

    # In

    def receive(self, timeout: float | None, end: float | None = None) -> tuple[Header, bytes]:
        """The next packet; LinkTimeout when none begins in ``timeout`` seconds.

        A begun one may pause for the stall limit, and must be there at ``end``, a time of
        :func:`time.monotonic`: it is a ProtocolError if not.
        """
        raw = self._exactly(packet.HEADER.size, timeout, end)
        header = packet.decode(raw)
        payload = b""
        if header.length:
            try:
                payload = self._exactly(header.length, self.stall, end)
            except LinkTimeout as error:
                raise self._stopped() from error
        if self.checksum or (self.checksum is None and header.checksum):
            packet.verify(header, payload)
        return header, payload

    def _exactly(self, size: int, timeout: float | None, end: float | None) -> bytes:
        data = self._read(size, timeout, end)
        if len(data) == size:
            return data
        parts, missing = [data], size - len(data)
        while missing:
            try:
                parts.append(self._read(missing, self.stall, end))
            except LinkTimeout as error:
                raise self._stopped() from error
            missing -= len(parts[-1])
        return b"".join(parts)

    def _read(self, size: int, timeout: float | None, end: float | None) -> bytes:
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise LinkTimeout(f"{self.where} took too long")
            timeout = left if timeout is None else min(timeout, left)
        return self._transport.read(size, timeout)

    def _stopped(self) -> ProtocolError:
        return ProtocolError(f"{self.where} stopped in the middle of a packet")

    # The end

    def fail(self, error: LinkError) -> LinkError:
        """End the connection for ``error``; what it ended for, which is the first error.

        That is never a LinkTimeout: one says that it is of use to try again.
        """
        if isinstance(error, LinkTimeout):
            error = LinkError(error.message, hint=error.hint)
        with self._lock:
            if self.error is None:
                self.error = error
        self._transport.shutdown()
        return self.error

    def close(self) -> None:
        """Free the transport; nobody receives any more."""
        with self._sending:  # whoever sent has been stopped by the shutdown
            self._posted.clear()
            self._transport.close()
