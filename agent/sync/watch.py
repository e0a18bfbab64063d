"""Staying with a phone: new recordings come by the phone's own word, and a scan is the truth.

One thread a phone. A link that breaks is opened anew, with more and more time between tries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from agent.adb.reconnect import Backoff
from agent.archive.archive import Archive
from agent.archive.settings import Cleanup
from agent.audio.measure import warm_up
from agent.capture.alsa import recorder
from agent.capture.journal import Journal
from agent.capture.live import LiveRoute
from agent.capture.routes import route_of
from agent.errors import ArchiveError, CaptureError, ConfigError, LinkError, OffhookError
from agent.limits import Limits
from agent.naming import Pattern
from agent.phone.battery import read_battery
from agent.phone.files import Source
from agent.phone.phone import Phone
from agent.sync.calllog import CallSync, join_late, sync_calls
from agent.sync.clean import CleanReport
from agent.sync.daily import Daily
from agent.sync.engine import SyncEngine
from agent.sync.events import SyncEvent, Tell, WatchEvent, WatchKind
from agent.sync.lines import Lines
from agent.sync.live import Live
from agent.sync.mistake import mistake_of
from agent.sync.mode import Mode
from agent.sync.named import place_of
from agent.sync.news import News
from agent.sync.pause import Pause
from agent.sync.share import Share
from agent.sync.trouble import Trouble

SCAN_EVERY = 30.0  # seconds: events may be lost, a scan is not
SCAN_SHARE = 20  # of the time, at most one part goes to scans that find nothing: a phone may have
SCAN_RARELY = 300.0  # very many files; but this is how long a file may wait whose event was lost
OFF_EVERY = 5.0  # while capture is off: it may be turned on at any time
JOIN_FOR = 20.0  # seconds in which a call's row may come after its recording
JOIN_EVERY = 1.0
LOG_EVERY = 600.0  # a phone keeps 500 calls; and a row may come late
_LONGEST_PAUSE = 30.0
_TICK = 0.5  # seconds after which a request to stop is noticed

Open = Callable[[], AbstractContextManager[Phone]]


class Nap:
    """A pause until the next try, which news of the phone cuts short."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._news = threading.Event()

    def end(self) -> None:
        """There is news: try now."""
        self._news.set()

    def sleep(self, seconds: float) -> bool:
        """Whether news cut it short; it is also over when all shall stop."""
        end = time.monotonic() + seconds
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            if self._news.wait(min(_TICK, left)):
                self._news.clear()
                return True
        return False


class Watch:
    """Watches one phone until ``stop`` is set."""

    def __init__(
        self,
        name: str,
        open_phone: Open,
        archive: Archive,
        sources: list[Source],
        tell: Tell,
        stop: threading.Event,
        *,
        journal: Callable[[str], Journal | None] = lambda _: None,
        nap: Nap | None = None,
        contacts: bool = False,
        names: Sequence[Pattern] = (),
        cleanup: Cleanup | None = None,
        share: Share | None = None,
        limits: Callable[[], Limits] = Limits,
        trouble: Trouble | None = None,
    ) -> None:
        self._name = name
        self._open = open_phone
        self._archive = archive
        self._journal = journal
        self._told = tell
        self._deaf: BaseException | None = None
        self._share = share or Share()
        self._limits = limits
        self._trouble = trouble or Trouble(archive, self._tell)
        self._patience = Backoff(0.5, _LONGEST_PAUSE)  # with the archive
        self._stop = stop
        self._nap = nap or Nap(stop)
        self._live = Live(name, archive, self._tell, journal)
        self._mode = Mode(name, archive, sources, self._tell, journal)
        self._contacts = contacts
        self._names = names
        self._cleanup = cleanup
        self._join_until = 0.0
        self._scan_due = 0.0
        self._fresh = True
        self._log_due = 0.0
        self._log_newest: int | None = None
        self._log_said = ""
        self._held = ""
        self._locked = ""
        self._anew = threading.Event()

    @property
    def recording(self) -> bool:
        """Whether this computer records a call now."""
        return self._live.recording

    def reconfigure(
        self,
        sources: list[Source],
        *,
        contacts: bool,
        names: Sequence[Pattern] = (),
        cleanup: Cleanup | None = None,
    ) -> None:
        """Watch these from now on; from any thread. A call that is recorded here goes on."""
        self._mode.own, self._contacts, self._names = sources, contacts, names
        self._cleanup = cleanup
        self._anew.set()

    def run(self) -> None:
        """Watch, through every broken link, until told to stop. What it may raise is that what it
        tells can't be told."""
        try:
            self._run()
        finally:
            self._trouble.left(self._name)
            self._live.close()

    def _run(self) -> None:
        backoff, told = Backoff(0.5, _LONGEST_PAUSE), _Told()
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._once(told)
            except OffhookError as error:
                # Told once, however often it is met, and tried again.
                if isinstance(error, ArchiveError):  # from before the phone was there
                    self._trouble.met(self._name, error)
                elif error.message != told.trouble and not self._stop.is_set():
                    told.trouble = error.message
                    kind: WatchKind = "problem" if isinstance(error, CaptureError) else "lost"
                    self._tell(WatchEvent(kind, self._name, error.message, error=error))
            except Exception as error:  # noqa: BLE001 - told, and tried again
                # A mistake of ours: it ends what this phone was at, and nothing of the others.
                if self._deaf is not None:
                    raise self._deaf from None
                mistake = mistake_of(error)
                if mistake.message != told.mistake and not self._stop.is_set():
                    told.mistake = mistake.message
                    self._tell(WatchEvent("problem", self._name, mistake.message, error=mistake))
            if time.monotonic() - begun > _LONGEST_PAUSE:
                backoff.reset()
            if self._nap.sleep(backoff.pause()):
                backoff.reset()

    def _once(self, told: _Told) -> None:
        """Over one connection, until it breaks or all shall stop."""
        self._live.check()
        try:
            self._connected(told)
        except OffhookError:
            self._trouble.left(self._name)
            raise

    def _connected(self, told: _Told) -> None:
        with self._open() as phone:
            self._tell(WatchEvent("connected", self._name, phone.facts.name))
            told.trouble = self._held = self._locked = ""
            while not self._stop.is_set():
                route = self._live_route(phone)
                with self._live.following(phone, route):
                    self._stay_anyway(phone, route)
                if self._stop.is_set():  # a call is ended while the link still stands
                    self._live.close()

    def _tell(self, event: WatchEvent | SyncEvent) -> None:
        if isinstance(event, SyncEvent):  # the engine knows its serial number alone
            event = replace(event, phone=self._name)
        try:
            self._told(event)
        except BaseException as error:
            self._deaf = error  # nobody hears any more
            raise

    def _live_route(self, phone: Phone) -> LiveRoute | None:
        """The route that is on, where this computer records by it."""
        journal = self._journal(phone.serial)
        route = None if journal is None or journal.off else route_of(journal)
        return route if isinstance(route, LiveRoute) else None

    def _stay_anyway(self, phone: Phone, route: LiveRoute | None) -> None:
        """As :meth:`_stay`, and also while the archive takes nothing, from the first; ``route`` is
        what is followed meanwhile."""
        while not (self._stop.is_set() or self._live.off.is_set()):
            try:
                self._stay(phone)
            except (ArchiveError, ConfigError) as error:
                self._nap.sleep(self._bear(error))
                phone.run(":")  # nothing else finds out whether it is still there
                if route is None and self._live_route(phone) is not None:
                    return  # turned on meanwhile: once all is well again, it would be no news
            else:
                return

    def _stay(self, phone: Phone) -> None:
        """Watch until told to stop, or until capture was turned on or off."""
        self._trouble.check()
        self._scan_due = self._log_due = 0.0
        self._fresh = True
        warm_up()
        sources = self._mode.sources(phone)
        engine = SyncEngine(
            self._archive,
            phone,
            sources,
            self._tell,
            place=place_of(phone.facts, self._names),
            share=self._share,
            held=Pause(lambda: read_battery(phone.link), self._limits).why,
        )
        daily = Daily(self._archive, phone, sources, self._cleanup)
        with recorder.watch_command(phone, sources) as process:
            news, due = News(Lines(process, "the phone's watcher")), 0.0
            while not self._stop.is_set():
                now = time.monotonic()
                self._live.check()
                if self._live.off.is_set() or self._anew.is_set():
                    self._anew.clear()
                    return
                if self._live.filed.is_set():
                    self._live.filed.clear()
                    self._join_until, due = now + JOIN_FOR, now
                if now >= due:
                    due = self._look(phone, engine, news) + time.monotonic()
                    if self._mode.has_changed(phone):
                        return
                else:
                    calm = self._mode.calm and not self._live.recording
                    if calm and not self._trouble.on:
                        self._tell_cleaned(daily.step())
                    news.hear(min(due - now, _TICK))
                    if news.files and not news.moved:
                        # Before all else: somebody waits for the recording.
                        due = self._look(phone, engine, news) + time.monotonic()
                if news.moved:
                    return
                if news.state:
                    news.state = False
                    self._mode.tell_state(phone)
                    if self._may_join(time.monotonic()):
                        due = min(due, time.monotonic() + JOIN_EVERY)

    def _bear(self, error: ArchiveError | ConfigError) -> float:
        """The archive takes nothing, which is no fault of the phone's, and its connection stands:
        the seconds until the next try. Raises what is not the archive's."""
        if not self._trouble.met(self._name, error):
            raise error
        self._scan_due = self._log_due = 0.0
        return self._patience.pause()

    def _look(self, phone: Phone, engine: SyncEngine, news: News) -> float:
        """See to what is due; the seconds until it is worth looking again."""
        try:
            self._trouble.check()
            again = self._look_now(phone, engine, news)
        except (ArchiveError, ConfigError) as error:
            news.files = False
            return self._bear(error)
        self._trouble.passed(self._name)
        self._patience.reset()
        return again

    def _look_now(self, phone: Phone, engine: SyncEngine, news: News) -> float:
        """A scan, the call log; the seconds until the next."""
        if news.files or time.monotonic() >= self._scan_due:
            self._scan(engine, news)
        self._mode.tend(phone)
        now = time.monotonic()
        if now >= self._log_due:
            self._log_due = now + LOG_EVERY
            self._tell_calls(sync_calls(self._archive, phone, contacts=self._contacts))
        elif self._mode.calm:
            self._tell_calls(join_late(self._archive, phone, self._log_newest))
        again = self._scan_due - now
        if self._mode.now == "off":
            again = min(again, OFF_EVERY)
        return min(again, JOIN_EVERY) if self._may_join(now) else again

    def _scan(self, engine: SyncEngine, news: News) -> None:
        """Scan everything and take what is new."""
        begun = time.monotonic()

        def heard() -> bool:
            here = self._anew, self._live.off, self._live.filed
            due = time.monotonic() >= begun + SCAN_EVERY or any(event.is_set() for event in here)
            return news.hear(0) or due

        news.files = False
        engine.closed(news.closed)
        news.closed.clear()
        fresh, self._fresh = self._fresh, False  # then what failed is not left until it is due
        report = engine.run_once(self._stop, news=heard, retry_failed=fresh)
        if report.link_lost is not None:
            raise LinkError(report.link_lost)
        self._tell_held(report.held)
        self._tell_locked(report.locked)
        self._tell(WatchEvent("scanned", self._name, report=report))
        now = time.monotonic()
        if report.filed:
            self._join_until = now + JOIN_FOR
        every = SCAN_EVERY
        if report.idle:
            every = max(every, min((now - begun) * SCAN_SHARE, SCAN_RARELY))
        self._scan_due = now + min(every, report.again_in_s or every)

    def _tell_held(self, why: str | None) -> None:
        """Tell that nothing is pulled, once for a reason, and that it goes on."""
        if bool(why) != bool(self._held):
            self._tell(WatchEvent("paused", self._name, why or ""))
        self._held = why or ""

    def _tell_locked(self, why: str | None) -> None:
        """Tell that the phone's storage is locked, once, and that it is not any more; then there
        are folders to watch that were not there."""
        if self._locked and not why:
            self._anew.set()
        if bool(why) != bool(self._locked):
            self._tell(WatchEvent("locked", self._name, why or ""))
        self._locked = why or ""

    def _may_join(self, now: float) -> bool:
        """Whether a row of the call log is waited for, which comes when the phone's own telephony
        is done with the call; not in the next call, whose recording nothing may hold up."""
        return now < self._join_until and self._mode.calm

    def _tell_cleaned(self, report: CleanReport | None) -> None:
        if report is None:
            return
        if report.link_lost is not None:
            raise LinkError(report.link_lost)
        if words := report.words:
            self._tell(WatchEvent("cleaned", self._name, words))

    def _tell_calls(self, read: CallSync) -> None:
        if read.newest is not None:
            self._log_newest = read.newest
        for recording in read.joined:
            self._tell(WatchEvent("joined", self._name, recording=recording))
        problem = "; ".join(read.problems)
        if problem and problem != self._log_said:
            self._tell(WatchEvent("call log", self._name, problem))
        self._log_said = problem


@dataclass
class _Told:
    """What was told last, so as not to tell it again and again."""

    trouble: str = ""
    mistake: str = ""
