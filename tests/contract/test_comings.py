"""Phones that come, go and come back, seen by the commands as a user runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.google import Adb
from tests.lab.phone import LabPhone
from tests.offhook import Offhook

FOLDER = "/data/media/0/Recordings"


@pytest.fixture
def offhook(tmp_path: Path) -> Offhook:
    """The command, with a source and no phone known yet."""
    offhook = Offhook(tmp_path / "home")
    offhook.home.mkdir()
    (offhook.home / "offhook.toml").write_text(
        '[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n'
    )
    return offhook


@pytest.fixture
def server(offhook: Offhook, tmp_path: Path) -> Iterator[Adb]:
    """An adb server of the test's own, which the command takes for the user's."""
    (tmp_path / "android").mkdir()
    google = Adb(tmp_path / "android")
    google.run("start-server")
    offhook.env["ANDROID_ADB_SERVER_PORT"] = str(google.port)
    yield google
    google.run("kill-server")


def put(phone: LabPhone, name: str) -> None:
    phone.root(
        f"mkdir -p {FOLDER}; head -c 20000 /dev/urandom > {FOLDER}/{name}; "
        f"chown -R 2000:1023 {FOLDER}; chmod -R a+rX {FOLDER}"
    )


def test_the_only_phone_at_hand_is_the_one_that_is_meant(
    lab: LabPhone, offhook: Offhook, server: Adb
) -> None:
    ran = offhook.run("status")
    assert ran.code == 13
    assert "none is at hand" in ran.err
    server.connect(lab)
    assert offhook.good("--json", "status").json["serial"] == lab.serial
    (row,) = offhook.good("--json", "devices").json
    assert (row["serial"], row["answers"]) == (lab.serial, True)
    assert "adb server" in row["via"]


def test_of_two_phones_at_hand_the_user_has_to_say_which(
    lab: LabPhone, offhook: Offhook, server: Adb
) -> None:
    with LabPhone() as other:
        names = [server.connect(phone) for phone in (lab, other)]
        ran = offhook.run("status")
        assert ran.code == 2
        assert all(name in ran.err for name in names)
        for phone in (lab, other):
            said = offhook.good("--json", "--phone", phone.serial, "status").json
            assert said["serial"] == phone.serial


def test_connect_remembers_the_phone_with_a_server_and_without(
    lab: LabPhone, offhook: Offhook, server: Adb
) -> None:
    address = "{}:{}".format(*lab.address)
    assert "(adb server)" in offhook.good("connect", address).out
    server.run("kill-server")
    assert offhook.good("--json", "status").json["serial"] == lab.serial
    said = offhook.good("--json", "connect", address).json
    assert (said["serial"], said["via"]) == (lab.serial, address)
    assert offhook.run("--via", "server", "status").code == 11


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("connect", "192.0.2.7:port"), 2),
        (("connect", "127.0.0.1:1"), 11),
        (("pair", "127.0.0.1:1", "123456"), 11),
        (("--via", "usb", "--phone", "nosuch", "status"), 13),
        (("--phone", "nosuch", "status"), 13),
    ],
)
def test_what_can_not_be_reached_is_one_message_with_a_hint(
    offhook: Offhook, server: Adb, words: tuple[str, ...], code: int
) -> None:
    for run in ("with a server", "without one"):
        ran = offhook.run(*words)
        assert ran.code == code, (run, ran)
        assert ran.err.count("offhook: ") == 1
        assert len(ran.err.splitlines()) >= 2
        server.run("kill-server")


def test_pair_asks_for_the_code_only_when_a_server_could_use_it(offhook: Offhook) -> None:
    ran = offhook.run("pair", "127.0.0.1:1")
    assert ran.code == 11
    assert "--start-server" in ran.err
    assert "Pairing code" not in ran.out


def test_a_server_is_started_only_when_that_was_asked_for(
    lab: LabPhone, offhook: Offhook, server: Adb, tmp_path: Path
) -> None:
    server.run("kill-server")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "adb").symlink_to(server.command[0])
    offhook.env |= server.environment | {"PATH": f"{tools}:{os.environ['PATH']}"}
    address = "{}:{}".format(*lab.address)
    assert "adb server" not in offhook.good("connect", address).out
    assert "adb server" in offhook.good("connect", "--start-server", address).out


def test_a_phone_that_moves_is_watched_on(lab: LabPhone, offhook: Offhook, server: Adb) -> None:
    """Directly, then through a server under another name, then at another address."""
    with LabPhone() as phone:
        offhook.good("connect", f"localhost:{phone.address[1]}")
        server.run("kill-server")
        with offhook.watching() as watching:
            watching.wait("connected")
            put(phone, "first.wav")
            watching.wait("filed", count=1)
            port, serial = phone.address[1], phone.serial
            phone.stop()
            watching.wait("lost")
            with LabPhone(serial=serial) as again:
                assert again.address[1] != port
                server.run("start-server")
                server.connect(again)
                watching.wait("connected", count=2)
                put(again, "second.wav")
                watching.wait("filed", count=2)
                (row,) = offhook.good("--json", "devices").json
                assert row["serial"] == serial
    assert len(offhook.rows()) == 2


def test_a_phone_that_is_not_known_is_mentioned_once(
    lab: LabPhone, offhook: Offhook, server: Adb
) -> None:
    server.connect(lab)
    offhook.good("status")
    with offhook.watching() as watching:
        watching.wait("connected")
        with LabPhone() as stranger:
            server.connect(stranger)
            watching.wait("stranger", phone=stranger.serial)
    assert [e["event"] for e in watching.events].count("stranger") == 1


def test_an_alias_is_one_phones_and_follows_the_file(lab: LabPhone, offhook: Offhook) -> None:
    toml = offhook.home / "offhook.toml"
    text = toml.read_text()

    def named(phone: LabPhone) -> None:
        address = "{}:{}".format(*phone.address)
        toml.write_text(text + f'[[phone]]\nalias = "desk"\naddress = "{address}"\n')

    with LabPhone() as other:
        for phone in (lab, other, lab, other):
            named(phone)
            for _ in range(2):
                said = offhook.good("--json", "--phone", "desk", "status").json
                assert said["serial"] == phone.serial
        rows = {row["serial"]: row["alias"] for row in offhook.good("--json", "devices").json}
        assert rows == {other.serial: "desk", lab.serial: None}
        toml.write_text(text)
        rows = {row["serial"]: row["alias"] for row in offhook.good("--json", "devices").json}
        assert rows == {other.serial: None, lab.serial: None}
        assert offhook.run("--phone", "desk", "status").code == 13
        named(other)
        offhook.good("--phone", "desk", "status")
        names = {row["serial"]: row["name"] for row in offhook.good("--json", "devices").json}
    toml.write_text(text)
    (absent,) = [row for row in offhook.good("--json", "devices").json if not row["answers"]]
    assert (absent["serial"], absent["alias"]) == (other.serial, "desk")
    assert absent["name"] == names[other.serial]
    assert absent["name"] in offhook.good("devices").out
    named(lab)  # and so it is another's now
    rows = {row["serial"]: row["alias"] for row in offhook.good("--json", "devices").json}
    assert rows == {other.serial: None, lab.serial: "desk"}


def test_a_setting_may_name_a_phone_by_its_serial(
    lab: LabPhone, offhook: Offhook, server: Adb
) -> None:
    server.connect(lab)
    offhook.good("status")
    toml = offhook.home / "offhook.toml"
    toml.write_text(toml.read_text() + f'[[phone]]\nalias = "lap"\naddress = "{lab.serial}"\n')
    (row,) = offhook.good("--json", "devices").json
    assert (row["alias"], row["serial"]) == ("lap", lab.serial)
    assert offhook.good("--json", "status").json["serial"] == lab.serial


@pytest.mark.parametrize("code", ["", " ", "12345", "1234567", "a b", "12:456"])
def test_what_is_no_pairing_code_does_not_reach_the_server(
    offhook: Offhook, server: Adb, code: str
) -> None:
    ran = offhook.run("pair", "127.0.0.1:1", code)
    assert ran.code == 2
    assert "six digits" in ran.err
    assert server.run("version").code == 0
    assert server.run("devices").code == 0


def test_connect_does_not_take_another_phone_than_was_asked_for(
    lab: LabPhone, offhook: Offhook
) -> None:
    with LabPhone() as other:
        for phone in (lab, other):
            offhook.good("connect", "{}:{}".format(*phone.address))
        ran = offhook.run("--phone", lab.serial, "connect", "{}:{}".format(*other.address))
    assert ran.code == 13
    assert other.serial in ran.err


def test_sync_says_which_phone_failed_and_what_to_do(lab: LabPhone, offhook: Offhook) -> None:
    put(lab, "one.wav")
    toml = offhook.home / "offhook.toml"
    toml.write_text(
        toml.read_text()
        + '[[phone]]\nalias = "desk"\naddress = "{}:{}"\n'.format(*lab.address)
        + '[[phone]]\nalias = "lap"\naddress = "127.0.0.1:1"\n'
    )
    ran = offhook.run("sync")
    assert ran.code == 50
    assert "lap: can't reach" in ran.err
    assert "adb tcpip" in ran.err
    assert "0 files and 1 phone failed" in ran.err
    assert len(offhook.rows()) == 1
