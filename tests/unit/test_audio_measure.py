"""What is measured in a recording, with and without the libraries, whole and broken."""

from __future__ import annotations

import io
import math
import struct
from array import array
from pathlib import Path
from typing import Any

import pytest

from agent.audio import decode, draw
from agent.audio import measure as module
from agent.audio.measure import BrokenAudioError, Measurement, measure
from agent.errors import AudioError
from tests.faults.memory import of_unknown_kind, wav


@pytest.fixture(params=["numpy", "plain"])
def anyhow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With numpy, and as if nothing was installed."""
    if request.param == "plain":
        for where in (decode, module, draw):
            monkeypatch.setattr(where, "have_numpy", lambda: False)
        monkeypatch.setattr(decode, "have_av", lambda: False)
    return str(request.param)


def put(tmp_path: Path, data: bytes, name: str = "x.wav") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def raw_wav(samples: bytes, *, tag: int = 1, bits: int = 16, channels: int = 1) -> bytes:
    width = bits // 8
    form = struct.pack(
        "<HHIIHH", tag, channels, 8000, 8000 * channels * width, channels * width, bits
    )
    if tag == 0xFFFE:
        form += struct.pack("<HHIH", 22, bits, 0, 1) + b"\0" * 14
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form
    body += b"LIST" + struct.pack("<I", 3) + b"abc\0"  # odd chunks are padded
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_levels_of_a_sine(tmp_path: Path, anyhow: str) -> None:
    found = measure(put(tmp_path, wav(1.0, gains=(0.5, 0.05))))
    assert (found.rate, found.channels, found.duration_s) == (8000, 2, 1.0)
    left, right = found.levels
    assert left.peak_dbfs == pytest.approx(-6.02, abs=0.1)
    assert left.rms_dbfs == pytest.approx(-9.03, abs=0.1)
    assert right.rms_dbfs == pytest.approx(-29.03, abs=0.1)
    assert found.silent is False
    assert found.silent_channels == []


@pytest.mark.parametrize(
    ("gains", "silent", "channels"),
    [
        ((0.0, 0.0), True, [0, 1]),
        ((0.3, 0.0), False, [1]),
        ((0.0, 0.3), False, [0]),
        ((0.0005, 0.3), False, [0]),  # noise 66 dB down is silence
        ((0.005, 0.3), False, []),  # a quiet voice is not
        ((0.0,), True, [0]),
    ],
)
def test_silence_is_found_channel_by_channel(
    tmp_path: Path, anyhow: str, gains: tuple[float, ...], silent: bool, channels: list[int]
) -> None:
    found = measure(put(tmp_path, wav(0.5, gains=gains)))
    assert (found.silent, found.silent_channels) == (silent, channels)


def test_a_constant_is_silence_however_high(tmp_path: Path, anyhow: str) -> None:
    found = measure(put(tmp_path, raw_wav(array("h", [12_000] * 8000).tobytes())))
    assert found.silent is True
    assert found.levels[0].peak_dbfs == pytest.approx(-8.7, abs=0.1)


def test_one_word_in_a_minute_is_silence_and_three_seconds_are_not(
    tmp_path: Path, anyhow: str
) -> None:
    def with_sound(seconds: float) -> bytes:
        loud = round(seconds * 8000)
        tone = [round(9000 * math.sin(n / 3)) for n in range(loud)]
        return raw_wav(array("h", tone + [0] * (60 * 8000 - loud)).tobytes())

    assert measure(put(tmp_path, with_sound(0.5))).silent is True
    assert measure(put(tmp_path, with_sound(3))).silent is False


def test_clipping(tmp_path: Path, anyhow: str) -> None:
    samples = array("h", [32767, -32768, 100, -100] * 2000)
    assert measure(put(tmp_path, raw_wav(samples.tobytes()))).levels[0].clipped == 0.5


@pytest.mark.parametrize(
    ("tag", "bits", "codec"),
    [
        (1, 8, "pcm_u8"),
        (1, 16, "pcm_s16le"),
        (1, 24, "pcm_s24le"),
        (1, 32, "pcm_s32le"),
        (3, 32, "pcm_f32le"),
        (0xFFFE, 16, "pcm_s16le"),
    ],
)
def test_every_kind_of_sample(tmp_path: Path, anyhow: str, tag: int, bits: int, codec: str) -> None:
    wave = [0.5 * math.sin(n / 5) for n in range(8000)]
    if tag == 3:
        samples = array("f", wave).tobytes()
    elif bits == 8:
        samples = bytes(round(x * 127) + 128 for x in wave)
    else:
        whole = (round(x * (2 ** (bits - 1) - 1)) for x in wave)
        samples = b"".join(x.to_bytes(bits // 8, "little", signed=True) for x in whole)
    found = measure(put(tmp_path, raw_wav(samples, tag=tag, bits=bits)))
    assert (found.codec, found.duration_s) == (codec, 1.0)
    assert found.levels[0].rms_dbfs == pytest.approx(-9.03, abs=0.2)


def test_a_cut_file_is_measured_as_far_as_it_goes(tmp_path: Path, anyhow: str) -> None:
    with pytest.raises(BrokenAudioError, match="more sound than there is") as raised:
        measure(put(tmp_path, wav(1.0)[:-16_000]))
    assert raised.value.measurement.duration_s == 0.5
    assert raised.value.measurement.silent is False


def test_an_unfinished_header_is_read_to_the_end_of_the_file(tmp_path: Path, anyhow: str) -> None:
    data = bytearray(wav(1.0))
    data[40:44] = bytes(4)
    with pytest.raises(BrokenAudioError, match="never finished") as raised:
        measure(put(tmp_path, bytes(data)))
    assert raised.value.measurement.duration_s == 1.0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd",
        b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd",
        b"RIFF\0\0\0\0WAVE" + b"junk\xff\xff\xff\x7f",
        raw_wav(b""),
        raw_wav(b"x"),
        raw_wav(b"xxxx", tag=7),
        b"not sound",
        bytes(1000),
    ],
)
def test_what_has_no_sound_is_an_error_and_nothing_worse(
    tmp_path: Path, anyhow: str, data: bytes
) -> None:
    with pytest.raises(AudioError):
        measure(put(tmp_path, data))


def test_a_missing_file_is_an_audio_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="can't read"):
        measure(tmp_path / "none.wav")


def test_without_pyav_only_wav_is_read_and_the_hint_says_how_to_get_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "have_av", lambda: False)
    with pytest.raises(AudioError) as raised:
        measure(put(tmp_path, b"OggS", "x.ogg"))
    assert "pip install" in (raised.value.hint or "")


def encoded(codec: str, container: str, *, rate: int, channels: int) -> bytes:
    import av
    import numpy as np

    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.layout = "stereo" if channels == 2 else "mono"
        time = np.arange(rate * 2) / rate
        tone = (np.sin(2 * np.pi * 440 * time) * 0.5 * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(tone, channels).reshape(1, -1), layout=stream.layout.name
        )
        frame.rate = rate
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate)
        fifo = av.AudioFifo()
        for piece in resampler.resample(frame):
            fifo.write(piece)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size, partial=True)) is not None:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(
    ("codec", "container", "rate", "channels"),
    [
        ("libopus", "ogg", 48000, 2),
        ("aac", "mp4", 44100, 2),
        ("aac", "adts", 16000, 1),
        ("flac", "flac", 16000, 2),
        ("libmp3lame", "mp3", 44100, 1),
    ],
)
def test_other_formats(
    tmp_path: Path, codec: str, container: str, rate: int, channels: int
) -> None:
    data = encoded(codec, container, rate=rate, channels=channels)
    found = measure(put(tmp_path, data, f"x.{container}"))
    assert (found.rate, found.channels) == (rate, channels)
    assert found.duration_s == pytest.approx(2.0, abs=0.15)
    assert found.levels[0].rms_dbfs == pytest.approx(-9.03, abs=0.6)
    assert found.silent is False


def test_a_cut_compressed_file_gives_what_it_has(tmp_path: Path) -> None:
    data = encoded("flac", "flac", rate=16000, channels=2)
    try:
        found: Measurement = measure(put(tmp_path, data[: len(data) // 2], "x.flac"))
    except BrokenAudioError as error:
        found = error.measurement
    assert 0.2 < found.duration_s < 1.9


def test_the_picture_shows_where_there_is_sound(tmp_path: Path, anyhow: str) -> None:
    tone = [round(16_000 * math.sin(n / 3)) for n in range(4000)]
    both = array("h")
    for n in range(8000):
        both.extend((tone[n] if n < 4000 else 0, 0 if n < 4000 else tone[n - 4000]))
    path = put(tmp_path, raw_wav(both.tobytes(), channels=2))
    left, right = draw.waveform(path, 40, 1.0)
    assert (len(left), len(right)) == (40, 40)
    assert left[20:].strip() == ""
    assert right[:20].strip() == ""
    assert set(left[:20]) == set(right[20:]) == {"▇"}


def test_a_picture_wider_than_the_sound_is_long(tmp_path: Path, anyhow: str) -> None:
    path = put(tmp_path, raw_wav(array("h", [30_000] * 5).tobytes()))
    (row,) = draw.waveform(path, 40, 5 / 8000)
    assert len(row) == 40


def test_sound_of_a_kind_that_is_not_known_is_an_error_of_the_file(tmp_path: Path) -> None:
    """FFmpeg opens such a file, and has no decoder for it."""
    with pytest.raises(AudioError, match="of a kind that is not known"):
        measure(put(tmp_path, of_unknown_kind(), "x.m4a"))
