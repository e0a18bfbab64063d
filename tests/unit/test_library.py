"""list, show, search, play, note: as a person and as a program see them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from agent.archive import Archive
from agent.archive import calls as kept
from agent.archive.calls import CallFilters
from agent.cli.calls import print_calls
from agent.cli.common import App
from agent.cli.library import COMMANDS, print_table
from agent.cli.when import moment
from agent.errors import NoRecordingError, OffhookError, UsageError
from agent.phone.calls import LoggedCall
from agent.sync import SyncEngine
from tests.faults.memory import SPOOL, START_MS, MemoryPhone, wav
from tests.offhook import Offhook

_COMMANDS = {command.name: command for command in COMMANDS}
HOUR = 3_600_000


def run(home: Path, *words: str, as_json: bool = False) -> Result:
    """A command as it prints into a pipe; its OffhookError is raised as it would be to main."""
    command = _COMMANDS[words[0]]

    def invoke() -> Result:
        runner = CliRunner()
        app = App(home=home, json=as_json)
        return runner.invoke(command, list(words[1:]), obj=app, standalone_mode=False)

    result = invoke()
    if isinstance(result.exception, OffhookError):
        raise result.exception
    assert result.exception is None, result.output
    return result


def said(home: Path, *words: str) -> Any:
    return json.loads(run(home, *words, as_json=True).stdout)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An archive with four recordings: a plain one, half silent, silent, and a hostile one."""
    phone = MemoryPhone(chunk=65536)
    calls: list[tuple[tuple[float, ...], dict[str, Any]]] = [
        ((0.3, 0.2), {"direction": "in", "number": "+41791234567", "contact": "Ada Lovelace"}),
        ((0.3, 0.0), {"direction": "out", "number": "0445556677"}),
        ((0.0, 0.0), {"direction": "in", "number": None, "presentation": 2}),
        ((0.9, 0.1), {"number": "\x1b[31m[bold]117", "contact": "a\nb\u202e[red]x\x07"}),
    ]
    for number, (gains, facts) in enumerate(calls):
        start = START_MS + number * HOUR
        sidecar = {"schema": 1, "route": "alsa", "started_ms": start, **facts}
        phone.put(f"/spool/{number}.json", json.dumps(sidecar).encode())
        phone.put(f"/spool/{number}.wav", wav(1, gains=gains), START_MS - number)
    with Archive(tmp_path / "home", write=True) as archive:
        engine = SyncEngine(archive, phone, [SPOOL])
        archive.add_phone(phone.serial, alias="desk")
        assert len(engine.run_once().filed) == 4
        call = LoggedCall(1, START_MS + HOUR, 1, 2, "+41445556677", "Bob", 1, raw="Row: 0")
        archive.add_calls(phone.serial, [call])
        assert len(archive.join_calls(phone.serial)) == 1
    return tmp_path / "home"


def test_with_nothing_there_it_says_what_to_do(tmp_path: Path) -> None:
    assert "offhook enable" in run(tmp_path, "list").stdout
    assert said(tmp_path, "list") == []
    with pytest.raises(NoRecordingError):
        run(tmp_path, "show")


def test_list_in_a_pipe_has_everything_on_one_line_each(home: Path) -> None:
    head, *rows = run(home, "list").stdout.splitlines()
    assert head.split() == ["#", "when", "who", "length", "route", "sound", "verified", "phone"]
    assert len(rows) == 4
    assert "Ada Lovelace (+41791234567)" in rows[3]
    assert "←" in rows[3]
    assert "Bob (0445556677)" in rows[2]
    assert "downlink SILENT" in rows[2]
    assert "private number" in rows[1]
    assert " SILENT " in rows[1]
    assert "a\\nb\\u202e[red]x\\x07 (\\x1b[31m[bold]117)" in rows[0]
    assert all("desk" in row and "yes" in row and "alsa" in row for row in rows)


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 200])
def test_list_fits_a_terminal_of_any_width(home: Path, width: int) -> None:
    with Archive(home) as archive:
        found = archive.recordings()
    console = Console(width=width, force_terminal=True, color_system=None, emoji=False)
    with console.capture() as capture:
        print_table(console, found)
    lines = capture.get().splitlines()
    assert all(len(line) <= width for line in lines)
    text = "".join("".join(line.split()) for line in lines)
    assert text.count("SILENT") == 2
    assert "\x07" not in capture.get()
    assert all(len(line) > 12 for line in lines), "no column is squeezed to a few letters a line"


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--number", "079 123 45 67"], [1]),
        (["--contact", "ada"], [1]),
        (["--direction", "out"], [2]),
        (["--silent"], [3]),
        (["--audible"], [4, 2, 1]),
        (["--phone", "desk", "--limit", "1"], [4]),
        (["--phone", "other"], []),
        (["--since", "2026-03-05T14:22:07Z"], [2, 3, 4]),
        (["--until", "2026-03-05T14:22:07Z"], [1]),
        (["--since", "2027-01-01"], []),
    ],
)
def test_filters(home: Path, words: list[str], ids: list[int]) -> None:
    assert sorted(one["id"] for one in said(home, "list", *words)) == sorted(ids)


def test_nothing_that_fits_is_not_nothing_at_all(home: Path) -> None:
    assert run(home, "list", "--contact", "nobody").stdout == "No recording fits.\n"
    assert run(home, "search", "nobody").stdout == "Nothing found.\n"


def test_the_keys_of_json_stay(home: Path) -> None:
    (one,) = said(home, "search", "ada", "4567")
    assert list(one) == [
        "id",
        "sha256",
        "size",
        "path",
        "original_name",
        "phone",
        "phone_alias",
        "source",
        "route",
        "started",
        "ended",
        "direction",
        "number",
        "contact",
        "sim",
        "call_id",
        "duration_s",
        "format",
        "codec",
        "rate",
        "channels",
        "levels",
        "silent",
        "silent_channels",
        "problem",
        "note",
        "flags",
        "added",
        "verified",
    ]
    started = datetime.fromisoformat(one["started"])
    assert started.tzinfo is not None
    assert round(started.timestamp() * 1000) == START_MS
    assert (one["number"], one["silent"], one["phone_alias"]) == ("+41791234567", False, "desk")


def test_show_says_where_each_fact_is_from(home: Path) -> None:
    text = run(home, "show", "2").stdout
    assert "the downlink is SILENT" in text
    assert re.search(r"number +0445556677 +offhook sidecar \(stated\)", text)
    assert re.search(r"contact +Bob +call log, 0 s apart \(joined\)", text)
    assert "/spool/1.wav" in text
    assert "joined with a call" in text
    assert re.search("[▁▂▃▄▅▆▇█]{20}", text)
    found = said(home, "show", "2")
    assert found["facts"]["contact"]["confidence"] == "joined"
    assert [entry["action"] for entry in found["custody"]] == ["filed", "joined with a call"]
    assert {one["path"] for one in found["sightings"]} == {"/spool/1.wav", "/spool/1.json"}
    assert Path(found["file"]).is_file()


def test_show_of_a_hostile_one_shows_nothing_raw(home: Path) -> None:
    text = run(home, "show").stdout
    assert "\\x1b[31m[bold]117" in text
    assert all(ch.isprintable() or ch == "\n" for ch in text)


def test_show_without_the_file_still_says_what_is_known(home: Path) -> None:
    file = Path(said(home, "show", "1")["file"])
    file.unlink()
    text = run(home, "show", "1").stdout
    assert "No picture:" in text
    assert "Ada Lovelace" in text
    with pytest.raises(OffhookError, match="any more"):
        run(home, "play", "1")


def test_a_note_is_found_and_goes_again(home: Path) -> None:
    assert "Noted: call [b]back[/b]" in run(home, "note", "1", "call", "[b]back[/b]").stdout
    assert [one["id"] for one in said(home, "search", "back")] == [1]
    assert "call [b]back[/b]" in run(home, "show", "1").stdout
    assert "No note any more." in run(home, "note", "1").stdout
    assert said(home, "search", "back") == []


def test_a_recording_that_is_not_there(home: Path) -> None:
    for command in (["show", "99"], ["note", "99", "x"], ["play", "\x1b[2J"]):
        with pytest.raises(NoRecordingError) as raised:
            run(home, *command)
        assert "\x1b" not in raised.value.message


NOW = datetime.fromisoformat("2026-03-05T13:22:07+00:00").astimezone()


@pytest.mark.parametrize(
    ("text", "end", "meant"),
    [
        ("2026-03-04", False, "2026-03-04T00:00"),
        ("2026-03-04", True, "2026-03-05T00:00"),
        ("2026-03-04 10:30", True, "2026-03-04T10:30"),
        ("2026-03-04T10:30:00+00:00", False, "2026-03-04T10:30+00:00"),
        ("10:30", False, f"{NOW:%Y-%m-%d}T10:30"),
        ("today", False, f"{NOW:%Y-%m-%d}T00:00"),
        ("yesterday", True, f"{NOW:%Y-%m-%d}T00:00"),
        ("90min", False, "2026-03-05T11:52:07+00:00"),
        ("2d", False, "2026-03-03T13:22:07+00:00"),
    ],
)
def test_times_as_people_type_them(text: str, end: bool, meant: str) -> None:
    wanted = datetime.fromisoformat(meant).astimezone()
    assert moment(text, end=end, now=NOW) == round(wanted.timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "25:00", "3x", "99999d x", "\x1b"])
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="not a time") as raised:
        moment(text, now=NOW)
    assert "\x1b" not in raised.value.message


def test_calls_fit_a_narrow_terminal_with_whom_they_were(home: Path) -> None:
    with Archive(home) as archive, archive.reading() as db:
        found = kept.listed(db, CallFilters())
    console = Console(width=40, force_terminal=True, color_system=None, emoji=False)
    with console.capture() as capture:
        print_calls(console, found)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].endswith("1 s  dialled")
    assert lines[1].strip() == "Bob (+41445556677)"
    assert lines[2].strip() == "recording 2"


def test_what_cannot_be_heard_was_not_played(home: Path) -> None:
    (home / "alsa.conf").write_text("pcm.x { type hw card 99 }\n")
    offhook = Offhook(home)
    offhook.env["ALSA_CONFIG_PATH"] = str(home / "alsa.conf")
    ran = offhook.run("play", "1")
    assert ran.code == 40, ran
    assert "this computer has no sound output" in ran.err
    assert "played" not in [entry["action"] for entry in said(home, "show", "1")["custody"]]


def test_a_long_list_in_json_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"n": n, "who": "a\u202eb\x1b[31m"} for n in range(250)]
    App(home=Path(), json=True).print_json(rows)
    text = capsys.readouterr().out
    assert json.loads(text) == rows
    assert len(text.splitlines()) == 252
    assert "\x1b" not in text
    assert "\u202e" not in text
