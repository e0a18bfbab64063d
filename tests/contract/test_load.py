"""``make load`` in small: three phones that record at once, and one watch."""

from __future__ import annotations

from pathlib import Path

from tests.load import MOST_MIB, run


def test_a_watch_over_several_phones_takes_each_recording_once(tmp_path: Path) -> None:
    found = run(tmp_path / "home", phones=3, seconds=10, every_s=1.0, tell=lambda _: None)
    assert found.wrong == []
    assert found.written == len(found.row_s) == 30
    assert found.peak_mib < MOST_MIB
