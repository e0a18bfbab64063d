"""The boot module: a reboot as far as a lab phone can play one, and what its manager's user does.

The lab phone does not reboot. What a reboot does to the recorder is done to it: every process of
it is gone, the notification too, the boot's id is another, its files are as they were; then the
manager's busybox runs service.sh.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.capture.alsa.module import MODULE, install_module, remove_module
from agent.capture.alsa.recorder import HOME, SPOOL, is_installed, version_problem
from agent.errors import CaptureError
from agent.phone.phone import Phone, open_phone
from tests.device_scripts.recorder_phone import Recorder
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, wait_until

ASH = "ASH_STANDALONE=1 /lab/bin/busybox sh"


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone() as one:
        yield one


@pytest.fixture(scope="module")
def phone(lab: LabPhone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_USER_HOME", str(tmp_path_factory.mktemp("android")))
        with open_phone("{}:{}".format(*lab.address)) as opened:
            yield opened


@pytest.fixture
def recorder(lab: LabPhone, phone: Phone) -> Iterator[Recorder]:
    one = Recorder(lab)
    one.install()
    install_module(phone)
    yield one
    lab.root("umount -l /proc/sys/kernel/random/boot_id 2>/dev/null; exit 0")
    one.clear()


def power_cut(recorder: Recorder) -> None:
    """What is left after a reboot."""
    recorder.phone.root(
        f"cd {HOME}/run; kill -KILL $(cat supervisor.pid daemon.pid logcat.pid capture.pid) "
        "2>/dev/null; am force-stop com.android.shell; echo another-boot >/lab/state/boot; "
        "mount --bind /lab/state/boot /proc/sys/kernel/random/boot_id"
    )
    for words in ("offhookd.sh ", "offhook-pcm capture"):
        wait_until(lambda w=words: recorder.processes(w) == [])  # type: ignore[misc]


def test_after_a_reboot_in_a_call_the_recording_is_kept_and_the_next_call_recorded(
    recorder: Recorder,
) -> None:
    recorder.do("on")
    call = recorder.phone.start_call(ring=0.2, active=30)
    recorder.until("recording")
    wait_until(lambda: int(recorder.phone.root(f"stat -c %s {HOME}/run/call.wav")) > 1_000_000)
    power_cut(recorder)
    call.hang_up()
    call.wait()
    recorder.phone.root(f"{ASH} {MODULE}/service.sh", timeout=60)
    assert recorder.state() == "idle"
    said = recorder.status()
    assert (said["notice"], said["boot"]) == ("shown", "yes")
    recorder.phone.call(ring=0.2, active=0.5)
    wait_until(lambda: len(recorder.sidecars()) == 2)
    before, after = recorder.sidecars()
    assert (before["cut"], after["cut"]) == (True, False)
    assert (before["part"], after["part"]) == (1, 1)  # not one call in two parts


def test_what_is_off_stays_off_after_a_reboot(recorder: Recorder) -> None:
    recorder.do("on")
    recorder.do("stop")
    recorder.phone.root(f"{ASH} {MODULE}/service.sh")
    assert recorder.processes("offhookd") == []


def test_scripts_of_another_protocol_are_not_started(recorder: Recorder, phone: Phone) -> None:
    recorder.phone.root(f"sed -i s/^PROTOCOL=1$/PROTOCOL=7/ {HOME}/offhookd.sh")
    recorder.phone.root(f"{ASH} {MODULE}/service.sh")
    assert recorder.processes("offhookd") == []
    assert "boot module is of another version" in recorder.log()
    said = version_problem(phone)
    assert said == (
        "the recorder on the phone is of Offhook 9.9, which is newer than this one: "
        "update Offhook here, or run `offhook enable`"
    )
    recorder.phone.root(f"sed -i /^PROTOCOL=/d {HOME}/offhookd.sh")
    assert str(version_problem(phone)).endswith(
        "is older than this one: run `offhook enable` again"
    )
    recorder.install()
    assert version_problem(phone) is None


def test_a_removed_module_takes_all_but_recordings_with_it(
    recorder: Recorder, phone: Phone
) -> None:
    recorder.do("on")
    recorder.phone.call(ring=0.2, active=0.5)
    wait_until(lambda: len(recorder.sidecars()) == 1)
    recorder.phone.root(f"touch {MODULE}/remove")
    assert recorder.status()["boot"] == "removed"
    recorder.phone.root(f"{ASH} {MODULE}/uninstall.sh; rm -rf {MODULE}")
    assert recorder.processes("offhookd") == []
    names = recorder.phone.root(f"find {HOME} -mindepth 1 ! -path '{SPOOL}/*'")
    assert names == f"{SPOOL}\n"
    assert recorder.phone.root(f"ls {SPOOL}").count(".wav") == 1
    assert is_installed(phone)  # so that they are pulled
    recorder.phone.root(f"rm -rf {HOME}")
    assert not is_installed(phone)


def test_a_removed_module_without_recordings_leaves_nothing(recorder: Recorder) -> None:
    recorder.do("on")
    recorder.phone.root(f"{ASH} {MODULE}/uninstall.sh")
    assert recorder.phone.root(f"ls -d {HOME} 2>/dev/null; exit 0") == ""
    assert recorder.processes("offhookd") == []


def test_the_module_is_ours_and_private_to_root_managers(recorder: Recorder, phone: Phone) -> None:
    about = dict(
        line.split("=", 1) for line in recorder.phone.root(f"cat {MODULE}/module.prop").splitlines()
    )
    assert about["id"] == "offhook"
    assert int(about["versionCode"]) > 0
    assert set(about) == {"id", "name", "version", "versionCode", "author", "description"}
    recorder.phone.root(f"touch {MODULE}/disable")
    assert recorder.status()["boot"] == "disabled"
    install_module(phone)
    assert recorder.status()["boot"] == "yes"
    remove_module(phone)
    assert recorder.status()["boot"] == "no"
    remove_module(phone)


def test_another_module_of_that_name_is_left_alone(recorder: Recorder, phone: Phone) -> None:
    recorder.phone.root(f"rm -rf {MODULE}; mkdir {MODULE}; echo id=offhook >{MODULE}/module.prop")
    with pytest.raises(CaptureError, match="another module"):
        install_module(phone)
    remove_module(phone)
    assert recorder.phone.root(f"ls {MODULE}") == "module.prop\n"


def test_without_a_root_manager_that_reads_modules_it_says_so(
    recorder: Recorder, phone: Phone
) -> None:
    recorder.phone.root("mv /data/adb/modules /data/adb/elsewhere")
    try:
        with pytest.raises(CaptureError, match="no /data/adb/modules"):
            install_module(phone)
    finally:
        recorder.phone.root("mv /data/adb/elsewhere /data/adb/modules")


def test_a_recorder_of_another_age_is_told_by_sync_watch_and_status(
    recorder: Recorder, tmp_path: Path
) -> None:
    offhook = Offhook(tmp_path / "home", recorder.phone.address)
    recorder.phone.root(f"sed -i s/^PROTOCOL=1$/PROTOCOL=0/ {HOME}/offhookd.sh")
    recorder.do("on")
    told = "the recorder on the phone is of Offhook 9.9, which is older than this one"
    assert told in " ".join(offhook.good("sync").err.split())
    assert told in offhook.good("--json", "status").json["problem"]
    with offhook.watching() as watching:
        watching.wait("version")
    recorder.phone.root(f"sed -i s/^PROTOCOL=0$/PROTOCOL=1/ {HOME}/offhookd.sh")
    assert "Offhook 9.9" not in offhook.good("sync").err


def test_disable_sweeps_what_a_computer_left_that_died_while_it_looked(
    recorder: Recorder, tmp_path: Path
) -> None:
    recorder.clear()
    recorder.phone.root("mkdir /data/adb/.offhook-0123; touch /data/local/tmp/.offhook-4567")
    Offhook(tmp_path / "home", recorder.phone.address).good("disable")
    assert recorder.phone.root("ls -A /data/adb /data/local/tmp").count(".offhook-") == 0
