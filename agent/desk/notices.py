"""Notifications on the desktop: by ``notify-send`` or ``osascript``, where one is there.

Nothing of a caller is in them unless ``[notify] names`` asks for it: a notification is shown on
locked screens, and kept in histories.
"""

from __future__ import annotations

import contextlib
import html
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from agent.desk.settings import NotifySetting
from agent.text import shown

_LIMIT_S = 5.0
_MOST_WAITING = 20
_SCRIPT = (
    "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run\n"
)
NO_PROGRAM = (
    "no notification can be shown: neither notify-send (libnotify-bin) nor osascript is there"
)


def command_of(title: str, body: str) -> list[str] | None:
    """What shows a notification here; None where nothing can. No text is ever part of a script."""
    title, body = shown(title), shown(body)
    if sys.platform == "darwin" and (script := shutil.which("osascript")):
        return [script, "-e", _SCRIPT, title, body]
    if program := shutil.which("notify-send"):
        # Servers may take the body for markup.
        return [program, "--app-name=Offhook", "--", title, html.escape(body, quote=False)]
    return None


class Notices:
    """Shows notifications from a thread of its own; ``tell`` gets a sentence when none can be.

    It never fails and never waits for a server that hangs.
    """

    def __init__(self, setting: NotifySetting, tell: Callable[[str], None]) -> None:
        self.setting, self._tell = setting, tell
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="notices")
        self._running: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._said = ""

    def start(self) -> None:
        """Begin, if anything is to be shown."""
        if self.setting.any and self._thread.ident is None:
            self._thread.start()

    def reconfigure(self, setting: NotifySetting) -> None:
        """From now on, these are shown."""
        self.setting = setting
        self.start()

    def stop(self) -> None:
        """End at once; what was not shown is not."""
        self._ended = True
        if self._thread.ident is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            if (running := self._running) is not None:
                with contextlib.suppress(ProcessLookupError):
                    running.kill()
            self._thread.join()

    def show(self, title: str, body: str) -> None:
        """Show one; more than a few in waiting are dropped."""
        if self.setting.any:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait((title, body))

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None and not self._ended:
            problem = self._show(*one)
            if problem and problem != self._said:
                self._tell(problem)
            self._said = problem

    def _show(self, title: str, body: str) -> str:
        command = command_of(title, body)
        if command is None:
            return NO_PROGRAM
        try:
            self._running = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ,
            )
        except OSError as error:
            return f"no notification can be shown: {error.strerror or error}"
        try:
            code = self._running.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
            return "no notification can be shown: the desktop does not answer"
        finally:
            self._running = None
        if code and not self._ended:
            return f"no notification can be shown: {Path(command[0]).name} says {code}"
        return ""
