"""The recorder on the phone by itself: over a reboot, and without its boot module."""

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
    assert "Next: `offhook enable`. It would take alsa" in offhook.good("doctor").out
    offhook.good("enable", "--at-boot", *CONSENT)
    offhook.good("enable")  # as it was
    assert "Next: " not in offhook.good("doctor").out
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
    assert sm8250.changes(before) == []
