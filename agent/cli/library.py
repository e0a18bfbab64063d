"""list, show, search, play, note: what is in the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.archive import Archive, Entry, Recording
from agent.archive.basis import words_of
from agent.archive.records import Direction
from agent.audio.draw import waveform
from agent.audio.play import CHANNELS, Channel, check_output, play
from agent.cli.calls import join_of
from agent.cli.columns import Cell, Column, print_rows
from agent.cli.common import App, pass_app
from agent.cli.rows import (
    ARROWS,
    NARROW,
    ROOMY,
    announced,
    as_json,
    is_private,
    iso,
    length,
    level,
    otherwise,
    print_stacked,
    side,
    warnings,
    when,
    who,
    width_of,
)
from agent.cli.when import moment
from agent.errors import AudioError, IntegrityError
from agent.text import shown


@click.command("list")
@click.option("--since", metavar="TIME", help="Begun at TIME or later: 2026-03-05, 14:00, 2d.")
@click.option("--until", metavar="TIME", help="Begun before TIME, or on that day.")
@click.option("--number", metavar="NUMBER", help="With this number; its last digits will do.")
@click.option("--contact", metavar="TEXT", help="With a contact whose name has TEXT in it.")
@click.option("--direction", type=click.Choice(["in", "out"]), help="Only incoming or outgoing.")
@click.option("--silent/--audible", default=None, help="Only what nobody can hear, or the rest.")
@click.option("--phone", metavar="NAME", help="Only from this phone: alias or serial.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@pass_app
def list_(
    app: App,
    since: str | None,
    until: str | None,
    number: str | None,
    contact: str | None,
    direction: str | None,
    silent: bool | None,
    phone: str | None,
    limit: int | None,
) -> None:
    """List recordings, newest first."""
    filters: dict[str, Any] = {
        "since_ms": None if since is None else moment(since),
        "until_ms": None if until is None else moment(until, end=True),
        "number": number,
        "contact": contact,
        "direction": cast("Direction | None", direction),
        "silent": silent,
        "phone": app.serial(phone or app.phone),
    }
    with app.archive() as archive:
        found = archive.recordings(**filters, limit=limit)
        anything = bool(found) or bool(archive.recordings(limit=1))
    if app.json:
        app.print_json([as_json(recording) for recording in found])
    elif found:
        print_table(app.console, found)
    elif anything:
        app.note("No recording fits.")
    else:
        _print_empty(app)


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@pass_app
def search(app: App, text: tuple[str, ...], limit: int | None) -> None:
    """Find recordings by number, contact, note or name.

    Every word has to be there, as the start of a word; "words in quotes" as they are. A number
    is found in any way of writing it, and by its last four digits.
    """
    with app.archive() as archive:
        found = archive.search(" ".join(text), limit)
    if app.json:
        app.print_json([as_json(recording) for recording in found])
    elif found:
        print_table(app.console, found)
    else:
        app.note("Nothing found.")


@click.command()
@click.argument("recording", default="latest")
@pass_app
def show(app: App, recording: str) -> None:
    """Show all that is known of a RECORDING, and where it is known from.

    RECORDING is a number of `offhook list`, the start of a SHA-256, or `latest`.
    """
    with app.archive() as archive:
        found = archive.resolve(recording)
        seen = archive.sightings_of(found.sha256)
        entries = archive.custody_of(found.sha256)
        if app.json:
            app.print_json(_details(archive, found, seen, entries))
            return
        _print_details(app, archive, found)
    _print_history(app, seen, entries)


@click.command("play")
@click.argument("recording", default="latest")
@click.option("--channel", type=click.Choice(CHANNELS), default="both", help="One side only.")
@click.option("--start", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS")
@click.option("--device", metavar="NAME", help="An output's number, or a part of its name.")
@pass_app
def play_(app: App, recording: str, channel: str, start: float, device: str | None) -> None:
    """Play a RECORDING; Ctrl-C stops it."""
    with app.archive() as archive:
        found = archive.resolve(recording)
        path = archive.file_of(found)
        if not path.is_file():
            raise IntegrityError(
                f"recording {found.id} is not in the archive's folder any more: {found.path}",
                hint="Put it back from a copy of the archive.",
            )
        check_output(device)  # what can't be heard was not played
        app.log(
            archive, "played", sha256=found.sha256, detail={"channel": channel, "start_s": start}
        )
    app.note(f"{found.id}  {when(found.started_ms)}  {who(found)}  {length(found)}")
    terminal = app.console.is_terminal and not app.json
    last = -1

    def position(seconds: float) -> None:
        nonlocal last
        if terminal and int(seconds) != last:
            last = int(seconds)
            app.console.print(f"\r{_clock(seconds)} / {length(found)} ", end="", markup=False)

    try:
        play(
            path,
            channel=cast("Channel", channel),
            start=start,
            device=device,
            on_position=position,
        )
    except KeyboardInterrupt:
        pass
    finally:
        if terminal and last >= 0:
            app.console.print()


@click.command()
@click.argument("recording")
@click.argument("text", nargs=-1)
@pass_app
def note(app: App, recording: str, text: tuple[str, ...]) -> None:
    """Give a RECORDING a note of TEXT; without TEXT, take it away."""
    with app.archive() as archive:
        found = archive.resolve(recording)
        archive.set_note(found.sha256, " ".join(text).strip())
        changed = archive.recording(found.sha256)
    if app.json:
        app.print_json(as_json(changed))
    else:
        said = f"Noted: {shown(changed.note)}" if changed.note else "No note any more."
        app.note(f"{changed.id}  {when(changed.started_ms)}  {who(changed)}\n{said}")


def print_table(console: Console, found: Sequence[Recording]) -> None:
    """Recordings as a table: everything, or what matters most where a terminal is narrow."""
    width = width_of(console)
    if width < NARROW:
        print_stacked(console, [(one.id, (_short(one), who(one))) for one in found])
        return
    roomy = width >= ROOMY
    columns = [
        Column("#", right=True),
        Column("when"),
        Column(""),
        Column("who", fold=True, least=15),
        Column("length", right=True),
        *([Column("route", fold=True)] if roomy else []),
        Column("sound", fold=True),
        *([Column("verified"), Column("phone", fold=True)] if roomy else []),
    ]
    print_rows(console, columns, [_cells_of(one, roomy=roomy) for one in found], width)


def _cells_of(one: Recording, *, roomy: bool) -> list[Cell]:
    begun = [when(one.started_ms)[: None if roomy else 16], ARROWS.get(one.direction, "·")]
    cells: list[Cell] = [str(one.id), *begun, who(one), length(one)]
    if not roomy:
        return [*cells, _loudness(one)]
    verified: Cell = "yes" if one.verified_ms else ("NO", "bold red")
    phone = shown(one.phone_alias or one.phone or "")
    return [*cells, shown(one.route or ""), _loudness(one), verified, phone]


def _short(one: Recording) -> Text:
    begun = when(one.started_ms)[:16]
    start = f"{begun} {ARROWS.get(one.direction, '·')}  {length(one)}  "
    return Text.assemble(start, _loudness(one))


def _loudness(one: Recording) -> tuple[str, str]:
    return level(one), "bold red" if one.silent or one.silent_channels else ""


def _print_empty(app: App) -> None:
    app.note("There is no recording yet.")
    app.note("  offhook --phone HOST:5555 doctor   what a phone can do")
    app.note("  offhook enable                     record its calls")
    app.note("  offhook sync                       pull what is there")


def _details(
    archive: Archive, found: Recording, seen: list[dict[str, Any]], entries: list[Entry]
) -> dict[str, Any]:
    """``show --json``: as ``list --json``, and ``file``, ``facts``, ``join``, ``sightings``,
    ``custody``."""
    sightings = [
        {
            "phone": one["phone"],
            "source": one["source"],
            "path": one["path"],
            "size": one["size"],
            "mtime": iso(one["mtime_ns"] // 1_000_000),
            "first_seen": iso(one["first_seen_ms"]),
            "gone": iso(one["gone_ms"]),
        }
        for one in seen
    ]
    return {
        **as_json(found),
        "file": str(archive.file_of(found)),
        "facts": found.facts,
        "sidecar": found.sidecar,
        "join": join_of(archive, found)[1],
        "sightings": sightings,
        "custody": [vars(entry) for entry in entries],
    }


def _print_details(app: App, archive: Archive, found: Recording) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, value: object, fact: str = "") -> None:
        known = found.facts.get(fact)
        source = f"  {known.get('source')} ({known.get('confidence')})" if known else ""
        table.add_row(Text(name), Text.assemble(shown(str(value)), (shown(source), "dim")))

    def beside(fact: str) -> None:
        for words, source in otherwise(found, fact):
            table.add_row("", Text.assemble(shown(words), (f"  {shown(source)}", "dim")))

    for warning in warnings(found):
        app.console.print(Text(warning, style="bold red"))
    row("recording", found.id)
    row("begun", when(found.started_ms), "started_ms")
    row("ended", when(found.ended_ms), "ended_ms")
    row(
        "direction",
        {"in": "incoming", "out": "outgoing"}.get(found.direction or "", "unknown"),
        "direction",
    )
    beside("direction")
    row("number", found.number or ("private" if is_private(found) else "unknown"), "number")
    beside("number")
    row("contact", found.contact or "unknown", "contact")
    beside("contact")
    if found.sim is not None:
        row("SIM", found.sim, "sim")
    for number, words in enumerate(join_of(archive, found)[0]):
        row("" if number else "call", words)
    row("route", found.route or "unknown", "route")
    given = found.facts.get("consent")
    row("consent", words_of(given["value"]) if given else "none on record", "consent")
    if "announced" in found.facts:
        row("announced", announced(found.facts["announced"]["value"]), "announced")
    row("phone", f"{found.phone_alias or ''} {found.phone or 'unknown'}".strip())
    row("length", length(found) + (f" ({found.duration_s} s)" if found.duration_s else ""))
    row(
        "format",
        f"{found.codec}, {found.rate} Hz, {found.channels} channel{'s' * (found.channels != 1)}"
        if found.codec
        else "unknown",
    )
    if found.note:
        row("note", found.note)
    row("verified", when(found.verified_ms) if found.verified_ms else "NO")
    app.console.print(table)
    app.note(f"SHA-256 {found.sha256}")
    app.note(shown(str(archive.file_of(found))))
    _print_sound(app, archive, found)


def _print_sound(app: App, archive: Archive, found: Recording) -> None:
    rows: list[str] = []
    if found.duration_s and found.levels:
        try:
            width = min(max(app.console.width - 2, 20), 100)
            rows = waveform(archive.file_of(found), width, found.duration_s)
        except AudioError as error:
            app.note(f"No picture: {shown(error.message)}")
    for number, one in enumerate(found.levels):
        silent = number in found.silent_channels
        words = f"{side(found, number)}: {_measured(one)}"
        app.console.print()
        if number < len(rows):
            app.console.print(Text(rows[number], style="red" if silent else "cyan"), no_wrap=True)
        app.console.print(Text(words + (", SILENT" if silent else "")), soft_wrap=True)


def _measured(one: Mapping[str, float]) -> str:
    """What was measured of a channel; an index that somebody else wrote may lack something."""
    words = [
        f"{name} {one[key]} dBFS"
        for name, key in (("peak", "peak_dbfs"), ("mean", "rms_dbfs"))
        if key in one
    ]
    words += [f"{one['silence']:.0%} silence"] if "silence" in one else []
    words += [f"{one['clipped']:.2%} clipped"] if one.get("clipped") else []
    return ", ".join(words) or "not measured"


def _print_history(app: App, seen: list[dict[str, Any]], entries: list[Entry]) -> None:
    if seen:  # else it was recorded here
        app.console.print("\nseen", style="bold")
    for one in seen:
        gone = f", gone by {when(one['gone_ms'])}" if one["gone_ms"] else ""
        where = "this computer" if one.get("here") else shown(one["phone"])
        app.note(f"  {when(one['first_seen_ms'])}  {where}  {one['path']}{gone}")
    app.console.print("\ncustody", style="bold")
    for entry in entries:
        app.note(f"  {entry.seq}  {entry.at}  {shown(entry.action)}  ({shown(entry.actor)})")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


COMMANDS: tuple[click.Command, ...] = (list_, show, search, play_, note)
