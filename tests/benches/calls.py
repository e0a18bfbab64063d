"""From the end of a call to its row in the index, on a lab phone in QEMU."""

from __future__ import annotations

import shutil
import statistics
from datetime import datetime
from pathlib import Path

from rich.console import Console

from agent.phone.facts import read_clock
from agent.phone.phone import open_phone
from tests.benches.table import Entry
from tests.lab.phone import LabPhone
from tests.offhook import Offhook


def call_to_row(calls: int, console: Console) -> list[Entry]:
    """Seconds from the end of a call to its row."""
    home = Path("build/bench/home").absolute()
    shutil.rmtree(home.parent, ignore_errors=True)
    home.mkdir(parents=True)
    took = []
    with LabPhone(kind="vm", profile="sm8250") as phone:
        offhook = Offhook(home, phone.address)
        offhook.good("enable", "--basis", "own-line", "--here", "DE")
        with offhook.watching() as watching:
            watching.wait("state", text="idle")
            for number in range(calls):
                with open_phone("{}:{}".format(*phone.address)) as opened:
                    clock = read_clock(opened.link)
                played = phone.call(active=2.0, ring=0.3)
                watching.wait("filed", count=number + 1)
                row = max(offhook.rows(), key=lambda row: row["id"])
                added = datetime.fromisoformat(row["added"]).timestamp()
                took.append(added - (played.at["idle"] - clock.ms) / 1000)
                console.print(f"  call {number + 1}: {took[-1]:.2f} s")
        offhook.good("disable")
    return [
        Entry(
            f"end of a call to its row, {calls} calls",
            "s",
            round(statistics.median(took), 3),
            worst=round(max(took), 3),
            runs=calls,
        )
    ]
