"""devices, connect, pair: which phones there are, and how to get at one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from agent.adb.address import address_text, parse_address
from agent.adb.reach import Nearby, nearby
from agent.adb.server.server import Server
from agent.cli.common import FIRST_PHONE, App, Target, pass_app
from agent.errors import ConfigError, LinkError, NoServerError, PhoneError, UsageError
from agent.phone.facts import name_of
from agent.phone.phone import Phone
from agent.text import shown

_LOOK = 3.0  # seconds for a phone to answer
_START = click.option(
    "--start-server", is_flag=True, help="Start an adb server (`adb start-server`) if none runs."
)


@click.command()
@pass_app
def devices(app: App) -> None:
    """List the phones that are known or at hand.

    Those that Offhook has worked with, those in offhook.toml, those of a running adb server, and
    those on USB.
    """
    known = {target.label: target for target in app.known().values()}
    targets = [known[label] for label in sorted(known)]
    around = nearby()
    taken = {name for target in targets for name in (target.name, target.serial)}
    others = [phone for phone in around if not taken & {phone.name, phone.serial}]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda target: _look(app, target), targets))
        rows += pool.map(lambda phone: _look_at(app, phone), others)
    rows = _once_each(rows)
    _name_absent(app, rows)
    if app.json:
        app.print_json(rows)
        return
    problem = _server_problem()
    if problem is not None:
        app.note(problem)
    if not rows:
        app.note("No phone is known yet, and none is at hand.")
        app.note(FIRST_PHONE)
        return
    table = Table(box=None, header_style="bold")
    for heading in ("alias", "serial", "phone", "reached by", "state"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = "answers" if row["answers"] else str(row["problem"])
        names = (shown(str(row[k] or "")) for k in ("alias", "serial", "name", "via"))
        style = "green" if row["answers"] else "red"
        table.add_row(*map(Text, names), Text(shown(state), style=style))
    app.console.print(table)
    for hint in dict.fromkeys(row["hint"] for row in rows if row["hint"]):
        app.note(shown(hint))


def _name_absent(app: App, rows: list[dict[str, Any]]) -> None:
    """Call a phone that does not answer what it was called when it did."""
    absent = [row for row in rows if not row["answers"]]
    if not absent or not (app.home / "offhook.db").exists():
        return
    with app.archive() as archive:
        seen = {phone.serial: phone for phone in archive.phones()}
    aliases = {row["alias"] for row in rows}
    for row in absent:
        phone = seen.get(row["serial"])
        if phone is None:
            continue
        if row["name"] is None and phone.model:
            row["name"] = name_of(phone.manufacturer or "", phone.model, phone.android or "")
        if row["alias"] is None and phone.alias not in aliases:  # else it is another's now
            row["alias"] = phone.alias


def _server_problem() -> str | None:
    """What keeps the adb server from being asked, beside that none runs, which is no problem."""
    try:
        Server.default().version(timeout=_LOOK)
    except NoServerError:
        return None
    except (LinkError, ConfigError) as error:
        return f"! {shown(error.message)}"
    return None


def _once_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A phone that is known by its address may be in the server by another name."""
    once: list[dict[str, Any]] = []
    answering: set[str] = set()
    for row in rows:
        if not row["answers"] or row["serial"] not in answering:
            once.append(row)
        if row["answers"]:
            answering.add(row["serial"])
    return once


def _row(target: Target, **more: object) -> dict[str, Any]:
    alias = None if target.label in (target.serial, target.name) else target.label
    row: dict[str, Any] = {"alias": alias, "serial": target.serial, "name": None}
    row |= {"address": target.name, "via": target.name, "state": None, "answers": False}
    return row | {"problem": None, "hint": None} | more


def _look(app: App, target: Target) -> dict[str, Any]:
    """A phone that is known: whether it answers, and what it is."""
    try:
        with app.reach(target, timeout=_LOOK) as phone:
            app.check(target, phone)
            with app.archive() as archive:
                if not archive.read_only:
                    app.remember(phone, target, archive)
            return _row(target, **_answer(phone))
    except (PhoneError, UsageError) as error:
        return _row(target, problem=error.message, hint=error.hint)


def _look_at(app: App, found: Nearby) -> dict[str, Any]:
    """A phone that is at hand. One that would have to ask its owner first is not asked."""
    target = Target(found.name, found.name, serial=found.serial)
    via = "adb server" if found.way == "server" else found.way.upper()
    row = _row(target, via=f"{found.name} ({via})", state=found.state, name=found.model)
    if found.state != "device":
        words = {
            "found": "not asked yet",
            "unauthorized": "does not trust this computer yet",
        }
        return row | {"problem": words.get(found.state, found.state), "hint": found.hint}
    try:
        with app.reach(target, timeout=_LOOK) as phone:
            return row | _answer(phone)
    except PhoneError as error:
        return row | {"problem": error.message, "hint": error.hint}


def _answer(phone: Phone) -> dict[str, Any]:
    facts = phone.facts
    return {
        "answers": True,
        "state": "device",
        "serial": facts.serial,
        "name": facts.name,
        "via": phone.link.where,
    }


def _server(start: bool) -> Server:
    server = Server.default()
    if start:
        server.start()
    return server


@click.command()
@click.argument("address", metavar="HOST[:PORT]")
@_START
@pass_app
def connect(app: App, address: str, start_server: bool) -> None:
    """Connect to a phone by network, and remember it.

    Through the adb server if one runs, so that other tools have the phone too and Android 11's
    «Wireless debugging» works; else directly. --via tcp leaves a server alone.
    """
    name = address
    if not address.endswith(("._tcp", "._tcp.")):  # the name of a phone in multicast DNS
        name = address_text(*parse_address(address))
    asked = app.known().get(app.phone or "")
    server = _server(start_server)
    if app.via in (None, "auto", "server"):
        try:
            name = server.connect(name)
        except NoServerError:
            if app.via == "server":
                raise
    target = Target(name, name, app.via or "auto", asked.serial if asked else None)
    with app.reach(target) as phone:
        app.check(target, phone)
        with app.archive() as archive:
            app.remember(phone, target, archive)
        answer = _answer(phone)
    if app.json:
        app.print_json(_row(target, **answer))
        return
    app.note(f"Connected: {answer['name']}, serial {answer['serial']}, by {answer['via']}.")
    app.note("Next: `offhook doctor`.")


@click.command()
@click.argument("address", metavar="HOST:PORT")
@click.argument("code", required=False)
@_START
@pass_app
def pair(app: App, address: str, code: str | None, start_server: bool) -> None:
    """Pair with Android 11's «Wireless debugging».

    On the phone: Developer options, Wireless debugging, «Pair device with pairing code». That
    window shows HOST:PORT and the CODE, which is asked for if it is not given. The adb server
    pairs, so one has to run.
    """
    server = _server(start_server)
    try:
        server.version()  # without one, no code needs to be asked for
    except NoServerError as error:
        raise NoServerError(
            error.message, hint="Start one with `adb start-server`, or add --start-server."
        ) from error
    if code is None:
        if app.json:
            raise UsageError("the pairing code is missing", hint="offhook pair HOST:PORT CODE")
        code = click.prompt("Pairing code")
    words = server.pair(address, code.strip())
    if app.json:
        app.print_json({"paired": True, "address": address, "words": words})
        return
    app.note(f"{words}.")
    app.note(
        "Next: `offhook connect HOST:PORT`, with the port that the first page of "
        "«Wireless debugging» shows: it is another one."
    )


COMMANDS: tuple[click.Command, ...] = (devices, connect, pair)
