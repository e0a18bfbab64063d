"""The PCM helper on real ALSA: the loopback card of a `vm` lab phone."""

from __future__ import annotations

import json
import random
import subprocess
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device_scripts.pcm_tools import (
    CANT_WRITE,
    DENIED,
    EXISTS,
    NOTHING_CAME,
    PCM_LOST,
    REFUSED,
    ZIG,
    build_helper,
    header,
)
from tests.lab.phone import LabPhone

pytestmark = [pytest.mark.vm, pytest.mark.timeout(600)]

RATE = 48000
SECOND = RATE * 4  # bytes
ROOM = "/data/local/tmp/pcm"
UP, DOWN, CONFIG = "MultiMedia9 Mixer VOC_REC_UL", "MultiMedia9 Mixer VOC_REC_DL", "Voc Rec Config"
HOLD = ["--hold", f"{UP}=on", "--hold", f"{DOWN}=on", "--hold", f"{CONFIG}=2"]


class Bench:
    """The helper in a phone, run by the examiner as root."""

    def __init__(self, phone: LabPhone) -> None:
        self.phone = phone
        phone.root(f"mkdir -p {ROOM}")

    def put(self, name: str, content: bytes) -> None:
        self.phone.root(f"cat > {ROOM}/{name} && chmod 755 {ROOM}/{name}", input=content)

    def get(self, name: str) -> bytes:
        done = self.phone.machine.run(f"cat {ROOM}/{name}", input=b"", timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, script: str, timeout: float = 60) -> subprocess.CompletedProcess[bytes]:
        return self.phone.machine.run(f"cd {ROOM}; {script}", input=b"", timeout=timeout)

    def run(self, *words: str, program: str = "x86_64") -> tuple[int, dict[str, Any]]:
        done = self.shell(f"./{program} {_quoted(words)}")
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return done.returncode, answer

    def values(self, name: str) -> Any:
        _, answer = self.run("get", name)
        return answer["controls"][0]["values"]

    def start(self, *words: str, program: str = "x86_64", shell: str = "p=$!; wait $p") -> int:
        """Begin a capture to ``a.wav``; returns when it has its first frame, with its pid."""
        capture = ["capture", "-d", "23", "-r", str(RATE), "-c", "2", "--journal", "undo"]
        capture += ["--status", "status", "-o", "a.wav", *words]
        done = self.shell(
            f"rm -f a.wav code result errors status pid; "
            f"(./{program} {_quoted(capture)} >result 2>errors </dev/null & echo $! >pid; "
            f"{shell}; echo $? >code.new; mv code.new code) >/dev/null 2>&1 </dev/null & "
            "until [ -e status ] || [ -e code ]; do usleep 10000; done; cat pid"
        )
        return int(done.stdout)

    def until_size(self, size: int) -> None:
        """Wait until ``a.wav`` has so many bytes."""
        done = self.shell(f"until [ $(stat -c %s a.wav) -ge {size} ]; do usleep 20000; done")
        assert done.returncode == 0, self.shell("cat result errors").stdout

    def end(self) -> tuple[int, dict[str, Any]]:
        """Wait for the end of what ``start`` began; its exit code and its answer."""
        done = self.shell("until [ -e code ]; do usleep 10000; done; cat code result")
        code, _, answer = done.stdout.decode().partition("\n")
        return int(code), json.loads(answer) if answer else {}

    def stop(self, signal: str = "TERM") -> tuple[int, dict[str, Any]]:
        self.shell(f"kill -{signal} $(cat pid)")
        return self.end()

    def sound(self) -> array[int]:
        """The samples of ``a.wav``, whose header has to be right."""
        content = self.get("a.wav")
        assert content[:44] == header(RATE, 2, len(content) - 44)
        return array("h", content[44:])

    def now_ms(self) -> int:
        return int(self.shell("date +%s%N").stdout) // 1_000_000


def _quoted(words: tuple[str, ...] | list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


@pytest.fixture(scope="module")
def phone() -> Iterator[LabPhone]:
    with LabPhone("vm", "sm8250") as phone:
        yield phone


@pytest.fixture(scope="module")
def furnished(phone: LabPhone, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return _furnish(Bench(phone), tmp_path_factory)


def _furnish(bench: Bench, folders: pytest.TempPathFactory) -> Bench:
    for abi in ("x86_64", "x86"):
        bench.put(abi, build_helper(abi).read_bytes())
    tool = folders.mktemp("tool") / "tool"
    source = Path(__file__).with_name("pcm_lab_tool.c")
    command = [*ZIG, "-O1", "-s", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(tool)]
    subprocess.run(command, check=True)
    bench.put("tool", tool.read_bytes())
    return bench


@pytest.fixture
def bench(furnished: Bench) -> Iterator[Bench]:
    """After each test the mixer is as before it, and nothing of the helper's is left running."""
    before = furnished.phone.machine.mixer()
    yield furnished
    left = furnished.shell("ps -A -o NAME | grep -c -x -e x86_64 -e x86 -e tool; ls undo* 2>&1")
    furnished.shell("rm -f undo* a.wav b.wav; umount small; rmdir small")
    assert left.stdout.splitlines()[0] == b"0", left.stdout
    assert furnished.phone.machine.mixer() == before


@pytest.mark.parametrize("program", ["x86_64", "x86"])
def test_bool_int_and_enum_are_set_and_read_back(bench: Bench, program: str) -> None:
    _, answer = bench.run("controls", program=program)
    controls = [c for c in answer["controls"] if c["writable"] and c["iface"] == "mixer"]
    assert len(controls) > 300
    enum = next(c for c in controls if c["type"] == "enum" and len(c["items"]) > 1)
    other = next(item for item in enum["items"] if item != enum["values"][0])
    for name, value, shown in (
        (UP, "on", [True, True]),
        (UP, "off,on", [False, True]),
        (UP, "off", [False, False]),
        ("Voc VSID", "0x10C01000", [0x10C01000]),
        ("Voc VSID", "-1", [-1]),
        (enum["name"], other, [other] * enum["count"]),
        (enum["name"], enum["values"][0], enum["values"]),
    ):
        code, answer = bench.run("set", f"{name}={value}", program=program)
        assert (code, answer["set"][0]["new"]) == (0, shown), (name, value)
    code, answer = bench.run("set", f"{UP}=on", f"{CONFIG}=3", program=program)
    assert code == REFUSED and bench.values(UP) == [False, False]


def test_cards_and_pcms_of_the_kernel(bench: Bench) -> None:
    _, answer = bench.run("pcms")
    assert [card["card"] for card in answer["cards"]] == [0]
    (pcm,) = [pcm for pcm in answer["pcms"] if pcm["name"] == "MultiMedia9 (*)"]
    assert (pcm["device"], pcm["capture"]) == (23, 1)
    _, answer = bench.run("params", "-d", "23")
    assert {8000, 16000, 48000} <= set(answer["rates"])
    assert answer["rate"]["max"] >= 48000 and "s16" in answer["formats"]
    assert answer["channels"]["min"] == 1


def test_what_another_process_locks(bench: Bench) -> None:
    _, answer = bench.run("get", CONFIG)
    numid = answer["controls"][0]["numid"]
    bench.shell(
        f"./tool lock {numid} >locked 2>&1 </dev/null & echo $! >locker; until [ -s locked ]; do :; done"
    )
    locker = bench.get("locker").decode().strip()
    try:
        code, answer = bench.run("set", f"{UP}=on", f"{CONFIG}=2")
        assert code == DENIED and answer["put_back"]
        assert f"locked by process {locker}" in answer["what"]
        assert bench.values(UP) == [False, False]
    finally:
        bench.shell(f"kill {locker}; while [ -e /proc/{locker} ]; do :; done")


@pytest.mark.parametrize("program", ["x86_64", "x86"])
def test_what_is_played_is_recorded_bit_for_bit(bench: Bench, program: str) -> None:
    """``x86`` is a 32-bit program on a 64-bit kernel: what most armeabi-v7a phones are not, but
    the translation of the ioctls is the same code."""
    chance = random.Random(7)
    played = array("h", (chance.randint(-32768, 32767) or 1 for _ in range(RATE * 3 * 2)))
    bench.put("sound", played.tobytes() + bytes(SECOND // 2))  # the loopback drops what is last
    bench.start(program=program)
    done = bench.shell("./tool play /lab/vm/dev/pcmC0D0p sound")
    assert done.returncode == 0, done.stderr
    code, answer = bench.stop()
    assert (code, answer["xruns"]) == (0, 0)
    recorded = bench.sound()
    first = next(at for at, sample in enumerate(recorded) if sample)
    assert first % 2 == 0
    assert recorded[first : first + len(played)] == played
    peak = max(-min(recorded), max(recorded))
    assert answer["levels"][0]["peak_dbfs"] == 0.0 or peak < 32767
    assert answer["frames"] == len(recorded) // 2


@pytest.mark.parametrize(("signal", "number"), [("TERM", 15), ("INT", 2), ("HUP", 1)])
def test_a_signal_ends_it_well(bench: Bench, signal: str, number: int) -> None:
    bench.start(*HOLD)
    bench.until_size(SECOND)
    assert (bench.values(UP), bench.values(DOWN)) == ([True, True], [True, True])
    assert bench.values(CONFIG) == [2]
    journal = bench.get("undo").decode()
    assert journal.startswith("offhook-pcm journal 1\n") and journal.endswith("\nend 3\n")
    code, refused = bench.run("restore", "undo")  # not under a capture that lives
    assert (code, refused["errno"]) == (DENIED, "EBUSY")
    ended = bench.now_ms()
    code, answer = bench.stop(signal)
    assert (code, answer["signal"], answer["restored"]) == (0, number, True)
    assert len(bench.sound()) == answer["frames"] * 2
    assert abs(answer["ended_ms"] - ended) < 1000
    assert bench.values(CONFIG) == [1]
    assert bench.shell("[ -e undo ]").returncode == 1


def test_killed_repaired_restored(bench: Bench) -> None:
    bench.start(*HOLD)
    started = json.loads(bench.get("status"))["at_ms"]
    bench.until_size(2 * SECOND)
    killed = bench.now_ms()
    code, _ = bench.stop("KILL")
    assert code == 137 and bench.values(CONFIG) == [2]
    code, answer = bench.run("repair", "a.wav")
    assert (code, answer["repaired"]) == (0, True)
    assert len(bench.sound()) == answer["frames"] * 2
    assert answer["seconds"] > (killed - started) / 1000 - 1
    code, refused = bench.run(
        *("capture", "-d", "23", "-r", "48000", "-c", "2", *HOLD),
        *("--journal", "undo", "-o", "b.wav"),
    )
    assert code == EXISTS and "restore" in refused["what"]
    code, answer = bench.run("restore", "undo")
    assert (code, len(answer["restored"])) == (0, 3)
    assert bench.values(CONFIG) == [1] and bench.values(UP) == [False, False]


def test_an_xrun_keeps_the_length_and_the_controls(bench: Bench) -> None:
    """Stopped for longer than the PCM's buffer, while another program changes what is held."""
    pid = bench.start(*HOLD)
    started = json.loads(bench.get("status"))["at_ms"]
    bench.until_size(SECOND)
    bench.shell(f"kill -STOP {pid}")
    assert bench.run("set", f"{CONFIG}=1")[0] == 0
    bench.shell(f"sleep 3; kill -CONT {pid}")
    bench.until_size(5 * SECOND)
    assert bench.values(CONFIG) == [2]
    ended = bench.now_ms()
    code, answer = bench.stop()
    assert code == 0 and answer["xruns"] >= 1
    assert answer["frames_lost"] > 1.5 * RATE
    assert answer["held_resets"][CONFIG] == 1
    assert answer["seconds"] == pytest.approx((ended - started) / 1000, abs=0.5)
    assert len(bench.sound()) == answer["frames"] * 2


def test_it_ends_with_its_parent(bench: Bench) -> None:
    pid = bench.start(*HOLD, "--die-with-parent", shell="kill -KILL $(sh -c 'echo $PPID')")
    bench.shell(f"while [ -e /proc/{pid} ]; do usleep 10000; done")
    result = bench.get("result")
    answer = json.loads(result)
    assert answer["signal"] == 15 and answer["restored"]
    assert bench.shell("[ -e undo ]").returncode == 1


def test_a_parent_that_is_dead_already(bench: Bench) -> None:
    dead = bench.shell("sh -c 'echo $$'").stdout.decode().strip()
    code, answer = bench.run(
        *("capture", "-d", "23", "-r", "48000", "-c", "2", *HOLD),
        *("--journal", "undo", f"--die-with-parent={dead}", "-o", "a.wav"),
    )
    assert code == NOTHING_CAME, answer
    assert bench.shell("ls undo a.wav").stdout == b""


def test_a_full_disk(bench: Bench) -> None:
    bench.shell("mkdir small && mount -t tmpfs -o size=300k small small")
    bench.start(*HOLD, "-o", "small/a.wav")
    code, answer = bench.end()
    assert (code, answer["errno"], answer["ended"]) == (CANT_WRITE, "ENOSPC", "disk-full")
    assert answer["restored"] and 0 < answer["bytes"] <= 300 * 1024
    content = bench.get("small/a.wav")
    assert content[:44] == header(RATE, 2, len(content) - 44) and len(content) > 250_000
    assert bench.run("repair", "small/a.wav")[1]["repaired"] is False


def test_one_at_a_time(bench: Bench) -> None:
    bench.start(*HOLD)
    code, answer = bench.run(
        *("capture", "-d", "23", "-r", "48000", "-c", "2", "--hold", f"{CONFIG}=1"),
        *("--journal", "undo.2", "-o", "b.wav"),
    )
    assert (code, answer["errno"]) == (DENIED, "EBUSY")
    assert bench.shell("ls undo.2 b.wav").stdout == b""
    code, answer = bench.stop()
    assert code == 0 and answer["restored"]


def test_a_stream(bench: Bench) -> None:
    done = bench.shell("./x86_64 capture -d 23 -r 16000 -c 1 --max-seconds 2 -o -")
    assert done.stdout[:44] == header(16000, 1, 0xFFFFFFFF, 0xFFFFFFFF)
    assert len(done.stdout) == 44 + 2 * 16000 * 2
    answer = json.loads(done.stderr.splitlines()[-1])
    assert (answer["frames"], answer["bytes"]) == (32000, len(done.stdout))


def test_twenty_in_a_row_leave_nothing(bench: Bench) -> None:
    words = ["capture", "-d", "23", "-r", "48000", "-c", "2", *HOLD, "--journal", "undo"]
    words += ["--max-bytes", "20044", "-o", "a.wav"]
    done = bench.shell(
        f"i=0; while [ $i -lt 20 ]; do rm -f a.wav; ./x86_64 {_quoted(words)} >>log 2>/dev/null || exit; "
        "i=$((i+1)); done; ls; rm log"
    )
    assert done.returncode == 0
    assert {"undo", "undo.new", "a.wav.new"}.isdisjoint(done.stdout.decode().split())


def test_a_card_that_is_unplugged(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A phone of its own, which has no card after it."""
    with LabPhone("vm", "sm8250") as phone:
        bench = _furnish(Bench(phone), tmp_path_factory)
        bench.start(*HOLD)
        bench.until_size(SECOND)
        bench.shell(
            "echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/unbind 2>/dev/null </dev/null &"
        )
        code, answer = bench.end()
        assert answer["ended"] == "pcm-lost" and code != 0
        assert answer["errno"] in {"ENODEV", "ENOENT"}
        assert code == PCM_LOST or not answer["restored"]
        assert len(bench.sound()) == answer["frames"] * 2 > 0


def test_a_tensor_turns_its_stream_off_at_every_stop(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with LabPhone("vm", "tensor") as phone:
        bench = _furnish(Bench(phone), tmp_path_factory)
        before = phone.machine.mixer()
        _, answer = bench.run("controls")
        stream = next(c for c in answer["controls"] if c["name"] == "Incall Capture Stream2")
        hold = f"{stream['name']}={stream['items'][-1]}"
        pid = bench.start("-d", "22", "--hold", hold)
        bench.until_size(SECOND)
        bench.shell(f"kill -STOP {pid}; sleep 3; kill -CONT {pid}")
        bench.until_size(5 * SECOND)
        assert bench.values(stream["name"]) == [stream["items"][-1]]
        code, answer = bench.stop()
        assert code == 0 and answer["xruns"] >= 1
        assert answer["held_resets"][stream["name"]] >= 1
        assert phone.machine.mixer() == before
