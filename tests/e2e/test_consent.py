"""What `enable` asks, what it refuses, and what of the answer is found again."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import Any

from agent.capture import law
from tests.lab.bcr import StandIn
from tests.lab.sounds import sound
from tests.offhook import PROGRAM, Offhook


def custody(offhook: Offhook) -> list[dict[str, Any]]:
    import sqlite3

    with sqlite3.connect(f"file:{offhook.home}/offhook.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT action, detail FROM custody ORDER BY seq").fetchall()
    db.close()
    return [{"action": action, **json.loads(detail)} for action, detail in rows]


def test_the_stricter_side_counts_and_nothing_is_done_to_the_phone(
    bcr: StandIn, offhook: Offhook
) -> None:
    refused = offhook.run("enable", "--basis", "one-party", "--here", "GB", "--there", "DE")
    assert refused.code == 22
    assert "DE (Germany): all-party" in refused.out
    assert "GB (United Kingdom): one-party" in refused.out
    assert "The stricter side counts: all-party." in refused.out
    assert "not legal advice" in refused.out
    assert "--basis own-line" in refused.err
    assert "--basis all-party" in refused.err
    typo = offhook.run("--json", "enable", "--basis", "own-line", "--here", "UK")
    assert typo.code == 22
    assert (
        json.loads(typo.err[typo.err.index("{") :])["hint"] == "Did you mean GB (United Kingdom)?"
    )
    assert offhook.run("--json", "enable").code == 22
    assert not (offhook.home / "phones").exists()
    assert 'call_recording" value="true' not in bcr.prefs()
    contested = offhook.run("enable", "--basis", "one-party", "--here", "US-NV")
    assert contested.code == 22
    assert "contested" in contested.err


def test_each_recording_has_the_answer_of_its_time_and_changes_are_in_the_log(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.good("enable", "--basis", "one-party", "--here", "GB", "--there", "NL")
    bcr.give(sound("oga", 1.0, 400), "oga")
    bcr.phone.call(ring=0.1, active=1.1)
    bcr.idle()
    ran = offhook.good("enable", "--basis", "all-party", "--there", "DE")
    assert "say at the beginning of each call" in ran.out
    again = offhook.good("enable")  # asks nothing, and it is the same answer
    assert "Source:" not in again.out
    bcr.give(sound("oga", 1.0, 700), "oga")
    bcr.phone.call(ring=0.1, active=1.1)
    bcr.idle()
    offhook.good("disable")  # pulls both, long after the first answer
    shown = [offhook.good("--json", "show", row["sha256"]).json for row in offhook.rows()]
    assert [one["facts"]["consent"]["value"]["basis"] for one in shown] == [
        "one-party",
        "all-party",
    ]
    assert shown[1]["facts"]["consent"]["value"]["there"] == "DE"
    assert shown[1]["facts"]["consent"]["value"]["law"] == law.VERSION
    text = " ".join(offhook.good("show", shown[0]["sha256"]).out.split())
    assert "consent one-party (GB to NL), answered 20" in text
    assert law.VERSION in text
    said = [entry for entry in custody(offhook) if entry["action"].startswith("consent")]
    assert [entry["action"] for entry in said] == ["consent given", "consent changed"]
    assert said[1]["before"]["basis"] == "one-party"
    assert said[1]["after"]["basis"] == "all-party"
    assert said[1]["after"]["here"] == "GB"


def test_a_kept_answer_that_the_table_no_longer_leaves_has_to_be_given_anew(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.good("enable", "--basis", "own-line", "--here", "DE")
    (path,) = (offhook.home / "phones").glob("*.consent.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"basis": "one-party"}))
    refused = offhook.run("enable")
    assert refused.code == 22
    assert "offhook law DE" in " ".join(refused.err.split())
    offhook.good("enable", "--basis", "own-line")


def test_a_person_is_asked_and_asked_again(bcr: StandIn, offhook: Offhook) -> None:
    """With a terminal: places, what the law says there, and the bases that it leaves."""
    ours, theirs = pty.openpty()
    try:
        asked = subprocess.Popen(
            [PROGRAM, "enable"], env=offhook.env, stdin=theirs, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        os.close(theirs)
        os.write(ours, b"germny\nde\n\none-party\nown-line\n")
        out, _ = asked.communicate(timeout=60)
    finally:
        os.close(ours)
    assert asked.returncode == 0, out
    assert "Did you mean DE (Germany)?" in out
    assert "DE (Germany): all-party" in out
    assert "'one-party' is not one of 'own-line', 'all-party'" in out
    (path,) = (offhook.home / "phones").glob("*.consent.json")
    assert json.loads(path.read_text())["basis"] == "own-line"


def test_an_announcement_that_the_route_cannot_make_is_told_or_refused(
    bcr: StandIn, offhook: Offhook
) -> None:
    offhook.home.mkdir()
    toml = offhook.home / "offhook.toml"
    toml.write_text('[consent]\nannounce = "tone"\n')
    ran = offhook.good("enable", "--basis", "all-party", "--here", "DE")
    assert "NOT announced: the route bcr can't make anything heard in a call" in ran.out
    assert "say at the beginning of each call" in ran.out
    offhook.good("disable")
    toml.write_text('[consent]\nannounce = "tone"\nannounce_required = true\n')
    refused = offhook.run("enable")
    assert refused.code == 22
    assert "announce_required = false" in refused.err
    assert 'call_recording" value="true' not in bcr.prefs()


def test_a_home_that_cannot_be_written_is_told_before_anything_is_done_to_the_phone(
    bcr: StandIn, offhook: Offhook
) -> None:
    bcr.stop()  # its processes come and go
    offhook.good("enable", "--basis", "own-line", "--here", "DE")
    before = bcr.phone.snapshot()
    for command in ("enable", "disable", "selftest"):
        ran = offhook.run_closed(command)
        assert ran.code == 3, ran
        assert "can't be written" in ran.err
    assert bcr.phone.changes(before) == []
    said = offhook.run_closed("--json", "status").json
    assert (said["serial"], said["state"]) == (bcr.phone.serial, "idle")
