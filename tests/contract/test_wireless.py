"""Android 11's wireless debugging: Google's adb server pairs, and does the TLS; we drive it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from agent.adb import files, shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.reach import reach
from agent.adb.server import link as server_link
from agent.adb.server.server import Server
from agent.errors import LinkError, UnauthorizedError
from tests.lab.google import Adb
from tests.lab.phone import LabPhone
from tests.lab.spake2 import Spake2
from tests.lab.wireless import Wireless


@pytest.fixture
def server(google: Adb) -> Server:
    return Server(port=google.port)


@pytest.fixture
def wireless(lab: LabPhone, google: Adb) -> Iterator[Wireless]:
    with Wireless(lab) as one:
        yield one
        google.run("disconnect", one.address)


def test_a_phone_is_paired_connected_and_used_through_tls(
    server: Server, wireless: Wireless, lab: LabPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.pair(wireless.pairing, wireless.code) == (
        f"Successfully paired to {wireless.pairing} [guid={wireless.guid}]"
    )
    name = server.connect(wireless.address)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.port))
    data = os.urandom(3_000_001)
    with reach(name) as link:  # type: ignore[attr-defined]
        assert isinstance(link, server_link.ServerLink)
        assert shell.run(link, "getprop ro.serialno").text.strip() == lab.serial
        files.push(link, data, "/data/local/tmp/sent", 0o644)
        said = hashlib.sha256()
        for chunk in files.pull(link, "/data/local/tmp/sent"):
            said.update(chunk)
        assert said.digest() == hashlib.sha256(data).digest()
        with link.open("exec:cat", 5) as silent:
            wireless.drop()
            with pytest.raises(LinkError):
                silent.read(10)


def test_a_wrong_code_pairs_nobody_and_the_right_one_still_does(
    server: Server, wireless: Wireless
) -> None:
    with pytest.raises(UnauthorizedError, match="assword") as caught:
        server.pair(wireless.pairing, f"{(int(wireless.code) + 1) % 10**6:06}")
    assert "new one" in str(caught.value.hint)
    assert wireless.paired == set()
    server.pair(wireless.pairing, wireless.code)
    assert len(wireless.paired) == 1


def test_a_computer_that_has_not_paired_is_told_to(
    server: Server, wireless: Wireless, signer: Signer
) -> None:
    with pytest.raises(LinkError) as caught:
        server.connect(wireless.address)
    assert "offhook pair" in str(caught.value.hint)
    host, _, port = wireless.address.partition(":")
    with pytest.raises(LinkError, match="TLS") as caught:
        connect_tcp(host, int(port), [signer])
    assert "offhook pair" in str(caught.value.hint)


def test_two_sides_with_one_password_have_one_key() -> None:
    """What Google's adb is examined with is examined, too."""
    names = (b"a", b"b")
    one, two = Spake2(b"x", names, first=True), Spake2(b"x", names, first=False)
    assert one.key(two.message) == two.key(one.message)
    other = Spake2(b"y", names, first=False)
    assert one.key(other.message) != other.key(one.message)
    with pytest.raises(ValueError, match="not a point"):
        one.key(b"\xff" * 32)
