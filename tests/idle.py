"""``make idle``: what `offhook watch` costs this computer while nothing happens. Prints it, and
writes build/idle.json.

A lab phone of the host kind, capture on by the `dialer` route with a stand-in of a dialer, and
no call. `watch` is given half a minute to come to rest; then its processor time, its wake-ups and
its memory are looked at, those of its children too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benches import old
from tests.benches.command import memory_mib
from tests.benches.field import Field, field
from tests.lab.dialer import DialerStandIn
from tests.offhook import Offhook

OUT = Path("build/idle.json")
HOME = Path("build/idle")
MOST_PERCENT = 0.5
FLAT_MIB = 1.0  # what memory may grow by, from the first third of the time to the last
_REST_S = 30.0
_EVERY_S = 5.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_never = threading.Event()


@dataclass(frozen=True)
class Look:
    """What a process and its children had taken by a moment: processor time in seconds, wake-ups
    (how often a thread that still lives gave the processor up to wait), memory in MiB."""

    at: float
    processor_s: float
    wakes: int
    memory_mib: float


@dataclass(frozen=True)
class Cost:
    """What was found. ``processor_percent`` is of one core; ``memory_mib`` at the beginning, in
    the middle and at the end; ``flat``: whether it did not grow."""

    minutes: float
    old_files: int
    capture: str
    processor_percent: float
    processor_s: float
    wakes_per_s: float
    memory_mib: tuple[float, float, float]
    flat: bool

    @property
    def good(self) -> bool:
        return self.flat and self.processor_percent < MOST_PERCENT

    def __str__(self) -> str:
        first, middle, last = self.memory_mib
        return (
            f"idle for {self.minutes:g} min, capture {self.capture}, {self.old_files:,} old files: "
            f"{self.processor_s:.2f} s of a processor ({self.processor_percent:.3f} % of a core), "
            f"{self.wakes_per_s:.1f} wake-ups a second, memory {first:.1f}, {middle:.1f}, "
            f"{last:.1f} MiB: {'flat' if self.flat else 'it GROWS'}"
        )


def look(pid: int) -> Look:
    """At a process, and all that it started."""
    processor, wakes, memory = 0.0, 0, 0.0
    for one in (pid, *_below(pid)):
        with contextlib.suppress(OSError):  # it ended: its parent has its time then
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            processor += sum(map(int, fields[11:15])) * _TICK_S
            memory += memory_mib(one)
        for task in Path(f"/proc/{one}/task").glob("*/status"):
            with contextlib.suppress(OSError):
                for line in task.read_text().splitlines():
                    if line.startswith("voluntary_ctxt_switches:"):
                        wakes += int(line.split()[1])
    return Look(time.monotonic(), processor, wakes, memory)


def _below(pid: int) -> Iterator[int]:
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listed.read_text().split()):
                yield child
                yield from _below(child)


def watched(pid: int, minutes: float) -> list[Look]:
    """Looks at it, for so long."""
    looks = [look(pid)]
    end = looks[0].at + minutes * 60
    while (left := end - time.monotonic()) > 0:
        _never.wait(min(left, _EVERY_S))
        looks.append(look(pid))
    return looks


def cost_of(looks: Sequence[Look], old_files: int, capture: str) -> Cost:
    """What looks say together."""
    first, last = looks[0], looks[-1]
    lived = last.at - first.at
    third = max(1, len(looks) // 3)
    parts = looks[:third], looks[third:-third] or looks, looks[-third:]
    memory = [statistics.median(one.memory_mib for one in part) for part in parts]
    processor = last.processor_s - first.processor_s
    return Cost(
        round(lived / 60, 2),
        old_files,
        capture,
        round(100 * processor / lived, 4),
        round(processor, 2),
        round((last.wakes - first.wakes) / lived, 1),
        (round(memory[0], 1), round(memory[1], 1), round(memory[2], 1)),
        memory[2] - memory[0] < FLAT_MIB,
    )


@contextlib.contextmanager
def desk(place: Field, old_files: int, *, on: bool) -> Iterator[Offhook]:
    """A user's archive, with capture on or off, and all old recordings in it."""
    dialer = DialerStandIn(place.phone, "miui")
    dialer.start()
    try:
        files = old.files(old_files)
        if files:
            old.put(place, files)
        offhook = old.archive(place, files)
        if on:
            place.phone.root("cmd settings put system button_auto_record_call 1")
            offhook.good("enable", "--route", "dialer", "--basis", "own-line", "--here", "DE")
        yield offhook
        if on:
            offhook.good("disable")
    finally:
        dialer.stop()


def run(minutes: float, old_files: int, *, on: bool, home: Path, rest_s: float = _REST_S) -> Cost:
    """All of it."""
    with (
        field(home.absolute(), "dialer") as place,
        desk(place, old_files, on=on) as offhook,
        offhook.watching() as watching,
    ):
        watching.wait("state" if on else "off")
        _never.wait(rest_s)
        looks = watched(watching.process.pid, minutes)
    return cost_of(looks, old_files, "on" if on else "off")


def main(words: Sequence[str] | None = None) -> int:
    """Start a phone, and look."""
    parser = argparse.ArgumentParser(prog="make idle")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--old", type=int, default=0, metavar="N", help="so many old recordings")
    parser.add_argument("--off", action="store_true", help="with capture off")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(words)
    found = run(options.minutes, options.old, on=not options.off, home=HOME)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{found}\n")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())
