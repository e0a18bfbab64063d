"""What keeps the archive from taking anything: of all phones at once, so it is told once, as the
archive's, and once that it is over."""

from __future__ import annotations

import threading

from agent.archive.archive import Archive
from agent.archive.store import reason_of
from agent.errors import ArchiveError, BusyError, ConfigError, OffhookError
from agent.sync.events import Tell, WatchEvent

NAME = "archive"


class Trouble:
    """The archive's, for all that watch phones, each from its own thread."""

    def __init__(self, archive: Archive, tell: Tell) -> None:
        self._archive, self._tell = archive, tell
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._whose: set[str] = set()  # those that met it, and could not file since

    @property
    def on(self) -> bool:
        """Whether there is any."""
        return bool(self._told)

    def check(self) -> None:
        """While there is some, have the archive take something before a phone is asked for
        anything: ArchiveError or ConfigError where it does not."""
        if self.on:
            self._archive.prove()

    def met(self, name: str, error: OffhookError) -> bool:
        """A phone's watch met an error; whether it is the archive's. Then it is told, if it was
        not yet."""
        found = self._of_all(error)
        if found is None:
            return False
        text, error = found
        with self._lock:
            self._whose.add(name)
            new = text not in self._told
            self._told.add(text)
        if new:
            self._tell(WatchEvent("unfiled", NAME, text, error=error))
        return True

    def passed(self, name: str) -> None:
        """All went well at a phone's. It is over when it did at each that had met trouble."""
        with self._lock:
            self._whose.discard(name)
            over = self.on and not self._whose
            if over:
                self._told.clear()
        if over:
            self._tell(WatchEvent("unfiled", NAME))

    def left(self, name: str) -> None:
        """Nothing can be filed from a phone now, whatever the archive takes."""
        with self._lock:
            self._whose.discard(name)

    def _of_all(self, error: OffhookError) -> tuple[str, OffhookError] | None:
        """What there is to tell: what keeps the whole archive, rather than what one file met."""
        if not isinstance(error, BusyError):  # which takes long to find out
            try:
                self._archive.prove()
            except (ArchiveError, ConfigError) as whole:
                return whole.message, whole
        return (reason_of(error), error) if isinstance(error, ArchiveError) else None
