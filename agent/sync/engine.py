"""The sync engine: spot → settle → pull → verify → store → index → tell.

Every step's state is in the index and every step can be done again, so that a run that was
killed anywhere is made good by the next one. Nothing on the phone is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agent.adb.reconnect import Cancel
from agent.archive import sightings
from agent.archive.archive import Archive
from agent.archive.filing import NewRecording, file_part, require_writer
from agent.archive.records import Recording
from agent.archive.sightings import Sighting
from agent.archive.store import Part
from agent.audio.measure import warm_up
from agent.errors import FileGoneError, LinkError, PhoneError
from agent.naming.sidecar import LARGEST, Sidecar, parse
from agent.phone.files import PhoneFiles, Source
from agent.sync.describe import complete, describe, listen, rest_on_consent
from agent.sync.events import EventKind, Failure, Report, SyncEvent
from agent.sync.named import NOWHERE, Place
from agent.sync.pull import (
    Breaks,
    Cancelled,
    ChangedError,
    MismatchError,
    Verified,
    fetch,
    never,
    read_small,
    verify,
)
from agent.sync.scene import Scenes
from agent.sync.settled import Rules
from agent.sync.spot import Spotted, spot, stem
from agent.text import shown


class SyncEngine:
    """Brings one phone's sources into an archive that is open for writing.

    Use it from one thread. ``on_event`` is called from there, between the steps. ``place`` is
    where the phone is, for what file names say in local terms.
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
        require_writer(archive)
        self.archive = archive
        self.phone = phone
        self.sources = tuple(sources)
        self.rules = rules or Rules()
        self.place = place
        self._on_event = on_event
        self._scenes = Scenes(archive, phone, self.rules, self._update)
        self.serial = phone.serial
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
            for sighting in spotted.recordings:
                if sighting.state not in ("filed", "empty"):
                    self._take(source, sighting, report, cancel, retry_failed)
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
        return report

    # Spot and settle

    def _spot(self, source: Source, report: Report) -> Spotted:
        files = self.phone.scan(source)
        report.scanned = len(files)
        spotted = spot(self.archive, self.serial, source, files)
        self._scenes.keep(source, spotted)
        for sighting in spotted.new:
            self._tell("seen", sighting.shown, sighting.size)
        for sighting in spotted.gone:
            report.gone.append(sighting.shown)
            self._tell("gone", sighting.shown, sighting.size)
        return spotted

    def _take(
        self,
        source: Source,
        sighting: Sighting,
        report: Report,
        cancel: Cancel,
        retry_failed: bool,
    ) -> None:
        if cancel.is_set():
            raise Cancelled
        now = self.archive.clock()
        if sighting.state == "failed" and not retry_failed and sighting.next_try_ms is not None:
            due_s = (sighting.next_try_ms - now) / 1000
            if 0 < due_s <= self.rules.retry_most_s:
                report.waiting.append(sighting.shown)
                report.come_back(due_s)
                return
        settled = self._scenes.settled(source, sighting, cancel)
        if settled.theirs:
            return
        if settled.wait_s > 0:
            report.waiting.append(sighting.shown)
            report.come_back(settled.wait_s)
            if sighting.state != "settling":
                self._update(sighting, state="settling")
                self._tell("waiting", sighting.shown, sighting.size)
        elif sighting.size == 0:
            self._update(sighting, state="empty")
        else:
            self._bring(source, sighting, report, cancel, settled.flags)

    # Pull, verify, store, index

    def _bring(
        self,
        source: Source,
        sighting: Sighting,
        report: Report,
        cancel: Cancel,
        flags: tuple[str, ...],
    ) -> None:
        died_before = sighting.tries if sighting.state == "pulling" else 0
        self._update(sighting, state="pulling", tries=sighting.tries + 1)
        self._tell("pulling", sighting.shown, sighting.size)
        try:
            beside = self._scenes.sidecar_of(source, sighting)
            sidecar = self._read_sidecar(source, beside, cancel) if beside else None
            new = describe(source, sighting, sidecar, self.place)
            new.flags += [flag for flag in flags if flag not in new.flags]
            part, how = self._pull(source, sighting, new, cancel)
            try:
                report.pulled_bytes += part.size
                listen(part, new, deaf=died_before >= self.rules.attempts)
                rest_on_consent(self.archive, new)
                new.flags += how.flags
                new.how |= {"verified": how.method, "mtime_ns": sighting.mtime_ns}
                recording, is_new = file_part(self.archive, part, new)
            finally:
                part.discard()
        except FileGoneError:
            self._update(sighting, state="gone", gone_ms=self.archive.clock())
            report.gone.append(sighting.shown)
            self._tell("gone", sighting.shown, sighting.size)
        except ChangedError as error:
            self._set_back(sighting, str(error), report)
        except MismatchError as error:
            self._fail(sighting, str(error), report)
        except (LinkError, Cancelled):
            self._update(sighting, state="seen", tries=sighting.tries - 1)
            raise
        except PhoneError as error:
            self._fail(sighting, error.message, report)
        else:
            sighting.state, sighting.sha256 = "filed", recording.sha256
            # Of bytes that were known, the sidecar that was known stays.
            if beside is not None and sidecar is not None and (is_new or recording.sidecar):
                self._update(beside, state="filed", sha256=recording.sha256)
            (report.filed if is_new else report.duplicates).append(recording)
            self._tell(
                "filed" if is_new else "duplicate",
                sighting.shown,
                sighting.size,
                recording=recording,
            )

    def _pull(
        self, source: Source, sighting: Sighting, new: NewRecording, cancel: Cancel
    ) -> tuple[Part, Verified]:
        """A sealed part with the file's bytes, and how they were verified."""

        for attempt in range(1, self.rules.attempts + 1):
            part = self.archive.store.begin(new.path)
            try:
                how = self._fetch_and_verify(source, sighting, part, new, cancel)
                if part.size != sighting.size:
                    if sighting.tries < self.rules.attempts:
                        raise ChangedError(f"{part.size} bytes came of {sighting.size} listed")
                    how = Verified(how.method, (*how.flags, "listed with another size"))
                part.seal(sighting.mtime_ns)
            except MismatchError:
                part.discard()
                if attempt == self.rules.attempts:
                    raise
            except BaseException:
                part.discard()
                raise
            else:
                return part, how
        raise AssertionError("the last attempt returns or raises")

    def _fetch_and_verify(
        self, source: Source, sighting: Sighting, part: Part, new: NewRecording, cancel: Cancel
    ) -> Verified:
        def progress(done: int) -> None:
            self._tell("progress", sighting.shown, sighting.size, done=done)

        def broken(reason: str) -> None:
            self._tell("broken", sighting.shown, sighting.size, done=part.size, error=reason)

        phone, root = self.phone, source.root
        breaks = Breaks(phone, part, self.rules.patience_s, cancel, broken)
        breaks.survive(
            lambda: fetch(phone, sighting, part, root=root, cancel=cancel, on_progress=progress)
        )
        verified = breaks.survive(lambda: verify(phone, sighting, part, root=root, cancel=cancel))
        if breaks.count:
            new.how["link_broke"] = breaks.count
        return verified

    # Sidecars

    def _read_sidecar(self, source: Source, sighting: Sighting, cancel: Cancel) -> Sidecar | None:
        try:
            data = read_small(
                self.phone, sighting.path, root=source.root, cancel=cancel, most=LARGEST
            )
        except LinkError:
            raise
        except PhoneError as error:
            self._update(sighting, state="failed", error=error.message)
            return None
        return parse(source.recorder, data)

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

    # States

    def _set_back(self, sighting: Sighting, reason: str, report: Report) -> None:
        """The file is still moving: let it settle anew, but not for ever."""
        if sighting.tries >= self.rules.attempts:
            self._fail(sighting, reason, report)
            return
        now = self.archive.clock()
        self._update(sighting, state="settling", unchanged_ms=now, error=reason)
        report.waiting.append(sighting.shown)
        report.come_back(self.rules.settle_s)
        self._tell("waiting", sighting.shown, sighting.size)

    def _fail(self, sighting: Sighting, reason: str, report: Report) -> None:
        doubled = self.rules.retry_s * 2 ** min(sighting.tries - 1, 20)
        retry_s = min(doubled, self.rules.retry_most_s)
        due = self.archive.clock() + round(retry_s * 1000)
        self._update(sighting, state="failed", error=reason, next_try_ms=due)
        report.failed.append(Failure(sighting.shown, shown(reason)))
        self._tell("failed", sighting.shown, sighting.size, error=shown(reason))

    def _update(self, sighting: Sighting, **changes: Any) -> None:
        with self.archive.writing() as db:
            sightings.update(db, sighting, self.archive.clock(), **changes)

    def _tell(
        self,
        kind: EventKind,
        path: str,
        size: int = 0,
        *,
        done: int = 0,
        recording: Recording | None = None,
        error: str | None = None,
    ) -> None:
        if self._on_event is not None:
            self._on_event(SyncEvent(kind, self.serial, path, size, done, recording, error))
