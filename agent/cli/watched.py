"""The phones of `offhook watch`: a thread for each, and the search for where they are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from agent.adb.address import is_address
from agent.adb.finding.discovery import Change, Discovery, Roster, finders
from agent.adb.finding.finders import Seen
from agent.archive.archive import Archive
from agent.capture.journal import read_journal
from agent.cli.common import App, Target
from agent.config import Config
from agent.errors import ArchiveError, ConfigError
from agent.phone.phone import Phone
from agent.sync.events import Tell, WatchEvent
from agent.sync.share import Share
from agent.sync.trouble import Trouble
from agent.sync.watch import Nap, Watch

PATIENCE_S = 1.3  # for a thread to end; what it was at is made good by the next run


class Watched:
    """A phone that is watched, wherever it is now; its thread runs :meth:`run`."""

    def __init__(
        self,
        app: App,
        target: Target,
        archive: Archive,
        tell: Tell,
        share: Share,
        trouble: Trouble,
    ) -> None:
        self.target = target
        self.connected = False
        self.broken: BaseException | None = None
        self.stop = threading.Event()
        self.nap = Nap(self.stop)
        self._app, self._archive = app, archive
        self._watch = Watch(
            target.label,
            self._opened,
            archive,
            list(app.config.sources),
            tell,
            self.stop,
            journal=lambda serial: read_journal(app.home, serial),
            nap=self.nap,
            contacts=app.config.contacts,
            names=app.config.names,
            cleanup=app.config.cleanup,
            share=share,
            limits=lambda: app.config.limits,
            trouble=trouble,
        )
        # What ends too late is abandoned with the process: see Keeper.
        self.thread = threading.Thread(target=self.run, name=f"watch {self}", daemon=True)

    def __str__(self) -> str:
        return self.target.name

    @property
    def recording(self) -> bool:
        """Whether this computer records a call of it now."""
        return self._watch.recording

    def run(self) -> None:
        """Watch until told to stop; what ends it otherwise is in ``broken``."""
        try:
            self._watch.run()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.broken = error

    def reconfigure(self, config: Config) -> None:
        """The settings have changed."""
        self._watch.reconfigure(
            list(config.sources),
            contacts=config.contacts,
            names=config.names,
            cleanup=config.cleanup,
        )

    @contextmanager
    def _opened(self) -> Iterator[Phone]:
        target = self.target
        with self._app.reach(target) as found:
            self._app.check(target, found)
            self.target = replace(target, name=found.name, serial=found.serial)
            with contextlib.suppress(ArchiveError, ConfigError):  # which whoever files will tell
                self._app.remember(found, target, self._archive)
            self.connected = True
            try:
                yield found
            finally:
                self.connected = False


class Search:
    """Looks out for phones, and leads those that are watched to where they are."""

    def __init__(self, app: App, watched: list[Watched], strangers: set[str], tell: Tell) -> None:
        self._watched, self._strangers, self._tell = list(watched), strangers, tell
        addresses = [one.target.name for one in watched if is_address(one.target.name)]
        places = finders(addresses=addresses, busy=_busy(self._watched), mdns=app.config.mdns)
        self._discovery = Discovery(places)
        self._thread = threading.Thread(target=self._follow, name="discovery", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._discovery.close()
        self._thread.join(PATIENCE_S)

    def _follow(self) -> None:
        roster = Roster()
        for event in self._discovery:
            for change in roster.take(event):
                if change.now is None:
                    continue
                known = next((w for w in self._watched if w.target.serial == change.serial), None)
                if known is not None:
                    _lead(known, change)
                elif change.serial not in self._strangers and not self._is_awaited(change.now):
                    self._strangers.add(change.serial)
                    self._tell(WatchEvent("stranger", change.serial, _STRANGER))

    def _is_awaited(self, seen: Seen) -> bool:
        """Whether it is where a phone is awaited whose serial number is not known yet."""
        return any(w.target.serial is None and w.target.name == seen.name for w in self._watched)


def _busy(watched: list[Watched]) -> Callable[[str], bool]:
    """Whether there is a connection to an address anyway, so that nobody need knock there."""
    return lambda address: any(one.connected and one.target.name == address for one in watched)


def _lead(one: Watched, change: Change) -> None:
    """A phone that is out of reach is looked for where it was seen."""
    if one.connected or change.now is None:
        return
    if one.target.way == "auto":
        one.target = replace(one.target, name=change.now.name)
    one.nap.end()


_STRANGER = "is there too, and not watched: `offhook --phone SERIAL doctor` makes it known"
