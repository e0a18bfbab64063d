"""A recording that was cut, at any length, becomes a right WAV file again."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.device_scripts.pcm_tools import DAMAGED, TOO_LONG, build_helper, header, run


@pytest.fixture(scope="session")
def helper() -> Path:
    return build_helper("x86_64")


def _samples(path: Path) -> bytes:
    with wave.open(str(path)) as wav:
        return wav.readframes(wav.getnframes())


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sound=st.binary(max_size=400),
    kept=st.integers(0, 444),
    rate=st.sampled_from([8000, 16000, 44100, 48000]),
    channels=st.integers(1, 3),
    sizes=st.sampled_from(["zero", "whole", "stream", "stale"]),
)
def test_cut_at_any_length(
    helper: Path, tmp_path: Path, sound: bytes, kept: int, rate: int, channels: int, sizes: str
) -> None:
    frame = channels * 2
    sound = sound[: len(sound) // frame * frame]
    data = {"zero": 0, "whole": len(sound), "stream": 0xFFFFFFFF, "stale": frame}[sizes]
    riff = {"zero": 36, "stream": 0xFFFFFFFF}.get(sizes)
    path = tmp_path / "cut.wav"
    path.write_bytes((header(rate, channels, data, riff) + sound)[:kept])
    before = path.read_bytes()
    done = run(helper, "repair", str(path))
    if len(before) < 44:
        assert done.code == DAMAGED
        assert path.read_bytes() == before
        return
    whole = (len(before) - 44) // frame * frame
    assert path.read_bytes() == header(rate, channels, whole) + before[44 : 44 + whole]
    assert _samples(path) == before[44 : 44 + whole]
    assert done.answer["frames"] == whole // frame
    assert done.answer["repaired"] == (path.read_bytes() != before)
    assert done.answer["bytes"] == 44 + whole
    again = run(helper, "repair", str(path)).answer
    assert not again["repaired"] and again["dropped_bytes"] == 0


def test_a_whole_file_is_untouched(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "whole.wav"
    path.write_bytes(header(48000, 2, 8) + bytes(8))
    os.utime(path, ns=(10**18, 10**18))
    assert run(helper, "repair", str(path)).answer["repaired"] is False
    assert path.stat().st_mtime_ns == 10**18


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(44),
        bytes(4096),
        b"ID3" + bytes(100),
        header(48000, 2, 0).replace(b"WAVE", b"AVI "),
        header(48000, 2, 0).replace(b"data", b"LIST"),
        header(48000, 0, 0),
        header(0, 2, 0),
        header(48000, 2, 0)[:34] + b"\x18\x00" + header(48000, 2, 0)[36:],  # 24 bits
        header(48000, 2, 0)[:20] + b"\x03\x00" + header(48000, 2, 0)[22:],  # floats
        header(48000, 2, 0)[:32] + b"\x08\x00" + header(48000, 2, 0)[34:],  # frames of 8 bytes
    ],
)
def test_what_is_not_ours_is_refused(helper: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.wav"
    path.write_bytes(content)
    done = run(helper, "repair", str(path))
    assert done.code == DAMAGED
    assert path.read_bytes() == content


def test_a_folder_and_a_pipe_are_refused(helper: Path, tmp_path: Path) -> None:
    assert run(helper, "repair", str(tmp_path)).code == DAMAGED
    os.mkfifo(tmp_path / "pipe")
    assert run(helper, "repair", str(tmp_path / "pipe")).code == DAMAGED


def test_more_than_a_wav_file_can_have(helper: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.wav"
    path.write_bytes(header(48000, 2, 0))
    os.truncate(path, 2**32 + 44)  # sparse: no room is used
    assert run(helper, "repair", str(path)).code == TOO_LONG
    os.truncate(path, 2**32 - 44)
    done = run(helper, "repair", str(path))
    assert (done.code, done.answer["frames"]) == (0, (2**32 - 88) // 4)
    path.unlink()
