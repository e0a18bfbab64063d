"""The notification, where another's app records: it comes back, by whatever it went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.capture.alsa.module import MODULE
from agent.capture.keeper import HOME
from tests.lab.bcr import ID, OWN, PREFS, StandIn
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, wait_until

ENABLE = ("enable", "--basis", "own-line", "--here", "DE")
ASH = "ASH_STANDALONE=1 /lab/bin/busybox sh"
BLOCKED = "/lab/state/sys/blocked"


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone(profile="bcr") as phone:
        yield phone


@pytest.fixture
def bcr(lab: LabPhone) -> Iterator[StandIn]:
    made = StandIn(lab)
    made.settings(call_recording=False)
    made.start()
    yield made
    made.stop()
    lab.root(f"rm -rf {HOME} {MODULE} {BLOCKED} /data/user_de/0/{ID}/* /lab/state/bcr; "
             "pkill -x sleep; :")  # what a keeper that was killed waited for  # fmt: skip


@pytest.fixture
def offhook(bcr: StandIn, tmp_path: Path) -> Iterator[Offhook]:
    made = Offhook(tmp_path / "home", bcr.phone.address)
    yield made
    bcr.phone.root(f"rm -f {BLOCKED}; umount -l /system/bin/pm 2>/dev/null; "
                   "setprop sys.boot_completed 1; rm -f /lab/state/pm-*")  # fmt: skip
    made.run("disable")


def key(lab: LabPhone) -> str:
    """The notification's key; empty when the phone does not show it."""
    lines = lab.root("cmd notification list").splitlines()
    return next((line for line in lines if "|offhook|" in line), "")


def quick(lab: LabPhone) -> None:
    """The keeper looks every second; a minute is too long for a test."""
    lab.root(f"sed -i s/^EVERY_S=.*/EVERY_S=1/ {HOME}/keep; sed -i s/wait_s=5/wait_s=1/ "
             f"{HOME}/notice.sh; sh {HOME}/notice.sh stop; sh {HOME}/notice.sh start")  # fmt: skip


def enabled(lab: LabPhone) -> str:
    """BCR's state, as Android counts: 0 as it came, 3 disabled."""
    return lab.root(f"dumpsys package {ID}").partition("enabled=")[2][:1]


def without_package_manager(lab: LabPhone) -> None:
    """As early in a boot, and for as long as it lasts, `pm` finds nobody who answers."""
    lab.root("cat >/lab/state/pm-none; chmod 755 /lab/state/pm-none; setprop sys.boot_completed 0; "
             "mount --bind /lab/state/pm-none /system/bin/pm", input=NO_PM.encode())  # fmt: skip


NO_PM = """#!/system/bin/sh
[ "$(getprop sys.boot_completed)" = 1 ] && exec cmd package "$@"
echo "cmd: Can't find service: package" >&2
exit 20
"""

WRITER = f"""
exec 8>{OWN}/moving.oga
while [ -e /lab/state/pm-hold ]; do usleep 100000; done
rm {OWN}/moving.oga
"""


def keepers(lab: LabPhone) -> int:
    return lab.root("ps -A -o ARGS").count("notice.sh run")


def test_it_comes_back_when_it_is_swiped_away_stopped_or_snoozed(
    bcr: StandIn, offhook: Offhook
) -> None:
    lab = bcr.phone
    bcr.stop()  # its processes come and go
    before = lab.snapshot()
    offhook.good(*ENABLE)
    quick(lab)
    lab.root("rm -rf /lab/state/notifications/[0-9]*")
    wait_until(lambda: key(lab) != "")
    lab.root("am force-stop com.android.shell")
    wait_until(lambda: key(lab) != "")
    lab.root(f"cmd notification snooze --for 3600000 '{key(lab)}'")
    wait_until(lambda: key(lab) != "")
    offhook.good(*ENABLE)
    wait_until(lambda: keepers(lab) == 1)  # another `enable` starts no second one
    assert offhook.good("--json", "status").json["problem"] is None
    offhook.good("disable")
    assert keepers(lab) == 0
    assert key(lab) == ""
    assert lab.changes(before) == []


def test_after_a_reboot_the_root_manager_starts_what_shows_it(
    bcr: StandIn, offhook: Offhook
) -> None:
    lab = bcr.phone
    offhook.good(*ENABLE)
    lab.root(f"kill -KILL $(cat {HOME}/run/notice.pid); am force-stop com.android.shell")
    assert "had ended" in offhook.good("--json", "status").json["problem"]
    assert key(lab) == ""
    lab.root(f"{ASH} {MODULE}/service.sh", timeout=60)
    wait_until(lambda: key(lab) != "")
    wait_until(lambda: keepers(lab) == 1)  # what it runs has its name for a moment


def test_without_it_bcr_is_disabled_but_never_in_a_call(bcr: StandIn, offhook: Offhook) -> None:
    lab = bcr.phone
    offhook.good(*ENABLE)
    quick(lab)
    call = lab.start_call(ring=0.1, active=30)
    lab.root(f"touch {BLOCKED}; am force-stop com.android.shell")
    wait_until(lambda: keepers(lab) == 1 and lab.root(f"ls {HOME}/run").count("notice.pid") == 1)
    lab.root("sleep 3")  # three looks of the keeper's, in the call
    assert enabled(lab) == "0"
    call.hang_up()
    call.wait()
    wait_until(lambda: enabled(lab) == "3")
    status = offhook.good("--json", "status").json
    assert "its recorder is disabled" in status["problem"]
    assert (status["running"], status["notice"]) == (False, False)
    lab.root(f"rm {BLOCKED}")
    wait_until(lambda: enabled(lab) == "0")
    assert key(lab) != ""
    # The user removes our module in the root manager: nobody shows it any more.
    lab.root(f"{ASH} {MODULE}/uninstall.sh; rm -rf {MODULE}")
    assert enabled(lab) == "3"
    assert keepers(lab) == 0
    offhook.good("disable")
    assert enabled(lab) == "0"


def test_bcr_is_disabled_though_the_phone_refuses_it_at_first(
    bcr: StandIn, offhook: Offhook
) -> None:
    lab = bcr.phone
    offhook.good(*ENABLE)
    quick(lab)
    without_package_manager(lab)
    lab.root(f"touch {BLOCKED}; am force-stop com.android.shell")
    wait_until(lambda: "is disabled" in lab.root(f"cat {HOME}/run/log"))
    assert enabled(lab) == "0"
    lab.root("setprop sys.boot_completed 1")
    wait_until(lambda: enabled(lab) == "3")


def test_bcr_is_not_disabled_while_it_writes(bcr: StandIn, offhook: Offhook) -> None:
    lab = bcr.phone
    offhook.good(*ENABLE)
    quick(lab)
    lab.root(
        f"mkdir -p {OWN}; touch /lab/state/pm-hold; cat >/lab/state/pm-writer; "
        f"setsid sh -c 'exec -a {ID} /system/bin/sh /lab/state/pm-writer' </dev/null >/dev/null 2>&1 &",
        input=WRITER.encode(),
    )
    files = f"for each in $(pidof {ID}); do ls -l /proc/$each/fd; done 2>/dev/null; true"
    wait_until(lambda: "moving.oga" in lab.root(files))
    lab.root(f"touch {BLOCKED}; am force-stop com.android.shell; sleep 4")
    assert enabled(lab) == "0"
    lab.root("rm /lab/state/pm-hold")
    wait_until(lambda: enabled(lab) == "3")


def test_a_module_that_was_turned_off_in_the_root_manager_would_let_bcr_go_on_alone(
    bcr: StandIn, offhook: Offhook
) -> None:
    lab = bcr.phone
    offhook.good(*ENABLE)
    quick(lab)
    lab.root(f"touch {MODULE}/disable")
    wait_until(lambda: enabled(lab) == "3")
    assert key(lab) != ""
    assert "root manager" in offhook.good("--json", "status").json["problem"]
    lab.root(f"rm {MODULE}/disable")
    wait_until(lambda: enabled(lab) == "0")
    lab.root(f"touch {MODULE}/remove")
    wait_until(lambda: enabled(lab) == "3")
    lab.root(f"kill -STOP -$(cat {HOME}/run/notice.pid)")  # it hangs, with whatever it waits for
    offhook.good(*ENABLE)  # which turns the module on again
    assert enabled(lab) == "0"
    assert offhook.good("--json", "status").json["problem"] is None


def test_a_removed_module_is_unpacked_too_early_in_the_boot_to_disable_bcr(
    bcr: StandIn, offhook: Offhook
) -> None:
    lab = bcr.phone
    offhook.good(*ENABLE)
    lab.root(f"kill -KILL $(cat {HOME}/run/notice.pid); am force-stop com.android.shell")
    without_package_manager(lab)
    lab.root(f"{ASH} {MODULE}/uninstall.sh; rm -rf {MODULE}")
    lab.root("setprop sys.boot_completed 1")
    wait_until(lambda: enabled(lab) == "3")
    wait_until(lambda: lab.root(f"ls -d {HOME} 2>/dev/null; :") == "")


def test_the_keeper_ends_when_it_was_taken_away_and_is_no_child_of_adbd(
    bcr: StandIn, offhook: Offhook
) -> None:
    lab = bcr.phone
    lab.root("mkdir /dev/cg2_bpf; : >/dev/cg2_bpf/cgroup.procs")
    try:
        offhook.good(*ENABLE)
        assert lab.root("cat /dev/cg2_bpf/cgroup.procs") == lab.root(f"cat {HOME}/run/notice.pid")
    finally:
        lab.root("rm -r /dev/cg2_bpf")
    quick(lab)
    lab.root(f"rm {HOME}/keep")
    wait_until(lambda: keepers(lab) == 0)
    lab.root(f"sh {HOME}/notice.sh start")
    assert keepers(lab) == 0


def test_what_a_kill_left_half_written_goes_too(bcr: StandIn, offhook: Offhook) -> None:
    lab = bcr.phone
    bcr.stop()
    before = lab.snapshot()
    offhook.good(*ENABLE)
    lab.root(
        f"sh {HOME}/notice.sh stop; rm {HOME}/notice.sh; touch {HOME}/keep.new {HOME}/notice.sh.new "
        f"{PREFS}.offhook; mkdir /data/adb/.offhook-0123; touch /data/local/tmp/.offhook-4567"
    )
    offhook.good("disable")
    assert lab.changes(before) == []
