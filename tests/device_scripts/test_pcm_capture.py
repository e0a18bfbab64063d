"""A recording while things go wrong: the PCM helper against a made-up kernel and clock.

Each recorded frame holds its own number in time (pcm_fake_alsa.c), so a test sees for every frame
whether it lies where it belongs.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.device_scripts.pcm_tools import (
    CANT_WRITE,
    DENIED,
    EXISTS,
    NOT_FOUND,
    NOT_RESTORED,
    NOTHING_CAME,
    PCM_LOST,
    REFUSED,
    TOO_LONG,
    UNSUPPORTED,
    Done,
    build_fake,
    header,
    run,
)

RATE = 48000
Capture = Callable[..., Done]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_fake(tmp_path_factory.mktemp("pcm") / "fake")


@pytest.fixture
def capture(program: Path, tmp_path: Path) -> Capture:
    """Records into ``a.wav``; FAKE_EVENTS from ``events``, the journal is ``undo``."""

    def call(events: str, *words: str, rate: int = RATE, pcm: str = "") -> Done:
        command = ["capture", "-d", "23", "-r", str(rate), "-c", "2"]
        command += ["--journal", str(tmp_path / "undo"), "-o", str(tmp_path / "a.wav"), *words]
        return run(program, *command, env=_env(tmp_path, events, pcm))

    return call


def _env(tmp_path: Path, events: str, pcm: str = "") -> dict[str, str]:
    return {"FAKE_STATE": str(tmp_path / "mixer"), "FAKE_EVENTS": events, "FAKE_PCM": pcm}


def _numbers(tmp_path: Path, frames: int) -> list[int]:
    """Each frame's number in time, 0 for silence."""
    content = (tmp_path / "a.wav").read_bytes()
    assert content[:44] == header(RATE, 2, frames * 4)
    halves = array("H", content[44:])
    return [low | high << 16 for low, high in zip(halves[::2], halves[1::2], strict=True)]


def _controls(program: Path, tmp_path: Path) -> object:
    return run(program, "controls", env=_env(tmp_path, "")).answer


def _gaps(numbers: list[int]) -> list[int]:
    """Lengths of the silences; fails when a frame is not where it belongs."""
    assert all(number in (0, at) for at, number in enumerate(numbers, 1))
    return [
        len(list(run)) for silent, run in itertools.groupby(numbers, lambda n: n == 0) if silent
    ]


def test_a_plain_recording(capture: Capture, program: Path, tmp_path: Path) -> None:
    before = _controls(program, tmp_path)
    done = capture("term@10000", "--set", "Level=1", "--hold", "Mode=UL")
    answer = done.answer
    assert done.code == 0
    assert (answer["ended"], answer["signal"], answer["restored"]) == ("signal", 15, True)
    assert abs(answer["frames"] - 10 * RATE) <= RATE // 100
    assert _gaps(_numbers(tmp_path, answer["frames"])) == []
    assert answer["bytes"] == 44 + 4 * answer["frames"]
    assert answer["ended_ms"] - answer["started_ms"] == pytest.approx(
        answer["seconds"] * 1000, abs=1
    )
    assert (answer["xruns"], answer["frames_lost"], answer["held_resets"]) == (0, 0, {"Mode": 0})
    assert json.loads(done.said) == {"event": "started", "at_ms": answer["started_ms"]}
    assert (tmp_path / "a.wav").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "undo").exists()
    assert _controls(program, tmp_path) == before


@pytest.mark.parametrize("sleep_ms", [100, 777, 5000, 600_000])
def test_an_xrun_keeps_the_length_true(capture: Capture, tmp_path: Path, sleep_ms: int) -> None:
    answer = capture(f"xrun@2000+{sleep_ms},term@{4000 + sleep_ms}").answer
    gaps = _gaps(_numbers(tmp_path, answer["frames"]))
    assert len(gaps) == 1 and answer["xruns"] == 1
    assert gaps[0] == answer["frames_lost"] == pytest.approx(sleep_ms * RATE / 1000, abs=RATE / 20)
    assert answer["seconds"] == pytest.approx(4 + sleep_ms / 1000, abs=0.02)


def test_xruns_one_after_the_other(capture: Capture, tmp_path: Path) -> None:
    events = ",".join(f"xrun@{at}+30" for at in range(100, 5000, 100))
    answer = capture(f"{events},term@6000").answer
    assert answer["xruns"] == 49
    assert sum(_gaps(_numbers(tmp_path, answer["frames"]))) == answer["frames_lost"]
    assert answer["seconds"] == pytest.approx(6, abs=0.02)


def test_told_to_end_while_in_an_xrun(capture: Capture, tmp_path: Path) -> None:
    """As after a SIGSTOP: the signal waits with the xrun."""
    answer = capture("xrun@2000,term@2000").answer
    assert answer["ended"] == "signal" and answer["xruns"] == 1
    assert answer["seconds"] == pytest.approx(2, abs=0.02)
    _gaps(_numbers(tmp_path, answer["frames"]))


def test_a_stall_keeps_the_length_true(capture: Capture, tmp_path: Path) -> None:
    """A call on hold: some DSPs then give nothing at all, and no error."""
    answer = capture("stall@3000+4000,term@9000").answer
    assert _gaps(_numbers(tmp_path, answer["frames"])) == [4 * RATE]
    assert (answer["stalls"], answer["xruns"], answer["frames_lost"]) == (1, 0, 4 * RATE)


def test_a_dsp_that_reboots(capture: Capture, tmp_path: Path) -> None:
    answer = capture("eio@2000+3000,term@8000", "--hold", "Falls Back=on").answer
    (gap,) = _gaps(_numbers(tmp_path, answer["frames"]))
    assert gap == pytest.approx(3 * RATE, rel=0.1)
    assert answer["restarts"] == 1 and answer["seconds"] == pytest.approx(8, abs=0.02)


@pytest.mark.parametrize(("events", "errno"), [("gone@2000", "ENODEV"), ("eio@2000+9000", "EIO")])
def test_a_pcm_that_is_lost(
    capture: Capture, program: Path, tmp_path: Path, events: str, errno: str
) -> None:
    before = _controls(program, tmp_path)
    done = capture(events, "--set", "Level=1")
    assert (done.code, done.answer["ended"]) == (PCM_LOST, "pcm-lost")
    assert done.answer["errno"] == errno and done.answer["restored"]
    assert _gaps(_numbers(tmp_path, done.answer["frames"])) == []
    assert done.answer["frames"] == pytest.approx(2 * RATE, rel=0.01)
    assert _controls(program, tmp_path) == before
    assert not (tmp_path / "undo").exists()


# --- held controls ------------------------------------------------------------------------------


def test_what_is_held_is_set_again(capture: Capture, program: Path, tmp_path: Path) -> None:
    before = _controls(program, tmp_path)
    events = "put@1000:3=0,put@2000:3=2,put@3000:2=99,term@5000"
    answer = capture(events, "--hold", "Mode=UL", "--set", "Level=1").answer
    assert answer["held_resets"] == {"Mode": 2}
    assert _controls(program, tmp_path) == before


def test_what_falls_back_at_a_stop_is_set_before_each_start(capture: Capture) -> None:
    """As on Tensor. The made-up prepare is such a stop too, so each start needs one reset."""
    answer = capture("xrun@1000+100,xrun@2000+100,term@3000", "--hold", "Falls Back=on").answer
    assert answer["xruns"] == 2 and answer["held_resets"] == {"Falls Back": 3}


def test_a_held_control_that_vanishes_does_not_end_the_recording(
    capture: Capture, tmp_path: Path
) -> None:
    done = capture("vanish@1000:3,term@5000", "--hold", "Mode=UL", "--hold", "Level=1")
    assert done.code == NOT_RESTORED
    assert "Mode" in done.answer["what"] and not done.answer["restored"]
    assert done.answer["seconds"] == pytest.approx(5, abs=0.02)
    assert (tmp_path / "undo").exists()  # for a restore when it is there again


def test_what_does_not_go_back_keeps_its_journal(
    capture: Capture, program: Path, tmp_path: Path
) -> None:
    done = capture("term@1000", "--set", "Sticky=on", "--set", "Level=1")
    assert done.code == NOT_RESTORED and (tmp_path / "undo").exists()
    assert done.answer["frames"] > 0
    (level,) = run(program, "get", "Level", env=_env(tmp_path, "")).answer["controls"]
    assert level["values"] == [7, 7]


# --- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "frames", "ended"),
    [
        (("--max-seconds", "3"), 3 * RATE, "max-seconds"),
        (("--max-bytes", "100000"), (100000 - 44) // 4, "max-bytes"),
        (("--max-seconds", "9", "--max-bytes", "5000"), (5000 - 44) // 4, "max-bytes"),
    ],
)
def test_limits_are_exact(
    capture: Capture, tmp_path: Path, words: tuple[str, ...], frames: int, ended: str
) -> None:
    done = capture("term@20000", *words)
    assert (done.code, done.answer["frames"], done.answer["ended"]) == (0, frames, ended)
    assert _gaps(_numbers(tmp_path, frames)) == []


def test_a_limit_in_a_gap_is_exact(capture: Capture, tmp_path: Path) -> None:
    answer = capture("xrun@1000+5000,term@9000", "--max-seconds", "3").answer
    assert answer["frames"] == 3 * RATE
    (gap,) = _gaps(_numbers(tmp_path, 3 * RATE))
    assert gap == answer["frames_lost"] > 1.9 * RATE


def test_a_full_wav_file(tmp_path: Path) -> None:
    """4 GiB are a long test: this one is built for less."""
    program = build_fake(tmp_path / "small", "-DWAV_MAX_DATA=1000000u")
    words = ["capture", "-d", "23", "-r", str(RATE), "-c", "2", "-o", str(tmp_path / "a.wav")]
    done = run(program, *words, env=_env(tmp_path, "term@20000"))
    assert (done.code, done.answer["ended"]) == (TOO_LONG, "wav-limit")
    assert _gaps(_numbers(tmp_path, 250000)) == []


def test_nothing_came(capture: Capture, program: Path, tmp_path: Path) -> None:
    before = _controls(program, tmp_path)
    done = capture("term@5000", "--set", "Level=1", pcm="quiet")
    assert (done.code, done.answer["frames"], done.answer["started_ms"]) == (NOTHING_CAME, 0, None)
    assert not (tmp_path / "a.wav").exists()  # it would only look like a recording
    assert _controls(program, tmp_path) == before
    done = capture("term@90000", "--start-timeout", "20", pcm="quiet")
    assert (done.code, done.answer["ended"]) == (NOTHING_CAME, "start-timeout")
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize("period", ["480", "1920", "4800"])
def test_reads_are_whole_periods(capture: Capture, tmp_path: Path, period: str) -> None:
    answer = capture("term@5000", "-p", period, pcm="qualcomm").answer
    assert _gaps(_numbers(tmp_path, answer["frames"])) == []
    assert answer["seconds"] == pytest.approx(5, abs=0.11)


def test_an_hour_of_a_call(capture: Capture, tmp_path: Path) -> None:
    answer = capture("term@3600000", rate=8000).answer
    assert answer["seconds"] == pytest.approx(3600, abs=0.02)
    assert answer["frames_lost"] == 0


# --- what is refused before anything is touched -------------------------------------------------


@pytest.mark.parametrize(
    ("words", "pcm", "code"),
    [
        (("--set", "Stubborn=on"), "", REFUSED),
        (("--hold", "Locked=on"), "", DENIED),
        (("--hold", "Nothing=1"), "", NOT_FOUND),
        (("-d", "22"), "", NOT_FOUND),
        ((), "busy", DENIED),
        ((), "otherrate", UNSUPPORTED),
        (("-r", "96000"), "", UNSUPPORTED),
        (("-c", "4"), "", UNSUPPORTED),
        (("-p", "100"), "", UNSUPPORTED),
        (("-p", "960", "-n", "99"), "", UNSUPPORTED),
        (("--journal", "/nonexistent/undo"), "", CANT_WRITE),
        (("-o", "/nonexistent/a.wav"), "", CANT_WRITE),
    ],
)
def test_a_start_that_fails_leaves_nothing(
    capture: Capture, program: Path, tmp_path: Path, words: tuple[str, ...], pcm: str, code: int
) -> None:
    before = _controls(program, tmp_path)
    done = capture("term@1000", "--set", "Level=1", "--set", "Mode=DL", *words, pcm=pcm)
    assert done.code == code, done.answer
    assert _controls(program, tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mixer"]


def test_parameters_as_asked(capture: Capture) -> None:
    answer = capture("term@500", "-p", "960", "-n", "4").answer
    assert (answer["period"], answer["buffer"]) == (960, 3840)
    assert capture("term@500", "-o", "/dev/null").code == EXISTS


def test_what_is_there_is_not_written_over(capture: Capture, program: Path, tmp_path: Path) -> None:
    before = _controls(program, tmp_path)
    (tmp_path / "a.wav").write_bytes(b"a recording")
    assert capture("term@500", "--set", "Level=1").code == EXISTS
    assert (tmp_path / "a.wav").read_bytes() == b"a recording"
    (tmp_path / "a.wav").unlink()
    (tmp_path / "undo").write_bytes(b"old values")
    done = capture("term@500", "--set", "Level=1")
    assert done.code == EXISTS and "restore" in done.answer["what"]
    assert (tmp_path / "undo").read_bytes() == b"old values"
    assert not (tmp_path / "a.wav").exists()
    assert _controls(program, tmp_path) == before


def test_a_link_in_place_of_the_output_is_not_followed(capture: Capture, tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to(tmp_path / "elsewhere")
    assert capture("term@500").code == EXISTS
    assert not (tmp_path / "elsewhere").exists()


# --- standard output, status, disks -------------------------------------------------------------


def _stream(program: Path, tmp_path: Path, *words: str) -> list[str | Path]:
    return [program, "capture", "-d", "23", "-r", str(RATE), "-c", "2", "-o", "-", *words]


def test_a_stream(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        _stream(program, tmp_path, "--max-seconds", "2"),
        capture_output=True,
        env=_env(tmp_path, ""),
        check=True,
    )
    assert done.stdout[:44] == header(RATE, 2, 0xFFFFFFFF, 0xFFFFFFFF)
    assert len(done.stdout) == 44 + 2 * RATE * 4
    started, answer = map(json.loads, done.stderr.splitlines())
    assert started["event"] == "started" and answer["frames"] == 2 * RATE


def test_a_stream_that_does_not_start_is_empty(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        _stream(program, tmp_path),
        capture_output=True,
        env=_env(tmp_path, "", "busy"),
        check=False,
    )
    assert (done.returncode, done.stdout) == (DENIED, b"")
    assert json.loads(done.stderr)["errno"] == "EBUSY"


def test_a_reader_that_goes_away(program: Path, tmp_path: Path) -> None:
    before = _controls(program, tmp_path)
    with subprocess.Popen(
        _stream(program, tmp_path, "--set", "Level=1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_env(tmp_path, ""),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(4) == b"RIFF"
        process.stdout.close()
        answer = json.loads(process.stderr.read().splitlines()[-1])
        assert process.wait(30) == CANT_WRITE
    assert (answer["errno"], answer["ended"], answer["restored"]) == ("EPIPE", "write-error", True)
    assert _controls(program, tmp_path) == before


def test_the_status_file(capture: Capture, tmp_path: Path) -> None:
    done = capture("term@500", "--status", str(tmp_path / "status"))
    assert done.said == ""
    status = json.loads((tmp_path / "status").read_text())
    assert status == {"event": "started", "at_ms": done.answer["started_ms"]}
    (tmp_path / "a.wav").unlink()
    done = capture("term@500", "--status", "/nonexistent/status")
    assert done.code == CANT_WRITE and done.answer["frames"] > 0


def _armed(program: Path, tmp_path: Path, events: str = "term@1000") -> list[str | Path]:
    words = ["--set", "Level=1", "--journal", str(tmp_path / "undo"), "--go"]
    return [program, "capture", "-d", "23", "-r", "48000", "-c", "2", *words, "-o", "a.wav"]


@pytest.mark.parametrize("how", ["go", "end of input", "signal"])
def test_armed(program: Path, tmp_path: Path, how: str) -> None:
    """All is set before the word to go; without that word, all is put back."""
    before = _controls(program, tmp_path)
    with subprocess.Popen(
        _armed(program, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=_env(tmp_path, "term@1000"),
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        while _controls(program, tmp_path) == before:
            assert process.poll() is None
        assert (tmp_path / "undo").exists()
        if how == "signal":
            process.terminate()
        process.stdin.write(b"g" if how == "go" else b"")
        if how != "signal":
            process.stdin.close()
        answer = json.loads(process.stdout.read())
        code = process.wait(30)
    assert _controls(program, tmp_path) == before
    assert not (tmp_path / "undo").exists()
    assert (tmp_path / "a.wav").exists() == (how == "go")
    assert code == (0 if how == "go" else NOTHING_CAME), answer


def test_levels_of_each_channel(capture: Capture, tmp_path: Path) -> None:
    """Channel 1 holds the high half of the frame's number: it is 0 for the first 65535 frames."""
    answer = capture("term@20000", "--max-bytes", str(44 + 4 * 131071)).answer
    first, second = answer["levels"]
    assert first["channel"] == 0 and first["peak_dbfs"] == 0.0
    assert first["silent_share"] == pytest.approx(1 / 131071, abs=1e-4)
    assert first["clipped"] == 2 * 2 + 2  # 32767, -32768 and -32767, in each of two rounds
    assert second["peak_dbfs"] == pytest.approx(-90.31, abs=0.01)
    assert second["rms_dbfs"] == pytest.approx(-93.32, abs=0.01)
    assert second["silent_share"] == pytest.approx(0.5, abs=1e-4)


def test_digital_silence_has_no_level(capture: Capture) -> None:
    answer = capture("term@1000").answer
    assert answer["levels"][1] == {
        "channel": 1,
        "peak_dbfs": None,
        "rms_dbfs": None,
        "silent_share": 1.0,
        "clipped": 0,
    }
