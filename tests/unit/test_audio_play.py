"""Playing, through a real PortAudio whose only device is an ALSA one that writes to a file."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from array import array
from pathlib import Path

import pytest

from agent.audio import play as module
from agent.errors import AudioError
from tests.faults.memory import wav

ROOT = Path(__file__).parents[2]
_PLAY = """
import sys
from pathlib import Path
from agent.audio.play import play
from agent.errors import AudioError
seen = []
try:
    end = play(
        Path(sys.argv[1]),
        channel=sys.argv[2],
        start=float(sys.argv[3]),
        device=sys.argv[4] or None,
        on_position=seen.append,
    )
    print(f"{end:.3f} {len(seen)} {seen == sorted(seen)}")
except AudioError as error:
    print(error.message, "|", error.hint)
"""


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Where what is played arrives as raw samples, once ALSA is told so by ``alsa.conf``."""
    out = tmp_path / "tape.raw"
    (tmp_path / "alsa.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.tape {{ type file slave.pcm "null" file "{out}" format "raw" }}\n'
        'pcm.!default { type plug slave.pcm "tape" }\n'
        "ctl.!default { type null }\n"
    )
    return out


def run(tape: Path, data: bytes, channel: str = "both", start: float = 0, device: str = "") -> str:
    path = tape.with_name("x.wav")
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _PLAY, str(path), channel, str(start), device],
        cwd=ROOT,
        env={**os.environ, "ALSA_CONFIG_PATH": str(tape.with_name("alsa.conf"))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def samples(data: bytes, tmp_path: Path) -> array[int]:
    path = tmp_path / "again.wav"
    path.write_bytes(data)
    with wave.open(str(path)) as file:
        return array("h", file.readframes(file.getnframes()))


def test_what_is_played_is_what_was_recorded(tape: Path, tmp_path: Path) -> None:
    data = wav(1.0, gains=(0.4, 0.1))
    assert run(tape, data) == "1.000 20 True"
    assert array("h", tape.read_bytes()) == samples(data, tmp_path)


@pytest.mark.parametrize(("channel", "number"), [("uplink", 0), ("downlink", 1)])
def test_one_side_alone(tape: Path, tmp_path: Path, channel: str, number: int) -> None:
    data = wav(0.5, gains=(0.4, 0.1))
    run(tape, data, channel)
    assert array("h", tape.read_bytes()) == samples(data, tmp_path)[number::2]


def test_from_a_time_on(tape: Path, tmp_path: Path) -> None:
    data = wav(1.0)
    assert run(tape, data, start=0.75, device="tape").startswith("1.000 5")
    assert array("h", tape.read_bytes()) == samples(data, tmp_path)[2 * 6000 :]


def test_a_start_after_the_end_plays_nothing(tape: Path) -> None:
    assert run(tape, wav(0.2), start=5) == "5.000 0 True"


def test_a_device_that_is_not_there(tape: Path) -> None:
    words = run(tape, wav(0.2), device="gramophone")
    assert words.startswith("no sound device is called 'gramophone' | Choose with --device: ")
    assert "tape" in words


def test_no_device_at_all(tape: Path) -> None:
    tape.with_name("alsa.conf").write_text("pcm.x { type hw card 99 }\n")
    said = run(tape, wav(0.2))
    assert said.startswith("this computer has no sound output | Plug ")


def test_one_channel_has_no_sides(tape: Path) -> None:
    assert "1 channel:" in run(tape, wav(0.2, gains=(0.5,)), "uplink")


def test_without_pyaudio_the_hint_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    path = tmp_path / "x.wav"
    path.write_bytes(wav())
    with pytest.raises(AudioError, match="pyaudio") as raised:
        module.play(path)
    assert "pip install" in (raised.value.hint or "")


def test_ctrl_c_stops_it(tape: Path) -> None:
    path = tape.with_name("x.wav")
    path.write_bytes(wav(0.5))
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from agent.audio.play import play\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "def stop(at):\n"
        "    if at > 0.2: os.kill(os.getpid(), signal.SIGINT)\n"
        "try:\n"
        "    play(Path(sys.argv[1]), on_position=stop)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        env={**os.environ, "ALSA_CONFIG_PATH": str(tape.with_name("alsa.conf"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
    assert len(tape.read_bytes()) < len(wav(0.5))
