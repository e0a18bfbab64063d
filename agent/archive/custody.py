"""The custody log: what was done with each recording, each entry sealed by the next.

An entry's hash is the SHA-256 of a canonical JSON array of its fields, the hash of the entry
before among them. Changing, removing or reordering entries breaks the chain from there on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from agent.archive.records import storable

GENESIS = "0" * 64
_FIELDS = ("seq", "at", "actor", "action", "sha256", "phone", "path", "detail", "prev")


@dataclass(frozen=True)
class Entry:
    """One entry of the custody log."""

    seq: int
    at: str
    actor: str
    action: str
    sha256: str | None
    phone: str | None
    path: str | None
    detail: dict[str, Any]


def seal(fields: Mapping[str, Any]) -> str:
    """The hash of an entry: SHA-256 over its fields in order, as compact ASCII JSON."""
    listed = [fields[name] for name in _FIELDS]
    return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode("ascii")).hexdigest()


def row_seal(db: Database, sha256: str) -> str | None:
    """The hash of a recording's row as it is now, None where there is none.

    It stands in the ``detail`` of each entry about the recording (``row``), so that a row that
    was edited behind the program's back can be told.
    """
    for row in db.query("SELECT * FROM recordings WHERE sha256 = ?", [sha256]):
        said = json.dumps({k: v for k, v in row.items() if v is not None}, sort_keys=True)
        return hashlib.sha256(said.encode("ascii")).hexdigest()
    return None


def append(
    db: Database,
    action: str,
    *,
    actor: str,
    at_ms: int,
    sha256: str | None = None,
    phone: str | None = None,
    path: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Add an entry and return its number. The caller holds a write transaction."""
    last = db.execute("SELECT seq, hash FROM custody ORDER BY seq DESC LIMIT 1").fetchone()
    fields: dict[str, Any] = {
        "seq": (last[0] if last else 0) + 1,
        "at": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "actor": actor,
        "action": action,
        "sha256": sha256,
        "phone": phone,
        "path": None if path is None else storable(path),
        "detail": json.dumps(detail or {}, sort_keys=True, separators=(",", ":")),
        "prev": last[1] if last else GENESIS,
    }
    fields["hash"] = seal(fields)
    names = ", ".join(fields)
    marks = ", ".join(f":{name}" for name in fields)
    db.execute(f"INSERT INTO custody ({names}) VALUES ({marks})", fields)  # noqa: S608
    return int(fields["seq"])


def entries(db: Database, sha256: str) -> list[Entry]:
    """What was done with one recording, oldest first."""
    rows = db.query("SELECT * FROM custody WHERE sha256 = ? ORDER BY seq", [sha256])
    return [
        Entry(
            **{name: row[name] for name in _FIELDS if name not in ("detail", "prev")},
            detail=json.loads(row["detail"]),
        )
        for row in rows
    ]


def verify_chain(db: Database) -> list[str]:
    """Everything wrong with the log, in words; an empty list when it is whole.

    Entries cut from the very end leave a whole chain: that is noticed by the recordings that
    are then without the entry of their filing.
    """
    problems: list[str] = []
    prev, expected = GENESIS, 1
    for row in db.query("SELECT * FROM custody ORDER BY seq"):
        if row["seq"] != expected:
            problems.append(f"entry {expected} is missing (the next is {row['seq']})")
        if row["prev"] != prev:
            problems.append(f"entry {row['seq']} does not follow from the one before it")
        if seal(row) != row["hash"]:
            problems.append(f"entry {row['seq']} was changed")
        prev, expected = row["hash"], row["seq"] + 1
    unsealed = db.query(
        "SELECT id FROM recordings WHERE NOT EXISTS (SELECT 1 FROM custody"
        " WHERE custody.sha256 = recordings.sha256 AND custody.action = 'filed')"
    )
    problems += [f"recording {row['id']} has no entry of its filing" for row in unsealed]
    return problems
