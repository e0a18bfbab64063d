"""A call on a phone with sound, and an ear at its card."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.lab.phone import LabPhone
from tests.lab.speech import RATE, conversation
from tests.lab_tests.conftest import Adb, adb
from tests.sound import read_wav

__all__ = ["Adb", "adb"]

Samples = npt.NDArray[np.float64]


@pytest.fixture(scope="session")
def ear_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    target = tmp_path_factory.mktemp("ear") / "ear"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-static"]
    command += ["-Os", "-Wall", "-Wextra", "-Werror", "-o", str(target)]
    subprocess.run([*command, str(Path(__file__).with_name("ear.c"))], check=True)
    return target.read_bytes()


@dataclass(frozen=True)
class Heard:
    """``samples``: frames × channels. ``steps``: each step, the frame it began at, overruns."""

    samples: Samples
    steps: list[tuple[str, int, int]]

    def of(self, number: int) -> Samples:
        """What was heard in that step."""
        begins = [frame for _, frame, _ in self.steps] + [len(self.samples)]
        return self.samples[begins[number] : begins[number + 1]]


class Ear:
    """Captures from the phone's card, as root and past adb."""

    def __init__(self, phone: LabPhone, program: bytes, device: int) -> None:
        self.phone = phone
        self.device = device
        phone.root("cat > /tmp/ear; chmod 0700 /tmp/ear", input=program)

    def hear(self, *steps: str, channels: int = 2, rate: int = RATE) -> Heard:
        """What is heard in those steps, without a break that they did not ask for.

        A computer that is busy elsewhere for a second makes an overrun here, or an underrun in
        the modem, which counts them; then all of it is done again.
        """
        wanted = sum(step.startswith("sleep:") for step in steps)
        for _ in range(4):
            before = self._account()
            heard = self._hear(steps, channels, rate)
            whole = sum(overruns for _, _, overruns in heard.steps) <= wanted
            if whole and self._account()["xruns"] == before["xruns"]:
                return heard
        pytest.fail(f"this computer is too busy to hear {steps} without a break")

    def _account(self) -> Any:
        return json.loads(self.phone.root("cat /lab/state/modem.json"))

    def _hear(self, steps: tuple[str, ...], channels: int, rate: int) -> Heard:
        words = [str(self.device), str(channels), str(rate), "/tmp/heard", *steps]
        said = self.phone.root(f"/tmp/ear {shlex.join(words)}", timeout=60)
        raw = self.phone.machine.run("cat /tmp/heard; rm /tmp/heard", input=b"", timeout=30).stdout
        samples = np.frombuffer(raw, "<i2").reshape(-1, channels).astype(np.float64)
        rows = [line.split(" ", 1) for line in said.splitlines()]
        ends = [(frame, *rest.rsplit(" ", 1)) for frame, rest in rows]
        return Heard(samples, [(what, int(frame), int(over)) for frame, what, over in ends])


@dataclass(frozen=True)
class Talk:
    """A call that is active: what its ends say, and the modem's own account of it."""

    phone: LabPhone
    speech: Samples

    @property
    def account(self) -> Any:
        return json.loads(self.phone.root("cat /lab/state/modem.json"))

    def likeness(self, heard: Samples, leg: int) -> float:
        """The best correlation of one channel with one end of the line, at any lag."""
        said = self.speech[:, leg]
        size = 1 << (len(said) + len(heard)).bit_length()
        product = np.fft.rfft(said, size) * np.conj(np.fft.rfft(heard, size))
        start = int(np.argmax(np.fft.irfft(product, size)[: len(said) - len(heard) + 1]))
        window = said[start : start + len(heard)]
        scale = float(np.sqrt(np.dot(window, window) * np.dot(heard, heard)))
        return float(np.dot(window, heard)) / scale if scale else 0.0


@pytest.fixture
def talk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[LabPhone], Talk]]:
    """Begins a call that lasts as long as the test, with speech for several tries."""
    phones: list[LabPhone] = []

    def begin(phone: LabPhone) -> Talk:
        path = conversation(60, seed=len(request.node.name))
        phone.root("cat > /tmp/speech.wav", input=path.read_bytes())
        phone.root("/lab/bin/modem start /tmp/speech.wav")
        phones.append(phone)
        return Talk(phone, read_wav(path)[0])

    yield begin
    for phone in phones:
        phone.root("/lab/bin/modem stop; rm /tmp/speech.wav")
