"""What every command shares: the home, the archive, the phone meant, and how to print."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from agent.adb.reach import Nearby, Way, nearby
from agent.archive.archive import Archive
from agent.archive.template import DEFAULT
from agent.config import Config, PhoneSetting, load_config
from agent.errors import NoPhoneError, OffhookError, UsageError
from agent.phone.phone import Phone, open_phone
from agent.text import json_text, shown

_LONG = 100
_PIPE_WIDTH = 1000  # columns where there is no terminal: a line stays one, to be searched

FIRST_PHONE = (
    "Plug it in with «USB debugging» on, and let `adb devices` see it; or turn on ADB over TCP "
    "(`adb tcpip 5555` over USB), then `offhook connect HOST:5555`."
)


@dataclass(frozen=True)
class Target:
    """A phone to reach: ``label`` is what a person calls it, ``name`` what
    :func:`agent.adb.reach.reach` takes, ``serial`` its own where it is known."""

    label: str
    name: str
    way: Way = "auto"
    serial: str | None = None


class _Console(Console):
    """Rich's, whose reader may go: to be told by the exit code, as of any other output."""

    def on_broken_pipe(self) -> None:
        """See rich, which would exit here."""
        self.quiet = True
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


@dataclass
class App:
    """A run of ``offhook``: what its global options say."""

    home: Path
    json: bool = False
    phone: str | None = None
    via: Way | None = None
    console: Console = field(default_factory=lambda: _console(stderr=False))
    errors: Console = field(default_factory=lambda: _console(stderr=True))
    _config: Config | None = None

    @property
    def config(self) -> Config:
        """``offhook.toml``, read when first needed."""
        if self._config is None:
            self._config = load_config(self.home)
        return self._config

    @config.setter
    def config(self, config: Config) -> None:
        self._config = config

    def archive(self, *, write: bool = False, purpose: str = "sync") -> Archive:
        """The archive, to be used as a context manager; one ``write`` at a time."""
        # Who only reads needs no settings: those of a broken file are not asked for.
        template = self.config.template if write or self._config is not None else DEFAULT
        return Archive(self.home, write=write, purpose=purpose, template=template, tell=self.warn)

    def warn(self, error: OffhookError) -> None:
        """Something that is wrong, and stops nothing."""
        self.errors.print(f"! {shown(error.message)}", style="yellow", markup=False)
        if error.hint:
            self.errors.print(shown(error.hint), markup=False)

    def print_json(self, value: Any) -> None:
        """One JSON document on standard output. A long list has a line for each of its things: it
        may be ten years of recordings."""
        if not isinstance(value, list) or len(value) <= _LONG:
            click.echo(json_text(value, indent=2))
            return
        for at in range(0, len(value), _LONG):
            lines = ",\n".join(json_text(one) for one in value[at : at + _LONG])
            click.echo(f"{',' if at else '['}\n{lines}", nl=False)
        click.echo("\n]")

    def note(self, text: str) -> None:
        """A line for the person, never mixed into ``--json``."""
        to = self.errors if self.json else self.console
        to.print(text, markup=False)

    def known(self) -> dict[str, Target]:
        """Every phone known here, by its alias (or its serial) and by its serial."""
        known: dict[str, Target] = {}
        unbound = list(self.config.phones)
        if (self.home / "offhook.db").exists():
            with self.archive() as archive:
                rows = archive.phones()
            for row in rows:  # the last seen first: an address may have been lent out anew
                setting = _setting(unbound, row.address, row.serial)
                if setting is not None:
                    unbound.remove(setting)
                    target = Target(setting.alias, setting.address, setting.way, row.serial)
                elif row.address is not None:
                    target = Target(row.serial, row.address, "auto", row.serial)
                else:
                    continue  # known from imported recordings alone
                known[target.label] = known[row.serial] = target
        for setting in unbound:
            known[setting.alias] = Target(setting.alias, setting.address, setting.way)
        return known

    def targets(self, phone: str | None = None) -> list[Target]:
        """The phone that is asked for, or all that are known, or the one that is at hand."""
        phone = phone or self.phone
        if phone is not None:
            return [self.target(phone)]
        known = self.known()
        if known:
            different = {target.label: target for target in known.values()}
            return [self.by(different[label]) for label in sorted(different)]
        return [self.by(Target(found.name, found.name)) for found in usable(nearby())]

    def target(self, phone: str | None) -> Target:
        """The phone meant; NoPhoneError or UsageError when that is not clear."""
        phone = phone or self.phone
        if phone is not None:
            # What is not known may still be at hand: under its serial, or a server's name for it.
            return self.by(self.known().get(phone) or Target(phone, phone))
        targets = self.targets()
        if not targets:
            raise NoPhoneError("no phone is known yet, and none is at hand", hint=FIRST_PHONE)
        if len(targets) > 1:
            names = ", ".join(shown(target.label) for target in targets)
            raise UsageError(
                f"{len(targets)} phones could be meant: {names}", hint="Say which with --phone."
            )
        return targets[0]

    def by(self, target: Target) -> Target:
        """A phone, to be reached by the way that --via asks for."""
        return target if self.via is None else replace(target, way=self.via)

    def reach(self, target: Target, *, timeout: float = 10.0) -> Phone:
        """Reach a phone; a PhoneError says why it can't be had."""
        return open_phone(
            target.name,
            way=target.way,
            serial=target.serial,
            timeout=timeout,
            on_prompt=self.prompt,
        )

    def serial(self, phone: str | None) -> str | None:
        """The serial or alias by which the archive knows a phone; its address will do too."""
        if phone is None:
            return None
        with self.archive() as archive:
            return next((row.serial for row in archive.phones() if row.address == phone), phone)

    @contextmanager
    def open_phone(self, phone: str | None, *, look: bool = False) -> Iterator[Phone]:
        """A connection to the phone meant, which is remembered for the next time. Who only looks
        at it needs no home that can be written; who changes something there does, before that."""
        target = self.target(phone)
        with self.reach(target) as opened:
            self.check(target, opened)
            with self.archive() as archive:
                if not (look and archive.read_only):
                    self.remember(opened, target, archive)
            yield opened

    def check(self, target: Target, phone: Phone) -> None:
        """Addresses are lent out anew: NoPhoneError when another phone answers than was asked
        for by its serial, or by an alias of that serial's."""
        if target.serial is not None and target.serial != phone.serial:
            raise NoPhoneError(
                f"at {target.name} answers {phone.facts.name}, serial {phone.serial}, "
                f"not {shown(target.serial)}",
                hint="Give the phone's address: --phone HOST:PORT.",
            )

    def remember(self, phone: Phone, target: Target, archive: Archive) -> None:
        """Keep the phone's facts in the archive, and by what name it was reached."""
        facts = phone.facts
        named = [p for p in self.config.phones if p.alias == target.label]
        setting = _setting(named or self.config.phones, target.name, phone.name, facts.serial)
        archive.add_phone(
            facts.serial,
            alias=setting.alias if setting else "",
            model=facts.model,
            manufacturer=facts.manufacturer,
            android=facts.android,
            fingerprint=facts.fingerprint,
            abi=facts.abis.split(",")[0],
            address=setting.address if setting else phone.name,
        )

    def log(self, archive: Archive, action: str, **what: Any) -> None:
        """Have a look at the archive in its custody log, unless that can't be written."""
        if archive.read_only:
            self.note("This archive can only be read: its custody log does not tell of this.")
        else:
            archive.log(action, **what)

    def prompt(self) -> None:
        """Say that the phone waits for a tap."""
        self.note("The phone asks whether to trust this computer: unlock it and tap «Allow».")


def _setting(settings: Sequence[PhoneSetting], *names: str | None) -> PhoneSetting | None:
    """The setting whose address is one of the names that a phone has."""
    return next((setting for setting in settings if setting.address in names), None)


def usable(found: list[Nearby]) -> list[Nearby]:
    """Those that can be used now, or can be asked to be."""
    return [phone for phone in found if phone.state in ("device", "found")]


def fail(error: OffhookError, app: App) -> int:
    """Print an error the way it was asked for; its exit code."""
    if app.json:
        body = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        click.echo(json_text(body), err=True)
    else:
        app.errors.print(f"offhook: {shown(error.message)}", style="bold red", markup=False)
        if error.hint:
            app.errors.print(shown(error.hint), markup=False)
    sys.stdout.flush()
    return error.exit_code


pass_app = click.make_pass_decorator(App)


def json_too(command: click.Command, group: str = "") -> click.Command:
    """Let ``--json`` stand behind a command, or one of a ``group``, too: so people write it."""

    def take(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value and isinstance(context.obj, App):
            context.obj.json = True

    if not any("--json" in parameter.opts for parameter in command.params):
        name = f"{group} {command.name}".strip()
        words = f"The same as `offhook --json {name}`."
        option = click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=take, help=words
        )
        command.params.append(option)
    return command
