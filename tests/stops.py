"""``make stops``: kill something at a random point of `enable`, a call or `disable`, and look.

Each round kills one thing (of the phone's: the recorder's loop, its supervisor, its helper, its
logcat, the first two together, all of them as a power cut does, the shell that runs a command,
adbd; of this computer's: offhook itself), and then asks: is every control as it was, is what was
recorded there up to its last second, is there one recorder at most, and does the next `disable`
give the phone back as it was.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.offhook import PROGRAM, Offhook

H = "/data/adb/offhook"
STAGES = ("enable", "call", "call", "call", "disable")
VICTIMS = {
    "loop": "daemon",
    "supervisor": "supervisor",
    "helper": "capture",
    "logcat": "logcat",
    "loop and supervisor": "supervisor daemon",
    "power": "supervisor daemon capture logcat",
}
OTHERS = ("shell", "adbd", "host")
#: Those after which nobody is left on the phone who could put a control back.
BEYOND_HELP = ("power",)
LAST_S = 1.0
BYTES_A_SECOND = 48_000 * 4
_never = threading.Event()


@dataclass
class Round:
    """What was done, and what was wrong after it."""

    number: int
    stage: str
    victim: str
    at_s: float
    hit: bool = False
    had_s: float = 0.0
    kept_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        hit = "" if self.hit else " (not there)"
        kept = f", {self.had_s:.2f} s there, {self.kept_s:.2f} s kept" if self.had_s else ""
        said = f"round {self.number}: {self.victim}{hit} at {self.at_s:.2f} s of {self.stage}{kept}"
        return said + "".join(f"\n    WRONG: {text}" for text in self.wrong)


class Driver:
    """Rounds on one phone; ``how`` is the seed that makes them the same again."""

    def __init__(self, phone: LabPhone, home: Path, how: int) -> None:
        self.phone = phone
        self.offhook = Offhook(home, phone.address)
        self.chance = random.Random(how)
        self.before = phone.snapshot()
        self.took = {"enable": 4.0, "disable": 4.0}
        self.asked = False

    def round(self, number: int) -> Round:
        """One round; nothing of it is left on the phone, whatever went wrong."""
        stage = self.chance.choice(STAGES)
        victims = [*OTHERS, *(VICTIMS if stage == "call" else ["loop", "supervisor", "power"])]
        one = Round(number, stage, self.chance.choice(victims), 0.0)
        known = {row["id"] for row in self.offhook.rows()} if self.asked else set()
        try:
            if stage == "enable":
                self._command(one, "enable")
            else:
                self._enable()
                if stage == "call":
                    self._call(one)
                else:
                    self.phone.call(ring=0.2, active=1.0)
                    self._command(one, "disable")
            self._look(one)
            self._disable(one)
            if stage != "enable":
                self._check_rows(one, known)
        except (AssertionError, LabError, subprocess.TimeoutExpired) as error:
            one.wrong.append(str(error)[-2000:])
            self._disable(Round(number, "", "", 0))
        return one

    def _enable(self) -> None:
        since = time.monotonic()
        self.offhook.good("enable", "--basis", "own-line", "--here", "DE")
        self.took["enable"] = time.monotonic() - since
        self.asked = True

    # -- something is killed -------------------------------------------------------------------

    def _command(self, one: Round, word: str) -> None:
        """A command that is disturbed somewhere between its first line and its last."""
        words = [word, "--basis", "own-line", "--here", "DE"] if word == "enable" else [word]
        one.at_s = self.chance.uniform(0.1, self.took[word])
        process = subprocess.Popen(
            [PROGRAM, *words],
            env=self.offhook.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.asked = True
        _never.wait(one.at_s)
        self._kill(one, process)
        try:
            # Where what ran as root hangs on without its shell, `install` gives it two minutes.
            _, said = process.communicate(timeout=240)
        finally:
            process.kill()
            process.wait()
        if "Traceback" in said:
            one.wrong.append(said[-2000:])

    def _call(self, one: Round) -> None:
        """A call that is disturbed between its first ring and a moment after its end."""
        one.at_s = self.chance.uniform(0.0, 3.6)
        watch = None
        if one.victim == "host" or self.chance.random() < 0.3:
            watch = subprocess.Popen(
                [PROGRAM, "--json", "watch"], env=self.offhook.env, stdout=subprocess.DEVNULL
            )
        try:
            call = self.phone.start_call(
                direction=self.chance.choice(("in", "out")), ring=0.4, active=2.4
            )
            _never.wait(one.at_s)
            self._kill(one, watch)
            call.wait()
        finally:
            if watch is not None:
                watch.terminate()
                try:
                    watch.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    watch.kill()
                    watch.wait()

    def _kill(
        self, one: Round, host: subprocess.Popen[str] | subprocess.Popen[bytes] | None
    ) -> None:
        if one.victim == "host":
            one.had_s = self._on_disk()
            one.hit = host is not None and host.poll() is None
            if host is not None:
                host.kill()
        elif one.victim == "adbd":
            one.had_s, one.hit = self._on_disk(), True
            self.phone.kill_adbd()
            self.phone.start_adbd()
        elif one.victim == "shell":
            one.had_s = self._on_disk()
            one.hit = self._kill_shell(one)
        else:
            files = " ".join(f"{name}.pid" for name in VICTIMS[one.victim].split())
            said = self.phone.root(
                f"cd {H}/run 2>/dev/null || exit 0\n"
                "stat -c 'size %s' call.wav 2>/dev/null\n"
                f"pids=$(cat {files} 2>/dev/null); kill -KILL $pids 2>/dev/null && echo hit\nexit 0"
            )
            one.hit = "hit" in said
            one.had_s = _seconds(said)

    def _on_disk(self) -> float:
        return _seconds(self.phone.root(f"stat -c 'size %s' {H}/run/call.wav 2>/dev/null; exit 0"))

    def _kill_shell(self, one: Round) -> bool:
        """One of the processes that adbd has started, for whoever is at the other end."""
        listed = self.phone.root("ps -A -o PID,PPID,COMM")
        parents = {pid: (parent, name) for pid, parent, name in _processes(listed)}
        roots = {pid for pid, (_, name) in parents.items() if name == "adbd"}
        below: list[int] = []
        grown = True
        while grown:
            more = [
                pid
                for pid, (parent, _) in parents.items()
                if (parent in roots or parent in below) and pid not in below
            ]
            below += more
            grown = bool(more)
        if not below:
            return False
        pid = self.chance.choice(sorted(below))
        one.victim = f"shell ({parents[pid][1]})"
        return "hit" in self.phone.root(f"kill -KILL {pid} 2>/dev/null && echo hit; exit 0")

    # -- what has to hold ----------------------------------------------------------------------

    def _look(self, one: Round) -> None:
        """Before `disable`: what the phone does for itself."""
        if one.victim not in BEYOND_HELP and one.stage == "call":
            held = self.before["mixer"]
            if not _soon(lambda: self.phone.machine.mixer() == held, 15):
                now = self.phone.machine.mixer()
                left = [name for name in held if now.get(name) != held[name]]
                one.wrong.append(f"controls are left set: {left}")
        # What was killed may have left a child that ends with the next thing it does.
        if not _soon(lambda: not self._more_than_one(), 3):
            one.wrong += self._more_than_one()

    def _more_than_one(self) -> list[str]:
        """Of what there has to be one at most."""
        running = _processes(self.phone.root("ps -A -o PID,PPID,ARGS; exit 0"))
        found = []
        for what in ("offhookd.sh run", "offhookd.sh supervise", "offhook-pcm capture"):
            own = {pid: parent for pid, parent, args in running if what in args}
            # A shell forks before it runs a program: for a moment it is there twice.
            count = sum(parent not in own for parent in own.values())
            if count > 1:
                found.append(f"{count} × {what}")
        return found

    def _disable(self, one: Round) -> None:
        since = time.monotonic()
        ran = self.offhook.run("disable")
        if ran.code == 0 and "is as it was" in ran.out:
            self.took["disable"] = time.monotonic() - since
        if ran.code != 0:
            one.wrong.append(f"disable ended with {ran.code}: {ran.err.strip()}")
        if not _soon(lambda: not self.phone.diff(self.before, self.phone.snapshot()), 10):
            left = self.phone.diff(self.before, self.phone.snapshot())
            one.wrong.append("left after disable: " + "; ".join(left[:20]))
            self._clear()

    def _clear(self) -> None:
        """So that the next round is judged by itself."""
        self.phone.root(f"sh {H}/offhookd.sh stop 2>/dev/null; rm -rf {H}; exit 0", timeout=60)
        self.before = self.phone.snapshot()

    def _check_rows(self, one: Round, known: set[object]) -> None:
        rows = [row for row in self.offhook.rows() if row["id"] not in known]
        one.kept_s = sum(float(row["duration_s"] or 0) for row in rows)
        if one.kept_s < one.had_s - LAST_S:
            one.wrong.append(f"{one.had_s:.2f} s were there, {one.kept_s:.2f} s are kept")
        if one.stage == "call" and one.victim.split()[0] in OTHERS and one.kept_s < 2.4 - LAST_S:
            one.wrong.append(f"nobody touched the recorder, and it kept {one.kept_s:.2f} s")
        for row in rows:
            # What begins in a call's last moment may hear no more of it.
            if not row["verified"] or (row["silent"] and row["duration_s"] > LAST_S):
                one.wrong.append(f"silent, or not verified: {row}")


def _processes(listed: str) -> list[tuple[int, int, str]]:
    """What ``ps`` says of process, parent and name or words, without its first line."""
    lines = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [(int(pid), int(parent), words) for pid, parent, words in lines]


def _seconds(said: str) -> float:
    for line in said.splitlines():
        if line.startswith("size "):
            return max(0.0, (int(line[5:]) - 44) / BYTES_A_SECOND)
    return 0.0


def _soon(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        _never.wait(0.2)
    return True


def run(
    phone: LabPhone, home: Path, *, seed: int, count: int, tell: Callable[[str], None]
) -> list[Round]:
    """``count`` rounds; those that went wrong."""
    driver = Driver(phone, home, seed)
    rounds = []
    for number in range(1, count + 1):
        rounds.append(driver.round(number))
        tell(str(rounds[-1]))
    hits = Counter(f"{one.stage}: {one.victim}" for one in rounds if one.hit)
    tell("hit: " + ", ".join(f"{what} {times}" for what, times in sorted(hits.items())))
    return [one for one in rounds if one.wrong]


def main(words: Sequence[str] | None = None) -> int:
    """Start a phone, and do it."""
    parser = argparse.ArgumentParser(prog="make stops")
    parser.add_argument("--count", type=int, default=200, help="how many rounds")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--profile", default="sm8250")
    options = parser.parse_args(words)

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    tell(f"seed {options.seed}")
    with (
        tempfile.TemporaryDirectory(prefix="offhook-stops-") as folder,
        LabPhone(kind="vm", profile=options.profile) as phone,
    ):
        home = Path(folder) / "home"
        wrong = run(phone, home, seed=options.seed, count=options.count, tell=tell)
    tell(f"{options.count} rounds, {len(wrong)} of them went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
