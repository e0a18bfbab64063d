"""What runs on the phone is found: in a checkout, in an editable install, and in a wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.phone import scripts

ROOT = Path(__file__).parents[2]
ASK = (
    "from agent.phone import scripts; print(scripts.scripts_dir()); "
    "print(len(scripts.script('offhookd.sh')), *(scripts.helper(a)[0] for a in scripts.ABIS))"
)


def ask(python_path: Path | None, where: Path) -> str:
    """What a new interpreter finds, run in an unrelated folder."""
    command = [sys.executable, "-c", ASK]
    env = {"PATH": "/usr/bin:/bin"}
    if python_path is not None:
        env["PYTHONPATH"] = str(python_path)
        command.insert(1, "-S")  # without the editable install
        env["PYTHONPATH"] += f":{Path(pytest.__file__).parent.parent}"
    done = subprocess.run(command, cwd=where, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_in_a_checkout(tmp_path: Path) -> None:
    assert str(ROOT / "device_scripts") in ask(ROOT, tmp_path)


def test_in_an_editable_install(tmp_path: Path) -> None:
    said = ask(None, tmp_path)
    assert str(ROOT / "device_scripts") in said
    assert said.split()[-4:] == list(scripts.ABIS)


def test_in_a_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("offhook-*.whl")
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(target)
    said = ask(target, tmp_path)
    assert str(target / "agent" / "_device_scripts") in said
    assert said.split()[-4:] == list(scripts.ABIS)
    assert not [name for name in names if name.startswith("tests/")]


def test_a_helper_that_is_not_the_one_named_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pcm" / "bin" / "x86_64"
    folder.mkdir(parents=True)
    monkeypatch.setattr(scripts, "scripts_dir", lambda: tmp_path)
    with pytest.raises(ConfigError, match="was not built"):
        scripts.helper("x86_64,x86")
    (folder / "offhook-pcm").write_bytes(b"something else")
    (tmp_path / "pcm" / "SHA256SUMS").write_text(f"{'0' * 64}  x86_64/offhook-pcm\n")
    with pytest.raises(ConfigError, match="not the one"):
        scripts.helper("x86_64,x86")
    with pytest.raises(ConfigError, match="processor"):
        scripts.helper("mips")
