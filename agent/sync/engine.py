"""The sync engine: spot → settle → pull → verify → store → index → tell.

Every step's state is in the index and every step can be done again, so that a run that was
killed anywhere is made good by the next one. Nothing on the phone is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.adb.reconnect import Cancel
from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.archive.sightings import Sighting
from agent.audio.measure import warm_up
from agent.errors import LinkError, PhoneError
from agent.naming.sidecar import Sidecar
from agent.phone.files import PhoneFiles, Seen, Source
from agent.sync.batch import Ready, batches
from agent.sync.bring import Bringer
from agent.sync.describe import complete
from agent.sync.events import Failure, Report, SyncEvent
from agent.sync.named import NOWHERE, Place
from agent.sync.pull import Cancelled, never
from agent.sync.settled import Rules
from agent.sync.spot import Spotted, spot, stem
from agent.text import shown


class SyncEngine(Bringer):
    """Brings one phone's sources into an archive that is open for writing.

    Use it from one thread. ``on_event`` is called from there, between the steps. ``place`` is
    what reading file names takes.
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
    ) -> None:
        super().__init__(archive, phone, on_event, rules or Rules(), place)
        self.sources = tuple(sources)
        self._seen: dict[Source, Seen] = {}
        self._idle: set[Source] = set()  # where nothing was left to do when that was seen
        archive.add_phone(self.serial)
        warm_up()

    def run_once(self, cancel: Cancel | None = None, *, retry_failed: bool = True) -> Report:
        """Every source once. Never raises for the phone's faults: the report has them.

        DiskFullError and BusyError are raised: then no file can be taken.
        """
        report = Report(self.serial)
        for source in self.sources:
            report.add(self.scan(source, cancel, retry_failed=retry_failed))
            if report.link_lost is not None or report.cancelled:
                break
        return report

    def scan(
        self, source: Source, cancel: Cancel | None = None, *, retry_failed: bool = False
    ) -> Report:
        """One source once, as when an event says that something is new there.

        What failed before is left alone until its next try is due, unless ``retry_failed``.
        """
        report = Report(self.serial)
        cancel = cancel or never()
        try:
            spotted = self._spot(source, report)
            if spotted is None:
                return report
            ready = [
                Ready(sighting, flags)
                for sighting in spotted.recordings
                if sighting.state not in ("filed", "empty")
                and (flags := self._ready(source, sighting, report, cancel, retry_failed))
                is not None
            ]
            for together in batches(ready):
                self.bring_all(source, together, report, cancel)
            self._complete(source, spotted, report, cancel)
            if not source.atomic and report.filed:
                self._look_back(source, spotted, report)
        except LinkError as error:
            report.link_lost = error.message
        except Cancelled:
            report.cancelled = True
        except PhoneError as error:
            report.failed.append(Failure(f"{source.name} ({shown(source.path)})", error.message))
        if report.filed or report.completed:
            for recording in self.archive.join_calls(self.serial):
                self._tell("joined", recording.original_name, recording=recording)
        if report.idle:
            self._idle.add(source)
        return report

    def look_again(self) -> None:
        """Go through unchanged lists, too, in the next scan: what is known of their files was
        changed by somebody else."""
        self._idle.clear()

    def _spot(self, source: Source, report: Report) -> Spotted | None:
        """What a scan found; None where all is as it was when nothing was left to do."""
        before = self._seen.get(source, Seen())
        seen = replace(before) if source in self._idle else Seen()
        files = self.phone.scan_unless(seen, source)
        report.scanned = seen.count
        if files is None:
            return None
        self._idle.discard(source)
        if seen.mark != before.mark and source.recorder is not None:
            # What is new here may say something of what is there.
            self._idle -= {other for other in self._idle if other.recorder == source.recorder}
        self._seen[source] = seen
        spotted = spot(self.archive, self.serial, source, files)
        self._scenes.keep(source, spotted)
        for sighting in spotted.new:
            self._tell("seen", sighting.shown, sighting.size)
        for sighting in spotted.gone:
            report.gone.append(sighting.shown)
            self._tell("gone", sighting.shown, sighting.size)
        return spotted

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
        now = self.archive.clock()
        if sighting.state == "failed" and not retry_failed and sighting.next_try_ms is not None:
            due_s = (sighting.next_try_ms - now) / 1000
            if 0 < due_s <= self.rules.retry_most_s:
                report.waiting.append(sighting.shown)
                report.come_back(due_s)
                return None
        settled = self._scenes.settled(source, sighting, cancel)
        if settled.theirs:
            return None
        if settled.wait_s > 0:
            report.waiting.append(sighting.shown)
            report.come_back(settled.wait_s)
            if sighting.state != "settling":
                self._update(sighting, state="settling")
                self._tell("waiting", sighting.shown, sighting.size)
        elif sighting.size == 0:
            self._update(sighting, state="empty")
        else:
            return settled.flags
        return None

    def _complete(self, source: Source, spotted: Spotted, report: Report, cancel: Cancel) -> None:
        """Add sidecars that came, or changed, after their recording was filed."""
        late = {
            stem(path): sighting
            for path, sighting in spotted.sidecars.items()
            if sighting.state not in ("filed", "failed")
        }
        for sighting in spotted.recordings if late else ():
            beside = late.get(stem(sighting.path))
            if beside is None or sighting.sha256 is None:
                continue
            now = self.archive.clock()
            if not source.atomic and now - beside.unchanged_ms < self.rules.settle_s * 1000:
                report.come_back(self.rules.settle_s)
                continue
            sidecar = self._read_sidecar(source, beside, cancel)
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
        now = {file.path: file for file in self.phone.scan(source)}
        changed = [
            s
            for path, s in taken.items()
            if path in now and (now[path].size, now[path].mtime_ns) != (s.size, s.mtime_ns)
        ]
        if changed:
            spot(self.archive, self.serial, source, now.values())
            report.come_back(self.rules.settle_s)
