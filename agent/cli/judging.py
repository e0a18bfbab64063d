"""A test call's recording, judged; and why there is none."""

from __future__ import annotations

from agent.archive.records import Recording
from agent.audio import hearing
from agent.audio.decode import have_av
from agent.audio.hearing.judge import Judgement, Length, judge
from agent.capture.journal import Journal
from agent.capture.route import Route
from agent.capture.testcall import TestCall
from agent.cli.common import App
from agent.errors import AudioError, OffhookError
from agent.phone.phone import Phone


def judge_recording(
    app: App, recording: Recording, call: TestCall, legs: tuple[str, ...], parts: int
) -> Judgement:
    """Listen to the recording, in the places where somebody was to speak."""
    seconds = recording.duration_s or 0.0
    said = str(recording.facts.get("legs", {}).get("value") or "")
    turns = call.turns_in(_sound_began(recording), seconds)
    with app.archive() as archive:
        path = archive.file_of(recording)
        logged_s = archive.call_duration(recording)
    try:
        heard = hearing.hear(path, turns)
    except AudioError as error:
        if not have_av() and recording.format != "wav":
            raise
        words = error.message.replace(path.name, "it")
        return Judgement("failed", defects=("nothing",), words=(words,))
    found = judge(
        heard,
        tuple(said.split(",")) if said else legs,
        Length(seconds, max(call.talk_s, logged_s or 0), call.whole_s),
    )
    return (
        found
        if parts == 1
        else found.with_words(f"it came in {parts} parts: the longest was judged")
    )


def _sound_began(recording: Recording) -> int | None:
    """When the sound begins, if the recorder says so; some date it by when the call began."""
    facts = {name: fact.get("value") for name, fact in recording.facts.items()}
    said = recording.facts.get("started_ms", {}).get("confidence") == "stated"
    call_began = recording.started_ms in (facts.get("ringing_ms"), facts.get("offhook_ms"))
    return recording.started_ms if said and not call_began else None


def why_none(
    phone: Phone, route: Route, journal: Journal | None, told: str | None, waited_s: float
) -> str:
    """What a recorder says that made no recording."""
    words = f"no recording came of the call within {waited_s:.0f} s"
    try:
        problem = told or route.status(phone, journal).problem
    except OffhookError as error:
        problem = error.message
    return f"{words}: {problem}" if problem else words
