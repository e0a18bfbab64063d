"""What is special to USB, on the computer inside the guest of tests.lab.usb: see test_usb.py.

The phones' cables and adbds are worked by files in /lab (tests/lab/usb/cable.sh). What a phone
that lies would do can't be shown here: the other side is a real adbd, and the kernel's own USB.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import usb1

from agent.adb import files, shell
from agent.adb.direct import usb
from agent.adb.direct.connection import Connection
from agent.adb.direct.usb import UsbBusy, UsbEvent, UsbPhone, UsbWatch, connect_usb, list_usb
from agent.errors import LinkError, NoPhoneError, UsageError

SERIAL, OTHER = "LABUSB1", "LABUSB2"
TMP = "/data/local/tmp"


class Cables:
    """The cables between this computer and its phones."""

    def pull(self, number: int) -> None:
        Path(f"/lab/{number}.pulled").touch()
        wait_until(lambda: f"LABUSB{number}" not in serials())

    def plug(self, number: int) -> None:
        Path(f"/lab/{number}.pulled").unlink(missing_ok=True)
        wait_until(lambda: f"LABUSB{number}" in serials())

    def kill_adbd(self, number: int) -> None:
        os.kill(int(Path(f"/lab/{number}.adbd").read_text()), signal.SIGKILL)


@pytest.fixture
def cables() -> Iterator[Cables]:
    cables = Cables()
    yield cables
    for number in (1, 2):
        cables.plug(number)


@pytest.fixture
def link() -> Iterator[Connection]:
    with connect_usb(SERIAL, []) as link:
        yield link


def serials() -> list[str]:
    """Of the phones that may be opened: udev may still be about to allow it."""
    return [phone.serial for phone in list_usb() if phone.openable]


def wait_until(done: Callable[[], bool], seconds: float = 30) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while not done():
        assert time.monotonic() < end, "it did not come to pass"
        pause.wait(0.05)


def test_two_phones_are_told_apart() -> None:
    first, second = list_usb()
    assert (first.serial, second.serial) == (SERIAL, OTHER)
    assert (first.path, second.path) == ("1-1", "2-1")
    assert (first.vendor, first.product, first.openable) == (0x18D1, 0x4EE7, True)
    with pytest.raises(UsageError, match=r"LABUSB1 \(usb:1-1\), LABUSB2 \(usb:2-1\)"):
        connect_usb(None, [])
    with pytest.raises(NoPhoneError, match="LABUSB3"):
        connect_usb("LABUSB3", [])
    with connect_usb(OTHER, []) as two, connect_usb("usb:1-1", []) as one:
        assert shell.run(two, "echo $ADBD_PORT").text == "5602\n"
        assert shell.run(one, "echo $ADBD_PORT").text == "5601\n"
        assert (one.where, two.where) == ("usb:1-1", "usb:2-1")


def test_packets_of_every_size_go_both_ways(link: Connection) -> None:
    """Above all those that fill their last USB packet, whose end nothing marks."""
    edges = (24, 64, 512, 1024, 16384)
    sizes = [size + more for size in edges for more in (-1, 0, 1)]
    sizes += [1, 1536, 65536, link.max_payload]
    content = os.urandom(max(sizes) + len(sizes))
    with link.open("exec:cat", 10) as stream:
        for number, size in enumerate(sizes):
            data = content[number : number + size]
            stream.write(data, 10)
            came = b""
            while len(came) < size:
                came += stream.read(10)
            assert came == data, size


def test_a_large_file_arrives_whole_and_fast_enough_to_be_of_use(
    link: Connection, record_property: Callable[[str, object], None]
) -> None:
    size = 32 << 20
    made = shell.run(
        link, f"cd {TMP}; head -c {size} /dev/urandom > big; sha256sum big", timeout=60
    )
    start = time.monotonic()
    digest, got = hashlib.sha256(), 0
    for data in files.pull(link, f"{TMP}/big"):
        digest.update(data)
        got += len(data)
    record_property("pull_mb_per_s", round(got / 1e6 / (time.monotonic() - start), 1))
    shell.run(link, f"rm {TMP}/big")
    assert (got, digest.hexdigest()) == (size, made.text[:64])


def test_silent_and_flooding_streams_hold_up_nobody(link: Connection) -> None:
    with (
        shell.spawn(link, "cat") as silent,
        shell.spawn(link, "cat /dev/zero") as flood,
        link.open("exec:cat", 10) as echo,
    ):
        assert flood.frame(10)
        for word in (b"one", b"two", b"three"):
            echo.write(word, 10)
            assert echo.read(10) == word
        silent.send(b"still here")
        assert silent.frame(10) == (shell.STDOUT, b"still here")


def test_a_cable_pulled_in_a_transfer_ends_all_at_once_and_all_goes_on_after(
    cables: Cables,
) -> None:
    with connect_usb(SERIAL, []) as link, connect_usb(OTHER, []) as other:
        streams = [link.open("exec:cat /dev/zero", 10), link.open("exec:cat", 10)]
        assert streams[0].read(10)
        errors: list[LinkError] = []

        def read_all(number: int) -> None:
            with pytest.raises(LinkError) as caught:
                while streams[number].read(None):
                    pass
            errors.append(caught.value)

        threads = [threading.Thread(target=read_all, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        cables.pull(1)
        for thread in threads:
            thread.join(10)
        assert len(errors) == 2
        assert errors[0] is errors[1]
        assert not link.alive
        with pytest.raises(LinkError):
            link.open("exec:id", 10)
        assert shell.run(other, "echo on").text == "on\n"
    with pytest.raises(NoPhoneError):
        connect_usb(SERIAL, [])
    cables.plug(1)
    with connect_usb(SERIAL, []) as link:
        assert shell.run(link, "echo back").text == "back\n"


def test_a_killed_adbd_is_an_error_at_once_and_comes_back(cables: Cables) -> None:
    with connect_usb(SERIAL, []) as link, link.open("exec:cat", 10) as stream:
        cables.kill_adbd(1)
        with pytest.raises(LinkError):
            stream.read(20)
    # The gadget is gone and comes anew, with luck between two looks.
    with connected_again(SERIAL) as link:
        assert shell.run(link, "echo back").text == "back\n"


def connected_again(serial: str) -> Connection:
    """As soon as the phone takes part again."""
    end = time.monotonic() + 30
    while True:
        try:
            return connect_usb(serial, [])
        except (LinkError, NoPhoneError):
            if time.monotonic() > end:
                raise
            threading.Event().wait(0.1)


def test_a_phone_that_another_holds_is_said_to_be_held(link: Connection) -> None:
    with pytest.raises(UsbBusy, match="held by another program") as caught:
        connect_usb(SERIAL, [])
    assert "adb kill-server" in str(caught.value.hint)
    assert [phone.openable for phone in list_usb()] == [True, True]
    assert shell.run(link, "echo mine").text == "mine\n"


WATCH = f"shell,v2,raw:trap '' HUP; echo ready; cat; echo > {TMP}/ended"


def saw_end() -> None:
    """Waits until WATCH has seen the end of its input; a new connection to the same phone, too,
    would end it, so this goes by way of the other one, which has the same files."""
    with connect_usb(OTHER, []) as link:
        shell.run(link, f"while ! [ -e {TMP}/ended ]; do usleep 10000; done; rm {TMP}/ended")


def test_closing_ends_a_blocked_read_and_what_runs_on_the_phone() -> None:
    """No USB cable tells a phone that the program at its other end is gone."""
    link = connect_usb(SERIAL, [])
    stream = link.open(WATCH, 10)
    assert stream.read(10).endswith(b"ready\n")

    def read() -> None:
        with contextlib.suppress(LinkError):
            while stream.read(None):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    link.close()
    reader.join(5)
    assert not reader.is_alive()
    saw_end()


CLIENT = """
import sys, threading
from agent.adb.direct import packet
from agent.adb.direct.usb import connect_usb
link = connect_usb("LABUSB1", [])
flood = link.open("exec:cat /dev/zero", 10)
sink = link.open("exec:cat > /dev/null", 10)
assert flood.read(10)
{what}
print("ready", flush=True)
threading.Event().wait()
"""
HALF = """
transport = link._wire._transport
head = packet.encode(packet.WRTE, sink.local, sink.remote, bytes(65536), checksum=False)
transport.write(head, b"", 10)
"""


@pytest.mark.parametrize("what", ["", HALF], ids=["while it reads", "in the middle of a packet"])
def test_what_a_killed_program_left_is_in_nobodys_way(what: str, cables: Cables) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT.format(what=what)], stdout=subprocess.PIPE, cwd="/work"
    )
    with client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        client.kill()
    with connect_usb(SERIAL, [], timeout=8) as link:
        assert shell.run(link, "echo clean").text == "clean\n"
        assert len(b"".join(files.pull(link, "/system/bin/toybox"))) > 100_000


USER = """
import os, sys
from agent.adb.direct.usb import connect_usb, list_usb
from agent.errors import LinkError

for group in (1000, 46):
    if not os.fork():
        os.setgroups([group])
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
        print(group, [(phone.serial, phone.openable) for phone in list_usb()], flush=True)
        try:
            link = connect_usb("LABUSB1", [])
            print(link.where, link.open(sys.argv[1], 10).read(10)[5:], flush=True)
        except LinkError as error:
            print(error, error.hint, flush=True)
        sys.exit()  # and the connection is not closed
    assert os.wait()[1] == 0
"""


def test_only_who_may_opens_a_phone_and_a_program_that_just_ends_does_not_fall() -> None:
    command = [sys.executable, "-c", USER, WATCH]
    done = subprocess.run(command, cwd="/work", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    nobody, refused, member, connected = done.stdout.splitlines()
    assert nobody == f"1000 {[(SERIAL, False), (OTHER, False)]}"
    assert "may not open" in refused
    assert "plugdev" in refused
    assert member == f"46 {[(SERIAL, True), (OTHER, True)]}"
    assert connected == r"usb:1-1 b'ready\n'"
    saw_end()


@contextlib.contextmanager
def watched(watch: UsbWatch) -> Iterator[list[tuple[bool, str]]]:
    """What a watch tells, as (whether it arrived, serial), while the block runs."""
    told: list[tuple[bool, str]] = []
    stop = threading.Event()

    def note(event: UsbEvent) -> None:
        told.append((event.arrived, event.phone.serial))

    thread = threading.Thread(target=watch.run, args=(note, stop))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        watch.wake()
        thread.join(10)


@pytest.mark.parametrize("hot_plug", [True, False])
def test_comings_and_goings_are_told(
    hot_plug: bool, cables: Cables, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []

    def scan() -> list[UsbPhone]:
        scans.append(time.monotonic())
        return list_usb()

    if hot_plug:
        monkeypatch.setattr(usb, "_SCAN", 3600.0)
    else:
        monkeypatch.setattr(usb1, "hasCapability", lambda _: False)
    with watched(UsbWatch(scan)) as told:
        wait_until(lambda: len(told) >= 2)
        assert told == [(True, SERIAL), (True, OTHER)]
        cables.pull(1)
        wait_until(lambda: (False, SERIAL) in told)
        cables.plug(1)
        wait_until(lambda: told[-1] == (True, SERIAL))
        assert told[2] == (False, SERIAL)
        assert (False, OTHER) not in told
    assert len(scans) < 30
