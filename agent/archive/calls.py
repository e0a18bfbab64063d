"""The call log in the index: kept whole, since a phone keeps 500 rows; and looks at the phone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from agent.archive.join import Call, Look
from agent.archive.join.parties import bare, names_agree, numbers_agree
from agent.archive.join.records import ALLOWED, OUTGOING
from agent.archive.records import Confidence, Fact, storable
from agent.phone.calls import LoggedCall
from agent.phone.contacts import Contact

_TAIL = 7  # digits by which a number is looked up, before it is compared


def add_calls(db: Database, phone: str, rows: Iterable[LoggedCall], now_ms: int) -> int:
    """Keep rows of a phone's call log; returns how many were new. The same row comes often.

    The name that a row had first stays: it is the one of the time of the call.
    """
    before = _count(db)
    db.conn.executemany(
        "INSERT INTO calls (phone, log_id, date_ms, number, duration_s, type, name, presentation,"
        " features, sim, raw, normalized, country, whole, added_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (phone, log_id, date_ms, number) DO UPDATE SET"
        " duration_s = excluded.duration_s, type = excluded.type,"
        " name = coalesce(calls.name, excluded.name),"
        " presentation = excluded.presentation, features = excluded.features,"
        " sim = excluded.sim, raw = excluded.raw, normalized = excluded.normalized,"
        " country = excluded.country, whole = coalesce(excluded.whole, calls.whole)"
        " WHERE raw <> excluded.raw OR (whole IS NULL AND excluded.whole IS NOT NULL)",
        [
            (
                phone,
                row.log_id,
                row.date_ms,
                storable(row.number),
                row.duration_s,
                row.type,
                _storable(row.name),
                row.presentation,
                row.features,
                _storable(row.sim),
                storable(row.raw),
                row.normalized,
                row.country,
                _storable(row.whole),
                now_ms,
            )
            for row in rows
        ],
    )
    return _count(db) - before


def known_whole(db: Database, phone: str) -> set[tuple[int, int]]:
    """The ``_id`` and date of the rows that are kept with all of their columns."""
    return set(
        db.execute(
            "SELECT log_id, date_ms FROM calls WHERE phone = ? AND whole IS NOT NULL", [phone]
        )
    )


def add_look(db: Database, phone: str, look: Look) -> None:
    """Keep what the phone's clock was, and how far back its log went."""
    db.execute(
        "INSERT INTO looks (phone, at_ms, clock_ms, clock_error_ms, zone, log_rows,"
        " log_oldest_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            phone,
            look.at_ms,
            look.clock_ms,
            look.clock_error_ms,
            _storable(look.zone),
            look.log_rows,
            look.log_oldest_ms,
        ],
    )


def looks(db: Database, phone: str) -> list[Look]:
    """All looks at a phone, the first one first."""
    rows = db.execute(
        "SELECT at_ms, clock_ms, coalesce(clock_error_ms, 0), zone, log_rows, log_oldest_ms"
        " FROM looks WHERE phone = ? ORDER BY at_ms",
        [phone],
    )
    return [Look(*row) for row in rows]


def logged(db: Database, phone: str) -> list[Call]:
    """A phone's calls as the join takes them."""
    return [call_of(row) for row in db.query("SELECT * FROM calls WHERE phone = ?", [phone])]


def call_of(row: Mapping[str, Any]) -> Call:
    """A row of ``calls`` as the join takes it."""
    return Call(
        id=row["id"],
        date_ms=row["date_ms"],
        talk_s=row["duration_s"],
        type=row["type"],
        number=row["number"] or None,
        normalized=row["normalized"],
        country=row["country"],
        name=row["name"] or row["contact"],
        presentation=row["presentation"],
        sim=row["sim"],
    )


def facts_of(call: Mapping[str, Any], apart_ms: int | None) -> dict[str, Fact]:
    """What a call says of a recording of it; without ``apart_ms`` it is the user who says so."""
    source = "call log, linked by hand"
    if apart_ms is not None:
        source = f"call log, {round(apart_ms / 1000)} s apart"
    sure: Confidence = "told" if apart_ms is None else "joined"
    facts = {"direction": Fact(direction_of(call), source, sure)}
    if call["number"] and call["presentation"] in (None, ALLOWED):
        facts["number"] = Fact(call["number"], source, sure)
    if call["presentation"] not in (None, ALLOWED):
        facts["presentation"] = Fact(call["presentation"], source, sure)
    if call["name"]:
        facts["contact"] = Fact(call["name"], source, sure)
    elif call["contact"]:
        facts["contact"] = Fact(call["contact"], f"{source}; the phone's contacts", sure)
    if call["sim"]:
        facts["sim"] = Fact(call["sim"], source, sure)
    return facts


def direction_of(call: Mapping[str, Any]) -> str:
    """``in`` or ``out``."""
    return "out" if call["type"] == OUTGOING else "in"


def name_calls(
    db: Database, phone: str, contacts: Iterable[Contact], now_ms: int
) -> list[dict[str, Any]]:
    """Give calls the names that their numbers have in the contacts; those that got one.

    Only calls without such a name: a name is kept as it was when it was first read, soon after
    the call. Nothing of other contacts is kept.
    """
    by_tail: defaultdict[str, list[Contact]] = defaultdict(list)
    for contact in contacts:
        by_tail[bare(contact.number)[-_TAIL:]].append(contact)
    named = []
    nameless = db.query(
        "SELECT * FROM calls WHERE phone = ? AND contact IS NULL AND number <> ''", [phone]
    )
    for row in list(nameless):
        names = {
            contact.name
            for contact in by_tail.get(bare(row["number"])[-_TAIL:], ())
            if _is_of(contact, row)
        }
        # Of a line that several share, the log's own name says who it was.
        fitting = [name for name in names if names_agree(name, row["name"]) == "same"]
        name = next(iter(fitting or names), None) if len(fitting or names) == 1 else None
        if name is not None:
            db.execute(
                "UPDATE calls SET contact = ?, contact_ms = ? WHERE id = ?",
                [storable(name), now_ms, row["id"]],
            )
            named.append({**row, "contact": storable(name), "contact_ms": now_ms})
    return named


def _is_of(contact: Contact, row: Mapping[str, Any]) -> bool:
    for number in (contact.number, contact.normalized):
        for other in (row["number"], row["normalized"]):
            if number and other and numbers_agree(number, other, row["country"]) == "same":
                return True
    return False


@dataclass(frozen=True)
class CallFilters:
    """Which calls to list; None lets everything through. ``phone``: serial or alias."""

    since_ms: int | None = None
    until_ms: int | None = None
    phone: str | None = None
    recorded: bool | None = None
    limit: int | None = None


def listed(db: Database, filters: CallFilters) -> list[dict[str, Any]]:
    """The calls that fit, the newest first, each with ``recordings``: the list numbers of its
    recordings, and ``phone_alias``."""
    where: list[str] = ["1"]
    values: list[Any] = []
    for clause, value in (
        ("calls.date_ms >= ?", filters.since_ms),
        ("calls.date_ms < ?", filters.until_ms),
    ):
        if value is not None:
            where.append(clause)
            values.append(value)
    if filters.phone is not None:
        where.append("(calls.phone = ? OR phones.alias = ?)")
        values += [storable(filters.phone)] * 2
    has = "EXISTS (SELECT 1 FROM joins WHERE joins.call_id = calls.id)"
    if filters.recorded is not None:
        where.append(has if filters.recorded else f"NOT {has}")
    rows = list(
        db.query(
            "SELECT calls.*, phones.alias AS phone_alias FROM calls"  # noqa: S608
            " LEFT JOIN phones ON phones.serial = calls.phone"
            f" WHERE {' AND '.join(where)} ORDER BY calls.date_ms DESC, calls.id DESC LIMIT ?",
            [*values, -1 if filters.limit is None else filters.limit],
        )
    )
    recordings: defaultdict[int, list[int]] = defaultdict(list)
    for call_id, recording_id in db.execute(
        "SELECT call_id, recording_id FROM joins WHERE call_id IS NOT NULL ORDER BY recording_id"
    ):
        recordings[call_id].append(recording_id)
    return [{**row, "recordings": recordings[row["id"]]} for row in rows]


def sims_of(rows: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], str]:
    """What the log calls a SIM that a kind of recording calls otherwise, out of pairs (kind, its
    SIM, the log's SIM) of sure joins: where nine of ten, and three at least, say the same."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for kind, theirs, logs in rows:
        counts[kind, theirs][logs] += 1
    found = {}
    for key, seen in counts.items():
        (name, count), *_ = seen.most_common(1)
        if count >= 3 and count >= 0.9 * seen.total():
            found[key] = name
    return found


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _count(db: Database) -> int:
    return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])
