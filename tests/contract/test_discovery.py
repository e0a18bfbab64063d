"""Phones that come and go, from every place where they are noticed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zeroconf

from agent.adb.direct import usb
from agent.adb.direct.usb import UsbEvent, UsbPhone
from agent.adb.finding import discovery
from agent.adb.finding.discovery import Discovery, Gone, Roster, Seen, ask_serial, finders
from agent.adb.finding.finders import AddressFinder, Event, ServerFinder, Stop, Tell, UsbFinder
from agent.adb.finding.mdns import PLAIN, TLS, MdnsFinder
from agent.adb.server.server import Server
from agent.errors import ConfigError, LinkError, OffhookError
from tests.contract.scripted import ScriptedServer, okay, stall, text
from tests.lab.google import Adb
from tests.lab.phone import LabPhone


def until(found: Discovery, wanted: Event, seconds: float = 20) -> list[Event]:
    """The events up to the one that is waited for."""
    seen: list[Event] = []
    end = time.monotonic() + seconds
    while not seen or seen[-1] != wanted:
        event = found.next(max(0.0, end - time.monotonic()))
        assert event is not None, f"{wanted} never came, but {seen}"
        seen.append(event)
    return seen


def silent(found: Discovery, seconds: float = 0.3) -> None:
    assert found.next(seconds) is None


def dumb(seen: Seen) -> Seen:
    """A phone that is not asked."""
    return replace(seen, serial="-")


@contextlib.contextmanager
def running(adb: Adb) -> Iterator[subprocess.Popen[bytes]]:
    """Google's server, as a child process."""
    with subprocess.Popen(
        [*adb.command, "server", "nodaemon"],
        env=adb.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            end, pause = time.monotonic() + 10, threading.Event()
            while not Server(port=adb.port).running():
                assert time.monotonic() < end
                pause.wait(0.01)
            yield process
        finally:
            process.kill()


# The server


def test_a_server_may_come_after_us_die_and_come_again(lab: LabPhone, tmp_path: Path) -> None:
    adb = Adb(tmp_path)
    server = Server(port=adb.port)
    name = "{}:{}".format(*lab.address)
    here = Seen("server", name, "device")
    known = replace(here, serial=lab.serial)
    with Discovery(
        [ServerFinder(server, pause=0.05)], ask=lambda seen: ask_serial(seen, server=server)
    ) as found:
        silent(found)
        for how in ("kill", "kill-server"):
            with running(adb) as process:
                server.connect(name)
                until(found, here)
                assert until(found, known) == [known]
                process.kill() if how == "kill" else adb.run("kill-server")
                until(found, Gone("server", name))
        silent(found)


def test_each_state_of_a_phone_is_told_once(google: Adb, lab: LabPhone) -> None:
    server = Server(port=google.port)
    google.disconnect()
    with Discovery([ServerFinder(server)], ask=dumb) as found:
        silent(found)
        name = google.connect(lab)
        until(found, Seen("server", name, "device", "-"))
        lab.unplug()
        try:
            assert until(found, Seen("server", name, "offline")) == [
                Seen("server", name, "offline")
            ]
            silent(found)
        finally:
            lab.plug()
        google.run("disconnect", name)
        until(found, Gone("server", name))
        google.connect(lab)
        until(found, Seen("server", name, "device"))
    google.disconnect()


def test_a_stranger_on_the_servers_port_does_not_end_the_search() -> None:
    with ScriptedServer({"host:track-devices-l": b"HTTP/1.1"}) as peer:
        finder = ServerFinder(Server(port=peer.port), pause=0.02)
        with Discovery([finder], ask=dumb) as found:
            silent(found, 0.1)
            peer.answers["host:track-devices-l"] = stall(okay("X  device usb:1-2\n"))
            assert found.next(10) == Seen("server", "X", "device", "X")


def test_a_list_that_says_nothing_new_is_no_event() -> None:
    one, two = "X  device usb:1-2\n", "Y  device usb:1-3\n"
    lists = okay(one) + text(one) + text(one + two) + text(two + one) + text(two)
    with (
        ScriptedServer({"host:track-devices-l": stall(lists)}) as peer,
        Discovery([ServerFinder(Server(port=peer.port))], ask=dumb) as found,
    ):
        told = until(found, Gone("server", "X"))
    assert [(type(e), e.name) for e in told] == [(Seen, "X"), (Seen, "Y"), (Gone, "X")]


# Addresses


def test_an_address_that_is_known_is_noticed_and_asked_who_it_is(lab: LabPhone) -> None:
    name = "{}:{}".format(*lab.address)
    lab.unplug()
    with Discovery([AddressFinder(name, pause=0.05)]) as found:
        try:
            silent(found)
        finally:
            lab.plug()
        assert until(found, Seen("tcp", name, "device", lab.serial)) == [
            Seen("tcp", name, "found"),
            Seen("tcp", name, "device", lab.serial),
        ]
        silent(found)
        lab.unplug()
        try:
            assert found.next(10) == Gone("tcp", name)
        finally:
            lab.plug()
        until(found, Seen("tcp", name, "device", lab.serial))


def test_an_address_that_is_in_use_is_left_alone() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.2)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        busy = threading.Event()
        busy.set()
        finder = AddressFinder(address, busy=busy.is_set, pause=0.02)
        with Discovery([finder], ask=dumb) as found:
            with pytest.raises(TimeoutError):
                listener.accept()
            busy.clear()
            listener.settimeout(10)
            listener.accept()[0].close()
            assert found.next(10) == Seen("tcp", address, "found")


def test_a_search_ends_at_once_whatever_it_waits_for() -> None:
    """A full backlog is an address whose connection is never answered."""
    with contextlib.closing(socket.socket()) as listener, contextlib.ExitStack() as full:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(3):
            filler = full.enter_context(contextlib.closing(socket.socket()))
            filler.setblocking(False)
            filler.connect_ex(address)
        with ScriptedServer({"host:track-devices-l": stall(okay(""))}) as peer:
            found = Discovery(
                [
                    AddressFinder("{}:{}".format(*address)),
                    ServerFinder(Server(port=peer.port)),
                    ServerFinder(Server(port=9)),
                    MdnsFinder(["127.0.0.1"]),
                ]
            )
            ends: list[object] = []
            waiter = threading.Thread(target=lambda: ends.append(list(found)))
            waiter.start()
            silent(found, 0.2)
            start = time.monotonic()
            found.close()
            waiter.join(5)
            assert time.monotonic() - start < 1.5
            assert ends == [[]]
            assert found.next(None) is None


# USB


def test_phones_on_usb_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    one = UsbPhone("USB0001", "1-2", 0x18D1, 0x4EE7, openable=True, address=5)
    closed = UsbPhone("", "1-3", 0x18D1, 0x4EE7, openable=False, address=6)

    class Watch:
        def __init__(self) -> None:
            self.woken = threading.Event()

        def run(self, tell: Callable[[UsbEvent], None], stop: threading.Event) -> None:
            tell(UsbEvent(True, one))
            tell(UsbEvent(True, closed))
            tell(UsbEvent(False, one))
            assert self.woken.wait(10)
            assert stop.is_set()

        def wake(self) -> None:
            self.woken.set()

    monkeypatch.setattr(usb, "UsbWatch", Watch)
    with Discovery([UsbFinder()], ask=dumb) as found:
        assert [found.next(5) for _ in range(3)] == [
            Seen("usb", "USB0001", "found", "USB0001"),
            Seen("usb", "usb:1-3", "no permissions"),
            Gone("usb", "USB0001"),
        ]


# mDNS


@contextlib.contextmanager
def announced(kind: str, instance: str, port: int) -> Iterator[None]:
    """A phone that announces itself on loopback."""
    phone = zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    info = zeroconf.ServiceInfo(
        kind,
        f"{instance}.{kind}",
        addresses=[socket.inet_aton("127.0.0.1")],
        port=port,
        server="phone-of-a-test.local.",
    )
    try:
        phone.register_service(info)
        yield
    finally:
        phone.unregister_all_services()
        phone.close()


def test_a_phone_that_announces_itself_is_seen_and_so_is_its_going() -> None:
    with Discovery([MdnsFinder(["127.0.0.1"])], ask=dumb) as found:
        with announced(PLAIN, "adb-LAB-1", 21001):
            assert until(found, Seen("mdns", "127.0.0.1:21001", "found", "LAB-1"))
        assert until(found, Gone("mdns", "127.0.0.1:21001"))
        with announced(TLS, "adb-LAB-2-hNiWLk (2)", 21002):
            assert until(found, Seen("mdns", "127.0.0.1:21002", "tls", "LAB-2"))
    assert found.problems == []


def test_mdns_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(ConfigError) as caught:
        finders(mdns=True)
    assert ".[mdns]" in str(caught.value.hint)


# The stream


class Told:
    """A finder that tells what a test has it tell."""

    def __init__(self, *events: Event, error: OffhookError | None = None) -> None:
        self.events, self.error = events, error
        self.tell: Tell | None = None

    def run(self, tell: Tell, stop: Stop) -> None:
        self.tell = tell
        for event in self.events:
            tell(event)
        if self.error is not None:
            raise self.error
        stop.wait()


def test_a_phone_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_AGAIN", 0.01)
    answers: list[Seen | Exception] = [
        LinkError("not now"),
        ConfigError("the key is broken"),
        replace(Seen("tcp", "a:1", "unauthorized")),
        Seen("tcp", "a:1", "unauthorized"),
        Seen("tcp", "a:1", "device", "S"),
    ]

    def ask(seen: Seen) -> Seen:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with Discovery([Told(Seen("tcp", "a:1", "found"))], ask=ask) as found:
        assert [found.next(5) for _ in range(3)] == [
            Seen("tcp", "a:1", "found"),
            Seen("tcp", "a:1", "unauthorized"),
            Seen("tcp", "a:1", "device", "S"),
        ]
        silent(found, 0.1)
    assert answers == []


def test_an_answer_of_a_phone_that_went_meanwhile_is_not_told() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def ask(seen: Seen) -> Seen:
        asked.set()
        assert go_on.wait(10)
        return replace(seen, serial="S")

    finder = Told(Seen("tcp", "a:1", "found"))
    with Discovery([finder], ask=ask) as found:
        assert asked.wait(10)
        assert finder.tell is not None
        finder.tell(Gone("tcp", "a:1"))
        go_on.set()
        assert [found.next(5), found.next(5)] == [Seen("tcp", "a:1", "found"), Gone("tcp", "a:1")]
        silent(found, 0.1)


def test_a_finder_that_can_not_work_does_not_stop_the_others() -> None:
    broken = Told(error=LinkError("no libusb"))
    with Discovery([broken, Told(Seen("usb", "U", "found", "U"))], ask=dumb) as found:
        assert found.next(5) == Seen("usb", "U", "found", "U")
    assert [p.message for p in found.problems] == ["no libusb"]


def test_what_can_be_searched_here_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "available", lambda: True)
    kinds = [type(f) for f in finders(addresses=["a:1", "b", "a:1"], mdns=True)]
    assert kinds == [ServerFinder, UsbFinder, AddressFinder, AddressFinder, MdnsFinder]
    monkeypatch.setattr(usb, "available", lambda: False)
    assert [type(f) for f in finders()] == [ServerFinder]


# The roster


def test_a_phone_that_comes_back_at_another_address_is_the_same_phone() -> None:
    roster = Roster()
    here, there = (
        Seen("tcp", "192.0.2.7:5555", "device", "S"),
        Seen("tcp", "192.0.2.9:5555", "found", "S"),
    )
    told = [
        *roster.take(replace(here, state="found", serial=None)),
        *roster.take(here),
        *roster.take(Gone("tcp", here.name)),
        *roster.take(Gone("tcp", here.name)),
        *roster.take(there),
        *roster.take(replace(there, state="device")),
    ]
    assert [(c.kind, c.serial, c.now, c.before) for c in told] == [
        ("arrived", "S", here, None),
        ("departed", "S", None, here),
        ("arrived", "S", there, here),
    ]
    assert roster.phones == ["S"]


def test_a_phone_with_several_ways_departs_with_the_last() -> None:
    roster = Roster()
    cable, air = Seen("usb", "S", "found", "S"), Seen("tcp", "192.0.2.7:5555", "device", "S")
    server = Seen("server", "S", "device", "S")
    steps: list[tuple[Event, list[str]]] = [
        (cable, ["arrived"]),
        (air, ["moved"]),  # it answers there, and nobody has talked with it on USB
        (server, ["moved"]),
        (Gone("usb", "S"), []),
        (replace(server, state="offline"), ["moved"]),
        (server, ["moved"]),
        (Gone("server", "S"), ["moved"]),
        (replace(air, state="unauthorized"), ["departed"]),
        (Gone("tcp", air.name), []),
    ]
    for event, kinds in steps:
        assert [c.kind for c in roster.take(event)] == kinds, event
    assert roster.phones == []


def test_another_phone_at_the_same_address_is_another_phone() -> None:
    roster = Roster()
    first = Seen("tcp", "192.0.2.7:5555", "device", "A")
    roster.take(first)
    told = roster.take(replace(first, serial="B"))
    assert [(c.kind, c.serial) for c in told] == [("departed", "A"), ("arrived", "B")]
    assert roster.ways("A") == []
    assert [w.serial for w in roster.ways("B")] == ["B"]


def test_wireless_debugging_alone_is_no_way_yet() -> None:
    roster = Roster()
    assert roster.take(Seen("mdns", "192.0.2.7:37123", "tls", "S")) == []
    told = roster.take(Seen("server", "adb-S-abcdef._adb-tls-connect._tcp", "device", "S"))
    assert [c.kind for c in told] == ["arrived"]


def test_a_real_phone_that_moves_to_another_address_is_recognised() -> None:
    roster = Roster()
    with LabPhone() as phone:
        serial, first = phone.serial, "{}:{}".format(*phone.address)
        with Discovery([AddressFinder(first, pause=0.05)]) as found:
            told = [
                c
                for e in until(found, Seen("tcp", first, "device", serial))
                for c in roster.take(e)
            ]
    assert [(c.kind, c.serial) for c in told] == [("arrived", serial)]
    roster.take(Gone("tcp", first))
    with LabPhone(serial=serial) as phone:
        second = "{}:{}".format(*phone.address)
        with Discovery([AddressFinder(second, pause=0.05)]) as found:
            told = [
                c
                for e in until(found, Seen("tcp", second, "device", serial))
                for c in roster.take(e)
            ]
    assert first != second
    assert [(c.kind, c.serial, c.before and c.before.name) for c in told] == [
        ("arrived", serial, first)
    ]
