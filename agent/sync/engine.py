"""The sync engine: spot → settle → pull → verify → store → index → tell.

Every step's state is in the index and every step can be done again, so that a run that was
killed anywhere is made good by the next one. Nothing on the phone is changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from agent.adb.reconnect import Cancel
from agent.archive import quiet, sightings
from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.archive.sightings import Sighting
from agent.errors import ArchiveError, FileGoneError, LinkError, PhoneError
from agent.naming.sidecar import Sidecar
from agent.phone.files import (
    Listed,
    PartialListingError,
    PhoneFiles,
    RemoteFile,
    Seen,
    Source,
)
from agent.sync.basis import basis_of
from agent.sync.batch import BYTES, Ready, batches
from agent.sync.bring import Bringer
from agent.sync.describe import complete
from agent.sync.events import Failure, Report, SyncEvent
from agent.sync.named import NOWHERE, Place
from agent.sync.pull import Cancelled, never, read_small
from agent.sync.settled import UNFINISHED, Rules
from agent.sync.share import Share
from agent.sync.spot import Spotted, kind_of, spot, stem
from agent.text import shown

News = Callable[[], bool]
HELD_S = 60.0  # seconds until it is worth asking again why nothing is to be pulled
_MOST_LEFT = 1000  # that are told one by one


@dataclass
class _Look:
    """A source as a run found it: ``spotted`` is None where all is as it was when nothing was left
    to do, or it can't be read. ``seen`` is what the phone said of it. ``left`` is what of it is
    still to be taken."""

    source: Source
    report: Report
    seen: Seen = field(default_factory=Seen)
    spotted: Spotted | None = None
    left: deque[list[Ready]] = field(default_factory=deque)

    def newest_ns(self) -> int:
        return self.left[0][0].sighting.mtime_ns


class SyncEngine(Bringer):
    """Brings one phone's sources into an archive that is open for writing.

    Use it from one thread. ``on_event`` is called from there, between the steps. ``place`` is
    what reading file names takes. ``share`` is what it shares with the engines of other phones.
    ``held`` says why nothing is to be pulled now, or None; it is asked before each pull.
    """

    def __init__(
        self,
        archive: Archive,
        phone: PhoneFiles,
        sources: Sequence[Source],
        on_event: Callable[[SyncEvent], None] | None = None,
        *,
        rules: Rules | None = None,
        place: Place = NOWHERE,
        share: Share | None = None,
        held: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().__init__(archive, phone, on_event, rules or Rules(), place, share or Share())
        self.sources = tuple(sources)
        self._held = held
        self._seen: dict[Source, Seen] = {}  # what this engine has looked through, as it was last
        self._passed: set[Source] = set()  # what was quiet, and so not looked through yet
        self._left: set[str] = set()  # what was told to be no file
        self._problems: dict[Source, str] = {}  # what is told to be wrong with them
        self._growing: dict[int, int] = {}  # how large a file was that is still written to
        self._scenes.order = {source: at for at, source in enumerate(self.sources)}
        archive.add_phone(self.serial)
        archive.ensure(quiet.QUIET)

    def run_once(
        self,
        cancel: Cancel | None = None,
        *,
        retry_failed: bool = True,
        news: News | None = None,
    ) -> Report:
        """Every source once, the newest files of all of them first. Never raises for the phone's
        faults: the report has them.

        With ``news``, which is asked between pulls, the rest is left for the next run, due at once,
        where there is some, or where a file is finished now that was not: newer ones are not kept
        waiting. An ArchiveError is
        raised where no file can be taken: of a full disk, or one that is not there.
        """
        return self._run(self.sources, cancel or never(), retry_failed, news)

    def scan(
        self, source: Source, cancel: Cancel | None = None, *, retry_failed: bool = False
    ) -> Report:
        """One source once, as when an event says that something is new there.

        What failed before is left alone until its next try is due, unless ``retry_failed``.
        """
        return self._run([source], cancel or never(), retry_failed, None)

    def _run(
        self,
        sources: Sequence[Source],
        cancel: Cancel,
        retry_failed: bool,
        news: News | None,
    ) -> Report:
        report = Report(self.serial)
        self._scenes.begin()
        looks = [_Look(source, Report(self.serial)) for source in sources]
        try:
            for look in looks:
                self._look(look)
            self._look_at_kin(looks)
            for look in looks:
                self._choose(look, cancel, retry_failed)
            if self._take(looks, report, cancel, news):
                for look in looks:
                    self._end(look, cancel, retry_failed)
                self._keep_quiet(looks)
        except LinkError as error:
            report.link_lost = error.message
        except Cancelled:
            report.cancelled = True
        for look in looks:
            report.add(look.report)
        if report.filed or report.completed:
            for recording in self.archive.join_calls(self.serial):
                self._tell("joined", recording.original_name, recording=recording)
        return report

    def closed(self, paths: Iterable[str]) -> None:
        """The phone told that these files were closed after they had been written: what is found
        there by the next scan needs no long wait."""
        self._scenes.close(paths)

    def _look(self, look: _Look) -> None:
        """What there is of a source."""
        with self._alone(look):
            look.spotted = self._spot(look)

    def _look_at_kin(self, looks: list[_Look]) -> None:
        """Look through the folders that were quiet all along, and so never looked through, where
        their recorder has another one that is not: what lies in the one may say something of what
        is in the other."""
        busy = {look.source.recorder for look in looks if look.spotted is not None} - {None}
        unseen = [s for s in self.sources if s in self._passed and s.recorder in busy]
        quiet.forget(self.archive, self.serial, (source.name for source in unseen))
        looks[:] = [look for look in looks if look.source not in unseen]
        for source in unseen:
            looks.append(_Look(source, Report(self.serial)))
            self._look(looks[-1])

    def _choose(self, look: _Look, cancel: Cancel, retry_failed: bool) -> None:
        """What is to be taken of it now."""
        with self._alone(look):
            if look.spotted is None:
                return
            ready = [
                Ready(sighting, flags)
                for sighting in look.spotted.recordings
                if sighting.state not in ("filed", "empty")
                and (flags := self._ready(look.source, sighting, look.report, cancel, retry_failed))
                is not None
            ]
            look.left = deque(batches(ready, self.share.together(BYTES)))

    def _take(self, looks: list[_Look], report: Report, cancel: Cancel, news: News | None) -> bool:
        """Take it, the newest first; False where something of it is left for the next run."""
        begun = self.archive.clock()
        while left := [look for look in looks if look.left]:
            if (why := self._held()) is not None:
                report.held = why
                report.waiting += [
                    one.sighting.shown for look in left for batch in look.left for one in batch
                ]
                report.come_back(HELD_S)
                return False
            look = max(left, key=_Look.newest_ns)
            with self._alone(look):
                self.bring_all(look.source, look.left.popleft(), look.report, cancel)
            if news is None or not any(look.left for look in looks):
                continue
            # Until what was not finished can be taken.
            waits = [one.report.again_in_s for one in looks if one.report.again_in_s is not None]
            waited = bool(waits) and self.archive.clock() - begun >= min(waits) * 1000
            if news() or waited:
                report.come_back(0.0)
                return False
        return True

    def _end(self, look: _Look, cancel: Cancel, retry_failed: bool) -> None:
        """What is to be done when all of a source was taken."""
        if look.spotted is None:
            return
        with self._alone(look):
            self._complete(look.source, look.spotted, look.report, cancel, retry_failed)
            if not look.source.atomic and look.report.filed:
                self._look_back(look.source, look.spotted, look.report)

    def _keep_quiet(self, looks: list[_Look]) -> None:
        """Note where nothing is left to do, until a list changes. What was done in one folder of a
        recorder's may leave something to do in another."""
        busy = {look.source.recorder for look in looks if not look.report.idle} - {None}
        for look in looks:
            source, report = look.source, look.report
            # What lies there and is none is told by each run.
            if look.spotted is None or not report.idle or report.left or source.recorder in busy:
                continue
            with suppress(ArchiveError):  # a full disk: it only spares work
                quiet.keep(self.archive, self.serial, source.name, self._basis(source), look.seen)

    def _basis(self, source: Source) -> bytes:
        return basis_of(source, self._kin_of(source), self.rules, self.place.own)

    def _kin_of(self, source: Source) -> list[Source]:
        """The other folders of its recorder that this run looks at, too."""
        if source.recorder is None:
            return []
        return [s for s in self.sources if s.recorder == source.recorder and s != source]

    def _spot(self, look: _Look) -> Spotted | None:
        """What a scan found; None where all is as it was when nothing was left to do."""
        source, report = look.source, look.report
        before = self._seen.get(source)
        look.seen = (
            quiet.seen(self.archive, self.serial, source.name, self._basis(source)) or Seen()
        )
        files, whole = self._listed(source, report, look.seen)
        report.scanned = look.seen.count if whole else len(files or ())
        if files is None:
            if before is None:
                self._passed.add(source)
            return None
        self._passed.discard(source)
        # What is remembered of it for its kin's sake is from this list on: the kept one is no more
        # what was looked through last.
        stale = {source.name}
        if before is None or not look.seen.mark or before.mark != look.seen.mark:
            stale |= {one.name for one in self._kin_of(source)}
        quiet.forget(self.archive, self.serial, stale)
        self._seen[source] = look.seen
        spotted = spot(self.archive, self.serial, source, files, whole=whole)
        self._scenes.keep(source, spotted)
        for sighting in spotted.new:
            self._tell("seen", sighting.shown, sighting.size)
        for sighting in spotted.gone:
            report.gone.append(sighting.shown)
            self._tell("gone", sighting.shown, sighting.size)
        return spotted

    def _listed(
        self, source: Source, report: Report, seen: Seen
    ) -> tuple[list[RemoteFile] | None, bool]:
        """What a scan says that is to be believed, and whether that is all there is; None where it
        is what was ``seen``."""
        files: list[RemoteFile] | None
        whole = True
        try:
            files = self.phone.scan_unless(seen, source)
            self._problems.pop(source, None)
        except PartialListingError as error:
            files, whole = error.files, False
            seen.mark, seen.count = b"", 0  # it was noted of another list
            self._fail_source(source, error, report)
        if isinstance(files, Listed):
            for other in files.others:
                if kind_of(other.path) == "recording":
                    self._leave(shown(other.path), other.what, report)
            whole = whole and not files.away
            report.locked = next((one.why for one in files.away if one.why), None)
        return files, whole

    @contextmanager
    def _alone(self, look: _Look) -> Iterator[None]:
        """A source that can't be read is no other's trouble."""
        try:
            yield
        except LinkError:
            raise
        except PhoneError as error:
            self._fail_source(look.source, error, look.report)
            look.spotted = None
            look.left.clear()

    def _fail_source(self, source: Source, error: PhoneError, report: Report) -> None:
        """A whole source failed, or a part of its listing: told when that is news."""
        where, words = f"{source.name} ({shown(source.path)})", shown(error.message)
        report.failed.append(Failure(where, words, error.hint))
        if self._problems.get(source) != words:
            self._problems[source] = words
            self._tell("failed", shown(source.name), error=words)

    def _leave(self, path: str, what: str, report: Report) -> None:
        report.left.append(Failure(path, what))
        if path not in self._left and len(self._left) < _MOST_LEFT:
            self._left.add(path)
            self._tell("left", path, error=what)

    def _ready(
        self,
        source: Source,
        sighting: Sighting,
        report: Report,
        cancel: Cancel,
        retry_failed: bool,
    ) -> tuple[str, ...] | None:
        """The flags with which a file can be taken now; None if it can't."""
        if cancel.is_set():
            raise Cancelled
        if not retry_failed and (due_s := self._due_s(sighting)) > 0:
            report.waiting.append(sighting.shown)
            report.come_back(due_s)
            return None
        settled = self._scenes.settled(source, sighting, cancel)
        if settled.theirs:
            return None
        if settled.wait_s > 0 and self._has_no_end(sighting):
            return (*settled.flags, UNFINISHED)
        if settled.wait_s > 0:
            report.waiting.append(sighting.shown)
            report.come_back(settled.wait_s)
            if sighting.state != "settling":
                self._update(sighting, state="settling")
                self._tell("waiting", sighting.shown, sighting.size)
        elif sighting.size == 0:
            self._look_into(source, sighting, report, cancel)
        else:
            self._growing.pop(sighting.id, None)
            return settled.flags
        return None

    def _due_s(self, sighting: Sighting) -> float:
        """Seconds until what failed is to be tried again; 0 for all else, and where a clock was
        turned back."""
        if sighting.state != "failed" or sighting.next_try_ms is None:
            return 0.0
        due_s = (sighting.next_try_ms - self.archive.clock()) / 1000
        return due_s if 0 < due_s <= self.rules.retry_most_s else 0.0

    def _has_no_end(self, sighting: Sighting) -> bool:
        """Whether a file has been growing for longer than any call lasts, and grows now; and was
        not taken like that before."""
        before = self._growing.setdefault(sighting.id, sighting.size)
        age_s = (self.archive.clock() - sighting.first_seen_ms) / 1000
        if before >= sighting.size or age_s < self.rules.longest_s:
            return False
        with self.archive.reading() as db:
            return not sightings.was_taken(db, sighting, UNFINISHED)

    def _look_into(
        self, source: Source, sighting: Sighting, report: Report, cancel: Cancel
    ) -> None:
        """What is listed without a byte may have some all the same."""
        try:
            data = read_small(self.phone, sighting.path, root=source.root, cancel=cancel, most=0)
        except LinkError:
            raise
        except FileGoneError:
            report.missed = True  # as the next scan will see; or it lists as before, and is there
            return
        except PhoneError as error:
            self._fail(sighting, error.message, report, hint=error.hint)
            return
        if data:
            self._update(sighting, tries=sighting.tries + 1)
            self._set_back(sighting, "it is listed with 0 bytes, and has some", report)
        else:
            self._update(sighting, state="empty")

    def _complete(
        self,
        source: Source,
        spotted: Spotted,
        report: Report,
        cancel: Cancel,
        retry_failed: bool,
    ) -> None:
        """Add sidecars that came, changed, or could be read only after their recording was filed."""
        late = {
            stem(path): sighting
            for path, sighting in spotted.sidecars.items()
            if sighting.state != "filed"
        }
        failed = {failure.path for failure in report.failed}  # in this very run
        for sighting in spotted.recordings if late else ():
            beside = late.get(stem(sighting.path))
            if beside is None or sighting.sha256 is None or beside.shown in failed:
                continue
            now = self.archive.clock()
            if not retry_failed and (due_s := self._due_s(beside)) > 0:
                report.come_back(due_s)
                continue
            if not source.atomic and now - beside.unchanged_ms < self.rules.settle_s * 1000:
                report.come_back(self.rules.settle_s)
                continue
            sidecar = self._read_sidecar(source, beside, report, cancel)
            if sidecar is None:
                continue
            if self.archive.recording(sighting.sha256).sidecar == sidecar.raw:  # it was moved
                self._update(beside, state="filed", sha256=sighting.sha256)
            else:
                recording = self._add_sidecar(sighting, beside, sidecar)
                report.completed.append(recording)
                self._tell("sidecar", sighting.shown, sighting.size, recording=recording)

    def _add_sidecar(self, sighting: Sighting, beside: Sighting, sidecar: Sidecar) -> Recording:
        sha256 = sighting.sha256 or ""
        with self.archive.writing():
            found = complete(self.archive, sha256, sidecar, phone=self.serial, path=beside.path)
            self._update(beside, state="filed", sha256=sha256)
        return found

    def _look_back(self, source: Source, spotted: Spotted, report: Report) -> None:
        """After pulling from a folder without renames: what has changed meanwhile comes again."""
        taken = {s.path: s for s in spotted.recordings if s.state == "filed"}
        files, whole = self._listed(source, Report(self.serial), Seen())  # it was told before
        now = {file.path: file for file in files or ()}
        changed = [
            s
            for path, s in taken.items()
            if path in now and (now[path].size, now[path].mtime_ns) != (s.size, s.mtime_ns)
        ]
        if changed:
            spot(self.archive, self.serial, source, now.values(), whole=whole)
            report.come_back(self.rules.settle_s)
