"""Signals as requests: what is being done is ended, or begun anew, in good order."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Self


class Signals:
    """SIGINT and SIGTERM ask to stop; with ``reload``, SIGHUP asks to read the settings again.

    At a terminal SIGHUP says that the terminal is gone, and so asks to stop, too. The handler
    only notes it and wakes :meth:`wait`, in the main thread: it takes no lock, which that thread
    may hold.
    """

    def __init__(self, *, reload: bool = False) -> None:
        self._numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if reload else [])]
        self._terminal = sys.stdin is not None and sys.stdin.isatty()
        self._before: dict[int, object] = {}
        self._stopped = self._hung_up = False
        self._read, self._write = -1, -1

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for number, old in self._before.items():
            signal.signal(number, old)  # type: ignore[arg-type]  # as it was
        os.close(self._read)
        os.close(self._write)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self._terminal:
            self._hung_up = True
        else:
            self._stopped = True
        self.wake()

    def wake(self) -> None:
        """Let :meth:`wait` return now; from any thread."""
        with contextlib.suppress(BlockingIOError):  # then it is awake
            os.write(self._write, b"x")

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._stopped

    def wait(self, seconds: float) -> bool:
        """Wait for a signal or :meth:`wake`; whether to stop."""
        end = time.monotonic() + seconds
        if not self._stopped and not self._hung_up:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0))
            if ready:
                os.read(self._read, 4096)
        return self._stopped

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last time."""
        asked, self._hung_up = self._hung_up, False
        return asked
