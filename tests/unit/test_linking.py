"""Joins in the archive: kept with their reason, settled by hand, taken back; and old indexes."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from agent.archive import Archive, joining
from agent.archive.audit import audit
from agent.archive.calls import CallFilters, listed
from agent.archive.filing import NewRecording, file_part
from agent.archive.join import Look
from agent.archive.records import Fact, Recording
from agent.cli import calls as cli_calls
from agent.cli.common import App
from agent.errors import UsageError
from agent.phone.calls import LoggedCall
from agent.phone.contacts import Contact
from agent.sync.named import Place, read_name

T = 1_767_000_000_000
OLD = Path(__file__).parent / "old" / "0001.db.gz"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True, clock=lambda: T + 10_000_000) as opened:
        opened.add_phone("S1")
        yield opened
        # Whatever the program did to a row, the custody log has it.
        assert [one for one in audit(opened).findings if one.kind == "edited"] == []


def put(archive: Archive, start: int, length_s: float = 30.0, **said: Any) -> Recording:
    facts = {"started_ms": start, "ended_ms": start + round(length_s * 1000), **said}
    new = NewRecording(
        original_name=f"{start}.wav",
        mtime_ns=start * 10**6,
        phone="S1",
        source="folder",
        facts={k: Fact(v, "test", "stated") for k, v in facts.items()},
    )
    part = archive.begin(new)
    part.write(json.dumps(facts).encode())
    recording, _ = file_part(archive, part, new)
    return recording


def call(log_id: int, at: int, number: str = "+4930123456", **what: Any) -> LoggedCall:
    facts = {"duration_s": 30, "type": 1, "presentation": 1, "raw": f"Row: {log_id}"} | what
    return LoggedCall(log_id, at, number=number, **facts)


def run(archive: Archive, *words: str, as_json: bool = False) -> str:
    app = App(home=archive.home, json=as_json)
    command = {one.name: one for one in cli_calls.COMMANDS}[words[0]]
    result = CliRunner().invoke(command, list(words[1:]), obj=app, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_join_is_kept_with_score_and_reason_and_told_without_names(archive: Archive) -> None:
    recording = put(archive, T + 7000, number="+4930123456")
    archive.add_calls("S1", [call(1, T, name="Ada")])
    archive.join_calls("S1")
    (joined,) = joining.joins_of(archive, recording)
    assert (joined["settled_by"], joined["name"]) == ("rule", "Ada")
    assert joined["score"] > 0.99
    assert joined["reason"] == "rang 7 s before it, same length, same number"
    entry = archive.custody_of(recording.sha256)[-1]
    assert entry.detail["reason"] == joined["reason"]
    assert "Ada" not in json.dumps(entry.detail) and "30123456" not in json.dumps(entry.detail)


def test_what_the_user_says_stays_and_what_the_rule_said_goes(archive: Archive) -> None:
    recording = put(archive, T + 7000)
    archive.add_calls("S1", [call(1, T, name="Ada", sim="1")])
    archive.join_calls("S1")
    assert archive.recording(recording.sha256).contact == "Ada"
    archive.add_calls("S1", [call(2, T - 9_000_000, "117", name="Bob", type=2)])
    other = listed_ids(archive)[-1]
    linked = joining.link(archive, recording, other)
    assert (linked.contact, linked.number, linked.direction) == ("Bob", "117", "out")
    assert linked.sim is None
    assert linked.facts["number"]["confidence"] == "told"
    assert archive.search("ada") == []
    archive.add_calls("S1", [call(3, T + 100, name="Eve")])
    assert archive.join_calls("S1") == []
    nobody = joining.link(archive, recording, None)
    assert (nobody.call_id, nobody.contact, nobody.number) == (None, None, None)
    assert archive.join_calls("S1") == []
    actions = [entry.action for entry in archive.custody_of(recording.sha256)]
    assert actions[-2:] == ["linked with a call by hand", "said to be of no call by hand"]
    assert archive.verify_chain() == []


def listed_ids(archive: Archive) -> list[int]:
    with archive.reading() as db:
        return [one["id"] for one in listed(db, CallFilters())]


def test_taken_back_the_rule_decides_again(archive: Archive) -> None:
    recording = put(archive, T + 7000, number="+4930123456")
    archive.add_calls("S1", [call(1, T)])
    joining.link(archive, recording, None)
    assert joining.unlink(archive, recording).call_id is not None


def test_a_stated_fact_is_not_overwritten_by_a_link(archive: Archive) -> None:
    recording = put(archive, T, number="+4917012345")
    archive.add_calls("S1", [call(1, T + 9_000_000)])
    linked = joining.link(archive, recording, 1)
    assert linked.number == "+4917012345"


def test_a_likely_join_gives_way_to_the_right_row(archive: Archive) -> None:
    recording = put(archive, T + 66_000)
    archive.add_calls("S1", [call(1, T, "117", duration_s=31)])
    archive.add_look("S1", Look(T + 100_000, 0, 1, None, 1, T))
    assert len(archive.join_calls("S1")) == 1
    assert 0.95 < joining.joins_of(archive, recording)[0]["score"] < 0.99  # it rang for long
    archive.add_calls("S1", [call(2, T + 60_000, "112")])
    archive.join_calls("S1")
    assert archive.recording(recording.sha256).number == "112"
    assert len(joining.joins_of(archive, recording)) == 1


def test_every_party_of_a_conference_is_found(archive: Archive) -> None:
    recording = put(archive, T + 5000, 300.0)
    archive.add_calls(
        "S1",
        [
            call(1, T, duration_s=300, name="Ada"),
            call(2, T + 100_000, "+4917055555", duration_s=150, name="Zoe Quist"),
        ],
    )
    archive.join_calls("S1")
    assert [one["name"] for one in joining.joins_of(archive, recording)] == ["Ada", "Zoe Quist"]
    for words in ("quist", "0170 55555", "ada"):
        assert [one.id for one in archive.search(words)] == [recording.id]
    assert archive.recordings(number="017055555") and archive.recordings(contact="zoe")
    assert archive.recordings(number="017055556") == []
    joining.link(archive, recording, 1)
    assert archive.search("quist") == [] and archive.recordings(contact="zoe") == []


def test_a_start_by_another_clock_is_joined_however_far_that_is_off(archive: Archive) -> None:
    """Only recordings near a call that is known are looked at: near is by the phone's clock."""
    off = 200 * 86_400_000
    recording = put(archive, T - off + 7000, number="+4930123456")
    facts = {"started_ms": Fact(recording.started_ms, joining.HOST_CLOCK, "measured")}
    archive.change(recording.sha256, facts)
    archive.log("dated", sha256=recording.sha256)
    archive.add_calls("S1", [call(1, T)])
    assert archive.join_calls("S1") == []
    archive.add_look("S1", Look(at_ms=T - off + 60_000, clock_ms=off))
    assert [one.sha256 for one in archive.join_calls("S1")] == [recording.sha256]


def test_a_recorder_that_saw_the_call_begin_is_believed_however_long_ago(archive: Archive) -> None:
    recording = put(archive, T + 20 * 86_400_000, ringing_ms=T, direction="in")
    strange = put(archive, T + 40 * 86_400_000, ringing_ms=float("nan"), direction="in")
    archive.add_calls("S1", [call(1, T)])
    assert [one.sha256 for one in archive.join_calls("S1")] == [recording.sha256]
    assert archive.recording(strange.sha256).call_id is None


def test_the_name_of_the_time_stays_and_the_row_is_whole(archive: Archive) -> None:
    archive.add_calls("S1", [call(1, T, name="Ada", whole="Row: 0 all=of it")])
    assert archive.known_calls("S1") == {(1, T)}
    archive.add_calls("S1", [call(1, T, name="Ada Married", raw="Row: 0 again")])
    with archive.reading() as db:
        (row,) = db.query("SELECT * FROM calls")
    assert (row["name"], row["raw"], row["whole"]) == ("Ada", "Row: 0 again", "Row: 0 all=of it")


def test_contacts_name_calls_and_their_recordings_once(archive: Archive) -> None:
    recording = put(archive, T + 7000)
    archive.add_calls("S1", [call(1, T), call(2, T - 10**8, "", presentation=2), call(3, 10**12)])
    archive.join_calls("S1")
    people = [
        Contact("Ada", "030 123456", "+4930123456"),
        Contact("Stranger", "+4915500000"),
        Contact("Wrong", "+4130123456"),
    ]
    assert joining.add_contacts(archive, "S1", people) == 2
    known = archive.recording(recording.sha256)
    assert known.contact == "Ada"
    assert known.facts["contact"]["source"].startswith("call log; the phone's contacts, read 20")
    assert joining.add_contacts(archive, "S1", [Contact("Other", "+4930123456")]) == 0
    text = (archive.home / "offhook.db").read_bytes()
    wal = archive.home / "offhook.db-wal"
    text += wal.read_bytes() if wal.exists() else b""
    assert b"Stranger" not in text


def test_a_number_of_two_contacts_has_no_name(archive: Archive) -> None:
    archive.add_calls("S1", [call(1, T), call(2, T + 10**6, name="Max")])
    shared = [Contact("Ada", "+4930123456"), Contact("Max", "+4930123456")]
    joining.add_contacts(archive, "S1", shared)
    with archive.reading() as db:
        assert [row["contact"] for row in db.query("SELECT * FROM calls")] == [None, "Max"]


@pytest.mark.parametrize(
    ("name", "begun", "talk_s", "contact", "reason"),
    [
        # Zone and second are the file's to tell; the second one was made abroad.
        (
            "Call recording Ada_260105_235930.m4a",
            "2026-01-05T23:59:23+01:00",
            50,
            "Ada",
            "rang 7 s",
        ),
        ("Ada-2601052359.mp3", "2026-01-05T23:59:40+01:00", 50, "Ada", "contact"),
        (
            "通话录音@Ada(004930123456)_20260105175930.mp3",
            "2026-01-05T23:59:23+01:00",
            50,
            None,
            "6 h",
        ),
    ],
)
def test_a_recorders_name_is_enough_to_join_by(
    archive: Archive, name: str, begun: str, talk_s: int, contact: str | None, reason: str
) -> None:
    date = round(datetime.fromisoformat(begun).timestamp() * 1000)
    ended = date + 7_500 + talk_s * 1000
    said = read_name(f"/sdcard/x/{name}", ended * 10**6, Place(ZoneInfo("Europe/Berlin"), "DE"))
    archive.add_calls(
        "S1",
        [
            call(1, date, name=contact, duration_s=talk_s),
            call(2, date - 70_000, name=contact, duration_s=talk_s, number="+4917055555"),
        ],
    )
    archive.add_look("S1", Look(date + 10**7, 0, 1, "Europe/Berlin", 2, date - 70_000))
    new = NewRecording(name, ended * 10**6, "S1", "dialer", facts=said.facts)
    new.sound = {"duration_s": talk_s + 0.4}
    with archive.writing() as db:
        db.execute(
            "INSERT INTO sightings (phone, source, path, shown, size, mtime_ns, state,"
            " first_seen_ms, unchanged_ms, last_seen_ms)"
            " VALUES ('S1', 'dialer', x'61', 'a', 5, ?, 'seen', 1, 1, 1)",
            [ended * 10**6],
        )
    new.sighting = 1
    part = archive.begin(new)
    part.write(b"voice")
    recording, _ = file_part(archive, part, new)
    archive.join_calls("S1")
    (joined,) = joining.joins_of(archive, recording)
    assert joined["id"] == 1
    assert reason in joined["reason"]


def test_the_command_lists_settles_and_takes_back(archive: Archive) -> None:
    put(archive, T + 7000)
    archive.add_calls("S1", [call(1, T, name="Ada"), call(2, T + 500, "117", name="a\x1b[31mb")])
    archive.join_calls("S1")
    text = run(archive, "link", "1")
    assert "no call: 2 calls may be it" in text
    assert "Ada (+4930123456)" in text and "\\x1b[31mb" in text
    said = json.loads(run(archive, "link", "1", as_json=True))
    assert said["calls"] == [] and {one["call"] for one in said["candidates"]} == {1, 2}
    assert 0.4 < said["candidates"][0]["score"] < 0.6
    assert "linked by hand" in run(archive, "link", "1", "2")
    assert json.loads(run(archive, "calls", "--recorded", as_json=True))[0]["recordings"] == [1]
    assert "settled by hand" in run(archive, "link", "1", "--none")
    assert json.loads(run(archive, "link", "1", "--auto", as_json=True))["settled_by"] is None
    for words in (("99",), ("1", "--none"), ("--none", "--auto")):
        with pytest.raises(UsageError):
            run(archive, "link", "1", *words)
    assert "private number" not in run(archive, "calls")
    assert "No call fits" in run(archive, "calls", "--since", "2099-01-01")


def test_an_index_of_the_first_release_is_brought_up_to_date(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "offhook.db").write_bytes(gzip.decompress(OLD.read_bytes()))
    with Archive(home) as archive:
        first, second = sorted(archive.recordings(), key=lambda one: one.id)
        (join,) = joining.joins_of(archive, first)
        assert (join["number"], join["settled_by"], join["score"]) == ("+41791234567", "rule", None)
        assert joining.joins_of(archive, second) == []
        later = call(2, (second.started_ms or 0) - 5000, name="Eve", duration_s=30)
        archive.add_calls("S1", [later])
        assert [one.contact for one in archive.join_calls("S1")] == ["Eve"]
        assert archive.verify_chain() == []
    copy = home / "offhook-before-archive-0002_calls_and_joins.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(copy)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "recordings" in names and "joins" not in names
