"""The measure of an idle watch: it runs in small, and finds what it is there to find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import idle
from tests.idle import Look
from tests.offhook import wait_until


@pytest.mark.parametrize("on", [True, False])
def test_it_runs_in_small(tmp_path: Path, on: bool) -> None:
    found = idle.run(0.05, 10, on=on, home=tmp_path / "field", rest_s=0)
    assert found.capture == ("on" if on else "off")
    assert found.processor_s < 3
    assert 30 < found.memory_mib[0] < 300
    assert not (tmp_path / "field").exists()


def test_a_childs_work_is_counted() -> None:
    work = "while time.process_time() < 0.3: pass"
    busy = f"import sys, time\n{work}\nprint(flush=True); sys.stdin.read()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        seen = idle.look(process.pid)
        alone = idle.memory_mib(process.pid)
        assert seen.processor_s > 0.2
        assert seen.memory_mib > alone > 0
        process.communicate()
    wait_until(lambda: idle.look(process.pid).memory_mib == 0)


def test_what_grows_is_not_flat() -> None:
    steady = [Look(30.0 * n, 0.1 * n, 10 * n, 80.0) for n in range(10)]
    found = idle.cost_of(steady, 0, "on")
    assert (found.flat, found.processor_s, found.minutes) == (True, 0.9, 4.5)
    assert found.good
    growing = [Look(30.0 * n, 0.1 * n, 10 * n, 80.0 + n) for n in range(10)]
    assert not idle.cost_of(growing, 0, "on").good
    busy = [Look(30.0 * n, 3.0 * n, 10 * n, 80.0) for n in range(10)]
    assert not idle.cost_of(busy, 0, "on").good
