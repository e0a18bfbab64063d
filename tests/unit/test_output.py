"""What `offhook` does when its output goes nowhere, and where ``--json`` may stand."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agent.cli import main
from tests.offhook import PROGRAM


def into(home: Path, stdout: int, *words: str) -> tuple[int, str]:
    """The exit code and standard error of a run that writes to ``stdout``."""
    done = subprocess.run(
        [PROGRAM, "--home", str(home), *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [("law",), ("--json", "law"), ("--help",)])
def test_a_disk_that_is_full_is_one_message(tmp_path: Path, words: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        code, said = into(tmp_path, full, *words)
    finally:
        os.close(full)
    assert (code, said) == (1, "offhook: can't write the output: No space left on device\n")


@pytest.mark.parametrize("words", [("law",), ("--json", "law")])
def test_a_reader_that_has_gone_is_141(tmp_path: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert into(tmp_path, writer, *words) == (141, "")
    finally:
        os.close(writer)


def test_an_input_that_was_closed_is_one_that_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "offhook.toml").write_text('[[phone]]\nalias = "desk"\naddress = "127.0.0.1:9"\n')
    for words, code in ((("name", "-"), 0), (("sync",), 11)):
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" "$@" <&-', PROGRAM, "--home", str(tmp_path), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    "words",
    [("--json", "list", "--nonsense"), ("list", "--limit", "x", "--json"), ("--json", "nonsense")],
)
def test_words_that_make_no_sense_are_json_too(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, said = into(tmp_path, subprocess.DEVNULL, *words)
    assert code == 2
    error = json.loads(said)
    assert error["error"] == "UsageError"
    assert "--help" in error["hint"]


def test_json_may_stand_behind_the_command(tmp_path: Path) -> None:
    said = [
        subprocess.run(
            [PROGRAM, "--home", str(tmp_path), *words], check=True, capture_output=True, timeout=300
        ).stdout
        for words in (("--json", "law", "DE"), ("law", "DE", "--json"))
    ]
    assert said[0] == said[1]
    assert json.loads(said[0])["rules"]


def test_every_command_is_in_the_table_and_takes_json() -> None:
    there = {}
    for path in Path(main.__file__).parent.glob("*.py"):
        module = importlib.import_module(f"agent.cli.{path.stem}")
        there |= {command.name: path.stem for command in getattr(module, "COMMANDS", ())}
    assert there == main.MODULES
    context = click.Context(main.cli, info_name="offhook")
    for name in main.cli.list_commands(context):
        command = main.cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert any("--json" in parameter.opts for parameter in command.params), name


def test_a_command_imports_no_other() -> None:
    code = "import sys, agent.cli.main as m; m.run(['law', 'DE']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = set(ran.stdout.splitlines()[-1].split())
    assert "agent.cli.consenting" in modules
    assert not modules & {f"agent.cli.{name}" for name in main.MODULES.values()} - {
        "agent.cli.consenting"
    }


@pytest.mark.parametrize(
    ("word", "told"),
    [("lst", "No such command 'lst'. Did you mean 'list'?"), ("xyz", "No such command 'xyz'.\n")],
)
def test_a_command_that_is_not_there(word: str, told: str) -> None:
    ran = subprocess.run([PROGRAM, word], check=False, capture_output=True, text=True)
    assert ran.returncode == 2
    assert told in ran.stderr
