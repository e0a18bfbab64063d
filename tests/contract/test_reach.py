"""Which way is taken to a phone, and what is said when there is none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from agent.adb import reach as reaching
from agent.adb import shell
from agent.adb.address import is_address, parse_address
from agent.adb.direct import usb
from agent.adb.direct.connection import Connection
from agent.adb.direct.usb import UsbBusy, UsbPhone
from agent.adb.link import Link
from agent.adb.reach import Nearby, nearby, reach
from agent.adb.server.link import ServerLink
from agent.adb.server.server import Server
from agent.errors import (
    ConfigError,
    LinkError,
    NoPhoneError,
    NoServerError,
    PhoneError,
    UnauthorizedError,
    UsageError,
)
from tests.contract.scripted import ScriptedServer, okay, stall
from tests.lab.google import Adb
from tests.lab.phone import LabPhone

ON_USB = UsbPhone("USB0001", "1-2", 0x18D1, 0x4EE7, openable=True, address=5)


@pytest.fixture
def address(lab: LabPhone) -> str:
    return "{}:{}".format(*lab.address)


@pytest.fixture
def having(google: Adb, lab: LabPhone, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that runs and has the phone; its name for it."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(google.port))
    yield google.connect(lab)
    google.disconnect()


@pytest.fixture
def empty(google: Adb, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that runs and has no phone."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(google.port))
    google.disconnect()


@pytest.fixture(autouse=True)
def no_usb(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is plugged into this computer is none of the tests' business."""
    monkeypatch.setattr(usb, "available", lambda: True)
    monkeypatch.setattr(usb, "list_usb", list)

    def connect(serial: str | None, signers: object, **_: object) -> Connection:
        raise NoPhoneError(f"no phone {serial} on USB")

    monkeypatch.setattr(usb, "connect_usb", connect)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ScriptedServer]:
    """Servers with a list of phones, which the environment then names."""

    def make(listed: str) -> ScriptedServer:
        server = ScriptedServer(
            {
                "host:version": okay("0029"),
                "host:devices-l": okay(listed),
                "host:track-devices-l": stall(okay(listed)),
                "host-transport-id:7:features": okay("shell_v2"),
            }
        )
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.port))
        return server

    return make


def way_of(link: Link) -> str:
    with link:  # type: ignore[attr-defined]
        assert shell.run(link, "echo hello").stdout == b"hello\n"
    return "server" if isinstance(link, ServerLink) else "tcp"


# auto


def test_a_phone_that_the_server_has_goes_through_the_server(
    having: str, address: str, lab: LabPhone
) -> None:
    chosen: list[str] = []
    assert way_of(reach(address, on_choice=chosen.append)) == "server"
    assert way_of(reach(lab.serial)) == "server"  # though the server knows it by its address
    assert chosen == [address]


def test_a_phone_that_the_server_has_not_goes_directly(empty: None, address: str) -> None:
    chosen: list[str] = []
    assert way_of(reach(address, on_choice=chosen.append)) == "tcp"
    assert chosen == [address]


def test_no_server_is_needed(address: str) -> None:
    assert way_of(reach(address)) == "tcp"


@pytest.mark.parametrize("what", ["http", "silence"])
def test_a_stranger_on_the_servers_port_is_no_hindrance(
    address: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "_SERVER_TIMEOUT", 0.2)

    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as sock:
            if what == "http":
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            while sock.recv(4096):
                pass

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(listener.getsockname()[1]))
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        assert way_of(reach(address)) == "tcp"
        thread.join()


def test_a_phone_is_found_by_its_serial_where_it_is_now(
    having: str, address: str, lab: LabPhone
) -> None:
    """Its address was another one when it was last used."""
    assert way_of(reach("127.0.0.1:1", serial=lab.serial)) == "server"
    with pytest.raises(LinkError, match="refused"):
        reach("127.0.0.1:1", serial="another")


@pytest.mark.parametrize(
    ("state", "error", "hint"),
    [("unauthorized", UnauthorizedError, "Allow"), ("offline", LinkError, "Wake")],
)
def test_what_ails_the_phone_at_the_server_is_said(
    scripted: Callable[[str], ScriptedServer], state: str, error: type[PhoneError], hint: str
) -> None:
    listed = f"127.0.0.1:1  {state} transport_id:7\nUSB0001  {state} usb:1-2 transport_id:8\n"
    with scripted(listed):
        for name in ("127.0.0.1:1", "USB0001"):
            with pytest.raises(PhoneError) as caught:
                reach(name)
            assert type(caught.value) is error
            assert name in caught.value.message
            assert hint in str(caught.value.hint)


def test_what_the_server_has_lost_may_still_answer_directly(
    scripted: Callable[[str], ScriptedServer], address: str
) -> None:
    with scripted(f"{address}  offline transport_id:7\n"):
        assert way_of(reach(address)) == "tcp"


@pytest.mark.parametrize("ready", ["adb-USB0001-abcdef._adb-tls-connect._tcp", "USB0001"])
def test_of_two_ways_to_one_phone_the_one_that_is_ready_is_taken(
    scripted: Callable[[str], ScriptedServer], ready: str
) -> None:
    names = ("USB0001", "adb-USB0001-abcdef._adb-tls-connect._tcp")
    listed = "".join(
        f"{n}  device transport_id:7\n" if n == ready else f"{n}  offline transport_id:6\n"
        for n in names
    )
    with scripted(listed), reach("USB0001") as link:  # type: ignore[attr-defined]
        assert (link.device.serial, link.device.transport_id) == (ready, 7)


def test_an_address_without_a_port_has_the_usual_one(
    scripted: Callable[[str], ScriptedServer],
) -> None:
    listed = "127.0.0.1:5555  device transport_id:7\n"
    with scripted(listed), reach("127.0.0.1", way="server") as link:  # type: ignore[attr-defined]
        assert link.device.transport_id == 7


def test_nothing_found_says_what_was_tried(
    empty: None, google: Adb, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoPhoneError) as caught:
        reach("NOSUCH\x1b[31m")
    said = caught.value.message
    assert "adb server" in said
    assert "USB" in said
    assert "\x1b" not in said
    assert "offhook devices" in str(caught.value.hint)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "9")
    monkeypatch.setattr(usb, "available", lambda: False)
    with pytest.raises(NoPhoneError, match=r"does not run.*extra 'usb'"):
        reach("NOSUCH")


def test_an_adb_server_that_is_set_wrongly_is_no_hindrance_to_the_other_ways(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "localfilesystem:/run/adb")
    assert way_of(reach(address)) == "tcp"
    assert way_of(reach(address, way="tcp")) == "tcp"
    with pytest.raises(NoPhoneError, match="ADB_SERVER_SOCKET"):
        reach("NOSUCH")
    with pytest.raises(ConfigError, match="ADB_SERVER_SOCKET"):
        reach(address, way="server")


# USB


def test_usb_that_a_server_holds_is_reached_through_it_and_said_so_if_forced(
    scripted: Callable[[str], ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes the phone just after it was asked for its list."""
    with scripted("") as peer:

        def busy(serial: str | None, signers: object, **_: object) -> Connection:
            listed = "USB0001  device usb:1-2 transport_id:7\n"
            peer.answers["host:devices-l"] = okay(listed)
            peer.answers["host:track-devices-l"] = stall(okay(listed))
            raise UsbBusy("the phone on USB is held by another program")

        monkeypatch.setattr(usb, "connect_usb", busy)
        with reach("USB0001") as link:  # type: ignore[attr-defined]
            assert link.where == "USB0001 (adb server)"
        with pytest.raises(UsbBusy, match="the adb server at") as caught:
            reach("USB0001", way="usb")
        assert "kill-server" in str(caught.value.hint)
        monkeypatch.setattr(usb, "connect_usb", _busy_with_a_stranger)
        peer.answers["host:devices-l"] = okay("")
        for way in ("usb", "auto"):
            with pytest.raises(UsbBusy, match="another program") as caught:
                reach("USB0001", way=way)  # type: ignore[arg-type]
            assert "adb server" not in caught.value.message


def _busy_with_a_stranger(serial: str | None, signers: object, **_: object) -> Connection:
    raise UsbBusy("the phone on USB is held by another program", hint="Find it.")


def test_usb_is_taken_when_no_server_has_the_phone(
    empty: None, monkeypatch: pytest.MonkeyPatch, address: str, lab: LabPhone
) -> None:
    asked: list[str | None] = []

    def connect(serial: str | None, signers: object, **_: object) -> Link:
        asked.append(serial)
        return reach(address, way="tcp")

    monkeypatch.setattr(usb, "connect_usb", connect)
    assert way_of(reach("USB0001")) == "tcp"
    assert way_of(reach("127.0.0.1:1", serial=lab.serial)) == "tcp"
    assert asked == ["USB0001", lab.serial]


# A way that is forced


def test_a_forced_way_is_taken_or_fails(
    having: str, address: str, lab: LabPhone, google: Adb, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert way_of(reach(address, way="tcp")) == "tcp"
    assert way_of(reach(address, way="server")) == "server"
    assert way_of(reach(lab.serial, way="server")) == "server"
    google.disconnect()
    with pytest.raises(NoPhoneError, match="has no phone"):
        reach(address, way="server")
    with pytest.raises(NoPhoneError, match="has no phone"):
        reach(lab.serial, way="server")
    with pytest.raises(UsageError, match="no address"):
        reach(lab.serial, way="tcp")
    with pytest.raises(UsageError, match="no way"):
        reach(lab.serial, way="pigeon")  # type: ignore[arg-type]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "9")
    with pytest.raises(NoServerError):
        reach(address, way="server")


# What is at hand


def test_what_is_at_hand_is_listed_once(
    scripted: Callable[[str], ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = UsbPhone("", "1-3", 0x18D1, 0x4EE7, openable=False, address=6)
    other = UsbPhone("USB0003", "1-4", 0x18D1, 0x4EE7, openable=True, address=7)
    monkeypatch.setattr(usb, "list_usb", lambda: [ON_USB, closed, other])
    listed = (
        "USB0001  device usb:1-2 product:p model:Lab_Phone device:d transport_id:7\n"
        "192.0.2.7:5555  unauthorized transport_id:8\n"
    )
    with scripted(listed):
        found = nearby()
    assert [(n.way, n.name, n.state, n.serial, n.model) for n in found] == [
        ("server", "USB0001", "device", "USB0001", "Lab Phone"),
        ("server", "192.0.2.7:5555", "unauthorized", None, None),
        ("usb", "usb:1-3", "no permissions", None, None),
        ("usb", "USB0003", "found", "USB0003", None),
    ]
    assert [bool(n.hint) for n in found] == [False, True, True, False]


def test_nothing_at_hand_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nearby() == []
    monkeypatch.setattr(usb, "available", lambda: False)
    assert nearby(server=Server(port=9)) == list[Nearby]()


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("192.0.2.7", True),
        ("192.0.2.7:5555", True),
        ("phone.lan", True),
        ("localhost", True),
        ("localhost:5", True),
        ("desk:5555", True),
        ("::1", True),
        ("[::1]:5555", True),
        ("LAB12345", False),
        ("emulator-5554", False),
        ("adb-R5CT-hN (2)._adb-tls-connect._tcp", False),
        ("adb-R5CT._adb._tcp.", False),
        ("usb:1-2", False),
    ],
)
def test_an_address_is_told_from_a_serial_number(name: str, yes: bool) -> None:
    assert is_address(name) is yes
    if yes:
        parse_address(name)


def test_the_phone_that_is_expected_is_asked_and_no_other_is_taken(
    empty: None, address: str, lab: LabPhone
) -> None:
    reach(address, serial=lab.serial).close()
    for way in ("auto", "tcp"):
        with pytest.raises(NoPhoneError, match="another phone answers"):
            reach(address, way=way, serial="OTHER")  # type: ignore[arg-type]
