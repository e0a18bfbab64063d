"""What a command on the phone says, line by line, without waiting longer than asked to."""

from __future__ import annotations

from agent.adb.shell import STDOUT, Process
from agent.errors import LinkError, LinkTimeout

_LONGEST = 1 << 16  # bytes without a line's end: no line is meant to be so long


class Lines:
    """Lines of a process; ``what`` is what an error calls it."""

    def __init__(self, process: Process, what: str) -> None:
        self._process = process
        self._what = what
        self._rest = b""
        self._ready: list[str] = []

    def next(self, timeout: float) -> str | None:
        """The next line, or None when none came; LinkError when there will be no more."""
        while not self._ready:
            try:
                frame = self._process.frame(timeout)
            except LinkTimeout:
                return None
            if frame is None or self._process.code is not None:
                raise LinkError(f"{self._what} ended")
            kind, data = frame
            if kind == STDOUT:
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._rest = self._rest[:_LONGEST]
                self._ready += [line.decode("utf-8", "surrogateescape") for line in lines]
        return self._ready.pop(0)
