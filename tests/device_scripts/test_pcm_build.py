"""The PCM helper's build: the same bytes everywhere, the ones that SHA256SUMS names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.device_scripts.pcm_tools import PCM

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64", "x86")


def _build(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "build.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources in another folder, with a space in its name, built there."""
    folder = tmp_path_factory.mktemp("pcm") / "another place"
    shutil.copytree(PCM, folder, ignore=shutil.ignore_patterns("bin"))
    done = _build(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_the_same_bytes_in_another_folder(elsewhere: Path) -> None:
    done = _build(PCM)
    assert done.returncode == 0, done.stderr
    for abi in ABIS:
        here, there = (root / "bin" / abi / "offhook-pcm" for root in (PCM, elsewhere))
        assert here.read_bytes() == there.read_bytes(), abi
        assert str(elsewhere).encode() not in there.read_bytes()
    check = ["sha256sum", "--strict", "--quiet", "-c", str(PCM / "SHA256SUMS")]
    assert subprocess.run(check, cwd=PCM / "bin", check=False).returncode == 0


def test_static_and_small(elsewhere: Path) -> None:
    for abi in ABIS:
        program = (elsewhere / "bin" / abi / "offhook-pcm").read_bytes()
        assert program[:4] == b"\x7fELF" and len(program) < 160_000
        assert b"/lib/ld-" not in program and b"libasound" not in program


def test_what_is_up_to_date_is_not_built_again(elsewhere: Path) -> None:
    program = elsewhere / "bin" / "x86" / "offhook-pcm"
    before = program.stat().st_mtime_ns
    assert _build(elsewhere).returncode == 0
    assert program.stat().st_mtime_ns == before
    program.write_bytes(b"spoilt")
    assert _build(elsewhere).returncode == 0
    assert program.read_bytes()[:4] == b"\x7fELF"


def test_other_hashes_are_a_failure(elsewhere: Path) -> None:
    sums = elsewhere / "SHA256SUMS"
    good = sums.read_text()
    sums.write_text(re.sub("^.", "x", good))
    done = _build(elsewhere)
    assert done.returncode == 1 and "--update" in done.stderr
    sums.write_text(good)


def test_what_does_not_compile_is_told(elsewhere: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(elsewhere, broken)
    (broken / "level.c").write_text("int unused(void) { int x; return 0; }\n")
    done = _build(broken, "--abi", "x86_64")
    assert done.returncode == 1 and "level.c" in done.stderr
    assert not [path for path in (broken / "bin" / "x86_64").iterdir() if path.is_dir()]
