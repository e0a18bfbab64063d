"""enable, disable, status, routes: what is about one phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from agent.archive import consents, live
from agent.archive.archive import LOCK
from agent.archive.lock import held_for
from agent.capture import control
from agent.capture.choose import Choice
from agent.capture.consent import BASES, Consent
from agent.capture.control import Wanted
from agent.capture.journal import read_journal
from agent.capture.look import ask, look
from agent.capture.proof import read_proofs
from agent.capture.route import Options, RouteStatus
from agent.capture.routes import NAMES, ROUTES, route_named, route_of
from agent.cli import consenting, syncing
from agent.cli.common import App, pass_app
from agent.cli.proven import mark, with_proof
from agent.errors import NoPhoneError, RestoreError
from agent.phone.phone import Phone
from agent.text import shown

_PHONE = click.option("--phone", metavar="NAME", help="Alias, serial or HOST:PORT.")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@_PHONE
@click.option("--basis", type=click.Choice(list(BASES)), help="On what basis you record.")
@click.option("--here", metavar="CC[-SS]", help="Where this phone is: DE, US-CA.")
@click.option("--there", metavar="CC[-SS]", help="Where the other end is; default: the same.")
@click.option("--route", type=click.Choice(NAMES), help="This way of recording, and no other.")
@click.option(
    "--at-boot/--no-at-boot",
    default=None,
    help="Go on after a reboot of the phone: a module of its root manager's. Else as before.",
)
@click.option("--bcr-zip", type=_FILE, help="BCR's module, to be installed.")
@click.option("--scrcpy-server", type=_FILE, help="scrcpy's server, where it is not found.")
@click.option("--microphone", metavar="NAME", help="This computer's input, by a part of its name.")
@pass_app
def enable(
    app: App,
    /,
    phone: str | None,
    basis: str | None,
    here: str | None,
    there: str | None,
    route: str | None,
    at_boot: bool | None,
    **options: Any,
) -> None:
    """Turn capture on.

    Looks at the phone, takes the route that works best there, and says why. Every call from now
    on is recorded, and the phone shows a notification that says so. Asks once where both ends of
    the calls are, shows what the law asks for there, and on what basis you record; --here,
    --there and --basis answer beforehand, or anew. `offhook law` shows the rules.
    """
    with app.open_phone(phone) as opened:
        if at_boot is None:
            before = read_journal(app.home, opened.serial)
            at_boot = before is not None and before.options.get("at_boot") == "True"
        options |= {"at_boot": at_boot, "spool_mb": app.config.spool_mb}
        options["microphone"] = options["microphone"] or app.config.microphone
        ask = partial(consenting.ask, app, opened, basis, here, there)
        choice, given = turn_on(app, opened, ask, route, Options(**options))
        verdict, name = choice.verdict, opened.facts.name
        journal = read_journal(app.home, opened.serial)
    if app.json:
        said = {"why": choice.why, "consent": given.as_dict()} | verdict.as_dict()
        app.print_json({"enabled": True, "serial": opened.serial, "name": name} | said)
        return
    app.note(f"Route {verdict.route}: {shown(choice.why)}.")
    by = f" by {verdict.plan.pcm} ({' and '.join(verdict.plan.channels)})" if verdict.plan else ""
    if journal is not None and journal.unfinished:
        app.note(
            f"Capture is NOT known to be on: {name} records once you have done there what is said "
            "above. It shows the notification from now on."
            if "pending" not in journal.before
            else f"Capture is NOT on yet on {name}."
        )
    else:
        app.note(
            f"Capture is on: {name} records every call{by}, "
            "and shows a notification for as long as it does."
        )
    if route_named(verdict.route).live:
        app.note("This computer does the recording: calls are recorded while `offhook watch` runs.")
    app.note("Now run `offhook watch`, and make a call. `offhook disable` gives the phone back.")


def turn_on(
    app: App, phone: Phone, ask: Callable[[], Consent], route: str | None, options: Options
) -> tuple[Choice, Consent]:
    """Turn capture on, by what test calls have proven on this build; on what basis is only asked
    where a route works."""
    proofs = read_proofs(app.home, phone.facts)
    wanted = Wanted(route, options, proofs, announce=app.config.announce)
    choice = control.plan(phone, app.home, app.note, wanted)
    given = ask()
    since_ms = phone.clock_ms()
    control.enable(phone, app.home, given, app.note, wanted, choice)
    consenting.note_on(app, phone, choice, given, since_ms)
    return choice, given


@click.command()
@_PHONE
@pass_app
def disable(app: App, phone: str | None) -> None:
    """Turn capture off.

    The recording of a call under way ends, and is kept; where another's app records (BCR, the
    dialer), hang up first. What is left on the phone is pulled, and the phone is given back as it
    was, and compared.
    """
    with app.open_phone(phone) as opened:
        name, serial = opened.facts.name, opened.serial
        journal = read_journal(app.home, serial)
        if control.installed_route(opened, journal) is None:
            control.sweep(opened)
            if app.json:
                app.print_json({"enabled": False, "serial": serial, "name": name, "compared": []})
            app.note(f"Capture is not on: nothing was changed on {name}.")
            return
        compared = turn_off(app, opened)
    if app.json:
        app.print_json({"enabled": False, "serial": serial, "name": name, "compared": compared})
        return
    if compared:
        app.note(f"Capture is off. {name} is as it was: {len(compared)} settings compared.")
    else:
        app.note(f"Capture is off on {name}. It was turned on elsewhere: nothing to compare with.")


def turn_off(app: App, phone: Phone) -> list[str]:
    """Turn capture off, pull what is left, and give the phone back; what was compared.

    RestoreError when recordings would be lost, or something is not as it was.
    """
    control.stop(phone, app.home, app.note)
    left = syncing.drain(app, phone)
    if left:
        raise RestoreError(
            f"capture is off, but {left} recordings could not be filed, and stay where they are",
            hint="`offhook sync` says why; then run `offhook disable` again.",
        )
    compared = control.give_back(phone, app.home, app.note)
    with app.archive() as archive:
        consents.end(archive, phone.serial, phone.clock_ms())
        archive.log("capture off", phone=phone.serial, detail={"compared": compared})
    return compared


@click.command()
@_PHONE
@pass_app
def status(app: App, phone: str | None) -> None:
    """Say whether capture is on.

    And what the phone does now, how many recordings lie on it, and the last problem.
    """
    with app.open_phone(phone, look=True) as opened:
        name, serial = opened.facts.name, opened.serial
        journal = read_journal(app.home, serial)
        route = route_of(journal)
        said = route.status(opened, journal)
    if route.live and said.installed:
        said = _live_status(app, serial, said)
    if journal is not None and journal.off:
        said = replace(said, detail=said.detail | {"off": True})
    if app.json:
        app.print_json({"serial": serial, "name": name, **said.as_dict()})
        return
    if not said.installed:
        app.note(f"Capture is off on {name}.")
        if journal is not None:
            app.note("It was on, and ended without `offhook disable`: run that to compare.")
        return
    what = {
        None: "installed, but not running: run `offhook enable`",
        "idle": "on, no call",
        "ringing": "on, the phone rings",
        "offhook": "on, a call begins",
        "recording": "on, a call is being recorded",
        "refused": "on, but this call is NOT recorded",
        "failed": "on, but recording this call FAILED; it is tried again",
        "unheard": "on, but nothing is recorded: `offhook watch` does not run",
    }[said.state]
    off = said.detail.get("off")
    app.note(f"Capture on {name}: {'off; run `offhook disable` to finish' if off else what}.")
    app.note(f"Route: {said.route}.")
    if said.spooled is not None:
        app.note(f"Recordings on the phone: {said.spooled}.")
    for text in _recorder_lines(said):
        app.note(text)
    if not said.notice:
        app.note(
            "The phone does not show the notification: until it does, nothing is taken from it."
        )
    if said.problem:
        app.note(f"Last problem: {shown(said.problem)}")


def _live_status(app: App, serial: str, said: RouteStatus) -> RouteStatus:
    """What this computer knows of a route by which it records itself."""
    watching = held_for(app.home / LOCK) == "watch"
    with app.archive() as archive:
        recording = watching and bool(live.parts(archive, serial))
    state = "recording" if recording else "idle" if watching else "unheard"
    detail = said.detail | {"off": False, "watching": watching}
    return replace(said, running=watching, state=said.state or state, detail=detail)


def _recorder_lines(said: RouteStatus) -> Iterator[str]:
    """What our own recorder on the phone says besides: nothing from the other routes."""
    detail = said.detail
    if detail.get("unseen"):
        yield "Whether the phone's dialer records by itself can't be seen from here: a call tells."
    if detail.get("voip"):
        yield "Another app has a call: that is not recorded."
    if detail.get("spool_max_kb"):
        yield f"They take {detail['spool_kb'] / 1024:.0f} of {detail['spool_max_kb'] / 1024:.0f} MiB."
    if detail.get("events") == "untrusted":
        yield "This phone's log does not announce calls: the recorder asks every second."
    elif detail.get("events") == "dead" and said.running:
        yield "The phone's log can't be followed now: the recorder asks every second."
    if cost := detail.get("cost"):
        yield (
            f"It took {cost['cpu_s']:.1f} s of a processor in {cost['lived_s'] / 3600:.1f} h "
            f"({cost['cpu_percent']:.2f} % of a core), and woke {cost['wakes']} times."
        )
    boot = {
        "yes": "After a reboot the phone's root manager starts it again.",
        "disabled": "Its module is turned off in the root manager: it ends with a reboot.",
        "removed": "Its module is removed in the root manager: it ends with a reboot.",
    }
    if said.detail.get("at_boot") in boot:
        yield boot[said.detail["at_boot"]]


@click.command()
@_PHONE
@pass_app
def routes(app: App, phone: str | None) -> None:
    """List the ways of recording.

    With --phone, or with one phone configured or connected, each with whether it works there.
    """
    try:
        with app.open_phone(phone, look=True) as opened:
            options = Options(microphone=app.config.microphone)
            verdicts = {v.route: v for v in ask(look(opened, app.home, options))}
            journal = read_journal(app.home, opened.serial)
            proofs = read_proofs(app.home, opened.facts)
    except NoPhoneError:
        if phone is not None:
            raise
        verdicts, journal, proofs = {}, None, {}
    if app.json:
        rows: list[dict[str, Any]] = []
        for route in ROUTES:
            verdict = verdicts.get(route.name)
            about = {"route": route.name, "what": route.what, "needs": route.needs}
            on = journal is not None and journal.route == route.name
            told = with_proof(verdict, proofs) if verdict else {}
            rows.append(told | about | {"on": on})
        app.print_json(rows)
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("route", *(("works",) if verdicts else ()), "what it is", "what it needs"):
        table.add_column(heading, overflow="fold")
    for route in ROUTES:
        verdict = verdicts.get(route.name)
        works = (mark(verdict, proofs),) if verdict else ()
        table.add_row(route.name, *works, Text(route.what), Text(route.needs))
    app.console.print(table)


COMMANDS: tuple[click.Command, ...] = (routes, enable, disable, status)
