"""The PCM helper in tests: as it was built, and with a kernel's sound that is made up."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PCM = Path(__file__).resolve().parents[2] / "device_scripts" / "pcm"
FAKE = Path(__file__).with_name("pcm_fake_alsa.c")
RENAMED = {
    "ioctl": "fake_ioctl",
    "open": "fake_open",
    "poll": "fake_poll",
    "clock_gettime": "fake_clock",
}
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-static"]

#: The exit codes, as the header says them.
OK, INTERNAL, USAGE, NOT_FOUND, REFUSED, DENIED, UNSUPPORTED = range(7)
PCM_LOST, CANT_WRITE, EXISTS, NOT_RESTORED, DAMAGED, NOTHING_CAME, TOO_LONG = range(7, 14)


@dataclass(frozen=True)
class Done:
    """How a run ended, and the JSON object that it printed."""

    code: int
    answer: dict[str, Any]
    said: str
    """Standard error."""


def run(
    program: Path | list[str], *words: str | bytes, env: Mapping[str, str] | None = None
) -> Done:
    """Run the helper; its standard output has to be one JSON object, in ASCII, on one line."""
    done = subprocess.run(
        [*(program if isinstance(program, list) else [program]), *words],
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=60,
        check=False,
    )
    assert done.stdout.isascii() and done.stdout.endswith(b"\n") and done.stdout.count(b"\n") == 1
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    assert (done.returncode != 0) == ("error" in answer), answer
    return Done(done.returncode, answer, done.stderr.decode())


def build_helper(abi: str) -> Path:
    """The helper for ``abi``, built if it is not up to date."""
    done = subprocess.run(
        [sys.executable, PCM / "build.py", "--abi", abi],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return PCM / "bin" / abi / "offhook-pcm"


def build_fake(folder: Path, *flags: str) -> Path:
    """The helper with the made-up kernel, and with checks for undefined behaviour."""
    folder.mkdir()
    strict = ["-O1", "-g", "-fsanitize=undefined", "-std=c11", "-D_GNU_SOURCE", *flags]
    renames = [f"-D{name}={fake}" for name, fake in RENAMED.items()]
    program = folder / "offhook-pcm-fake"
    for command in (
        [*ZIG, *strict, *renames, "-c", *map(str, sorted(PCM.glob("*.c")))],
        [*ZIG, *strict, "-Wall", "-Wextra", "-Werror", "-c", str(FAKE)],
    ):
        subprocess.run(command, cwd=folder, check=True)
    objects = sorted(path.name for path in folder.glob("*.o"))
    subprocess.run([*ZIG, *strict, *objects, "-o", program.name], cwd=folder, check=True)
    return program


def header(rate: int, channels: int, data: int, riff: int | None = None) -> bytes:
    """A WAV header of the helper's kind; ``riff`` for one that does not fit."""
    return struct.pack(
        "<4sI8sIHHIIHH4sI",
        b"RIFF",
        data + 36 if riff is None else riff,
        b"WAVEfmt ",
        16,
        1,
        channels,
        rate,
        rate * channels * 2,
        channels * 2,
        16,
        b"data",
        data,
    )
