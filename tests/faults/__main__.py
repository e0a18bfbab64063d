"""``make faults``: let `offhook sync` meet a fault at a random system call, again and again.

Over a lab phone whose small files come and go, each round adds to them, disturbs two to four
runs of `sync`, and lets others go through undisturbed until nothing is left to do. Then every
file that is on the phone has to be in the archive, once, byte for byte; index, store and custody
log have to agree; and nothing may lie about. The kinds of faults:

    kill      SIGKILL before or after the call, or in the middle of what it writes
    power     the same, and all that no fsync had made safe is lost
    disk      no room from there on        fsync, write, name   the disk's errors
    link      a socket breaks              cable, adbd          pulled out; killed and started
    clock     this computer's is turned back
    phone     files change under sync      locked               another program has the index

Each forty rounds begin with an empty phone and archive. ``build/faults.json`` has the counts.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import random
import shutil
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import injected as shim
from tests.faults.changing import CONFIG, ChangingPhone
from tests.faults.powercut import Disk
from tests.lab.phone import LabPhone

RESULT = Path("build/faults.json")
EPOCH = 40  # rounds
_DISK = shim.WRITES | shim.SYNCS | shim.NAMES
#: How often each kind comes, and the calls that it may hit.
KINDS: dict[str, tuple[int, int]] = {
    "kill": (36, _DISK),
    "power": (20, _DISK),
    "disk": (7, shim.WRITES),
    "fsync": (6, shim.SYNCS),
    "write": (4, shim.WRITES),
    "name": (5, shim.NAMES),
    "link": (6, shim.NET),
    "cable": (2, 0),
    "adbd": (2, 0),
    "clock": (3, 0),
    "phone": (6, 0),
    "locked": (3, 0),
}
_STEP_NS = 20 * 10**9  # that each run is later than the one before: files settle meanwhile
_MOST_QUIET = 6  # undisturbed runs after which there has to be nothing to do
WRONG = ("lost", "doubled", "corrupt", "left_over", "crashed")
_never = threading.Event()


@dataclass
class Counts:
    """What was done, and what was wrong after it."""

    runs: int = 0
    rounds: int = 0
    undisturbed: int = 0
    lost_to_power: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)

    def as_dict(self, seed: int) -> dict[str, Any]:
        """For build/faults.json."""
        return {
            "runs": self.runs,
            "seed": seed,
            "rounds": self.rounds,
            "undisturbed": self.undisturbed,
            "kinds": dict(self.kinds),
            "calls": dict(self.calls),
            **{what: self.wrong[what] for what in WRONG},
            "said": self.said,
        }


class Driver:
    """Rounds on one phone, in one folder."""

    def __init__(
        self, phone: LabPhone, runs: shim.Runs, counts: Counts, chance: random.Random
    ) -> None:
        self.phone = ChangingPhone(phone)
        self.address = "{}:{}".format(*phone.address)
        self.runs, self.counts, self.chance = runs, counts, chance
        self.disk, self.log = Disk(), runs.folder / "log"
        self.clock_ns = 0
        self.owed: set[str] = set()
        self.span = dict.fromkeys((name for name in KINDS), 150.0)
        self.took_s = 1.0
        self.phone.clear()
        shutil.rmtree(runs.home, ignore_errors=True)
        runs.home.mkdir(mode=0o700)
        (runs.home / "offhook.toml").write_text(CONFIG)

    def round(self) -> list[str]:
        """One round; what was wrong after it, each with the name of its count."""
        self.phone.apply(self.phone.change(self.chance, self.chance.randint(2, 9)))
        met: list[str] = []
        for _ in range(self.chance.randint(2, 4)):
            kind = self.chance.choices(list(KINDS), [often for often, _ in KINDS.values()])[0]
            met.append(self._disturb(kind))
        self.counts.rounds += 1
        wrong = [text for text in met if text.startswith("crashed")]
        met = [text.partition("\n")[0] for text in met]
        wrong += self._quiet() + self._look()
        self.disk.settle()
        return [f"{text} (after {', '.join(met)})" for text in wrong]

    # -- a fault -------------------------------------------------------------------------------

    def _disturb(self, kind: str) -> str:
        asked = self._fault(kind)
        if kind == "clock":
            asked["clock_ns"] = self.clock_ns - self.chance.choice((10, 3600, 86400)) * 10**9
        lines = self.phone.change(self.chance, 8) if kind == "phone" else []
        self._begin(**asked)
        with contextlib.ExitStack() as after:
            if kind in ("phone", "cable", "adbd", "locked"):
                _never.wait(self.chance.uniform(0.0, self.took_s))
                self._meanwhile(kind, lines, after)
            ran = self.runs.end()
        self.disk.read(self.log)
        hit = bool(ran["hit"]) or KINDS[kind][1] == 0
        if kind in self.span:
            span = self.span[kind]
            self.span[kind] = span * 1.08 if hit else max(4.0, (span + ran["count"]) / 2)
        if kind == "power" and hit:
            self.counts.lost_to_power += self.disk.cut(self.chance)
        if hit:
            self.counts.runs += 1
            self.counts.kinds[kind] += 1
            self.counts.calls[ran["call"] or "-"] += 1
        else:
            self.counts.undisturbed += 1
        what = f"{kind} at {ran['call']} {ran['count']}" if hit else f"no {kind}"
        if ran["code"] == 99 or ran["code"] not in range(-9, 60) or "Traceback" in ran["said"]:
            return f"crashed: {what}: {ran['code']}\n{ran['said'][-1500:]}"
        return f"{what}: {ran['code']}"

    def _fault(self, kind: str) -> dict[str, Any]:
        chance, classes = self.chance, KINDS[kind][1]
        if kind == "kill" and chance.random() < 0.2:
            classes |= shim.NET
        asked: dict[str, Any] = {"classes": classes}
        asked["at"] = chance.randint(1, int(self.span[kind]))
        once = chance.choice((shim.FAIL, shim.FAIL_ON))
        if kind in ("kill", "power"):
            asked["mode"] = chance.choice((shim.KILL_BEFORE, shim.KILL_AFTER, shim.TORN))
        elif kind == "disk":
            asked |= {"mode": shim.FAIL_ON, "error": errno.ENOSPC}
        elif kind in ("fsync", "write"):
            asked |= {"mode": once, "error": errno.EIO}
        elif kind == "name":
            asked |= {"mode": once, "error": chance.choice((errno.EIO, errno.EACCES))}
        elif kind == "link":
            asked |= {"mode": once, "error": errno.ECONNRESET}
        elif kind == "locked":
            asked["busy_s"] = chance.choice((0.05, 5.0))
        return asked

    def _meanwhile(self, kind: str, lines: list[str], after: contextlib.ExitStack) -> None:
        lab = self.phone.phone
        if kind == "phone":
            self.phone.apply(lines)
        elif kind == "cable":
            lab.unplug()
            after.callback(lab.plug)
            if self.chance.random() < 0.5:
                after.close()
        elif kind == "adbd":
            lab.kill_adbd()
            lab.start_adbd()
        elif (index := self.runs.home / "offhook.db").exists():
            other = sqlite3.connect(index, timeout=5, isolation_level=None)
            with contextlib.closing(other), contextlib.suppress(sqlite3.Error):
                other.execute("BEGIN IMMEDIATE")
                _never.wait(self.chance.uniform(0.0, 0.5))
                other.execute("ROLLBACK")

    def _begin(self, **asked: Any) -> None:
        self.clock_ns += _STEP_NS
        asked = {"clock_ns": self.clock_ns, **asked}
        self.runs.begin(address=self.address, log=str(self.log), **asked)

    # -- what has to hold ----------------------------------------------------------------------

    def _quiet(self) -> list[str]:
        """Run undisturbed until nothing is left to do."""
        for _ in range(_MOST_QUIET):
            since = time.monotonic()
            self._begin()
            ran = self.runs.end()
            self.disk.read(self.log)
            self.took_s = time.monotonic() - since
            self.counts.undisturbed += 1
            if ran["code"] != 0:
                return [f"crashed: undisturbed, and yet {ran['code']}: {ran['said'][-1500:]}"]
            said = json.loads(ran["out"])
            if not (said["filed"] or said["duplicates"] or said["waiting"] or said["failed"]):
                return []
        return [f"left_over: not done after {_MOST_QUIET} runs: {ran['out'][-1500:]}"]

    def _look(self) -> list[str]:
        """Compare the archive with what was on the phone."""
        ran = self.runs.run(look=True)
        if ran["code"] != 0:
            return [f"crashed: the archive can't be looked at: {ran['said'][-1500:]}"]
        found = json.loads(ran["out"])
        self.owed |= self.phone.here()
        there = set(found["sha256"])
        wrong = [f"lost: {sha}" for sha in sorted(self.owed - there)]
        wrong += [f"corrupt: never on the phone: {sha}" for sha in sorted(there - self.phone.ever)]
        for what in ("doubled", "corrupt", "left_over"):
            wrong += [f"{what}: {text}" for text in found[what]]
        self.owed |= there  # for good
        return wrong


def run(
    phone: LabPhone, folder: Path, *, seed: int, count: int, epoch: int, tell: Callable[[str], None]
) -> Counts:
    """Rounds until ``count`` runs were disturbed, from an epoch on."""
    counts = Counts()
    with shim.Runs(folder / "home", folder) as runs:
        while counts.runs < count:
            driver = Driver(phone, runs, counts, random.Random(f"{seed}:{epoch}"))
            for number in range(EPOCH):
                wrong = driver.round()
                for text in wrong:
                    counts.wrong[text.partition(":")[0]] += 1
                    counts.said.append(f"epoch {epoch}, round {number}: {text}")
                    tell(counts.said[-1])
                if (
                    wrong or counts.runs >= count
                ):  # what comes after it would not be judged by itself
                    break
            tell(f"{counts.runs} runs, {sum(counts.wrong.values())} things wrong")
            epoch += 1
    return counts


def main(words: Sequence[str] | None = None) -> int:
    """Start a phone, and do it."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--runs", type=int, default=2000, help="how many are disturbed")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--epoch", type=int, default=0, help="where to begin: to see one again")
    parser.add_argument("--steps", type=int, help="of the machine of phone, link, disk and sync")
    options = parser.parse_args(words)
    if options.steps:
        from tests.faults.test_machine import run as step  # Hypothesis only where it is asked for

        step(options.steps)
        sys.stdout.write(f"{options.steps} steps, nothing lost\n")
        return 0

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    tell(f"seed {options.seed}")
    since = time.monotonic()
    with shim.folder() as folder, LabPhone() as phone:
        counts = run(
            phone,
            Path(folder),
            seed=options.seed,
            count=options.runs,
            epoch=options.epoch,
            tell=tell,
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(counts.as_dict(options.seed), indent=2) + "\n")
    for kind, times in counts.kinds.most_common():
        tell(f"  {kind:8} {times:6}")
    tell(f"{counts.runs} runs disturbed, {counts.undisturbed} not, {counts.rounds} rounds,")
    tell(
        f"{counts.lost_to_power} things taken back by power cuts, in {time.monotonic() - since:.0f} s:"
    )
    tell("  " + ", ".join(f"{what} {counts.wrong[what]}" for what in WRONG))
    return 1 if counts.said else 0


if __name__ == "__main__":
    sys.exit(main())
