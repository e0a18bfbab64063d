"""What others in a call are given to hear, and what is written down of it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.audio import announce
from agent.audio.announce import Announcer, clip, prepare, tone
from agent.capture.announcement import Announcement, announcement_of
from agent.config import load_config
from agent.errors import AudioError, ConfigError
from tests.faults.memory import wav

ROOT = Path(__file__).parents[2]
TONE = Announcement("tone", every_s=15)


def test_the_tone_is_1400_hz_for_half_a_second_without_a_click() -> None:
    samples = np.frombuffer(tone(), dtype="<i2").astype(float)
    assert len(samples) == 24000
    loudest = np.argmax(np.abs(np.fft.rfft(samples))) * 48000 / len(samples)
    assert loudest == pytest.approx(1400, rel=0.015)
    assert abs(samples[[0, -1]]).max() < 100
    assert 7000 < abs(samples).max() < 8400


class Loudspeaker:
    """In place of PortAudio: what is played ends at once, or when it is stopped."""

    def __init__(self, times: int, *, ends: bool = True, fails: int = 0) -> None:
        self.played: list[bytes] = []
        self.devices: set[str | None] = set()
        self.enough = threading.Event()
        self.fails = fails
        self._times, self._ends = times, ends

    def __call__(
        self, path: Path, *, device: str | None, stop: Callable[[], bool], **_: Any
    ) -> float:
        with wave.open(str(path)) as file:
            self.played.append(file.readframes(file.getnframes()))
        self.devices.add(device)
        if len(self.played) == self._times:
            self.enough.set()
        if len(self.played) <= self.fails:
            raise AudioError("no sound device can play")
        while not self._ends and not stop():
            threading.Event().wait(0.005)
        return 1.0


def heard(wanted: Announcement, loudspeaker: Loudspeaker) -> Any:
    clock = itertools.count(1000, 10)
    with Announcer(wanted, clock=lambda: next(clock), play=loudspeaker) as announcer:
        assert loudspeaker.enough.wait(10)
    return announcer.fact()


def test_it_is_played_again_and_again_until_the_call_ends() -> None:
    # as often as every 15 s, without waiting for that long
    wanted = Announcement("tone", output="Speakers")
    object.__setattr__(wanted, "every_s", 0.01)
    loudspeaker = Loudspeaker(3)
    fact = heard(wanted, loudspeaker)
    assert fact["kind"] == "tone"
    assert fact["at_ms"][:2] == [1000, 1010]
    assert loudspeaker.played[0] == tone()
    assert loudspeaker.devices == {"Speakers"}


def test_once_is_once_and_one_cut_short_does_not_count() -> None:
    loudspeaker = Loudspeaker(1)
    with Announcer(Announcement("tone"), clock=lambda: 7, play=loudspeaker) as announcer:
        thread = announcer._thread
        assert thread is not None
        thread.join(10)
        assert announcer.fact() == {"kind": "tone", "at_ms": [7]}
    assert len(loudspeaker.played) == 1
    cut = heard(TONE, Loudspeaker(1, ends=False))
    assert cut == {"kind": "tone", "at_ms": []}


def test_a_loudspeaker_that_fails_ends_nothing_and_is_told() -> None:
    wanted = Announcement("tone")
    object.__setattr__(wanted, "every_s", 0.01)
    fact = heard(wanted, Loudspeaker(4, fails=2))
    assert fact["problem"] == "no sound device can play"
    assert len(fact["at_ms"]) >= 1
    gone = Announcement("spoken", file="/nowhere/notice.wav")
    with Announcer(gone) as announcer:
        pass
    assert "notice.wav" in (announcer.fact() or {})["problem"]
    with Announcer(Announcement()) as silent:
        assert silent._thread is None
    assert silent.fact() is None


def test_a_spoken_notice_is_the_users_file_or_espeak_ngs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notice.wav"
    path.write_bytes(wav(1.0))
    with clip(Announcement("spoken", file=str(path))) as found:
        assert found == path
    path.write_bytes(wav(31.0))
    with pytest.raises(AudioError, match="31 s long"), clip(Announcement("spoken", file=str(path))):
        pass
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "espeak-ng"
    fake.write_text('#!/bin/sh\ncat > "$0.text"; echo "$2" > "$0.voice"; cp "$0.wav" "$4"\n')
    fake.chmod(0o700)
    (programs / "espeak-ng.wav").write_bytes(wav(0.5))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with clip(Announcement("spoken", text="-w gotcha", language="de")) as found:
        assert found.read_bytes() == wav(0.5)
    assert not found.exists()
    assert (programs / "espeak-ng.text").read_text() == "-w gotcha"
    assert (programs / "espeak-ng.voice").read_text() == "de\n"
    fake.write_text("#!/bin/sh\necho 'no such voice\033[31m' >&2; exit 1\n")
    with pytest.raises(AudioError, match=r"no such voice\\x1b"), clip(Announcement("spoken")):
        pass
    monkeypatch.setattr(announce.shutil, "which", lambda _: None)
    with pytest.raises(AudioError, match="not installed"), clip(Announcement("spoken")):
        pass


def test_it_is_heard_through_a_real_portaudio(tmp_path: Path) -> None:
    out = tmp_path / "tape.raw"
    (tmp_path / "alsa.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.tape {{ type file slave.pcm "null" file "{out}" format "raw" }}\n'
        'pcm.!default { type plug slave.pcm "tape" }\n'
        "ctl.!default { type null }\n"
    )
    script = (
        "from agent.audio.announce import *\n"
        "from agent.capture.announcement import Announcement\n"
        "prepare(Announcement('tone'))\n"
        "try: prepare(Announcement('tone', output='no such'))\n"
        "except Exception as e: print(e)\n"
        "with Announcer(Announcement('tone'), clock=lambda: 5) as a: a._thread.join()\n"
        "print(a.fact())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "no sound device is called 'no such'",
        "{'kind': 'tone', 'at_ms': [5]}",
    ]
    assert array("h", out.read_bytes()) == array("h", tone())
    assert prepare is announce.prepare


def configured(tmp_path: Path, text: str) -> Announcement:
    (tmp_path / "offhook.toml").write_text(f"[consent]\n{text}\n")
    return load_config(tmp_path).announce


def test_the_setting(tmp_path: Path) -> None:
    assert load_config(tmp_path).announce == Announcement()
    assert configured(tmp_path, 'announce = "tone"') == TONE
    spoken = configured(tmp_path, 'announce = "spoken"\nannounce_file = "/x.wav"')
    assert spoken == Announcement("spoken", file="/x.wav")
    assert announcement_of(spoken.as_dict()) == spoken
    assert configured(tmp_path, 'announce = "tone"\nannounce_every_s = 0').every_s == 0
    for wrong in (
        'announce = "beep"',
        "announce_every_s = 1",
        "announce_every_s = true",
        'announce_language = "en; rm"',
        'announce_file = "x.wav"',
        'announce_text = " "',
        "announce_required = 1",
        "anounce = 1",
    ):
        with pytest.raises(ConfigError):
            configured(tmp_path, wrong)
