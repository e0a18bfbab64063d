"""calls, link: the call log that is kept here, and which recording is of which call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.archive import Archive, Recording, joining
from agent.archive import calls as kept
from agent.archive.calls import CallFilters, direction_of
from agent.archive.join import Candidate, Decision
from agent.cli.columns import Cell, Column, print_rows
from agent.cli.common import App, pass_app
from agent.cli.rows import (
    ARROWS,
    NARROW,
    ROOMY,
    iso,
    length,
    print_stacked,
    stacked,
    when,
    who,
    width_of,
)
from agent.cli.when import moment
from agent.errors import UsageError
from agent.text import shown

_TYPES = {
    1: "answered",
    2: "dialled",
    3: "missed",
    4: "voicemail",
    5: "rejected",
    6: "blocked",
    7: "answered elsewhere",
}


@click.command()
@click.option("--since", metavar="TIME", help="Begun at TIME or later: 2026-03-05, 14:00, 2d.")
@click.option("--until", metavar="TIME", help="Begun before TIME, or on that day.")
@click.option("--recorded/--unrecorded", default=None, help="With a recording, or without one.")
@click.option("--phone", metavar="NAME", help="Only from this phone: alias or serial.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@pass_app
def calls(
    app: App,
    since: str | None,
    until: str | None,
    recorded: bool | None,
    phone: str | None,
    limit: int | None,
) -> None:
    """List the calls of the phones' call logs, newest first.

    A phone keeps its newest 500; here they stay, once `sync` or `watch` has read them. Times are
    by the phone's clock.
    """
    filters = CallFilters(
        since_ms=None if since is None else moment(since),
        until_ms=None if until is None else moment(until, end=True),
        phone=app.serial(phone or app.phone),
        recorded=recorded,
        limit=limit,
    )
    with app.archive() as archive, archive.reading() as db:
        found = kept.listed(db, filters)
    if app.json:
        app.print_json([call_json(call) for call in found])
    elif not found:
        if filters != CallFilters():
            app.note("No call fits.")
        else:
            app.note("No call is known. `offhook sync` reads the phone's call log.")
    else:
        print_calls(app.console, found)


@click.command()
@click.argument("recording")
@click.argument("call", required=False, type=click.IntRange(min=1))
@click.option("--none", "no_call", is_flag=True, help="It is of no call of the log.")
@click.option("--auto", is_flag=True, help="Take back what was settled by hand.")
@pass_app
def link(app: App, recording: str, call: int | None, no_call: bool, auto: bool) -> None:
    """Say which CALL a RECORDING is of; without CALL, list those that it may be of.

    CALL is a number of `offhook calls`. What you say here stays as it is, whatever rows come.
    """
    if (call is not None) + no_call + auto > 1:
        raise UsageError("give one of CALL, --none and --auto")
    with app.archive() as archive:
        found = archive.resolve(recording)
        if auto:
            found = joining.unlink(archive, found)
        elif call is not None or no_call:
            found = joining.link(archive, found, call)
        decision = joining.consider(archive, found)
        joined = joining.joins_of(archive, found)
        files = joining.files_of(archive, found)
    if app.json:
        app.print_json({"recording": found.id, **join_json(joined, decision, files)})
        return
    app.note(f"{found.id}  {when(found.started_ms)}  {who(found)}  {length(found)}")
    table = decision is not None and decision.candidates and not (auto or no_call or call)
    for line in join_words(joined, decision, files, listed=not table):
        app.note(line)
    if table and decision is not None:
        app.console.print(_candidates_table(decision, _width(app)))


def join_of(archive: Archive, recording: Recording) -> tuple[list[str], dict[str, Any]]:
    """Which call a recording is of, in words and for ``--json``."""
    joined = joining.joins_of(archive, recording)
    decision = joining.consider(archive, recording) if not joined else None
    files = joining.files_of(archive, recording)
    return join_words(joined, decision, files), join_json(joined, decision, files)


def join_words(
    joined: list[dict[str, Any]],
    decision: Decision | None,
    files: list[int],
    *,
    listed: bool = True,
) -> list[str]:
    """The calls, with score and reason; or why there is none, with those that may be it, where
    they are to be ``listed``."""
    lines = []
    for number, call in enumerate(joined):
        if call["id"] is None:
            lines.append("of no call, as settled by hand")
        else:
            what = "call" if not number else "and call"
            lines.append(f"{what} {call['id']}, {when(call['date_ms'])}{_why(call)}")
    if not joined:
        lines.append(
            "no call: "
            + (decision.reason if decision else "whose phone it is, or its time, is not known")
        )
        for one in decision.candidates if decision and listed else ():
            at = when(one.call.date_ms)
            lines.append(f"perhaps call {one.call.id}, {at} ({_score(one.score)}: {one.reason})")
    if files:
        lines.append("in the same call: recording " + ", ".join(map(str, files)))
    return [shown(line) for line in lines]


def _why(call: Mapping[str, Any]) -> str:
    if call["settled_by"] == "user":
        return ", linked by hand"
    score = "" if call["score"] is None else f"{_score(call['score'])}: "
    return f" ({score}{call['reason']})"


def _score(score: float) -> str:
    """A probability; never one that claims to be certain."""
    return ">0.99" if score >= 0.995 else f"{score:.2f}"


def join_json(
    joined: list[dict[str, Any]], decision: Decision | None, files: list[int]
) -> dict[str, Any]:
    """``calls``, ``settled_by``, ``score``, ``reason``, ``candidates``, ``same_call``."""
    first = joined[0] if joined else None
    reason = decision.reason if decision else None
    return {
        "calls": [call_json(call) for call in joined if call["id"] is not None],
        "settled_by": first["settled_by"] if first else None,
        "score": first["score"] if first else None,
        "reason": first["reason"] if first else reason,
        "candidates": [_candidate_json(one) for one in (decision.candidates if decision else ())],
        "same_call": files,
    }


def call_json(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call for ``--json``. These keys stay; times are ISO 8601 with an offset."""
    said = {
        "id": call["id"],
        "phone": call["phone"],
        "begun": iso(call["date_ms"]),
        "talk_s": call["duration_s"],
        "type": call["type"],
        "direction": direction_of(call),
        "number": call["number"] or None,
        "normalized": call["normalized"],
        "name": call["name"],
        "contact": call["contact"],
        "contact_read": iso(call["contact_ms"]),
        "presentation": call["presentation"],
        "sim": call["sim"],
        "log_id": call["log_id"],
        "raw": call["whole"] or call["raw"],
    }
    if "recordings" in call:
        said["recordings"] = call["recordings"]
    return said


def _candidate_json(one: Candidate) -> dict[str, Any]:
    call = one.call
    return {
        "call": call.id,
        "begun": iso(call.date_ms),
        "talk_s": call.talk_s,
        "direction": call.direction,
        "number": call.number,
        "name": call.name,
        "sim": call.sim,
        "score": round(one.score, 4),
        "reason": one.reason,
    }


def _party(number: str | None, name: str | None, presentation: int | None) -> str:
    if presentation not in (None, 1):
        return "private number"
    if name and number:
        return f"{shown(name)} ({shown(number)})"
    return shown(name or number or "unknown")


def _seconds(talk_s: int) -> str:
    return f"{talk_s} s" if talk_s < 60 else f"{talk_s // 60}:{talk_s % 60:02}"


def print_calls(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Calls as a table: everything, or what matters most where a terminal is narrow."""
    width = width_of(console)
    if width < NARROW:
        print_stacked(console, [(one["id"], _call_lines(one)) for one in found])
        return
    roomy = width >= ROOMY
    columns = [
        Column("#", right=True),
        Column("when"),
        Column(""),
        Column("who", fold=True, least=15),
        Column("talk", right=True),
        Column(""),
        *([Column("SIM", fold=True), Column("phone", fold=True)] if roomy else []),
        Column("recording", fold=True),
    ]
    print_rows(console, columns, [_call_cells(one, roomy=roomy) for one in found], width)


def _call_cells(one: Mapping[str, Any], *, roomy: bool) -> list[Cell]:
    phone = one["phone_alias"] or one["phone"]
    return [
        str(one["id"]),
        when(one["date_ms"])[: None if roomy else 16],
        ARROWS[direction_of(one)],
        _party_of(one),
        _seconds(one["duration_s"]),
        _type_of(one),
        *([shown(one["sim"] or ""), shown(phone)] if roomy else []),
        ", ".join(map(str, one["recordings"])),
    ]


def _call_lines(one: Mapping[str, Any]) -> Iterator[str]:
    begun, arrow = when(one["date_ms"])[:16], ARROWS[direction_of(one)]
    yield f"{begun} {arrow}  {_seconds(one['duration_s'])}  {_type_of(one)}"
    yield _party_of(one)
    if one["recordings"]:
        yield f"recording {', '.join(map(str, one['recordings']))}"


def _party_of(one: Mapping[str, Any]) -> str:
    return _party(one["number"], one["name"] or one["contact"], one["presentation"])


def _type_of(one: Mapping[str, Any]) -> str:
    return _TYPES.get(one["type"], f"type {one['type']}")


def _candidates_table(decision: Decision, width: int) -> Table:
    if width < NARROW:
        return stacked((one.call.id, _candidate_lines(one)) for one in decision.candidates)
    table = _table("#", "when", "", "who", "talk", "score", "why")
    for one in decision.candidates:
        call = one.call
        table.add_row(
            str(call.id),
            when(call.date_ms),
            ARROWS[call.direction],
            Text(_party(call.number, call.name, call.presentation)),
            _seconds(call.talk_s),
            _score(one.score),
            Text(one.reason),
        )
    return table


def _candidate_lines(one: Candidate) -> Iterator[str]:
    call = one.call
    begun = f"{when(call.date_ms)[:16]} {ARROWS[call.direction]}"
    yield f"{begun}  {_seconds(call.talk_s)}  {_score(one.score)}"
    yield _party(call.number, call.name, call.presentation)
    yield one.reason


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        right = name in ("#", "talk", "score")
        fold = name in ("who", "why", "phone", "recording", "SIM")
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=not fold,
            overflow="fold",
        )
    return table


def _width(app: App) -> int:
    """How many columns there are, for rich, too."""
    app.console.width = width_of(app.console)
    return app.console.width


COMMANDS: tuple[click.Command, ...] = (calls, link)
