"""doctor: what a phone can do, asked of it, or read from what was saved of it."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from agent.capture.doctor import Diagnosis, diagnose
from agent.cli.common import App, pass_app
from agent.text import shown

MARKS = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]try it[/]"}
_PHONE = click.option("--phone", metavar="NAME", help="Alias, serial or HOST:PORT.")


@click.command()
@_PHONE
@pass_app
def doctor(app: App, phone: str | None) -> None:
    """Say what a phone can do.

    What it is, what could record its calls, and why the rest could not. Nothing is changed.
    """
    with app.open_phone(phone) as opened:
        found = diagnose(opened, app.home)
    if app.json:
        app.print_json(found.as_dict())
    else:
        _print_diagnosis(app, found)


def _print_diagnosis(app: App, found: Diagnosis) -> None:
    facts = found.facts
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    space = "unknown" if facts.free_bytes is None else f"{facts.free_bytes / 2**30:.1f} GiB"
    sound = found.sound
    cards = ", ".join(card.name for card in sound.cards) if sound else "can't be seen without root"
    counts = (
        f"{sum(map(len, sound.controls.values()))} controls, {len(sound.pcms)} PCMs"
        if sound
        else ""
    )
    recorder_line = "not installed"
    if found.recorder is not None and found.recorder.installed:
        recorder_line = found.recorder.state or "installed, does not run"
    for name, value in (
        ("phone", f"{facts.name}, serial {facts.serial}"),
        ("chip", f"{facts.soc or facts.platform} ({facts.abis})"),
        ("kernel", facts.kernel),
        ("root", found.root or found.root_problem or ""),
        ("SELinux", facts.selinux),
        ("sound", cards or "no card"),
        ("", counts),
        ("clock", f"{found.clock.ms:+d} ms to this computer's (± {found.clock.error_ms} ms)"),
        ("free", space),
        ("recorder", recorder_line),
    ):
        if value:
            table.add_row(name, Text(shown(value)))
    app.console.print(table)
    app.console.print()
    routes = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    routes.add_column("route")
    routes.add_column("works")
    routes.add_column("why", overflow="fold")
    for verdict in found.routes:
        why = shown(verdict.reason) + (f". {verdict.instead}" if verdict.instead else "")
        routes.add_row(verdict.route, MARKS[verdict.possible], Text(why))
    app.console.print(routes)
    for warning in found.warnings:
        app.console.print(f"! {shown(warning)}", style="yellow", markup=False)


COMMANDS: tuple[click.Command, ...] = (doctor,)
