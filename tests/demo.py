"""``make demo``: a lab phone, three calls, and what became of them. Exits 0 when all of it held."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.lab.phone import LabPhone
from tests.lab.speech import conversation
from tests.sound import compare

HOME = Path("build/demo")
CALLS = (
    {"number": "+4930123456", "contact": "Ada Miller", "direction": "in", "active": 5.0},
    {"number": "+441632960123", "direction": "out", "active": 4.0, "sim": 1},
    {"number": "", "presentation": "restricted", "direction": "in", "active": 4.5},
)
CORRELATION, SECONDS = 0.9, 0.5  # what the archived audio has to keep to

console = Console(highlight=False, emoji=False)


def say(text: str) -> None:
    """A line of the demo's own."""
    console.print(f"\n[bold cyan]» {text}[/]")


class Offhook:
    """The real command, in a home of its own."""

    def __init__(self, address: str) -> None:
        program = str(Path(sys.executable).with_name("offhook"))
        self._argv = [program, "--home", str(HOME), "--phone", address]
        self._env = os.environ | {"ANDROID_USER_HOME": str(HOME / "android"), "COLUMNS": "100"}

    def show(self, *words: str) -> None:
        """Run it as a user would see it; the demo ends when it fails."""
        console.print(f"[bold]$ offhook {shlex.join(words)}[/]")
        sys.stdout.flush()
        done = subprocess.run([*self._argv, *words], env=self._env, check=False)
        if done.returncode:
            raise SystemExit(f"demo: offhook {words[0]} ended with {done.returncode}")

    def json(self, *words: str) -> list[dict[str, object]]:
        """Run it with --json."""
        done = subprocess.run(
            [*self._argv, "--json", *words], env=self._env, check=True, capture_output=True
        )
        listed: list[dict[str, object]] = json.loads(done.stdout)
        return listed

    @contextmanager
    def watching(self) -> Iterator[threading.Semaphore]:
        """``offhook watch`` beside the calls; the semaphore counts what it recorded."""
        console.print("[bold]$ offhook watch &[/]")
        recorded, ready = threading.Semaphore(0), threading.Event()
        process = subprocess.Popen(
            [*self._argv, "watch"], env=self._env, stdout=subprocess.PIPE, text=True
        )

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                console.print(f"  {line.rstrip()}", markup=False)
                if "recorded, " in line:
                    recorded.release()
                if "waiting for a call" in line:
                    ready.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            if not ready.wait(60):
                raise SystemExit("demo: offhook watch did not reach the phone in 60 s")
            yield recorded
        finally:
            process.terminate()
            process.wait(timeout=30)
            reader.join()


def main() -> int:
    """0 when every call was recorded, is the modem's audio, and the phone is as it was."""
    begun = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, mode=0o700)
    say("A lab phone: Google's adbd, mksh and toybox on a real kernel, with a Qualcomm's mixer")
    with LabPhone(kind="vm", profile="sm8250", serial="DEMO") as phone:
        console.print(f"It took {time.monotonic() - begun:.0f} s to start.")
        before = phone.snapshot()
        offhook = Offhook("{}:{}".format(*phone.address))
        say("What can it do?")
        offhook.show("doctor")
        say("Capture on")
        offhook.show("enable", "--basis", "own-line", "--here", "DE")
        say("Three calls: incoming, outgoing, and one with a private number")
        played = []
        with offhook.watching() as recorded:
            for number, call in enumerate(CALLS):
                speech = conversation(float(str(call["active"])) + 2, seed=number)
                phone.root("cat > /lab/state/speech.wav", input=speech.read_bytes())
                played.append((phone.call(**call), speech))
                if not recorded.acquire(timeout=60):
                    raise SystemExit("demo: a call's recording did not arrive in 60 s")
        say("Capture off, and the phone as it was")
        offhook.show("disable")
        left = phone.changes(before)
        console.print(left or "Files, settings, processes, notifications, controls: no difference.")
        say("What is in the archive")
        offhook.show("list")
        offhook.show("search", "miller")
        offhook.show("show", "latest")
        say("Is it what the modem played?")
        wrong = ["the phone is not as it was"] if left else []
        rows = sorted(offhook.json("list"), key=lambda row: str(row["started"]))
        for row, (call, speech) in zip(rows, played, strict=True):
            result = compare(HOME / "archive" / str(row["path"]), speech, call.talk)
            if min(result.correlation) < CORRELATION:
                wrong.append(f"a correlation is below {CORRELATION}")
            if abs(result.seconds - call.talk) > SECONDS:
                wrong.append(f"a recording's length is more than {SECONDS} s off")
            console.print(
                f"{row['original_name']}: correlation {result.correlation[0]:.3f} (uplink) "
                f"{result.correlation[1]:.3f} (downlink), {result.seconds:.2f} s of a call of "
                f"{call.talk:.2f} s",
                markup=False,
            )
    held = (
        f"SOMETHING DID NOT HOLD: {'; '.join(dict.fromkeys(wrong))}" if wrong else "All of it held"
    )
    say(f"{held}, in {time.monotonic() - begun:.0f} s. The archive is in {HOME}/.")
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if wrong and load > cores:
        console.print(
            f"This computer is busy (load {load:.1f} on {cores} processors), and the lab phone plays"
            " and records in real time: try again when it is quiet."
        )
    console.print("To play with a lab phone yourself: make phone")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
