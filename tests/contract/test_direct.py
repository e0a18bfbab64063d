"""The direct connection, against a real adbd: what is special to it, and its keys."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.adb import shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer, load_signer, load_signers
from agent.errors import ConfigError, LinkError, LinkTimeout, PhoneError, ProtocolError
from tests.lab.google import Adb
from tests.lab.peer import Peer
from tests.lab.phone import LabPhone


def test_far_less_than_an_endless_stream_is_held(lab: LabPhone, signer: Signer) -> None:
    with connect_tcp(*lab.address, [signer]) as link, shell.spawn(link, "cat /dev/zero") as process:
        assert process.frame(5)
        for _ in range(20):
            assert shell.run(link, "echo quick", timeout=5).stdout == b"quick\n"
        assert link._streams[min(link._streams)]._held < 3 << 20


def test_a_pulled_cable_ends_every_stream_with_the_same_error(
    lab: LabPhone, signer: Signer
) -> None:
    with connect_tcp(*lab.address, [signer]) as link:
        first, second = (link.open("shell,v2,raw:cat", 5) for _ in range(2))
        try:
            lab.unplug()
            errors = []
            for stream in (first, second):
                with pytest.raises(LinkError) as caught:
                    while stream.read(10):
                        pass
                errors.append(caught.value)
            assert errors[0] is errors[1]
            assert not link.alive
            with pytest.raises(LinkError):
                link.open("shell,v2,raw:id", 5)
        finally:
            lab.plug()
    with connect_tcp(*lab.address, [signer]) as link:
        assert shell.run(link, "echo back").stdout == b"back\n"


def test_a_killed_adbd_is_an_error_at_once(lab: LabPhone, signer: Signer) -> None:
    with connect_tcp(*lab.address, [signer]) as link, shell.spawn(link, "cat") as process:
        lab.kill_adbd()
        try:
            with pytest.raises(LinkError):
                process.frame(10)
        finally:
            lab.start_adbd()


def test_a_command_ends_when_its_connection_does(lab: LabPhone, signer: Signer) -> None:
    """What watches on the phone waits for the end of its input; that has to come."""
    with connect_tcp(*lab.address, [signer]) as link:
        process = shell.spawn(
            link, "trap '' HUP; cat > /data/local/tmp/seen; echo ended > /data/local/tmp/end"
        )
        process.send(b"x")
        lab.root("while ! [ -s /data/local/tmp/seen ]; do usleep 10000; done")
    lab.root("while ! [ -s /data/local/tmp/end ]; do usleep 10000; done", timeout=10)


def test_nobody_there_a_stranger_and_silence_are_told_apart(signer: Signer) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(LinkTimeout, match="does not speak ADB"):
            connect_tcp("127.0.0.1", port, [signer], timeout=0.3)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

        def stranger() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=stranger)
        thread.start()
        with pytest.raises(ProtocolError, match="not an ADB packet"):
            connect_tcp("127.0.0.1", port, [signer], timeout=5)
        thread.join()
    with pytest.raises(LinkError, match="refused"):
        connect_tcp("127.0.0.1", port, [signer], timeout=5)


def test_keys_are_made_private_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "new" / "adbkey"
    load_signer(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("adbkey.pub").exists()
    path.write_text("no key")
    with pytest.raises(ConfigError, match="adbkey"):
        load_signer(path)


@pytest.mark.parametrize("kind", ["elliptic", "long", "with a password"])
def test_a_key_of_another_kind_is_named(tmp_path: Path, kind: str) -> None:
    from cryptography.hazmat.primitives import serialization as how
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    path = tmp_path / "adbkey"
    secret: how.KeySerializationEncryption = how.NoEncryption()
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == "elliptic":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, 4096 if kind == "long" else 2048)
    if kind == "with a password":
        secret = how.BestAvailableEncryption(b"word")
    path.write_bytes(key.private_bytes(how.Encoding.PEM, how.PrivateFormat.PKCS8, secret))
    with pytest.raises(ConfigError, match="adbkey"):
        load_signer(path)


def test_the_keys_of_google_s_adb_and_of_vendors_are_tried(
    google: Adb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, vendors, single = tmp_path / "own", tmp_path / "vendors", tmp_path / "single"
    vendors.mkdir()
    for path in (own, vendors / "a.adb_key", vendors / "b.pem", single):
        assert google.run("keygen", str(path)).code == 0
    single.with_name("single.pub").unlink()
    (vendors / "broken.adb_key").write_text("no key")
    monkeypatch.setenv("ADB_VENDOR_KEYS", f"{vendors}:{tmp_path}/none:{single}")
    signers = load_signers(own)
    assert len(signers) == 3
    assert not single.with_name("single.pub").exists()
    assert str(signers[0].GetPublicKey()) == own.with_name("own.pub").read_text()
    for signer in signers:
        with (
            Peer(trusted=[str(signer.GetPublicKey())]) as peer,
            connect_tcp(*peer.address, signers, timeout=5) as link,
        ):
            assert shell.run(link, "echo in").stdout == b"in\n"


def test_a_key_bears_the_user_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.setenv("HOSTNAME", "desk")
    assert str(load_signer(tmp_path / "adbkey").GetPublicKey()).endswith("= somebody@desk")


def test_many_who_make_a_key_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "adbkey"
    keys: list[str | bytes] = []
    threads = [
        threading.Thread(target=lambda: keys.append(load_signer(path).GetPublicKey()))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 6
    assert len(set(keys)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adbkey", "adbkey.pub"]


def test_every_link_error_is_a_phone_error() -> None:
    assert issubclass(LinkTimeout, LinkError)
    assert issubclass(LinkError, PhoneError)
