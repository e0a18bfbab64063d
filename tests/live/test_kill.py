"""Killed at any line of a recording or of its filing: what was heard is in the archive, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from agent.archive import Archive
from agent.errors import ArchiveError
from agent.sync.live import recover

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


_KILLED = """
import os, sys
from pathlib import Path
from tests.live import kill_runner
from agent.sync.live.tape import Tape

Tape.file = lambda *_: os._exit(9)
kill_runner.record(Path(sys.argv[1]))
"""


def test_a_part_that_a_backup_has_linked_is_filed_all_the_same(tmp_path: Path) -> None:
    home = tmp_path / "home"
    died = subprocess.run(
        [sys.executable, "-c", _KILLED, str(home)], cwd=Path(__file__).parents[2], check=False
    )
    assert died.returncode == 9
    (part,) = (home / "archive").rglob("*.part")
    (tmp_path / "backup").hardlink_to(part)
    with Archive(home, write=True) as archive:
        told: list[ArchiveError] = []
        (filed,) = recover(archive, told.append)
        assert told == []
        assert archive.file_of(filed).is_file()
        assert not part.exists()
