"""Sidecars: the JSON that a recorder writes beside a recording, read as the hostile input it is.

A sidecar wins over the file's name. What has the wrong kind, an impossible value or too much of it
is left out, never an error: the raw text is kept in the index, so nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.archive.basis import fact_of_token
from agent.archive.records import Fact
from agent.naming.number import number_in

LARGEST = 256 * 1024  # bytes
_LONGEST_TEXT = 200
_LONGEST_S = 1_000_000
_MOST_CALLS = 20
_EARLIEST_MS = 1_000_000_000_000  # 2001; before it, a clock that was never set
_LATEST_MS = 32_503_680_000_000  # 3000


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar says. ``problem`` says what was wrong with it, if anything. ``finished``:
    whether the recording came to its end, None where the sidecar does not tell."""

    raw: str
    facts: dict[str, Fact] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    problem: str | None = None
    finished: bool | None = None


def parse(recorder: str | None, data: bytes) -> Sidecar:
    """Read a sidecar as of the recorder whose folder it lies in, or as of another one, if it has
    that one's keys."""
    raw = data[:LARGEST].decode("utf-8", "replace")
    try:
        said = json.loads(data) if len(data) <= LARGEST else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Sidecar(raw, flags=["sidecar not understood"], problem="it is not a JSON object")
    if recorder not in _KEYS or _KEYS[recorder] not in said:
        recorder = _by_keys(said) or recorder or ""
    parser = _PARSERS.get(recorder)
    if parser is None:
        return Sidecar(raw, problem="nothing is known of this recorder's sidecars")
    return parser(raw, _Reader(said, f"{recorder} sidecar"))


#: What a recorder's sidecar always has.
_KEYS = {"offhook": "schema", "bcr": "timestamp_unix_ms"}


def _by_keys(said: dict[str, Any]) -> str | None:
    """Whose it is: none but ours has a schema, so it is told by what it must have."""
    if said.get("recorder") == "offhook" and "schema" in said:
        return "offhook"
    if _KEYS["bcr"] in said:
        return "bcr"
    return "cube" if "callee" in said and {"duration", "direction"} & set(said) else None


class _Reader:
    """Typed, bounded access to a JSON object, gathering facts."""

    def __init__(self, said: dict[str, Any], source: str) -> None:
        self.said = said
        self.source = source
        self.facts: dict[str, Fact] = {}

    def state(self, fact: str, value: Any) -> None:
        if value is not None:
            self.facts[fact] = Fact(value, self.source, "stated")

    def text(self, key: str) -> str | None:
        value = self.said.get(key)
        if isinstance(value, str) and value.strip() and len(value) <= _LONGEST_TEXT:
            return value
        return None

    def time(self, key: str) -> int | None:
        value = self.said.get(key)
        if type(value) is int and _EARLIEST_MS <= value <= _LATEST_MS:
            return value
        return None

    def iso_time(self, key: str) -> int | None:
        """A time in ISO 8601 with an offset, in milliseconds."""
        try:
            at = datetime.fromisoformat(self.text(key) or "")
            value = round(at.timestamp() * 1000) if at.tzinfo else 0
        except (ValueError, OverflowError):
            return None
        return value if _EARLIEST_MS <= value <= _LATEST_MS else None

    def seconds(self, key: str) -> float | None:
        value = self.said.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if 0 <= value < _LONGEST_S else None

    def small(self, key: str) -> str | None:
        value = self.said.get(key)
        return str(value) if type(value) is int and 0 <= value < 100 else self.text(key)

    def direction(self) -> str | None:
        value = self.said.get("direction")
        return value if value in ("in", "out") else None


def _parse_offhook(raw: str, reader: _Reader) -> Sidecar:
    flags = []
    if reader.said.get("schema") != 1:
        flags.append("sidecar of another schema")
    started, ended = reader.time("started_ms"), reader.time("ended_ms")
    offhook, call_ended = reader.time("offhook_ms"), reader.time("call_ended_ms")
    started = offhook if started is None else started
    ended = call_ended if ended is None else ended
    if started is not None and ended is not None and ended < started:
        flags.append("clock went back during the call")
        ended = None
    reader.state("route", reader.text("route"))
    reader.state("started_ms", started)
    reader.state("ended_ms", ended)
    reader.state("offhook_ms", offhook)
    reader.state("ringing_ms", reader.time("ringing_ms"))
    reader.state("call_ended_ms", call_ended)
    reader.state("direction", reader.direction())
    reader.state("number", reader.text("number"))
    reader.state("contact", reader.text("contact"))
    reader.state("presentation", reader.small("presentation"))
    reader.state("sim", reader.small("sim"))
    consent = reader.text("consent")
    reader.state("consent", None if consent is None else fact_of_token(consent))
    reader.state("legs", reader.text("legs"))
    reader.state("recorder", reader.text("recorder"))
    reader.state("recorder_version", reader.text("version"))
    for key in ("capture", "controls"):
        value = reader.said.get(key)
        if isinstance(value, dict) and len(json.dumps(value)) <= LARGEST // 8:
            reader.state(key, value)
    for key, usual in (("holds", 0), ("calls", 1), ("parties", None)):
        value = reader.said.get(key)
        if type(value) is int and value != usual and 0 <= value < 100:
            reader.state(key, value)
    if reader.said.get("conference") is True:
        reader.state("conference", True)
    part = reader.said.get("part")
    if type(part) is int and 1 < part < 1000:
        reader.state("part", part)
        flags.append(f"part {part}")
    if reader.said.get("cut") is True:
        flags.append("cut")
    return Sidecar(raw, reader.facts, flags)


def _parse_bcr(raw: str, reader: _Reader) -> Sidecar:
    """BCR's metadata has no schema number: what is there is what counts. ``output`` came with
    1.49, ``duration_secs_wall`` with 1.78, ``package_name`` with 2.5."""
    began, direction = reader.time("timestamp_unix_ms"), reader.direction()
    began = reader.iso_time("timestamp") if began is None else began
    reader.state("route", "bcr")
    reader.state("started_ms", began)
    # It is when the call was made, not when recording began: what the call log dates by.
    reader.state("ringing_ms" if direction == "in" else "offhook_ms", began if direction else None)
    reader.state("direction", direction)
    reader.state("sim", reader.small("sim_slot"))
    reader.state("app", reader.text("package_name"))
    listed = reader.said.get("calls")
    calls = [
        _Reader(call, reader.source)
        for call in (listed[:_MOST_CALLS] if isinstance(listed, list) else ())
        if isinstance(call, dict)
    ]
    if calls:
        reader.state("number", calls[0].text("phone_number"))
        reader.state("contact", calls[0].text("contact_name") or calls[0].text("caller_name"))
    if "contact" not in reader.facts:
        reader.state("contact", reader.text("call_log_name"))
    flags = []
    if len(calls) > 1 or reader.said.get("direction") == "conference":
        flags.append("conference")
        said = [(call.text("phone_number"), call.text("contact_name")) for call in calls]
        reader.state("parties", [{"number": number, "contact": name} for number, name in said])
    output = reader.said.get("output")
    if not isinstance(output, dict) or "recording" not in output:
        return Sidecar(raw, reader.facts, flags)
    recording = output["recording"]
    if not isinstance(recording, dict):
        return Sidecar(raw, reader.facts, flags, finished=False)
    flags += _bcr_health(reader, _Reader(recording, reader.source))
    return Sidecar(raw, reader.facts, flags, finished=True)


def _bcr_health(reader: _Reader, recording: _Reader) -> list[str]:
    """What BCR says of how it heard the call: facts into ``reader``, and flags."""
    flags = []
    overruns = recording.said.get("buffer_overruns")
    if type(overruns) is int and 0 < overruns < 1 << 31:
        reader.state("overruns", overruns)
        flags.append("gaps")
    for fact in ("paused", "holding"):
        if recording.said.get(f"was_ever_{fact}") is True:
            reader.state(fact, True)
    wall, heard = recording.seconds("duration_secs_wall"), recording.seconds("duration_secs_total")
    if wall is not None and heard is not None and wall - heard > max(1.0, 0.1 * wall):
        reader.state("heard_s", heard)
        flags.append("shorter than the call")
    return flags


def _parse_cube(raw: str, reader: _Reader) -> Sidecar:
    """Cube ACR's: ``callee``, ``direction``, ``duration`` in milliseconds, as text."""
    callee = reader.text("callee")
    if callee is not None:
        reader.state("number" if number_in(callee) else "contact", callee.strip())
    word = str(reader.said.get("direction")).lower()
    ways = {"in": "in", "incoming": "in", "out": "out", "outgoing": "out"}
    reader.state("direction", ways.get(word))
    length = reader.said.get("duration")
    if isinstance(length, str) and length.isascii() and length.isdigit():
        length = int(length) if len(length) < 12 else None
    if type(length) is int and 0 < length < _LONGEST_S * 1000:
        reader.state("heard_s", length / 1000)
    return Sidecar(raw, reader.facts)


_PARSERS: dict[str, Callable[[str, _Reader], Sidecar]] = {
    "offhook": _parse_offhook,
    "bcr": _parse_bcr,
    "cube": _parse_cube,
}
