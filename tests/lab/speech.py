"""What is said in a lab phone's calls: two people, who mostly talk at the same time."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.lab import rootfs
from tests.lab.errors import LabError

RATE = 48000
LEVEL_DB = -20.0
"""RMS of each side, in dB below full scale."""

_VOICES = (
    ("en-us+m3", 165),
    ("en-gb+f2", 185),
)  # owner, far end: espeak-ng's voice, words a minute
_WHO = [
    "my brother",
    "the landlord",
    "our new neighbour",
    "a nurse",
    "that driver",
    "the whole office",
]
_DOES = [
    "painted",
    "forgot",
    "sold",
    "repaired",
    "borrowed",
    "cannot find",
    "keeps talking about",
    "counted",
]
_WHAT = [
    "the blue bicycle",
    "two train tickets",
    "a garden fence",
    "the invoice",
    "every spare key",
]
_WHEN = [
    "on Tuesday",
    "before breakfast",
    "last winter",
    "at half past nine",
    "all by himself",
    "again",
]


def conversation(seconds: float, seed: int = 0) -> Path:
    """A stereo 48 kHz 16-bit WAV file of that length: left the owner, right the far end.

    The same for the same arguments, and different words for another ``seed``. Kept in the cache.
    Raises LabError where espeak-ng is missing or fails.
    """
    recipe = f"{Path(__file__).read_bytes()!r} {seconds:.3f} {seed}"
    name = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    folder = rootfs.cache_folder() / "speech"
    path = folder / f"{name}.wav"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        frames = round(seconds * RATE)
        legs = [_leg(frames, seed, side) for side in (0, 1)]
        _write(path, np.stack(legs, axis=1))
    return path


def _leg(frames: int, seed: int, side: int) -> npt.NDArray[np.float64]:
    """One side's samples, within -1 and 1."""
    chance = random.Random(f"{seed} {side}")
    parts = [np.zeros(0)]
    while sum(len(part) for part in parts) < frames:
        parts += [
            _say(_sentence(chance), *_VOICES[side]),
            np.zeros(int(chance.uniform(0, 0.2) * RATE)),
        ]
    samples = np.concatenate(parts)[:frames]
    level = np.sqrt(np.mean(samples**2)) if frames else 1.0
    return np.clip(samples / level * 10 ** (LEVEL_DB / 20), -0.99, 0.99)


def _sentence(chance: random.Random) -> str:
    words = " ".join(chance.choice(part) for part in (_WHO, _DOES, _WHAT, _WHEN))
    return f"{words}, number {chance.randrange(10, 1000)}."


def _say(text: str, voice: str, speed: int) -> npt.NDArray[np.float64]:
    program = shutil.which("espeak-ng")
    if program is None:
        raise LabError("espeak-ng is not installed", hint="apt-get install espeak-ng")
    with tempfile.TemporaryDirectory(prefix="offhook-lab-") as folder:
        target = Path(folder) / "said.wav"
        command = [program, "-v", voice, "-s", str(speed), "-w", str(target), text]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not target.exists():
            raise LabError(f"espeak-ng failed: {done.stderr.strip()}")
        with wave.open(str(target), "rb") as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    heard = np.flatnonzero(np.abs(samples) > 0.01)
    return _resample(samples[heard[0] : heard[-1] + 1], rate)


def _resample(samples: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """To RATE, by its spectrum: nothing is added above the old rate's half."""
    count = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)
    wider = np.zeros(count // 2 + 1, dtype=complex)
    wider[: len(spectrum)] = spectrum[: len(wider)]
    return np.fft.irfft(wider, count) * count / len(samples)


def _write(path: Path, samples: npt.NDArray[np.float64]) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file, wave.open(file, "wb") as wav:
            wav.setnchannels(samples.shape[1])
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
        Path(beside).rename(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
