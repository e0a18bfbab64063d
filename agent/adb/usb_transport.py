"""A phone's ADB interface on USB as a :class:`agent.adb.transport.Transport`.

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

import contextlib
import threading
import time
from collections import deque
from typing import Any

from agent.adb import packet
from agent.adb.packet import Buffer
from agent.adb.transport import CutShort
from agent.errors import LinkError, LinkTimeout, ProtocolError

# libusb's transfer states (libusb.h, enum libusb_transfer_status).
COMPLETED, _, _, CANCELLED, STALL, NO_DEVICE, OVERFLOW = range(7)

_GREETINGS = (packet.CNXN, packet.AUTH, packet.STLS)
_HELD = 4 << 20  # bytes read ahead; then the phone has to wait
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
        self._writing = threading.Lock()
        self._chunks: deque[memoryview] = deque()
        self._held = 0  # bytes in _chunks
        self._wanted = 0  # bytes of a payload that are still to come; 0: a header is next
        self._reading: Any = None  # the transfer under way
        self._sending: set[Any] = set()
        self._sent = 0  # bytes of the packet that is being written
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
            end = time.monotonic() + _DRAIN
            while time.monotonic() < end:
                try:
                    self._handle.bulkRead(self._from, 16384, timeout=_QUIET)
                except usb1.USBErrorTimeout as error:
                    if not error.received:
                        break
            with self._changed:
                self._ask()
        except usb1.USBError as error:
            raise UsbGone(f"{self.where} does not let itself be read: {error}") from error
        self._driver.start()

    def read(self, size: int, timeout: float | None) -> bytes:
        """See :class:`agent.adb.transport.Transport`."""
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
        """See :class:`agent.adb.transport.Transport`."""
        with self._writing, self._changed:
            self._sent = 0
            self._send(header)
            if payload:
                self._send(payload)
                if len(payload) % self._to_size == 0:
                    self._send(b"")
            if self._changed.wait_for(lambda: self._error or not self._sending, timeout):
                if self._error is not None:
                    raise self._error
                return
            self._cancel(*self._sending)
            self._changed.wait_for(lambda: self._error or not self._sending)
            if self._error is not None:
                raise self._error
            if self._sent == len(header) + len(payload):
                return  # just in time
            kind = CutShort if self._sent else LinkTimeout
            raise kind(f"{self.where} took no data for {timeout:g} s")

    def shutdown(self) -> None:
        """See :class:`agent.adb.transport.Transport`."""
        with self._changed:
            self._end(LinkError(f"the connection to {self.where} was closed"))

    def reset(self) -> None:
        """Reset the phone's port, as pulling the cable and plugging it in again would."""
        import usb1

        self.shutdown()
        self._join()
        with contextlib.suppress(usb1.USBError):  # the handle may be void after it
            self._handle.resetDevice()

    def close(self) -> None:
        """See :class:`agent.adb.transport.Transport`."""
        self.shutdown()
        self._join()
        with self._changed:
            if self._closed:
                return
            self._closed = True
        import usb1

        with contextlib.suppress(usb1.USBError):  # it is gone, and so is the claim
            self._handle.releaseInterface(self._interface)
        self._handle.close()
        self._context.close()

    def _join(self) -> None:
        if self._driver.is_alive():
            self._driver.join()

    # With _changed held

    def _ask(self) -> None:
        """Ask for the next header, or for what is left of a payload."""
        # Before the greeting, packets of an earlier program's may follow each other with no mark
        # between them: one USB packet at a time keeps them apart.
        packets = max(1, -(-self._wanted // self._from_size)) if self.heard else 1
        buffer = bytearray(packets * self._from_size)
        transfer = self._handle.getTransfer()
        transfer.setBulk(self._from, buffer, self._on_read, buffer)
        self._submit(transfer)
        self._reading = transfer

    def _send(self, data: Buffer) -> None:
        if self._error is not None:
            raise self._error
        transfer = self._handle.getTransfer()
        transfer.setBulk(self._to, bytearray(data), self._on_sent)
        self._submit(transfer)
        self._sending.add(transfer)

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
        self._cancel(self._reading, *self._sending)
        self._context.interruptEventHandler()
        self._changed.notify_all()

    def _cancel(self, *transfers: Any) -> None:
        import usb1

        for transfer in transfers:
            if transfer is not None:
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
        buffer: bytearray = transfer.getUserData()
        status, got = transfer.getStatus(), transfer.getActualLength()
        transfer.doom()  # libusb1 frees it when this returns
        with self._changed:
            self._reading = None
            try:
                self._check(status)
                if got:  # an empty one only marks the end of a payload
                    self._take(memoryview(buffer)[:got])
                if self._error is None and self._held < _HELD:
                    self._ask()
            except LinkError as error:
                self._end(error)

    def _on_sent(self, transfer: Any) -> None:
        status, got = transfer.getStatus(), transfer.getActualLength()
        transfer.doom()
        with self._changed:
            self._sending.discard(transfer)
            self._sent += got
            try:
                self._check(status)
            except LinkError as error:
                self._end(error)
            self._changed.notify_all()

    def _check(self, status: int) -> None:
        if status == NO_DEVICE:
            raise UsbGone(f"{self.where} was unplugged")
        if status == OVERFLOW:
            raise ProtocolError(f"{self.where} sent more than its USB packets may hold")
        if status == STALL:
            raise UsbGone(f"{self.where} halted its ADB interface")
        if status not in (COMPLETED, CANCELLED):
            raise UsbGone(f"{self.where} broke off: it was unplugged, or the cable is bad")

    def _take(self, data: memoryview) -> None:
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
        self._chunks.append(data)
        self._held += len(data)
        self._changed.notify_all()


def _is_greeting(data: memoryview) -> bool:
    """Whether these bytes are the header with which a phone begins."""
    if len(data) != packet.HEADER.size:
        return False
    command, _, _, length, _, magic = packet.HEADER.unpack(data)
    return (
        command in _GREETINGS and magic == command ^ 0xFFFFFFFF and 0 < length <= packet.MAX_PAYLOAD
    )
