"""doctor: what a phone can do, asked of it, or read from what was saved of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from agent.capture.choose import choose
from agent.capture.doctor import Diagnosis, diagnose
from agent.capture.journal import read_journal
from agent.capture.offline.bundle import Bundle, check_target, save_bundle
from agent.capture.offline.verdicts import Offline, diagnose_dumps
from agent.capture.proof import Proofs, read_proofs
from agent.capture.route import Options, Verdict
from agent.cli.common import App, pass_app
from agent.cli.proven import mark, with_proof
from agent.errors import RouteError, UsageError
from agent.text import shown

_PHONE = click.option("--phone", metavar="NAME", help="Alias, serial or HOST:PORT.")
_PATH = click.Path(path_type=Path)


@click.command()
@_PHONE
@click.option("--from", "source", type=_PATH, help="Not a phone, but its bundle or its dumps.")
@click.option("--bundle", type=_PATH, help="Save what a phone says, redacted, into this file.")
@pass_app
def doctor(app: App, phone: str | None, source: Path | None, bundle: Path | None) -> None:
    """Say what a phone can do.

    What it is, what could record its calls, and why the rest could not. Nothing is changed.
    With --from, of a phone that is not here: a bundle, a dump, or a folder of them (getprop,
    tinymix, /proc/asound/pcm and cards, mixer_paths*.xml, audio_platform_info*.xml).

    --bundle is for reports of defects: a zip with the same things, in which serial numbers,
    phone numbers and the like are taken out. It is sent nowhere. Look at it before you send it.
    """
    if source is not None:
        if bundle is not None or phone is not None:
            raise UsageError("--from looks at files, so --phone and --bundle make no sense with it")
        found = diagnose_dumps(source)
        if app.json:
            app.print_json(found.as_dict())
        else:
            _print_offline(app, found)
        return
    if bundle is not None:
        check_target(bundle)
    saved = None
    with app.open_phone(phone, look=True) as opened:
        diagnosis = diagnose(opened, app.home, Options(microphone=app.config.microphone))
        if bundle is not None:
            saved = save_bundle(opened, diagnosis, bundle)
        proofs = read_proofs(app.home, opened.facts)
    if app.json:
        told: dict[str, Any] = {
            "routes": [with_proof(verdict, proofs) for verdict in diagnosis.routes]
        }
        told |= {"bundle": saved.as_dict()} if saved else {}
        app.print_json(diagnosis.as_dict() | told)
    else:
        _print_diagnosis(app, diagnosis, proofs)
    if saved is not None:
        _print_bundle(app, saved)


def _print_bundle(app: App, saved: Bundle) -> None:
    app.note(f"\nIn {shown(str(saved.path))}, which only you can read:")
    for name, size in saved.files.items():
        app.note(f"  {shown(name)}, {size} bytes")
    app.note("Left out:")
    for name, why in saved.left_out.items():
        app.note(f"  {shown(name)}: {shown(why)}")
    app.note(
        f"Redacted {saved.redacted} times, by rules, which can miss something. Look through it "
        "before you send it to anybody; Offhook sends nothing."
    )
    for warning in saved.warnings:
        app.errors.print(f"! {shown(warning)}", style="yellow", markup=False)


def _print_offline(app: App, found: Offline) -> None:
    dumps = found.dumps
    said = dumps.properties
    used = [f"{name} ({what})" for name, what in dumps.files.items() if what]
    unused = [name for name, what in dumps.files.items() if not what]
    mixer = sum(map(len, (dumps.controls or {}).values()))
    _print_facts(
        app,
        ("phone", found.name or "not named in the files"),
        (
            "chip",
            " ".join(w for w in (said.get("ro.soc.model"), said.get("ro.board.platform")) if w),
        ),
        ("kernel", dumps.kernel or ""),
        ("sound", ", ".join(card.name for card in dumps.cards)),
        ("", f"{mixer} controls" if mixer else "no live mixer"),
        ("", "no list of PCMs" if dumps.pcms is None else f"{len(dumps.pcms)} PCMs"),
        ("read", ", ".join(used)),
        ("not used", ", ".join(unused)),
    )
    _print_routes(app, found.routes)
    _print_warnings(app, dumps.warnings)


def _print_diagnosis(app: App, found: Diagnosis, proofs: Proofs) -> None:
    facts = found.facts
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
    _print_facts(
        app,
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
    )
    _print_routes(app, found.routes, proofs)
    _print_warnings(app, found.warnings)
    _print_next(app, found, proofs)


def _print_next(app: App, found: Diagnosis, proofs: Proofs) -> None:
    """What `enable` would do, where nothing records yet."""
    journal = read_journal(app.home, found.facts.serial)
    ours = journal is not None or (found.recorder is not None and found.recorder.installed)
    if ours or any(verdict.on for verdict in found.routes):
        return
    try:
        choice = choose(found.routes, found.facts.name, proofs=proofs)
    except RouteError as error:
        app.note(f"\nNone works yet. {shown(error.hint or '')}".rstrip())
        return
    app.note(f"\nNext: `offhook enable`. It would take {choice.verdict.route}, and asks first.")


def _print_facts(app: App, *rows: tuple[str, str]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, Text(shown(value)))
    app.console.print(table)


def _print_routes(app: App, verdicts: Sequence[Verdict], proofs: Proofs | None = None) -> None:
    app.console.print()
    routes = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    routes.add_column("route")
    routes.add_column("works")
    routes.add_column("why", overflow="fold")
    for verdict in verdicts:
        why = shown(verdict.reason)
        if verdict.family:
            why = f"{verdict.family}: {why}"
        why += "".join(f"\n{line}" for line in _plan_lines(verdict))
        why += f"\n{verdict.instead}" if verdict.instead else ""
        routes.add_row(verdict.route, mark(verdict, proofs or {}), Text(why))
    app.console.print(routes)


def _plan_lines(verdict: Verdict) -> list[str]:
    """The alsa route's plan, as far as there is one."""
    said = verdict.as_dict()
    if verdict.route != "alsa" or verdict.possible is False:
        return []
    lines = [f"set  {shown(c['name'])} = {shown(c['value'])}" for c in said["controls"]]
    if said["pcm"] is not None:
        card = "of a card not known" if said["card"] is None else f"of card {said['card']}"
        named = f", {shown(said['pcm_name'])}" if said["pcm_name"] else ""
        lines.append(f"read PCM {said['pcm']} {card}{named}")
    if said["channels"]:
        lines.append(f"for  {' and '.join(said['channels'])}, at {said['rate']} Hz")
    return [f"  {line}" for line in lines]


def _print_warnings(app: App, warnings: Sequence[str]) -> None:
    for warning in warnings:
        app.console.print(f"! {shown(warning)}", style="yellow", markup=False)


COMMANDS: tuple[click.Command, ...] = (doctor,)
