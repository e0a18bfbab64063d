"""What `offhook disable` waits for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.archive import NewRecording, live
from agent.archive.records import Fact
from agent.cli import syncing
from agent.cli.common import App
from agent.phone.phone import Phone
from agent.sync.live.tape import Known


def test_what_this_computer_can_not_file_is_tried_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(syncing, "read_calls", lambda *words: asked.append(words))
    monkeypatch.setattr(syncing, "_OTHERS_PATIENCE", 2.0)
    app = App(tmp_path)
    with app.archive(write=True) as archive:
        archive.add_phone("P")
        part = archive.begin(NewRecording("a.flac", 0, phone="P"), keep=True)
        known = Known("P", "a.flac", {"route": Fact("microphone", "test", "stated")})
        live.keep(archive, part.path, "P", known.as_dict())
        part.discard()
        part.path.rename(tmp_path / "elsewhere")
        part.path.symlink_to(tmp_path / "elsewhere")  # which is not followed
    left = syncing._drain_live(app, cast(Phone, SimpleNamespace(serial="P")))
    assert left == 1
    assert len(asked) == 1
    assert capsys.readouterr().err.count("stays unfinished") == 1
