"""What there is below a path: files that may be recordings, and what is left alone, and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.naming.kinds import kind_of as kind_by_name
from agent.sync.spot import SIDECAR, kind_of, stem

#: Where ``after = "move"`` moves to, in the inbox itself: hidden, so it is never looked into.
FILED = ".filed"
UNFINISHED = "another tool has not finished it, by its name"
_KINDS = {
    stat.S_IFLNK: "a symlink: what it points to was not looked at",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class LocalFile:
    """A regular file as one look saw it. ``root`` is the path that was given to look below;
    ``path`` has surrogates for what is not UTF-8; ``sidecar`` is the path of one beside it."""

    path: str
    root: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    sidecar: str | None = None

    def is_still(self, seen: os.stat_result) -> bool:
        """Whether this is the same file, unchanged."""
        return (self.size, self.mtime_ns, self.ctime_ns, self.inode, self.device) == (
            seen.st_size,
            seen.st_mtime_ns,
            seen.st_ctime_ns,
            seen.st_ino,
            seen.st_dev,
        )

    @property
    def folders(self) -> list[str]:
        """The names of the folders between the path that was given and the file."""
        return list(Path(self.path).relative_to(self.root).parent.parts)


@dataclass(frozen=True)
class Left:
    """What is left alone, and why; ``failed``: it would have been looked at, and could not be."""

    path: str
    reason: str
    failed: bool = False


def find(paths: Iterable[str], *, not_below: Collection[Path] = ()) -> Iterator[LocalFile | Left]:
    """Each file below each path once, in order. Symlinks are followed where they are given, and
    nowhere else. ``not_below`` are folders of our own."""
    seen: set[str] = set()
    own = {os.path.realpath(folder) for folder in not_below}
    for given in paths:
        root = os.path.realpath(given)
        for found in _below(root, root, own):
            if found.path not in seen:
                seen.add(found.path)
                yield found


def _below(path: str, root: str, own: set[str]) -> Iterator[LocalFile | Left]:
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if any(here == folder or here.startswith(folder + os.sep) for folder in own):
            yield Left(here, "Offhook's own folder")
            continue
        try:
            status = os.lstat(here)
            if not stat.S_ISDIR(status.st_mode):  # only the path that was given
                names = [Path(here).name]
                here = root = str(Path(here).parent)
            else:
                names = sorted(path.name for path in Path(here).iterdir())
        except OSError as error:
            yield Left(here, reason_of(error), failed=True)
            continue
        folders = []
        for found in _in_folder(here, names, root):
            if isinstance(found, str):
                folders.append(found)
            else:
                yield found
        waiting += reversed(folders)


def _in_folder(folder: str, names: list[str], root: str) -> Iterator[LocalFile | Left | str]:
    """What has these names in a folder; a folder in it as its path."""
    sidecars: dict[str, str] = {}
    files: list[tuple[str, os.stat_result]] = []
    for name in names:
        path = str(Path(folder, name))
        try:
            status = os.lstat(path)
        except OSError as error:
            yield Left(path, reason_of(error), failed=True)
            continue
        if stat.S_ISDIR(status.st_mode):
            yield Left(path, "a hidden folder") if name.startswith(".") else path
        elif not stat.S_ISREG(status.st_mode):
            yield Left(path, _KINDS.get(stat.S_IFMT(status.st_mode), "no file"))
        elif (reason := _by_name(name)) is not None:
            yield Left(path, reason)
        elif kind_of(path) == "sidecar":
            sidecars[stem(path)] = path
        else:
            files.append((path, status))
    if len(names) == 1 and files:  # a file that was given by itself has its sidecar all the same
        beside = Path(stem(files[0][0]) + SIDECAR)
        if beside.is_file() and not beside.is_symlink():
            sidecars[stem(str(beside))] = str(beside)
    for path, status in files:
        yield LocalFile(
            path,
            root,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
            status.st_dev,
            sidecars.get(stem(path)),
        )
    with_recording = {stem(path) for path, _ in files}
    for name, path in sidecars.items():
        if name not in with_recording:
            yield Left(path, NO_RECORDING)


NO_RECORDING = "a sidecar without its recording"


def _by_name(name: str) -> str | None:
    """Why a file is left alone by its name alone; None where it may be a recording."""
    kind, _ = kind_by_name(name)
    if kind == "unfinished" or name.startswith((".syncthing.", "~syncthing~")):
        return UNFINISHED
    if kind == "deleted":
        return "it was thrown away, by its name"
    if name.startswith("."):
        return "a hidden file"
    return None if kind_of(name) else "no recording, by its name"


def reason_of(error: OSError) -> str:
    """Why the system refused, in small letters."""
    return (error.strerror or str(error)).lower()
