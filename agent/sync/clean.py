"""Removing from a phone what has long been in the archive: which files, and one after the other.

Nothing is removed because a list says so. The archived copy is read again, and the phone compares
its own file with that copy's hash in the very command that removes it. Before it, the custody log
says that it is going to be; after it, what came of it. Where nobody knows, because the link broke
or the program was killed, the next run looks, and says what it finds.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard

from agent.adb.reconnect import Cancel
from agent.archive import removals, sightings
from agent.archive.archive import Archive
from agent.archive.filing import require_writer
from agent.archive.records import Recording
from agent.archive.settings import Cleanup
from agent.archive.sightings import Sighting
from agent.errors import ArchiveError, IntegrityError, LinkError, PhoneError
from agent.naming.folders import below
from agent.phone.files import Listed, PhoneFiles, RemoteFile, Source
from agent.phone.removing import Answer, Meant, Removal
from agent.sync.events import Failure
from agent.sync.pull import never
from agent.sync.spot import SIDECAR, kind_of, stem
from agent.text import shown

_DAY_MS = 86_400_000

#: Why a file stays that should have gone, by what the phone said of it.
_WHY: dict[Answer, str] = {
    "closed": "the phone does not let its folder be written to",
    "gone": "it is not on the phone any more",
    "nofile": "something else has its name on the phone now",
    "outside": "its folder on the phone leads elsewhere now",
    "other": "the phone has other bytes there than were archived",
    "unread": "the phone can't read it",
    "refused": "the phone does not remove it",
}


class CleanablePhone(PhoneFiles, Protocol):
    """A phone on which files can be removed."""

    def remove(
        self, source: Source, file: Meant, beside: Sequence[Meant] = (), *, look: bool = False
    ) -> Removal:
        """See :meth:`agent.phone.phone.Phone.remove`."""


@dataclass(frozen=True)
class Removed:
    """A file that is gone from the phone, or would be. ``path`` is fit to show; ``beside`` counts
    the sidecars that went with it."""

    path: str
    size: int
    recording: Recording
    beside: int = 0


@dataclass
class CleanReport:
    """What a run on one phone did, or would do.

    ``kept`` should have gone and did not: each with the reason. The rest stays by the rules:
    ``unarchived`` files, those too ``young``, the ``newest``, and those ``left`` for the next
    run. ``settled`` says what became of removals that an earlier run had begun. ``locked`` says why
    the phone's storage could not be looked into, where it could not.
    """

    phone: str
    removed: list[Removed] = field(default_factory=list)
    kept: list[Failure] = field(default_factory=list)
    settled: list[Failure] = field(default_factory=list)
    unarchived: int = 0
    young: int = 0
    newest: int = 0
    left: int = 0
    locked: str | None = None
    link_lost: str | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing stays but by the rules."""
        return not self.kept and self.link_lost is None

    @property
    def words(self) -> str:
        """What it did in a line without names; empty where that is nothing."""
        count, stays = len(self.removed), len(self.kept)
        said = f"removed from the phone: {count} archived recording{'s' * (count != 1)}"
        if stays:
            return f"{said}; {stays} should go and stay: `offhook clean --dry-run` says why"
        return said if count else ""


@dataclass(frozen=True)
class _Old:
    """A file that may go, and its sidecars that may go with it."""

    source: Source
    sighting: Sighting
    recording: Recording
    beside: tuple[tuple[Sighting, Meant], ...]


class Cleaner:
    """Cleans one phone's sources; use it from one thread. With ``look`` it changes nothing, and
    the archive need not be open for writing."""

    def __init__(
        self,
        archive: Archive,
        phone: CleanablePhone,
        sources: Sequence[Source],
        settings: Cleanup,
        *,
        look: bool = False,
    ) -> None:
        if not look:
            require_writer(archive)
        self.archive, self.phone, self.sources, self.settings = archive, phone, sources, settings
        self.look = look
        self.report = CleanReport(phone.serial)

    def run(self, cancel: Cancel | None = None) -> CleanReport:
        """All that a run may do. Never raises for the phone's faults: the report has them."""
        cancel = cancel or never()
        for _ in self.steps():
            if cancel.is_set():
                break
        return self.report

    def steps(self) -> Iterator[None]:
        """The same, file by file, so that something else can be seen to in between."""
        report = self.report
        try:
            scans = self._scan()
            if not self.look:
                self._settle(scans)
            old = self._old(scans)
            refused: set[Source] = set()
            for number, one in enumerate(old):
                if len(report.removed) == self.settings.most_per_run:
                    report.left += len(old) - number
                    break
                if one.source in refused:
                    report.left += 1
                elif self._remove(one) in ("refused", "closed"):
                    refused.add(one.source)
                yield
            if not self.look and removals.open_ones(self.archive, self.phone.serial):
                self._settle(self._scan())
        except LinkError as error:
            report.link_lost = error.message

    def _scan(self) -> dict[Source, dict[str, RemoteFile]]:
        """Each source's files; a source that can't be looked at keeps what it has."""
        scans: dict[Source, dict[str, RemoteFile]] = {}
        for source in self.sources:
            try:
                files = self.phone.scan(source)
            except LinkError:
                raise
            except PhoneError as error:
                where = f"{source.name} ({shown(source.path)})"
                self.report.kept.append(Failure(where, error.message))
                continue
            away = files.away if isinstance(files, Listed) else ()
            if not away:
                scans[source] = {file.path: file for file in files}
            elif self.report.locked is None:
                self.report.locked = away[0].why
        return scans

    def _old(self, scans: dict[Source, dict[str, RemoteFile]]) -> list[_Old]:
        """What may go, the oldest first; the rest is counted."""
        report, there = self.report, list[_Old]()
        places: set[tuple[str, str]] = set()
        for source, files in scans.items():
            with self.archive.reading() as db:
                known = sightings.current(db, self.phone.serial, source.name)
            for path, file in files.items():
                place = below(path)  # two sources may have a folder in common
                if kind_of(path) != "recording" or source.leaves(file) or place in places:
                    continue
                sighting = known.get(path)
                if not _is_filed(sighting, file):
                    report.unarchived += 1
                    continue
                places.add(place)
                recording = self.archive.recording(sighting.sha256 or "")
                there.append(
                    _Old(source, sighting, recording, _beside(sighting, recording, known, files))
                )
        there.sort(key=lambda one: (one.sighting.mtime_ns, one.sighting.path), reverse=True)
        newest: set[str] = set()
        for one in there:
            if len(newest) == self.settings.keep_newest:
                break
            newest.add(one.recording.sha256)
        since = self.archive.clock() - self.settings.after_days * _DAY_MS
        old = []
        for one in reversed(there):
            if _dated_ms(one) > since:
                report.young += 1
            elif one.recording.sha256 in newest:
                report.newest += 1
            else:
                old.append(one)
        return old

    def _remove(self, one: _Old) -> Answer | None:
        """One file; what the phone said of it, if it was asked."""
        sighting, report = one.sighting, self.report
        try:
            self._check_copy(one)
        except ArchiveError as error:
            report.kept.append(Failure(sighting.shown, f"its archived copy is not whole: {error}"))
            return None
        meant = Meant(sighting.path, sighting.size, one.recording.sha256)
        if not self.look:
            detail = {"archived": one.recording.path, "size": sighting.size}
            removals.begin(self.archive, sighting, detail)
        try:
            done = self.phone.remove(
                one.source, meant, [also for _, also in one.beside], look=self.look
            )
        except LinkError:
            raise
        except (PhoneError, ValueError) as error:
            # What came of it is found out at the end of the run, which finds it begun.
            report.kept.append(Failure(sighting.shown, str(error)))
            return "refused"
        wanted: Answer = "same" if self.look else "removed"
        beside = [seen for (seen, _), said in zip(one.beside, done.beside, strict=False)
                  if said == wanted]  # fmt: skip
        if not self.look:
            self._note(sighting, done.said, beside)
        if done.said == wanted:
            report.removed.append(
                Removed(sighting.shown, sighting.size, one.recording, len(beside))
            )
        else:
            told = "; the next sync takes them" if done.said == "other" and not self.look else ""
            report.kept.append(Failure(sighting.shown, _WHY[done.said] + told))
        return done.said

    def _check_copy(self, one: _Old) -> None:
        """IntegrityError unless the archive has the bytes, on the disk, now."""
        recording = one.recording
        final = self.archive.file_of(recording)
        try:
            status = final.lstat()
        except OSError as error:
            raise IntegrityError(f"{recording.path}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode) or status.st_size != one.sighting.size:
            raise IntegrityError(f"{recording.path} is not the file that was filed")
        try:
            self.archive.store.check(recording.path, recording.sha256)
        except OSError as error:
            raise IntegrityError(f"{recording.path}: {error.strerror}") from error

    def _note(self, sighting: Sighting, said: Answer, beside: Sequence[Sighting]) -> None:
        """What came of a removal, into the custody log and the sightings."""
        if said == "removed":
            removals.end(self.archive, sighting, removals.REMOVED, gone=[sighting, *beside])
            return
        with self.archive.writing() as db:
            gone = [sighting, *beside] if said == "gone" else beside
            action = removals.GONE if said == "gone" else removals.NOT_REMOVED
            removals.end(self.archive, sighting, action, gone=gone, why=_WHY[said])
            if said == "other":  # bytes that nobody has yet
                sightings.retire(db, sighting, self.archive.clock())

    def _settle(self, scans: dict[Source, dict[str, RemoteFile]]) -> None:
        """Say what became of what an earlier run had begun to remove."""
        by_name = {source.name: files for source, files in scans.items()}
        for sighting in removals.open_ones(self.archive, self.phone.serial):
            files = by_name.get(sighting.source)
            if files is None:
                continue  # nobody can look there now
            if _is_same(sighting, files.get(sighting.path)):
                why = "it was cut off, and the file is there yet"
                removals.end(self.archive, sighting, removals.NOT_REMOVED, why=why)
            else:
                why = "it was cut off, and the file is not there any more"
                removals.end(self.archive, sighting, removals.GONE, gone=[sighting], why=why)
            self.report.settled.append(Failure(sighting.shown, why))


def _is_same(sighting: Sighting, file: RemoteFile | None) -> bool:
    return file is not None and (file.size, file.mtime_ns) == (sighting.size, sighting.mtime_ns)


def _is_filed(sighting: Sighting | None, file: RemoteFile) -> TypeGuard[Sighting]:
    """Whether a file that a scan found is the one that is in the archive."""
    return (
        sighting is not None
        and sighting.state == "filed"
        and sighting.sha256 is not None
        and _is_same(sighting, file)
    )


def _dated_ms(one: _Old) -> int:
    """How new a file is: by its own date, and by when it was archived, whichever is later."""
    archived_ms = max(one.recording.added_ms, one.sighting.first_seen_ms)
    return max(one.sighting.mtime_ns // 1_000_000, archived_ms)


def _beside(
    sighting: Sighting,
    recording: Recording,
    known: dict[str, Sighting],
    files: dict[str, RemoteFile],
) -> tuple[tuple[Sighting, Meant], ...]:
    """The sidecar of a recording, where the archive has all of it: it keeps their text."""
    path = stem(sighting.path) + SIDECAR
    beside = known.get(path)
    if beside is None or recording.sidecar is None or path not in files:
        return ()
    if not _is_filed(beside, files[path]) or beside.sha256 != recording.sha256:
        return ()
    kept = recording.sidecar.encode()
    if len(kept) != beside.size:
        return ()
    return ((beside, Meant(path, beside.size, hashlib.sha256(kept).hexdigest())),)
