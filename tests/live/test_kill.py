"""Killed at any line of a recording or of its filing: what was heard is in the archive, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

RUNS = int(os.environ.get("OFFHOOK_KILLS", "30"))


def test_killed_at_any_line_the_next_run_files_what_was_heard(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.kill_runner", str(tmp_path), "20261125", str(RUNS)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["wrong"] == []
    assert said["lines"] > 200
    assert said["filed"] > RUNS / 3
