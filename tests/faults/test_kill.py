"""Killed at any line, and run again: the same end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = int(os.environ.get("OFFHOOK_KILLS", "30"))


@pytest.mark.parametrize(
    ("runner", "lines"), [("kill_runner", 1000), ("import_runner", 500), ("clean_runner", 300)]
)
def test_what_is_killed_at_any_line_reaches_the_same_end(
    tmp_path: Path, runner: str, lines: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.faults.{runner}", str(tmp_path), "20260305", str(RUNS)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["runs"] == RUNS or RUNS == 0
    assert report["lines"] > lines
