"""Whether a file on this computer is whole.

Nobody has it open for writing, where the system can say so; and it has been the same, by its size
and its times, for longer than the coarsest clock that dates files takes for a tick.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from dataclasses import dataclass, field

from agent.sync.inbox.find import LocalFile

SETTLE_S = 3.0  # FAT dates files to two seconds
SECOND_LOOK_S = 0.2


def is_written_to(fd: int) -> bool:
    """Whether any process has the file open for writing; False where that can't be known.

    Linux grants a read lease only on a file that nobody writes to (fcntl(2), F_SETLEASE). It is
    given back at once. Whoever opens the file just then waits for that, and we get a signal: one
    that does nothing, in place of SIGIO, which would end the program.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases
        return False
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def age_s(file: LocalFile) -> float | None:
    """For how long a file, and its sidecar, have been as they are, by the change time, which no
    tool can set; None where that lies in the future, because a clock was turned back."""
    newest = file.ctime_ns
    if file.sidecar is not None:
        with contextlib.suppress(OSError):
            newest = max(newest, os.lstat(file.sidecar).st_ctime_ns)
    age = (time.time_ns() - newest) / 1e9
    return age if age >= 0 else None


@dataclass
class Looks:
    """Remembers when each file was first seen as it is: two looks have to agree."""

    settle_s: float = SETTLE_S
    _first: dict[str, tuple[LocalFile, float]] = field(default_factory=dict)

    def wait_s(self, file: LocalFile) -> float:
        """How long to leave a file alone yet; 0 when it can be taken."""
        now = time.monotonic()
        before = self._first.get(file.path)
        same = before is not None and _same(before[0], file)
        if before is None or not same:
            self._first[file.path] = before = (file, now)
        seen_s = now - before[1]
        age = age_s(file)
        if age is None:
            return max(self.settle_s - seen_s, 0.0)
        if not same:
            return max(self.settle_s - age, SECOND_LOOK_S)
        return max(self.settle_s - age, 0.0)

    def forget_others(self, paths: set[str]) -> None:
        """Files that are not there any more are not remembered either."""
        for path in self._first.keys() - paths:
            del self._first[path]


def _same(one: LocalFile, other: LocalFile) -> bool:
    return (one.size, one.mtime_ns, one.ctime_ns, one.inode, one.device) == (
        other.size,
        other.mtime_ns,
        other.ctime_ns,
        other.inode,
        other.device,
    )


def open_to_read(path: str) -> int:
    """A descriptor of a regular file; never a symlink's, and never one that waits (a FIFO's)."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.open(path, flags)
