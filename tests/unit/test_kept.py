"""What Offhook keeps in its home, when the disk says no."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.capture.kept import read_json, write_json
from agent.errors import ConfigError


def test_a_full_disk_is_an_error_with_a_hint_and_the_file_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "phones" / "A.json"
    write_json(file, {"a": 1})
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left") as caught:
        write_json(file, {"a": 2})
    assert "Free some space" in (caught.value.hint or "")
    assert read_json(file, "") == {"a": 1}
