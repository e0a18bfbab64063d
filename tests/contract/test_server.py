"""The way through an adb server: Google's own, and a scripted one for what that seldom says."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.adb.server.server import Server, ServerDevice, parse_devices
from agent.errors import (
    ConfigError,
    LinkError,
    LinkTimeout,
    NoPhoneError,
    NoServerError,
    PhoneError,
    ProtocolError,
    RemoteError,
    UnauthorizedError,
)
from tests.contract.scripted import ScriptedServer, drip, fail, okay, stall
from tests.lab.google import Adb
from tests.lab.phone import LabPhone

ONE = "0123456789ABCDEF       device usb:1-2 product:p model:Lab_Phone device:d transport_id:7"


@pytest.fixture
def server(google: Adb) -> Server:
    return Server(port=google.port)


# What a server is asked


def test_a_server_says_its_version_and_its_phones(
    google: Adb, server: Server, lab: LabPhone
) -> None:
    name = server.connect("{}:{}".format(*lab.address))
    assert server.version() == 41
    assert server.running()
    (device,) = (d for d in server.devices() if d.serial == name)
    assert (device.state, device.ready, device.usb) == ("device", True, None)
    assert f"transport_id:{device.transport_id}" in google.run("devices", "-l").text
    assert server.connect(name) == name  # it has it already
    server.disconnect(name)
    assert name not in [d.serial for d in server.devices()]
    with pytest.raises(NoPhoneError):
        server.disconnect(name)


def test_the_list_comes_anew_whenever_it_changes(
    google: Adb, server: Server, lab: LabPhone
) -> None:
    name = "{}:{}".format(*lab.address)
    google.run("disconnect", name)
    with server.track() as tracker:
        assert name not in [d.serial for d in tracker.next(5)]
        with pytest.raises(LinkTimeout):
            tracker.next(0.05)
        server.connect(name)
        while state_of(tracker.next(5), name) != "device":
            pass
        server.disconnect(name)
        while state_of(tracker.next(5), name) is not None:
            pass
        closer = threading.Timer(0.1, tracker.close)
        closer.start()
        assert list(tracker) == []  # and it ended, because it was closed
        closer.join()


def state_of(devices: list[ServerDevice], name: str) -> str | None:
    return next((d.state for d in devices if d.serial == name), None)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "refused"),
        ("127.0.0.1:99999", "bad port"),
        ("no.such.invalid:5555", "resolve"),
    ],
)
def test_a_phone_that_is_not_there_is_an_error_though_the_server_says_okay(
    server: Server, address: str, words: str
) -> None:
    with pytest.raises(LinkError, match=words) as caught:
        server.connect(address)
    assert caught.value.hint
    assert caught.value.exit_code == 11


def test_what_servers_say_of_connecting_and_pairing_becomes_the_right_error() -> None:
    known: list[tuple[bytes, type[PhoneError] | None]] = [
        (okay("connected to h:1"), None),
        (okay("already connected to h:1"), None),
        (okay("failed to authenticate to h:1"), UnauthorizedError),
        (okay("failed to connect to h:1"), LinkError),
        (okay("unable to connect to h:1:1"), LinkError),
        (okay("failed to connect to 'h:1': No route to host\x1b[31m"), LinkError),
        (fail("closed"), LinkError),
        (okay(""), LinkError),
    ]
    for answer, error in known:
        with ScriptedServer({"host:connect:h:1": answer}) as peer:
            check(error, lambda at=peer.port: Server(port=at).connect("h:1"), "h:1")
    known = [
        (okay("Successfully paired to h:1 [guid=adb-X-y]"), None),
        (b"OKAY" + fail("Failed: Wrong password or connection was dropped."), UnauthorizedError),
        (okay("Failed: Wrong password or connection was dropped."), UnauthorizedError),
        (b"OKAY" + fail("Failed: Unable to start pairing client."), LinkError),
        (okay("Failed: Unable to start pairing client."), LinkError),
        (fail("unknown host service"), RemoteError),
    ]
    for answer, error in known:
        with ScriptedServer({"host:pair:123456:h:1": answer}) as peer:
            said = check(error, lambda at=peer.port: Server(port=at).pair("h:1", "123456"))
            assert said in (None, "Successfully paired to h:1 [guid=adb-X-y]")


def check(
    error: type[PhoneError] | None, ask: Callable[[], str], good: str | None = None
) -> str | None:
    if error is None:
        said = ask()
        assert good in (None, said)
        return said
    with pytest.raises(PhoneError) as caught:
        ask()
    assert type(caught.value) is error, caught.value
    assert caught.value.hint or error is LinkError
    assert "\x1b" not in caught.value.message
    return None


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (("pair", "192.0.2.7:37123", "123456"), lambda s: s.pair("192.0.2.7:37123", "123456")),
        (("connect", "192.0.2.7:5555"), lambda s: s.connect("192.0.2.7:5555")),
        (("disconnect", "192.0.2.7:5555"), lambda s: s.disconnect("192.0.2.7:5555")),
        (("devices", "-l"), lambda s: s.devices()),
    ],
)
def test_we_ask_in_the_words_of_googles_client(
    google: Adb, words: tuple[str, ...], ask: Callable[[Server], object]
) -> None:
    with ScriptedServer({"host:version": okay("0029")}) as peer:
        client = [google.command[0], "-P", str(peer.port), *words]
        subprocess.run(client, env=google.environment, capture_output=True, check=False, timeout=20)
        theirs = set(peer.requests) - {"host:version", "host:host-features", "host:features"}
        peer.requests.clear()
        with contextlib.suppress(PhoneError):
            ask(Server(port=peer.port))
        assert set(peer.requests) == theirs


def test_a_list_of_phones_is_read_whatever_their_names_are() -> None:
    listed = parse_devices(
        f"{ONE}\n"
        "192.0.2.7:5555         offline transport_id:3\n"
        "adb-R5CT-hN (2)._adb-tls-connect._tcp device product:q model:S device:q transport_id:4\n"
        "a serial               unauthorized usb:1-1 transport_id:5\n"
        "(no serial number)     no permissions (missing udev rules? user is in the plugdev group);"
        " see [http://developer.android.com/tools/device.html] usb:3-1.2 transport_id:6\n"
        "\n"
        "odd                    strange\n"
    )
    assert listed == [
        ServerDevice("0123456789ABCDEF", "device", "p", "Lab_Phone", 7, "1-2"),
        ServerDevice("192.0.2.7:5555", "offline", transport_id=3),
        ServerDevice("adb-R5CT-hN (2)._adb-tls-connect._tcp", "device", "q", "S", 4),
        ServerDevice("a serial", "unauthorized", transport_id=5, usb="1-1"),
        ServerDevice("(no serial number)", "no permissions", transport_id=6, usb="3-1.2"),
        ServerDevice("odd                    strange", "unknown"),
    ]
    assert [d.hardware_serial for d in listed[:4]] == ["0123456789ABCDEF", None, "R5CT", "a serial"]
    assert parse_devices("emulator-5554\tdevice\nx y\toffline\n") == [
        ServerDevice("emulator-5554", "device"),
        ServerDevice("x y", "offline"),
    ]
    assert parse_devices("") == []


# Which server


@pytest.mark.parametrize(
    ("environment", "server"),
    [
        ({}, Server("127.0.0.1", 5037)),
        ({"ANDROID_ADB_SERVER_PORT": "5038"}, Server("127.0.0.1", 5038)),
        ({"ANDROID_ADB_SERVER_ADDRESS": "192.0.2.1"}, Server("192.0.2.1", 5037)),
        ({"ADB_SERVER_SOCKET": "tcp:192.0.2.1:9"}, Server("192.0.2.1", 9)),
        ({"ADB_SERVER_SOCKET": "tcp:5039"}, Server("127.0.0.1", 5039)),
        ({"ADB_SERVER_SOCKET": "tcp:[::1]:9", "ANDROID_ADB_SERVER_PORT": "8"}, Server("::1", 9)),
        ({"ADB_SERVER_SOCKET": "tcp:localhost:9"}, Server("127.0.0.1", 9)),
    ],
)
def test_the_server_is_the_one_that_googles_adb_would_use(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], server: Server
) -> None:
    monkeypatch.delenv("ANDROID_ADB_SERVER_PORT")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Server.default() == server


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADB_SERVER_SOCKET", "localfilesystem:/x"),
        ("ADB_SERVER_SOCKET", "tcp:host:"),
        ("ANDROID_ADB_SERVER_PORT", "adb"),
        ("ANDROID_ADB_SERVER_PORT", "70000"),
    ],
)
def test_a_setting_that_names_no_server_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        Server.default()


def test_nobody_a_stranger_and_silence_are_told_apart_within_the_time_limit() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        server = Server(port=silent.getsockname()[1])
        start = time.monotonic()
        with pytest.raises(LinkTimeout):
            server.devices(timeout=0.2)
        assert time.monotonic() - start < 3
        assert not server.running(timeout=0.1)
    with pytest.raises(NoServerError, match="refused"):
        server.devices()
    assert not server.running()

    def http(listener: socket.socket) -> None:
        # The other side may be gone before every step: it has read enough.
        with listener.accept()[0] as sock, contextlib.suppress(OSError):
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=http, args=(listener,))
        thread.start()
        with pytest.raises(ProtocolError, match="HTTP"):
            Server(port=listener.getsockname()[1]).devices()
        thread.join()


def test_an_answer_that_ends_stalls_or_drips_at_any_byte_is_never_half_a_list() -> None:
    whole = okay(f"{ONE}\n")
    with ScriptedServer({"host:devices-l": drip(whole)}) as peer:
        assert [d.transport_id for d in Server(port=peer.port).devices()] == [7]
    with ScriptedServer({}) as peer:
        server = Server(port=peer.port)
        for size in range(len(whole)):
            peer.answers["host:devices-l"] = whole[:size]
            if size == 4:  # a bare OKAY: the scripted server waits for another request
                continue
            with pytest.raises(LinkError, match="closed the connection"):
                server.devices()
        for size in (0, 1, 4, 6, 8, 20):
            peer.answers["host:devices-l"] = stall(whole[:size])
            with pytest.raises(LinkTimeout):
                server.devices(timeout=0.05)
        for bad in (b"OKAY+1ff", b"OKAYzzzz", b"OKAY 12\n", b"HTTP", b"okay", b"\0\0\0\0"):
            peer.answers["host:devices-l"] = bad
            with pytest.raises(ProtocolError):
                server.devices()
        peer.answers["host:version"] = okay("none")
        with pytest.raises(ProtocolError, match="version"):
            server.version()


# Starting one, because the user asked


def test_a_server_is_started_by_the_adb_that_is_installed_and_only_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    adb = Adb(tmp_path)
    for name, value in adb.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    tools = tmp_path / "sdk" / "platform-tools"
    tools.mkdir(parents=True)
    (tools / "adb").symlink_to(adb.command[0])
    monkeypatch.setattr("shutil.which", without_adb_of_the_system(tools))
    server = Server(port=adb.port)
    with pytest.raises(ConfigError, match="no adb"):
        server.start()
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    server.start()
    try:
        assert server.running()
        monkeypatch.delenv("ANDROID_HOME")
        server.start()  # it runs: no adb is needed
    finally:
        adb.run("kill-server")
    with pytest.raises(ConfigError, match="another computer"):
        Server("192.0.2.1", adb.port).start(timeout=0.2)


def without_adb_of_the_system(tools: Path) -> Callable[..., str | None]:
    """shutil.which, on a system that has no adb beside the one in ``tools``."""

    def which(name: str, path: str | None = None) -> str | None:
        return str(tools / name) if path == str(tools) else None

    return which
