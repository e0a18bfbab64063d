"""FLAC as it is recorded: whole frames at once, so that what a killed program leaves can be read.

FLAC's format is RFC 9639: ``fLaC``, STREAMINFO, a comment that says when it was recorded, then
frames of which each can be decoded alone. The encoder and the decoder are FFmpeg's, by PyAV (the
``audio`` extra).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.audio.decode import HINT, have_av, have_numpy
from agent.errors import AudioError

INFO_AT = 8  # where STREAMINFO begins in the file
_INFO_SIZE = 34
_COMMENT = 4  # the kind of block that VORBIS_COMMENT is
_LAST = 0x80  # of a block's first byte: frames follow it
_MOST_FRAMES = (1 << 36) - 1  # that STREAMINFO can tell of
_LAYOUTS = {1: "mono", 2: "stereo"}


def require() -> None:
    """AudioError, with the extra to install, where FLAC can't be written or measured."""
    missing = [name for name, there in (("PyAV", have_av()), ("numpy", have_numpy())) if not there]
    if missing:
        raise AudioError(
            f"recording on this computer needs {' and '.join(missing)}, "
            f"which {'are' if len(missing) > 1 else 'is'} not installed",
            hint=HINT,
        )


class Encoder:
    """Samples (int16, little-endian, interleaved) to the bytes of a FLAC file.

    ``date`` is when it was recorded: the file says so wherever it goes, and two calls have not the
    same bytes, even if a muted microphone heard both. ``frames`` counts what was taken so far, in
    samples of each channel.
    """

    def __init__(self, rate: int, channels: int, date: str) -> None:
        require()
        if channels not in _LAYOUTS or not 1 <= rate <= 655_350:
            raise AudioError(f"{channels} channels of {rate} Hz can't be recorded")
        import av

        self._codec: Any = av.CodecContext.create("flac", "w")
        self._codec.sample_rate = rate
        self._codec.layout = _LAYOUTS[channels]
        self._codec.format = "s16"
        self._codec.open()
        self._size = int(self._codec.frame_size) * 2 * channels
        self._rest = bytearray()
        self._md5 = hashlib.md5(usedforsecurity=False)  # STREAMINFO's; the archive has SHA-256
        self.rate, self.channels, self.frames = rate, channels, 0
        self._date = date

    @property
    def header(self) -> bytes:
        """How the file begins. What is not known before its end (how large the frames are, how
        many, their MD5) is 0, as the format has it."""
        info = bytearray(bytes(self._codec.extradata)[:_INFO_SIZE])
        info[4:10] = bytes(6)
        return b"fLaC" + bytes([0, 0, 0, _INFO_SIZE]) + bytes(info) + _comment(f"DATE={self._date}")

    @property
    def md5(self) -> bytes:
        """The MD5 of all samples so far, as STREAMINFO has it in the end."""
        return self._md5.digest()

    def add(self, samples: bytes) -> bytes:
        """The whole frames of FLAC that there are now."""
        self._md5.update(samples)
        self.frames += len(samples) // (2 * self.channels)
        self._rest += samples
        out = bytearray()
        while len(self._rest) >= self._size:
            out += self._encoded(bytes(self._rest[: self._size]))
            del self._rest[: self._size]
        return bytes(out)

    def end(self) -> bytes:
        """The last frames."""
        out = bytearray()
        if self._rest:
            out += self._encoded(bytes(self._rest))
            self._rest.clear()
        out += b"".join(bytes(packet) for packet in self._codec.encode(None))
        return bytes(out)

    def _encoded(self, samples: bytes) -> bytes:
        import av

        layout = _LAYOUTS[self.channels]
        frame = av.AudioFrame("s16", layout, len(samples) // (2 * self.channels))
        frame.planes[0].update(samples)
        frame.sample_rate = self.rate
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


@dataclass(frozen=True)
class Found:
    """What can be read of a FLAC file: so many frames (samples of each channel), in its first
    ``size`` bytes, with this MD5; and the header that says so."""

    frames: int
    size: int
    md5: bytes
    header: bytes


def look(path: Path) -> Found:
    """Read a FLAC file of :class:`Encoder` from end to end, to its end or to its first frame that
    is not whole; AudioError when not even its beginning can be read."""
    begin, size = _begin(path)
    md5 = hashlib.md5(usedforsecurity=False)
    frames = 0
    for length, count, samples in _frames(path):
        md5.update(samples)
        frames, size = frames + count, size + length
    return Found(frames, size, md5.digest(), begin[:INFO_AT] + _info(begin, frames, md5.digest()))


def samples_of(path: Path) -> Iterator[bytes]:
    """The samples that can be read of a FLAC file, as :class:`Encoder` takes them."""
    _begin(path)
    return (samples for _, _, samples in _frames(path))


def _frames(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Each whole frame's size in bytes, its number of samples, and these."""
    require()
    import av

    try:
        with av.open(str(path), mode="r", format="flac") as container:
            stream = container.streams.audio[0]
            # A frame that was cut is an error, and not noise.
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
            for packet in container.demux(stream):
                for frame in packet.decode():
                    size = frame.samples * 2 * len(frame.layout.channels)
                    yield packet.size, frame.samples, bytes(frame.planes[0])[:size]
    except (OSError, ValueError, av.FFmpegError):
        return


def _begin(path: Path) -> tuple[bytes, int]:
    """Up to STREAMINFO's end, and where the first frame begins."""
    try:
        with path.open("rb") as file:
            begin = file.read(INFO_AT + _INFO_SIZE)
            if len(begin) < INFO_AT + _INFO_SIZE or not begin.startswith(b"fLaC"):
                raise AudioError(f"{path.name} is no FLAC file")
            block = begin[4:INFO_AT]
            while not block[0] & _LAST:
                block = file.read(4)
                size = int.from_bytes(block[1:], "big")
                if len(block) < 4 or len(file.read(size)) < size:
                    raise AudioError(f"{path.name} ends before its sound begins")
            return begin, file.tell()
    except OSError as error:
        raise AudioError(f"can't read {path.name}: {error.strerror}") from error


def _comment(*said: str) -> bytes:
    """The last block before the frames: VORBIS_COMMENT, by Offhook (RFC 9639, 8.6)."""
    words = [b"Offhook", *(one.encode() for one in said)]
    sized = [len(word).to_bytes(4, "little") + word for word in words]
    body = sized[0] + len(said).to_bytes(4, "little") + b"".join(sized[1:])
    return bytes([_LAST | _COMMENT]) + len(body).to_bytes(3, "big") + body


def _info(begin: bytes, frames: int, md5: bytes) -> bytes:
    """STREAMINFO, with how long the whole is, and its MD5."""
    info = bytearray(begin[INFO_AT:])
    packed = int.from_bytes(info[10:18], "big") >> 36 << 36
    info[10:18] = (packed | (frames if frames <= _MOST_FRAMES else 0)).to_bytes(8, "big")
    info[18:34] = md5
    return bytes(info)
