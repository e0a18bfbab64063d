"""USB as a transport, on a bus in memory: sizes, ends, time limits, what a phone does wrong."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.adb.direct import packet
from agent.adb.direct.usb import UsbEvent, UsbPhone, UsbWatch, available, list_usb
from agent.adb.direct.usb_transport import NO_DEVICE, STALL, SteadyUsb, UsbGone
from agent.errors import LinkError, LinkTimeout, ProtocolError
from tests.usb.fake import FakeBus


def packed(command: int, payload: bytes = b"") -> tuple[bytes, ...]:
    header = packet.encode(command, 1, 2, payload, checksum=False)
    return (header, payload) if payload else (header,)


HELLO = packed(packet.CNXN, b"device::")


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def usb(bus: FakeBus) -> Iterator[SteadyUsb]:
    """Connected: the phone has greeted."""
    transport = bus.transport()
    transport.start()
    bus.say(*HELLO)
    assert exactly(transport, 32) == b"".join(HELLO)
    yield transport
    transport.close()


def exactly(transport: SteadyUsb, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += transport.read(size - len(data), 5)
    return data


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024, 16384, 65536, 1 << 20])
@pytest.mark.parametrize("marked", [False, True])
def test_a_payload_of_any_size_arrives_with_its_end_marked_or_not(
    bus: FakeBus, usb: SteadyUsb, size: int, marked: bool
) -> None:
    sent = packed(packet.WRTE, bytes(range(256)) * (size // 256) + bytes(size % 256))
    bus.say(*sent)
    if marked and size % 512 == 0:
        bus.say(b"")
    assert exactly(usb, 24 + size) == b"".join(sent)
    bus.say(*packed(packet.OKAY))
    assert exactly(usb, 24) == packed(packet.OKAY)[0]


def test_what_an_earlier_program_left_is_not_read(bus: FakeBus) -> None:
    transport = bus.transport()
    bus.say(bytes(70_000))
    transport.start()
    assert bus.calls == ["clear 0x81", "clear 0x2"]
    # And what comes late: the rest of a payload that nothing marks the end of, and a packet.
    bus.say(
        bytes(1024), *packed(packet.WRTE, bytes(1000)), *packed(packet.CLSE), bytes(512), *HELLO
    )
    assert exactly(transport, 32) == b"".join(HELLO)
    transport.close()


def test_no_greeting_is_not_waited_for_longer_than_patience(bus: FakeBus) -> None:
    transport = bus.transport(patience=0.05)
    transport.start()
    with pytest.raises(LinkTimeout):
        transport.read(24, None)
    assert not transport.heard
    transport.close()


@pytest.mark.parametrize(
    "sent",
    [
        (b"x" * 23,),
        (b"x" * 24,),
        (*packed(packet.WRTE, bytes(600)), bytes(24) + b"!"),
        (packed(packet.WRTE, bytes(5))[0], bytes(6)),
    ],
    ids=["short header", "no header", "long header", "long payload"],
)
def test_what_is_not_adb_is_an_error_at_once(
    bus: FakeBus, usb: SteadyUsb, sent: tuple[bytes, ...]
) -> None:
    bus.say(*sent)
    with pytest.raises(ProtocolError):
        while usb.read(65536, None):
            pass


@pytest.mark.parametrize("status", [1, NO_DEVICE, STALL])
def test_a_pulled_cable_fails_everybody_with_the_same_error(
    bus: FakeBus, usb: SteadyUsb, status: int
) -> None:
    bus.stuck = True
    usb.write(*packed(packet.WRTE, bytes(1 << 20)), timeout=5)
    errors: list[LinkError] = []

    def attempt(what: str) -> None:
        with pytest.raises(UsbGone) as caught:
            if what == "read":
                usb.read(24, None)
            else:
                usb.write(*packed(packet.WRTE, bytes(2 << 20)), timeout=None)
        errors.append(caught.value)

    threads = [threading.Thread(target=attempt, args=(what,)) for what in ("read", "write")]
    for thread in threads:
        thread.start()
    bus.end_all(status)
    for thread in threads:
        thread.join(5)
    assert len(errors) == 2
    assert errors[0] is errors[1]
    with pytest.raises(UsbGone):
        usb.write(*packed(packet.CLSE), b"", timeout=5)
    assert bus.sent == []  # nor is a phone that is gone told good-bye


def test_time_limits_leave_everything_in_step(bus: FakeBus, usb: SteadyUsb) -> None:
    bus.say(packed(packet.WRTE, bytes(700))[0])
    assert len(exactly(usb, 24)) == 24
    with pytest.raises(LinkTimeout):
        usb.read(700, 0.02)
    bus.say(bytes(700))
    assert exactly(usb, 700) == bytes(700)

    bus.stuck = True
    full = packed(packet.WRTE, bytes(1 << 20))
    usb.write(*full, timeout=5)
    with pytest.raises(LinkTimeout):
        for _ in range(4):
            usb.write(*full, timeout=0.02)
    waiting = len(bus.pending) - 1  # one is a read
    bus.take()
    usb.write(packed(packet.CLSE)[0], b"", timeout=5)
    kinds = [len(data) for data in bus.sent]
    assert kinds == [24, 1 << 20, 0] * (waiting // 3) + [24]
    assert waiting <= 6  # no more than two payloads wait


@pytest.mark.parametrize(
    ("size", "transfers"),
    [(0, [24]), (1, [24, 1]), (511, [24, 511]), (512, [24, 512, 0]), (16384, [24, 16384, 0])],
)
def test_header_and_payload_go_apart_and_a_full_packet_gets_an_end(
    bus: FakeBus, usb: SteadyUsb, size: int, transfers: list[int]
) -> None:
    data = bytes(size)
    usb.write(packet.encode(packet.WRTE, 1, 2, data, checksum=False), data, 5)
    assert [len(sent) for sent in bus.sent] == transfers


def test_a_shutdown_ends_a_blocked_read_and_a_blocked_write(bus: FakeBus, usb: SteadyUsb) -> None:
    bus.stuck = True
    usb.write(*packed(packet.WRTE, bytes(1 << 20)), timeout=5)
    usb.write(*packed(packet.WRTE, bytes(1 << 19)), timeout=5)
    ended: list[LinkError] = []

    def attempt(what: str) -> None:
        with pytest.raises(LinkError, match="was closed") as caught:
            if what == "read":
                usb.read(24, None)
            else:
                usb.write(*packed(packet.WRTE, bytes(1 << 20)), timeout=None)
        ended.append(caught.value)

    threads = [threading.Thread(target=attempt, args=(what,)) for what in ("read", "write")]
    for thread in threads:
        thread.start()
    usb.shutdown()
    for thread in threads:
        thread.join(5)
    assert len(ended) == 2
    usb.close()
    assert bus.calls[-3:] == ["release", "close", "close"]
    assert not bus.pending
    usb.close()  # harmless


def test_closing_tells_the_phone_and_leaves_nothing_unread(bus: FakeBus, usb: SteadyUsb) -> None:
    bus.say(*packed(packet.WRTE, bytes(100)))
    usb.close()
    header, banner = bus.sent
    assert packet.decode(header).command == packet.CNXN
    assert packet.decode(header).length == len(banner)
    assert not bus.packets


def test_a_slow_reader_makes_the_phone_wait(bus: FakeBus, usb: SteadyUsb) -> None:
    for _ in range(16):
        bus.say(*packed(packet.WRTE, bytes(1 << 20)))
    whole = sum(map(len, packed(packet.WRTE, bytes(1 << 20))))
    assert len(exactly(usb, whole)) == whole
    assert bus.asked < 8 << 20
    for _ in range(15):
        assert len(exactly(usb, whole)) == whole


def test_a_mistake_of_ours_ends_the_connection_and_does_not_hang(
    bus: FakeBus, usb: SteadyUsb
) -> None:
    bus.broken = True
    bus.say(*packed(packet.OKAY))
    with pytest.raises(LinkError, match="a mistake of ours"):
        usb.read(24, None)
    assert bus.calls[-1] == "callback failed"


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usb1", None)
    with pytest.raises(LinkError, match="libusb1 is not installed") as caught:
        list_usb()
    assert caught.value.hint == "In Offhook's checkout: pip install '.[usb]'"
    assert not available()


def test_a_watch_tells_of_each_change_once() -> None:
    one = UsbPhone("ONE", "1-1", 0x18D1, 0x4EE7, True, 5)
    two = UsbPhone("TWO", "1-2", 0x18D1, 0x4EE7, False, 6)
    scans = [
        [one],
        [one, two],
        [one, replace(two, openable=True)],
        [replace(one, address=7), replace(two, openable=True)],
        [],
    ]
    wanted = [
        (True, "ONE", True),
        (True, "TWO", False),
        (True, "TWO", True),
        (False, "ONE", True),
        (True, "ONE", True),
        (False, "ONE", True),
        (False, "TWO", True),
    ]
    told: list[tuple[bool, str, bool]] = []
    stop = threading.Event()

    def scan() -> list[UsbPhone]:
        watch.wake()  # the next one at once
        if not scans:
            stop.set()
            return []
        return scans.pop(0)

    def tell(event: UsbEvent) -> None:
        told.append((event.arrived, event.phone.serial, event.phone.openable))

    watch = UsbWatch(scan)
    watch.run(tell, stop)
    assert told == wanted
