"""scrcpy's stream taken apart: any cut, both versions, hostile bytes; and from times to frames."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.voicecall.packets import RAW, Packets
from agent.capture.voicecall.timeline import RATE, Timeline
from agent.errors import CaptureError

HEAD = struct.pack(">I", 0x00726177)
OLD, NEW = (3, 3, 4), (4, 0)
US = 1_000_000


def packet(pts: int, samples: bytes, flags: int = 0) -> bytes:
    return struct.pack(">QI", flags | pts, len(samples)) + samples


frames = st.integers(0, 40).map(lambda n: bytes(range(256))[: n * 4])
sounds = st.lists(st.tuples(st.integers(0, (1 << 61) - 1), frames), max_size=12)


@given(sounds, st.lists(st.integers(1, 37), min_size=1), st.sampled_from([OLD, NEW]))
def test_the_stream_is_the_same_however_it_is_cut(
    sound: list[tuple[int, bytes]], cuts: list[int], version: tuple[int, ...]
) -> None:
    wire = HEAD + b"".join(packet(pts, samples) for pts, samples in sound)
    packets = Packets(version)
    got, at, turn = [], 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        got += packets.feed(wire[at : at + size])
        at, turn = at + size, turn + 1
    assert packets.codec == RAW
    assert [(p.pts, p.samples) for p in got] == [(pts, s) for pts, s in sound if s]


@given(st.lists(st.binary(max_size=64)), st.sampled_from([OLD, NEW]))
def test_any_bytes_are_packets_or_a_plain_error(
    chunks: list[bytes], version: tuple[int, ...]
) -> None:
    packets = Packets(version)
    try:
        for chunk in [HEAD, *chunks]:
            for one in packets.feed(chunk):
                assert len(one.samples) % 4 == 0
                assert 0 <= one.pts < 1 << 62
    except CaptureError:
        pass


def test_the_flags_are_where_each_version_has_them() -> None:
    sound = b"\1\2\3\4"
    wire = HEAD + packet(7, b"head", 1 << 62) + packet(9, sound, 1 << 61)
    assert [p.pts for p in Packets(NEW).feed(wire)] == [9]  # bit 62: configuration, bit 61: key
    wire = HEAD + packet(7, b"head", 1 << 63) + packet(9, sound, 1 << 62)
    assert [p.pts for p in Packets(OLD).feed(wire)] == [9]
    with pytest.raises(CaptureError, match="not what scrcpy's server would send"):
        Packets(NEW).feed(wire)  # bit 63 is that of video's sessions


def test_a_size_that_is_a_lie_is_not_waited_for() -> None:
    for size in (1 << 20 | 1, 0xFFFFFFFF):
        with pytest.raises(CaptureError):
            Packets(NEW).feed(HEAD + struct.pack(">QI", 0, size))
    with pytest.raises(CaptureError, match="part of a sample"):
        Packets(NEW).feed(HEAD + packet(0, b"abc"))


@pytest.mark.parametrize("code", [0, 1, 0x6F707573])
def test_a_stream_that_is_no_raw_sound_has_no_packets(code: int) -> None:
    packets = Packets(NEW)
    assert packets.feed(struct.pack(">I", code)) == []
    assert packets.feed(packet(0, b"1234")) == []
    assert packets.codec == code


def test_the_server_gives_up_where_a_packet_would_begin() -> None:
    packets = Packets(NEW)
    packets.feed(HEAD + packet(0, b"1234"))
    assert not packets.gave_up
    packets.feed(b"\0\0\0\0")
    assert packets.gave_up


def placed(times: list[int], size: int = 960, *, slow: float = 0.0) -> list[int]:
    """Where packets of one size go that have these times, and come at once."""
    line = Timeline()
    return [line.place(t, size, (t - times[0]) / US + size / RATE + slow) for t in times]


@given(st.lists(st.integers(-60_000, 60_000), min_size=2, max_size=300))
def test_jitter_is_no_hole(jitter: list[int]) -> None:
    times = [US + n * 20_000 + off for n, off in enumerate(jitter)]
    times[0] = US
    assert placed(times, slow=0.2) == [n * 960 for n in range(len(times))]


def test_a_hole_is_as_long_as_it_was() -> None:
    times = [n * 20_000 for n in range(50)] + [US + 300_000 + n * 20_000 for n in range(50)]
    got = placed(times)
    assert got[49] == 49 * 960
    assert got[50] == RATE + RATE * 3 // 10
    assert got[99] - got[50] == 49 * 960


def test_many_holes_below_the_jitter_add_up() -> None:
    times, at = [], 0
    for _ in range(100):
        times.append(at)
        at += 20_000 + 60_000
    assert abs(placed(times)[-1] - times[-1] * RATE // US) < RATE // 8


@pytest.mark.parametrize("ppm", [-150, 150])
def test_two_clocks_that_differ_make_no_hole_in_an_hour(ppm: int) -> None:
    count = 3600 * 50
    line = Timeline()
    for n in range(count):
        pts = n * 20_000 * (1_000_000 + ppm) // 1_000_000
        assert line.place(pts, 960, (n + 1) / 50) == n * 960


def test_times_that_jump_back_or_far_ahead_are_no_hole() -> None:
    for jump in (-900_000, -3 * US, 36_000 * US, -(1 << 60), (1 << 60)):
        line = Timeline()
        got = [line.place((1 << 60) + n * 20_000 + (jump if n >= 50 else 0), 960, (n + 1) / 50)
               for n in range(200)]  # fmt: skip
        assert got == [n * 960 for n in range(200)], jump


def test_a_hole_after_times_were_set_anew_is_still_one() -> None:
    line = Timeline()
    for n in range(50):
        line.place(n * 20_000, 960, n / 50)
    assert line.place(500 * US, 960, 1.0) == 50 * 960
    assert line.place(500 * US + 520_000, 960, 1.6) == 50 * 960 + RATE * 52 // 100


@given(st.lists(st.tuples(st.integers(0, (1 << 62) - 1), st.integers(1, 4096)), max_size=50))
def test_nothing_is_ever_placed_over_something_else_or_beyond_now(
    told: list[tuple[int, int]],
) -> None:
    line, end = Timeline(), 0
    for turn, (pts, size) in enumerate(told):
        begin = line.place(pts, size, turn / 50)
        assert begin >= end
        end = begin + size
        assert begin <= (turn / 50 + 2) * RATE + sum(s for _, s in told)


def test_sound_that_came_late_begins_late() -> None:
    line = Timeline()
    line.begin(960, 0.05)
    assert line.place(5 * US, 960, 0.05) == 0
    line = Timeline()
    line.begin(960, 0.72)
    assert line.place(5 * US, 960, 0.72) == RATE * 7 // 10
    assert line.place(5 * US + 20_000, 960, 0.74) == RATE * 7 // 10 + 960
