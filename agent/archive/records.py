"""What the archive's rows look like to the rest of the program.

Times are milliseconds since 1970 in UTC. Text that came from a phone is as hostile here as it
was there: show it only through :func:`agent.text.shown`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Direction = Literal["in", "out"]
Confidence = Literal["stated", "measured", "joined", "assumed", "told"]


@dataclass(frozen=True)
class Fact:
    """One thing known of a recording, where it comes from and how sure it is.

    ``stated``: the recorder said so; ``measured``: found in the bytes; ``joined``: found in the
    call log; ``assumed``: the best guess there is; ``told``: the user said so.
    """

    value: Any
    source: str
    confidence: Confidence

    def as_dict(self) -> dict[str, Any]:
        """The fact as it is kept in the index."""
        return {"value": self.value, "source": self.source, "confidence": self.confidence}


@dataclass(frozen=True)
class Phone:
    """A phone as the archive knows it."""

    serial: str
    alias: str | None = None
    model: str | None = None
    manufacturer: str | None = None
    android: str | None = None
    fingerprint: str | None = None
    abi: str | None = None
    address: str | None = None
    first_seen_ms: int = 0
    last_seen_ms: int = 0

    @property
    def name(self) -> str:
        """What to call it: the user's alias, or else its serial."""
        return self.alias or self.serial


@dataclass(frozen=True)
class Recording:
    """A recording in the archive. ``path`` is relative to the archive's folder.

    ``silent`` is None when the sound could not be measured; ``levels`` has one mapping for each
    channel, with ``peak_dbfs``, ``rms_dbfs``, ``silence`` and ``clipped`` (shares of 1).
    """

    id: int
    sha256: str
    size: int
    path: str
    original_name: str
    phone: str | None = None
    source: str | None = None
    route: str | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    direction: Direction | None = None
    number: str | None = None
    contact: str | None = None
    sim: str | None = None
    call_id: int | None = None
    duration_s: float | None = None
    format: str | None = None
    codec: str | None = None
    rate: int | None = None
    channels: int | None = None
    levels: list[dict[str, float]] = field(default_factory=list)
    silent: bool | None = None
    silent_channels: list[int] = field(default_factory=list)
    problem: str | None = None
    note: str | None = None
    flags: list[str] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    sidecar: str | None = None
    added_ms: int = 0
    verified_ms: int | None = None
    phone_alias: str | None = None


_RECORDING_FIELDS = frozenset(f.name for f in fields(Recording))
_EMPTY = ("[]", "{}")  # which most are
_JSON_COLUMNS = {"levels": list, "silent_channels": list, "flags": list, "facts": dict}


def recording_of(row: Mapping[str, Any] | sqlite3.Row) -> Recording:
    """A row of ``recordings``, with ``phone_alias`` if it was joined in, as a Recording."""
    values = {key: row[key] for key in row.keys() if key in _RECORDING_FIELDS}  # noqa: SIM118
    for column, kind in _JSON_COLUMNS.items():
        text = values.get(column)
        loaded = kind() if text in _EMPTY else json.loads(text or "null")
        values[column] = loaded if isinstance(loaded, kind) else kind()
    if values.get("silent") is not None:
        values["silent"] = bool(values["silent"])
    return Recording(**values)


def storable(text: str) -> str:
    """``text`` as SQLite can keep it: bytes that were not UTF-8 as ``\\xNN``, no NULs."""
    kept = "".join(
        f"\\x{ord(ch) - 0xDC00:02x}" if 0xDC80 <= ord(ch) <= 0xDCFF else ch
        for ch in text
        if ch != "\0"
    )
    return kept.encode("utf-8", "replace").decode("utf-8")
