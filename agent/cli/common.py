"""What every command shares: the home, the archive, the phone meant, and how to print."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from agent.archive.archive import Archive
from agent.config import Config, load_config
from agent.errors import NoPhoneError, OffhookError, UsageError
from agent.phone.phone import Phone, open_phone
from agent.text import shown


@dataclass
class App:
    """A run of ``offhook``: what its global options say."""

    home: Path
    json: bool = False
    phone: str | None = None
    console: Console = field(default_factory=lambda: Console(highlight=False, emoji=False))
    errors: Console = field(
        default_factory=lambda: Console(stderr=True, highlight=False, emoji=False)
    )
    _config: Config | None = None

    @property
    def config(self) -> Config:
        """``offhook.toml``, read when first needed."""
        if self._config is None:
            self._config = load_config(self.home)
        return self._config

    def archive(self, *, write: bool = False, purpose: str = "sync") -> Archive:
        """The archive, to be used as a context manager; one ``write`` at a time."""
        return Archive(self.home, write=write, purpose=purpose)

    def print_json(self, value: Any) -> None:
        """One JSON document on standard output."""
        click.echo(jsonlib.dumps(value, ensure_ascii=False, indent=2))

    def note(self, text: str) -> None:
        """A line for the person, never mixed into ``--json``."""
        (self.errors if self.json else self.console).print(text, markup=False, soft_wrap=True)

    def addresses(self) -> dict[str, str]:
        """Every phone known here: alias or serial → address."""
        known: dict[str, str] = {}
        if (self.home / "offhook.db").exists():
            with self.archive() as archive:
                for row in archive.phones():
                    if row.address:
                        known[row.alias or row.serial] = row.address
                        known[row.serial] = row.address
        known.update({phone.alias: phone.address for phone in self.config.phones})
        return known

    def address(self, phone: str | None) -> str:
        """The address of the phone meant; NoPhoneError or UsageError when that is not clear."""
        phone = phone or self.phone
        known = self.addresses()
        if phone is not None:
            if phone in known:
                return known[phone]
            if ":" in phone or "." in phone or phone == "localhost":
                return phone
            raise NoPhoneError(
                f"no phone is known as {shown(phone)!r}",
                hint="Give its address once: `offhook --phone HOST:PORT doctor`.",
            )
        if not known:
            raise NoPhoneError(
                "no phone is known yet",
                hint="Turn on ADB over TCP (`adb tcpip 5555` over USB), then "
                "`offhook --phone HOST:5555 doctor`.",
            )
        different = sorted(set(known.values()))
        if len(different) > 1:
            raise UsageError(
                f"{len(different)} phones are known: {', '.join(sorted(known))}",
                hint="Say which with --phone.",
            )
        return different[0]

    def serial(self, phone: str | None) -> str | None:
        """The serial or alias by which the archive knows a phone; its address will do too."""
        if phone is None:
            return None
        with self.archive() as archive:
            return next((row.serial for row in archive.phones() if row.address == phone), phone)

    @contextmanager
    def open_phone(self, phone: str | None) -> Iterator[Phone]:
        """A connection to the phone meant, which is remembered for the next time."""
        address = self.address(phone)
        with open_phone(address, on_prompt=self.prompt) as opened:
            self.check(phone or self.phone, opened, address)
            with self.archive() as archive:
                self.remember(opened, address, archive)
            yield opened

    def check(self, asked: str | None, phone: Phone, address: str) -> None:
        """Addresses are lent out anew: NoPhoneError when another phone answers than was asked
        for by its serial, or by an alias of that serial's."""
        if not (self.home / "offhook.db").exists():
            return
        with self.archive() as archive:
            wanted = next((row.serial for row in archive.phones() if row.serial == asked), None)
        if wanted is not None and wanted != phone.serial:
            raise NoPhoneError(
                f"at {address} answers {phone.facts.name}, serial {phone.serial}, "
                f"not {shown(wanted)}",
                hint="Give the phone's address: --phone HOST:PORT.",
            )

    def remember(self, phone: Phone, address: str, archive: Archive) -> None:
        """Keep the phone's address and facts in the archive."""
        facts = phone.facts
        archive.add_phone(
            facts.serial,
            alias=next((p.alias for p in self.config.phones if p.address == address), None),
            model=facts.model,
            manufacturer=facts.manufacturer,
            android=facts.android,
            fingerprint=facts.fingerprint,
            abi=facts.abis.split(",")[0],
            address=address,
        )

    def prompt(self) -> None:
        """Say that the phone waits for a tap."""
        self.note("The phone asks whether to trust this computer: unlock it and tap «Allow».")


def fail(error: OffhookError, app: App) -> int:
    """Print an error the way it was asked for; its exit code."""
    if app.json:
        body = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        click.echo(jsonlib.dumps(body, ensure_ascii=False), err=True)
    else:
        app.errors.print(f"offhook: {shown(error.message)}", style="bold red", markup=False)
        if error.hint:
            app.errors.print(shown(error.hint), markup=False)
    sys.stdout.flush()
    return error.exit_code


pass_app = click.make_pass_decorator(App)
