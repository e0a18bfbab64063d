"""What `watch` cleans by itself: nothing that nobody agreed to, and that once a day."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.archive import Archive, removals
from agent.archive.settings import Cleanup
from agent.sync import daily
from agent.sync.clean import Cleaner, CleanReport
from agent.sync.daily import Daily
from tests.faults.clean_runner import FolderPhone, fill
from tests.faults.memory import SPOOL, START_MS, Clock

DAY_S = 86_400
SETTINGS = Cleanup(after_days=90, keep_newest=1, most_per_run=1)


def run(one: Daily, most: int = 10) -> list[CleanReport]:
    return [report for _ in range(most) if (report := one.step()) is not None]


def test_it_needs_a_yes_by_the_same_settings_and_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "_ASK_EVERY", 0.0)
    fill(tmp_path)
    clock = Clock(START_MS + 100 * DAY_S * 1000)
    with Archive(tmp_path, write=True, clock=clock) as archive:
        phone = FolderPhone(tmp_path / "phone")
        assert run(Daily(archive, phone, [SPOOL], None)) == []
        one = Daily(archive, phone, [SPOOL], SETTINGS)
        assert run(one) == []
        removals.note_run(archive, phone.serial, SETTINGS, cleans=False)  # a dry run
        Cleaner(archive, phone, [SPOOL], SETTINGS, look=True).run()
        clock.go(2 * DAY_S)
        assert run(one) == []
        removals.note_run(archive, phone.serial, SETTINGS, cleans=True)
        assert run(one) == []
        clock.go(DAY_S)
        (report,) = run(one)
        assert (len(report.removed), report.left) == (1, 2)
        assert run(one) == []
        removals.note_run(archive, phone.serial, SETTINGS, cleans=False)  # takes no yes back
        clock.go(-2 * DAY_S)  # to before the last time
        assert [len(report.removed) for report in run(one)] == [1]
        clock.go(DAY_S)
        other = Cleanup(after_days=1, keep_newest=0)
        assert run(Daily(archive, phone, [SPOOL], other)) == []
