"""The ``offhook`` command as a user runs it, and what a run of it costs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.offhook import PROGRAM, Offhook

_LOOK_S = 0.02


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of processors, with the interpreter's start, and the most memory;
    ``said`` is standard output."""

    took: float
    processor: float
    peak_mib: float
    said: str


def measured(offhook: Offhook, *words: str) -> Cost:
    """Run it to its end; RuntimeError if that is not a good one."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        begin = time.monotonic()
        process = subprocess.Popen(
            [PROGRAM, *words], env=offhook.env, stdin=subprocess.DEVNULL, stdout=out, stderr=errors
        )
        peak, ended = 0.0, 0
        while not ended:
            # Only what the kernel says of the program itself: of a child, it counts in the memory
            # of who started it.
            peak = max(peak, peak_mib(process.pid))
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if not ended:
                time.sleep(_LOOK_S)
        took = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"offhook {words}: {errors.read()[-2000:]}")
        return Cost(took, used.ru_utime + used.ru_stime, peak, out.read())


def peak_mib(pid: int | str = "self") -> float:
    """The most memory that a process ever held; 0 when it is gone."""
    return _memory(pid, "VmHWM")


def memory_mib(pid: int) -> float:
    """What it holds now."""
    return _memory(pid, "VmRSS")


def _memory(pid: int | str, name: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0
