"""law, and what enable asks: on what basis calls are recorded, and what the law says to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import click
from rich.table import Table
from rich.text import Text

from agent.archive import consents
from agent.capture import law
from agent.capture.choose import Choice
from agent.capture.consent import BASES, Consent, allowed, check, consent, rules_of
from agent.capture.journal import read_consent, read_journal, write_consent
from agent.capture.routes import route_named
from agent.cli.common import App, pass_app
from agent.errors import ConsentError
from agent.phone.phone import Phone


@click.command("law")
@click.argument("codes", nargs=-1, metavar="[CC[-SS]]...")
@pass_app
def law_(app: App, codes: tuple[str, ...]) -> None:
    """Show what the law of a place asks for.

    CC is a country's ISO code, with a state's where that matters: DE, US-CA. Without one, every
    row of the table. What it says has a source and a date, and is no legal advice.
    """
    rules = [law.rule_of(code) for code in codes] or list(law.RULES.values())
    if app.json:
        app.print_json({"version": law.VERSION, "rules": [rule.as_dict() for rule in rules]})
        return
    if codes:
        for rule in rules:
            _print_rule(app, rule)
    else:
        _print_rules(app, rules)
    app.note(f"Table of rules {law.VERSION}. {law.NOT_ADVICE}")


def _print_rule(app: App, rule: law.Rule) -> None:
    app.note(f"{rule.code} ({law.name_of(rule.code)}): {rule.words}")
    app.note(f"  {rule.says}")
    if rule.source != "none":
        app.note(f"  Source: {rule.source} ({rule.as_of}).")


def _print_rules(app: App, rules: list[law.Rule]) -> None:
    if not app.console.is_terminal:
        app.console.width = 200
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("code", no_wrap=True)
    for heading in ("place", "rule", "what it says", "as of"):
        table.add_column(heading, overflow="fold")
    for rule in rules:
        cells = (rule.code, law.name_of(rule.code), rule.words, rule.says, rule.as_of)
        table.add_row(*(Text(cell) for cell in cells))
    app.console.print(table)


def ask(app: App, phone: Phone, basis: str | None, here: str | None, there: str | None) -> Consent:
    """The answer given now, or before for this phone, or asked for; ConsentError when there is
    none that the law of both ends leaves. A new one is in the custody log."""
    before = read_consent(app.home, phone.serial)
    new = not (basis is None and here is None and there is None)
    if before is not None and not new:
        check(before)  # the table may have learnt since
        return before
    if before is not None:
        # The other end was the same as this one unless it was said: it moves along.
        moved = here if before.there == before.here else None
        basis, here, there = basis or before.basis, here or before.here, there or moved
        there = there or before.there
    if basis is None or here is None:
        if app.json or not sys.stdin.isatty():
            raise ConsentError(
                "recording calls needs a basis, and none was given",
                hint=f"Add --basis ({', '.join(BASES)}) and --here (your country: DE, US-CA).",
            )
        basis, here, there = _asked(app, basis, here, there)
    else:
        here = law.checked(here)
        there = law.checked(there or here)
        _show_rules(app, here, there)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    given = consent(basis, here, there, at)
    if given.same_as(before) and before is not None and before.law == given.law:
        return before
    with app.archive() as archive:
        detail = {"before": before.as_dict() if before else None, "after": given.as_dict()}
        archive.log("consent given" if before is None else "consent changed",
                    phone=phone.serial, detail=detail)  # fmt: skip
    write_consent(app.home, phone.serial, given)
    return given


def _asked(
    app: App, basis: str | None, here: str | None, there: str | None
) -> tuple[str, str, str]:
    app.note("Recordings hold human voices. Where are the two ends of the calls?")
    place = _prompted(law.checked)
    here = law.checked(here) if here else click.prompt("This phone (DE, US-CA)", value_proc=place)
    there = (
        law.checked(there)
        if there
        else click.prompt("The other end", default=here, value_proc=place)
    )
    _show_rules(app, here, there)
    bases = allowed(here, there)
    if basis is None:
        app.note("On what basis do you record the calls?")
        for name in bases:
            app.note(f"  {name:<10} {BASES[name]}")
        basis = str(click.prompt("Basis", type=click.Choice(bases)))
    return basis, here, there


def _prompted(convert: Callable[[str], str]) -> Callable[[str], str]:
    """So that click asks again where an answer is none."""

    def process(text: str) -> str:
        try:
            return convert(text)
        except ConsentError as error:
            raise click.UsageError(f"{error.message}. {error.hint}") from error

    return process


def _show_rules(app: App, here: str, there: str) -> None:
    rules = rules_of(here, there)
    for rule in rules:
        _print_rule(app, rule)
    if len({rule.applied for rule in rules}) > 1:
        app.note("The stricter side counts: all-party.")
    app.note(law.NOT_ADVICE)


def note_on(app: App, phone: Phone, choice: Choice, given: Consent, since_ms: int) -> None:
    """Write down that capture is on, and on what basis; say how the others are to be told."""
    verdict = choice.verdict
    route = route_named(verdict.route)
    journal = read_journal(app.home, phone.serial)
    heard = dict(journal.announce) if journal else {}
    with app.archive() as archive:
        consents.begin(
            archive,
            phone.serial,
            route.name,
            given.as_dict(),
            from_ms=since_ms,
            sources=[source.name for source in route.sources(phone, journal)],
        )
        detail = {"consent": given.as_dict(), "plan": verdict.as_dict()}
        if heard:
            detail["announce"] = {name: heard[name] for name in ("kind", "every_s")}
        archive.log("capture on", phone=phone.serial, detail=detail)
    if heard:
        often = f", again every {heard['every_s']} s" if heard["every_s"] else ""
        app.note(f"Each call is announced by this computer's loudspeaker ({heard['kind']}{often}).")
    elif given.basis == "all-party" and route.announces(verdict) is None:
        app.note(
            "Nothing is played into the calls: say at the beginning of each call that it is "
            "recorded, and hang up if somebody does not agree."
        )


COMMANDS: tuple[click.Command, ...] = (law_,)
