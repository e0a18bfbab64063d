"""Sidecars are hostile input: whatever they hold, what makes sense is kept and the rest is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.archive.filing import columns_of
from agent.naming.sidecar import LARGEST, parse

WHOLE = {
    "schema": 1,
    "recorder": "offhook",
    "version": "0.1.0",
    "route": "alsa",
    "direction": "out",
    "number": "+41791234567",
    "sim": 1,
    "presentation": 1,
    "ringing_ms": None,
    "offhook_ms": 1_772_716_920_000,
    "started_ms": 1_772_716_927_000,
    "call_ended_ms": 1_772_716_957_000,
    "part": 2,
    "cut": True,
    "capture": {"frames": 1, "xruns": 0},
}


def values(said: Any, recorder: str = "offhook") -> dict[str, Any]:
    sidecar = parse(recorder, json.dumps(said).encode())
    return {name: fact.value for name, fact in sidecar.facts.items()}


def test_a_whole_one() -> None:
    sidecar = parse("offhook", json.dumps(WHOLE).encode())
    assert columns_of(sidecar.facts) == {
        "route": "alsa",
        "started_ms": 1_772_716_927_000,
        "ended_ms": 1_772_716_957_000,
        "direction": "out",
        "number": "+41791234567",
        "sim": "1",
    }
    assert sidecar.flags == ["part 2", "cut"]
    assert sidecar.facts["capture"].value == {"frames": 1, "xruns": 0}
    assert {fact.confidence for fact in sidecar.facts.values()} == {"stated"}
    assert json.loads(sidecar.raw) == WHOLE


def test_holds_and_conferences_are_facts_where_there_were_any() -> None:
    plain = {"holds": 0, "calls": 1, "conference": False, "parties": None}
    assert not set(plain) & set(values(WHOLE | plain))
    said = {"holds": 1, "calls": 2, "conference": True, "parties": 3}
    assert values(WHOLE | said).items() >= said.items()
    odd = {"holds": "1", "calls": -1, "conference": "yes", "parties": 1e9}
    assert not set(odd) & set(values(WHOLE | odd))


def test_a_private_call_has_no_number() -> None:
    found = values({**WHOLE, "number": None, "presentation": 2, "direction": "unknown"})
    assert "number" not in found
    assert "direction" not in found
    assert found["presentation"] == "2"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("started_ms", "now"),
        ("started_ms", -1),
        ("started_ms", 0),
        ("started_ms", 1e12),
        ("started_ms", True),
        ("started_ms", 1 << 80),
        ("number", ["x"]),
        ("number", "9" * 1000),
        ("number", ""),
        ("direction", "<script>"),
        ("sim", -1),
        ("sim", 10**9),
        ("capture", "x"),
        ("capture", {"x": "y" * LARGEST}),
        ("route", {}),
    ],
)
def test_what_makes_no_sense_is_left_out(key: str, value: Any) -> None:
    said = {**WHOLE, key: value}
    if key == "started_ms":
        said["offhook_ms"] = None
    assert key not in values(said)


def test_an_end_before_the_start_is_not_believed() -> None:
    sidecar = parse("offhook", json.dumps({**WHOLE, "call_ended_ms": 1_772_716_900_000}).encode())
    assert "ended_ms" not in sidecar.facts
    assert "clock went back during the call" in sidecar.flags


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[1]",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"schema": ' + b"9" * 10_000 + b"}",
        b'{"a": "' + b"x" * LARGEST + b'"}',
    ],
)
def test_what_is_no_json_object_is_flagged_and_kept(data: bytes) -> None:
    sidecar = parse("offhook", data)
    assert sidecar.flags == ["sidecar not understood"]
    assert sidecar.facts == {}
    assert len(sidecar.raw) <= LARGEST


@given(st.binary(max_size=400))
def test_no_bytes_are_an_error(data: bytes) -> None:
    for recorder in ("offhook", "bcr", None):
        parse(recorder, data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*WHOLE, "calls", "timestamp_unix_ms", "sim_slot"]), _JSON))
def test_no_json_is_an_error(said: dict[str, Any]) -> None:
    for recorder in ("offhook", "bcr"):
        sidecar = parse(recorder, json.dumps(said).encode())
        json.dumps({name: fact.as_dict() for name, fact in sidecar.facts.items()})
        columns_of(sidecar.facts)


def test_bcr() -> None:
    said = {
        "timestamp_unix_ms": 1_689_817_988_931,
        "direction": "in",
        "sim_slot": 1,
        "call_log_name": "Log Name",
        "calls": [{"phone_number": "+11234567890", "contact_name": None}],
    }
    assert values(said, "bcr") == {
        "route": "bcr",
        "started_ms": 1_689_817_988_931,
        "ringing_ms": 1_689_817_988_931,
        "direction": "in",
        "sim": "1",
        "number": "+11234567890",
        "contact": "Log Name",
    }


def test_of_an_unknown_recorder_only_the_text_is_kept() -> None:
    sidecar = parse("nobody", b'{"number": "117"}')
    assert (sidecar.facts, sidecar.raw) == ({}, '{"number": "117"}')


def test_whose_a_sidecar_is_its_keys_tell_and_in_doubt_its_folder() -> None:
    bcr = b'{"timestamp_unix_ms": 1689817988931, "direction": "in"}'
    assert parse(None, bcr).facts["started_ms"].source == "bcr sidecar"
    assert parse("samsung", bcr).facts["direction"].source == "bcr sidecar"
    ours = json.dumps(WHOLE).encode()
    assert parse(None, ours).facts["number"].source == "offhook sidecar"
    assert parse("bcr", ours).facts["number"].source == "offhook sidecar"
    both = json.dumps(WHOLE | {"timestamp_unix_ms": 1_689_817_988_931}).encode()
    for recorder in ("offhook", "bcr"):
        assert parse(recorder, both).facts["route"].source == f"{recorder} sidecar"


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        (
            {"callee": "+49 30 123456", "direction": "Incoming", "duration": "141877"},
            {"number": "+49 30 123456", "direction": "in", "heard_s": 141.877},
        ),
        ({"callee": "Ada", "direction": "out"}, {"contact": "Ada", "direction": "out"}),
        ({"callee": None, "direction": 7, "duration": "9" * 400}, {}),
        ({"callee": ["x"], "duration": -1}, {}),
    ],
)
def test_cube(said: dict[str, Any], facts: dict[str, Any]) -> None:
    sidecar = parse(None, json.dumps(said).encode())
    assert {name: fact.value for name, fact in sidecar.facts.items()} == facts


def test_bcr_without_a_count_of_milliseconds_but_with_a_time() -> None:
    for text in ("2023-07-19T21:53:08.931-04:00", "2023-07-20 01:53:08.931Z"):
        found = values({"timestamp_unix_ms": None, "timestamp": text}, "bcr")
        assert found["started_ms"] == 1_689_817_988_931
    assert "started_ms" not in values({"timestamp": "2023-07-19T21:53:08"}, "bcr")
