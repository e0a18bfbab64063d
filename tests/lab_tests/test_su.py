"""su as Magisk, KernelSU and AOSP have it, and as a user who says no."""

from __future__ import annotations

import time

import pytest

from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.lab_tests.conftest import Shell


@pytest.fixture(autouse=True)
def _granted_again(phone: LabPhone) -> None:
    phone.su("grant")


@pytest.mark.parametrize(
    ("command", "out"),
    [
        ("su -c 'id -u; id -g'", "0\n0\n"),
        ("su -c id -u", "0\n"),  # all that follows -c is the command
        ("su --command 'id -u'", "0\n"),
        ("su 2000 -c 'id -u; id -G'", "2000\n2000\n"),
        ("su shell -c 'id -u'", "2000\n"),
        ("su -lp 2000 -c 'id -u'", "2000\n"),
        ("su -lc 'echo $0'", "-\n"),
        ("su --mount-master -c 'id -u'", "0\n"),
        ("su -mm -c 'id -u'", "0\n"),
        ("su -M -c 'id -u'", "0\n"),
        ("su root -c 'echo $HOME $USER'", "/ root\n"),
        ("su -g 1000 -G 1015 -c 'id -G'", "1000 1015\n"),
        ("echo 'id -u' | su", "0\n"),
        ("echo 'id -u' | su 0 echo ignored", "0\n"),  # Magisk drops what follows the user
        ("su -v", "28.1:MAGISKSU\n"),
        ("su -V", "28100\n"),
        ("cd /data/local/tmp && su -c pwd", "/data/local/tmp\n"),
        ("A=1 su -c 'echo $A'", "1\n"),
        ("su -c 'umask'", "022\n"),
        ("su -c 'printf \"a\\000\\377\"' | od -An -tx1", " 61 00 ff\n"),
    ],
)
def test_magisks_command_line(command: str, out: str, shell: Shell) -> None:
    said = shell(command)
    assert (said.code, said.text, said.err) == (0, out, b"")


def test_the_exit_code_and_the_streams_are_the_commands(shell: Shell) -> None:
    said = shell("su -c 'cat; echo bad >&2; exit 42'", b"in\0put")
    assert (said.code, said.out, said.err) == (42, b"in\0put", b"bad\n")


def test_a_signal_reads_as_zero_as_with_magisk(shell: Shell) -> None:
    assert shell("su -c 'kill -9 $$'").code == 0


def test_a_command_outlives_the_su_that_asked_for_it(shell: Shell, phone: LabPhone) -> None:
    shell(
        "su -c 'echo $$ > /data/local/tmp/pid; exec sleep 100' </dev/null >/dev/null 2>&1 & "
        "until [ -s /data/local/tmp/pid ]; do usleep 10000; done; kill -9 $!"
    )
    assert phone.root("kill -0 $(cat /data/local/tmp/pid) && echo lives") == "lives\n"
    phone.root("kill $(cat /data/local/tmp/pid)")


def test_it_can_deny(shell: Shell, phone: LabPhone) -> None:
    phone.su("deny")
    said = shell("su -c id")
    assert (said.code, said.out, said.err) == (13, b"", b"Permission denied\n")
    assert shell("su -v").code == 0  # a version is not root
    assert phone.root("/system/xbin/su 2000 -c 'id -u'") == "2000\n"  # root needs no leave


def test_it_can_be_absent(shell: Shell, phone: LabPhone) -> None:
    phone.su("absent")
    said = shell("su -c id")
    assert said.code == 127 and b"not found" in said.err
    assert shell("ls /system/bin/su /system/xbin/su /sbin/su").text == ""
    phone.su("grant")
    assert shell("su -c 'id -u'").text == "0\n"


def test_it_can_be_slow(shell: Shell, phone: LabPhone) -> None:
    phone.su("slow 0.5")
    begin = time.monotonic()
    assert shell("su -c 'id -u'").text == "0\n"
    assert time.monotonic() - begin >= 0.5
    phone.su("deny slow 0.5")
    begin = time.monotonic()
    assert shell("su -c 'id -u'").code == 13
    assert time.monotonic() - begin >= 0.5


def test_it_can_talk_first(shell: Shell, phone: LabPhone) -> None:
    phone.su("banner")
    assert shell("su -c 'id -u'").text == "[su] root access granted\n0\n"


def test_kernelsus(shell: Shell, phone: LabPhone) -> None:
    phone.su("kernelsu")
    assert shell("su -v").text.endswith(":KernelSU\n")
    assert shell("su -c 'id -u'").text == "0\n"
    phone.su("kernelsu deny")
    said = shell("su -c id")
    assert said.code == 127 and b"inaccessible or not found" in said.err


def test_aosps(shell: Shell, phone: LabPhone) -> None:
    phone.su("aosp")
    assert shell("su 0 id -u").text == "0\n"
    assert shell("su 0 sh -c 'id -u; exit 5'").code == 5
    assert shell("su 2000 id -u").text == "2000\n"
    said = shell("su -c id")
    assert said.code == 1 and b"invalid uid/gid '-c'" in said.err


def test_only_root_can_change_its_mind(shell: Shell, phone: LabPhone) -> None:
    phone.su("deny")
    assert shell("echo grant > /lab/state/su/mode").code != 0
    assert shell("/lab/bin/su-mode grant").code != 0
    assert shell("su -c id").code == 13
    with pytest.raises(LabError, match="knows no mode"):
        phone.su("maybe; rm -rf /")
