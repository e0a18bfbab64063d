"""Recordings joined with calls in the index: by rule as rows come, or as the user says.

What the user said is never changed by the rule. A join that is likely but not sure is looked at
again with every row that comes.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlite_utils import Database

from agent.archive import calls
from agent.archive.join import SURE, Decision, Heard, Log, Look, Party, decide
from agent.archive.outrank import LOG, of_call, own, parted
from agent.archive.records import Fact, Recording
from agent.errors import UsageError
from agent.phone.contacts import Contact

if TYPE_CHECKING:
    from agent.archive.archive import Archive

#: The source of a start that this computer's clock told, and not the phone's.
HOST_CLOCK = "this computer's clock"
BY_FILE = "the file's time less its length"
_PHONE_APPS = ("com.android.phone", "com.android.server.telecom", "phone")
_PRECISIONS = {"minute": 60.0, "day": 86_400.0}
_PREFIX = re.compile(r"([a-z]{3,12})[_-]")
_DAY_MS = 86_400_000
#: A call that began farther from a recording than that is none of its own, whatever its start
#: means: two zones off (51 h), a day that is named only, a part of a long call.
_REACH_MS = 4 * _DAY_MS

_OPEN = (
    "recordings.phone = :phone AND recordings.started_ms >= :since"
    " AND NOT EXISTS (SELECT 1 FROM joins WHERE joins.recording_id = recordings.id"
    " AND (settled_by = 'user' OR score IS NULL OR score >= :sure))"
)


def _near(at: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM calls WHERE calls.phone = :phone"  # noqa: S608
        f" AND calls.date_ms BETWEEN {at} - :reach AND {at} + :reach)"
    )


def _fact_at(name: str) -> str:
    """A fact's value, in SQL; NULL too where the facts are not what SQLite takes for JSON."""
    return (
        f"CASE WHEN instr(facts, '\"{name}\"') AND json_valid(facts)"
        f" THEN json_extract(facts, '$.{name}.value') END"
    )


#: Of old recordings, of which there may be very many, hardly any has a call that is known.
_NEAR = " OR ".join(
    _near(at) for at in ("recordings.started_ms", _fact_at("ringing_ms"), _fact_at("offhook_ms"))
)

#: Of these, those that may have one at all: cheap to find, by two indexes.
_TOLD = " OR ".join(f"instr(facts, '\"{name}\"')" for name in ("ringing_ms", "offhook_ms"))
_MAYBE = (
    "SELECT id FROM recordings WHERE started_ms BETWEEN :first AND :last"  # noqa: S608
    f" UNION SELECT id FROM recordings WHERE {_TOLD}"
)


def join(archive: Archive, serial: str, since_ms: int | None = None) -> list[Recording]:
    """Join a phone's open recordings, begun since then, with their calls; those joined now."""
    since = -(1 << 62) if since_ms is None else since_ms
    with archive.reading() as db:
        if not _new(db, serial, since):
            return []
    with archive.writing() as db:
        found = _new(db, serial, since)
        for row, decision in found:
            _apply(archive, db, row, decision)
    return [archive.recording(row["sha256"]) for row, _ in found]


def is_open(archive: Archive, serial: str, since_ms: int) -> bool:
    """Whether a recording filed since then has no call yet, and may get one."""
    with archive.reading() as db:
        found = db.execute(
            f"SELECT 1 FROM recordings WHERE {_OPEN} AND call_id IS NULL"  # noqa: S608
            " AND added_ms >= :added LIMIT 1",
            {"phone": serial, "since": -(1 << 62), "sure": SURE, "added": since_ms},
        )
        return found.fetchone() is not None


def consider(archive: Archive, recording: Recording) -> Decision | None:
    """What the rule says of a recording now, with all that may be it; None for one that has no
    phone or no time."""
    if recording.phone is None or recording.started_ms is None:
        return None
    with archive.reading() as db:
        row = next(iter(db.query("SELECT * FROM recordings WHERE id = ?", [recording.id])))
        (_, decision), *_ = _decisions(db, recording.phone, [row])
    return decision


def joins_of(archive: Archive, recording: Recording) -> list[dict[str, Any]]:
    """A recording's calls, the main one first: the rows of ``calls``, with ``score``, ``reason``
    and ``settled_by``. A row without an ``id`` says that the user knows of none."""
    with archive.reading() as db:
        return list(
            db.query(
                "SELECT calls.*, joins.score, joins.reason, joins.settled_by FROM joins"
                " LEFT JOIN calls ON calls.id = joins.call_id"
                " WHERE joins.recording_id = ? ORDER BY joins.id",
                [recording.id],
            )
        )


def files_of(archive: Archive, recording: Recording) -> list[int]:
    """The list numbers of the other recordings of the same call."""
    with archive.reading() as db:
        rows = db.execute(
            "SELECT DISTINCT other.recording_id FROM joins AS own JOIN joins AS other"
            " ON other.call_id = own.call_id AND other.recording_id <> own.recording_id"
            " WHERE own.recording_id = ? ORDER BY 1",
            [recording.id],
        )
        return [row[0] for row in rows]


def link(archive: Archive, recording: Recording, call_id: int | None) -> Recording:
    """Settle by hand which call a recording is of, or that it is of none; UsageError for a call
    that is not known, or another phone's."""
    with archive.writing() as db:
        call = None
        if call_id is not None:
            call = next(iter(db.query("SELECT * FROM calls WHERE id = ?", [call_id])), None)
            if call is None:
                raise UsageError(
                    f"no call has the number {call_id}", hint="`offhook calls` lists them."
                )
            if recording.phone is not None and call["phone"] != recording.phone:
                raise UsageError(f"call {call_id} is another phone's")
        _unjoin(archive, db, recording)
        _keep(archive, db, recording.id, call_id, "user", None, "linked by hand")
        facts: dict[str, Fact] = {}
        dropped: list[str] = []
        if call is not None:
            now = archive.recording(recording.sha256)
            facts, dropped = of_call(vars(now), now.facts, calls.facts_of(call, None))
        archive.change(recording.sha256, facts, drop=dropped, call_id=call_id)
        archive.log(
            "linked with a call by hand" if call else "said to be of no call by hand",
            sha256=recording.sha256,
            phone=recording.phone,
            detail=_told(call) if call else {},
        )
    return archive.recording(recording.sha256)


def unlink(archive: Archive, recording: Recording) -> Recording:
    """Take back what was settled by hand: the rule decides again."""
    with archive.writing() as db:
        _unjoin(archive, db, recording)
        archive.log("left to the rule again", sha256=recording.sha256, phone=recording.phone)
    if recording.phone is not None:
        join(archive, recording.phone)
    return archive.recording(recording.sha256)


def add_contacts(archive: Archive, serial: str, contacts: Iterable[Contact]) -> int:
    """Name calls, and recordings of them that have no sure name yet; returns how many calls."""
    with archive.writing() as db:
        now = archive.clock()
        named = calls.name_calls(db, serial, contacts, now)
        day = datetime.fromtimestamp(now / 1000, UTC).date()
        for call in named:
            if call["name"]:
                continue
            fact = Fact(call["contact"], f"{LOG}; the phone's contacts, read {day}", "joined")
            for row in db.query("SELECT sha256 FROM recordings WHERE call_id = ?", [call["id"]]):
                known = archive.recording(row["sha256"])
                facts, _ = of_call(vars(known), known.facts, {"contact": fact})
                if not facts:
                    continue
                archive.change(row["sha256"], facts)
                archive.log("named by the phone's contacts", sha256=row["sha256"], phone=serial)
    return len(named)


def _new(db: Database, serial: str, since: int) -> list[tuple[dict[str, Any], Decision]]:
    """Open recordings that get a call now, or another one than they had."""
    # A start by this computer's clock is as far off as the phone's clock ever was.
    off = db.execute(
        "SELECT coalesce(max(abs(clock_ms) + coalesce(clock_error_ms, 0)), 0) FROM looks WHERE phone = ?",
        [serial],
    ).fetchone()
    reach = _REACH_MS + off[0]
    first, last = db.execute(
        "SELECT min(date_ms) - :reach, max(date_ms) + :reach FROM calls WHERE phone = :phone",
        {"phone": serial, "reach": reach},
    ).fetchone()
    rows = list(
        db.query(
            f"SELECT * FROM recordings WHERE id IN ({_MAYBE}) AND {_OPEN} AND ({_NEAR})"  # noqa: S608
            " ORDER BY started_ms, id",
            {
                "phone": serial,
                "since": since,
                "sure": SURE,
                "reach": reach,
                "first": first,
                "last": last,
            },
        )
    )
    if not rows:
        return []
    return [
        (row, decision)
        for row, decision in _decisions(db, serial, rows)
        if decision.calls and decision.calls[0].id != row["call_id"]
    ]


def _decisions(
    db: Database, serial: str, rows: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], Decision]]:
    looks = calls.looks(db, serial)
    heards = [heard_of(row, looks, _file_ms(db, serial, row)) for row in rows]
    log = Log(calls.logged(db, serial), looks)
    ids = {row["id"] for row in rows}
    first = min((one.start_ms for one in heards), default=0) - _DAY_MS
    last = max((one.start_ms for one in heards), default=0) + _DAY_MS
    taken: defaultdict[int, list[Heard]] = defaultdict(list)
    pairs = []
    for row in db.query(
        "SELECT recordings.*, joins.call_id AS joined, joins.score AS sure, calls.sim AS call_sim"
        " FROM joins JOIN recordings ON recordings.id = joins.recording_id"
        " JOIN calls ON calls.id = joins.call_id WHERE recordings.phone = ?",
        [serial],
    ):
        if row["id"] in ids:
            continue
        facts = json.loads(row["facts"])
        if row["call_sim"] and _stated(facts, "sim") and (row["sure"] or 0) >= SURE:
            pairs.append((_kind(row), str(_stated(facts, "sim")), row["call_sim"]))
        if row["started_ms"] is not None and first <= row["started_ms"] <= last:
            taken[row["joined"]].append(heard_of(row, looks, _file_ms(db, serial, row)))
    decided = decide(heards, log, taken=taken, sims=calls.sims_of(pairs))
    return list(zip(rows, decided, strict=True))


def _file_ms(db: Database, serial: str, row: Mapping[str, Any]) -> int | None:
    """When a recording's file was last written on the phone, in ms."""
    (mtime_ns,) = db.execute(
        "SELECT min(mtime_ns) FROM sightings WHERE sha256 = ? AND size = ? AND phone = ?",
        [row["sha256"], row["size"], serial],
    ).fetchone()
    return None if mtime_ns is None else int(mtime_ns) // 1_000_000


def heard_of(row: Mapping[str, Any], looks: list[Look], file_ms: int | None = None) -> Heard:
    """A row of ``recordings`` as the join takes it. What a call gave it is left out."""
    facts = json.loads(row["facts"] or "{}")
    flags = json.loads(row["flags"] or "[]")
    start = int(row["started_ms"])
    how = facts.get("started_ms", {})
    by_file, by_host = how.get("source") == BY_FILE, how.get("source") == HOST_CLOCK
    direction = _stated(facts, "direction")
    begun = _stated(facts, "ringing_ms" if direction == "in" else "offhook_ms")
    zone_known = _stated(facts, "zone") != "assumed"
    parties = _stated(facts, "parties")
    number, contact, sim = (_text(facts, name) for name in ("number", "contact", "sim"))
    app, held = _text(facts, "app"), _stated(facts, "calls")
    return Heard(
        id=row["id"],
        start_ms=start,
        end_ms=row["ended_ms"],
        length_s=row["duration_s"],
        begun_ms=begun if isinstance(begun, int) and not _stated(facts, "part") else None,
        precision_s=_PRECISIONS.get(str(_stated(facts, "precision")), 0.0),
        loose_s=3.0 if by_file else 1.0,
        zone_known=zone_known,
        other_hour_ms=0 if zone_known else _other_hour(start, looks),
        clock="host" if by_host else "phone",
        file_ms=None if by_file else file_ms,
        direction=direction if direction in ("in", "out") else None,
        number=number,
        contact=contact,
        guessed=frozenset(
            name
            for name in ("number", "contact")
            if own(facts, name).get("confidence") == "assumed"
        ),
        private=_stated(facts, "presentation") in ("2", 2, "restricted"),
        sim=sim,
        kind=_kind(row),
        parties=_parties(parties),
        several=(isinstance(held, int) and held > 1)
        or "conference" in flags
        or _stated(facts, "conference") is True,
        part=_stated(facts, "part") is not None,
        cut="cut" in flags or "shorter than the call" in flags,
        app=app is not None and app not in _PHONE_APPS,
    )


def _apply(archive: Archive, db: Database, row: Mapping[str, Any], decision: Decision) -> None:
    recording = archive.recording(row["sha256"])
    again = row["call_id"] is not None
    _unjoin(archive, db, recording)
    first, *others = (
        next(iter(db.query("SELECT * FROM calls WHERE id = ?", [call.id])))
        for call in decision.calls
    )
    now = archive.recording(row["sha256"])
    facts, dropped = of_call(vars(now), now.facts, calls.facts_of(first, decision.apart_ms))
    if others:
        who = [{"number": call["number"] or None, "contact": _name(call)} for call in others]
        facts["others"] = Fact(who, f"{LOG}, in the same recording", "joined")
    score = round(decision.score, 4)
    _keep(archive, db, row["id"], first["id"], "rule", score, decision.reason)
    for call in others:
        _keep(archive, db, row["id"], call["id"], "rule", score, "in the same recording")
    archive.change(row["sha256"], facts, drop=dropped, call_id=first["id"])
    archive.log(
        "joined with another call" if again else "joined with a call",
        sha256=row["sha256"],
        phone=row["phone"],
        detail={
            **_told(first),
            "others": [call["id"] for call in others],
            "apart_ms": decision.apart_ms,
            "score": score,
            "reason": decision.reason,
            "facts": sorted(facts),
        },
    )


def _unjoin(archive: Archive, db: Database, recording: Recording) -> None:
    """Forget a recording's calls, and what they said of it."""
    db.execute("DELETE FROM joins WHERE recording_id = ?", [recording.id])
    back, gone = parted(archive.recording(recording.sha256).facts)
    archive.change(recording.sha256, back, drop=gone, call_id=None)


def _keep(
    archive: Archive,
    db: Database,
    recording_id: int,
    call_id: int | None,
    by: str,
    score: float | None,
    reason: str,
) -> None:
    db.execute(
        "INSERT INTO joins (recording_id, call_id, settled_by, score, reason, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [recording_id, call_id, by, score, reason, archive.clock()],
    )


def _told(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call for the custody log, which has no number and no name of anybody."""
    return {"call": call["id"], "log_id": call["log_id"], "date_ms": call["date_ms"]}


def _stated(facts: Mapping[str, Any], name: str) -> Any:
    """A fact's value, but not one that a call gave."""
    return own(facts, name).get("value")


def _text(facts: Mapping[str, Any], name: str) -> str | None:
    value = _stated(facts, name)
    return value if isinstance(value, str) and value else None


def _name(call: Mapping[str, Any]) -> str | None:
    name: str | None = call["name"] or call["contact"]
    return name


def _parties(value: Any) -> tuple[Party, ...]:
    if not isinstance(value, list):
        return ()
    found = []
    for one in value:
        if isinstance(one, dict):
            number, contact = one.get("number"), one.get("contact")
            found.append(
                Party(
                    number if isinstance(number, str) else None,
                    contact if isinstance(contact, str) else None,
                )
            )
    return tuple(found)


def _kind(row: Mapping[str, Any]) -> str:
    """What wrote a recording: the route, the folder, and the word that its name begins with."""
    prefix = _PREFIX.match(row["original_name"])
    return f"{row['route']}/{row['source']}/{prefix[1] if prefix else ''}"


def _other_hour(start_ms: int, looks: list[Look]) -> int:
    """What to add where the phone's local time was there twice; else 0."""
    zones = [look for look in looks if look.zone]
    nearest = min(zones, key=lambda look: abs(look.at_ms - start_ms), default=None)
    if nearest is None:
        return 0
    try:
        local = datetime.fromtimestamp(start_ms / 1000, ZoneInfo(nearest.zone or ""))
        other = local.replace(fold=1 - local.fold)
        return round(other.timestamp() * 1000) - start_ms
    except (ValueError, OSError, OverflowError, LookupError):
        return 0
