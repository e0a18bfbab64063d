"""Where a piece of sound belongs in the file: gaps become silence, and nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass

from agent.capture.live import Block

_JITTER_S = 0.01  # a jump below this is a clock's, and no gap
_AHEAD_S = 5.0  # what a source may be ahead of this computer's clock


@dataclass
class Gaps:
    """What was written so far. ``frames`` counts samples of each channel, silence included."""

    rate: int
    channels: int
    frames: int = 0
    count: int = 0
    filled: int = 0

    def place(self, block: Block, elapsed: float) -> tuple[int, bytes]:
        """How many frames of silence stand before a piece, and its samples.

        A source can't be ahead of the clock: what it says of a gap that would end later than
        ``elapsed`` seconds (and some) after the beginning is not believed. One that goes back
        loses nothing: its samples follow what was written.
        """
        width = 2 * self.channels
        samples = block.samples[: len(block.samples) // width * width]
        count = len(samples) // width
        latest = max(round((elapsed + _AHEAD_S) * self.rate) - count, self.frames)
        silence = min(block.frame, latest) - self.frames
        if silence <= self.rate * _JITTER_S:
            silence = 0
        else:
            self.count += 1
            self.filled += silence
        self.frames += silence + count
        return silence, samples
