"""The connection, against a real adbd: what is promised to everything that stands on it."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent.adb import files, shell
from agent.adb.connection import Connection, connect_tcp
from agent.adb.keys import Signer, load_signer
from agent.errors import (
    ConfigError,
    FileGoneError,
    LinkError,
    LinkTimeout,
    PhoneError,
    ProtocolError,
    RemoteError,
)
from tests.lab.phone import LabPhone


def test_a_command_gives_its_code_and_both_outputs_apart(link: Connection) -> None:
    done = shell.run(link, "echo out; echo err >&2; exit 37")
    assert (done.code, done.stdout, done.stderr) == (37, b"out\n", b"err\n")


@pytest.mark.parametrize(
    "word", ["a b", "'", '"', "$(id)", "`id`", "a\nb", "*", "\\", "ö😀", "-n", ""]
)
def test_an_argument_arrives_as_it_is(link: Connection, word: str) -> None:
    assert shell.run(link, ["printf", "%s|", word, "x"]).stdout == f"{word}|x|".encode()


def test_input_of_any_size_reaches_the_command(link: Connection) -> None:
    data = bytes(range(256)) * 20_000
    assert shell.run(link, "sha256sum", data=data).text[:64] == hashlib.sha256(data).hexdigest()


def test_a_command_that_ignores_its_input_still_gives_its_output(link: Connection) -> None:
    for _ in range(50):
        assert shell.run(link, "echo done", data=b"x" * 1000).stdout == b"done\n"


def test_output_of_any_size_arrives_whole(link: Connection) -> None:
    size = 50_000_000
    digest = hashlib.sha256()
    with shell.spawn(link, f"head -c {size} /dev/zero") as process:
        for chunk in process.output(10):
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(bytes(size)).digest()


def test_a_slow_reader_makes_the_phone_wait_and_holds_up_nobody(link: Connection) -> None:
    with shell.spawn(link, "cat /dev/zero") as process:
        assert process.frame(5)
        for _ in range(20):
            assert shell.run(link, "echo quick", timeout=5).stdout == b"quick\n"
        # Far less than an endless stream is held here.
        assert link._streams[min(link._streams)]._held < 3 << 20


def test_a_silent_stream_does_not_delay_a_command(link: Connection) -> None:
    alone = min(_took(link) for _ in range(20))
    with shell.spawn(link, "cat") as silent:
        beside = min(_took(link) for _ in range(20))
        with pytest.raises(LinkTimeout):
            silent.frame(0.05)
        silent.send(b"still here")
        assert silent.frame(5) == (shell.STDOUT, b"still here")
    assert beside < 3 * alone + 0.01


def _took(link: Connection) -> float:
    start = time.monotonic()
    shell.run(link, "true")
    return time.monotonic() - start


def test_many_threads_share_a_connection(link: Connection) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(20):
            said = shell.run(link, f"echo {number} {turn}").text
            if said != f"{number} {turn}\n":
                wrong.append(said)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_time_limit_leaves_the_connection_in_step(link: Connection) -> None:
    with pytest.raises(LinkTimeout):
        shell.run(link, "echo early; sleep 60", timeout=0.2)
    assert shell.run(link, "echo next").stdout == b"next\n"


def test_a_refused_service_is_an_error_at_once(link: Connection) -> None:
    start = time.monotonic()
    with pytest.raises(RemoteError, match="refuses"):
        link.open("no-such-service:", 10)
    assert time.monotonic() - start < 5
    assert shell.run(link, "echo next").stdout == b"next\n"


def test_files_go_both_ways(link: Connection) -> None:
    data = bytes(range(256)) * 3000
    path = "/data/local/tmp/ö 'quoted\" \n"
    files.push(link, data, path, 0o755)
    assert b"".join(files.pull(link, path)) == data
    assert shell.run(link, ["stat", "-c", "%a", path]).stdout == b"777\n"


def test_a_missing_file_and_a_closed_folder_are_told_apart(link: Connection) -> None:
    with pytest.raises(FileGoneError):
        list(files.pull(link, "/data/local/tmp/none"))
    with pytest.raises(RemoteError, match="denied"):
        list(files.pull(link, "/data/media/0/x"))
    with pytest.raises(RemoteError, match="denied"):
        files.push(link, b"x" * 300_000, "/data/adb/x", 0o600)
    assert shell.run(link, "echo next").stdout == b"next\n"


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
