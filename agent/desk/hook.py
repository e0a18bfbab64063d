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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.desk.settings import HookSetting
from agent.text import json_text

LOG = "hooks.log"
_MOST_LOG = 1 << 20  # bytes, after which the log is begun anew; the one before is kept
_MOST_OF_ONE = 16 << 20  # bytes that a command may print, after which what it printed is dropped
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
        if self.setting.on_recording and self._thread.ident is None:
            self._thread.start()

    def reconfigure(self, setting: HookSetting) -> None:
        """What is begun from now on goes by this; what runs goes on, and what waits is kept."""
        self.setting = setting
        self.start()

    def stop(self) -> None:
        """End; a command that runs gets a moment. What it was not run for is told."""
        self._ended.set()
        if self._thread.ident is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join()
        if left := [str(facts["id"]) for facts in self._left()]:
            word = "recording" if len(left) == 1 else "recordings"
            self._tell(f"Offhook ended before the command for {word} {', '.join(left)} was begun")

    def recorded(self, facts: dict[str, Any]) -> None:
        """A recording was filed; ``facts`` are JSON."""
        if not self.setting.on_recording:
            return
        try:
            self._waiting.put_nowait(facts)
        except queue.Full:
            self._tell(f"the command for a recording is too slow: recording {facts['id']} is left")

    def _left(self) -> Iterator[dict[str, Any]]:
        with contextlib.suppress(queue.Empty):
            while True:
                if (facts := self._waiting.get_nowait()) is not None:
                    yield facts

    def _run(self) -> None:
        while not self._ended.is_set() and (facts := self._waiting.get()) is not None:
            setting = self.setting
            if not setting.on_recording:  # it was taken out of the settings
                continue
            try:
                problem = self._one(facts, setting)
            except OSError as error:
                problem = (error.strerror or str(error)).lower()
            if problem:
                self._tell(f"the command for recording {facts['id']} failed: {problem}")

    def _one(self, facts: dict[str, Any], setting: HookSetting) -> str | None:
        """Run it for one recording; what was wrong."""
        with self._open_log() as log:
            head = f"{time.strftime('%Y-%m-%d %H:%M:%S')} recording {facts['id']}\n"
            log.write(head.encode())
            log.flush()
            process = subprocess.Popen(
                setting.on_recording,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # to end its children with it
                cwd=self._log.parent,
            )
            said = json_text(facts).encode("utf-8", "replace")
            return self._wait(process, said, log, setting.timeout_s)

    def _wait(
        self, process: subprocess.Popen[bytes], said: bytes, log: Any, limit_s: int
    ) -> str | None:
        end = time.monotonic() + limit_s
        ending = False
        left: bytes | None = said
        while True:
            try:
                process.communicate(left, timeout=0.1)
            except subprocess.TimeoutExpired:
                left = None  # it goes on with what it was given
                _bound(log)
                if self._ended.is_set() and not ending:
                    ending, end = True, min(end, time.monotonic() + _END_S)
                if time.monotonic() > end:
                    _end(process)
                    why = "Offhook ended" if ending else f"over {limit_s} s"
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


def _bound(log: Any) -> None:
    """Begin the log anew when a command prints without end: the disk is for recordings."""
    if os.fstat(log.fileno()).st_size > _MOST_OF_ONE:
        os.truncate(log.fileno(), 0)
        log.write(b"(it prints much: what was here is left out)\n")
        log.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if number == signal.SIGTERM:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=0.2)
    process.communicate()
