"""What `sync` prints: its document, and its progress."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from agent.cli.common import App, Target
from agent.cli.syncing import Pulled, _Bar, _Note, _print_report
from agent.errors import LinkError
from agent.sync.events import Failure, Report, SyncEvent


def test_what_is_not_filed_is_in_json_by_the_same_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Report("desk", waiting=["/a"], gone=["/b"], locked="not unlocked", doubts=["no hash"])
    one.failed.append(Failure("/c", "can't be read", "look at it"))
    one.left.append(Failure("/d", "a FIFO"))
    other = Report("lab", gone=["/e"])
    pulled = [
        Pulled(Target("desk", "usb", serial="S1"), one, [LinkError("it broke")]),
        Pulled(Target("lab", "1.2.3.4:5555", serial="S2"), other),
    ]
    total = Report("")
    total.add(one)
    total.add(other)
    _print_report(App(tmp_path, json=True), total, pulled)
    told = json.loads(capsys.readouterr().out)
    desk, lab = {"serial": "S1", "name": "desk"}, {"serial": "S2", "name": "lab"}
    assert told == {
        "filed": [],
        "duplicates": 0,
        "bytes": 0,
        "waiting": [desk | {"path": "/a"}],
        "gone": [desk | {"path": "/b"}, lab | {"path": "/e"}],
        "left": [desk | {"path": "/d", "reason": "a FIFO"}],
        "failed": [
            desk | {"path": "/c", "reason": "can't be read", "hint": "look at it"},
            desk | {"path": None, "reason": "it broke", "hint": None},
        ],
        "locked": [desk | {"reason": "not unlocked"}],
        "doubts": [desk | {"reason": "no hash"}],
    }


@pytest.fixture
def bar() -> Iterator[tuple[_Bar, Callable[[], list[str]]]]:
    """A bar, and what is on the terminal now."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100, _environ={})
    progress = Progress(TextColumn("{task.description}"), _Note(), console=console)

    def now() -> list[str]:
        return [
            f"{task.description} {task.fields['note'] or _Note().render(task)}".partition(",")[0]
            for task in progress.tasks
        ]

    yield _Bar(progress), now


def test_files_that_come_together_have_one_bar_that_moves_as_bytes_come(
    bar: tuple[_Bar, Callable[[], list[str]]],
) -> None:
    tell, now = bar
    files = [SyncEvent("pulling", "P", f"/{name}.wav", 600_000) for name in "abc"]
    for event in files:
        tell(event)
    assert now() == ["3 files 0.0 of 1.8 MB"]
    tell(replace(files[0], kind="progress", done=300_000))
    assert now() == ["3 files 0.3 of 1.8 MB"]
    for event in files:
        tell(replace(event, kind="progress", done=600_000))
    assert now() == ["3 files checking"]
    tell(replace(files[0], kind="filed"))
    tell(files[1])  # which goes its own way, and comes anew
    tell(replace(files[1], kind="broken", done=100_000))
    assert now() == ["3 files waiting for the phone"]
    tell(replace(files[1], kind="progress", done=200_000))
    assert now() == ["3 files 1.4 of 1.8 MB"]
    for event, kind in zip(files[1:], ("failed", "waiting"), strict=True):
        tell(replace(event, kind=kind))
    assert now() == []
    tell(SyncEvent("pulling", "P", "/large\x1b.wav", 340_000_000))
    tell(SyncEvent("progress", "P", "/large\x1b.wav", 340_000_000, done=12_400_000))
    assert now() == ["large\\x1b.wav 12 of 340 MB"]
    tell(SyncEvent("pulling", "Q", "/q.wav", 1_000_000))  # P's link broke
    assert now() == ["q.wav 0.0 of 1.0 MB"]
