"""Which lab phones run on this computer: one locked folder each, found by serial.

A phone's folder lives in ``$TMPDIR/offhook-lab-UID/``; its ``lock`` is held by the process that
started it, so a folder whose lock is free belongs to nobody and is cleared away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.lab.errors import LabError

_PORTS = range(21000, 32000)  # below what Linux hands out by itself, and far from 5555


class Claim:
    """A phone's folder and its port, held until ``release``."""

    def __init__(self, serial: str, port: int | None) -> None:
        if not serial or not all(c.isascii() and (c.isalnum() or c in "._-") for c in serial):
            raise LabError(f"a serial is letters, digits, dots and dashes, not {serial!r}")
        if serial.startswith("."):
            raise LabError("a serial does not begin with a dot")
        self.folder = _home() / serial
        self._files: list[int] = []
        for folder in _home().iterdir():  # of phones whose starter was killed
            if folder.name != "locks" and not _is_locked(folder.name):
                _clear(folder)
        try:
            self._lock(serial)
            self.port = self._take_port(port)
        except BaseException:
            self.release()
            raise

    def _lock(self, serial: str) -> None:
        lock = _home() / "locks"
        lock.mkdir(exist_ok=True)
        if not self._take(lock / serial):
            raise LabError(f"a lab phone {serial} runs already", hint="choose another --serial")
        _clear(self.folder)
        self.folder.mkdir(mode=0o700)

    def _take(self, path: Path) -> bool:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._files.append(file)
        return True

    def _take_port(self, wanted: int | None) -> int:
        locks = _home() / "locks"
        choice = [wanted] if wanted is not None else random.sample(_PORTS, 200)
        for port in choice:
            if _is_free(port) and self._take(locks / f"port {port}"):
                return port
        raise LabError("no free port" if wanted is None else f"port {wanted} is taken")

    def write(self, note: dict[str, object]) -> None:
        """Tells other processes how to reach the phone."""
        beside = self.folder / "phone.json.new"
        beside.write_text(json.dumps(note))
        beside.rename(self.folder / "phone.json")

    def release(self) -> None:
        """Removes the folder and lets go of serial and port. Harmless when called twice."""
        if self._files:
            _clear(self.folder)
        while self._files:
            os.close(self._files.pop())


def running() -> Iterator[dict[str, object]]:
    """The notes of all phones that run, whoever of this user started them."""
    for path in sorted(_home().glob("*/phone.json")):
        if _is_locked(path.parent.name):
            with contextlib.suppress(OSError, ValueError):
                yield json.loads(path.read_text())


def find(serial: str | None) -> dict[str, object]:
    """The note of one running phone; without a serial, of the only one there is."""
    notes = [n for n in running() if serial is None or n["serial"] == serial]
    if len(notes) == 1:
        return notes[0]
    there = ", ".join(str(n["serial"]) for n in running()) or "none"
    what = f"no lab phone {serial} runs" if serial else "say which lab phone: --serial"
    raise LabError(f"{what}; running: {there}", hint="python -m tests.lab start begins one")


def _clear(folder: Path) -> None:
    # A phone's mounts are in a namespace of its own. Were one here, this would delete through it.
    if any(path.is_mount() for path in folder.glob("*")):
        raise LabError(f"something is mounted in {folder}", hint=f"umount -R {folder}/*")
    shutil.rmtree(folder, ignore_errors=True)


def _is_locked(serial: str) -> bool:
    try:
        with (_home() / "locks" / serial).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def _home() -> Path:
    home = Path(tempfile.gettempdir()) / f"offhook-lab-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise LabError(f"{home} belongs to somebody else", hint="set TMPDIR to a folder of yours")
    return home


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
