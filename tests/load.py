"""``make load``: many phones that record all the time, and one `watch` over all of them.

On each lab phone a recorder writes a WAV file every two seconds: half of it, a pause, the rest. A
real `offhook watch` takes them. In the end each of them has to be in the archive once, with its
bytes, and nothing else. Prints how long it took from the moment a file was closed to its row, and
what the watch cost; ``build/load.json`` has the same. The phones run on this computer, too: what
they need of it is lacking to the watch.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.sync.settled import Rules
from tests.faults.memory import wav
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, Watching

RESULT = Path("build/load.json")
FOLDER = "/sdcard/Recordings"
MOST_MIB = 250.0
WRITES_S = 0.4  # between the first half of a recording and its end
_PARTS = "/data/local/tmp/load"
_TAG = 64  # bytes at the end of a file by which it is like no other


@dataclass(frozen=True)
class Written:
    """A recording on a phone, and when its recorder closed it."""

    name: str
    sha256: str
    closed_ms: float


@dataclass
class Load:
    """What came of it. ``row_s``: from the close of each file to its row, in seconds."""

    phones: int
    written: int = 0
    row_s: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    cpu_s: float = 0.0
    lived_s: float = 0.0
    threads: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def cpu_percent(self) -> float:
        """Of one core, while the phones recorded."""
        return 100 * self.cpu_s / self.lived_s if self.lived_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        row = sorted(self.row_s)
        return {
            "phones": self.phones,
            "recordings": self.written,
            "wrong": self.wrong,
            "row_s": {
                "p50": round(statistics.median(row), 3) if row else None,
                "p95": round(row[max(0, -(-95 * len(row) // 100) - 1)], 3) if row else None,
                "worst": round(row[-1], 3) if row else None,
            },
            "settle_s": Rules.settle_s,
            "peak_mib": round(self.peak_mib, 1),
            "cpu_percent": round(self.cpu_percent, 1),
            "threads": self.threads,
        }


class Recorder:
    """A recorder on one phone: a loop of its shell's own commands, which starts no process."""

    def __init__(self, phone: LabPhone) -> None:
        self.phone = phone
        self.serial = phone.serial
        sound = wav(1.0, gains=(0.3,))
        at = sound.index(b"data") + 8
        samples = sound[at:]
        half = len(samples) // 2
        size = len(samples) + _TAG
        head = b"RIFF" + (at - 8 + size).to_bytes(4, "little") + sound[8 : at - 4]
        self._first = head + size.to_bytes(4, "little") + samples[:half]
        self._rest = samples[half:]
        phone.root(f"mkdir -p {FOLDER} {_PARTS}")
        phone.root(f"cat > {_PARTS}/first", input=self._first)
        phone.root(f"cat > {_PARTS}/rest", input=self._rest)

    def run(self, count: int, every_s: float) -> list[Written]:
        """Write so many, and say which; nothing is written that could not be finished."""
        script = f"""
            n=0 begun=$EPOCHREALTIME
            while [ $n -lt {count} ]; do
                name={self.serial}_$n.wav tag={self.serial}_$n
                while [ ${{#tag}} -lt {_TAG} ]; do tag=$tag.; done
                {{ cat {_PARTS}/first; sleep {WRITES_S}; cat {_PARTS}/rest; print -nr -- $tag; }} \\
                    > {FOLDER}/$name || exit 1
                print -r -- $name $EPOCHREALTIME
                n=$((n + 1))
                sleep {max(every_s - WRITES_S, 0.0):.3f}
            done"""
        said = self.phone.root(script, timeout=count * max(every_s, WRITES_S) * 2 + 60)
        return [self._written(*line.split()) for line in said.splitlines()]

    def _written(self, name: str, closed_s: str) -> Written:
        tag = name.removesuffix(".wav").ljust(_TAG, ".").encode()
        digest = hashlib.sha256(self._first + self._rest + tag).hexdigest()
        return Written(name, digest, float(closed_s) * 1000)


def run(
    home: Path, *, phones: int, seconds: float, every_s: float, tell: Callable[[str], None]
) -> Load:
    """All of it in a new home."""
    home.mkdir()
    found = Load(phones)
    count = max(1, round(seconds / every_s))
    with _started(phones) as lab:
        (home / "offhook.toml").write_text(
            f'[[source]]\nname = "load"\npath = "{FOLDER}"\n'
            + "".join(
                f'[[phone]]\nalias = "{one.serial}"\naddress = "{one.address[0]}:{one.address[1]}"\n'
                for one in lab
            )
        )
        recorders = [Recorder(one) for one in lab]
        offhook = Offhook(home)
        with offhook.watching() as watching:
            for one in lab:
                watching.wait("connected", phone=one.serial, timeout=120)
            tell(f"{phones} phones are watched; each records {count} times, every {every_s:g} s")
            written = _record(recorders, count, every_s, watching, found)
            found.written = len(written)
            with contextlib.suppress(AssertionError):  # what is lacking is told below
                watching.wait("filed", count=len(written), timeout=60 + seconds)
            found.peak_mib, found.threads = _memory(watching.process.pid)
        found.wrong += _ended(watching)
        _times(found, written, watching.events)
        found.wrong += _left(offhook, home)
        _check(found, offhook, written)
    return found


@contextlib.contextmanager
def _started(count: int) -> Iterator[list[LabPhone]]:
    with contextlib.ExitStack() as running:
        yield [running.enter_context(LabPhone(deadline=60.0)) for _ in range(count)]


def _record(
    recorders: list[Recorder], count: int, every_s: float, watching: Watching, found: Load
) -> list[Written]:
    """All phones at once, not at the same moments; what the watch cost meanwhile."""

    def one(number: int) -> list[Written]:
        never.wait(every_s * number / len(recorders))
        return recorders[number].run(count, every_s)

    never = threading.Event()
    cpu, begun = _cpu_s(watching.process.pid), time.monotonic()
    with ThreadPoolExecutor(len(recorders)) as pool:
        written = [each for some in pool.map(one, range(len(recorders))) for each in some]
    found.cpu_s = _cpu_s(watching.process.pid) - cpu
    found.lived_s = time.monotonic() - begun
    return written


def _cpu_s(pid: int) -> float:
    """What a process has used of processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[float, int]:
    """The most memory that a process has had, in MiB, and how many threads it has."""
    said = Path(f"/proc/{pid}/status").read_text()
    peak, threads = (
        re.search(rf"^{key}:\s*(\d+)", said, re.MULTILINE) for key in ("VmHWM", "Threads")
    )
    assert peak and threads
    return int(peak[1]) / 1024, int(threads[1])


def _ended(watching: Watching) -> list[str]:
    """How the watch ended, and what it told that is not as it should be."""
    odd = {"lost", "unfiled", "failed", "broken", "gone", "problem", "duplicate"}
    wrong = [str(event) for event in watching.events if event["event"] in odd]
    if watching.process.returncode:
        wrong.append(f"watch ended with {watching.process.returncode}")
    return wrong


def _times(found: Load, written: list[Written], events: list[dict[str, Any]]) -> None:
    at = {
        event["recording"]["sha256"]: datetime.fromisoformat(event["at"]).timestamp() * 1000
        for event in events
        if event["event"] == "filed"
    }
    found.row_s = [(at[one.sha256] - one.closed_ms) / 1000 for one in written if one.sha256 in at]


def _check(found: Load, offhook: Offhook, written: list[Written]) -> None:
    """Each file once, with its bytes, and nothing else."""
    rows = offhook.rows()
    had = Counter(row["sha256"] for row in rows)
    for one in written:
        if had[one.sha256] != 1:
            found.wrong.append(f"{one.name}: {had[one.sha256]} rows")
    known = {one.sha256 for one in written}
    found.wrong += [f"a row of bytes that no phone wrote: {sha}" for sha in had if sha not in known]
    for row in rows:
        bytes_here = hashlib.sha256(offhook.file(row).read_bytes()).hexdigest()
        if bytes_here != row["sha256"] or not row["verified"]:
            found.wrong.append(f"recording {row['id']}: its file has other bytes")
    files = [path for path in (offhook.home / "archive").rglob("*") if path.is_file()]
    if len(files) != len(rows):
        found.wrong.append(f"{len(files)} files for {len(rows)} rows")


def _left(offhook: Offhook, home: Path) -> list[str]:
    """What is not whole, or not done."""
    wrong = []
    audit = offhook.run("verify", timeout=600)
    if audit.code:
        wrong.append(f"verify: {audit.out}{audit.err}")
    with contextlib.closing(sqlite3.connect(home / "offhook.db")) as db:
        undone = "SELECT count(*) FROM sightings WHERE current AND state != 'filed'"
        for what, query in (("filings", "SELECT count(*) FROM filing"), ("sightings", undone)):
            if count := db.execute(query).fetchone()[0]:
                wrong.append(f"{count} {what} that are not done")
    return wrong


def main(words: Sequence[str] | None = None) -> int:
    """Run it, print it, write it down."""
    parser = argparse.ArgumentParser(prog="make load")
    parser.add_argument("--phones", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300.0, help="for how long they record")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two recordings")
    options = parser.parse_args(words)

    def tell(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="offhook-load-") as folder:
        found = run(
            Path(folder) / "home",
            phones=options.phones,
            seconds=options.seconds,
            every_s=options.every,
            tell=tell,
        )
    said = found.as_dict()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(said, indent=2) + "\n")
    for text in found.wrong:
        tell(f"WRONG: {text}")
    row = said["row_s"]
    tell(
        f"from a file's close to its row, {Rules.settle_s:g} s of settling included: "
        f"p50 {row['p50']} s, p95 {row['p95']} s, worst {row['worst']} s"
    )
    tell(
        f"watch: {said['peak_mib']} MiB at most, {said['cpu_percent']} % of a core, "
        f"{said['threads']} threads"
    )
    tell(f"{found.written} recordings of {found.phones} phones, {len(found.wrong)} things wrong")
    if found.peak_mib >= MOST_MIB:
        tell(f"more memory than {MOST_MIB:g} MiB")
    return 1 if found.wrong or found.peak_mib >= MOST_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
