"""Cleaning a watched phone: once a day, file by file, where the user has had it cleaned before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from agent.archive import removals
from agent.archive.archive import Archive
from agent.archive.settings import Cleanup
from agent.phone.files import Source
from agent.sync.clean import CleanablePhone, Cleaner, CleanReport

_DAY_MS = 86_400_000
_ASK_EVERY = 60.0  # seconds: whether a day is over, or the user has agreed meanwhile


class Daily:
    """Call :meth:`step` whenever nothing else is to be done. Without settings it does nothing."""

    def __init__(
        self,
        archive: Archive,
        phone: CleanablePhone,
        sources: Sequence[Source],
        settings: Cleanup | None,
    ) -> None:
        self._archive, self._phone = archive, phone
        self._sources, self._settings = sources, settings
        self._ask_at = 0.0
        self._cleaner: Cleaner | None = None
        self._steps: Iterator[None] = iter(())

    def step(self) -> CleanReport | None:
        """One file of the day's run, if one is due; at its end, what it did."""
        settings = self._settings
        if settings is None:
            return None
        if self._cleaner is None:
            if not self._is_due(settings):
                return None
            removals.note_run(self._archive, self._phone.serial, settings, cleans=True)
            self._cleaner = Cleaner(self._archive, self._phone, self._sources, settings)
            self._steps = self._cleaner.steps()
        for _ in self._steps:
            return None
        done, self._cleaner = self._cleaner.report, None
        return done

    def _is_due(self, settings: Cleanup) -> bool:
        now = time.monotonic()
        if now < self._ask_at:
            return False
        self._ask_at = now + _ASK_EVERY
        serial = self._phone.serial
        if not removals.agreed(self._archive, serial, settings):
            return False
        last_ms = removals.last_ms(self._archive, serial) or 0
        return abs(self._archive.clock() - last_ms) >= _DAY_MS  # a clock may be turned back
