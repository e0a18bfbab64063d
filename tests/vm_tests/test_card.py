"""A call is heard through the card exactly as far as its controls let it through."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.vm_tests.conftest import Ear, Talk

pytestmark = pytest.mark.vm

Begin = Callable[[LabPhone], Talk]
UP = "set:MultiMedia9 Mixer VOC_REC_UL={}"
DOWN = "set:MultiMedia9 Mixer VOC_REC_DL={}"
STEREO = "set:Voc Rec Config=2"
BOTH = (STEREO, UP.format(1), DOWN.format(1))
NONE = ("set:Voc Rec Config=1", UP.format(0), DOWN.format(0))
STREAM = "set:Incall Capture Stream2={}"
OFF, ONLY_UP, ONLY_DOWN, UP_DOWN = (STREAM.format(n) for n in range(4))
# What was queued when a control changed may still be heard.
SETTLED = 9600


@pytest.fixture
def qualcomm(vm_of: Callable[[str], LabPhone], ear_program: bytes) -> Ear:
    return Ear(vm_of("sm8250"), ear_program, 23)


@pytest.fixture
def tensor(vm_of: Callable[[str], LabPhone], ear_program: bytes) -> Ear:
    return Ear(vm_of("tensor"), ear_program, 22)


def test_each_leg_is_in_its_channel(qualcomm: Ear, talk: Begin) -> None:
    call = talk(qualcomm.phone)
    heard = qualcomm.hear(*BOTH, "read:3000", *NONE).of(3)
    assert call.likeness(heard[:, 0], 0) >= 0.9
    assert call.likeness(heard[:, 1], 1) >= 0.9
    assert call.likeness(heard[:, 0], 1) < 0.3


@pytest.mark.parametrize("leg", [0, 1])
def test_a_leg_that_is_off_is_digital_silence(qualcomm: Ear, talk: Begin, leg: int) -> None:
    call = talk(qualcomm.phone)
    heard = qualcomm.hear(STEREO, (UP, DOWN)[leg].format(1), "read:2000", *NONE).of(2)
    assert call.likeness(heard[:, leg], leg) >= 0.9
    assert not heard[:, 1 - leg].any()


def test_forgotten_controls_are_silence(qualcomm: Ear, talk: Begin) -> None:
    talk(qualcomm.phone)
    heard = qualcomm.hear("read:1500")
    assert len(heard.samples) == 72000
    assert not heard.samples.any()


def test_without_a_call_there_is_silence_and_nothing_plays(qualcomm: Ear) -> None:
    assert not qualcomm.hear(*BOTH, "read:1000", *NONE).samples.any()
    status = "cat /lab/vm/asound/card0/pcm0p/sub0/status"
    assert qualcomm.phone.root(status) == "closed\n"


def test_one_channel_config_mixes_both_legs(qualcomm: Ear, talk: Begin) -> None:
    call = talk(qualcomm.phone)
    heard = qualcomm.hear(UP.format(1), DOWN.format(1), "read:2000", *NONE).of(2)
    assert (heard[:, 0] == heard[:, 1]).all()
    both = Talk(call.phone, call.speech.sum(axis=1, keepdims=True))
    assert both.likeness(heard[:, 0], 0) >= 0.9


@pytest.mark.parametrize(("channels", "rate"), [(1, 48000), (1, 16000), (2, 8000)])
def test_the_call_comes_in_the_format_that_was_asked_for(
    qualcomm: Ear, talk: Begin, channels: int, rate: int
) -> None:
    call = talk(qualcomm.phone)
    heard = qualcomm.hear(
        "set:Voc Rec Config=1", UP.format(1), "read:2000", *NONE, channels=channels, rate=rate
    ).of(2)
    step = 48000 // rate
    said = call.speech[: len(call.speech) // step * step, :1].reshape(-1, step, 1).mean(axis=1)
    assert Talk(call.phone, said).likeness(heard[:, 0], 0) >= 0.9


def test_a_control_counts_at_the_moment(qualcomm: Ear, talk: Begin) -> None:
    call = talk(qualcomm.phone)
    steps = (STEREO, "read:1500", UP.format(1), "read:1500", UP.format(0), "read:1500", *NONE)
    heard = qualcomm.hear(*steps)
    before, during, after = (heard.of(n) for n in (1, 3, 5))
    assert not before.any()
    assert call.likeness(during[SETTLED:, 0], 0) >= 0.9
    assert during[:, 0].std() > 0.5 * call.speech[:, 0].std()
    assert not after[SETTLED:].any()


def test_the_modem_says_what_it_played_and_when(qualcomm: Ear, talk: Begin) -> None:
    call = talk(qualcomm.phone)
    heard = qualcomm.hear(*BOTH, "read:2000", *NONE).of(3)
    # The capture ended; the modem notices within a period or two.
    qualcomm.phone.root("until grep -q closed /lab/vm/asound/card0/pcm0p/sub0/status; do :; done")
    account = call.account
    (stretch,) = account["stretches"]
    assert account["state"] == "call"
    assert account["speech"] == "/tmp/speech.wav"
    assert stretch["at_ms"] - account["started_ms"] == pytest.approx(stretch["frame"] / 48, abs=30)
    assert stretch["frames"] >= len(heard) - SETTLED
    first = np.flatnonzero(heard.any(axis=1))[0]
    exact = call.speech[stretch["frame"] :][: len(heard) - first]
    again = Talk(call.phone, exact)
    assert again.likeness(heard[first : first + 48000, 0], 0) >= 0.9
    qualcomm.phone.root("/lab/bin/modem stop")
    account = call.account
    assert account["state"] == "idle"
    talked = account["ended_ms"] - account["started_ms"]
    assert account["frames"] / 48 == pytest.approx(talked, abs=20)


def test_a_held_call_is_silent_and_goes_on_where_it_would_be(qualcomm: Ear, talk: Begin) -> None:
    call = talk(qualcomm.phone)
    qualcomm.phone.root("/lab/bin/modem hold")
    assert not qualcomm.hear(*BOTH, "read:600", *NONE).samples.any()
    qualcomm.phone.root("/lab/bin/modem resume")
    heard = qualcomm.hear(*BOTH, "read:1500", *NONE).of(3)
    assert call.likeness(heard[:, 1], 1) >= 0.9


def test_without_speech_each_leg_has_a_tone_of_its_own(qualcomm: Ear) -> None:
    qualcomm.phone.root("rm -f /lab/state/speech.wav; /lab/bin/modem start")
    try:
        heard = qualcomm.hear(*BOTH, "read:1500", *NONE).of(3)
    finally:
        qualcomm.phone.root("/lab/bin/modem stop")
    sound = heard[-48000:]
    peaks = [int(np.argmax(np.abs(np.fft.rfft(sound[:, c])))) for c in (0, 1)]
    assert peaks == [500, 750]


def test_bad_speech_is_refused(qualcomm: Ear) -> None:
    phone = qualcomm.phone
    with pytest.raises(LabError, match="no such speech"):
        phone.root("/lab/bin/modem start /no/such.wav")
    with pytest.raises(LabError, match="no such speech"):
        phone.root("cat > /tmp/bad.wav; /lab/bin/modem start /tmp/bad.wav", input=b"RIFF" * 40)
    phone.root("rm /tmp/bad.wav")
    assert json.loads(phone.root("cat /lab/state/modem.json"))["state"] == "idle"


def stream2(phone: LabPhone) -> str:
    return phone.machine.mixer()["Incall Capture Stream2"]


def test_tensor_hears_what_the_enum_says(tensor: Ear, talk: Begin) -> None:
    call = talk(tensor.phone)
    heard = tensor.hear(UP_DOWN, "read:2000", ONLY_DOWN, "read:1500", ONLY_UP, "read:1500", OFF)
    both, down, up = heard.of(1), heard.of(3)[SETTLED:], heard.of(5)[SETTLED:]
    assert min(call.likeness(both[:, leg], leg) for leg in (0, 1)) >= 0.9
    assert min(call.likeness(down[:, c], 1) for c in (0, 1)) >= 0.9
    assert min(call.likeness(up[:, c], 0) for c in (0, 1)) >= 0.9


def test_tensor_says_that_there_is_a_call(tensor: Ear, talk: Begin) -> None:
    assert tensor.phone.machine.mixer()["Audio DSP State"] == "Idle"
    talk(tensor.phone)
    assert tensor.phone.machine.mixer()["Audio DSP State"] == "Telephony"
    with pytest.raises(LabError, match="not permitted"):
        tensor.hear("set:Audio DSP State=0")


def test_tensor_puts_the_enum_back_when_the_capture_ends(tensor: Ear, talk: Begin) -> None:
    call = talk(tensor.phone)
    heard = tensor.hear(UP_DOWN, "read:1000").of(1)
    assert call.likeness(heard[:, 0], 0) >= 0.9
    assert stream2(tensor.phone) == "Off"
    assert not tensor.hear("read:800").samples.any()


@pytest.mark.parametrize("stop", ["drop", "sleep:1400"], ids=["a stop", "an overrun"])
def test_tensor_is_silent_after_a_stop_however_short(tensor: Ear, talk: Begin, stop: str) -> None:
    call = talk(tensor.phone)
    heard = tensor.hear(UP_DOWN, "read:1000", stop, "read:1500", UP_DOWN, "read:1500", OFF)
    assert call.likeness(heard.of(1)[:, 0], 0) >= 0.9
    assert heard.steps[3][2] == (1 if stop != "drop" else 0)
    assert not heard.of(3)[SETTLED:].any()
    assert call.likeness(heard.of(5)[SETTLED:, 1], 1) >= 0.9


def test_tensor_keeps_a_value_that_was_set_after_the_stop(tensor: Ear, talk: Begin) -> None:
    call = talk(tensor.phone)
    steps = (UP_DOWN, "read:600", "drop", UP_DOWN, "read:600")
    heard = tensor.hear(*steps, *steps[2:], *steps[2:], OFF)
    for number in (4, 7, 10):
        assert heard.steps[number][0] == "read:600"
        assert call.likeness(heard.of(number)[SETTLED:, 0], 0) >= 0.9


def test_tensor_loses_the_enum_of_a_reader_that_stands_still(tensor: Ear, talk: Begin) -> None:
    talk(tensor.phone)
    tensor.phone.root(
        "/tmp/ear 22 2 48000 /tmp/heard 'set:Incall Capture Stream2=3' read:60000 "
        "< /dev/null > /dev/null 2>&1 & print $! > /tmp/pid; sleep 0.6; kill -STOP $!; sleep 1.5"
    )
    try:
        assert stream2(tensor.phone) == "Off"
    finally:
        tensor.phone.root("kill -KILL $(cat /tmp/pid); rm /tmp/pid /tmp/heard")


def test_audioreach_has_nothing_to_hear_a_call_with(
    vm_of: Callable[[str], LabPhone], talk: Begin
) -> None:
    phone = vm_of("audioreach")
    talk(phone)
    names = phone.machine.mixer()
    assert not [n for n in names if "VOC_REC" in n or "Incall" in n or "MultiMedia" in n]
    assert "(*)" not in phone.root("cat /proc/asound/pcm")
