"""A recording as a picture made of letters: one row a channel, its loudness over time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.audio.decode import Stream, blocks, full_scale, have_numpy, open_stream, wav_samples
from agent.audio.measure import dbfs

BLOCKS = " ▁▂▃▄▅▆▇█"
_LOWEST_DBFS = -54.0  # drawn as nothing: a step of the picture is 6 dB


def waveform(path: Path, width: int, duration_s: float) -> list[str]:
    """One string of ``width`` letters for each channel; ``duration_s`` is the whole's length.

    AudioError when the recording can't be decoded at all; what is missing at its end is blank.
    """
    return ["".join(map(_letter, row)) for row in peaks(path, width, duration_s)]


def peaks(path: Path, width: int, duration_s: float) -> list[list[float]]:
    """The highest level (full scale 1) in each of ``width`` equal times, for each channel."""
    stream = open_stream(path)
    total = max(round(duration_s * stream.rate), 1)
    found = [[0.0] * width for _ in range(stream.channels)]
    for first, highest in _pieces(stream, max(total // width, 1)):
        column = min(first * width // total, width - 1)
        for channel, value in enumerate(highest):
            found[channel][column] = max(found[channel][column], value)
    return found


def _pieces(stream: Stream, frames: int) -> Iterator[tuple[int, list[float]]]:
    """Pieces of at most so many frames: the number of the first one, the peak of each channel."""
    position = 0
    if have_numpy():
        for block in blocks(stream):
            for start in range(0, len(block), frames):
                piece = abs(block[start : start + frames])
                yield position + start, [float(peak) for peak in piece.max(axis=0)]
            position += len(block)
    elif stream.wav is not None:
        scale = full_scale(stream.wav)
        for raw in stream.wav.chunks(frames):
            samples = wav_samples(raw, stream.wav)
            channels = (samples[c :: stream.channels] for c in range(stream.channels))
            yield position, [max(max(each), -min(each)) / scale for each in channels]
            position += len(samples) // stream.channels


def _letter(peak: float) -> str:
    step = (dbfs(peak) - _LOWEST_DBFS) / -_LOWEST_DBFS * (len(BLOCKS) - 1)
    return BLOCKS[min(max(round(step), 0), len(BLOCKS) - 1)]
