"""A recording in words, for tables, and in JSON, for programs. Everything is fit for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.archive.outrank import DIFFERS, OVERRULED
from agent.archive.records import Recording
from agent.sync.settled import OTHER_SIZE, UNFINISHED
from agent.text import shown

#: Columns of a terminal from which a table has everything, and below which it is none.
ROOMY, NARROW = 100, 60
AT_ONCE = 200  # rows that are printed together, of very many
_PIPE_WIDTH = 200  # columns where there is no terminal to fit

SIDES = ("uplink", "downlink")
ARROWS = {"in": "←", "out": "→", None: "·"}


def when(ms: int | None) -> str:
    """A time in the local zone, to the second."""
    return _local(ms).strftime("%Y-%m-%d %H:%M:%S") if ms is not None else "?"


def iso(ms: int | None) -> str | None:
    """A time in ISO 8601 with the local zone's offset."""
    return None if ms is None else _local(ms).isoformat(timespec="milliseconds")


def who(recording: Recording) -> str:
    """The other party: contact and number, as far as they are known."""
    contact, number = shown(recording.contact or ""), shown(recording.number or "")
    if contact and number:
        return f"{contact} ({number})"
    if contact or number:
        return contact or number
    return "private number" if is_private(recording) else "unknown"


def is_private(recording: Recording) -> bool:
    """Whether the other party withheld its number."""
    return recording.facts.get("presentation", {}).get("value") in ("2", 2, "restricted")


def otherwise(recording: Recording, fact: str) -> list[tuple[str, str]]:
    """What another source says of a fact, in words, and which one that is: the call log, or the
    file's name that it outranked. Not yet fit for a terminal."""
    found = []
    for kind, words in (
        (DIFFERS, "the call log says otherwise:"),
        (OVERRULED, "the file's name says"),
    ):
        how = recording.facts.get(kind, {})
        values = how.get("value")
        if isinstance(values, dict) and fact in values:
            value = values[fact]
            if isinstance(value, dict):
                how, value = value, value.get("value")
            if value == getattr(recording, fact):
                continue  # it says the same
            found.append((f"{words} {value}", f"{how.get('source')} ({how.get('confidence')})"))
    return found


def length(recording: Recording) -> str:
    """How long it is: ``42 s``, ``3:05``, ``1:02:03``."""
    if recording.duration_s is None:
        return "?"
    seconds = round(recording.duration_s)
    if seconds < 60:
        return f"{recording.duration_s:.0f} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def megabytes(done: float, size: float) -> str:
    """How many bytes of how many: ``0.3 of 1.5 MB``, ``12 of 340 MB``."""
    digits = 1 if size < 9_950_000 else 0
    return f"{done / 1e6:.{digits}f} of {size / 1e6:.{digits}f} MB"


def level(recording: Recording) -> str:
    """How loud it is, or, in capitals, that there is nothing to hear."""
    if recording.silent:
        return "SILENT"
    if not recording.levels:
        return "not measured"
    peak = max(one.get("peak_dbfs", -120.0) for one in recording.levels)
    text = f"{peak:.0f} dB"
    if recording.silent_channels:
        text += f", {' and '.join(side(recording, n) for n in recording.silent_channels)} SILENT"
    return text


def side(recording: Recording, channel: int) -> str:
    """What a channel is called: as the recorder says, else of two the left one is the uplink."""
    legs = str(recording.facts.get("legs", {}).get("value") or "")
    names = tuple(legs.split(",")) if legs else SIDES
    if len(names) == recording.channels and 0 <= channel < len(names):
        return shown(names[channel])
    return f"channel {channel + 1}"


def warnings(recording: Recording) -> list[str]:
    """What a person should know of it before trusting it."""
    said = list(recording.flags)
    if recording.silent:
        said.insert(0, "SILENT: nothing can be heard in it")
    elif recording.silent_channels:
        names = " and ".join(side(recording, n) for n in recording.silent_channels)
        said.insert(0, f"the {names} is SILENT")
    if recording.problem:
        said.append(recording.problem)
    if recording.verified_ms is None:
        said.append("not verified")
    return [shown(text) for text in said]


def announced(fact: Any) -> str:
    """What others in the call were given to hear, in words."""
    if not isinstance(fact, dict):
        return str(fact)
    times = fact.get("at_ms")
    count = len(times) if isinstance(times, list) else 0
    if not count:
        return f"NO: {fact.get('problem') or 'the call was too short'}"
    text = f"{fact.get('kind')}, {count} time{'s' * (count != 1)}"
    if fact.get("problem"):
        text += f", then no more: {fact['problem']}"
    return text


def as_json(recording: Recording) -> dict[str, Any]:
    """A recording for ``--json``. These keys stay; times are ISO 8601 with an offset."""
    return {
        "id": recording.id,
        "sha256": recording.sha256,
        "size": recording.size,
        "path": recording.path,
        "original_name": recording.original_name,
        "phone": recording.phone,
        "phone_alias": recording.phone_alias,
        "source": recording.source,
        "route": recording.route,
        "started": iso(recording.started_ms),
        "ended": iso(recording.ended_ms),
        "direction": recording.direction,
        "number": recording.number,
        "contact": recording.contact,
        "sim": recording.sim,
        "call_id": recording.call_id,
        "duration_s": recording.duration_s,
        "format": recording.format,
        "codec": recording.codec,
        "rate": recording.rate,
        "channels": recording.channels,
        "levels": recording.levels,
        "silent": recording.silent,
        "silent_channels": recording.silent_channels,
        "problem": recording.problem,
        "note": recording.note,
        "flags": recording.flags,
        "added": iso(recording.added_ms),
        "verified": iso(recording.verified_ms),
    }


def width_of(console: Console) -> int:
    """How many columns of text a table has to fit."""
    return console.width if console.is_terminal else _PIPE_WIDTH


def stacked(rows: Iterable[tuple[int, Iterable[str | Text | tuple[str, str]]]]) -> Table:
    """What stands in for a table where its columns do not fit: numbers, and lines beside them."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for number, lines in rows:
        table.add_row(str(number), Text("\n").join(Text.assemble(line) for line in lines))
    return table


def print_stacked(
    console: Console, rows: Sequence[tuple[int, Iterable[str | Text | tuple[str, str]]]]
) -> None:
    """Print that of very many rows, as they are made."""
    for at in range(0, len(rows), AT_ONCE):
        console.print(stacked(rows[at : at + AT_ONCE]))


def _local(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def line(recording: Recording, *, names: bool) -> str:
    """A recording in a line; without ``names`` nobody can be told from it."""
    arrow = {"in": "from", "out": "to"}.get(recording.direction or "", "with")
    party = f" {arrow} {who(recording)}" if names else ""
    sound = "SILENT: the call's audio is not in it" if recording.silent else level(recording)
    doubts = "".join(f"; {flag}" for flag in (OTHER_SIZE, UNFINISHED) if flag in recording.flags)
    return f"recorded{party}, {length(recording)}, {sound}, verified{doubts}"
