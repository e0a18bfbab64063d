"""What `watch` shows below its lines: how each phone stands."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from agent.archive.records import Recording
from agent.cli.common import App
from agent.cli.screen import Screen
from agent.cli.watching import _Lines as Lines
from agent.errors import DiskFullError
from agent.sync.events import EventKind, Report, SyncEvent, WatchEvent, WatchKind
from tests.offhook import PROGRAM


def recording(**values: object) -> Recording:
    row = {
        "id": 1,
        "sha256": "aa" * 32,
        "size": 10,
        "path": "2026/11/a.wav",
        "original_name": "a.wav",
        "phone": "SERIAL",
        "source": "spool",
        "started_ms": 1_700_000_000_000,
        "direction": "in",
        "number": "+441632960123",
        "duration_s": 5.0,
        "levels": [{"peak_dbfs": -20.0}],
        "added_ms": 1_700_000_000_000,
    }
    return Recording(**(row | values))  # type: ignore[arg-type]


class Shown:
    """A screen, and what is on it now."""

    def __init__(self, width: int = 100, *, terminal: bool = True, wanted: bool = True) -> None:
        self.out = io.StringIO()
        console = Console(
            file=self.out, force_terminal=terminal, width=width, height=40, _environ={}
        )
        self.screen = Screen(console, wanted=wanted)

    def tell(self, kind: WatchKind, phone: str, text: str = "", **more: object) -> str:
        self.screen.take(WatchEvent(kind, phone, text, **more))  # type: ignore[arg-type]
        return self.row(phone)

    def row(self, phone: str) -> str:
        """The last that was drawn of a phone, without colours."""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.out.getvalue())
        rows = [line for line in plain.splitlines() if line.startswith(f"{phone} ")]
        return re.sub(r" {2,}", " | ", rows[-1].rstrip()) if rows else ""


@pytest.fixture
def shown() -> Shown:
    made = Shown()
    made.screen.have(["desk", "lab", "inbox"], {"lab": recording()})
    return made


def test_what_a_phone_does_and_what_keeps_it(shown: Shown) -> None:
    with shown.screen:
        assert shown.row("desk") == "desk | looking for it"
        assert shown.row("inbox") == "inbox | waiting for files"
        assert shown.tell("connected", "desk", "Some Phone") == "desk | there"
        assert shown.tell("state", "desk", "idle") == "desk | waiting for a call"
        assert shown.tell("state", "desk", "recording") == "desk | recording a call"
        paused = shown.tell("paused", "desk", "its battery is at 5 %")
        assert paused == "desk | recording a call, paused"
        assert shown.tell("paused", "desk") == "desk | recording a call"
        assert shown.tell("off", "desk") == "desk | capture is off"
        assert shown.tell("state", "desk", "idle") == "desk | waiting for a call"
        lost = shown.tell("lost", "desk", "it closed the connection")
        assert re.fullmatch(r"desk \| away since \d\d:\d\d", lost)
        assert shown.tell("lost", "desk", "it can't be reached") == lost
        assert shown.tell("connected", "desk") == "desk | there"


def test_what_comes_and_what_came_last(shown: Shown) -> None:
    with shown.screen:
        shown.tell("connected", "lab")
        assert "5 s, -20 dB, +441632960123" in shown.row("lab")
        assert "there | " in shown.row("lab")
        event = SyncEvent("pulling", "lab", "/a.wav", 60_000_000)
        shown.screen.take(event)
        assert "pulling 0 of 60 MB" in shown.row("lab")
        named = recording(contact="Ada", duration_s=7.0)
        shown.screen.take(replace(event, kind="filed", recording=named))
        assert re.search(r"there \| 1 \| .*7 s, -20 dB, Ada \(\+441632960123\)", shown.row("lab"))
        report = Report("lab", waiting=["/b.wav", "/c.wav"])
        assert "2 not finished" in shown.tell("scanned", "lab", report=report)
        assert "not finished" not in shown.tell("scanned", "lab", report=Report("lab"))


def test_what_is_told_once_is_shown_over_the_next_connection(shown: Shown) -> None:
    with shown.screen:
        shown.tell("connected", "desk")
        shown.tell("off", "desk")
        shown.tell("lost", "desk", "it closed the connection")
        assert shown.tell("connected", "desk") == "desk | capture is off"
        assert shown.tell("no root", "desk", "su said no") == "desk | no root"
        shown.tell("lost", "desk", "it closed the connection")
        assert shown.tell("connected", "desk") == "desk | no root"
        assert shown.tell("state", "desk", "idle") == "desk | waiting for a call"


def test_that_the_archive_takes_nothing_keeps_each_phone_and_the_inbox(shown: Shown) -> None:
    nothing = "the archive takes nothing"
    with shown.screen:
        shown.tell("connected", "desk")
        shown.screen.take(SyncEvent("pulling", "desk", "/a.wav", 60_000_000))
        shown.tell("unfiled", "archive", "no room left", error=DiskFullError("no room left"))
        assert shown.row("desk") == f"desk | {nothing}"
        assert shown.row("inbox") == f"inbox | {nothing}"
        assert shown.row("lab").startswith("lab | looking for it")
        assert shown.tell("state", "desk", "recording") == f"desk | recording a call, {nothing}"
        assert "away since" in shown.tell("lost", "desk", "it can't be reached")
        assert shown.tell("connected", "desk") == f"desk | {nothing}"
        shown.screen.have(["desk", "late"], {})
        assert shown.tell("connected", "late") == f"late | {nothing}"
        shown.tell("unfiled", "archive")
        assert (shown.row("desk"), shown.row("late")) == ("desk | there", "late | there")


@pytest.mark.parametrize(
    ("as_json", "term", "said"), [(True, "xterm", ""), (False, "dumb", "watching")]
)
def test_a_terminal_without_a_table_has_a_first_line_unless_it_has_json(
    tmp_path: Path, as_json: bool, term: str, said: str
) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, _environ={"TERM": term})
    lines = Lines(App(tmp_path, json=as_json, console=console))
    with lines.screen:
        lines.have("watching 1 phone", ["lab"], {})
    assert out.getvalue()[10:18] == said


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *((kind, "/a.wav") for kind in ("pulling", "broken", "filed", "duplicate", "sidecar")),
        *((kind, "/a.wav") for kind in ("gone", "failed", "left")),
        *((kind, None) for kind in ("joined", "doubt")),
    ],
)
def test_as_json_each_event_of_a_file_names_it_by_the_same_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: EventKind, path: str | None
) -> None:
    lines = Lines(App(tmp_path, json=True))
    lines.tell(SyncEvent(kind, "lab", "/a.wav", 10, recording=recording()))
    said = json.loads(capsys.readouterr().out)
    assert (said["event"], said["phone"], said.get("path")) == (kind, "lab", path)


def test_the_last_recording_is_the_newest_though_older_ones_come_after_it(shown: Shown) -> None:
    with shown.screen:
        shown.tell("connected", "lab")
        event = SyncEvent("filed", "lab", "/a.wav", 10)
        for minutes, name in ((2, "Ada"), (1, "Bob")):
            started = 1_700_000_000_000 + minutes * 60_000
            named = recording(contact=name, started_ms=started)
            shown.screen.take(replace(event, recording=named))
        assert "2 | " in shown.row("lab")
        assert "Ada" in shown.row("lab")


def test_how_loud_a_call_is_that_this_computer_records(shown: Shown) -> None:
    with shown.screen:
        shown.tell("connected", "desk")
        shown.tell("state", "desk", "recording")
        shown.tell("level", "desk", "65.0", levels=(-20.0, -90.0))
        assert "desk  1:05" in shown.out.getvalue().replace("\x1b[0m", "")
        assert "-20 dB" in shown.out.getvalue()
        before = len(shown.out.getvalue())
        shown.tell("state", "desk", "idle")
        assert "1:05" not in shown.out.getvalue()[before:]


def test_who_is_not_watched_any_more_is_not_shown_and_others_stay_as_they_are(
    shown: Shown,
) -> None:
    with shown.screen:
        shown.tell("connected", "lab")
        before = len(shown.out.getvalue())
        shown.screen.have(["lab"], {})
        assert "desk" not in shown.out.getvalue()[before:]
        assert "there" in shown.row("lab")
        shown.tell("connected", "stranger")
        assert shown.row("stranger") == ""


def test_a_narrow_terminal_has_no_last_recording() -> None:
    shown = Shown(width=40)
    with shown.screen:
        shown.screen.have(["lab"], {"lab": recording()})
        assert "441632" not in shown.out.getvalue()
        assert max(map(len, shown.out.getvalue().splitlines())) < 80
        shown.tell("connected", "lab")
        assert shown.row("lab") == "lab | there"


def test_what_a_phone_is_called_is_shown_tamely() -> None:
    shown = Shown()
    with shown.screen:
        shown.screen.have(["evil\x1b[31mname"], {})
        assert "\x1b[31mname" not in shown.out.getvalue()
        assert "looking for it" in shown.out.getvalue()


@pytest.mark.parametrize("not_there", [{"terminal": False}, {"wanted": False}])
def test_without_a_terminal_or_for_json_nothing_is_drawn(not_there: dict[str, bool]) -> None:
    shown = Shown(**not_there)
    assert not shown.screen.shows
    with shown.screen:
        shown.screen.have(["lab"], {})
        shown.tell("connected", "lab")
    assert shown.out.getvalue() == ""


def test_no_table_is_left_when_a_phone_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as phone:
        (tmp_path / "offhook.toml").write_text(
            "[discovery]\nmdns = false\n"
            f'[[phone]]\nalias = "desk"\naddress = "127.0.0.1:{phone.getsockname()[1]}"\n'
        )
        environment = {**os.environ, "OFFHOOK_HOME": str(tmp_path), "TERM": "xterm"}
        process = subprocess.Popen(
            [PROGRAM, "--via", "tcp", "watch"],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        phone.settimeout(60)
        link, _ = phone.accept()  # and never a word
        said, told = b"", False
        with link, contextlib.suppress(OSError):  # what Linux says at the end
            while more := os.read(ours, 65536):
                said += more
                if b"looking for it" in said and not told:
                    told = True
                    process.send_signal(signal.SIGINT)
        os.close(ours)
        assert process.wait(timeout=60) == 0
    assert said.rpartition(b"looking for it")[2].count(b"\x1b[2K") == 3
