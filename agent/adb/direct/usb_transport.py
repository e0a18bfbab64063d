"""A phone's ADB interface on USB as a :class:`agent.adb.direct.transport.Transport`.

adb-shell 0.4.4's ``UsbTransport`` finds the interface and its endpoints, takes it from a kernel
driver and claims it; that part works and is used. The rest of it was put right here:

- Its reads are synchronous with a time limit: one that runs out throws away what had come, and
  none can be ended by another thread. Here transfers are asynchronous, without a limit, and are
  cancelled by :meth:`SteadyUsb.shutdown`.
- A read that asks for fewer bytes than a USB packet holds overflows. Here a header is asked for
  with a whole USB packet's size, and a payload with just what its header says, rounded up: a
  phone does not mark the end of a payload that fills its last USB packet (AOSP
  packages/modules/adb/daemon/usb.cpp), so nobody may wait for more.
- It sends header and payload as it gets them. adbd wants them in transfers of their own, and an
  empty transfer after a payload that fills its last USB packet (AOSP client/usb_libusb.cpp).
- What an earlier program left unread in the phone is thrown away, up to the phone's greeting.
- Its handle stays open when the claim fails or the phone is gone, and its one libusb context
  serves everybody; here each phone has a context of its own, with a thread that drives it.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from agent.adb.direct import packet
from agent.adb.direct.packet import Buffer
from agent.errors import LinkError, LinkTimeout, ProtocolError

# libusb's transfer states (libusb.h, enum libusb_transfer_status).
COMPLETED, _, _, CANCELLED, STALL, NO_DEVICE, OVERFLOW = range(7)

_GREETINGS = (packet.CNXN, packet.AUTH, packet.STLS)
_PARTING = b"host::\0"
_HELD = 4 << 20  # bytes read ahead; then the phone has to wait
_AHEAD = 2 << 20  # bytes written and not taken yet; then the writer has to wait
_GRACE = 0.25  # seconds for the last packets at the end
_QUIET = 50  # milliseconds without a byte: the phone has no more of an earlier program's
_DRAIN = 2.0  # seconds


class UsbBusy(LinkError):  # noqa: N818 - reads as what it is
    """Another program, as a rule an adb server, holds the phone's ADB interface."""


class UsbGone(LinkError):  # noqa: N818 - reads as what it is
    """The phone was unplugged, or its USB interface began anew."""


class SteadyUsb:
    """One phone's ADB interface, claimed; see the module's text.

    ``handle`` and ``context`` are libusb1's; ``sizes`` are the bytes in a USB packet that comes
    and one that goes. All of them are this object's to close.
    """

    def __init__(
        self,
        context: Any,
        handle: Any,
        endpoints: tuple[int, int],
        sizes: tuple[int, int],
        where: str,
        *,
        interface: int = 0,
        patience: float = 5.0,
    ) -> None:
        self.where = where
        self.heard = False
        """Whether the phone has sent a greeting."""
        self.patience = patience
        """Seconds that a read may wait for the phone's first greeting, whatever its own limit."""
        self._context, self._handle = context, handle
        self._from, self._to = endpoints
        self._from_size, self._to_size = sizes
        self._interface = interface
        self._changed = threading.Condition()
        self._chunks: deque[memoryview] = deque()
        self._held = 0  # bytes in _chunks
        self._payload = bytearray()
        self._wanted = 0  # bytes of a payload that are still to come; 0: a header is next
        # Transfers are used again: making one costs as much as all else that is done with it.
        self._header = bytearray(self._from_size)
        self._readers = handle.getTransfer(), handle.getTransfer()  # headers, payloads
        self._readers[0].setBulk(self._from, self._header, self._on_read)
        self._reading: Any = None  # the one that is under way
        self._writers: list[Any] = []
        self._sending: set[Any] = set()
        self._queued = 0  # bytes in _sending
        self._cut = False  # whether a packet was sent in part
        self._error: LinkError | None = None
        self._closed = False
        self._driver = threading.Thread(target=self._drive, name=where, daemon=True)

    # Transport

    def start(self) -> None:
        """Throw away what an earlier program left, and begin to read; call once."""
        import usb1

        try:
            # As adb does: both sides then count packets from the start again.
            self._handle.clearHalt(self._from)
            self._handle.clearHalt(self._to)
            self._drain()
            with self._changed:
                self._ask()
        except usb1.USBError as error:
            raise UsbGone(f"{self.where} does not let itself be read: {error}") from error
        atexit.register(self.close)  # libusb aborts where it is taken down under a thread
        self._driver.start()

    def read(self, size: int, timeout: float | None) -> bytes:
        """See :class:`agent.adb.direct.transport.Transport`."""
        if not self.heard:
            timeout = self.patience if timeout is None else min(timeout, self.patience)
        with self._changed:
            if not self._changed.wait_for(lambda: self._chunks or self._error, timeout):
                raise LinkTimeout(f"nothing came from {self.where} in {timeout:g} s")
            if not self._chunks:
                assert self._error is not None
                raise self._error
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            self._held -= len(chunk)
            if self._reading is None and self._error is None and self._held < _HELD:
                self._ask()
            return bytes(chunk)

    def write(self, header: bytes, payload: Buffer, timeout: float | None) -> None:
        """See :class:`agent.adb.direct.transport.Transport`.

        As into a socket: what was taken goes on its way, and an error shows in a later call.
        """
        size = len(header) + len(payload)
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._error or not self._sending or self._queued + size <= _AHEAD, timeout
            ):
                raise LinkTimeout(f"{self.where} took no data for {timeout:g} s")
            if self._error is not None:
                raise self._error
            self._send(header)
            if payload:
                self._send(payload)
                if len(payload) % self._to_size == 0:
                    self._send(b"")

    def shutdown(self) -> None:
        """See :class:`agent.adb.direct.transport.Transport`."""
        with self._changed:
            self._end(LinkError(f"the connection to {self.where} was closed"))

    def reset(self) -> None:
        """Reset the phone's port, as pulling the cable and plugging it in again would."""
        import usb1

        self._stop()
        with contextlib.suppress(usb1.USBError):  # the handle may be void after it
            self._handle.resetDevice()

    def close(self) -> None:
        """See :class:`agent.adb.direct.transport.Transport`."""
        import usb1

        self._stop()
        with self._changed:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        if self.heard and not self._cut and not isinstance(self._error, UsbGone):
            with contextlib.suppress(usb1.USBError):
                self._part()
        with contextlib.suppress(usb1.USBError):  # it is gone, and so is the claim
            self._handle.releaseInterface(self._interface)
        self._handle.close()
        self._context.close()

    def _stop(self) -> None:
        """End the thread; packets that are on their way may arrive, or the phone is confused."""
        self.shutdown()
        if self._driver.is_alive():
            with self._changed:
                if not self._changed.wait_for(lambda: not self._sending, _GRACE):
                    self._cut = True
                    self._cancel(*self._sending)
            self._driver.join()

    def _drain(self) -> None:
        """Read and throw away what the phone has to say, until it says nothing.

        A greeting that meets unread packets has an adbd of Android 14 cancel these, and end its
        connection over that.
        """
        import usb1

        end = time.monotonic() + _DRAIN
        while time.monotonic() < end:
            try:
                self._handle.bulkRead(self._from, 16384, timeout=_QUIET)
            except usb1.USBErrorTimeout as error:
                if not error.received:
                    return

    def _part(self) -> None:
        """Have the phone end what it runs for us: no cable tells it that its host is gone.

        To adbd, a greeting ends the connection before it (AOSP adb.cpp, handle_packet).
        """
        self._drain()
        hello = packet.encode(packet.CNXN, packet.VERSION, 4096, _PARTING, checksum=True)
        limit = round(_GRACE * 1000)
        self._handle.bulkWrite(self._to, hello, limit)
        self._handle.bulkWrite(self._to, _PARTING, limit)
        for size in (self._from_size, 16384):  # its answer is not for who comes next
            self._handle.bulkRead(self._from, size, timeout=limit)

    # With _changed held

    def _ask(self) -> None:
        """Ask for the next header, or for what is left of a payload.

        For a header, one USB packet is asked for. So what an earlier program left comes in USB
        packets too, and the greeting's header is not stuck to the end of an old payload.
        """
        reader = self._readers[0]
        if self._wanted:
            packets = -(-self._wanted // self._from_size)
            self._payload = bytearray(packets * self._from_size)
            reader = self._readers[1]
            reader.setBulk(self._from, self._payload, self._on_read)
        self._submit(reader)
        self._reading = reader

    def _send(self, data: Buffer) -> None:
        if self._error is not None:
            raise self._error
        transfer = self._writers.pop() if self._writers else self._handle.getTransfer()
        transfer.setBulk(self._to, bytearray(data), self._on_sent)
        self._submit(transfer)
        self._sending.add(transfer)
        self._queued += len(data)

    def _submit(self, transfer: Any) -> None:
        import usb1

        try:
            transfer.submit()
        except usb1.USBErrorNoDevice as error:
            self._end(UsbGone(f"{self.where} was unplugged"))
            raise self._error or error from error
        except usb1.USBError as error:
            self._end(LinkError(f"{self.where} takes no more transfers: {error}"))
            raise self._error or error from error

    def _end(self, error: LinkError) -> None:
        """Let every read and write fail with the first error there was."""
        if self._error is not None:
            return
        self._error = error
        if self._reading is not None:
            self._cancel(self._reading)
        self._context.interruptEventHandler()
        self._changed.notify_all()

    def _cancel(self, *transfers: Any) -> None:
        import usb1

        for transfer in transfers:
            with contextlib.suppress(usb1.USBError):  # it ended by itself
                transfer.cancel()

    # The driving thread

    def _drive(self) -> None:
        import usb1

        while True:
            with self._changed:
                if self._error is not None and self._reading is None and not self._sending:
                    return
            try:
                self._context.handleEvents()
            except usb1.USBErrorInterrupted:
                continue
            except usb1.USBError as error:
                with self._changed:
                    self._end(LinkError(f"libusb failed for {self.where}: {error}"))
                    self._reading = None  # closing the handle waits for what is under way
                    self._sending.clear()

    def _on_read(self, transfer: Any) -> None:
        with self._changed:
            self._reading = None
            with self._failing():
                self._check(transfer.getStatus())
                got = transfer.getActualLength()
                if got:  # an empty one only marks the end of a payload
                    self._take(
                        memoryview(self._payload)[:got] if self._wanted else self._header[:got]
                    )
                if self._error is None and self._held < _HELD:
                    self._ask()

    def _on_sent(self, transfer: Any) -> None:
        with self._changed:
            self._sending.discard(transfer)
            self._queued -= len(transfer.getBuffer())
            self._writers.append(transfer)
            with self._failing():
                self._check(transfer.getStatus())
            self._changed.notify_all()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Any error ends the connection: libusb1 would only print it, and everybody wait."""
        try:
            yield
        except LinkError as error:
            self._end(error)
        except Exception as error:
            self._end(LinkError(f"{self.where} failed: {error!r}"))
            raise

    def _check(self, status: int) -> None:
        if status == NO_DEVICE:
            raise UsbGone(f"{self.where} was unplugged")
        if status == OVERFLOW:
            raise ProtocolError(f"{self.where} sent more than its USB packets may hold")
        if status == STALL:
            raise UsbGone(f"{self.where} halted its ADB interface")
        if status not in (COMPLETED, CANCELLED):
            raise UsbGone(f"{self.where} broke off: it was unplugged, or the cable is bad")

    def _take(self, data: bytearray | memoryview) -> None:
        """Take in one transfer's bytes: a header, or a part of a payload."""
        if self._wanted:
            if len(data) > self._wanted:
                raise ProtocolError(f"{self.where} sent a longer payload than it said")
            self._wanted -= len(data)
        elif self.heard or _is_greeting(data):
            if len(data) != packet.HEADER.size:
                raise ProtocolError(f"{self.where} sent {len(data)} bytes instead of a header")
            self._wanted = packet.decode(bytes(data)).length
            self.heard = True
        else:
            return  # an earlier program's
        self._chunks.append(memoryview(data))
        self._held += len(data)
        self._changed.notify_all()


def _is_greeting(data: bytearray | memoryview) -> bool:
    """Whether these bytes are the header with which a phone begins."""
    if len(data) != packet.HEADER.size:
        return False
    command, _, _, length, _, magic = packet.HEADER.unpack(data)
    return (
        command in _GREETINGS and magic == command ^ 0xFFFFFFFF and 0 < length <= packet.MAX_PAYLOAD
    )
