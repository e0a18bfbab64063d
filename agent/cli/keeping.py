"""What runs while `offhook watch` does: a thread for each phone, the inbox, the guard, and what is
told to the desktop and to a service manager. The settings may change meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from agent.archive.archive import Archive
from agent.archive.audit import Finding
from agent.archive.records import Recording
from agent.cli.common import App, Target
from agent.cli.desktop import Desktop
from agent.cli.stopping import Signals
from agent.cli.watched import PATIENCE_S, Search, Watched
from agent.config import NAME, Config, load_config
from agent.desk.guard import Guard
from agent.desk.manager import Manager
from agent.errors import OffhookError
from agent.sync.events import SyncEvent, WatchEvent
from agent.sync.inbox.stay import NAME as INBOX
from agent.sync.inbox.stay import Inbox
from agent.sync.share import Share
from agent.sync.trouble import Trouble
from agent.text import shown

_TURN_S = 0.5
_NEW_EVERY_S = 10.0  # how soon a phone that was made known is watched
_QUIET_S = 0.3  # editors write a file in several steps
_UNREAD = b"\0"  # is no TOML
_LIVE_PATIENCE_S = 20.0  # for one that has a recording of this computer's to end


class Told(Protocol):
    """Whoever shows it to the user."""

    def have(self, status: str, names: Sequence[str], last: Mapping[str, Recording]) -> None:
        """What is watched now: in words, and by the names that events come with, with the newest
        recording of each."""

    def tell(self, event: WatchEvent | SyncEvent) -> None:
        """Something has happened."""

    def end(self) -> None:
        """Nothing more is shown, also while somebody still tells something."""


class Keeper:
    """All of it, from :meth:`run` to its end. ``phone`` is the only one to watch, if given."""

    def __init__(
        self, app: App, archive: Archive, phone: str | None, told: Told, signals: Signals
    ) -> None:
        self._app, self._archive, self._phone, self._signals = app, archive, phone, signals
        self._told = told
        self._manager = Manager()
        self._desktop = Desktop(app, archive, self._tell)
        self._watched: list[Watched] = []
        self._share = Share(rate=app.config.limits.rate)
        self._paused: dict[str, str] = {}
        self._trouble, self._unfiled = Trouble(archive, self._tell), ""
        self._search: Search | None = None
        self._strangers: set[str] = set()
        self._inbox: tuple[threading.Event, threading.Thread] | None = None
        self._guard = Guard(archive, app.home / NAME, self._found, self._settings_seen)
        self._unheard = ""
        self._settings_due: float | None = 0.0  # they were read before anybody listened
        self._settings_were: bytes | None = _UNREAD
        self._new_due = 0.0
        self._pinged = 0.0
        self._broken: BaseException | None = None

    def run(self, targets: list[Target], recovered: Iterable[Recording] = ()) -> None:
        """Until a signal says so. ``recovered`` are told first: what a run that was killed was
        recording. Raises what ended a thread that should not have ended."""
        try:
            self._guard.start()
            self._tell_unheard()
            self._desktop.start()
            for recording in recovered:
                name = recording.phone_alias or recording.phone or ""
                self._tell(SyncEvent("filed", name, "", recording=recording))
            self._start_inbox()
            self._set_targets(targets)
            self._ready()
            while not self._signals.wait(_TURN_S) and self._broken is None:
                self._turn()
        finally:
            self._manager.stopping()
            self._end()
        if self._broken is not None:
            raise self._broken

    def _turn(self) -> None:
        now = time.monotonic()
        if self._signals.take_reload():
            self._reload(asked=True)
        elif self._settings_due is not None and now >= self._settings_due:
            self._settings_due = None
            if self._settings_now() != self._settings_were:
                self._reload(asked=False)
        if now >= self._new_due:
            self._new_due = now + _NEW_EVERY_S
            self._find_new()
            if self._settings_now() != self._settings_were:  # a link's target, a network's disk
                self._settings_seen()
        for one in self._watched:
            if one.broken is not None:
                self._broken = one.broken
        self._tell_unheard()
        self._desktop.turn()
        every = self._manager.watchdog_s
        if every is not None and now - self._pinged >= every:
            self._pinged = now
            with self._archive.reading() as db:  # who can't have the index is not alive
                db.execute("SELECT 1")
            self._manager.alive()

    def _tell(self, event: object) -> None:
        try:
            self._told.tell(event)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - raised by the main thread
            self._broken = self._broken or error  # nobody hears any more, whoever met that first
        self._desktop.take(event)
        if isinstance(event, WatchEvent) and event.kind in ("paused", "lost"):
            self._say_paused(event)
        elif isinstance(event, WatchEvent) and event.kind == "unfiled":
            self._unfiled = event.text
            self._manager.say(f"STATUS={self._status()}")

    def _say_paused(self, event: WatchEvent) -> None:
        """Tell the service manager of phones of which nothing is pulled now."""
        before = self._paused.pop(event.phone, "")
        why = event.text if event.kind == "paused" else ""
        if why:
            self._paused[event.phone] = why
        if why != before:
            self._manager.say(f"STATUS={self._status()}")

    # Phones

    def _set_targets(self, targets: list[Target]) -> None:
        """Watch these, and no others."""
        wanted = {target.label: target for target in targets}
        gone = [
            one
            for one in self._watched
            if one.target.label not in wanted or not _is_same(one.target, wanted[one.target.label])
        ]
        for one in gone:
            one.stop.set()
            one.nap.end()
        self._join(gone)
        for one in gone:
            self._desktop.forget(one.target.label)
            self._paused.pop(one.target.label, None)
        self._watched = [one for one in self._watched if one not in gone]
        known = {one.target.label for one in self._watched}
        fresh = [
            Watched(self._app, target, self._archive, self._tell, self._share, self._trouble)
            for label, target in wanted.items()
            if label not in known
        ]
        self._watched += fresh
        if gone or fresh or self._search is None:
            self._look_out()
        self._show()  # before they tell something
        for one in fresh:
            one.thread.start()

    def _look_out(self) -> None:
        """Look out for phones that come, at the places of those that are watched."""
        if self._search is not None:
            self._search.close()
        self._search = Search(self._app, self._watched, self._strangers, self._tell)

    def _find_new(self) -> None:
        """Phones that were made known meanwhile, by another command."""
        if self._phone is not None or self._app.phone is not None:
            return
        try:
            known = {target.label: self._app.by(target) for target in self._app.known().values()}
        except OffhookError:
            return
        labels = {one.target.label for one in self._watched}
        serials = {one.target.serial for one in self._watched if one.target.serial}
        fresh = [
            target
            for label, target in known.items()
            if label not in labels and target.serial not in serials
        ]
        if fresh:
            self._set_targets([*(one.target for one in self._watched), *fresh])
            self._ready()

    # Settings

    def _settings_now(self) -> bytes | None:
        with contextlib.suppress(OSError):
            return (self._app.home / NAME).read_bytes()
        return None

    def _settings_seen(self) -> None:
        self._settings_due = time.monotonic() + _QUIET_S
        self._signals.wake()

    def _reload(self, *, asked: bool) -> None:
        """Read offhook.toml again; one that is broken, or says the same, changes nothing."""
        self._settings_were = self._settings_now()
        said, error = "read again", None
        try:
            config = load_config(self._app.home)
        except OffhookError as why:
            said, error = f"{why.message}; what was set before stays", why
        else:
            if config == self._app.config and not asked:
                return
        self._manager.reloading()
        if error is None:
            self._apply(config)
        self._tell(WatchEvent("settings", "settings", said, error=error))
        self._ready()

    def _apply(self, config: Config) -> None:
        before, self._app.config = self._app.config, config
        self._archive.template = config.template
        self._share.rate = config.limits.rate
        if self._phone is None and self._app.phone is None:
            known = {target.label: self._app.by(target) for target in self._app.known().values()}
            if known or not self._watched:
                self._set_targets(list(known.values()))
        if _of_phones(config) != _of_phones(before):
            for one in self._watched:
                one.reconfigure(config)
        if config.mdns != before.mdns:
            self._look_out()
        if (config.desk.inbox, config.names) != (before.desk.inbox, before.names):
            self._stop_inbox()
            self._start_inbox()
        self._desktop.reconfigure()

    # The inbox, and the archive's own folder

    def _start_inbox(self) -> None:
        setting = self._app.config.desk.inbox
        if setting is None:
            return
        stop = threading.Event()
        inbox = Inbox(self._archive, setting, self._tell, stop, own=self._app.config.names)

        def run() -> None:
            try:
                inbox.run()
            except BaseException as error:  # noqa: BLE001 - raised by the main thread
                self._broken = error

        self._inbox = stop, threading.Thread(target=run, name="inbox", daemon=True)
        self._inbox[1].start()

    def _stop_inbox(self) -> None:
        if self._inbox is not None:
            stop, thread = self._inbox
            stop.set()
            thread.join(PATIENCE_S)
            if not thread.is_alive():
                self._inbox = None

    def _tell_unheard(self) -> None:
        """Tell once what the guard can't hear."""
        problem = self._guard.problem
        if problem is not None and problem.message != self._unheard:
            self._unheard = problem.message
            self._tell(WatchEvent("archive", "archive", problem.message, error=problem))

    def _found(self, found: Finding) -> None:
        if found.recording or found.path:
            what = f"recording {found.recording}" if found.recording else "a file in its folder"
            said = f"{what}: {found.kind}: {found.text}"
        else:
            said = found.text
        self._tell(WatchEvent("archive", "archive", said))

    # What it says of itself

    def _ready(self) -> None:
        """Say to the user and to the service manager what is watched now."""
        self._show()
        self._manager.ready(self._status())

    def _show(self) -> None:
        names = [one.target.label for one in self._watched] + ([INBOX] if self._inbox else [])
        last = {}
        for one in self._watched:
            if one.target.serial is not None:
                with contextlib.suppress(OffhookError):  # who needs the index will tell
                    for recording in self._archive.recordings(phone=one.target.serial, limit=1):
                        last[one.target.label] = recording
        try:
            self._told.have(self._status(), names, last)
        except Exception as error:  # noqa: BLE001 - raised by the main thread
            self._broken = self._broken or error

    def _status(self) -> str:
        count = len(self._watched)
        said = f"watching {count} phone{'s' * (count != 1)}"
        said += " and the inbox" if self._inbox else ""
        waits = [f"{shown(phone)} ({why})" for phone, why in sorted(self._paused.items())]
        said += f"; nothing is filed: {shown(self._unfiled)}" if self._unfiled else ""
        return said + (f"; not pulled: {', '.join(waits)}" if waits else "")

    # The end

    def _end(self) -> None:
        """End all at once; what does not end in time ends with the process, as by a kill, which
        costs nothing that the next run does not make good."""
        end = time.monotonic() + PATIENCE_S
        for one in self._watched:
            one.stop.set()
            one.nap.end()
        closing = [self._guard.stop, self._desktop.stop]
        closing += [self._search.close] if self._search else []
        threads = [threading.Thread(target=close, daemon=True) for close in closing]
        for thread in threads:
            thread.start()
        if self._inbox is not None:
            self._inbox[0].set()
            threads.append(self._inbox[1])
        late = self._join(self._watched)
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0.0))
        if (late or any(thread.is_alive() for thread in threads)) and self._broken is None:
            self._told.end()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(0)

    def _join(self, watched: list[Watched]) -> bool:
        """Wait for their threads; whether one did not end."""
        begun = time.monotonic()
        for one in watched:
            patience = _LIVE_PATIENCE_S if one.recording else PATIENCE_S
            if one.thread.ident is not None:
                one.thread.join(max(patience - (time.monotonic() - begun), 0.0))
        return any(one.thread.is_alive() for one in watched)


def _of_phones(config: Config) -> tuple[object, ...]:
    """The settings that a phone's watch keeps."""
    return config.sources, config.contacts, config.names, config.cleanup, config.limits


def _is_same(now: Target, wanted: Target) -> bool:
    """Whether a watched phone is the one that is wanted: where it is now may be elsewhere."""
    if now.serial is not None and wanted.serial is not None:
        return now.serial == wanted.serial and now.way == wanted.way
    return now.name == wanted.name and now.way == wanted.way
