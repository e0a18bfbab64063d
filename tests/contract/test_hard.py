"""What the direct connection promises when the other side misbehaves, one promise after another."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.adb import connection, files, shell
from agent.adb.connection import Connection, connect_tcp
from agent.adb.keys import Signer, load_signer
from agent.errors import LinkError, LinkTimeout, ProtocolError, RemoteError, UnauthorizedError
from tests.lab.peer import FEATURES, Fault, Peer

CLASSIC = FEATURES - {"delayed_ack"}


def to(peer: Peer, signer: Signer, *, timeout: float = 5, stall: float = 5) -> Connection:
    return connect_tcp(*peer.address, [signer], timeout=timeout, stall=stall)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Run it in a thread; what it raises is in the list when the thread has ended."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is looked at
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


# The greeting


def test_a_port_for_wireless_debugging_is_named_as_such(signer: Signer) -> None:
    with Peer(greeting="tls") as peer, pytest.raises(LinkError, match="wireless debugging") as told:
        to(peer, signer)
    assert "offhook pair" in str(told.value.hint)


def test_a_phone_that_asks_without_end_is_left(signer: Signer) -> None:
    with Peer(greeting="auth-loop") as peer, pytest.raises(UnauthorizedError, match="refused"):
        connect_tcp(*peer.address, [signer] * 5, timeout=5)


def test_every_key_is_tried_before_the_user_is_asked(signer: Signer, tmp_path: Path) -> None:
    asked: list[str] = []
    prompted: list[bool] = []

    def tap(key: str) -> bool:
        asked.append(key)
        return True

    other, third = (load_signer(tmp_path / name) for name in ("one", "two"))
    with Peer(trusted=[str(third.GetPublicKey())], on_prompt=tap) as peer:
        connect_tcp(*peer.address, [signer, other, third]).close()
        assert not asked
        connect_tcp(*peer.address, [signer, other], on_prompt=lambda: prompted.append(True)).close()
    assert asked == [str(signer.GetPublicKey())]
    assert prompted == [True]


def test_only_what_adb_signs_is_signed(signer: Signer) -> None:
    """A token is signed as if it were a hash: of another length, it would be another document."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def sly() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                word = int.from_bytes(b"AUTH", "little")
                head = [word, 1, 0, 51, 0, word ^ 0xFFFFFFFF]
                peer.sendall(b"".join(n.to_bytes(4, "little") for n in head) + bytes(51))
                while peer.recv(4096):
                    pass

        thread, _ = in_thread(sly)
        with pytest.raises(ProtocolError, match="51 bytes signed"):
            connect_tcp(*server.getsockname(), [signer], timeout=5)
        thread.join()


def test_a_greeting_that_never_comes_to_its_end_ends_in_time(signer: Signer) -> None:
    """It makes progress, a byte in 2 ms; the time limit holds all the same."""
    banner = "x" * 2000
    with Peer(features=[banner], faults=[Fault("drip")]) as peer:
        start = time.monotonic()
        with pytest.raises(ProtocolError, match="middle of a packet"):
            to(peer, signer, timeout=0.5)
        assert time.monotonic() - start < 2


# Packets


@pytest.mark.parametrize("version", [0x01000000, 0x01000001])
def test_a_checksum_counts_where_the_phone_makes_them(signer: Signer, version: int) -> None:
    with (
        Peer(version=version, faults=[Fault("checksum", packet=2)]) as peer,
        to(peer, signer) as link,
    ):
        if version == 0x01000000:
            with pytest.raises(ProtocolError, match="wrong checksum"):
                shell.run(link, "echo out")
        else:
            assert shell.run(link, "echo out").stdout == b"out\n"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("magic", "not an ADB packet"),
        ("command", "not an ADB packet"),
        ("oversize", "more than was agreed"),
        ("remote-id", "mixes up its streams"),
        ("greets-again", "started anew"),
        ("asks-again", "started anew"),
        ("wants-tls", "started anew"),
        ("unknown-wrte", "a stream that there is not"),
    ],
)
def test_a_strange_packet_ends_the_connection(signer: Signer, kind: str, words: str) -> None:
    with (
        Peer(faults=[Fault(kind, packet=2)]) as peer,
        to(peer, signer) as link,
        pytest.raises(LinkError, match=words),
    ):
        shell.run(link, "cat", data=b"x")


@pytest.mark.parametrize(
    "kind", ["unknown-okay", "unknown-clse", "opens", "duplicate-clse", "drip", "bytewise"]
)
@pytest.mark.parametrize("features", [FEATURES, CLASSIC])
def test_what_does_no_harm_is_no_error(
    signer: Signer, tmp_path: Path, kind: str, features: frozenset[str]
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    faults = [Fault(kind, packet) for packet in range(2, 20)]
    with Peer(features=features, faults=faults) as peer, to(peer, signer) as link:
        for _ in range(3):
            assert shell.run(link, "echo out; echo err >&2").stdout == b"out\n"
        assert b"".join(files.pull(link, f"{tmp_path}/file")) == b"data"


@pytest.mark.parametrize("byte", [1, 23, 24, 30])
def test_half_a_packet_is_an_error_in_time(signer: Signer, byte: int) -> None:
    fault = Fault("stall", packet=2, byte=byte)
    with Peer(faults=[fault]) as peer, to(peer, signer, stall=0.2) as link:
        start = time.monotonic()
        with pytest.raises(ProtocolError, match="in the middle of a packet"):
            shell.run(link, "echo out", timeout=10)
        assert 0.15 < time.monotonic() - start < 2


def test_a_packet_may_take_long_as_long_as_it_comes(signer: Signer) -> None:
    """1,000 bytes in at least 2 s, with seldom more than 2 ms in between."""
    with Peer(faults=[Fault("drip", packet=2)]) as peer, to(peer, signer, stall=0.5) as link:
        start = time.monotonic()
        with link.open("exec:head -c 1000 /dev/zero", 5) as one:
            assert one.read(10) == bytes(1000)
        assert time.monotonic() - start > 1


@pytest.mark.parametrize("features", [FEATURES, CLASSIC])
def test_segments_of_a_hundred_bytes_are_enough(
    signer: Signer, tmp_path: Path, features: frozenset[str]
) -> None:
    data = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(data)
    with Peer(mss=100, features=features) as peer, to(peer, signer) as link:
        assert b"".join(files.pull(link, f"{tmp_path}/file")) == data
        files.push(link, data, f"{tmp_path}/pushed", 0o600)
    assert (tmp_path / "pushed").read_bytes() == data


# Streams


def test_a_refused_service_is_an_error_at_once(signer: Signer) -> None:
    with Peer(refuses=["exec"]) as peer, to(peer, signer) as link:
        start = time.monotonic()
        with pytest.raises(RemoteError, match="refuses"):
            link.open("exec:true", 10)
        assert time.monotonic() - start < 2
        assert shell.run(link, "echo out").stdout == b"out\n"


@pytest.mark.parametrize("features", [FEATURES, CLASSIC])
def test_many_may_open_at_once(signer: Signer, features: frozenset[str]) -> None:
    said: list[bytes] = []
    with Peer(features=features) as peer, to(peer, signer) as link:
        work = [
            in_thread(lambda n=n: said.append(shell.run(link, f"echo {n}").stdout))  # type: ignore[misc]
            for n in range(40)
        ]
        for thread, raised in work:
            thread.join()
            assert not raised
    assert sorted(said) == sorted(b"%d\n" % n for n in range(40))


def test_ids_begin_again_and_leave_out_those_in_use(signer: Signer) -> None:
    with Peer() as peer, to(peer, signer) as link, link.open("shell,v2,raw:cat", 5) as first:
        assert first.local == 1
        link._last_id = connection._LAST_ID - 1
        used = []
        for _ in range(3):
            with link.open("exec:echo x", 5) as other:
                used.append(other.local)
                assert other.read(5) == b"x\n"
        assert used == [connection._LAST_ID, 2, 3]
        first.write(b"\0\1\0\0\0x", 5)
        assert first.read(5) == b"\1\1\0\0\0x"


def test_a_service_that_opens_too_late_is_closed_on_the_phone(signer: Signer) -> None:
    fault = Fault("drip", packet=1)  # the OKAY: 28 bytes in at least 56 ms
    with Peer(faults=[fault]) as peer, to(peer, signer) as link:
        with pytest.raises(LinkTimeout, match="did not open"):
            link.open("exec:cat", 0.02)
        for _ in range(100):
            assert shell.run(link, "echo out").stdout == b"out\n"
            if not peer.processes.alive:
                break
        assert not peer.processes.alive


@pytest.mark.parametrize("features", [FEATURES, CLASSIC])
def test_what_is_held_for_a_slow_reader_is_bounded(
    signer: Signer, features: frozenset[str]
) -> None:
    with (
        Peer(features=features) as peer,
        to(peer, signer) as link,
        link.open("exec:cat /dev/zero", 5) as slow,
    ):
        slow.read(5)
        for _ in range(5):
            assert shell.run(link, "echo out").stdout == b"out\n"
        assert slow._held <= connection._READ_AHEAD_FAR + (1 << 20)


def test_a_phone_far_away_may_send_more_ahead(signer: Signer) -> None:
    with Peer(faults=[Fault("drip")]) as peer, to(peer, signer) as link:
        assert link.open("exec:cat", 5).window == connection._READ_AHEAD_FAR


# The end


def test_ctrl_c_while_sending_leaves_no_half_packet_behind(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with Peer() as peer, to(peer, signer) as link, link.open("exec:cat", 5) as one:
        with monkeypatch.context() as patch:
            patch.setattr(link._wire._transport, "write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.write(b"x", 5)
        with pytest.raises(LinkError, match="interrupted"):
            one.write(b"y", 5)
        assert not link.alive


@pytest.mark.parametrize("kind", ["close", "reset", "magic"])
def test_every_stream_ends_with_the_same_error(signer: Signer, kind: str) -> None:
    with Peer(faults=[Fault(kind, packet=4)]) as peer, to(peer, signer) as link:
        streams = [link.open("shell,v2,raw:cat", 5) for _ in range(3)]
        streams[1].write(b"\0\1\0\0\0x", 5)
        errors = []
        for one in streams:
            with pytest.raises(LinkError) as caught:
                while one.read(5):
                    pass
            errors.append(caught.value)
            with pytest.raises(LinkError) as caught:
                one.write(b"x", 5)
            errors.append(caught.value)
        with pytest.raises(LinkError) as caught:
            link.open("exec:true", 5)
        errors.append(caught.value)
        assert not link.alive
        assert len({id(error) for error in errors}) == 1


def test_a_close_elsewhere_ends_a_read_and_a_write(signer: Signer) -> None:
    with Peer() as peer, to(peer, signer) as link:
        silent, full = link.open("exec:cat", 5), link.open("exec:exec sleep 60 >&-", 5)
        reader, read = in_thread(lambda: silent.read(None))
        writer, written = in_thread(lambda: full.write(bytes(64 << 20), None))
        start = time.monotonic()
        silent.close()
        reader.join()
        assert not read
        assert silent.read(0) == b""
        full.close()
        writer.join()
        assert isinstance(written[0], LinkError)
        assert time.monotonic() - start < 2
        assert shell.run(link, "echo out").stdout == b"out\n"


def test_a_phone_that_reads_nothing_is_an_error_in_time(signer: Signer) -> None:
    with (
        Peer(window=1 << 30, faults=[Fault("stall", packet=3, direction="in")]) as peer,
        to(peer, signer) as link,
        link.open("exec:cat", 5) as one,
    ):
        start = time.monotonic()
        with pytest.raises(LinkTimeout, match="took no data"):
            for _ in range(100):
                one.write(bytes(1 << 20), 0.3)
        assert time.monotonic() - start < 5
        with pytest.raises(LinkError):  # a packet was cut: nothing more may follow it
            link.open("exec:true", 5)
        assert not link.alive


def test_a_write_that_found_no_credit_may_be_tried_again(signer: Signer) -> None:
    script = "read line; head -c 300000 | wc -c"
    with (
        Peer(window=1) as peer,
        to(peer, signer) as link,
        link.open(f"exec:sleep 0.3; {script}", 5) as one,
    ):
        one.write(b"go\n", 5)
        sent = 0
        while sent < 300_000:
            try:
                one.write(bytes(30_000), 0.05)
            except LinkTimeout:
                continue
            sent += 30_000
        assert one.read(5) == b"300000\n"
        assert link.alive


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_close_does_not_wait_for_a_stalled_phone(signer: Signer, direction: str) -> None:
    fault = Fault("stall", packet=4, direction=direction)  # type: ignore[arg-type]
    window = 1 << 30 if direction == "in" else 1 << 20  # full is the socket, or the credit
    with Peer(window=window, faults=[fault]) as peer:
        link = to(peer, signer, stall=60)
        one, two = (link.open("exec:cat >/dev/null", 5) for _ in range(2))
        writers = [in_thread(lambda s=s: s.write(bytes(64 << 20), 30)) for s in (one, two)]  # type: ignore[misc]
        with pytest.raises(LinkTimeout):
            one.read(0.3)
        start = time.monotonic()
        two.close()
        link.close()
        assert time.monotonic() - start < 2
        for thread, raised in writers:
            thread.join()
            assert isinstance(raised[0], LinkError)


def test_waiting_costs_no_processor(signer: Signer) -> None:
    for fault in (Fault("stall", packet=2), Fault("stall", packet=2, direction="in")):
        with (
            Peer(window=1 << 30, faults=[fault]) as peer,
            to(peer, signer, stall=0.1) as link,
            link.open("exec:cat", 5) as one,
        ):
            start = time.process_time()
            with pytest.raises(LinkTimeout):
                one.read(1.0)
            assert time.process_time() - start < 0.15


def test_what_was_sent_before_the_end_is_read(signer: Signer, tmp_path: Path) -> None:
    """Bytes that came before a break are given out, and only then its error."""
    with Peer(faults=[Fault("close", packet=4)]) as peer, to(peer, signer) as link:
        one = link.open("exec:printf first; sleep 0.1; printf second; sleep 0.1; echo third", 5)
        got = b""
        with pytest.raises(LinkError):
            while data := one.read(5):
                got += data
        assert got == b"firstsecond"
