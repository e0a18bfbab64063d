"""The writer's lock: one process at a time files recordings into an archive."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from pathlib import Path

from agent.archive.store import CLOSED, disk_errors
from agent.errors import ArchiveError, BusyError, ConfigError

#: What says that another has it; EACCES is a Windows share's word for that.
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


class WriterLock:
    """An exclusive ``flock`` on a file that says who holds it.

    The kernel lets go of it when the holder dies, so there is no stale lock to break.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        self.path = path
        self.purpose = purpose
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock now."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock at once, or raise BusyError saying who has it."""
        try:
            with disk_errors(self.path):
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except ArchiveError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in CLOSED:
                raise
            raise ConfigError(
                f"{self.path} can't be locked: {cause.strerror}",
                hint="Another user may have made it, as with sudo: give it to the archive's owner.",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _read_holder(fd)
            os.close(fd)
            if error.errno not in _TAKEN:
                raise ConfigError(
                    f"{self.path} can't be locked: {error.strerror}",
                    hint="Its file system has no locks, as some network drives. Give a home on a "
                    "disk of this computer's with --home or OFFHOOK_HOME.",
                ) from error
            stays = held_for(self.path) == "watch"
            raise BusyError(
                f"another Offhook works on this archive: {holder}",
                hint="It pulls what is new by itself, and goes on until it is stopped."
                if stays
                else "Stop it, or wait until it has finished.",
            ) from error
        self._fd = fd
        said = {
            "pid": os.getpid(),
            "purpose": self.purpose,
            "since": int(time.time()),
            "boot": _boot(),
        }
        # Only a courtesy to whoever finds the lock taken: a full disk must not stop us here.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(said).encode(), 0)

    def release(self) -> None:
        """Let go of the lock, if it is held."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def held_for(path: Path) -> str | None:
    """For what purpose a living process holds the lock; None when none does.

    It is read, not tried: that would be in the way of somebody who takes the lock just then.
    """
    try:
        said = json.loads(path.read_bytes())
        if said.get("boot") not in (None, _boot()):
            return None  # left by a power cut, or on another computer: the number is another's now
        os.kill(int(said["pid"]), 0)
    except PermissionError:  # it lives, and is another user's
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(said["purpose"])


def _boot() -> str | None:
    """Tells this run of the system from others; None where it has no word for that."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _read_holder(fd: int) -> str:
    try:
        said = json.loads(os.pread(fd, 4096, 0))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(said["since"])))
        return f"process {int(said['pid'])} ({str(said['purpose'])[:40]!r}, since {since})"
    except (OSError, ValueError, KeyError, TypeError):
        return "its process does not say which it is"
