"""A phone through an adb server: how a link ends, and that nothing else ends with it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.adb import files, shell
from agent.adb.link import Stream
from agent.adb.server import link as server_link
from agent.adb.server.link import ServerLink
from agent.adb.server.server import Server
from agent.errors import (
    LinkError,
    LinkTimeout,
    NoPhoneError,
    NoServerError,
    PhoneError,
    RemoteError,
    UnauthorizedError,
)
from tests.contract.scripted import ScriptedServer, fail, okay, stall, text
from tests.lab.google import Adb
from tests.lab.peer import Peer
from tests.lab.phone import LabPhone

ONE = "X  device usb:1-2 product:p model:m device:d transport_id:7\n"


@pytest.fixture
def server(google: Adb) -> Server:
    return Server(port=google.port)


@pytest.fixture
def link(google: Adb, server: Server, lab: LabPhone) -> Iterator[ServerLink]:
    with server_link.link(server, google.connect(lab)) as one:
        yield one


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[tuple[Adb, subprocess.Popen[bytes]]]:
    """An adb server of one test's own, as a child process that can be killed."""
    adb = Adb(tmp_path)
    with start(adb) as process:
        try:
            yield adb, process
        finally:
            process.kill()


def start(adb: Adb) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*adb.command, "server", "nodaemon"],
        env=adb.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(Server(port=adb.port).running)
    return process


def wait_for(true: Callable[[], object], seconds: float = 20) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.01)


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def how_it_ends(stream: Stream) -> LinkError:
    """The error that a stream ends with; a plain end is a failure of the test."""
    with pytest.raises(LinkError) as caught:
        while stream.read(10):
            pass
    assert not isinstance(caught.value, LinkTimeout)
    return caught.value


# The end of a link


def test_a_pulled_cable_ends_every_stream_with_the_same_error(
    link: ServerLink, lab: LabPhone
) -> None:
    streams = [link.open(service, 5) for service in ("exec:cat", "shell,v2,raw:cat", "sync:")]
    lab.unplug()
    try:
        errors = {how_it_ends(stream) for stream in streams}
        assert len(errors) == 1
        assert not link.alive
        with pytest.raises(LinkError) as caught:
            link.open("shell,v2,raw:id", 5)
        assert {caught.value} == errors
        with pytest.raises(LinkError) as caught:
            streams[0].write(b"x", 5)
        assert {caught.value} == errors
    finally:
        lab.plug()
    for stream in streams:
        stream.close()


def test_a_phone_whose_adbd_was_killed_is_gone_at_once_and_can_be_had_again(
    google: Adb, server: Server, lab: LabPhone
) -> None:
    with server_link.link(server, google.connect(lab)) as link, link.open("exec:cat", 5) as silent:
        lab.kill_adbd()
        try:
            how_it_ends(silent)
            assert not link.alive
        finally:
            lab.start_adbd()
    with server_link.link(server, google.connect(lab)) as link:
        assert shell.run(link, "echo back").stdout == b"back\n"


def test_a_phone_that_was_given_up_and_taken_again_is_another_link(
    google: Adb, server: Server, lab: LabPhone, link: ServerLink
) -> None:
    """Its name is the same, and a look at the wrong moment would see no change."""
    with link.open("exec:cat", 5) as silent:
        google.connect(lab)
        how_it_ends(silent)
        assert not link.alive
    with server_link.link(server, link.device.serial) as other:
        assert other.device.transport_id != link.device.transport_id
        assert shell.run(other, "echo new").stdout == b"new\n"


@pytest.mark.parametrize("how", ["killed", "asked to end"])
def test_a_server_that_ends_in_a_pull_and_in_silence_is_told_from_the_end_of_a_stream(
    lab: LabPhone, mortal: tuple[Adb, subprocess.Popen[bytes]], how: str
) -> None:
    adb, process = mortal
    lab.root("head -c 300000000 /dev/zero > /data/local/tmp/big; chmod 644 /data/local/tmp/big")
    server = Server(port=adb.port)
    with server_link.link(server, server.connect("{}:{}".format(*lab.address))) as link:
        silent = [link.open("exec:cat", 5) for _ in range(5)]
        pull = files.pull(link, "/data/local/tmp/big")
        assert next(pull)
        if how == "killed":
            process.kill()
        else:
            adb.run("kill-server")
        with pytest.raises(LinkError):
            for _ in pull:
                pass
        errors = {how_it_ends(stream) for stream in silent}
        assert len(errors) == 1
        assert "ended" in errors.pop().message
        assert not link.alive
        for stream in silent:
            stream.close()
    process.wait(10)
    with pytest.raises(NoServerError):
        server_link.link(server, "any")
    lab.root("rm /data/local/tmp/big")


def test_a_stream_that_ends_by_itself_is_no_error_and_the_link_lives_on(link: ServerLink) -> None:
    for _ in range(20):
        with link.open("exec:echo x", 5) as stream:
            said = b""
            while data := stream.read(5):
                said += data
            assert said == b"x\n"
            assert stream.read(5) == b""
    assert link.alive


def test_two_phones_of_one_server_do_not_disturb_each_other(
    google: Adb, server: Server, lab: LabPhone, link: ServerLink
) -> None:
    with LabPhone() as second, server_link.link(server, google.connect(second)) as other:
        for each, phone in ((link, lab), (other, second)):
            assert shell.run(each, "getprop ro.serialno").text.strip() == phone.serial
        with link.open("exec:cat", 5) as mine, other.open("exec:cat", 5) as theirs:
            second.unplug()
            how_it_ends(theirs)
            with pytest.raises(LinkTimeout):
                mine.read(0.05)
            mine.write(b"still here", 5)
            assert mine.read(5) == b"still here"
    assert link.alive


# Closing


def test_closing_a_stream_or_the_link_ends_reads_and_writes_under_way(link: ServerLink) -> None:
    ends: list[object] = []

    def use(what: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                ends.append(what())
            except LinkError as error:
                ends.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def fill(stream: Stream) -> None:
        while True:
            stream.write(bytes(1 << 20), None)

    stream = link.open("exec:cat >/dev/null; cat", 5)
    reader = use(lambda: stream.read(None))
    stream.close()
    reader.join(5)
    assert ends == [b""]
    silent, deaf = link.open("exec:cat", 5), link.open("exec:sleep 60", 5)
    threads = [use(lambda: silent.read(None)), use(lambda: fill(deaf))]
    with pytest.raises(LinkTimeout):
        while True:
            deaf.write(bytes(1 << 20), 0.2)
    link.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert len(ends) == 3
    assert all(isinstance(end, LinkError) for end in ends[1:])


def test_nothing_is_left_of_a_link_that_was_closed_or_never_made(
    google: Adb, server: Server, lab: LabPhone
) -> None:
    name = google.connect(lab)
    before, threads = descriptors(), threading.active_count()
    link = server_link.link(server, name)
    streams = [link.open("exec:cat", 5) for _ in range(3)]
    shell.run(link, "true")
    with pytest.raises(RemoteError):
        link.open("no-such-service:", 5)
    link.close()  # and no stream was
    with pytest.raises(LinkError):
        streams[0].read(5)
    with pytest.raises(NoPhoneError):
        server_link.link(server, "no such phone")
    assert descriptors() == before
    assert threading.active_count() == threads


# What is seldom said


def with_device(state: str, **answers: object) -> ScriptedServer:
    """A server with one phone, in a state."""
    listed = ONE.replace("device", state, 1)
    script = {
        "host:version": okay("0029"),
        "host:devices-l": okay(listed),
        "host:track-devices-l": stall(okay(listed)),
        "host-transport-id:7:features": okay("shell_v2,cmd\n"),
        "host:transport-id:7": b"OKAY",
    }
    return ScriptedServer(script | answers)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("state", "error", "hint"),
    [
        ("unauthorized", UnauthorizedError, "Allow"),
        ("offline", LinkError, "plug it in"),
        ("no permissions (user in plugdev group; are your udev rules wrong?)", LinkError, "udev"),
    ],
)
def test_a_phone_that_is_not_ready_says_what_to_do(
    state: str, error: type[PhoneError], hint: str
) -> None:
    with with_device(state) as peer, pytest.raises(PhoneError) as caught:
        server_link.link(Server(port=peer.port), "X")
    assert type(caught.value) is error
    assert hint in str(caught.value.hint)


def test_whoever_is_asked_to_tap_allow_has_the_time_for_it() -> None:
    tapped = threading.Event()

    def track(sock) -> None:  # type: ignore[no-untyped-def]
        waiting = ONE.replace("device", "unauthorized", 1)
        sock.sendall(okay(ONE.replace("device", "authorizing", 1)) + text(waiting))
        if tapped.wait(10):
            sock.sendall(text(waiting) + text(ONE))
        while sock.recv(4096):
            pass

    with with_device("unauthorized") as peer:
        peer.answers["host:track-devices-l"] = track
        server = Server(port=peer.port)
        with server_link.link(server, "X", on_prompt=tapped.set) as link:
            assert link.features == {"shell_v2", "cmd"}
            assert tapped.is_set()
        tapped.clear()
        asked: list[int] = []
        with pytest.raises(UnauthorizedError):
            server_link.link(server, "X", on_prompt=lambda: asked.append(1), timeout=0.1)
        assert asked == [1]
        tapped.set()


def test_googles_server_waits_with_us_for_the_tap_on_a_phone(google: Adb, server: Server) -> None:
    tapped = threading.Event()
    with Peer(trusted=[], on_prompt=lambda key: tapped.wait(10)) as phone:
        name = "{}:{}".format(*phone.address)
        try:
            with pytest.raises(UnauthorizedError) as caught:
                server.connect(name)
            assert "Allow" in str(caught.value.hint)
            with pytest.raises(UnauthorizedError) as caught:
                server_link.link(server, name)
            assert "Allow" in str(caught.value.hint)
            with server_link.link(server, name, on_prompt=tapped.set) as link:
                assert shell.run(link, "echo trusted").stdout == b"trusted\n"
        finally:
            tapped.set()
            google.run("disconnect", name)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", UnauthorizedError),
        ("device still authorizing", UnauthorizedError),
        ("device offline", LinkError),
        ("no device with transport id '7'", NoPhoneError),
        ("device 'X' not found", NoPhoneError),
        ("more than one device with serial X", LinkError),
        ("something \x1b[31mnew", LinkError),
    ],
)
def test_a_phone_that_is_refused_at_the_door_is_the_error_that_fits(
    words: str, error: type[PhoneError]
) -> None:
    with (
        with_device("device", **{"host:transport-id:7": fail(words)}) as peer,
        server_link.link(Server(port=peer.port), "X") as link,
        pytest.raises(PhoneError) as caught,
    ):
        link.open("shell,v2,raw:id", 5)
    assert type(caught.value) is error
    assert "\x1b" not in caught.value.message


def test_a_phone_that_leaves_while_a_service_is_opened_is_not_a_refused_service() -> None:
    gone = threading.Event()

    def track(sock) -> None:  # type: ignore[no-untyped-def]
        sock.sendall(okay(ONE))
        gone.wait(10)
        sock.sendall(text(""))
        while sock.recv(4096):
            pass

    def leave(sock) -> None:  # type: ignore[no-untyped-def]
        gone.set()
        wait_for(lambda: not link.alive)
        sock.sendall(fail("closed"))

    with with_device("device", **{"sync:": leave}) as peer:
        peer.answers["host:track-devices-l"] = track
        with (
            server_link.link(Server(port=peer.port), "X") as link,
            pytest.raises(LinkError, match="went away"),
        ):
            link.open("sync:", 5)


def test_a_dying_server_that_closes_a_stream_first_is_told_from_the_streams_end() -> None:
    """Its list is still open then, and says nothing."""
    with with_device("device") as peer:

        def die(sock) -> None:  # type: ignore[no-untyped-def]
            sock.sendall(b"OKAYlast words")
            peer.stop_listening()

        peer.answers["exec:cat"] = die
        with (
            server_link.link(Server(port=peer.port), "X") as link,
            link.open("exec:cat", 5) as stream,
        ):
            assert stream.read(5) == b"last words"
            assert "ended" in how_it_ends(stream).message


@pytest.mark.parametrize(
    "later",
    [
        "",
        ONE.replace("device", "offline", 1),
        ONE.replace("transport_id:7", "transport_id:8"),  # plugged out and in again
    ],
)
def test_what_the_list_says_next_comes_with_the_first_one(later: str) -> None:
    script = {
        "host:track-devices-l": stall(okay(ONE) + text(later)),
        "exec:cat": stall(b"OKAY"),
    }
    with (
        with_device("device", **script) as peer,
        server_link.link(Server(port=peer.port), "X") as link,
        pytest.raises(LinkError) as caught,
        link.open("exec:cat", 5) as stream,
    ):
        stream.read(5)
    assert not isinstance(caught.value, LinkTimeout)


def test_a_server_of_old_is_asked_as_it_was_then() -> None:
    """Before 2018 no list had transport numbers, before 2019 none was told with details."""
    listed = "192.0.2.7:5555\tdevice\n"
    with ScriptedServer(
        {
            "host:version": okay("0027"),
            "host:track-devices": stall(okay(listed)),
            "host-serial:192.0.2.7:5555:features": okay("shell_v2"),
            "host:transport:192.0.2.7:5555": b"OKAY",
            "exec:echo": b"OKAY",
        }
    ) as peer:
        with server_link.link(Server(port=peer.port), "192.0.2.7:5555") as link:
            link.open("exec:echo", 5).close()
            assert link.features == {"shell_v2"}
        assert peer.requests[0] == "host:track-devices-l"


def test_a_service_that_is_never_answered_is_a_timeout_and_costs_one_socket() -> None:
    before = descriptors()
    with (
        with_device("device", **{"sync:": stall()}) as peer,
        server_link.link(Server(port=peer.port), "X") as link,
    ):
        with pytest.raises(LinkTimeout, match="did not open"):
            link.open("sync:", 0.1)
        assert link.alive
        with pytest.raises(RemoteError, match="too long"):
            link.open("exec:" + "x" * 70_000, 5)
    assert descriptors() == before


def test_a_link_through_a_server_says_how_the_phone_is_reached(link: ServerLink) -> None:
    assert link.where == f"{link.device.serial} (adb server)"
    assert "shell_v2" in link.features
