"""Transfers, listings and commands on a lab phone, beside Google's adb, BetterADBSync and
adb-shell.

Ours writes, hashes and flushes every file; the others only write, which on a slow disk is much
less: so "adb pull, then flushed" stands beside it. All write to the same disk, which is flushed
before each run. `offhook sync` also has the phone hash each file, measures its sound and indexes
it; that the others have no part of.
"""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from contextlib import contextmanager

from agent.sync import Rules
from tests.benches.command import measured
from tests.benches.field import FOLDER, Field
from tests.benches.table import Entry, paired
from tests.offhook import Offhook

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def pull(field: Field, count: int, size: int, label: str, runs: int) -> list[Entry]:
    """``count`` files of ``size`` bytes."""
    with _made(field, "pull", count, size) as paths:
        total = count * size
        folder = f"{FOLDER}/pull"
        peers = {
            "adb pull": lambda: field.google("pull", folder, str(field.target)),
            "adb pull, then flushed": lambda: field.google_flushed(folder),
            "BetterADBSync": lambda: field.better("pull", f"{folder}/", str(field.target)),
        }
        # adb-shell takes an eighth of a second for each: fewer, in a row of their own.
        few = count if size >= MIB else min(count, 20)
        if few == count:
            peers["adb-shell"] = lambda: field.child("adb_shell_pull", total, paths)
        name = f"pull {count:,} × {label}"
        entries = paired(
            name,
            lambda: field.child("ours_pull", total, paths),
            peers,
            runs=runs,
        )
        if few != count:
            entries += paired(
                f"pull {few} × {label}",
                lambda: field.child("ours_pull", few * size, paths[:few]),
                {"adb-shell": lambda: field.child("adb_shell_pull", few * size, paths[:few])},
                runs=runs,
            )
        return entries


def sync(field: Field, count: int, size: int, label: str, runs: int) -> list[Entry]:
    """``count`` new recordings of ``size`` bytes, until they are verified and indexed: by the
    command, which first waits until they have settled, and by sync itself, which does not here,
    beside itself with one file at a time."""
    with _made(field, "sync", count, size, head=_wav(size)):
        total = count * size
        folder = f"{FOLDER}/sync"
        name = f"sync {count:,} new × {label}"
        entries = paired(
            f"{name}: `offhook sync`, {Rules().settle_s:g} s of settling in it",
            lambda: _command(field, folder, total),
            {
                "adb pull": lambda: field.google("pull", folder, str(field.target)),
                "adb pull, then flushed": lambda: field.google_flushed(folder),
                "BetterADBSync": lambda: field.better("pull", f"{folder}/", str(field.target)),
            },
            runs=runs,
        )
        return entries + paired(
            f"{name}: in batches",
            lambda: field.child("ours_sync", total, [folder]),
            {"one file at a time": lambda: field.child("ours_sync_singly", total, [folder])},
            runs=runs,
        )


def _command(field: Field, folder: str, total: int) -> float:
    home = field.target / "home"
    home.mkdir()
    (home / "offhook.toml").write_text(f'[[source]]\nname = "bench"\npath = "{folder}"\n')
    cost = measured(Offhook(home, field.phone.address), "--json", "sync")
    if json.loads(cost.said)["bytes"] != total:
        raise RuntimeError(f"offhook sync: {cost.said[-2000:]}")
    return cost.took


def _wav(size: int) -> bytes:
    """The header of a WAV of that many bytes: mono, 8000 frames a second."""
    with io.BytesIO() as made, wave.open(made, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(size - 44))
        return made.getvalue()[:44]


def root_read(field: Field, size: int, label: str, runs: int) -> list[Entry]:
    """A file that only root may read."""
    with _made(field, "root", 1, size) as paths:
        field.phone.root(f"chown 0:0 {paths[0]}; chmod 600 {paths[0]}")
        return paired(
            f"read 1 × {label} as root",
            lambda: field.child("ours_root_read", size, paths),
            {
                "adb exec-out su -c cat": lambda: field.google(
                    "exec-out", f"su -c 'cat {paths[0]}'", into=field.target / "f"
                )
            },
            runs=runs,
        )


def listing(field: Field, count: int, runs: int) -> list[Entry]:
    """A tree of ``count`` files in folders of 1,000."""
    folder = f"{FOLDER}/list"
    field.phone.root(
        f"i=0; while [ $i -lt {count} ]; do d={folder}/$((i / 1000)); "
        "[ $((i % 1000)) -eq 0 ] && mkdir -p $d; : > $d/f$i; i=$((i + 1)); done; "
        f"chown -R 2000:2000 {folder}",
        timeout=600,
    )
    form = "%s %T@ %i %p\\n"
    try:
        return paired(
            f"list {count:,} files",
            lambda: field.child("ours_list", count, [folder]),
            {
                "adb shell find -printf": lambda: field.google(
                    "shell", f"find {folder}/ -type f -printf '{form}'", into=field.target / "f"
                ),
                "BetterADBSync": lambda: field.better(
                    "--dry-run", "pull", f"{folder}/", str(field.target)
                ),
                "adb-shell": lambda: field.child("adb_shell_list", count, [folder]),
            },
            runs=runs,
        )
    finally:
        field.remove("list")


def commands(field: Field, count: int, runs: int) -> list[Entry]:
    """Short commands, one after another."""
    return paired(
        f"{count:,} short commands",
        lambda: field.child("ours_commands", count, [], count=count),
        {
            "adb shell": lambda: sum(field.google("shell", "true") for _ in range(count)),
            "adb-shell": lambda: field.child("adb_shell_commands", count, [], count=count),
        },
        runs=runs,
    )


@contextmanager
def _made(field: Field, name: str, count: int, size: int, head: bytes = b"") -> Iterator[list[str]]:
    try:
        yield field.make(name, count, size, head)
    finally:
        field.remove(name)
