"""The ``offhook`` command: global options, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import sys
from pathlib import Path

import click

from agent import __version__
from agent.adb.reach import WAYS, Way
from agent.cli.common import App, fail, json_too
from agent.config import home_dir
from agent.errors import OffhookError, UsageError

_EPILOG = """\b
First steps:
  offhook devices                      the phones at hand
  offhook doctor                       what the phone can do
  offhook enable                       capture on
  offhook selftest                     a test call, and whether both ends are heard
  offhook watch                        pull each recording as it appears
  offhook list                         what there is
"""

#: The module of ``agent.cli`` that has a command. Only that one is imported: all of them take longer
#: than most commands do.
MODULES = {
    "calls": "calls",
    "clean": "cleaning",
    "connect": "connecting",
    "devices": "connecting",
    "disable": "phone",
    "doctor": "doctoring",
    "enable": "phone",
    "import": "importing",
    "law": "consenting",
    "link": "calls",
    "list": "library",
    "name": "naming",
    "note": "library",
    "pair": "connecting",
    "play": "library",
    "routes": "phone",
    "search": "library",
    "selftest": "selftesting",
    "service": "serving",
    "show": "library",
    "sources": "sourcing",
    "status": "phone",
    "sync": "syncing",
    "verify": "checking",
    "watch": "watching",
}


class Commands(click.Group):
    """The commands of :data:`MODULES`, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """All names, in order."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, from its module; None where there is none."""
        if cmd_name in MODULES and cmd_name not in self.commands:
            module = importlib.import_module(f"agent.cli.{MODULES[cmd_name]}")
            for command in module.COMMANDS:
                self.add_command(json_too(command))
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click, whose error can't name a command that was not imported."""
        near = difflib.get_close_matches(args[0], MODULES, n=1)
        known = args[0] in MODULES or args[0].startswith("-")
        if near and not known and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="offhook %(version)s")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of archive and configuration.  [env: OFFHOOK_HOME]",
)
@click.option(
    "--phone",
    metavar="NAME",
    help="The phone meant: alias, serial or HOST:PORT.  [env: OFFHOOK_PHONE]",
)
@click.option(
    "--via",
    type=click.Choice(WAYS),
    help="The way to the phone: the adb server, TCP or USB.  [env: OFFHOOK_VIA]",
)
@click.option("--json", is_flag=True, help="Print one JSON document instead of text.")
@click.pass_context
def cli(
    context: click.Context, home: Path | None, phone: str | None, via: Way | None, json: bool
) -> None:
    """Call recordings from a rooted Android test phone, verified and searchable here."""
    phone = phone or os.environ.get("OFFHOOK_PHONE") or None
    context.obj = App(home=home_dir(home), json=json, phone=phone, via=via or _via())


def _via() -> Way | None:
    asked = os.environ.get("OFFHOOK_VIA") or None
    for way in WAYS:
        if asked == way:
            return way
    if asked is not None:
        raise UsageError(f"OFFHOOK_VIA is {asked!r}, not one of {', '.join(WAYS)}")
    return None


def run(arguments: list[str] | None = None) -> int:
    """Run ``offhook`` and return its exit code: 130 after Ctrl-C, 141 when a pipe was closed."""
    os.umask(0o077)  # recordings, index and keys are nobody else's business
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 shows an escape instead of an arrow.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:  # it was closed before we began: nobody types
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - for as long as the program runs
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        if sys.stdout is not None:  # it may have been closed before we began
            sys.stdout.flush()  # what fails now would only be found when the interpreter ends
        return code
    except BrokenPipeError:
        _give_up_output()
        return 141
    except OSError as error:
        if not _output_failed():
            raise
        with contextlib.suppress(OSError):
            click.echo(f"offhook: can't write the output: {error.strerror}", err=True)
        return 1


def _run(words: list[str]) -> int:
    json = "--json" in words
    try:
        with cli.make_context("offhook", list(words)) as context:
            try:
                cli.invoke(context)
            except OffhookError as error:
                # An option's error comes before there is an app.
                return fail(error, context.obj or App(home=Path(), json=json))
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        if not json or isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
            return error.exit_code
        usage = error.ctx if isinstance(error, click.UsageError) else None
        hint = f"`{usage.command_path} --help` says more." if usage else None
        return fail(UsageError(error.format_message(), hint=hint), App(home=Path(), json=True))
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return 130
    return 0


def _output_failed() -> bool:
    """Whether standard output takes nothing, such as a file on a full disk."""
    try:
        click.echo()  # what was not taken before is gone, and tells nothing
    except OSError:
        _give_up_output()
        return True
    return False


def _give_up_output() -> None:
    """Keep the interpreter from writing once more, at its end, what nobody takes."""
    with contextlib.suppress(OSError, ValueError):  # it is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
