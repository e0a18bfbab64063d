"""`python -m tests.lab` as one types it, in two terminals."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import registry, wire
from tests.lab.errors import LabError
from tests.lab.host import _check_user
from tests.lab.phone import LabPhone

LAB = [sys.executable, "-m", "tests.lab"]
SERIAL = f"CMD{os.getpid()}"


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def started() -> Iterator[subprocess.Popen[str]]:
    command = [*LAB, "start", "--serial", SERIAL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        yield process
        if process.poll() is None:
            process.kill()


def test_a_phone_is_played_with_from_another_terminal(started: subprocess.Popen[str]) -> None:
    note = registry.find(SERIAL)
    assert f"{SERIAL}\t127.0.0.1:{note['port']}\thost\tplain\n" in lab("list").stdout
    played = lab("call", "--serial", SERIAL, "--ring", "0.1", "--active", "0.2", "--contact", "A'b")
    assert played.returncode == 0, played.stderr
    assert [line.split()[-1] for line in played.stdout.splitlines()[:4]] == [
        "ringing",
        "offhook",
        "active",
        "idle",
    ]
    assert lab("su", "--serial", SERIAL, "deny", "slow", "2").returncode == 0
    said = lab("root", "--serial", SERIAL, "cat /lab/state/su/mode")
    assert said.stdout == "deny slow 2\n"
    started.send_signal(signal.SIGTERM)
    assert started.wait(30) == 0
    assert not Path(f"/proc/{note['pid']}").exists()


def test_a_phone_ends_with_whoever_started_it(started: subprocess.Popen[str]) -> None:
    note = registry.find(SERIAL)
    gone = os.pidfd_open(int(str(note["pid"])))
    started.kill()
    started.wait()
    poll = select.poll()
    poll.register(gone, select.POLLIN)  # readable when the process has ended
    assert poll.poll(10_000), "the phone is still there"
    os.close(gone)
    with pytest.raises(LabError, match=f"no lab phone {SERIAL} runs"):
        registry.find(SERIAL)
    with pytest.raises(OSError, match="refused"):
        wire.greet(("127.0.0.1", int(str(note["port"]))), 1)
    with LabPhone() as other:  # the next one that starts tidies up
        assert other._claim is not None
        assert not (other._claim.folder.parent / SERIAL).exists()


def test_one_clear_message(capsys: pytest.CaptureFixture[str]) -> None:
    said = lab("call", "--serial", "NOBODY")
    assert said.returncode == 1
    assert said.stderr.startswith("lab: no lab phone NOBODY runs; running: ")
    assert "Traceback" not in said.stderr
    assert lab("start", "--serial", "../../etc").stderr.startswith("lab: a serial is letters")


def test_help_says_what_there_is() -> None:
    said = lab("--help").stdout
    assert all(word in said for word in ("start", "call", "su", "root", "list"))
    assert "--presentation" in lab("call", "--help").stdout


def test_an_ordinary_user_without_fuse_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(LabError, match="may not open /dev/fuse") as caught:
        _check_user()
    assert caught.value.hint is not None and "0666" in caught.value.hint


def test_an_ordinary_user_without_newuidmap_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(LabError, match="newuidmap is not installed"):
        _check_user()
