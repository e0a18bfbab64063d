"""adbd on the lab phone, examined with Google's own adb."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.lab import wire
from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.lab_tests.conftest import Adb, Shell


def test_exit_codes_and_both_streams_come_through(shell: Shell) -> None:
    said = shell("printf 'a\\000\\r\\n\\377'; echo oops >&2; exit 7")
    assert (said.code, said.out, said.err) == (7, b"a\0\r\n\xff", b"oops\n")


def test_input_reaches_the_command(shell: Shell) -> None:
    assert shell("sha256sum -b", b"\0\xff\n" * 1000).text.split()[0] == (
        hashlib.sha256(b"\0\xff\n" * 1000).hexdigest()
    )


def test_the_shell_is_uid_2000_with_a_phones_path_and_tools(shell: Shell) -> None:
    said = shell("id; echo $PATH; readlink -f /bin/sh; whoami; echo $KSH_VERSION").text.splitlines()
    assert said[0].startswith("uid=2000(shell) gid=2000(shell) groups=")
    assert "1015(sdcard_rw)" in said[0] and said[0].endswith(" context=u:r:shell:s0")
    assert said[1].startswith("/product/bin:") and "/usr" not in said[1] and "/lab" not in said[1]
    assert said[2:4] == ["/system/bin/mksh", "shell"]
    assert "MIRBSD KSH" in said[4]


def test_nothing_of_debian_is_in_the_path(shell: Shell) -> None:
    for name in (
        "stdbuf",
        "apt-get",
        "dpkg",
        "busybox",
        "python3",
        "sqlite3",
        "bindfs",
        "nsenter2",
    ):
        assert shell(f"command -v {name}").code != 0, name
    assert shell("readlink $(command -v inotifyd)").text == "toybox\n"


@pytest.mark.parametrize(
    "closed",
    [
        "/data/media",
        "/data/media/0",
        "/data/adb",
        "/data/data/com.google.android.dialer",
        "/data/user_de/0/com.google.android.dialer/files",
    ],
)
def test_what_is_private_is_closed_to_the_shell(closed: str, shell: Shell) -> None:
    said = shell(f"ls {closed}")
    assert said.code != 0 and b"Permission denied" in said.err
    assert shell(f"su -c 'ls -d {closed}'").text == f"{closed}\n"


@pytest.mark.parametrize("folder", ["/sdcard/Recordings", "/data/local/tmp"])
def test_push_and_pull_keep_every_byte(
    folder: str, adb: Adb, phone: LabPhone, tmp_path: Path
) -> None:
    name = adb.connect(phone)
    data = os.urandom(3_000_001)
    (tmp_path / "out").write_bytes(data)
    os.utime(tmp_path / "out", (1_600_000_000, 1_600_000_000))
    there = f"{folder}/a b'c\"ü.wav"
    assert adb.run("-s", name, "push", str(tmp_path / "out"), there).code == 0
    assert adb.run("-s", name, "pull", "-a", there, str(tmp_path / "back")).code == 0
    assert (tmp_path / "back").read_bytes() == data
    assert (tmp_path / "back").stat().st_mtime == 1_600_000_000


def test_sdcard_is_a_view_of_data_media(shell: Shell, phone: LabPhone) -> None:
    assert shell("echo from below > /sdcard/Music/a").code == 0
    below = phone.root("stat -c '%U %a' /data/media/0/Music/a; cat /data/media/0/Music/a")
    assert below == "media_rw 660\nfrom below\n"
    phone.root("echo from above > /data/media/0/Music/b; chown 1023:1023 /data/media/0/Music/b")
    assert shell("cat /sdcard/Music/b").text == "from above\n"
    assert " fuse " in shell("grep /storage/emulated /proc/mounts").text


def test_it_listens_on_loopback_alone(phone: LabPhone) -> None:
    port = f":{phone.address[1]:04X}"
    found = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(port)
    ]
    assert found == [f"0000000000000000FFFF00000100007F{port}"]  # ::ffff:127.0.0.1


def test_two_phones_at_once_are_two(adb: Adb, phone: LabPhone) -> None:
    with LabPhone(profile="tensor", serial="SECOND-1") as other:
        names = [adb.connect(phone), adb.connect(other)]
        said = [
            adb.run("-s", name, "shell", "getprop ro.serialno; getprop ro.product.model; hostname")
            for name in names
        ]
        assert said[0].text.splitlines() == [phone.serial, "Lab Phone", phone.serial]
        assert said[1].text.splitlines() == ["SECOND-1", "Pixel 8 Pro", "SECOND-1"]
        other.root("touch /data/local/tmp/only-here")
        assert phone.root("ls /data/local/tmp").count("only-here") == 0
        with pytest.raises(LabError, match="runs already"):
            LabPhone(serial="SECOND-1").start()
        adb.run("disconnect", names[1])
    with pytest.raises(OSError, match="refused"):
        wire.greet(("127.0.0.1", int(names[1].split(":")[1])), 1)


def test_unplugging_breaks_a_transfer_in_the_middle(adb: Adb) -> None:
    with LabPhone() as phone:
        adb.connect(phone)
        endless = adb.popen(phone, "exec-out", "cat /dev/zero")
        with endless:
            assert endless.stdout is not None and endless.stderr is not None
            assert len(endless.stdout.read(1_000_000)) == 1_000_000
            phone.unplug()
            endless.stdout.read()  # comes to an end
        with pytest.raises(OSError, match="refused"):
            wire.greet(phone.address, 1)
        phone.plug()
        name = adb.connect(phone)
        assert adb.run("-s", name, "shell", "echo back").text == "back\n"
        phone.unplug()
        phone.plug()
        name = adb.connect(phone)
        assert adb.run("-s", name, "shell", "echo again").text == "again\n"


def test_a_frozen_link_is_silent_and_thaws(adb: Adb) -> None:
    with LabPhone() as phone:
        phone.freeze()
        with pytest.raises(OSError, match="timed out"):
            wire.greet(phone.address, 0.3)
        phone.thaw()
        assert wire.greet(phone.address, 5).startswith("device::")


def test_adbd_can_die_and_come_back(adb: Adb) -> None:
    with LabPhone() as phone:
        phone.kill_adbd()
        with pytest.raises(OSError, match="refused"):
            wire.greet(phone.address, 1)
        phone.start_adbd()
        name = adb.connect(phone)
        assert adb.run("-s", name, "shell", "echo again").text == "again\n"


def test_a_phone_that_stopped_leaves_nothing(adb: Adb) -> None:
    phone = LabPhone()
    phone.start()
    pid = phone.machine.note()["pid"]
    folder = phone._claim.folder if phone._claim else None
    phone.stop()
    phone.stop()
    assert folder is not None and not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(LabError, match="is not running"):
        phone.root("true")


def test_root_says_what_went_wrong(phone: LabPhone) -> None:
    assert phone.root("cat; id -u", input=b"a\0b") == "a\0b0\n"
    with pytest.raises(LabError, match=r"exit 3: no\b"):
        phone.root("echo no >&2; exit 3")
    with pytest.raises(LabError, match="not done in"):
        phone.root("sleep 60", timeout=0.2)
