"""What a power cut would have left: all that no fsync had made safe is taken back, or half of it.

It reads the log of shim.c, in which every change below the archive's home stands in its order.
What may be lost is what POSIX lets a file system lose, with two promises that ext4, XFS and Btrfs
keep: what happened to names is lost from the end on, and a file that was created and flushed has
its name.
"""

from __future__ import annotations

import contextlib
import os
import random
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class _File:
    """A file, whatever its names: what was written since it was flushed last."""

    names: set[str]
    unsafe: list[tuple[int, int]] = field(default_factory=list)
    size: int | None = None
    safe_size: int | None = None  # None where nothing was written since it was first seen

    def write(self, at: int, size: int, before: int) -> None:
        if self.size is None or before != self.size:  # another program has written, and flushed
            self.size = self.safe_size = before
        self.unsafe.append((at, size))
        self.size = max(self.size, at + size)

    def cut(self, size: int) -> None:
        self.size = size
        # What is cut off may come back; nobody here relies on that.
        self.safe_size = size if self.safe_size is None else min(self.safe_size, size)


@dataclass
class _Change:
    """A change of names that no flush of its folder has made safe."""

    what: str
    path: str
    other: str
    file: _File | None


class Disk:
    """What is on the disk for sure, worked out from the log as it grows."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._changes: list[_Change] = []

    def read(self, log: Path) -> None:
        """Take in what a run has done; the log is empty afterwards."""
        lines = log.read_bytes().splitlines() if log.exists() else []
        for line in lines:
            what, path, other, at, size = os.fsdecode(line).split("\t")
            self._take(what, path, other, int(at), int(size))
        log.unlink(missing_ok=True)

    def settle(self) -> None:
        """So much time went by that everything is on the disk."""
        self._changes.clear()
        self._files.clear()

    def cut(self, chance: random.Random) -> int:
        """Take back what may be lost; how many things that were."""
        lost = 0
        for change in reversed(self._changes[chance.randint(0, len(self._changes)) :]):
            lost += _undo(change)
        for file in {id(file): file for file in self._files.values()}.values():
            lost += _damage(file, chance)
        self.settle()
        return lost

    def _take(self, what: str, path: str, other: str, at: int, size: int) -> None:
        if what == "W":
            self._file(path).write(at, size, int(other))
        elif what == "T":
            self._file(path).cut(size)
        elif what == "S":
            self._flushed(path)
        elif what == "F":
            self.settle()
        elif what == "O":
            self._files[path] = file = _File({path}, size=0, safe_size=0)
            self._changes.append(_Change(what, path, "", file))
        elif what == "L":
            file = self._file(path)
            file.names.add(other)
            self._files[other] = file
            self._changes.append(_Change(what, path, other, file))
        elif what == "R":
            file = self._files[other] = self._file(path)
            self._files.pop(path, None)
            file.names = (file.names - {path}) | {other}
            self._changes.append(_Change(what, path, other, file))
        elif what == "U":
            file = self._file(path)
            file.names.discard(path)
            self._files.pop(path, None)
            self._changes.append(_Change(what, path, "", file))
        else:
            self._changes.append(_Change(what, path, "", None))

    def _file(self, path: str) -> _File:
        return self._files.setdefault(path, _File({path}))

    def _flushed(self, path: str) -> None:
        if path in self._files:
            file = self._files[path]
            file.unsafe.clear()
            file.safe_size = file.size
            made = [n for n, c in enumerate(self._changes) if c.what == "O" and c.file is file]
            # It has its name for good, so what had that name before it is gone for good.
            self._changes = [
                c
                for n, c in enumerate(self._changes)
                if not made or n > made[0] or path not in (c.path, c.other)
            ]
        else:  # a folder
            self._changes = [
                c for c in self._changes if str(Path(c.other or c.path).parent) != path
            ]


def _undo(change: _Change) -> int:
    path, other = Path(change.path), Path(change.other)
    with contextlib.suppress(OSError):
        if change.what == "M":
            path.rmdir()
        elif change.what == "D":
            path.mkdir(0o700)
        elif change.what == "O":
            path.unlink()
        elif change.what == "L":
            other.unlink()
        elif change.what == "R":
            other.rename(path)
        elif change.file is not None and change.file.names:
            path.hardlink_to(next(iter(change.file.names)))
        return 1
    return 0


def _damage(file: _File, chance: random.Random) -> int:
    """Of what was not flushed, some is there, some is zeros, and some is cut off."""
    path = next((Path(name) for name in file.names if Path(name).exists()), None)
    if path is None or not file.unsafe:
        return 0
    lost, before = 0, path.stat()
    path.chmod(0o600)
    with path.open("r+b") as there:
        size = before.st_size
        if size > (file.safe_size or 0) and chance.random() < 0.5:
            size = there.truncate(chance.randint(file.safe_size or 0, size))
            lost = 1
        for at, length in file.unsafe:
            if at < size and chance.random() < 0.6:
                there.seek(at)
                there.write(bytes(min(length, size - at)))
                lost += 1
    path.chmod(before.st_mode & 0o777)
    return lost
