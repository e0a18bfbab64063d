"""The benches run and tell what they should; how fast, only ``make bench`` says."""

from __future__ import annotations

from pathlib import Path

from tests import bench


def test_every_bench_runs_in_small(tmp_path: Path) -> None:
    entries = bench.measure(bench.TINY, list(bench.TINY), 1, tmp_path / "field")
    wanted = {"adb pull", "adb shell", "adb-shell", "BetterADBSync"}
    assert {one.peer_name for one in entries} >= wanted
    for one in entries[:-1]:
        assert one.ours > 0
        assert one.peer_name is None or (one.peer and one.ratio)
    assert entries[-1].unit == "MiB"
    assert 10 < entries[-1].ours < 100
    assert not (tmp_path / "field").exists()
