"""What recorders on a lab phone are given to hear, since nobody speaks there."""

from __future__ import annotations

import hashlib
import io
import shlex
from fractions import Fraction

import av
import numpy as np

from tests.lab.phone import LabPhone

_FORMATS = {  # suffix: container, codec, rate
    "oga": ("ogg", "libopus", 48000),
    "m4a": ("mp4", "aac", 16000),
    "mp3": ("mp3", "mp3", 16000),
    "flac": ("flac", "flac", 16000),
    "wav": ("wav", "pcm_s16le", 16000),
}


def sound(suffix: str, seconds: float, tone: float) -> bytes:
    """A file as recorders' encoders make them: a tone, in the container that the suffix names."""
    container, codec, rate = _FORMATS[suffix]
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        samples = 8000 * np.sin(2 * np.pi * tone * np.arange(round(seconds * rate)) / rate)
        frame = av.AudioFrame.from_ndarray(
            samples.astype("<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        fitting = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or None)
        for piece in (*fitting.resample(frame), *fitting.resample(None)):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


class Hearing:
    """A stand-in of a recorder on a lab phone. ``home`` is its folder in the lab's state."""

    def __init__(self, phone: LabPhone, home: str) -> None:
        self.phone = phone
        self.home = home
        self.sounds: dict[str, bytes] = {}
        """SHA-256 -> what is, or was, to be heard."""
        self._count = 0

    def give(self, data: bytes, suffix: str) -> str:
        """What the next call sounds like; its SHA-256."""
        self._count += 1
        name = f"{self.home}/audio/{self._count:03}.{suffix}"
        self.phone.root(f"cat > {name}.new; chmod 666 {name}.new; mv {name}.new {name}", input=data)
        digest = hashlib.sha256(data).hexdigest()
        self.sounds[digest] = data
        return digest

    def goes_wrong(self, *words: str) -> None:
        """What goes wrong from the next call on; nothing without words."""
        self.phone.root(f"print -r -- {shlex.quote(' '.join(words))} > {self.home}/mode")
