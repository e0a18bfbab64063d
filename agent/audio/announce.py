"""Letting the others in a call hear that it is recorded: a tone, or a spoken notice, played by
this computer's loudspeaker beside a phone on speakerphone.

The tone is 1400 Hz for half a second every 15 s: the recorder warning tone of US Federal Standard
1037C. (47 CFR 64.501, gone since 2017, asked telephone companies for a tone by FCC Docket 6787,
whose own figures were not to be had.)
"""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import tempfile
import threading
import time
import wave
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from agent.audio import play as player
from agent.audio.decode import open_stream
from agent.capture.announcement import Announcement
from agent.errors import AudioError
from agent.text import shown

TONE_HZ = 1400
TONE_S = 0.5
TONE_EVERY_S = 15
_RATE = 48000
_PEAK = 0.25  # of full scale: about as loud as speech is on average
_EDGE_S = 0.01  # without a click at either end
_LONGEST_S = 30.0  # a notice that is longer is no notice
_SPEAKING_S = 30.0


def tone() -> bytes:
    """One warning tone: int16 mono samples at 48 kHz."""
    frames, edge = round(_RATE * TONE_S), round(_RATE * _EDGE_S)
    samples = array("h")
    for n in range(frames):
        fade = min(1.0, (n + 1) / edge, (frames - n) / edge)
        loud = _PEAK * math.sin(fade * math.pi / 2) ** 2
        samples.append(round(32767 * loud * math.sin(2 * math.pi * TONE_HZ * n / _RATE)))
    return samples.tobytes()


@contextlib.contextmanager
def clip(wanted: Announcement) -> Iterator[Path]:
    """The sound to play, as a WAV file; AudioError where it can't be had."""
    if wanted.kind == "spoken" and wanted.file is not None:
        path = Path(wanted.file)
        _check_length(path)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="offhook-") as folder:
        path = Path(folder) / "announcement.wav"
        if wanted.kind == "spoken":
            _speak(wanted, path)
            _check_length(path)
        else:
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, _RATE, 0, "NONE", ""))
                file.writeframes(tone())
        yield path


def prepare(wanted: Announcement) -> None:
    """See that it could be played now; AudioError says what is missing."""
    with clip(wanted):
        player.check_output(wanted.output)


def _speak(wanted: Announcement, path: Path) -> None:
    program = shutil.which("espeak-ng")
    if program is None:
        raise AudioError(
            "a spoken announcement needs a recording of it, or espeak-ng, which is not installed",
            hint="Set announce_file in offhook.toml to a WAV file, or install espeak-ng.",
        )
    try:
        # The text on standard input: it may begin with a dash.
        done = subprocess.run(
            [program, "-v", wanted.language, "-w", str(path), "--stdin"],
            input=wanted.text.encode(),
            capture_output=True,
            timeout=_SPEAKING_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioError(f"espeak-ng does not speak: {error}") from error
    if done.returncode != 0 or not path.is_file():
        words = shown(done.stderr.decode("utf-8", "replace").strip())
        raise AudioError(
            f"espeak-ng does not speak {wanted.language!r}: {words or done.returncode}",
            hint="`espeak-ng --voices` lists what announce_language may be.",
        )


def _check_length(path: Path) -> None:
    found = open_stream(path).wav
    if found is None:
        raise AudioError(f"the announcement {path.name} is not a WAV file")
    length = found.frames / found.rate
    if not 0 < length <= _LONGEST_S:
        raise AudioError(
            f"the announcement {path.name} is {length:.0f} s long, not up to {_LONGEST_S:.0f} s"
        )


class Announcer:
    """Announces one call, from being entered until it is left, in a thread of its own.

    What fails is not raised, for the call goes on: it is in :meth:`fact`. ``clock`` gives
    milliseconds since 1970; ``play`` is :func:`agent.audio.play.play`.
    """

    def __init__(
        self,
        wanted: Announcement,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        play: Callable[..., float] = player.play,
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._play = play
        self._at_ms: list[int] = []
        self._problem: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._wanted.wanted:
            self._thread = threading.Thread(target=self._run, name="announcer")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No more of it; harmless twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def fact(self) -> dict[str, Any] | None:
        """What was announced, and when each began, for the recording's fact ``announced``; None
        where nothing was to be. One that the call's end cut short does not count."""
        if not self._wanted.wanted:
            return None
        said: dict[str, Any] = {"kind": self._wanted.kind, "at_ms": list(self._at_ms)}
        if self._problem is not None:
            said["problem"] = self._problem
        return said

    def _run(self) -> None:
        try:
            with clip(self._wanted) as path:
                while not self._stop.is_set():
                    began = time.monotonic()
                    self._once(path)
                    if not self._wanted.every_s:
                        return
                    self._stop.wait(max(0.0, began + self._wanted.every_s - time.monotonic()))
        except AudioError as error:
            self._problem = error.message

    def _once(self, path: Path) -> None:
        at = self._clock()
        try:
            self._play(path, device=self._wanted.output, stop=self._stop.is_set)
        except AudioError as error:
            self._problem = error.message  # a loudspeaker that went may come back
            return
        if not self._stop.is_set():
            self._at_ms.append(at)
