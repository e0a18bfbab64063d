"""Between a file's name and the call log: what a name only assumed gives way, and what it says
for sure stays, beside what the log says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.archive import Archive, joining
from agent.archive.audit import audit
from agent.archive.filing import NewRecording, file_part
from agent.archive.records import Confidence, Fact, Recording
from agent.cli.common import App
from agent.cli.library import show
from agent.phone.calls import LoggedCall
from agent.phone.contacts import Contact

T = 1_767_000_000_000


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True, clock=lambda: T + 10_000_000) as opened:
        opened.add_phone("S1")
        yield opened
        assert [one for one in audit(opened).findings if one.kind == "edited"] == []


def put(archive: Archive, sure: Confidence, start: int = T + 7000, **said: Any) -> Recording:
    """A recording of 30 s, of which a file's name says so much, so surely."""
    facts = {
        "started_ms": Fact(start, "sidecar", "stated"),
        "ended_ms": Fact(start + 30_000, "sidecar", "stated"),
        **{name: Fact(value, "file name (samsung)", sure) for name, value in said.items()},
    }
    new = NewRecording(
        original_name=f"{start}.wav",
        mtime_ns=(start + 30_000) * 10**6,
        phone="S1",
        source="folder",
        facts=facts,
    )
    part = archive.begin(new)
    part.write(repr(facts).encode())
    recording, _ = file_part(archive, part, new)
    return recording


def call(log_id: int, at: int, number: str = "+4930123456", **what: Any) -> LoggedCall:
    facts = {"duration_s": 30, "type": 1, "presentation": 1, "raw": f"Row: {log_id}"} | what
    return LoggedCall(log_id, at, number=number, **facts)


def joined(archive: Archive, recording: Recording, *calls: LoggedCall) -> Recording:
    archive.add_calls("S1", calls)
    archive.join_calls("S1")
    found = archive.recording(recording.sha256)
    assert found.call_id is not None
    return found


def shown(archive: Archive, recording: Recording) -> str:
    app = App(home=archive.home)
    app.console.width = 200
    result = CliRunner().invoke(show, [str(recording.id)], obj=app, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return " ".join(result.stdout.split())


def test_what_a_name_assumed_gives_way_to_the_log_and_is_kept(archive: Archive) -> None:
    recording = put(archive, "assumed", number="030123456", number_e164="+4930123456", contact="A")
    now = joined(archive, recording, call(1, T, name="Ada Miller"))
    assert (now.number, now.contact) == ("+4930123456", "Ada Miller")
    assert now.facts["contact"]["source"] == "call log, 7 s apart"
    kept = now.facts["overruled"]["value"]
    assert kept["contact"] == {
        "value": "A",
        "source": "file name (samsung)",
        "confidence": "assumed",
    }
    assert {name: one["value"] for name, one in kept.items()} == {
        "number": "030123456",
        "number_e164": "+4930123456",
        "contact": "A",
    }
    assert "differs" not in now.facts
    assert [one.id for one in archive.search("miller")] == [now.id]
    assert "the file's name says A file name (samsung) (assumed)" in shown(archive, now)


def test_a_wrong_guess_keeps_no_recording_from_its_call(archive: Archive) -> None:
    recording = put(archive, "assumed", number="20251230", contact="WhatsApp")
    now = joined(archive, recording, call(1, T, name="Ada"))
    assert (now.number, now.contact) == ("+4930123456", "Ada")
    (why,) = joining.joins_of(archive, now)
    assert "the number in the file's name differs" in why["reason"]
    # Beside a call that has the number, it counts.
    both = put(archive, "assumed", T + 1_000_000, number="030654321")
    near = [call(2, T + 993_000, "+4930999999"), call(3, T + 993_900, "+4930654321")]
    assert joined(archive, both, *near).number == "+4930654321"


def test_what_a_name_says_for_sure_stays_and_the_difference_is_shown(archive: Archive) -> None:
    recording = put(archive, "stated", number="+4930123456", contact="Ada")
    now = joined(archive, recording, call(1, T, "030123456", name="Bob", country="DE"))
    assert (now.number, now.contact) == ("+4930123456", "Ada")
    assert now.facts["contact"]["confidence"] == "stated"
    assert now.facts["differs"] == {
        "value": {"contact": "Bob"},  # of the number, it is another way of writing it
        "source": "call log, 7 s apart",
        "confidence": "joined",
    }
    assert "overruled" not in now.facts
    assert "the call log says otherwise: Bob call log, 7 s apart (joined)" in shown(archive, now)
    # A number that is sure and differs is no join at all; by hand it is one.
    other = put(archive, "stated", T + 2_000_000, number="+4930777777")
    archive.add_calls("S1", [call(2, T + 1_993_000, "+4930888888")])
    assert archive.join_calls("S1") == []
    linked = joining.link(archive, other, 2)
    assert linked.number == "+4930777777"
    assert linked.facts["differs"]["value"] == {"number": "+4930888888"}


def test_a_name_that_is_cut_or_an_equal_one_is_no_difference(archive: Archive) -> None:
    recording = put(archive, "stated", number="+4930123456", contact="Ada Mil")
    now = joined(archive, recording, call(1, T, name="Ada Miller"))
    assert now.contact == "Ada Mil"
    assert "differs" not in now.facts


def test_taken_back_the_name_says_again_what_it_said(archive: Archive) -> None:
    recording = put(archive, "assumed", number="030123456", contact="A")
    joined(archive, recording, call(1, T, name="Ada Miller"))
    before = recording.facts
    nobody = joining.link(archive, recording, None)
    assert (nobody.number, nobody.contact) == ("030123456", "A")
    assert nobody.facts == before
    again = joining.unlink(archive, recording)
    assert (again.number, again.contact) == ("+4930123456", "Ada Miller")
    assert again.facts["overruled"]["value"].keys() == {"number", "contact"}
    # The join weighs what the file says of itself, not what the log gave it.
    row = {**vars(again), "facts": json.dumps(again.facts), "flags": "[]"}
    heard = joining.heard_of(row, [])
    assert (heard.number, heard.contact, heard.guessed) == (
        "030123456",
        "A",
        frozenset({"number", "contact"}),
    )


def test_the_phones_contacts_name_what_a_name_only_assumed(archive: Archive) -> None:
    guessed = put(archive, "assumed", contact="A")
    sure = put(archive, "stated", T + 1_000_000, contact="Eve")
    joined(archive, guessed, call(1, T))
    joined(archive, sure, call(2, T + 993_000))
    archive_contacts = [Contact("Ada Miller", "+4930123456")]
    assert joining.add_contacts(archive, "S1", archive_contacts) == 2
    assert archive.recording(guessed.sha256).contact == "Ada Miller"
    kept = archive.recording(guessed.sha256).facts["overruled"]["value"]
    assert kept["contact"]["value"] == "A"
    other = archive.recording(sure.sha256)
    assert other.contact == "Eve"
    assert other.facts["differs"]["value"] == {"contact": "Ada Miller"}
