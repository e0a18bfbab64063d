"""A phone full of old recordings that are all in the archive: what finding nothing to do costs.

The recordings are small: neither `sync` nor its peer reads what it has already.
"""

from __future__ import annotations

import io
import json
import shlex
import statistics
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from agent.archive import Archive
from tests.benches.command import Cost, measured
from tests.benches.field import Field
from tests.benches.table import Entry, beside
from tests.offhook import Offhook

_PHONES = "/data/media/0"
_SHELLS = "/sdcard"
_FIRST = datetime(2016, 1, 1, 9, tzinfo=UTC)
_EVERY = timedelta(minutes=47)
_TALK_S = 98
_MIXED = "record"  # where others keep their sounds, too
_LOGGED = 500  # rows of the call log, which is what a phone keeps


class Old(NamedTuple):
    """A file: its path in shared storage, when its call began, in seconds since 1970, and with
    whom that was."""

    path: str
    began: int
    number: str

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def data(self) -> bytes:
        """Its own name: no two are the same."""
        return self.path.rpartition("/")[2].encode() + b"\n"

    @property
    def is_call(self) -> bool:
        return "/Memo " not in self.path


_NAMES: tuple[Callable[[int, str, str], str], ...] = (
    *[lambda n, who, at: f"MIUI/sound_recorder/call_rec/Ada {n % 300}({who})_{at}.mp3"] * 4,
    *[lambda n, who, at: f"Recordings/Call/Call recording {who}_{at[2:8]}_{at[8:]}.m4a"] * 3,
    lambda n, who, at: f"Sounds/CallRecord/Ada {n % 300}@{who}_{at}.amr",
    lambda n, who, at: f"{_MIXED}/{who}_{at}.amr",
    lambda n, who, at: f"{_MIXED}/Memo {n}.m4a",
)


def files(count: int) -> list[Old]:
    """Recordings of four dialers, in their folders and by their ways of naming; and, one in ten,
    sounds that are of no call, in a folder where both lie."""
    found = []
    for number in range(count):
        at = _FIRST + number * _EVERY
        who = f"01{number % 5000:09}"
        path = _NAMES[number % 10](number, who, f"{at:%Y%m%d%H%M%S}")
        found.append(Old(path, int(at.timestamp()), who))
    return found


def put(field: Field, old: list[Old]) -> None:
    """Lay them on the phone, and the last of their calls in its call log."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for one in old:
            entry = tarfile.TarInfo(one.path)
            entry.size, entry.mtime, entry.mode = len(one.data), one.began + 2 + _TALK_S, 0o660
            tar.addfile(entry, io.BytesIO(one.data))
    folders = shlex.join(sorted({one.folder for one in old}))
    field.phone.root(
        f"cd {_PHONES} && mkdir -p {folders} && tar -xf - && chown -R 1023:1023 {folders}",
        input=packed.getvalue(),
        timeout=600,
    )
    rows = "".join(
        "INSERT INTO calls (date, duration, type, number, presentation, subscription_id) VALUES "
        f"({one.began * 1000}, {_TALK_S}, 1, '{one.number}', 1, '1');\n"
        for one in old[-_LOGGED:]
    )
    field.phone.root("/lab/bin/sqlite3 /lab/state/sys/calllog.db", input=rows.encode())


def remove(field: Field) -> None:
    """Take them away."""
    folders = shlex.join({one.path.partition("/")[0] for one in files(10)})
    field.phone.root(f"cd {_PHONES} && rm -rf {folders}", timeout=600)


def archive(field: Field, old: list[Old]) -> Offhook:
    """An archive that has them all, from the folders that its user has chosen."""
    offhook = Offhook(field.home / "home", field.phone.address)
    offhook.good("sources", "--add", "all")
    field.child("fill", sum(one.is_call for one in old), [], home=str(offhook.home))
    # The last of them get their calls; and what else a first run does is done.
    offhook.good("sync", timeout=1200)
    return offhook


def _forget(offhook: Offhook) -> None:
    """Have the next `sync` look at each file, as the first one does and each that finds another
    list than the last one found."""
    with Archive(offhook.home, write=True) as archive, archive.writing() as db:
        db.execute("DELETE FROM quiet")


def nothing_to_do(field: Field, count: int, runs: int) -> list[Entry]:
    """`offhook sync` beside BetterADBSync, beside the phone's listing alone, and another scan."""
    old = files(count)
    put(field, old)
    try:
        offhook = archive(field, old)
        mirror = field.home / "mirror"
        tops = sorted({one.folder for one in old})
        for top in tops:
            (mirror / top).mkdir(parents=True)
        for one in old:  # newer than the phone's, so BetterADBSync lets them be
            (mirror / one.path).write_bytes(one.data)
        listings, theirs, ours, through, again = [], [], [], [], []
        for _ in range(runs):
            listings.append(field.child("ours_listing", count, [], home=str(offhook.home)))
            begin = time.time()
            theirs.append(
                sum(field.better("pull", f"{_SHELLS}/{top}/", str(mirror / top)) for top in tops)
            )
            if any((mirror / one.path).stat().st_ctime >= begin for one in old[:: count // 10]):
                raise RuntimeError("BetterADBSync had something to do")
            ours.append(_sync(offhook))
            _forget(offhook)
            through.append(_sync(offhook))
            again.append(field.child("ours_another_scan", count, [], home=str(offhook.home)))
        return list(_entries(count, listings, theirs, ours, through, again))
    finally:
        remove(field)


def _sync(offhook: Offhook) -> Cost:
    cost = measured(offhook, "--json", "sync")
    said = json.loads(cost.said)
    if said["filed"] or said["failed"] or said["waiting"] or said["duplicates"]:
        raise RuntimeError(f"there was something to do: {cost.said[-2000:]}")
    return cost


def _entries(
    count: int,
    listings: list[float],
    theirs: list[float],
    ours: list[Cost],
    through: list[Cost],
    again: list[float],
) -> Iterator[Entry]:
    name, peer = f"nothing new among {count:,} files", "BetterADBSync"
    listed = statistics.median(listings)
    beyond = [one - listed for one in theirs]
    for what, costs in ((name, ours), (f"{name}, each looked at", through)):
        took = [cost.took for cost in costs]
        yield beside(f"{what}: `offhook sync`", took, theirs, peer)
        mine = [one - listed for one in took]
        yield beside(f"{what}: beyond the phone's listing", mine, beyond, peer)
        yield beside(f"{what}: processor time of sync", [cost.processor for cost in costs])
        yield beside(f"{what}: memory of sync", [cost.peak_mib for cost in costs], unit="MiB")
    yield beside(f"{name}: the phone's listing", listings)
    yield beside(f"{name}: processor time of another scan of watch's", again)
