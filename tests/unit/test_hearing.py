"""A test call's sound, judged: each thing that a phone's tap does wrong is told, and only that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.audio import decode
from agent.audio import hearing as module
from agent.audio.hearing import Turn, hear, judge
from agent.audio.hearing.flaws import clipped, holes
from agent.audio.hearing.judge import Judgement, Length, roles_of
from agent.audio.hearing.voice import Voice
from agent.errors import AudioError
from tests.lab.speech import RATE as LAB_RATE
from tests.lab.speech import conversation
from tests.sound import read_wav
from tests.testcall import spoken, wav

Samples = npt.NDArray[np.float64]

NEAR, FAR, LONG = (1.0, 6.0), (7.0, 12.0), 13.0
TURNS = [Turn("near", *NEAR), Turn("far", *FAR)]
LEGS = ("uplink", "downlink")
RATE = LAB_RATE // 3  # quick, and more than enough for speech


@pytest.fixture(scope="module")
def legs() -> Samples:
    made = spoken(NEAR, FAR, LONG)[::3].copy()
    made.flags.writeable = False
    return made


@pytest.fixture
def verdict(tmp_path: Path) -> Callable[..., Judgement]:
    def judged(
        samples: Samples, legs: tuple[str, ...] = LEGS, *, rate: int = RATE, talk: float = LONG
    ) -> Judgement:
        path = tmp_path / "call.wav"
        path.write_bytes(wav(samples, rate))
        heard = hear(path, TURNS)
        return judge.judge(heard, legs, Length(len(samples) / rate, talk, talk + 3))

    return judged


Verdict = Callable[..., Judgement]


def silence() -> Samples:
    return np.zeros(round(LONG * RATE))


def noise(level: float) -> Samples:
    return np.random.default_rng(7).normal(0, level, round(LONG * RATE))


def tone(hz: float = 425.0, on: float = 1.0, every: float = 5.0) -> Samples:
    at = np.arange(round(LONG * RATE)) / RATE
    return np.asarray(0.2 * np.sin(2 * np.pi * hz * at) * (at % every < on))


def late(samples: Samples, seconds: float) -> Samples:
    return np.concatenate((np.zeros(round(seconds * RATE)), samples))[: len(samples)]


def test_a_call_with_both_legs_apart_is_proven(legs: Samples, verdict: Verdict) -> None:
    found = verdict(legs)
    assert (found.result, found.hears, found.defects) == ("proven", ("near", "far"), ())
    assert [each.name for each in found.channels] == ["uplink", "downlink"]
    assert [each.hears for each in found.channels] == [("near",), ("far",)]
    for each, who, other in zip(found.channels, ("near", "far"), ("far", "near"), strict=True):
        assert each.numbers.speech[who] > 0.8  # type: ignore[index]
        assert each.numbers.speech[other] < 0.1  # type: ignore[index]


def test_a_mix_is_proven_where_no_more_was_promised(legs: Samples, verdict: Verdict) -> None:
    mix = legs.sum(axis=1) / 2
    assert verdict(mix, ("mixed",)).result == "proven"
    assert verdict(np.stack((mix, mix), axis=1), ("mixed",)).result == "proven"
    assert verdict(np.stack((mix, mix), axis=1), ()).result == "proven"
    assert verdict(legs, ()).result == "proven"  # apart, though nobody had said so


@pytest.mark.parametrize(
    ("channel", "defect", "words"),
    [
        (silence(), "silent", "SILENT"),
        (noise(0.0003), "silent", "SILENT"),  # 70 dB down
        (silence() + 0.3, "constant", "constant"),
        (silence() + 0.3 + noise(0.0003), "constant", "constant"),
        (noise(0.003), "no voice", "noise"),
        (noise(0.1), "no voice", "noise"),
        (np.cumsum(noise(0.001)) - np.cumsum(noise(0.001)).mean(), "no voice", "noise"),  # rumble
        (tone(on=5), "no voice", "tones"),
        (tone(), "no voice", "tones"),  # rings
        (tone() + tone(480), "no voice", "tones"),
        (noise(0.01) + tone(1400, 0.3), "no voice", "tones"),
        (np.sign(tone(217, 5)) * 0.1, "no voice", "noise"),  # a phone's own radio
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_a_leg_without_a_voice_is_told(
    legs: Samples, verdict: Verdict, channel: Samples, defect: str, words: str, side: int
) -> None:
    wrong = legs.copy()
    wrong[:, side] = channel
    found = verdict(wrong)
    assert (found.result, found.hears) == ("partly", (("far",), ("near",))[side])
    assert found.defects == (defect, "one end")
    assert words in found.channels[side].words
    assert found.channels[1 - side].good
    assert ("this phone's end", "the far end")[side] in found.words[0]


def test_nobody_heard_is_a_failure(verdict: Verdict) -> None:
    found = verdict(np.stack((silence(), noise(0.05)), axis=1))
    assert (found.result, found.hears) == ("failed", ())
    assert found.defects == ("silent", "no voice")


@pytest.mark.parametrize("seconds", [0.0, 0.0317, 0.4])
@pytest.mark.parametrize("gain", [1.0, 0.1, -0.5])
@pytest.mark.parametrize("what", ["near", "mix"])
def test_a_copy_is_told_however_late_loud_or_upside_down(
    legs: Samples, verdict: Verdict, seconds: float, gain: float, what: str
) -> None:
    one = legs[:, 0] if what == "near" else legs.sum(axis=1) / 2
    both = np.stack((one, gain * late(one, seconds)), axis=1)
    found = verdict(both + np.random.default_rng(1).normal(0, 0.0005, both.shape))
    assert found.result == "partly"
    assert "copy" in found.defects
    (alike,) = found.likenesses
    assert alike.lag_s == pytest.approx(seconds, abs=0.001)
    assert alike.gain_db == pytest.approx(20 * np.log10(abs(gain)), abs=0.5)
    assert (alike.correlation < 0) == (gain < 0)
    assert ("upside down" in found.words[0]) == (gain < 0)
    assert ("one end" in found.defects) == (what == "near")


def test_an_inverted_copy_is_wrong_even_in_a_mix(legs: Samples, verdict: Verdict) -> None:
    mix = legs.sum(axis=1) / 2
    assert "copy" in verdict(np.stack((mix, -mix), axis=1), ("mixed",)).defects


def test_legs_exchanged_are_told(legs: Samples, verdict: Verdict) -> None:
    found = verdict(legs[:, ::-1])
    assert (found.result, found.hears) == ("partly", ("near", "far"))
    assert found.defects == ("swapped",)
    assert all("SWAPPED" in each.words for each in found.channels)


def test_an_echo_in_a_leg_is_no_mix(legs: Samples, verdict: Verdict) -> None:
    echo = legs.copy()
    echo[:, 0] += 0.08 * late(legs[:, 1], 0.2)  # 22 dB down
    assert verdict(echo).result == "proven"
    both = legs.copy()
    both[:, 0] += 0.5 * legs[:, 1]
    found = verdict(both)
    assert (found.result, found.defects) == ("partly", ("mixed",))
    assert found.channels[1].good


def test_a_beep_in_somebodys_turn_is_no_voice(legs: Samples, verdict: Verdict) -> None:
    beeps = legs.copy()
    beeps[:, 1] += tone(1400, 0.4, 1.0) * (np.arange(len(legs)) < NEAR[1] * RATE)
    assert verdict(beeps).result == "proven"


def test_fewer_channels_than_promised(legs: Samples, verdict: Verdict) -> None:
    found = verdict(legs.sum(axis=1) / 2)
    assert (found.result, found.defects) == ("partly", ("missing",))
    assert "there is 1 channel of 2" in found.words[0]
    assert verdict(legs.sum(axis=1) / 2, ("mixed", "mixed")).result == "proven"


def test_a_voice_outside_the_turns_is_not_taken_for_an_end(verdict: Verdict) -> None:
    found = verdict(spoken((12.2, 13.0), (12.2, 13.0), LONG)[::3])
    assert found.result == "failed"
    assert found.defects == ("elsewhen",)


@pytest.mark.parametrize("db", [4, 6, 12])
@pytest.mark.parametrize("gain", [1.0, 0.2])
def test_cut_tops_are_told_at_any_level(
    legs: Samples, verdict: Verdict, db: float, gain: float
) -> None:
    cut = legs * gain
    limit = np.abs(cut[:, 0]).max() * 10 ** (-db / 20)
    cut[:, 0] = cut[:, 0].clip(-limit, limit)
    found = verdict(cut)
    assert (found.result, found.defects) == ("partly", ("clipped",))
    assert found.channels[1].good


def test_a_constant_under_speech(legs: Samples, verdict: Verdict) -> None:
    found = verdict(legs + np.array([0.1, 0.0]))
    assert (found.result, found.defects) == ("partly", ("offset",))


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_any_rate_will_do(legs: Samples, verdict: Verdict, rate: int) -> None:
    at = np.arange(round(LONG * rate)) / rate
    slow = np.stack(
        [np.interp(at, np.arange(len(legs)) / RATE, legs[:, side]) for side in (0, 1)], axis=1
    )
    assert verdict(slow, rate=rate).result == "proven"


def test_holes_in_speech_are_told_and_pauses_are_not(legs: Samples, verdict: Verdict) -> None:
    cut = legs.copy()
    for number in range(20):
        begin = round((1.1 + number * 0.24) * RATE)
        cut[begin : begin + round(0.04 * RATE), 0] = 0
    found = verdict(cut)
    assert (found.result, found.defects) == ("partly", ("holes",))
    assert found.channels[0].numbers.holes is not None
    assert 5 <= found.channels[0].numbers.holes <= 20
    assert found.channels[1].numbers.holes == 0


@pytest.mark.parametrize("seed", range(4))
def test_speech_itself_has_no_holes_and_no_cut_tops(seed: int) -> None:
    # Sentences between which there is digital silence of up to 0.2 s, and closures of plosives.
    samples, _ = read_wav(conversation(20, seed=seed))
    for side in (0, 1):
        one = (samples[:, side] / 32768).astype(np.float32)
        assert holes(one, RATE).count == 0
        assert clipped(one) < judge.CLIPPED / 20


@pytest.mark.parametrize(
    ("talk", "defects"),
    [(LONG, ()), (LONG - 1.5, ()), (LONG + 1.5, ()), (LONG + 3, ("short",)), (7.0, ("long",))],
)
def test_the_length_is_the_calls(
    legs: Samples, verdict: Verdict, talk: float, defects: tuple[str, ...]
) -> None:
    assert verdict(legs, talk=talk).defects == defects


def test_a_quiet_end_is_told(legs: Samples, verdict: Verdict) -> None:
    found = verdict(legs * np.array([1.0, 0.03]))
    assert (found.result, found.defects) == ("partly", ("quiet",))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    gain=st.floats(0.05, 1.5),
    snr_db=st.floats(12, 60),
    begin=st.floats(0.0, 2.0),
    seed=st.integers(0, 3),
)
def test_who_speaks_is_heard_and_who_does_not_is_not(
    gain: float, snr_db: float, begin: float, seed: int
) -> None:
    speech = spoken((2.0 + begin, 7.0 + begin), (0.0, 0.0), 12.0, seed=seed)[::6, 0] * gain
    level = 0.1 * gain * 10 ** (-snr_db / 20)
    voice = Voice(speech + np.random.default_rng(seed).normal(0, level, len(speech)))
    assert voice.kind == "speech"
    # Told to begin at 2 s: up to 2 s late.
    assert voice.share(2.0, 7.0) >= judge.HEARD
    assert voice.share(9.5, 12.0) < judge.HEARD
    loud = voice.level(2.0, 7.0)
    assert loud is not None
    assert loud == pytest.approx(-18 + 20 * np.log10(gain), abs=4)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["uplink", "downlink", "mixed", "\x1b[31m", ""]), max_size=4),
    st.integers(1, 4),
)
def test_every_channel_has_a_role_whatever_the_route_says(legs: list[str], count: int) -> None:
    roles = roles_of(legs, count)
    assert len(roles) == count
    assert all(name and "\x1b" not in name for name, _ in roles)
    assert {role for _, role in roles} <= {"uplink", "downlink", "mixed", None}


def test_without_numpy_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "have_numpy", lambda: False)
    with pytest.raises(AudioError, match="audio") as caught:
        hear(tmp_path / "x.wav", TURNS)
    assert caught.value.hint == decode.HINT


def test_a_recording_that_ends_before_the_turns(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wav(np.zeros((100, 2))))
    with pytest.raises(AudioError, match="no sound"):
        hear(path, [Turn("near", 30, 35), Turn("far", 36, 40)])
    assert hear(path, TURNS).channels[0].kind == "silent"
