"""The user's own command for each recording: ``[hooks] on_recording``.

The command is run in words, never by a shell. It gets the recording's facts as one JSON document
on standard input, and nothing else of ours: what a caller is named is never part of a command. It
has a time limit. What it prints goes to ``hooks.log`` in Offhook's home. One runs at a time.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.desk.settings import HookSetting
from agent.text import json_text

LOG = "hooks.log"
_MOST_LOG = 1 << 20  # bytes, after which the log is begun anew; the one before is kept
_MOST_WAITING = 1000
_END_S = 0.7  # for a command that runs when all shall end


class Hooks:
    """Runs the command, in a thread of its own, from :meth:`start` to :meth:`stop`.

    ``tell`` gets a sentence, without names, about each failure.
    """

    def __init__(self, setting: HookSetting, home: Path, tell: Callable[[str], None]) -> None:
        self.setting, self._log, self._tell = setting, home / LOG, tell
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hooks")

    def start(self) -> None:
        """Begin, if there is a command."""
        if self.setting.on_recording:
            self._thread.start()

    def stop(self) -> None:
        """End; a command that runs gets a moment."""
        self._ended.set()
        if self._thread.ident is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join()

    def recorded(self, facts: dict[str, Any]) -> None:
        """A recording was filed; ``facts`` are JSON."""
        if not self.setting.on_recording:
            return
        try:
            self._waiting.put_nowait(facts)
        except queue.Full:
            self._tell(f"the command for a recording is too slow: recording {facts['id']} is left")

    def _run(self) -> None:
        while (facts := self._waiting.get()) is not None and not self._ended.is_set():
            try:
                problem = self._one(facts)
            except OSError as error:
                problem = (error.strerror or str(error)).lower()
            if problem:
                self._tell(f"the command for recording {facts['id']} failed: {problem}")

    def _one(self, facts: dict[str, Any]) -> str | None:
        """Run it for one recording; what was wrong."""
        with self._open_log() as log:
            head = f"{time.strftime('%Y-%m-%d %H:%M:%S')} recording {facts['id']}\n"
            log.write(head.encode())
            log.flush()
            process = subprocess.Popen(
                self.setting.on_recording,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # to end its children with it
                cwd=self._log.parent,
            )
            return self._wait(process, json_text(facts).encode("utf-8", "replace"))

    def _wait(self, process: subprocess.Popen[bytes], said: bytes) -> str | None:
        end = time.monotonic() + self.setting.timeout_s
        ending = False
        left: bytes | None = said
        while True:
            try:
                process.communicate(left, timeout=0.1)
            except subprocess.TimeoutExpired:
                left = None  # it goes on with what it was given
                if self._ended.is_set() and not ending:
                    ending, end = True, min(end, time.monotonic() + _END_S)
                if time.monotonic() > end:
                    _end(process)
                    why = "Offhook ended" if ending else f"over {self.setting.timeout_s} s"
                    return f"it was ended: {why}"
            else:
                break
        if process.returncode:
            return f"exit code {process.returncode}; see {LOG}"
        return None

    def _open_log(self) -> Any:
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > _MOST_LOG:
                self._log.replace(self._log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.fdopen(os.open(self._log, flags, 0o600), "ab")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if number == signal.SIGTERM:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=0.2)
    process.communicate()
