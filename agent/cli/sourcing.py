"""sources: the folders on a phone where recordings of calls lie, and which of them are pulled."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click
from rich.table import Table
from rich.text import Text

from agent.archive.archive import Archive
from agent.archive.chosen import Choice, choices, choose
from agent.capture.control import installed_route
from agent.capture.journal import read_journal
from agent.cli.common import App, Target, pass_app
from agent.cli.rows import iso, when
from agent.errors import PhoneError, RootError, UsageError
from agent.naming import explain
from agent.naming.folders import below
from agent.phone.files import Source
from agent.phone.phone import Phone
from agent.sync.folders import Found, chosen_sources, holds, look_over
from agent.text import shown

_PIPE_WIDTH = 200  # columns where there is no terminal to fit
_PATIENCE = 3.0  # seconds for a phone that may be away
_NOTHING_ELSE = "Nothing is pulled from a folder that is not chosen."


@dataclass(frozen=True)
class Row:
    """A folder, and by what it is pulled: ``chosen``, the name of the route that is on,
    ``offhook.toml``, or nothing. ``asked``: whether the user has said so or otherwise."""

    found: Found
    by: str | None
    asked: bool

    @property
    def path(self) -> str:
        """The folder, as it is on the phone: hostile."""
        return self.found.source.path

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        found = self.found
        return {
            "folder": self.path,
            "recorder": found.whose,
            "root": found.source.root,
            "there": found.there,
            "recordings": found.recordings,
            "bytes": found.size,
            "newest": iso(found.newest_ms),
            "other_files": found.others,
            "pulled_by": self.by,
            "asked": self.asked,
        }


@click.command()
@click.option("--phone", metavar="NAME", help="Alias, serial or HOST:PORT.")
@click.option("--add", multiple=True, metavar="FOLDER", help="Pull from it from now on.")
@click.option("--remove", multiple=True, metavar="FOLDER", help="Leave it alone from now on.")
@click.option("--choose", "asks", is_flag=True, help="Ask which, as the first `sync` does.")
@pass_app
def sources(
    app: App, phone: str | None, add: tuple[str, ...], remove: tuple[str, ...], asks: bool
) -> None:
    """List the phone's folders of recordings, and choose from them.

    Looks for the folders of all dialers and recorder apps that are known, in every user's
    storage and on memory cards, and says what each would bring. What you choose is remembered
    for this phone, and `sync` and `watch` pull it, the old recordings too. FOLDER is a path of
    the list or its number there, the name of a recorder, or `all`. Other folders are named in
    `offhook.toml`.
    """
    if asks and (add or remove):
        raise UsageError("--choose asks, so --add and --remove make no sense with it")
    if asks and not _may_ask(app):
        raise UsageError(
            "--choose asks, and nobody is there to answer", hint="Use --add FOLDER or --add all."
        )
    look = not (add or remove or asks)
    with app.open_phone(phone, look=look) as opened, app.archive() as archive:
        rows, problem = _rows(app, archive, opened)
        said = [Choice(row.path, row.found.source.root, True) for row in _meant(rows, add)]
        off = [Choice(row.path, row.found.source.root, False) for row in _meant(rows, remove)]
        if asks:
            said = _asked(app, rows)
        if said or off:
            choose(archive, opened.serial, [*said, *off])
            rows = [_with(row, said, off) for row in rows]
        name = opened.facts.name
    if app.json:
        app.print_json(
            {
                "serial": opened.serial,
                "name": name,
                "folders": [row.as_dict() for row in rows],
                "root_problem": problem.message if problem else None,
            }
        )
        return
    if not rows:
        app.note(f"{name} has no folder in which a known recorder keeps calls.")
    elif not asks:
        _print(app, rows)
    if problem is not None:
        app.note(f"What only root sees was not looked at: {shown(problem.message)}.")
    if said or off:
        count = sum(row.by == "chosen" for row in rows)
        app.note(f"Chosen: {count} of {len(rows)}. `offhook sync` pulls what is new in them.")
    elif any(row.by is None for row in rows):
        app.note(f"{_NOTHING_ELSE} `offhook sources --add FOLDER` chooses it.")


def ask_targets(app: App, archive: Archive, targets: Sequence[Target]) -> None:
    """Before the first pull from a phone, ask which of its folders to pull, too; once.

    A program is never asked, nor a person whose phone has none, or is away.
    """
    for target in targets if _may_ask(app) else ():
        if target.serial is not None and choices(archive, target.serial):
            continue
        try:
            with app.reach(target, timeout=_PATIENCE) as phone:
                app.check(target, phone)
                app.remember(phone, target, archive)
                _ask_first(app, archive, phone)
        except PhoneError:
            continue  # the pull says so


def _ask_first(app: App, archive: Archive, phone: Phone) -> None:
    if choices(archive, phone.serial):
        return
    rows, _ = _rows(app, archive, phone)
    new = [row for row in rows if row.by is None]
    if new:
        app.note(f"{shown(phone.facts.name)} has folders with recordings of calls:")
        choose(archive, phone.serial, _asked(app, new))


def _may_ask(app: App) -> bool:
    return not app.json and sys.stdin.isatty() and app.console.is_terminal


def _rows(app: App, archive: Archive, phone: Phone) -> tuple[list[Row], RootError | None]:
    own = app.config.sources
    picked = chosen_sources(archive, phone.serial)
    asked = {choice.path for choice in choices(archive, phone.serial)}
    route, route_sources = _route(app, phone)
    names = app.config.names
    found, problem = look_over(
        phone, [*picked, *own], lambda path: explain(path, own=names).is_call
    )
    rows = []
    for one in found:
        by = None
        if any(holds(source, one.source) for source in picked):
            by = "chosen"
        elif any(holds(source, one.source) for source in own):
            by = "offhook.toml"
        elif any(holds(source, one.source) for source in route_sources):
            by = f"route {route}"
        rows.append(Row(one, by, one.source.path in asked))
    return rows, problem


def _route(app: App, phone: Phone) -> tuple[str, list[Source]]:
    journal = read_journal(app.home, phone.serial)
    if journal is None:
        return "", []
    route = installed_route(phone, journal)
    return (route.name, route.sources(phone, journal)) if route is not None else ("", [])


def _meant(rows: Sequence[Row], words: Sequence[str]) -> list[Row]:
    """The rows that a user means; UsageError for a word that means none."""
    meant: list[Row] = []
    for word in words:
        plain = word.rstrip("/")
        place = below(plain)
        fits = [
            row
            for number, row in enumerate(rows, 1)
            if (word == "all" and row.by in (None, "chosen"))
            or plain in (str(number), row.path, shown(row.path))
            or (place[0] and place == below(row.path))
            or plain == row.found.source.recorder
            or (row.found.row is not None and plain == row.found.row.recorder)
        ]
        if not fits and word != "all":
            raise UsageError(
                f"{shown(word)!r} is none of the folders that were found",
                hint="`offhook sources` lists them. Another folder is a [[source]] in offhook.toml.",
            )
        meant += [row for row in fits if row not in meant]
    return meant


def _with(row: Row, said: Sequence[Choice], off: Sequence[Choice]) -> Row:
    if any(choice.path == row.path for choice in off):
        return Row(row.found, None if row.by == "chosen" else row.by, True)
    for choice in said:
        if choice.path == row.path:
            return Row(row.found, "chosen" if choice.chosen else None, True)
    return row


def _asked(app: App, rows: Sequence[Row]) -> list[Choice]:
    """What the user says to each of the folders."""
    if not rows:
        return []
    _print(app, rows)
    app.note(f"{_NOTHING_ELSE} `offhook sources` changes the choice.")

    def process(text: str) -> list[int]:
        words = re.split(r"[\s,]+", text.strip().lower())
        if words == ["all"]:
            return list(range(len(rows)))
        if words in (["none"], [""]):
            return []
        if not all(w.isascii() and w.isdigit() and 1 <= int(w) <= len(rows) for w in words):
            raise click.UsageError(f"Numbers from 1 to {len(rows)}, or all, or none.")
        return [int(word) - 1 for word in words]

    numbers = click.prompt("Pull from which? (numbers, all, none)", "none", value_proc=process)
    return [
        Choice(row.path, row.found.source.root, number in numbers)
        for number, row in enumerate(rows)
    ]


def _print(app: App, rows: Sequence[Row]) -> None:
    if not app.console.is_terminal:
        app.console.width = _PIPE_WIDTH
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("folder", overflow="fold")
    table.add_column("recorder", overflow="fold")
    table.add_column("recordings", justify="right")
    table.add_column("MB", justify="right")
    table.add_column("newest", overflow="fold")
    table.add_column("other files", justify="right")
    table.add_column("pulled", overflow="fold")
    for number, row in enumerate(rows, 1):
        found = row.found
        cells = (
            str(number),
            shown(row.path),
            shown(found.whose or "?"),
            str(found.recordings) if found.there else "not there",
            f"{found.size / 1e6:.1f}",
            "" if found.newest_ms is None else when(found.newest_ms)[:16],
            str(found.others),
            "yes, " + row.by if row.by else "no",
        )
        table.add_row(*(Text(cell) for cell in cells))
    app.console.print(table)


COMMANDS: tuple[click.Command, ...] = (sources,)
