"""The notification, where another's app records: it comes back, by whatever it went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.capture.alsa.module import MODULE
from agent.capture.keeper import HOME
from tests.lab.bcr import ID, StandIn
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
    lab.root(f"rm -rf {HOME} {MODULE} {BLOCKED} /data/user_de/0/{ID}/* /lab/state/bcr")


@pytest.fixture
def offhook(bcr: StandIn, tmp_path: Path) -> Iterator[Offhook]:
    made = Offhook(tmp_path / "home", bcr.phone.address)
    yield made
    bcr.phone.root(f"rm -f {BLOCKED}")
    made.run("disable")


def key(lab: LabPhone) -> str:
    """The notification's key; empty when the phone does not show it."""
    lines = lab.root("cmd notification list").splitlines()
    return next((line for line in lines if "|offhook|" in line), "")


def quick(lab: LabPhone) -> None:
    """The keeper looks every second; a minute is too long for a test."""
    lab.root(f"sed -i s/^EVERY_S=.*/EVERY_S=1/ {HOME}/keep; sed -i s/wait_s=5/wait_s=1/ "
             f"{HOME}/notice.sh; sh {HOME}/notice.sh stop; sh {HOME}/notice.sh start")  # fmt: skip


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
    assert lab.diff(before, lab.snapshot()) == []


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
    assert "enabled=0" in lab.root(f"dumpsys package {ID}")
    call.hang_up()
    call.wait()
    wait_until(lambda: "enabled=3" in lab.root(f"dumpsys package {ID}"))
    status = offhook.good("--json", "status").json
    assert "its recorder is disabled" in status["problem"]
    assert (status["running"], status["notice"]) == (False, False)
    lab.root(f"rm {BLOCKED}")
    wait_until(lambda: "enabled=0" in lab.root(f"dumpsys package {ID}"))
    assert key(lab) != ""
    # The user removes our module in the root manager: nobody shows it any more.
    lab.root(f"{ASH} {MODULE}/uninstall.sh; rm -rf {MODULE}")
    assert "enabled=3" in lab.root(f"dumpsys package {ID}")
    assert keepers(lab) == 0
    offhook.good("disable")
    assert "enabled=0" in lab.root(f"dumpsys package {ID}")
