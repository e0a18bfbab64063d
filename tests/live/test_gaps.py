"""Where pieces of sound go: nothing is lost, nothing is doubled, and only silence is added."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.capture.live import Block
from agent.sync.live.gaps import Gaps

RATE = 1000  # the unrest of a clock is then 10 frames

blocks = st.lists(
    st.tuples(st.integers(-50_000, 50_000), st.integers(0, 300)), max_size=30
)  # where it says that it is, against where it should be; how many frames


@given(blocks, st.sampled_from([1, 2]), st.floats(0, 120))
def test_every_sample_is_there_once_in_its_order(
    pieces: list[tuple[int, int]], channels: int, elapsed: float
) -> None:
    gaps, file, heard, value = Gaps(RATE, channels), bytearray(), bytearray(), 0
    for shift, count in pieces:
        value = value % 250 + 1
        samples = bytes([value]) * (2 * channels * count)
        before = gaps.frames
        silence, given = gaps.place(Block(gaps.frames + shift, samples), elapsed)
        assert silence >= 0
        assert silence == 0 or silence > RATE * 0.01
        assert gaps.frames == before + silence + count
        # Sound stands where it belongs, if that is ahead, and not ahead of the clock.
        if shift > RATE * 0.01 and before + shift + count <= elapsed * RATE:
            assert silence == shift
        file += bytes(silence * 2 * channels) + given
        heard += samples
    assert len(file) == gaps.frames * 2 * channels
    assert bytes(byte for byte in file if byte) == heard
    assert gaps.frames * 2 * channels - len(heard) == gaps.filled * 2 * channels
    assert gaps.frames <= max((elapsed + 5) * RATE + 1, len(heard) / 2 / channels + gaps.filled)


@given(st.integers(2, 10**18))
def test_what_is_ahead_of_the_clock_is_not_believed(frame: int) -> None:
    gaps = Gaps(RATE, 1)
    gaps.place(Block(frame, bytes(200)), 1.0)
    assert gaps.frames <= 6 * RATE


@given(st.lists(st.integers(-9, 9), max_size=50))
def test_the_unrest_of_a_clock_is_no_gap(shifts: list[int]) -> None:
    gaps = Gaps(RATE, 1)
    for number, shift in enumerate(shifts):
        gaps.place(Block(max(number * 100 + shift, 0), bytes(200)), 1000.0)
    assert (gaps.count, gaps.frames) == (0, len(shifts) * 100)


def test_a_clock_that_runs_away_is_followed() -> None:
    gaps = Gaps(RATE, 1)
    for number in range(100):  # a tenth of what the source gives is lost
        gaps.place(Block(number * 110, bytes(200)), 1000.0)
    assert abs(gaps.frames - 99 * 110 - 100) <= 10


def test_half_a_frame_is_left_out() -> None:
    assert Gaps(RATE, 2).place(Block(0, b"\1" * 7), 1.0) == (0, b"\1" * 4)
