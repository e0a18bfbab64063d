"""The `bcr` route on a lab phone: a stand-in of BCR records, and every recording comes here once.

The stand-in is no BCR: it does with files and settings what BCR's source says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bcr import ID, OWN, PREFS, StandIn, module_zip
from tests.lab.phone import LabPhone
from tests.lab.sounds import sound
from tests.offhook import Offhook, wait_until

ENABLE = ("enable", "--basis", "own-line", "--here", "DE")


@pytest.fixture
def bcr(shared_phone: LabPhone) -> Iterator[StandIn]:
    made = StandIn(shared_phone)
    made.settings(codec_name="OGG/Opus", call_recording=False)
    made.start()
    yield made
    made.stop()
    shared_phone.root(
        f"rm -rf {OWN}/* /data/media/0/BCR /data/user_de/0/{ID}/* /lab/state/bcr "
        f"/lab/state/sys/grants /lab/state/sys/appops /lab/state/sys/spared; "
        f"mkdir -p /data/user_de/0/{ID}/files; chown -R 10215:10215 /data/user_de/0/{ID}"
    )


def call(bcr: StandIn, suffix: str = "oga", seconds: float = 1.0, **what: Any) -> str:
    """A call that BCR records; the SHA-256 of what it makes of it."""
    digest = bcr.give(sound(suffix, seconds, 400 + 50 * len(bcr.sounds)), suffix)
    bcr.phone.call(ring=0.1, active=seconds + 0.1, **what)
    bcr.idle()
    return digest


def hashes(offhook: Offhook) -> list[str]:
    return sorted(row["sha256"] for row in offhook.rows())


def test_enable_takes_bcr_and_says_why_and_disable_leaves_no_trace(
    bcr: StandIn, offhook: Offhook
) -> None:
    bcr.stop()  # its processes come and go
    before, allowed, prefs = bcr.phone.snapshot(), bcr.allowed(), bcr.prefs()
    said = offhook.good("--json", *ENABLE).json
    assert (said["route"], said["possible"], said["channels"]) == ("bcr", True, ["mixed"])
    assert "BCR 1.79 is installed" in said["why"]
    assert "alsa" in said["why"]
    assert '<boolean name="call_recording" value="true" />' in bcr.prefs()
    assert '<boolean name="write_metadata" value="true" />' in bcr.prefs()
    assert "OGG/Opus" in bcr.prefs()
    assert bcr.phone.root(f"stat -c '%u:%g %a' {PREFS}") == "10215:10215 660\n"
    assert bcr.allowed().count("granted=true") == 5
    assert f"user,{ID},10215" in bcr.allowed()
    status = offhook.good("--json", "status").json
    assert (status["running"], status["state"], status["notice"]) == (True, "idle", True)
    offhook.good("disable")
    assert bcr.prefs() == prefs
    assert bcr.allowed() == allowed
    assert bcr.phone.changes(before) == []


def test_every_recording_comes_once_and_whole_with_what_its_metadata_says(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.good(*ENABLE)
    made = []
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        made.append(call(bcr, "oga", number="+49301", contact='Ada "x"'))
        watching.wait("filed", count=1)
        made.append(call(bcr, "m4a", number="+49302", direction="out"))
        watching.wait("filed", count=2)
        made.append(call(bcr, "flac", number="", presentation="restricted"))
        watching.wait("filed", count=3)
        watching.wait("joined", count=3)
    rows = offhook.rows()
    assert [row["sha256"] for row in rows] == made
    assert [row["number"] for row in rows] == ["+49301", "+49302", None]
    assert [row["direction"] for row in rows] == ["in", "out", "in"]
    assert rows[0]["contact"] == 'Ada "x"'
    assert {row["route"] for row in rows} == {"bcr"}
    assert [row["flags"] for row in rows] == [[], [], []]
    assert all(row["verified"] for row in rows)


def test_moves_to_the_users_folder_and_moves_that_fail(bcr: StandIn, offhook: Offhook) -> None:
    tree = "content://com.android.externalstorage.documents/tree/primary%3ABCR%2FCalls"
    bcr.phone.root("mkdir -p /data/media/0/BCR/Calls; chown -R 1023:1023 /data/media/0/BCR; "
                   "chmod -R 2770 /data/media/0/BCR")  # fmt: skip
    bcr.settings(output_dir=tree)
    offhook.good(*ENABLE)
    made = []
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        for count, wrong in enumerate(("", "slow", "stuck", "error"), 1):
            bcr.goes_wrong(wrong)
            made.append(call(bcr, "wav", number=f"+4930{count}"))
            watching.wait("filed", count=count)
    rows = offhook.rows()
    assert [row["sha256"] for row in rows] == made
    assert [row["flags"] for row in rows] == [[], [], ["not moved"], []]
    assert [row["number"] for row in rows] == ["+49301", "+49302", "+49303", "+49304"]
    moved = bcr.phone.root("ls /data/media/0/BCR/Calls")
    assert (moved.count(".wav"), moved.count("ERROR_")) == (3, 2)


def test_a_silent_call_vanishes_a_crash_is_kept_and_a_failure_says_so(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.good(*ENABLE)
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        bcr.goes_wrong("silent")
        call(bcr)
        bcr.goes_wrong("crash")
        call(bcr, "wav")
        bcr.phone.root("rm /lab/state/bcr/audio/*")
        bcr.goes_wrong("fail")
        call(bcr, "flac")
        watching.wait("filed", count=2)
    rows = offhook.rows()
    assert [row["flags"] for row in rows] == [["cut"], ["incomplete"]]
    assert not {row["sha256"] for row in rows} & set(bcr.sounds)
    report = offhook.good("--json", "sync").json
    assert (report["failed"], report["filed"]) == ([], [])
    offhook.good("disable")
    assert 'call_recording" value="false' in bcr.prefs()


def test_calls_before_the_first_unlock(bcr: StandIn, offhook: Offhook) -> None:
    offhook.good(*ENABLE)
    bcr.goes_wrong("locked")
    digest = call(bcr)
    offhook.good("disable")
    assert hashes(offhook) == [digest]
    (row,) = offhook.rows()
    assert row["flags"] == []


def test_settings_are_not_touched_in_a_call_and_what_bcr_had_in_memory_does_not_win(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.good(*ENABLE)
    first = bcr.give(sound("oga", 1.0, 333), "oga")
    ongoing = bcr.phone.start_call(ring=0.1, active=30)
    ongoing.wait_for("active")
    wait_until(lambda: ".oga" in bcr.phone.root(f"ls {OWN}"))
    refused = offhook.run("disable")
    assert refused.code == 20
    assert "a call is on" in refused.err
    assert 'call_recording" value="true' in bcr.prefs()
    ongoing.hang_up()
    ongoing.wait()
    # Now BCR still moves its files, and its process, with the settings in memory, lives on.
    offhook.good("disable")
    assert hashes(offhook) == [first]
    assert '<boolean name="call_recording" value="false" />' in bcr.prefs()
    bcr.phone.call(ring=0.1, active=0.5)
    assert '<boolean name="call_recording" value="false" />' in bcr.prefs()
    assert "write_metadata" not in bcr.prefs()


def test_lost_settings_are_noticed_and_put_back(bcr: StandIn, offhook: Offhook) -> None:
    bcr.settings(codec_name="FLAC", min_duration=0, filename_template="{date}")
    offhook.good(*ENABLE)
    whole = bcr.prefs()
    bcr.phone.root(f"rm {PREFS}")
    status = offhook.good("--json", "status").json
    assert status["running"] is False
    assert "lost 5 of its settings" in status["problem"]
    offhook.good("enable")
    assert sorted(bcr.prefs().splitlines()) == sorted(whole.splitlines())
    assert offhook.good("--json", "status").json["problem"] is None
    offhook.good("disable")
    assert "call_recording" not in bcr.prefs()
    assert "FLAC" in bcr.prefs()


def test_a_bcr_that_was_never_opened_is_given_back_without_a_folder(
    bcr: StandIn, offhook: Offhook
) -> None:
    bcr.stop()
    bcr.phone.root(f"rm -rf {PREFS.rpartition('/')[0]}")
    before = bcr.phone.snapshot()
    offhook.good(*ENABLE)
    assert 'call_recording" value="true' in bcr.prefs()
    offhook.good("disable")
    assert bcr.phone.changes(before) == []


def test_what_recorded_before_goes_on_recording_after(bcr: StandIn, offhook: Offhook) -> None:
    bcr.settings(call_recording=True)
    said = offhook.good("--json", *ENABLE).json
    assert "records on this phone already" in said["why"]
    assert 'write_metadata" value="true' in bcr.prefs()
    offhook.good("disable")
    assert 'call_recording" value="true' in bcr.prefs()
    assert "write_metadata" not in bcr.prefs()


def test_disable_beside_a_watch_waits_for_no_files_of_others(
    bcr: StandIn, offhook: Offhook
) -> None:
    tree = "content://com.android.externalstorage.documents/tree/primary%3ARecordings"
    bcr.settings(output_dir=tree)
    bcr.phone.root("cd /data/media/0/Recordings; echo memo > 'Voice 001.m4a'; : > 20260101_101010_a.wav; "
                   "chown 1023:1023 *; chmod 660 *")  # fmt: skip
    offhook.good(*ENABLE)
    try:
        with offhook.watching() as watching:
            watching.wait("state", text="idle")
            digest = call(bcr, "wav")
            ran = offhook.good("disable", timeout=50)
        assert "Another Offhook is at it" in ran.out
    finally:
        bcr.phone.root("rm -f /data/media/0/Recordings/*")
    assert hashes(offhook) == [digest]


def test_no_notification_no_recording(bcr: StandIn, offhook: Offhook) -> None:
    prefs, allowed = bcr.prefs(), bcr.allowed()
    bcr.phone.root("mount --bind /system/bin/false /system/bin/log; "
                   "mv /lab/state/notifications /lab/state/gone")  # fmt: skip
    try:
        ran = offhook.run(*ENABLE)
    finally:
        bcr.phone.root("umount -l /system/bin/log; mv /lab/state/gone /lab/state/notifications")
    assert ran.code == 20
    assert "notification" in ran.err
    assert (bcr.prefs(), bcr.allowed()) == (prefs, allowed)


@pytest.mark.parametrize("manager", ["magisk", "ksud"])
def test_from_a_zip_over_a_reboot_and_back(manager: str, tmp_path: Path) -> None:
    zip_file = tmp_path / "BCR-3.7-release.zip"
    zip_file.write_bytes(module_zip())
    with LabPhone() as phone:
        phone.root(f"/lab/bin/modules provide {manager}")
        offhook = Offhook(tmp_path / "home", phone.address)
        before = phone.snapshot()
        install = (*ENABLE, "--route", "bcr", "--bcr-zip", str(zip_file))
        said = offhook.good("--json", *install)
        assert "reboot the phone" in said.err
        assert offhook.good("--json", "status").json["running"] is False
        offhook.good("disable")
        assert phone.changes(before) == []
        if manager != "magisk":  # from here on, they are the same
            return
        offhook.good(*install)
        phone.root("/lab/bin/modules boot")
        offhook.good("enable")
        bcr = StandIn(phone)
        assert 'call_recording" value="true' in bcr.prefs()
        bcr.start()
        phone.root(f"mkdir -p {OWN}; chown -R 1023:1023 /data/media/0/Android; "
                   "chmod -R 2770 /data/media/0/Android")  # fmt: skip
        digest = call(bcr)
        ran = offhook.good("disable")
        assert "reboot" in ran.out
        assert hashes(offhook) == [digest]
        bcr.stop()
        phone.root("/lab/bin/modules boot; rm -rf /data/media/0/Android/data")
        left = [line for line in phone.changes(before) if "LAB" not in line]
        assert left == []


def test_a_zip_of_something_else_is_refused(bcr: StandIn, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(module_zip(name="com.example.other"))
    with LabPhone() as phone:
        phone.root("/lab/bin/modules provide magisk")
        offhook = Offhook(tmp_path / "home", phone.address)
        ran = offhook.run(*ENABLE, "--route", "bcr", "--bcr-zip", str(other))
        assert ran.code == 21
        assert "its id is 'com.example.other'" in ran.err.replace("\n", "")
        rows = {row["route"]: row for row in json.loads(offhook.good("--json", "routes").out)}
        assert rows["bcr"]["possible"] is False
        assert "--bcr-zip" in rows["bcr"]["instead"]
