"""``make soak``: calls in a row on one phone, each recorded, none silent, none cut by a second.

The calls are of random lengths. Every fourth is two: another caller rings while the first one
talks, and is answered when that one has hung up; every third comes at the heels of the one
before. A ``watch`` pulls what comes, as on a user's desk. Prints what the recorder costs, too.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.capture.alsa.recorder import HOME
from agent.phone.facts import read_clock
from agent.phone.phone import open_phone
from tests.lab.calls import PlayedCall
from tests.lab.phone import LabPhone
from tests.lab.speech import conversation
from tests.offhook import Offhook

CUT_S = 1.0
LATE_S = 0.5
_never = threading.Event()


@dataclass(frozen=True)
class Talk:
    """What was said between two moments, in the phone's milliseconds."""

    begin: int
    end: int
    meant_s: float
    """How long it was to be. What it is longer, this computer was too busy to play in time."""

    @property
    def late_s(self) -> float:
        return self.seconds - self.meant_s

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / 1000


@dataclass
class Soak:
    """What was found."""

    talks: list[Talk] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost_s: list[float] = field(default_factory=list)
    row_s: list[float] = field(default_factory=list)
    odd: list[Talk] = field(default_factory=list)  # those with something wrong


def talks_of(call: PlayedCall) -> list[Talk]:
    """One, or two where another caller took over."""
    at = call.at
    if "active2" in at:
        first = Talk(at["active"], at["left"], call.call.active + call.call.ring)
        return [first, Talk(at["active2"], at["idle"], call.call.second)]
    return [Talk(at["active"], at["idle"], call.call.active)]


def play(phone: LabPhone, count: int, seed: int, done: Callable[[list[Talk]], None]) -> list[Talk]:
    """``count`` calls, one after the other; ``done`` is told of all so far after each."""
    chance = random.Random(seed)
    talks: list[Talk] = []
    while len(talks) < count:
        two = len(talks) % 4 == 3 and count - len(talks) >= 2
        call = phone.call(
            number=f"+49301{len(talks):06}",
            direction=chance.choice(("in", "in", "out")),
            sim=chance.choice((0, 0, 1)),
            ring=round(chance.uniform(0.2, 0.9), 2),
            active=round(chance.uniform(1.0, 4.0), 2),
            second=round(chance.uniform(1.0, 3.0), 2) if two else 0.0,
            takeover=two,
            log_delay=0.0,
        )
        talks += talks_of(call)
        done(talks)
        if len(talks) % 3:
            _never.wait(chance.uniform(0.0, 1.0))
    return talks


def check(found: Soak, rows: list[dict[str, Any]], clock_ms: float) -> None:
    """Each talk against the recording that began with it."""
    left = sorted(rows, key=lambda row: str(row["started"]))
    begun = [datetime.fromisoformat(row["started"]).timestamp() * 1000 for row in left]
    taken: set[int] = set()
    for number, talk in enumerate(found.talks, 1):
        near = [
            index
            for index, at in enumerate(begun)
            if index not in taken and -500 <= at - talk.begin <= talk.end - talk.begin
        ]
        if not near:
            beside = [
                f"{(at - talk.begin) / 1000:+.2f} s: {row['duration_s']:.2f} s {row['flags']}"
                for at, row in zip(begun, left, strict=True)
                if abs(at - talk.begin) < 20_000
            ]
            found.wrong.append(
                f"call {number}, {talk.seconds:.2f} s, played {talk.late_s:.2f} s late: "
                f"no recording; {beside}"
            )
            found.odd.append(talk)
            continue
        row = left[near[0]]
        taken.add(near[0])
        lost = talk.seconds - float(row["duration_s"])
        found.lost_s.append(lost)
        added = datetime.fromisoformat(row["added"]).timestamp() * 1000
        found.row_s.append((added - (talk.end - clock_ms)) / 1000)
        if abs(lost) > CUT_S:
            found.wrong.append(
                f"call {number}: {talk.seconds:.2f} s were said, {talk.late_s:.2f} s late, and "
                f"{row['duration_s']:.2f} recorded, "
                f"from {(begun[near[0]] - talk.begin) / 1000:.2f} s on, {row['flags']}"
            )
            found.odd.append(talk)
        if row["silent"] or not row["verified"] or "cut" in row["flags"]:
            found.wrong.append(f"call {number}: {row['flags']}, silent {row['silent']}")
    extra = [left[index]["id"] for index in range(len(left)) if index not in taken]
    if extra:
        found.wrong.append(f"recordings of no call: {extra}")


def around(log: str, talks: list[Talk]) -> list[str]:
    """What the recorder's log says near these."""
    return [
        f"the recorder: {line}"
        for line in log.splitlines()
        if (at := line.split(" ")[0]).isdigit()
        and any(t.begin - 3000 <= int(at) <= t.end + 3000 for t in talks)
    ]


def cost(offhook: Offhook) -> dict[str, float]:
    """What the recorder says that it cost."""
    said: dict[str, float] = offhook.good("--json", "status").json["cost"]
    return said


def idle_cost(offhook: Offhook, seconds: float) -> str:
    """What it costs while nothing happens, over some time."""
    before = cost(offhook)
    _never.wait(seconds)
    after = cost(offhook)
    lived = max(1.0, after["lived_s"] - before["lived_s"])
    cpu, wakes = after["cpu_s"] - before["cpu_s"], after["wakes"] - before["wakes"]
    return (
        f"idle for {lived:.0f} s: {cpu:.2f} s of a processor ({100 * cpu / lived:.3f} % of a core, "
        f"{3600 * cpu / lived:.1f} s an hour), {60 * wakes / lived:.1f} wake-ups a minute"
    )


def run(
    phone: LabPhone,
    home: Path,
    *,
    count: int,
    seed: int,
    idle_s: float,
    tell: Callable[[str], None],
) -> list[str]:
    """All of it on one phone; what was wrong."""
    offhook = Offhook(home, phone.address)
    before = phone.snapshot()
    speech = conversation(10.0, seed=seed)
    phone.root("cat > /lab/state/speech.wav", input=speech.read_bytes())
    offhook.good("enable", "--basis", "own-line", "--here", "DE")
    with open_phone("{}:{}".format(*phone.address)) as opened:
        clock = read_clock(opened.link)
    found = Soak()
    if idle_s:
        _never.wait(30)  # it is wide awake for a while after its start
        tell(idle_cost(offhook, idle_s))

    def progress(talks: list[Talk]) -> None:
        if len(talks) % 25 < 2:
            tell(f"  {len(talks)} calls")

    with offhook.watching() as watching:
        watching.wait("state", text="idle")
        found.talks = play(phone, count, seed, progress)
        try:
            watching.wait("filed", count=len(found.talks), timeout=120)
        except AssertionError:  # which one is missing is said below
            found.wrong.append("watch did not file as many recordings as there were calls")
    offhook.good("sync")
    check(found, offhook.rows(), clock.ms)
    if found.wrong:
        log = phone.root(f"cat {HOME}/run/log")
        found.wrong += around(log, found.odd)
    if idle_s:
        _never.wait(30)
        tell(idle_cost(offhook, idle_s))
    offhook.good("disable", timeout=600)
    for _ in range(50):
        left = phone.changes(before)
        if not left:
            break
        _never.wait(0.2)
    found.wrong += [f"left after disable: {line}" for line in left]
    late = [talk.late_s for talk in found.talks]
    tell(
        f"played late by this computer: worst {max(late):.2f} s, more than {LATE_S} s: "
        f"{sum(each > LATE_S for each in late)} calls"
    )
    if found.lost_s:
        tell(
            f"{len(found.talks)} calls, {len(found.lost_s)} recordings; missing of each: median "
            f"{statistics.median(found.lost_s):.2f} s, worst {max(found.lost_s):.2f} s"
        )
        third = max(1, len(found.row_s) // 3)
        tell(
            f"from a call's end to its row: median {statistics.median(found.row_s):.2f} s, worst "
            f"{max(found.row_s):.2f} s; first third {statistics.median(found.row_s[:third]):.2f} s,"
            f" last third {statistics.median(found.row_s[-third:]):.2f} s"
        )
    return found.wrong


def main(words: Sequence[str] | None = None) -> int:
    """Start a phone, and do it."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--count", type=int, default=500, help="how many calls")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--profile", default="sm8250")
    parser.add_argument("--idle", type=float, default=180.0, help="seconds of rest to measure")
    options = parser.parse_args(words)

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    tell(f"seed {options.seed}")
    with (
        tempfile.TemporaryDirectory(prefix="offhook-soak-") as folder,
        LabPhone(kind="vm", profile=options.profile) as phone,
    ):
        wrong = run(
            phone,
            Path(folder) / "home",
            count=options.count,
            seed=options.seed,
            idle_s=options.idle,
            tell=tell,
        )
    for text in wrong:
        tell(f"WRONG: {text}")
    tell(f"{options.count} calls, {len(wrong)} things wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
