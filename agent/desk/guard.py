"""What changes on the disk beneath a running watch: the archived files, and ``offhook.toml``.

The system's events only say where to look: the index says what has to be there. So our own filing
is no news, nor is a change that was taken back before anybody looked.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent
from watchdog.observers.api import BaseObserver

from agent.archive.archive import Archive
from agent.archive.audit import Finding, look_at
from agent.desk.events import end, observe
from agent.errors import OffhookError

SETTLE_S = 0.5  # after an event, before anybody looks: several events make one change


class Guard:
    """Watches both from :meth:`start` to :meth:`stop`. ``on_finding`` is called from a thread of
    the guard's, ``on_settings`` from the observer's: it should only set something.

    ``problem`` says why the system gives no events, if it gives none.
    """

    def __init__(
        self,
        archive: Archive,
        settings: Path,
        on_finding: Callable[[Finding], None],
        on_settings: Callable[[], None],
    ) -> None:
        self._archive, self._settings = archive, settings
        self._on_finding, self._on_settings = on_finding, on_settings
        self._observer: BaseObserver | None = None
        self._due: dict[str, float] = {}
        self._told: dict[str, Finding] = {}
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="guard")
        self.problem: str | None = None

    def start(self) -> None:
        """Begin; where the system has no events to give, ``problem`` says so."""
        archive = self._archive
        try:
            self._observer = observe(
                [(archive.store.root, self._seen, True), (archive.home, self._home_seen, False)]
            )
        except OSError as error:
            self.problem = f"changes of files are not seen: {error.strerror or error}"
            return
        self._thread.start()

    def stop(self) -> None:
        """End."""
        if self._observer is None:
            return
        end(self._observer)
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._thread.join()
        self._observer = None

    def _home_seen(self, event: FileSystemEvent) -> None:
        if self._settings.name in {Path(str(event.src_path)).name, Path(str(event.dest_path)).name}:
            self._on_settings()

    def _seen(self, event: FileSystemEvent) -> None:
        for path in (str(event.src_path), str(event.dest_path)):
            if not path or path.endswith(".part"):
                continue
            with contextlib.suppress(ValueError):
                relative = Path(path).relative_to(self._archive.store.root).as_posix()
                whole = event.is_directory and event.event_type in ("deleted", "moved")
                if whole or not event.is_directory:
                    self._mark(relative + ("/" if whole else ""))

    def _mark(self, relative: str) -> None:
        with self._news:
            self._due[relative] = time.monotonic() + SETTLE_S
            self._news.notify_all()

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._ended and (wait := self._wait_s()) != 0:
                    self._news.wait(wait)
                if self._ended:
                    return
                now = time.monotonic()
                due = [path for path, at in self._due.items() if at <= now]
                for path in due:
                    del self._due[path]
            for path in due:
                with contextlib.suppress(OffhookError):  # the disk's trouble is told by others
                    self._look(path)

    def _wait_s(self) -> float | None:
        if not self._due:
            return None
        return max(min(self._due.values()) - time.monotonic(), 0.0)

    def _look(self, relative: str) -> None:
        if relative.endswith("/"):
            for path in self._below(relative):
                self._look(path)
            return
        with self._archive.filing:  # what is being filed has a row when this is ours
            pass
        found = look_at(self._archive, relative)
        before = self._told.pop(relative, None)
        if found is not None:
            self._told[relative] = found
            if before is None or before.kind != found.kind or before.text != found.text:
                self._on_finding(found)

    def _below(self, folder: str) -> list[str]:
        with self._archive.reading() as db:
            rows = db.execute(
                "SELECT path FROM recordings WHERE substr(path, 1, ?) = ?", [len(folder), folder]
            )
            return [row[0] for row in rows.fetchall()]
