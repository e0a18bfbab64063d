"""Any recording as samples: WAV files by ourselves, the rest with PyAV (the ``audio`` extra)."""

from __future__ import annotations

import importlib.util
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.audio.wav import Wav, is_wav, read_header
from agent.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HINT = "Install the sound libraries: in Offhook's checkout, pip install '.[audio]'"


@dataclass(frozen=True)
class Stream:
    """A recording opened for decoding; ``wav`` is set when no library is needed."""

    path: Path
    format: str
    codec: str
    rate: int
    channels: int
    wav: Wav | None = None
    problem: str | None = None


def have_numpy() -> bool:
    """Whether numpy is installed."""
    return importlib.util.find_spec("numpy") is not None


def have_av() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def open_stream(path: Path) -> Stream:
    """What a recording is; AudioError when that can't be known."""
    try:
        if is_wav(path):
            wav = read_header(path)
            return Stream(path, "wav", wav.codec, wav.rate, wav.channels, wav, wav.problem)
    except OSError as error:
        raise AudioError(f"can't read {path.name}: {error.strerror}") from error
    if not have_av() or not have_numpy():
        raise AudioError(f"{path.name} is not a WAV file, and PyAV is not installed", hint=HINT)
    import av

    try:
        with av.open(str(path), mode="r") as container:
            stream = _audio_stream(container)
            return Stream(
                path,
                str(container.format.name).split(",")[0],
                str(stream.codec_context.name),
                int(stream.codec_context.sample_rate),
                int(stream.codec_context.channels),
            )
    except (OSError, ValueError, av.FFmpegError) as error:
        raise AudioError(f"{path.name} can't be decoded: {_reason(error)}") from error


def blocks(stream: Stream, start: float = 0.0) -> Iterator[NDArray[np.float32]]:
    """The sound in blocks of shape (frames, channels), full scale ±1, from ``start`` seconds on.

    AudioError where the file is broken, after the blocks before that.
    """
    if stream.wav is not None:
        for raw in stream.wav.chunks(stream.rate, int(start * stream.rate)):
            yield _floats(raw, stream.wav)
        return
    yield from _decoded(stream, start)


def wav_samples(raw: bytes, wav: Wav) -> array[int] | array[float]:
    """Stored samples as an array of whole numbers (or floats), without numpy."""
    if wav.codec == "pcm_s16le":
        return array("h", raw)
    if wav.codec == "pcm_s32le":
        return array("i", raw)
    if wav.codec == "pcm_f32le":
        return array("f", raw)
    if wav.codec == "pcm_u8":
        return array("h", [byte - 128 for byte in raw])
    padded = bytearray(len(raw) // 3 * 4)
    for byte in range(3):
        padded[byte + 1 :: 4] = raw[byte::3]
    return array("i", bytes(padded))


def full_scale(wav: Wav) -> float:
    """What 1.0 is in the numbers of :func:`wav_samples`."""
    scales = {"pcm_s16le": 32768.0, "pcm_u8": 128.0, "pcm_f32le": 1.0}
    return scales.get(wav.codec, 2147483648.0)


def _floats(raw: bytes, wav: Wav) -> NDArray[np.float32]:
    import numpy as np

    if wav.codec == "pcm_s16le":
        flat = np.frombuffer(raw, "<i2").astype(np.float32)
    elif wav.codec == "pcm_f32le":
        flat = np.nan_to_num(np.frombuffer(raw, "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
    else:
        flat = np.array(wav_samples(raw, wav), dtype=np.float32)
    flat = flat / np.float32(full_scale(wav))
    return flat.reshape(-1, wav.channels)


def _decoded(stream: Stream, start: float) -> Iterator[NDArray[np.float32]]:
    import av
    import numpy as np

    skip = int(start * stream.rate)
    try:
        with av.open(str(stream.path), mode="r") as container:
            resampler = av.AudioResampler(format="flt", rate=stream.rate)
            source = _audio_stream(container)
            for frame in container.decode(source):
                for out in resampler.resample(frame):
                    flat = np.asarray(out.to_ndarray(), dtype=np.float32)
                    block = flat.reshape(-1, len(out.layout.channels))
                    if skip >= len(block):
                        skip -= len(block)
                        continue
                    yield block[skip:, : stream.channels]
                    skip = 0
    except (OSError, ValueError, av.FFmpegError) as error:
        raise AudioError(
            f"{stream.path.name} can't be decoded further: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """FFmpeg's words, without the paths that it adds to them."""
    return str(getattr(error, "strerror", None) or error)


def _audio_stream(container: Any) -> Any:
    if not container.streams.audio:
        raise ValueError("there is no sound in it")
    stream = container.streams.audio[0]
    codec = stream.codec_context  # None where FFmpeg has no decoder
    if codec is None:
        raise ValueError("its sound is of a kind that is not known here")
    if not codec.sample_rate or not codec.channels:
        raise ValueError("it does not say how its sound is kept")
    return stream
