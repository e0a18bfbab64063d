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
from agent.desk.events import end, identity, is_whole, observe, unheard
from agent.errors import OffhookError

SETTLE_S = 0.5  # after an event, before anybody looks: several events make one change
FOLDER_EVERY_S = 5.0  # of the archive's folder itself, of which events do not tell all
_OTHER = "another folder stands in the place of the archive's: `offhook verify` has the rest"


class Guard:
    """Watches both from :meth:`start` to :meth:`stop`. ``on_finding`` is called from a thread of
    the guard's, ``on_settings`` from the observer's: it should only set something.

    ``problem`` says why the system gives no events, or not of all, if that is so; it may come later.
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
        self._folder = self._first = identity(archive.store.root)
        self._gone = False
        self._folder_due = 0.0
        self._thread = threading.Thread(target=self._run, name="guard")
        self.problem: OffhookError | None = None

    def start(self) -> None:
        """Begin; where the system has no events to give, ``problem`` says so."""
        try:
            self._observe()
        except OSError as error:
            what = "changes of files are not seen"
            said = OffhookError(f"{what}: {error.strerror or error}")
            self.problem = unheard(what, error) or said
            return
        self._thread.start()

    def _observe(self) -> None:
        archive = self._archive
        self._folder = identity(archive.store.root)
        self._observer = observe(
            [(archive.store.root, self._seen, True), (archive.home, self._home_seen, False)],
            self._refused,
        )

    def _refused(self, error: OSError) -> None:
        self.problem = unheard("not every change of an archived file is seen", error)

    def stop(self) -> None:
        """End."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        if self._observer is not None:
            end(self._observer)
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
        with (
            self._news
        ):  # of the first event: one that is written to all the time is looked at, too
            self._due.setdefault(relative, time.monotonic() + SETTLE_S)
            self._news.notify_all()

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._ended and (wait := self._wait_s()) > 0:
                    self._news.wait(wait)
                if self._ended:
                    return
                now = time.monotonic()
                due = [path for path, at in self._due.items() if at <= now]
                for path in due:
                    del self._due[path]
            if now >= self._folder_due:
                self._folder_due = now + FOLDER_EVERY_S
                with contextlib.suppress(OSError):  # the disk's trouble is told by others
                    self._look_at_folder()
            for path in due:
                with contextlib.suppress(OffhookError):  # the disk's trouble is told by others
                    self._look(path)

    def _wait_s(self) -> float:
        due = min([self._folder_due, *self._due.values()])
        return max(due - time.monotonic(), 0.0)

    def _look_at_folder(self) -> None:
        """It may be moved away or mounted over. Its files are missing then, and it is not known
        which; and of another one that is there now nothing is heard."""
        folder = identity(self._archive.store.root)
        if folder is None:
            if not self._gone:
                self._gone = True
                self._on_finding(Finding("missing", "the archive's folder is not there"))
            return
        if self._observer is not None and folder == self._folder and is_whole(self._observer):
            self._gone = False
            return
        if not self._gone and folder not in (self._folder, self._first):
            self._on_finding(Finding("missing", _OTHER))
        if self._observer is not None:
            end(self._observer)
            self._observer = None
        self._gone = False
        self._observe()

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
