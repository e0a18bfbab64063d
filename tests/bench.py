"""``make bench``: how long things take, on lab phones. Prints a table, writes build/bench.json.

An entry is ``{name, unit, ours, worst, runs, peer, peer_name, ratio}``; without a peer there is
null there. One bench has an entry for each peer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from tests.benches import old, transfers
from tests.benches.calls import call_to_row
from tests.benches.field import Field, field
from tests.benches.table import Entry, table
from tests.benches.transfers import GIB, KIB, MIB

console = Console(highlight=False)
OUT = Path("build/bench.json")
HOME = Path("build/bench-field")

Bench = Callable[[Field, int], list[Entry]]

FULL: dict[str, Bench] = {
    # Many files ask much of a disk whose speed comes and goes: a few runs more.
    "small": lambda f, runs: transfers.pull(f, 1000, 256 * KIB, "256 KiB", runs + 2),
    "middle": lambda f, runs: transfers.pull(f, 20, 16 * MIB, "16 MiB", runs),
    "large": lambda f, runs: transfers.pull(f, 1, GIB, "1 GiB", runs),
    "sync": lambda f, runs: transfers.sync(f, 1000, 256 * KIB, "256 KiB", runs),
    "root": lambda f, runs: transfers.root_read(f, 256 * MIB, "256 MiB", runs),
    "list": lambda f, runs: transfers.listing(f, 100_000, runs),
    "commands": lambda f, runs: transfers.commands(f, 1000, runs),
    "old": lambda f, runs: old.nothing_to_do(f, 100_000, runs),
}

#: The same in small, to see that it works: its figures say nothing.
TINY: dict[str, Bench] = {
    "small": lambda f, runs: transfers.pull(f, 5, 20 * KIB, "20 KiB", runs),
    "large": lambda f, runs: transfers.pull(f, 1, MIB, "1 MiB", runs),
    "sync": lambda f, runs: transfers.sync(f, 5, 20 * KIB, "20 KiB", runs),
    "root": lambda f, runs: transfers.root_read(f, MIB, "1 MiB", runs),
    "list": lambda f, runs: transfers.listing(f, 200, runs),
    "commands": lambda f, runs: transfers.commands(f, 3, runs),
    "old": lambda f, runs: old.nothing_to_do(f, 40, runs),
}


def measure(
    benches: dict[str, Bench], only: Sequence[str], runs: int, home: Path = HOME
) -> list[Entry]:
    """The benches on a lab phone of the host kind, and the memory that ours took."""
    chosen = [name for name in benches if name in only]
    if not chosen:
        return []
    entries: list[Entry] = []
    with field(home.absolute()) as place:
        for name in chosen:
            console.print(f"  {name} …")
            entries += benches[name](place, runs)
        peak = round(place.peak_mib, 1)
    entries.append(Entry(f"peak memory of ours in: {', '.join(chosen)}", "MiB", peak))
    return entries


def main(words: Sequence[str] | None = None) -> int:
    """Run every bench, or those that are named."""
    names = [*FULL, "calls"]
    parser = argparse.ArgumentParser(prog="make bench")
    of = f"of: {', '.join(names)}"
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=of)
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn with its peers")
    parser.add_argument("--calls", type=int, default=20, help="how many calls to play")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(words)
    wanted = options.only or names
    # Theirs and ours run as they do for a user: Python keeps what it has compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    entries = measure(FULL, wanted, options.runs)
    if "calls" in wanted:
        entries += call_to_row(options.calls, console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [one.as_dict() for one in entries]
    options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    console.print(table(entries))
    return 0


if __name__ == "__main__":
    sys.exit(main())
