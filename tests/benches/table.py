"""What a bench gives: entries, each ours beside a peer's."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Entry:
    """One row: ``ours`` and ``peer`` are medians in ``unit``, less is better; ``ratio`` is ours
    through theirs. ``worst`` is the worst of ours; ``runs`` how often each ran."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str | None = None
    ratio: float | None = None
    worst: float | None = None
    runs: int = 1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def paired(
    name: str,
    ours: Callable[[], float],
    peers: Mapping[str, Callable[[], float]],
    *,
    runs: int,
) -> list[Entry]:
    """Seconds of ours and of each peer, in turn, ``runs`` times."""
    took: dict[str, list[float]] = {peer: [] for peer in peers}
    mine: list[float] = []
    for _ in range(runs):
        for peer, run in peers.items():
            took[peer].append(run())
        mine.append(ours())
    return [beside(name, mine, times, peer) for peer, times in took.items()] or [beside(name, mine)]


def beside(
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float] = (),
    peer: str | None = None,
    *,
    unit: str = "s",
) -> Entry:
    """What was measured of ours, and of a peer if there is one, as one row."""
    middle = statistics.median(ours)
    row = Entry(name, unit, round(middle, 3), worst=round(max(ours), 3), runs=len(ours))
    if not theirs:
        return row
    other = statistics.median(theirs)
    return replace(row, peer=round(other, 3), peer_name=peer, ratio=round(middle / other, 3))


def table(entries: Sequence[Entry]) -> Table:
    """The entries for a terminal."""
    shape = Table(box=None, header_style="bold")
    for heading in ("bench", "peer"):
        shape.add_column(heading)
    for heading in ("ours", "worst", "theirs", "unit", "ratio"):
        shape.add_column(heading, justify="right")
    for one in entries:
        shape.add_row(
            one.name,
            one.peer_name or "",
            f"{one.ours:g}",
            "" if one.worst is None else f"{one.worst:g}",
            "" if one.peer is None else f"{one.peer:g}",
            one.unit,
            "" if one.ratio is None else f"{one.ratio:.2f}",
        )
    return shape
