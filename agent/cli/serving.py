"""service: `offhook watch` from login on, by systemd or launchd."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agent.archive.archive import LOCK
from agent.archive.lock import held_for
from agent.cli.common import App, json_too, pass_app
from agent.config import Config
from agent.desk import unit
from agent.errors import BusyError, ConfigError, OffhookError, UsageError
from agent.text import shown

_LIMIT_S = 90.0
_OURS = ("active", "activating", "reloading", "deactivating")  # then the archive is the service's
_NONE = (
    "Have `offhook watch --stay` started by what starts programs here (OpenRC, runit, s6, cron's "
    "@reboot, your desktop's autostart). It speaks systemd's notify protocol, reads offhook.toml "
    "again on SIGHUP, and ends in good order on SIGTERM."
)


class ServiceError(OffhookError):
    """The service manager refused."""


@dataclass(frozen=True)
class _Kind:
    """The service manager here: its file, what it is called, and the words to it."""

    name: str
    path: Path
    text: bytes
    install: tuple[tuple[str, ...], ...]
    uninstall: tuple[tuple[str, ...], ...]
    active: tuple[str, ...]
    folders: tuple[Path, ...] = ()  # those that have to be there when it starts, if they can be


@click.group()
def service() -> None:
    """Have `watch` run as a service of yours, from login on."""


@service.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
@click.option("--print", "only_print", is_flag=True, help="Print the service's file; do nothing.")
@pass_app
def install(app: App, dry_run: bool, only_print: bool) -> None:
    """Install the service for this home, and start it.

    Installed again, it is written anew and restarted.
    """
    kind = _kind(app, must_run=not only_print and not dry_run)
    if only_print:
        if app.json:
            app.print_json(_place(kind) | {"text": kind.text.decode()})
        else:
            click.echo(kind.text.decode(), nl=False)
        return
    if dry_run:
        if app.json:
            app.print_json(_place(kind) | {"dry_run": True, "runs": kind.install})
            return
        app.note(f"would write {shown(str(kind.path))}")
        for words in kind.install:
            app.note(f"would run {shown(' '.join(words))}")
        return
    before = _read(kind.path)
    _check_free(app, kind)
    _make_folders(app, kind)
    _write(kind.path, kind.text)
    if before is not None and kind.name == "launchd":  # it takes no second one of a name
        with contextlib.suppress(ServiceError):
            _run(kind.uninstall)
    try:
        _run(kind.install)
    except ServiceError:
        if before is None:  # nothing is left of what did not work
            _remove(kind)
        raise
    if app.json:
        app.print_json(_stands(app, kind))
        return
    app.note(f"The service is installed and runs: {shown(str(kind.path))}")
    if kind.name == "systemd":
        app.note("Log: journalctl --user -u offhook. To run while you are not logged in, too:")
        app.note("  loginctl enable-linger")


@service.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
@pass_app
def uninstall(app: App, dry_run: bool) -> None:
    """Stop the service, and remove it. The archive stays."""
    problem = _settings_problem(app)  # what is removed hangs on none of them
    kind = _kind(app, must_run=False)
    if dry_run:
        if app.json:
            app.print_json(_place(kind) | {"dry_run": True, "runs": kind.uninstall})
            return
        for words in kind.uninstall:
            app.note(f"would run {shown(' '.join(words))}")
        app.note(f"would remove {shown(str(kind.path))}")
        return
    there = _read(kind.path) is not None
    if there:
        _remove(kind)
    own = kind.path.with_name(kind.path.name + ".d")
    if app.json:
        kept = str(own) if own.is_dir() else None
        app.print_json(
            _stands(app, kind, unsure=problem is not None) | {"removed": there, "kept": kept}
        )
        return
    if not there:
        app.note("There is no service.")
        return
    app.note("The service is stopped and removed.")
    if own.is_dir():
        app.note(f"Your own changes of it stay: {shown(str(own))}")


@service.command()
@pass_app
def status(app: App) -> None:
    """Say whether the service is installed and runs, and who has the archive."""
    problem = _settings_problem(app)
    kind = _kind(app, must_run=False)
    stands = _stands(app, kind, unsure=problem is not None)
    if app.json:
        app.print_json(stands)
    else:
        _print_status(app, kind, stands)
    if problem is not None:
        raise problem


def _place(kind: _Kind) -> dict[str, Any]:
    return {"manager": kind.name, "file": str(kind.path)}


def _stands(app: App, kind: _Kind, *, unsure: bool = False) -> dict[str, Any]:
    """How the service stands, for ``--json``. ``unsure``: by what settings it should have been
    installed is not known."""
    text = _read(kind.path)
    return _place(kind) | {
        "installed": text is not None,
        "current": None if unsure else text == kind.text,
        "active": _said(kind.active) if text is not None else "no",
        "archive": held_for(app.home / LOCK),
    }


def _print_status(app: App, kind: _Kind, stands: dict[str, Any]) -> None:
    if not stands["installed"]:
        app.note("The service is not installed: `offhook service install`.")
    else:
        app.note(f"{kind.name}: {shown(stands['active'])}  ({shown(str(kind.path))})")
        if stands["current"] is False:
            app.note("It was installed for other settings: `offhook service install` renews it.")
    holder = stands["archive"]
    app.note(f"This home's archive is open for writing: {shown(holder) if holder else 'no'}")


for _each in (install, uninstall, status):
    json_too(_each, "service")


def _kind(app: App, *, must_run: bool) -> _Kind:
    """The service manager of this computer; UsageError where there is none that is known."""
    if sys.platform == "darwin":
        return _launchd(app)
    if not sys.platform.startswith("linux"):
        raise UsageError(f"no service manager is known on {sys.platform}", hint=_NONE)
    if must_run and not (unit.runs_systemd() and shutil.which("systemctl")):
        raise UsageError("this computer does not run systemd", hint=_NONE)
    return _systemd(app)


def _settings_problem(app: App) -> ConfigError | None:
    """What is wrong with offhook.toml, which is then taken for empty; None where nothing is."""
    try:
        app.config  # noqa: B018 - read when first needed
    except ConfigError as error:
        app.config = Config()
        return error
    return None


def _systemd(app: App) -> _Kind:
    environment = dict(os.environ)
    keys = Path(environment.get("ANDROID_USER_HOME") or Path.home() / ".android")
    desk = app.config.desk
    folders = (keys, *([desk.inbox.folder] if desk.inbox else []))
    archive = app.home / "archive"
    elsewhere = [archive.resolve()] if archive.is_symlink() else []
    text = unit.systemd_unit(
        _command(),
        app.home,
        environment,
        (*folders, *elsewhere),
        runs_hook=bool(desk.hook.on_recording),
    )
    control, name = ("systemctl", "--user"), f"{unit.NAME}.service"
    return _Kind(
        "systemd",
        unit.systemd_path(environment),
        text.encode(),
        (
            (*control, "daemon-reload"),
            (*control, "enable", name),
            (*control, "restart", name),
        ),
        ((*control, "disable", "--now", name),),
        (*control, "is-active", name),
        folders,
    )


def _launchd(app: App) -> _Kind:
    path, domain = unit.launchd_path(), f"gui/{os.getuid()}"
    return _Kind(
        "launchd",
        path,
        unit.launchd_plist(_command(), app.home, dict(os.environ)),
        (("launchctl", "bootstrap", domain, str(path)),),
        (("launchctl", "bootout", f"{domain}/{unit.LABEL}"),),
        ("launchctl", "print", f"{domain}/{unit.LABEL}"),
    )


def _command() -> list[str]:
    """This very program, whatever the service's PATH is."""
    script = Path(sys.executable).with_name("offhook")
    words = [str(script)] if script.exists() else [sys.executable, "-P", "-m", "agent"]
    return [*words, "watch", "--stay"]


def _check_free(app: App, kind: _Kind) -> None:
    """BusyError while another command writes to the archive: the service could not begin. launchd
    would start it again until it can; systemd is asked to wait for it, and would say no."""
    holder = held_for(app.home / LOCK)
    if kind.name == "systemd" and holder is not None and _said(kind.active) not in _OURS:
        raise BusyError(
            f"`{shown(holder)}` works on this home's archive, and there is one at a time",
            hint="End it, or let it end; then install the service.",
        )


def _make_folders(app: App, kind: _Kind) -> None:
    """A folder that is not there when the service starts can't be made writable for it alone."""
    try:
        app.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(f"{app.home} can't be made: {error.strerror}") from error
    for folder in kind.folders:
        with contextlib.suppress(OSError):  # watch says what it can't have
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _remove(kind: _Kind) -> None:
    """Stop it and take its file away, whatever the manager says."""
    with contextlib.suppress(ServiceError):
        _run(kind.uninstall)
    with contextlib.suppress(FileNotFoundError):
        kind.path.unlink()
    with contextlib.suppress(OSError):  # only if nothing else is in them
        kind.path.parent.rmdir()
        if kind.name == "systemd":
            kind.path.parent.parent.rmdir()
    if kind.name == "systemd":
        with contextlib.suppress(ServiceError):
            _run([("systemctl", "--user", "daemon-reload")])


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServiceError(f"{path} can't be read: {error.strerror}") from error


def _write(path: Path, text: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(text)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise ServiceError(f"{path} can't be written: {error.strerror}") from error


def _run(commands: Sequence[Sequence[str]]) -> None:
    for words in commands:
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=_LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"`{' '.join(words)}` can't be run: {error}") from error
        if done.returncode:
            raise ServiceError(
                f"`{' '.join(words)}` failed: {_first_line(done.stderr) or done.returncode}",
                hint=_hint(words, done.stderr),
            )


def _hint(words: Sequence[str], said: str) -> str | None:
    if words[0] != "systemctl":
        return None
    if "Failed to connect to" in said:  # "… bus: …", "… user scope bus via local transport: …"
        return (
            "systemctl --user has no session of yours, as by su or sudo: log in as yourself, or "
            "`loginctl enable-linger` first."
        )
    return "`journalctl --user -u offhook` tells why it does not start."


def _first_line(text: str) -> str:
    return shown(text.strip().partition("\n")[0])


def _said(words: Sequence[str]) -> str:
    """What a command says of the service, in its first line."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "not known"
    if words[0] == "launchctl":
        return "loaded" if done.returncode == 0 else "not loaded"
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "not known"


COMMANDS: tuple[click.Command, ...] = (service,)
