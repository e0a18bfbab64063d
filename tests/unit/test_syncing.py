"""What `sync` prints: its document, and its progress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.common import App, Target
from agent.cli.syncing import Pulled, _print_report
from agent.errors import LinkError
from agent.sync.events import Failure, Report


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
