"""``make bench``: how long things take, on lab phones. Prints a table, writes build/bench.json.

An entry is ``{name, unit, ours, worst, peer, peer_name, ratio}``; a bench without a peer has
null there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent.phone.facts import read_clock
from agent.phone.phone import open_phone
from tests.lab.phone import LabPhone
from tests.offhook import Offhook

console = Console(highlight=False)
OUT = Path("build/bench.json")


def call_to_row(calls: int) -> dict[str, Any]:
    """From the end of a call on a phone in QEMU to its row in the index, in seconds."""
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
    return {
        "name": f"end of a call to its row, {calls} calls",
        "unit": "s",
        "ours": round(statistics.median(took), 3),
        "worst": round(max(took), 3),
        "peer": None,
        "peer_name": None,
        "ratio": None,
    }


def main() -> int:
    """Run every bench."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--calls", type=int, default=20)
    options = parser.parse_args()
    results = [call_to_row(options.calls)]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table = Table(box=None, header_style="bold")
    for heading in ("bench", "median", "worst", "unit"):
        table.add_column(heading)
    for one in results:
        table.add_row(one["name"], str(one["ours"]), str(one["worst"]), one["unit"])
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
