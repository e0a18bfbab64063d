"""What this computer records of a phone's calls: a lab phone, and an ear that hears a tone."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive
from agent.archive import live as live_parts
from agent.archive.records import Recording
from agent.capture.announcement import Announcement
from agent.errors import ArchiveError, AudioError, CaptureError, DiskFullError, LinkError
from agent.sync import live as engine
from agent.sync.live import follower, recover, session, tape
from tests.lab.phone import LabPhone
from tests.live.conftest import Desk
from tests.live.sounds import FakeRoute, Tone
from tests.offhook import wait_until


def length(one: Recording) -> float:
    assert one.duration_s is not None
    return one.duration_s


def test_calls_arrive_with_what_is_known_of_them(lab: LabPhone, desk: Desk) -> None:
    with desk.recording():
        first = lab.call(ring=0.3, active=1.2, hold=0.4, resume=0.4, contact="Ada", sim=1)
        second = lab.call(ring=0.3, active=1.0, direction="out", number="+49302")
        lab.call(ring=0.2, active=1.0, app="org.example.voip")
        lab.call(ring=0.3, outcome="missed")
        wait_until(desk.live.filed.is_set)
        desk.until("filed", count=2)
        assert desk.count("state", "voip") >= 1
    one, two = desk.recordings()
    for recording, played in ((one, first), (two, second)):
        assert abs(length(recording) - played.talk) < 0.6
        assert recording.started_ms is not None
        assert -100 <= recording.started_ms - played.at["active"] < 900
        assert abs((recording.ended_ms or 0) - played.at["idle"]) < 600
        assert recording.call_id is not None
        assert (recording.flags, recording.problem, recording.silent) == ([], None, False)
        assert recording.facts["consent"]["value"]["basis"] == "own-line"
        assert recording.facts["legs"]["value"] == "mixed"
        assert recording.verified_ms is not None
    assert (one.direction, one.number, one.contact, one.sim) == ("in", "+4917012345678", "Ada", "1")
    assert (two.direction, two.number, two.route) == ("out", "+49302", "microphone")
    assert one.facts["holds"]["value"] == 1
    assert "holds" not in two.facts
    made, filed, joined = desk.archive.custody_of(one.sha256)
    assert made.action == "recorded here"
    assert made.detail.items() >= {"by": "a tone", "route": "microphone"}.items()
    assert filed.action == "filed"
    assert "those that were heard" in filed.detail["verified"]
    assert joined.action == "joined with a call"
    assert [entry.phone for entry in (made, filed)] == [lab.serial] * 2


def test_a_conference_is_one_recording_and_two_callers_in_a_row_are_two(
    lab: LabPhone, desk: Desk
) -> None:
    with desk.recording():
        lab.call(ring=0.3, active=0.8, second=0.8, merge=0.8)
        desk.until("filed")
        lab.call(ring=0.3, active=0.8, second=0.8, takeover=True, second_number="+49303")
        desk.until("filed", count=3)
    conference, first, second = desk.recordings()
    assert (conference.facts["calls"]["value"], conference.facts["parties"]["value"]) == (2, 2)
    assert conference.facts["conference"]["value"] is True
    assert [first.number, second.number] == ["+4917012345678", "+49303"]
    assert conference.flags == first.flags == second.flags == []


def test_what_was_announced_is_a_fact_of_the_recording(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[Path] = []

    def play(path: Path, **_: Any) -> float:
        played.append(path)
        return 0.5

    monkeypatch.setattr(session, "Announcer", partial(session.Announcer, play=play))
    assert desk.journal is not None
    desk.journal.announce = Announcement("tone", every_s=15).as_dict()
    with desk.recording():
        lab.call(ring=0.3, active=1.0)
        desk.until("filed")
    (one,) = desk.recordings()
    assert one.facts["announced"]["value"]["kind"] == "tone"
    (at,) = one.facts["announced"]["value"]["at_ms"]
    assert one.started_ms is not None
    assert abs(at - one.started_ms) < 900
    assert len(played) == 1
    assert not played[0].exists()


def test_a_gap_is_silence_of_the_same_length(lab: LabPhone, desk: Desk) -> None:
    with desk.recording(FakeRoute(lambda: Tone(gap=(0.5, 0.7)))):
        played = lab.call(ring=0.3, active=2.0)
        desk.until("filed")
    (one,) = desk.recordings()
    assert one.flags == ["gaps"]
    assert one.facts["gaps"]["value"]["count"] == 1
    assert abs(one.facts["gaps"]["value"]["seconds"] - 0.7) < 0.11
    assert abs(length(one) - played.talk) < 0.6
    assert 0.2 < one.levels[0]["silence"] < 0.5


def test_no_notification_no_recording(lab: LabPhone, desk: Desk) -> None:
    route = FakeRoute()
    with lab.without_notifications(), desk.recording(route):
        lab.call(ring=0.5, active=1.0)
        desk.until("state", "refused")
        assert "does not show the notification" in desk.error("refused")
    assert (desk.recordings(), route.opened) == ([], [])


def test_a_notification_that_can_not_be_shown_any_more_ends_the_recording(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(text: str) -> str:
        assert 'passed "$seen" 5000 && keep_notice' in text
        return text.replace('"$seen" 5000 && keep_notice', '"$seen" 300 && keep_notice')

    monkeypatch.setattr(follower, "_bare", quick)
    with desk.recording():
        call = lab.start_call(ring=0.3, active=40)
        desk.until("state", "recording")
        with lab.without_notifications():
            desk.until("filed")
            assert "the rest of this call" in desk.error("refused")
        call.hang_up()
        call.wait()
    (one,) = desk.recordings()
    assert one.flags == ["cut"]


def test_an_ear_that_fails_is_opened_again_for_the_rest(lab: LabPhone, desk: Desk) -> None:
    broken = CaptureError("the microphone is gone")
    route = FakeRoute(lambda: Tone(fails=(0.6, broken)), Tone)
    with desk.recording(route):
        lab.call(ring=0.3, active=2.5)
        desk.until("filed", count=2)
    assert desk.error("failed") == "the microphone is gone"
    one, two = desk.recordings()
    assert (one.flags, two.flags) == (["cut"], ["part 2"])
    assert one.call_id == two.call_id is not None
    assert two.started_ms is not None
    assert one.started_ms is not None
    assert two.started_ms - one.started_ms > 600


def test_a_route_that_does_not_listen_is_tried_again_and_told_once(
    lab: LabPhone, desk: Desk
) -> None:
    def deaf() -> Any:
        raise CaptureError("no input", hint="plug one in")

    with desk.recording(FakeRoute(deaf, deaf, Tone)):
        lab.call(ring=0.3, active=2.5)
        desk.until("filed")
    assert desk.count("state", "failed") == 1
    (one,) = desk.recordings()
    assert one.flags == []


def test_a_link_that_breaks_does_not_end_what_does_not_need_it(lab: LabPhone, desk: Desk) -> None:
    route = FakeRoute()
    with pytest.raises(LinkError), desk.recording(route) as phone:
        call = lab.start_call(ring=0.3, active=4, number="+49304")
        desk.until("level")
        lab.unplug()
        phone.run("true")
    lab.plug()
    with desk.recording(route):
        played = call.wait()
        desk.until("filed")
    (one,) = desk.recordings()
    assert one.flags == ["link lost"]
    assert abs(length(one) - played.talk) < 0.6
    assert abs((one.ended_ms or 0) - played.at["idle"]) < 600
    assert (one.number, len(route.opened)) == ("+49304", 1)
    assert one.call_id is not None
    assert desk.count("on") == 1


def test_a_call_that_ends_while_the_link_is_gone_is_filed_when_it_is_back(
    lab: LabPhone, desk: Desk
) -> None:
    with pytest.raises(LinkError), desk.recording() as phone:
        call = lab.start_call(ring=0.3, active=20)
        desk.talk(1.2)
        lab.unplug()
        phone.run("true")
    call.hang_up()
    call.wait()
    lab.plug()
    with desk.recording():
        desk.until("filed")
    (one,) = desk.recordings()
    assert one.flags == ["link lost"]
    assert one.call_id is not None


def test_another_call_after_the_link_was_gone_is_another_recording(
    lab: LabPhone, desk: Desk
) -> None:
    with pytest.raises(LinkError), desk.recording() as phone:
        call = lab.start_call(ring=0.3, active=20)
        desk.talk(1.2)
        lab.unplug()
        phone.run("true")
    call.hang_up()
    call.wait()
    other = lab.start_call(ring=0.1, active=20, direction="out", number="+49305")
    other.wait_for("active")
    lab.plug()
    with desk.recording():
        desk.until("state", "recording", 2)
        desk.until("level")
        other.hang_up()
        other.wait()
        desk.until("filed", count=2)
    one, two = desk.recordings()
    assert (one.number, one.flags) == ("+4917012345678", ["link lost"])
    # Nobody saw how that one began; whose it was, the call log may tell.
    assert (two.flags, "late" in two.facts) == ([], True)


def test_nobody_records_for_ever_without_the_phone(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "BLIND_S", 1.0)
    with pytest.raises(LinkError), desk.recording() as phone:
        call = lab.start_call(ring=0.3, active=20)
        desk.talk(1.2)
        lab.unplug()
        phone.run("true")
    desk.until("filed")
    lab.plug()
    call.hang_up()
    call.wait()
    (one,) = desk.recordings()
    assert one.flags == ["cut", "link lost"]
    assert length(one) < 4


def test_an_ear_that_needs_the_link_goes_on_in_a_second_part(lab: LabPhone, desk: Desk) -> None:
    gone = LinkError("the phone is gone")
    route = FakeRoute(lambda: Tone(fails=(0.8, gone)), Tone)
    with pytest.raises(LinkError), desk.recording(route) as phone:
        call = lab.start_call(ring=0.3, active=5, number="+49306")
        desk.until("level")
        lab.unplug()
        desk.until("filed")
        phone.run("true")
    lab.plug()
    with desk.recording(route):
        call.wait()
        desk.until("filed", count=2)
    one, two = desk.recordings()
    assert one.flags == ["cut", "link lost"]
    assert two.flags == ["part 2"]
    assert (one.number, two.number) == ("+49306", "+49306")
    assert one.call_id == two.call_id is not None


def test_the_end_of_the_watch_files_what_there_is(lab: LabPhone, desk: Desk) -> None:
    with desk.recording():
        call = lab.start_call(ring=0.3, active=20)
        desk.talk(1.2)
    desk.live.close()
    call.hang_up()
    call.wait()
    (one,) = desk.recordings()
    assert one.flags == ["cut"]
    assert one.call_id is not None


def test_disable_ends_it_at_once_and_nothing_more_is_recorded(lab: LabPhone, desk: Desk) -> None:
    with desk.recording():
        call = lab.start_call(ring=0.3, active=20)
        desk.until("level")
        assert desk.journal is not None
        desk.journal.off = True
        desk.until("filed")
        assert desk.live.off.is_set()
        call.hang_up()
        call.wait()
        lab.call(ring=0.2, active=0.5)
    (one,) = desk.recordings()
    assert one.flags == ["cut"]


def test_what_disable_ends_is_filed_when_nobody_follows_the_phone_any_more(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows a call shows the notification, and `disable` takes it away once all is filed."""
    leave, filed_before = follower.Follower.__exit__, list[bool]()

    def leaving(one: follower.Follower, *words: Any) -> None:
        filed_before.append(desk.live.filed.wait(1.0))
        leave(one, *words)

    monkeypatch.setattr(follower.Follower, "__exit__", leaving)
    with desk.recording():
        call = lab.start_call(ring=0.3, active=20)
        try:
            desk.until("level")
            assert desk.journal is not None
            desk.journal.off = True
            desk.until("filed")
        finally:
            call.hang_up()
            call.wait()
    assert filed_before == [False]


def test_disable_ends_it_whoever_sees_that_first(lab: LabPhone, desk: Desk) -> None:
    with desk.recording():
        call = lab.start_call(ring=0.3, active=20)
        desk.until("level")
        assert desk.journal is not None
        desk.journal.off = True  # and who watches the phone leaves, before the follower looked
    desk.until("filed")
    call.hang_up()
    call.wait()
    (one,) = desk.recordings()
    assert one.flags == ["cut"]


def test_a_call_that_was_on_before_is_recorded_from_now_on(lab: LabPhone, desk: Desk) -> None:
    call = lab.start_call(ring=0.1, active=4, direction="out", number="+49307")
    call.wait_for("active")
    with desk.recording():
        desk.until("level")
        call.wait()
        desk.until("filed")
    (one,) = desk.recordings()
    # It is not known how it began: that is the call log's to tell.
    assert "offhook_ms" not in one.facts
    assert (one.direction, one.number) == ("out", "+49307")


def test_silence_is_told_while_there_is_time_and_again_at_the_end(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sync.live.levels.QUIET_S", 0.5)
    with desk.recording(FakeRoute(lambda: Tone(loudness=0))):
        lab.call(ring=0.3, active=1.5)
        desk.until("filed")
    assert desk.count("quiet") == 1
    (one,) = desk.recordings()
    assert one.silent


def test_what_is_too_loud_is_told_and_marked(lab: LabPhone, desk: Desk) -> None:
    class Loud(Tone):
        def read(self, timeout: float) -> Any:
            block = super().read(timeout)
            return block and type(block)(block.frame, b"\xff\x7f" * 800)

    with desk.recording(FakeRoute(Loud)):
        lab.call(ring=0.3, active=1.0)
        desk.until("filed")
    assert desk.count("clipping") == 1
    (one,) = desk.recordings()
    assert "clipping" in one.flags


def test_without_room_a_call_is_refused_and_said_so(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "MIN_FREE", 1 << 60)
    with desk.recording():
        lab.call(ring=0.3, active=1.0)
        desk.until("state", "refused")
    assert "MiB are free" in desk.error("refused")
    assert desk.recordings() == []


def test_a_disk_that_fills_up_ends_the_recording_and_keeps_it(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = os.write, 0

    def filling(fd: int, data: Any) -> int:
        nonlocal written
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".part":
            written += len(data)
        if written > 8000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    with desk.recording():
        call = lab.start_call(ring=0.3, active=20)
        monkeypatch.setattr("agent.archive.store.os.write", filling)
        desk.until("state", "refused")
        monkeypatch.undo()
        assert "no room left" in desk.error("refused")
        call.hang_up()
        call.wait()
    (one,) = desk.recordings()
    assert one.flags == ["cut"]
    assert length(one) > 0.2


def test_what_can_not_be_filed_for_want_of_room_waits_for_the_next_run(
    lab: LabPhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFullError("no room left")

    with Archive(tmp_path / "home", write=True) as archive:
        desk = Desk(lab, archive)
        with desk.recording():
            monkeypatch.setattr(tape, "file_part", full)
            lab.call(ring=0.3, active=1.0)
            desk.until("state", "refused")
        desk.live.close()
        told: list[ArchiveError] = []
        assert recover(archive, told.append) == []
        assert "no room left" in told[0].message
        assert told[0].hint is not None
        monkeypatch.undo()
        assert len(live_parts.parts(archive)) == 1
    with Archive(tmp_path / "home", write=True) as archive:
        assert len(recover(archive, told.append)) == 1
        assert recover(archive, told.append) == []
        assert len(told) == 1
        (one,) = Desk(lab, archive).recordings()
        assert one.flags == ["cut"]
        assert one.call_id is not None


def test_without_flac_nothing_is_recorded_and_the_extra_is_named(
    lab: LabPhone, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise AudioError("recording needs PyAV", hint="pip install '.[audio]'")

    monkeypatch.setattr(engine.flac, "require", missing)
    route = FakeRoute()
    with desk.live.following(None, route):  # type: ignore[arg-type]
        pass
    assert desk.count("not live") == 1
