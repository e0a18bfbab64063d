"""name: what a recording's file name says, without a phone and without the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from agent.cli.common import App, pass_app
from agent.errors import UsageError
from agent.naming import Named, explain
from agent.naming.number import known_region
from agent.naming.zone import zone_of
from agent.text import json_text, shown

_MANY = 1000
_ORDER = ("recorder", "start", "number", "number_e164", "contact", "direction", "sim", "app")
_WORDS = {
    "number_e164": "in E.164",
    "sim": "SIM",
    "app": "over",
    "start": "begun",
}


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--folder", metavar="DIR", help="The folder on the phone, if FILE does not say.")
@click.option("--zone", metavar="ZONE", help="For times without one: Europe/Berlin, +02:00.")
@click.option("--region", metavar="CC", help="The phone's country, for national numbers: DE.")
@click.option("--json", "as_json", is_flag=True, help="The same as `offhook --json name`.")
@pass_app
def name(
    app: App,
    files: tuple[str, ...],
    folder: str | None,
    zone: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Explain the file name of a recording.

    Which recorder names so, when the call was, with whom, and how sure each of it is. Nothing is
    opened or asked: FILE need not exist. If it does, its time gives the year that some names lack.
    With - for FILE the names are read from standard input, one a line.
    """
    given = None if zone is None else zone_of(zone)
    if region is not None and not known_region(region):
        raise UsageError(
            f"{shown(region)!r} is no country with a numbering plan",
            hint="Write its two letters: DE, KR, US.",
        )
    found = []
    own = app.config.names
    for file in _each(files):
        named = explain(file, folder=folder, zone=given, region=region, own=own)
        if named.is_call and named["start"] is None and (near := _file_time(file)):
            named = explain(file, folder=folder, zone=given, region=region, near=near, own=own)
        found.append(named)
    if app.json or as_json:
        said = [named.as_dict() for named in found]
        if len(said) <= _MANY:
            app.print_json(said)
        else:  # one a line: five times quicker
            click.echo("[\n" + ",\n".join(map(json_text, said)) + "\n]")
        return
    for number, named in enumerate(found):
        if number:
            app.console.print()
        _print(app, named)


def _each(files: Iterable[str]) -> Iterator[str]:
    """The names; those on standard input where - stands, as ``ls`` writes them."""
    for file in files:
        if file != "-":
            yield file
            continue
        for line in sys.stdin.buffer:
            given = line.rstrip(b"\r\n")
            if given:
                yield os.fsdecode(given)


def _file_time(file: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(Path(file).stat().st_mtime, UTC).astimezone()
    except (OSError, ValueError, OverflowError):
        return None


def _print(app: App, named: Named) -> None:
    app.console.print(Text(shown(named.file), style="bold"), soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    said = named.as_dict()
    table.add_row(Text("kind"), Text(named.kind), Text(_source(named, "kind")))
    for fact in _ORDER:
        if said[fact] is not None:
            value = shown(str(said[fact])) + _unit(named, fact)
            table.add_row(_WORDS.get(fact, fact), Text(value), Text(_source(named, fact)))
    for party in named["parties"] or ():
        words = " ".join(shown(word) for word in (party.contact, party.number) if word)
        table.add_row("party", Text(words or "?"), Text(_source(named, "parties")))
    if not app.console.is_terminal:
        app.console.width = max(app.console.width, 200)
    app.console.print(table)
    for note in named.notes:
        app.console.print(Text(f"  {shown(note)}"), soft_wrap=True)


def _unit(named: Named, fact: str) -> str:
    if fact != "start":
        return ""
    zone = {None: "zone not known", "assumed": "zone as given", "stated": ""}[named.zone]
    exact = f"to the {named.precision}" if named.precision in ("day", "minute") else ""
    words = ", ".join(word for word in (exact, zone) if word)
    return f"  ({words})" if words else ""


def _source(named: Named, fact: str) -> str:
    said = named.facts.get(fact)
    return f"{shown(said.source)}, {said.confidence}" if said else ""


COMMANDS: tuple[click.Command, ...] = (name,)
