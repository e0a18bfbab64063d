"""What Android answers: the shapes of real dumps, and the real exit codes."""

from __future__ import annotations

import re

import pytest

from tests.lab.phone import LabPhone
from tests.lab.profiles import PROFILES
from tests.lab_tests.conftest import Adb, Shell

KEY = "0|com.android.shell|2020|tag|2000"


@pytest.fixture(autouse=True)
def _quiet(phone: LabPhone) -> None:
    phone.root("am force-stop com.android.shell; logcat -b all -c")


# -- properties and settings ---------------------------------------------------------------------


def test_getprop_lists_and_gets(shell: Shell, phone: LabPhone) -> None:
    lines = shell("getprop").text.splitlines()
    assert lines == sorted(lines) and len(lines) > 50
    assert all(re.fullmatch(r"\[[^]]+\]: \[.*\]", line) for line in lines)
    assert f"[ro.serialno]: [{phone.serial}]" in lines
    assert shell("getprop ro.product.cpu.abi").text == "x86_64\n"
    assert shell("getprop no.such; echo $?; getprop no.such other").text == "\n0\nother\n"


def test_setprop_is_for_root_where_it_is_on_a_phone(shell: Shell) -> None:
    assert shell("setprop debug.a 'b = [c]' && getprop debug.a").text == "b = [c]\n"
    refused = shell("setprop persist.vendor.x 1")
    assert refused.code == 1 and b"Failed to set property 'persist.vendor.x' to '1'" in refused.err
    assert shell("su -c 'setprop persist.vendor.x 1'; getprop persist.vendor.x").text == "1\n"
    assert shell("su -c 'setprop ro.serialno forged'").code == 1
    assert shell(f"setprop debug.long {'x' * 92}").code == 1


def test_settings(shell: Shell) -> None:
    assert shell("settings get system volume_voice").text == "4\n"
    assert shell("settings get global no_such").text == "null\n"
    said = shell("settings put global a_b 'x = $(id)\n\\n'; settings get global a_b")
    assert said.text == "x = $(id)\n\\n\n"
    assert "a_b=x = $(id)\n\\n\n" in shell("settings list global").text
    assert shell("settings delete global a_b").text == "Deleted 1 rows\n"
    assert shell("settings delete global a_b").text == "Deleted 0 rows\n"
    assert shell("settings get nowhere x").code == 255


def test_writers_at_once_lose_nothing(phone: LabPhone) -> None:
    phone.root("for i in 1 2 3 4 5 6 7 8 9; do settings put global race$i $i & done; wait")
    assert phone.root("settings list global | grep -c '^race[1-9]=[1-9]$'") == "9\n"


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_each_profile_is_a_phone(name: str) -> None:
    properties = PROFILES[name].properties("S1")
    assert properties["ro.serialno"] == "S1"
    assert properties["ro.product.cpu.abilist"].startswith("x86_64")
    assert re.fullmatch(
        r"\w+/\w+/\w+:\d+/[\w.-]+/[\w.-]+:user/release-keys", properties["ro.build.fingerprint"]
    )
    assert all(len(value) < 92 for value in properties.values())


# -- notifications -------------------------------------------------------------------------------


def test_a_notification_posted_by_the_shell_is_there(shell: Shell) -> None:
    posted = shell("cmd notification post -S bigtext -t 'The title' tag 'The text'")
    assert posted.code == 0 and posted.text.startswith("posting:\n  Notification(channel=shell_cmd")
    assert shell("cmd notification list").text == f"{KEY}\n"
    record = shell(f"cmd notification get '{KEY}'").text
    assert record.startswith("NotificationRecord(") and "android.text=String (The text)" in record
    shell("cmd notification post tag 'Newer text'")  # the same tag: the same notification
    assert shell("cmd notification list").text == f"{KEY}\n"
    assert "Newer text" in shell("dumpsys notification").text
    missing = shell("cmd notification get x")
    assert missing.code == 1 and "no active notification matching key: x" in missing.text


def test_a_notification_posted_by_root_is_dropped_without_a_word(shell: Shell) -> None:
    posted = shell("su -c 'cmd notification post tag text'")
    assert (posted.code, posted.err) == (0, b"") and "posting:" in posted.text
    assert shell("cmd notification list").text == ""
    assert "NameNotFoundException: root" in shell("logcat -d -s NotificationService").text
    shell("su 2000 -c 'cmd notification post tag text'")
    assert shell("cmd notification list").text == f"{KEY}\n"


def test_there_is_no_cancel_but_snooze_and_force_stop(shell: Shell) -> None:
    shell("cmd notification post tag text; cmd notification post other text")
    assert shell(f"cmd notification cancel '{KEY}'").code == 255
    assert shell(f"cmd notification snooze --for 600000 '{KEY}'").text.startswith("snoozing <0|")
    assert KEY not in shell("cmd notification list").text
    assert shell(f"cmd notification snooze --for 600000 '{KEY}'").code == 1
    assert shell(f"cmd notification unsnooze '{KEY}'").text == f"unsnoozing: {KEY}\n"
    assert len(shell("cmd notification list").text.splitlines()) == 2
    assert shell("am force-stop com.android.shell").code == 0
    assert shell("cmd notification list").text == ""


def test_hostile_tags_are_only_text(shell: Shell) -> None:
    shell("cmd notification post \"a'b;\\$(id) *\" '$(id)'")
    assert shell("cmd notification list").text == "0|com.android.shell|2020|a'b;$(id) *|2000\n"


# -- packages and the rest -----------------------------------------------------------------------


def test_pm(shell: Shell) -> None:
    assert "package:com.google.android.dialer\n" in shell("pm list packages").text
    assert shell("pm list packages google").text == "package:com.google.android.dialer\n"
    assert re.fullmatch(
        r"package:/product/\S+\.apk\n", shell("pm path com.google.android.dialer").text
    )
    absent = shell("pm path no.such.app")
    assert (absent.code, absent.out) == (1, b"")
    assert "versionName=" in shell("dumpsys package com.google.android.dialer").text


def test_small_answers(shell: Shell) -> None:
    assert shell("getenforce").text == "Enforcing\n"
    assert shell("setenforce 0").code == 1
    assert shell("su -c 'setenforce 0; getenforce; setenforce 1'").text == "Permissive\n"
    assert shell("id -Z").text == "u:r:shell:s0\n"
    assert shell("su -c id").text.endswith(" context=u:r:magisk:s0\n")
    assert re.search(r"^  level: \d+$", shell("dumpsys battery").text, re.MULTILINE)
    assert shell("input keyevent KEYCODE_WAKEUP").code == 0
    assert "up " in shell("uptime").text
    assert shell("cmd no_such").code == 20
    said = shell("am broadcast -a x.y").text
    assert said == "Broadcasting: Intent { act=x.y }\nBroadcast completed: result=0\n"
    assert re.fullmatch(r"[0-9a-f-]{36}\n", shell("cat /proc/sys/kernel/random/boot_id").text)
    assert shell("date +%z").text in ("+0100\n", "+0200\n")


# -- the log -------------------------------------------------------------------------------------


def test_logcat_formats_and_filters(shell: Shell) -> None:
    shell("log -t Other -p w 'one'; log -t Mine 'two\nlines'")
    time = r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
    said = shell("logcat -d").text.splitlines()
    assert said[0] == "--------- beginning of main"
    assert re.fullmatch(rf"{time} +\d+ +\d+ W Other   : one", said[1])
    assert [line.split(": ")[1] for line in said[2:]] == ["two", "lines"]
    assert re.fullmatch(
        r"I/Mine    \( *\d+\): two", shell("logcat -d -v brief -t 1").text.splitlines()[1]
    )
    assert "Other" not in shell("logcat -d -s Mine:I").text
    assert "Other" not in shell("logcat -d '*:S' Mine").text
    assert "Mine" not in shell("logcat -d '*:W'").text
    assert shell("logcat -d -b radio").text == ""
    assert shell("logcat -b main -c; logcat -d -b main").text == ""
    assert shell("logcat -b nonsense").code == 1


def test_logcat_streams_what_comes_and_ends_when_killed(adb: Adb, phone: LabPhone) -> None:
    phone.root("log -t Telecom old1; log -t Telecom old2")
    stream = adb.popen(phone, "shell", "logcat -b main,system -v threadtime -T 1 -s Telecom:I")
    with stream:
        assert stream.stdout is not None and stream.stderr is not None
        assert stream.stdout.readline() == b"--------- beginning of main\n"
        assert stream.stdout.readline().endswith(b"I Telecom : old2\n")
        for word in ("new1", "new2"):
            phone.root(f"log -t Unrelated x; log -t Telecom {word}")
            assert stream.stdout.readline().endswith(f"I Telecom : {word}\n".encode())
        call = phone.root("cat /proc/$(pgrep -x logcat)/syscall").split()
        assert call[0] == "0"  # read(2), of inotify: it waits, and does not poll
        phone.root("kill $(pgrep -x logcat)")
        assert stream.stdout.read() == b""
