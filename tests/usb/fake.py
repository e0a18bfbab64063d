"""A USB host controller and a phone in memory, behind the few calls of libusb1 that are used.

It keeps to USB's own rules: a read takes USB packets until one is short or its buffer is full,
and a packet that does not fit is an overflow. That the real one does so too is seen in the guest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from agent.adb.direct.usb_transport import CANCELLED, COMPLETED, OVERFLOW, SteadyUsb

IN, OUT = 0x81, 0x02
SIZE = 512


class FakeTransfer:
    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus
        self.buffer = bytearray()
        self.endpoint = 0
        self.status = self.got = 0

    def setBulk(  # noqa: N802
        self, endpoint: int, buffer: bytearray, callback: Callable[[FakeTransfer], None]
    ) -> None:
        assert self not in self._bus.pending
        self.endpoint, self.buffer, self.callback = endpoint, buffer, callback

    def submit(self) -> None:
        self._bus.submit(self)

    def cancel(self) -> None:
        self._bus.end(self, CANCELLED)

    def getStatus(self) -> int:  # noqa: N802
        return self.status

    def getActualLength(self) -> int:  # noqa: N802
        if self._bus.broken:
            raise RuntimeError("a mistake of ours")
        return self.got

    def getBuffer(self) -> bytearray:  # noqa: N802
        return self.buffer


class FakeBus:
    """Context, handle and phone in one. ``sent`` are the transfers that the phone took."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.pending: list[FakeTransfer] = []
        self.done: deque[FakeTransfer] = deque()
        self.packets: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.stuck = self.broken = self.interrupted = False
        self.asked = 0  # bytes that reads have brought
        self.calls: list[str] = []

    # The phone

    def say(self, *transfers: bytes) -> None:
        """Each goes out in USB packets; nothing marks the end of one that fills its last."""
        with self.changed:
            for data in transfers:
                for start in range(0, max(1, len(data)), SIZE):
                    self.packets.append(data[start : start + SIZE])
            self._move()

    def take(self) -> None:
        """Takes what is sent again."""
        with self.changed:
            self.stuck = False
            self._move()

    def end_all(self, status: int) -> None:
        with self.changed:
            for transfer in list(self.pending):
                self.end(transfer, status)

    # The bus

    def submit(self, transfer: FakeTransfer) -> None:
        with self.changed:
            transfer.got = 0
            self.pending.append(transfer)
            self._move()

    def end(self, transfer: FakeTransfer, status: int) -> None:
        with self.changed:
            if transfer in self.pending:
                self.pending.remove(transfer)
                transfer.status = status
                self.done.append(transfer)
                self.changed.notify_all()

    def _move(self) -> None:
        for transfer in list(self.pending):
            if transfer.endpoint == OUT:
                if not self.stuck:
                    self.sent.append(bytes(transfer.buffer))
                    transfer.got = len(transfer.buffer)
                    self.end(transfer, COMPLETED)
                continue
            while self.packets and transfer in self.pending:
                packet = self.packets.popleft()
                if len(packet) > len(transfer.buffer) - transfer.got:
                    self.end(transfer, OVERFLOW)
                    break
                transfer.buffer[transfer.got : transfer.got + len(packet)] = packet
                transfer.got += len(packet)
                self.asked += len(packet)
                if len(packet) < SIZE or transfer.got == len(transfer.buffer):
                    self.end(transfer, COMPLETED)

    # libusb1's context and handle

    def handleEvents(self) -> None:  # noqa: N802
        with self.changed:
            self.changed.wait_for(lambda: self.done or self.interrupted)
            self.interrupted = False
            done, self.done = self.done, deque()
        for transfer in done:
            try:
                transfer.callback(transfer)
            except RuntimeError:
                self.calls.append("callback failed")  # ctypes prints it and goes on

    def interruptEventHandler(self) -> None:  # noqa: N802
        with self.changed:
            self.interrupted = True
            self.changed.notify_all()

    def getTransfer(self) -> FakeTransfer:  # noqa: N802
        return FakeTransfer(self)

    def clearHalt(self, endpoint: int) -> None:  # noqa: N802
        self.calls.append(f"clear {endpoint:#x}")

    def bulkRead(self, endpoint: int, size: int, timeout: int) -> bytes:  # noqa: N802
        import usb1

        with self.changed:
            if not self.packets:
                error = usb1.USBErrorTimeout()
                error.received = b""
                raise error
            return self.packets.popleft()

    def bulkWrite(self, endpoint: int, data: bytes, timeout: int) -> int:  # noqa: N802
        self.sent.append(data)
        return len(data)

    def releaseInterface(self, number: int) -> None:  # noqa: N802
        self.calls.append("release")

    def close(self) -> None:
        self.calls.append("close")

    def transport(self, **more: Any) -> SteadyUsb:
        return SteadyUsb(self, self, (IN, OUT), (SIZE, SIZE), "usb:1-1", **more)
