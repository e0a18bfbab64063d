"""The `dialer` route on a lab phone: stand-ins of dialers record, and each recording comes once.

The stand-ins are no vendor's dialers: they do with files what is known of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.dialer import DialerStandIn
from tests.lab.phone import LabPhone
from tests.lab.snapshot import Snapshot
from tests.lab.sounds import sound
from tests.offhook import Offhook, wait_until

ENABLE = ("enable", "--basis", "own-line", "--here", "DE")
KEY = "button_auto_record_call"


@pytest.fixture(scope="module")
def miui_phone() -> Iterator[LabPhone]:
    """Without root."""
    with LabPhone(profile="dialer") as phone:
        yield phone


@pytest.fixture(scope="module")
def rooted_phone() -> Iterator[LabPhone]:
    """Its dialer is Google's, unless a test makes it another."""
    with LabPhone() as phone:
        yield phone


@pytest.fixture
def miui(miui_phone: LabPhone) -> Iterator[DialerStandIn]:
    made = DialerStandIn(miui_phone, "miui")
    made.start()
    yield made
    made.stop()
    miui_phone.root(
        f"cmd settings delete system {KEY}; rm -rf {made.folder}/*; rm -f /lab/state/run/refuse-*"
    )


@pytest.fixture
def offhook(miui: DialerStandIn, tmp_path: Path) -> Iterator[Offhook]:
    made = Offhook(tmp_path / "home", miui.phone.address)
    yield made
    made.run("disable")


def call(dialer: DialerStandIn, suffix: str = "mp3", seconds: float = 1.0, **what: Any) -> str:
    """A call that the dialer records; the SHA-256 of what it makes of it."""
    digest = dialer.give(sound(suffix, seconds, 400 + 50 * len(dialer.sounds)), suffix)
    dialer.phone.call(ring=0.1, active=seconds, **what)
    dialer.idle()
    return digest


def setting(phone: LabPhone, key: str = KEY) -> str:
    return phone.root(f"cmd settings get system {key}").strip()


def traces(phone: LabPhone, before: Snapshot) -> list[str]:
    """What differs but for what a dialer has recorded, and its own naps."""
    return [
        line
        for line in phone.changes(before)
        if not any(word in line for word in ("call_rec", "usleep"))
    ]


def test_a_dialer_that_records_is_taken_and_each_call_comes_once_and_whole(
    miui: DialerStandIn, offhook: Offhook
) -> None:
    miui.phone.root(f"cmd settings put system {KEY} 1; echo old > {miui.folder}/old.mp3")
    miui.knows("+493012340001", "Ada_Miller (work)")
    before = miui.phone.snapshot()
    said = offhook.good("--json", *ENABLE)
    assert (said.json["route"], said.json["possible"]) == ("dialer", True)
    assert "it records on this phone already" in said.json["why"]
    assert "1 recording from before stays alone" in said.err
    status = offhook.good("--json", "status").json
    assert (status["running"], status["notice"], status["dialer"]) == (True, True, "miui")
    made = []
    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        made.append(call(miui, number="+493012340001"))
        # The file stands still while the call is held, and is no recording yet.
        miui.goes_wrong("slow")
        made.append(call(miui, number="+493012340002", direction="out", hold=4.0, resume=0.5))
        watching.wait("filed", count=2)
    rows = offhook.rows()
    assert [row["sha256"] for row in rows] == made
    assert [row["number"] for row in rows] == [
        "00493012340001",
        "00493012340002",
    ]  # as MIUI writes them
    assert rows[0]["contact"] == "Ada_Miller (work)"
    assert {row["route"] for row in rows} == {"dialer"}
    assert [row["flags"] for row in rows] == [[], []]
    assert all(row["verified"] for row in rows)
    shown = offhook.good("--json", "show", "latest").json
    assert shown["facts"]["recorder"]["value"] == "miui"
    offhook.good("disable")
    assert [row["direction"] for row in offhook.rows()] == ["in", "out"]  # out of the call log
    assert setting(miui.phone) == "1"
    assert traces(miui.phone, before) == []
    assert len([name for name in miui.files() if name.endswith(".txt")]) == 2


def test_what_is_off_is_turned_on_and_off_again_unless_the_user_did_so(
    miui: DialerStandIn, offhook: Offhook
) -> None:
    miui.phone.root(f"cmd settings put system {KEY} 0")
    before = miui.phone.snapshot()
    said = offhook.good("--json", *ENABLE, "--route", "dialer").json
    assert said["possible"] is None
    assert setting(miui.phone) == "1"
    assert offhook.good("--json", "status").json["problem"] is None
    offhook.good("disable")
    assert traces(miui.phone, before) == []
    offhook.good("enable", "--route", "dialer")
    miui.phone.root(f"cmd settings delete system {KEY}; cmd settings put system {KEY} 2")
    status = offhook.good("--json", "status").json
    assert (status["running"], "is off" in status["problem"]) == (False, True)
    assert "was changed on the phone meanwhile" in offhook.good("disable").out
    assert setting(miui.phone) == "2"


def test_where_no_setting_does_it_the_user_is_told(miui: DialerStandIn, offhook: Offhook) -> None:
    before = miui.phone.snapshot()
    ran = offhook.good(*ENABLE, "--route", "dialer")
    assert "«Record calls automatically»" in ran.out.replace("\n", " ")
    assert "records every call" not in ran.out
    assert setting(miui.phone) == "null"
    assert offhook.good("--json", "status").json["unseen"] is True
    assert "can't be seen from here" in offhook.good("status").out
    offhook.good("disable")
    assert traces(miui.phone, before) == []
    # The setting is there, and the maker keeps the shell from it.
    miui.phone.root(f"cmd settings put system {KEY} 0; touch /lab/state/run/refuse-settings")
    ran = offhook.good("enable", "--route", "dialer")
    assert "«USB debugging (Security settings)»" in ran.out.replace("\n", " ")
    assert "«Record calls automatically»" in ran.out.replace("\n", " ")
    status = offhook.good("--json", "status").json
    assert (status["running"], "is off" in status["problem"]) == (False, True)
    offhook.good("disable")


def test_what_was_there_before_comes_when_it_is_asked_for(
    miui: DialerStandIn, offhook: Offhook
) -> None:
    miui.phone.root(f"cmd settings put system {KEY} 1")
    old = [call(miui, number="+49301"), call(miui, number="+49302")]
    offhook.good(*ENABLE)
    new = call(miui, number="+49303")
    offhook.good("sync")
    assert [row["sha256"] for row in offhook.rows()] == [new]
    offhook.good("enable")  # again: what came since is no old recording
    (offhook.home / "offhook.toml").write_text(
        '[[source]]\nname = "old"\npath = "/sdcard/MIUI/sound_recorder/call_rec"\n'
    )
    offhook.good("sync")
    assert sorted(row["sha256"] for row in offhook.rows()) == sorted([*old, new])


def test_no_disable_in_a_call_and_its_recording_comes(
    miui: DialerStandIn, offhook: Offhook
) -> None:
    miui.phone.root(f"cmd settings put system {KEY} 0")
    offhook.good(*ENABLE, "--route", "dialer")
    digest = miui.give(sound("mp3", 1.0, 333), "mp3")
    ongoing = miui.phone.start_call(ring=0.1, active=30)
    ongoing.wait_for("active")
    wait_until(lambda: any(name.endswith(".mp3") for name in miui.files()))
    refused = offhook.run("disable")
    assert (refused.code, "a call is on" in refused.err) == (20, True)
    assert setting(miui.phone) == "0"  # the next one is not recorded
    ongoing.hang_up()
    ongoing.wait()
    offhook.good("disable")
    (row,) = offhook.rows()
    assert row["sha256"] == digest
    # What was played is what is heard: a tone at -12 dB.
    assert (row["silent"], row["levels"][0]["peak_dbfs"]) == (False, pytest.approx(-12.3, abs=1))


def test_the_notification_comes_back_after_a_reboot_and_without_it_nothing_is_on(
    miui: DialerStandIn, offhook: Offhook
) -> None:
    miui.phone.root(f"cmd settings put system {KEY} 0")
    offhook.good(*ENABLE, "--route", "dialer")
    miui.phone.root("rm -rf /lab/state/notifications/*")
    assert offhook.good("--json", "status").json["notice"] is False
    offhook.good("sync")
    assert offhook.good("--json", "status").json["notice"] is True
    offhook.good("disable")
    miui.phone.root("mv /lab/state/notifications /lab/state/gone")
    try:
        ran = offhook.run("enable", "--route", "dialer")
    finally:
        miui.phone.root("mv /lab/state/gone /lab/state/notifications")
    assert (ran.code, "notification" in ran.err) == (20, True)
    assert setting(miui.phone) == "0"
    assert offhook.good("--json", "status").json["installed"] is False


def test_googles_phone_keeps_its_recordings_where_only_root_reads(
    rooted_phone: LabPhone, tmp_path: Path
) -> None:
    google = DialerStandIn(rooted_phone, "google")
    offhook = Offhook(tmp_path / "home", rooted_phone.address)
    rows = {row["route"]: row for row in offhook.good("--json", "routes").json}
    assert rows["dialer"]["possible"] is False
    assert "no trace of a recording" in rows["dialer"]["reason"]
    google.start()
    google.tell()
    try:
        old = call(google, "wav", number="+49300")
        ran = offhook.good(*ENABLE)
        assert "A voice tells both ends" in ran.out.replace("\n", " ")
        new = call(google, "wav", number="+49301")
        offhook.good("sync")
        (row,) = offhook.rows()
        assert (row["sha256"], row["route"]) == (new, "dialer")
        assert old != new
        offhook.good("disable")
        rooted_phone.su("deny")
        rows = {row["route"]: row for row in offhook.good("--json", "routes").json}
        assert rows["dialer"]["possible"] is False
        assert "only root can read" in rows["dialer"]["reason"]
    finally:
        rooted_phone.su("grant")
        offhook.run("disable")
        google.stop()
        rooted_phone.root(f"rm -rf {google.folder}")


def test_watch_says_what_keeps_recordings_from_being_taken(
    miui: DialerStandIn, offhook: Offhook
) -> None:
    miui.phone.root(f"cmd settings put system {KEY} 1")
    offhook.good(*ENABLE)
    miui.phone.root("touch /lab/state/sys/blocked; am force-stop com.android.shell")
    try:
        call(miui, number="+49308")
        with offhook.watching() as watching:
            watching.wait("problem")
            assert offhook.rows() == []
            miui.phone.root("rm /lab/state/sys/blocked")
            watching.wait("filed")
    finally:
        miui.phone.root("rm -f /lab/state/sys/blocked")


def test_a_phone_that_denies_root_records_by_what_needs_none_if_asked(tmp_path: Path) -> None:
    with LabPhone(profile="audioreach") as phone:
        phone.root(
            "cmd settings put secure dialer_default_application com.samsung.android.dialer; "
            "cmd settings put system record_calls_automatically_on_off 1; "
            "cmd settings put system record_calls_automatically_type 0"
        )
        offhook = Offhook(tmp_path / "home", phone.address)
        phone.su("deny")
        assert "denied root" in offhook.run(*ENABLE).err
        offhook.good(*ENABLE, "--route", "dialer")
        # Another computer can't see whose notification that is: perhaps of our recorder.
        other = Offhook(tmp_path / "other", phone.address).run(*ENABLE, "--route", "dialer")
        assert (other.code != 0, "denied root" in other.err) == (True, True)
        offhook.good("disable")


def test_samsungs_phone_records_some_calls_then_all_then_some(tmp_path: Path) -> None:
    with LabPhone(profile="audioreach") as phone:
        phone.root(
            "cmd settings put secure dialer_default_application com.samsung.android.dialer; "
            "cmd settings put system record_calls_automatically_on_off 1; "
            "cmd settings put system record_calls_automatically_type 2"
        )
        samsung = DialerStandIn(phone, "samsung")
        samsung.start()
        offhook = Offhook(tmp_path / "home", phone.address)
        offhook.good(*ENABLE, "--route", "dialer")
        assert setting(phone, "record_calls_automatically_type") == "0"
        digest = call(samsung, "m4a", number="*6900")
        offhook.good("disable")
        assert [row["sha256"] for row in offhook.rows()] == [digest]
        assert setting(phone, "record_calls_automatically_type") == "2"
        assert setting(phone, "record_calls_automatically_on_off") == "1"
        samsung.stop()


def test_what_is_pending_is_no_recording_yet(rooted_phone: LabPhone, tmp_path: Path) -> None:
    rooted_phone.root(
        "cmd settings put secure dialer_default_application com.android.dialer; "
        "print ro.lineage.version=21-20241225 >> /lab/state/sys/props; "
        "mkdir -p '/data/media/0/RECORDINGS/call Recordings'"
    )
    lineage = DialerStandIn(rooted_phone, "lineageos")
    lineage.start()
    lineage.tell()
    offhook = Offhook(tmp_path / "home", rooted_phone.address)
    try:
        ran = offhook.good(*ENABLE, "--route", "dialer")
        assert "tap the record button" in ran.out.replace("\n", " ")
        lineage.give(sound("m4a", 1.0, 555), "m4a")
        ongoing = rooted_phone.start_call(ring=0.1, active=30)
        ongoing.wait_for("active")
        wait_until(lambda: any(name.startswith(".pending-") for name in lineage.files()))
        report = offhook.good("--json", "sync").json
        assert (report["filed"], report["waiting"]) == ([], [])
        ongoing.hang_up()
        ongoing.wait()
        lineage.idle()
        offhook.good("disable")
        assert [row["sha256"] for row in offhook.rows()] == list(lineage.sounds)
    finally:
        offhook.run("disable")
        lineage.stop()
