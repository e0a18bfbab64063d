"""WAV files, read without any library: also cut ones, and ones whose header was never finished."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.errors import AudioError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODECS = {
    (_PCM, 8): "pcm_u8",
    (_PCM, 16): "pcm_s16le",
    (_PCM, 24): "pcm_s24le",
    (_PCM, 32): "pcm_s32le",
    (_FLOAT, 32): "pcm_f32le",
}
_MOST_HEADER = 1 << 16  # bytes before the samples; more is not a recording


@dataclass(frozen=True)
class Wav:
    """What a WAV file's header says, and where its samples are.

    ``frames`` counts what is really there; ``problem`` says what is wrong with the file, if the
    samples can be read all the same.
    """

    path: Path
    codec: str
    rate: int
    channels: int
    width: int
    offset: int
    frames: int
    problem: str | None = None

    def chunks(self, frames: int, start: int = 0) -> Iterator[bytes]:
        """The samples as they are stored, at most ``frames`` at a time, from a frame on."""
        step = self.width * self.channels
        left = max(self.frames - start, 0)
        with self.path.open("rb") as file:
            file.seek(self.offset + start * step)
            while left > 0:
                data = file.read(min(frames, left) * step)
                if len(data) < step:
                    return
                yield data[: len(data) // step * step]
                left -= len(data) // step


def is_wav(path: Path) -> bool:
    """Whether a file begins as a WAV file does."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def read_header(path: Path) -> Wav:
    """The header of a WAV file; AudioError says what is missing or not understood."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            raise AudioError(f"{path.name} is not a WAV file")
        return _read_chunks(path, file, size)


def _read_chunks(path: Path, file: BinaryIO, size: int) -> Wav:
    form: tuple[str, int, int, int] | None = None
    while True:
        head = file.read(8)
        if len(head) < 8 or file.tell() > _MOST_HEADER:
            raise AudioError(f"{path.name} is a WAV file without samples")
        kind, length = head[:4], int(struct.unpack("<I", head[4:])[0])
        if kind == b"fmt ":
            form = _read_format(path, file.read(min(length, 64)))
            file.seek(max(length - 64, 0) + length % 2, 1)
        elif kind == b"data":
            break
        else:
            file.seek(length + length % 2, 1)
    if form is None:
        raise AudioError(f"{path.name} is a WAV file that does not say its format")
    codec, rate, channels, width = form
    there = size - file.tell()
    problem = None
    if length > there:
        problem = "the header promises more sound than there is"
    elif length == 0 and there > 0:
        problem = "the header was never finished"
        length = there
    frames = min(length, there) // (width * channels)
    return Wav(path, codec, rate, channels, width, file.tell(), frames, problem)


def _read_format(path: Path, data: bytes) -> tuple[str, int, int, int]:
    if len(data) < 16:
        raise AudioError(f"{path.name} is a WAV file with half a header")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", data[:16])
    if tag == _EXTENSIBLE and len(data) >= 26:
        tag = struct.unpack("<H", data[24:26])[0]
    codec = _CODECS.get((tag, bits))
    if codec is None:
        raise AudioError(f"{path.name} is a WAV file of kind {tag} with {bits} bits")
    if not 1 <= channels <= 32 or not 1 <= rate <= 1_000_000:
        raise AudioError(f"{path.name} claims {channels} channels at {rate} Hz")
    return codec, rate, channels, bits // 8
