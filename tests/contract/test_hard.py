"""What the direct connection promises when the other side misbehaves, packet by packet."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from agent.adb import files, shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer, load_signer
from agent.errors import LinkError, ProtocolError, UnauthorizedError
from tests.contract.peers import CLASSIC, in_thread, to
from tests.lab.peer import FEATURES, Fault, Peer

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
