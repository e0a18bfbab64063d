"""The call log in the index, and which of its calls a recording is of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlite_utils import Database

from agent.archive.records import Fact, storable
from agent.archive.search import same_number
from agent.phone.calls import LoggedCall

INCOMING, OUTGOING = 1, 2
_SLACK_MS = 5_000  # clocks, and the moments a recorder takes to start and stop
_APART_MS = 1_000  # calls that begin closer together than this can't be told apart
_LONGEST_RING_MS = 120_000
_ALLOWED = 1  # the presentation of a number that may be shown


def add_calls(db: Database, phone: str, rows: Iterable[LoggedCall], now_ms: int) -> int:
    """Keep rows of a phone's call log; returns how many were new. The same row comes often."""
    before = _count(db)
    db.conn.executemany(
        "INSERT INTO calls (phone, log_id, date_ms, number, duration_s, type, name, presentation,"
        " features, sim, raw, added_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (phone, log_id, date_ms, number) DO UPDATE SET"
        " duration_s = excluded.duration_s, type = excluded.type, name = excluded.name,"
        " presentation = excluded.presentation, features = excluded.features,"
        " sim = excluded.sim, raw = excluded.raw WHERE raw <> excluded.raw",
        [
            (
                phone,
                row.log_id,
                row.date_ms,
                storable(row.number),
                row.duration_s,
                row.type,
                None if row.name is None else storable(row.name),
                row.presentation,
                row.features,
                None if row.sim is None else storable(row.sim),
                storable(row.raw),
                now_ms,
            )
            for row in rows
        ],
    )
    return _count(db) - before


def matches(db: Database, phone: str) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    """Recordings without a call, each with the one call that fits it, and how far apart in ms.

    A recording that several calls fit stays without one.
    """
    found = []
    unjoined = db.query(
        "SELECT * FROM recordings WHERE phone = ? AND call_id IS NULL AND started_ms IS NOT NULL",
        [phone],
    )
    for recording in list(unjoined):
        start = recording["started_ms"]
        nearby = db.query(
            "SELECT * FROM calls WHERE phone = ? AND date_ms BETWEEN ? AND ?"
            " AND type IN (?, ?) AND duration_s > 0",
            [phone, start - _LONGEST_RING_MS, start + _SLACK_MS, INCOMING, OUTGOING],
        )
        begun = begun_ms(recording)
        fitting = [call for call in nearby if fits(recording, call)]
        if begun is not None:
            fitting = _nearest(fitting, begun)
        if len(fitting) == 1:
            apart = abs((start if begun is None else begun) - fitting[0]["date_ms"])
            found.append((recording, fitting[0], apart))
    return found


def begun_ms(recording: Mapping[str, Any]) -> int | None:
    """When the recorder saw the call begin to ring, or to be dialled; None if it does not say."""
    facts = json.loads(recording["facts"] or "{}")
    name = "ringing_ms" if recording["direction"] == "in" else "offhook_ms"
    value = facts.get(name, {}).get("value")
    return value if isinstance(value, int) else None


def _nearest(calls: list[dict[str, Any]], begun: int) -> list[dict[str, Any]]:
    """The call that begun then; with another one as near, both."""
    by_distance = sorted((abs(call["date_ms"] - begun), call["id"], call) for call in calls)
    if len(by_distance) > 1 and by_distance[1][0] - by_distance[0][0] < _APART_MS:
        return calls
    return [call for _, _, call in by_distance[:1]]


def fits(recording: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
    """Whether a call can be the one that was recorded.

    A recorder begins when the call is dialled or when it is answered, and ends with it. The log
    has when it was dialled or began to ring, and how long it lasted from the answer: what lies
    between is the ringing, of unknown length.
    """
    if recording["direction"] and recording["direction"] != direction_of(call):
        return False
    if (
        recording["number"]
        and call["number"]
        and not same_number(recording["number"], call["number"])
    ):
        return False
    start, end = recording["started_ms"], recording["ended_ms"]
    talk = call["duration_s"] * 1000
    waited = start - call["date_ms"]
    if not -_SLACK_MS <= waited <= _LONGEST_RING_MS:
        return False
    begun = begun_ms(recording)
    if begun is not None:
        return bool(abs(begun - call["date_ms"]) <= _SLACK_MS)
    if end is None:
        return bool(abs(waited) <= _SLACK_MS)
    if '"cut"' in recording["flags"]:
        return bool(end <= call["date_ms"] + waited + talk + _SLACK_MS)
    from_answer = abs((end - start) - talk) <= _SLACK_MS
    ringing = end - call["date_ms"] - talk
    from_dialling = abs(waited) <= _SLACK_MS and -_SLACK_MS <= ringing <= _LONGEST_RING_MS
    return bool(from_answer or from_dialling)


def facts_of(call: Mapping[str, Any], apart_ms: int) -> dict[str, Fact]:
    """What a call says of a recording of it."""
    source = f"call log, {round(apart_ms / 1000)} s apart"
    facts = {"direction": Fact(direction_of(call), source, "joined")}
    if call["number"] and call["presentation"] in (None, _ALLOWED):
        facts["number"] = Fact(call["number"], source, "joined")
    if call["presentation"] not in (None, _ALLOWED):
        facts["presentation"] = Fact(call["presentation"], source, "joined")
    if call["name"]:
        facts["contact"] = Fact(call["name"], source, "joined")
    if call["sim"]:
        facts["sim"] = Fact(call["sim"], source, "joined")
    return facts


def direction_of(call: Mapping[str, Any]) -> str:
    """``in`` or ``out``."""
    return "out" if call["type"] == OUTGOING else "in"


def _count(db: Database) -> int:
    return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])
