"""The fault peer without a fault is an adbd like others: Google's own adb accepts it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.adb import shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.errors import UnauthorizedError
from tests.lab.google import Adb
from tests.lab.peer import FEATURES, Peer


def test_google_s_adb_works_with_it(google: Adb, tmp_path: Path) -> None:
    asked: list[str] = []
    tree, back = tmp_path / "tree", tmp_path / "back"
    (tree / "folder" / "ö 'x").mkdir(parents=True)
    contents = {"empty": b"", "folder/big": os.urandom(5_000_000), "folder/ö 'x/one": b"\0"}
    for name, content in contents.items():
        (tree / name).write_bytes(content)

    def tap(key: str) -> bool:
        asked.append(key)
        return True

    with Peer(trusted=[], on_prompt=tap) as peer:
        name = "{}:{}".format(*peer.address)
        google.run("connect", name)  # it may tell of the prompt before it tells of the phone
        try:
            assert google.run("-s", name, "wait-for-device").code == 0
            assert len(asked) == 1
            said = google.run("-s", name, "shell", "-T", "cat; echo err >&2; exit 7", input=b"in")
            assert (said.code, said.out, said.err) == (7, b"in", b"err\n")
            assert google.run("-s", name, "exec-out", "printf 'a\\n\\0'").out == b"a\n\0"
            assert google.run("-s", name, "push", str(tree), f"{tmp_path}/there").code == 0
            assert google.run("-s", name, "pull", f"{tmp_path}/there", str(back)).code == 0
            for file, content in contents.items():
                assert (tmp_path / "there" / file).read_bytes() == content
                assert (back / file).read_bytes() == content
            listed = google.run("-s", name, "ls", f"{tmp_path}/there/folder").out
            assert f"{5_000_000:08x}".encode() in listed
            assert "ö 'x".encode() in listed
            missing = google.run("-s", name, "pull", f"{tmp_path}/none", str(back))
            assert missing.code == 1
            assert b"No such file" in missing.out + missing.err
        finally:
            google.run("disconnect", name)


@pytest.mark.parametrize("features", [FEATURES - {"stat_v2", "ls_v2", "sendrecv_v2"}, {"cmd"}, ()])
def test_google_s_adb_takes_it_for_an_older_phone(
    google: Adb, tmp_path: Path, features: frozenset[str]
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    with Peer(features=features, version=0x01000000, max_payload=4096) as peer:
        name = "{}:{}".format(*peer.address)
        assert f"connected to {name}" in google.run("connect", name).text
        try:
            assert google.run("-s", name, "shell", "echo out").out == b"out\n"
            assert google.run("-s", name, "pull", f"{tmp_path}/file", f"{tmp_path}/b").code == 0
            assert google.run("-s", name, "push", f"{tmp_path}/b", f"{tmp_path}/c").code == 0
            assert (tmp_path / "c").read_bytes() == b"x" * 100_000
            assert b"file" in google.run("-s", name, "ls", str(tmp_path)).out
        finally:
            google.run("disconnect", name)


def test_a_key_that_is_trusted_is_let_in_and_another_is_asked_for(
    signer: Signer, tmp_path: Path
) -> None:
    asked: list[str] = []
    public = str(signer.GetPublicKey())
    with Peer(trusted=[public], on_prompt=lambda key: bool(asked.append(key))) as peer:
        with connect_tcp(*peer.address, [signer]) as link:
            assert shell.run(link, "echo in").stdout == b"in\n"
        assert not asked
        peer.trusted = []
        with pytest.raises(UnauthorizedError, match="not answered"):
            connect_tcp(*peer.address, [signer], timeout=0.3)
        assert asked == [public]
