"""The recorder on the phone by itself: over a reboot, without its manager's module, of another age."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.capture.alsa.module import MODULE
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, wait_until

pytestmark = pytest.mark.vm

H = "/data/adb/offhook"
ASH = "ASH_STANDALONE=1 /lab/bin/busybox sh"
CONSENT = ("--basis", "own-line", "--here", "DE")


@pytest.fixture
def offhook(sm8250: LabPhone, tmp_path: Path) -> Iterator[Offhook]:
    one = Offhook(tmp_path / "home", sm8250.address)
    yield one
    one.run("disable")


def test_at_boot_goes_on_after_a_reboot_and_leaves_no_trace(
    sm8250: LabPhone, offhook: Offhook
) -> None:
    before = sm8250.snapshot()
    offhook.good("enable", "--at-boot", *CONSENT)
    said = offhook.good("--json", "status").json
    assert (said["at_boot"], said["protocol"], said["events"]) == ("yes", 1, "system")
    assert said["cost"]["cpu_percent"] < 50
    assert "root manager starts it again" in offhook.good("status").out
    # As a reboot leaves it; a lab phone's /data would not outlive a real one.
    sm8250.root(
        f"cd {H}/run; kill -KILL $(cat supervisor.pid daemon.pid logcat.pid); "
        "am force-stop com.android.shell"
    )
    assert sm8250.root("cmd notification list") == ""
    sm8250.root(f"{ASH} {MODULE}/service.sh", timeout=60)
    assert "|offhook|" in sm8250.root("cmd notification list")
    sm8250.call(ring=0.3, active=1.0)
    wait_until(lambda: ".wav" in sm8250.root(f"ls {H}/spool"))
    # The user removes the module in the root manager: that runs this, and deletes the folder.
    sm8250.root(f"{ASH} {MODULE}/uninstall.sh; rm -rf {MODULE}", timeout=60)
    assert sm8250.snapshot()["mixer"] == before["mixer"]
    offhook.good("disable")
    (row,) = offhook.rows()
    assert row["duration_s"] > 0.3
    assert sm8250.diff(before, sm8250.snapshot()) == []


def test_a_recorder_of_another_age_is_told_and_one_that_is_gone_is_swept(
    sm8250: LabPhone, offhook: Offhook
) -> None:
    before = sm8250.snapshot()
    # What a computer leaves that dies while it looks at the phone.
    sm8250.root("mkdir /data/adb/.offhook-0123; touch /data/local/tmp/.offhook-4567")
    offhook.good("disable")
    assert sm8250.diff(before, sm8250.snapshot()) == []
    offhook.good("enable", "--at-boot", *CONSENT)
    sm8250.root(
        f"sed -i s/^PROTOCOL=1$/PROTOCOL=0/ {H}/offhookd.sh; sed -i s/^VERSION=.*/VERSION=0.0.1/ {H}/config"
    )
    told = "the recorder on the phone is of Offhook 0.0.1, which is older than this one"
    assert told in " ".join(offhook.good("sync").err.split())
    with offhook.watching() as watching:
        watching.wait("version")
    offhook.good("enable")  # and the module is there again, too
    assert offhook.good("--json", "status").json["at_boot"] == "yes"
    assert "Offhook 0.0.1" not in offhook.good("sync").err
    offhook.good("enable", "--no-at-boot")
    assert offhook.good("--json", "status").json["at_boot"] == "no"
    offhook.good("disable")
    assert sm8250.diff(before, sm8250.snapshot()) == []
