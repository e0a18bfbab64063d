"""A phone in QEMU: it starts, it answers, it ends with its starter, and it says why it can't."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab import door, registry, vm
from tests.lab.cards import CARDS
from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.lab.vm import VmMachine
from tests.vm_tests.conftest import Adb

pytestmark = pytest.mark.vm

PROFILES = ("sm8250", "tensor", "audioreach")


@pytest.fixture
def phone(vm_of: Callable[[str], LabPhone]) -> LabPhone:
    return vm_of("sm8250")


def machine(phone: LabPhone) -> VmMachine:
    assert isinstance(phone.machine, VmMachine)
    return phone.machine


def root_run(phone: LabPhone, *words: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    return door.run(machine(phone).door, phone.serial, words, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", PROFILES)
def test_google_s_adb_finds_a_shell_that_may_not_touch_the_sound(
    vm_of: Callable[[str], LabPhone], adb: Adb, profile: str
) -> None:
    phone = vm_of(profile)
    name = adb.connect(phone)
    assert adb.run("-s", name, "shell", "id -u").text.strip() == "2000"
    assert adb.run("-s", name, "shell", "exit 7").code == 7
    for node in adb.run("-s", name, "shell", "ls /dev/snd/*").text.split():
        said = adb.run("-s", name, "shell", f": < {node}")
        assert said.code != 0, node
        assert b"Permission denied" in said.out + said.err, node
    assert adb.run("-s", name, "shell", "ls /data/media/0").code != 0
    adb.run("-s", name, "shell", "echo there > /sdcard/Music/a")
    assert phone.root("cat /data/media/0/Music/a; rm /data/media/0/Music/a") == "there\n"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_card_has_its_controls_and_its_names(
    vm_of: Callable[[str], LabPhone], profile: str
) -> None:
    phone, card = vm_of(profile), CARDS[profile]
    controls = phone.machine.mixer()
    assert set(controls) == {control.name for control in card.controls}
    assert len(controls) > 150
    assert phone.snapshot()["mixer"] == controls
    for control in card.controls:
        values = controls[control.name].split(",")
        assert len(values) == control.count, control
        if control.kind == "E":
            assert values[0] == control.range.split("|")[control.value], control
        elif control.kind != "Y":
            assert [int(v) for v in values] == [control.value] * control.count, control
    assert phone.root("cat /proc/asound/pcm").split("\n")[:-1] == [f"00-{p}" for p in card.pcms]
    assert card.full_name in phone.root("cat /proc/asound/cards")
    shown = phone.root("ls /proc/asound/card0").split()
    assert shown == (["id", "pcm23c"] if profile == "sm8250" else ["id"])


def test_no_two_controls_of_a_card_have_one_name() -> None:
    for card in CARDS.values():
        names = [control.name for control in card.controls]
        assert len(names) == len(set(names))
        assert all(len(name) < 44 for name in names)


def test_the_clock_is_this_computer_s(phone: LabPhone) -> None:
    before = time.time()
    there = float(phone.root("date +%s.%N"))
    assert before - 1 < there < time.time() + 1


def test_the_guest_reaches_nothing(phone: LabPhone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(LabError):
            phone.root(f"/lab/bin/busybox nc -w 2 10.0.2.2 {port} < /dev/null")
        assert not select.select([listener], [], [], 0)[0]


def test_the_door_carries_bytes_both_ways_and_the_exit_code(phone: LabPhone) -> None:
    data = os.urandom(3_000_000)
    assert root_run(phone, "/system/bin/cat", input=data).stdout == data
    done = root_run(phone, "/system/bin/sh", "-c", "print -n out; print -n -u2 err; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, b"out", b"err")
    assert root_run(phone, "/system/bin/sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert root_run(phone, "/no/such").returncode == 127
    # A program that does not read its input still ends.
    assert root_run(phone, "/system/bin/true", input=data).returncode == 0


def test_the_door_opens_for_many_and_ends_what_takes_too_long(phone: LabPhone) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: phone.root(f"sleep 0.3; echo {n}"), range(8)))
    assert said == [f"{n}\n" for n in range(8)]
    with pytest.raises(LabError, match="nothing after 1 s"):
        phone.root("exec sleep 987", timeout=1)
    phone.root("while pgrep -f 'sleep 98[7]'; do usleep 10000; done", timeout=10)


def test_a_door_of_another_phone_is_not_used(phone: LabPhone) -> None:
    with pytest.raises(LabError, match="another phone"):
        door.run(machine(phone).door, "SOMEBODY", ["/system/bin/true"])


def test_a_phone_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys; from tests.lab.phone import LabPhone; p = LabPhone('vm'); p.start();"
        "print(p.serial, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        serial = starter.stdout.readline().strip()
        pids = qemu_of(serial)
        assert len(pids) == 1
        ended = os.pidfd_open(pids[0])
        starter.send_signal(signal.SIGKILL)
        try:
            assert select.select([ended], [], [], 10)[0], "QEMU outlived its starter"
        finally:
            os.close(ended)
    assert serial not in [note["serial"] for note in registry.running()]


def test_a_stopped_phone_leaves_nothing() -> None:
    phone = LabPhone("vm")
    phone.start()
    try:
        assert len(qemu_of(phone.serial)) == 1
        folder = machine(phone).folder
        assert folder.exists()
    finally:
        phone.stop()
    assert qemu_of(phone.serial) == []
    assert not folder.exists()
    phone.stop()


def test_a_kernel_that_does_not_come_up_shows_its_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "_KERNEL", "console=ttyS0 panic=-1 rdinit=/no/such")
    phone = LabPhone("vm")
    with pytest.raises(LabError, match=r"did not start: QEMU ended(.|\n)*Kernel panic"):
        phone.start()
    assert qemu_of(phone.serial) == []


def test_a_start_that_takes_too_long_is_given_up() -> None:
    phone = LabPhone("vm", deadline=0.5)
    with pytest.raises(LabError, match="did not start: it took too long"):
        phone.start()
    assert qemu_of(phone.serial) == []


def test_a_missing_qemu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match="apt-get install qemu-system-x86"):
        LabPhone("vm").start()


def qemu_of(serial: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"qemu-system-x86_64") and f"lab.name={serial} " in str(words):
            found.append(int(folder.name))
    return found
