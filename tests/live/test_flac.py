"""FLAC as it is recorded: lossless, and readable wherever it was cut."""

from __future__ import annotations

import hashlib
import random
import wave
from array import array
from pathlib import Path

import av
import pytest

from agent.audio import decode, flac
from agent.audio.measure import measure
from agent.errors import AudioError
from tests.live.sounds import noise, tone

DATE = "2026-03-05T10:22:07.125+00:00"
SHAPES = [(48000, 2), (44100, 1), (16000, 1), (8000, 2)]


BEGIN = len(flac.Encoder(48000, 1, DATE).header)  # of whatever shape


def encoded(samples: bytes, rate: int, channels: int, chance: random.Random) -> tuple[bytes, bytes]:
    """The bytes of a recording that came in pieces of any size, and what its MD5 has to be."""
    encoder = flac.Encoder(rate, channels, DATE)
    out, at = bytearray(encoder.header), 0
    while at < len(samples):
        size = chance.randrange(1, 6000) * 2 * channels
        out += encoder.add(samples[at : at + size])
        at += size
    out += encoder.end()
    assert encoder.frames == len(samples) // (2 * channels)
    return bytes(out), encoder.md5


@pytest.mark.parametrize(("rate", "channels"), SHAPES)
def test_what_is_written_is_what_was_heard(tmp_path: Path, rate: int, channels: int) -> None:
    samples = noise(2 * rate * channels)
    body, md5 = encoded(samples, rate, channels, random.Random(1))
    assert md5 == hashlib.md5(samples, usedforsecurity=False).digest()
    path = tmp_path / "x.flac"
    path.write_bytes(body)
    found = flac.look(path)
    assert (found.frames, found.size, found.md5) == (2 * rate, len(body), md5)
    path.write_bytes(found.header + body[len(found.header) :])
    assert flac.look(path) == found
    assert b"".join(flac.samples_of(path)) == samples
    said = measure(path)
    assert (said.codec, said.rate, said.channels, said.duration_s) == ("flac", rate, channels, 2.0)
    assert said.problem is None


@pytest.mark.parametrize(("rate", "channels"), SHAPES)
def test_cut_anywhere_it_gives_all_whole_frames(tmp_path: Path, rate: int, channels: int) -> None:
    chance = random.Random(rate)
    samples = noise(rate * channels)
    body, _ = encoded(samples, rate, channels, chance)
    path = tmp_path / "x.flac"
    for _ in range(25):
        cut = chance.randrange(BEGIN, len(body))
        # What a power cut may leave behind the last block that reached the disk.
        junk = chance.choice([b"", bytes(5000), chance.randbytes(900), body[BEGIN : BEGIN + 18]])
        path.write_bytes(body[:cut] + junk)
        found = flac.look(path)
        assert found.size <= cut
        got = b"".join(flac.samples_of(path))
        assert samples.startswith(got)
        assert len(got) == found.frames * 2 * channels
        # A frame is a tenth of a second.
        assert found.frames / rate > cut / len(body) * 1.0 - 0.25
        path.write_bytes(found.header + body[len(found.header) : found.size])
        assert flac.look(path) == found


def test_a_tone_is_much_smaller_than_its_samples(tmp_path: Path) -> None:
    samples = tone(48000)
    body, _ = encoded(samples, 48000, 1, random.Random(3))
    assert len(body) < len(samples) / 2


@pytest.mark.parametrize(
    "data", [b"", b"fLaC", b"RIFF" + bytes(60), b"fLaC\x80\0\0\x22" + bytes(20)]
)
def test_what_is_no_flac_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(data)
    with pytest.raises(AudioError, match="is no FLAC file"):
        flac.look(path)


def test_a_header_alone_is_a_recording_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(flac.Encoder(16000, 1, DATE).header)
    assert flac.look(path).frames == 0


def test_cut_in_its_comment_it_has_no_beginning(tmp_path: Path) -> None:
    header = flac.Encoder(16000, 1, DATE).header
    path = tmp_path / "x.flac"
    for size in range(len(header)):
        path.write_bytes(header[:size])
        with pytest.raises(AudioError):
            flac.look(path)


def test_it_says_when_it_was_recorded_so_that_no_silence_is_another_call_s(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    bodies = set()
    for date in (DATE, DATE.replace("125", "126")):
        encoder = flac.Encoder(16000, 1, date)
        body = encoder.header + encoder.add(bytes(32000)) + encoder.end()
        path.write_bytes(body)
        with av.open(str(path)) as container:
            assert container.metadata["DATE"] == date
        bodies.add(body)
    assert len(bodies) == 2


def test_one_of_a_version_that_wrote_no_comment_is_read(tmp_path: Path) -> None:
    samples = tone(16000)
    body, md5 = encoded(samples, 16000, 1, random.Random(5))
    frames = body[BEGIN:]
    path = tmp_path / "x.flac"
    path.write_bytes(body[:4] + b"\x80" + body[5 : flac.INFO_AT + 34] + frames)
    found = flac.look(path)
    assert (found.frames, found.size, found.md5) == (16000, path.stat().st_size, md5)
    assert found.header[4] == 0x80


def test_without_pyav_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AudioError, match="PyAV and numpy") as raised:
        flac.require()
    assert "audio" in (raised.value.hint or "")


def test_what_flac_can_not_hold_is_refused() -> None:
    with pytest.raises(AudioError, match="can't be recorded"):
        flac.Encoder(48000, 3, DATE)


def test_it_is_what_wave_would_have_written(tmp_path: Path) -> None:
    samples = tone(8000)
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples)
    body, _ = encoded(samples, 8000, 1, random.Random(4))
    (tmp_path / "x.flac").write_bytes(body)
    one, two = measure(tmp_path / "x.wav"), measure(tmp_path / "x.flac")
    assert [level.as_dict() for level in one.levels] == [x.as_dict() for x in two.levels]
    assert array("h", samples) == array("h", b"".join(flac.samples_of(tmp_path / "x.flac")))
