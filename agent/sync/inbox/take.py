"""What becomes of a file on this computer, and that done.

:meth:`Importer.decide` reads the file and says what becomes of it, and changes nothing;
:meth:`Importer.take` decides in the same way and then does it. So a dry run tells the truth.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from agent.adb.reconnect import Cancel
from agent.archive import arrivals
from agent.archive.archive import Archive
from agent.archive.arrivals import Arrival
from agent.archive.filing import NewRecording, file_known, file_part, path_of
from agent.archive.records import Fact, Recording
from agent.archive.sightings import Sighting
from agent.archive.store import sha256_of
from agent.errors import ArchiveError
from agent.naming.sidecar import LARGEST, Sidecar, parse
from agent.phone.files import Source
from agent.sync.describe import complete, describe, listen_to, rest_on_consent
from agent.sync.inbox.find import LocalFile
from agent.sync.inbox.settle import is_written_to, open_to_read
from agent.sync.named import NOWHERE, Place
from agent.sync.pull import Cancelled, never
from agent.text import shown

_CHUNK = 1 << 20
_DEATHS = 2  # of the program over one file, after which its sound is not looked at
METHOD = "sha256 before the copy and of the copy"
#: How the containers begin that recorders write: (offset, bytes).
_BEGINNINGS = (
    (0, b"RIFF"),
    (0, b"RF64"),
    (0, b"OggS"),
    (4, b"ftyp"),
    (0, b"#!AMR"),
    (0, b"fLaC"),
    (0, b"ID3"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"caff"),
)

#: filed    it is in the archive now (or would be)
#: known    its bytes were there already
#: left     it is no recording: ``reason``
#: waiting  it is not finished yet
#: failed   it could not be read, or filed: ``reason``
Action = Literal["filed", "known", "left", "waiting", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What becomes of one file. ``path`` is as :func:`os.fsdecode` makes it; ``archived`` is
    relative to the archive's folder."""

    path: str
    action: Action
    reason: str | None = None
    sha256: str | None = None
    archived: str | None = None
    phone: str | None = None
    started_ms: int | None = None
    duration_s: float | None = None
    size: int = 0
    sidecar: bool = False
    recording: Recording | None = field(default=None, compare=False)


@dataclass
class _Plan:
    file: LocalFile
    outcome: Outcome
    new: NewRecording | None = None
    sidecar: Sidecar | None = None


Progress = Callable[[int], None]


class Importer:
    """Takes files of this computer into an archive; to :meth:`take` it has to be open for writing.

    ``source`` is ``import`` or ``inbox``. ``phone`` is the serial of the phone that all files are
    of, where that is known; else a folder above a file that has a known phone's name says it
    (``folders`` is from those names to serials), or else it is ``default_phone``. ``progress`` is
    told bytes as they are read.
    """

    def __init__(
        self,
        archive: Archive,
        source: str,
        *,
        phone: str | None = None,
        default_phone: str | None = None,
        place: Place = NOWHERE,
        folders: Mapping[str, str] | None = None,
        cancel: Cancel | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self.archive = archive
        self._source = Source(source, "/")
        self._phone, self._default, self._place = phone, default_phone, place
        self._folders = dict(folders or {})
        self._cancel = cancel or never()
        self._progress = progress
        self._planned: dict[str, Outcome] = {}
        self._names: set[PurePosixPath] = set()

    def decide(self, file: LocalFile) -> Outcome:
        """What would become of a file; nothing is changed. Cancelled when that is asked for."""
        plan = self._plan(file, dry=True)
        if plan.outcome.action == "filed" and plan.outcome.sha256 and plan.outcome.archived:
            self._planned[plan.outcome.sha256] = plan.outcome
            self._names.add(PurePosixPath(plan.outcome.archived))
        return plan.outcome

    def take(self, file: LocalFile) -> Outcome:
        """What became of a file. Cancelled when that is asked for; DiskFullError and other
        ArchiveErrors when none can be filed."""
        try:
            return self._take(file)
        except ArchiveError as error:
            why = self.archive.store.why_not(error)
            return Outcome(file.path, "failed", why, size=file.size)

    def _take(self, file: LocalFile) -> Outcome:
        plan = self._plan(file, dry=False)
        if plan.new is None:
            return plan.outcome
        try:
            recording, is_new = self._file(plan)
        except _Moved as error:
            return Outcome(file.path, "waiting", str(error), size=file.size)
        except OSError as error:
            return _failed(file, error)
        if plan.sidecar is not None and not is_new and recording.sidecar is None:
            recording = complete(
                self.archive,
                recording.sha256,
                plan.sidecar,
                phone=recording.phone,
                path=file.sidecar or file.path,
            )
        return replace(
            plan.outcome,
            action="filed" if is_new else "known",
            archived=recording.path,
            recording=recording,
        )

    # Decide

    def _plan(self, file: LocalFile, *, dry: bool) -> _Plan:
        if file.size == 0:
            return _Plan(file, Outcome(file.path, "left", "it is empty"))
        try:
            sha256, beginning = self._read(file)
        except _Moved as error:
            return _Plan(file, Outcome(file.path, "waiting", str(error), size=file.size))
        except OSError as error:
            return _Plan(file, _failed(file, error))
        if not _is_sound(beginning):
            reason = "its bytes are of no kind of sound file that is known"
            return _Plan(file, Outcome(file.path, "left", reason, size=file.size))
        sidecar = self._read_sidecar(file)
        new = self._describe(file, sidecar)
        outcome = Outcome(
            file.path,
            "filed",
            sha256=sha256,
            phone=new.phone,
            size=file.size,
            sidecar=sidecar is not None,
        )
        if (known := self._known(sha256)) is not None:
            return _Plan(
                file,
                replace(outcome, action="known", archived=known[0], phone=known[1] or new.phone),
                new,
                sidecar,
            )
        self._listen(file, new, dry=dry)
        rest_on_consent(self.archive, new)
        started = new.facts["started_ms"].value
        outcome = replace(
            outcome,
            archived=str(self.archive.store.free(path_of(self.archive, new, sha256), self._names)),
            started_ms=started,
            duration_s=new.sound.get("duration_s"),
        )
        return _Plan(file, outcome, new, sidecar)

    def _read(self, file: LocalFile) -> tuple[str, bytes]:
        """The SHA-256 of a file and how it begins; _Moved when it is being changed."""
        digest, beginning = hashlib.sha256(), b""
        for chunk in self._chunks(file):
            beginning = beginning or chunk[:64]
            digest.update(chunk)
            self._progress(len(chunk))
        return digest.hexdigest(), beginning

    def _chunks(self, file: LocalFile) -> Any:
        fd = open_to_read(file.path)
        try:
            if is_written_to(fd):
                raise _Moved("another program is writing to it")
            if not file.is_still(os.fstat(fd)):
                raise _Moved("it has changed since it was seen")
            while chunk := os.read(fd, _CHUNK):
                if self._cancel.is_set():
                    raise Cancelled
                yield chunk
            if not file.is_still(os.fstat(fd)) or is_written_to(fd):
                raise _Moved("it changed while it was read")
        finally:
            os.close(fd)

    def _read_sidecar(self, file: LocalFile) -> Sidecar | None:
        return None if file.sidecar is None else read_sidecar(file.sidecar)

    def _describe(self, file: LocalFile, sidecar: Sidecar | None) -> NewRecording:
        phone, fact = self._whose(file)
        seen = Sighting(
            0, phone or "", self._source.name, file.path, file.size, file.mtime_ns, "seen",
            None, None, 0, None, 0, 0, None,
        )  # fmt: skip
        new = describe(self._source, seen, sidecar, self._place)
        new.phone, new.sighting = phone, None
        new.arrival = Arrival(self._source.name, file.path, file.size, file.mtime_ns, phone)
        if fact is not None:
            new.facts["phone"] = fact
        new.how = {"verified": METHOD, "mtime_ns": file.mtime_ns, "by": self._source.name}
        return new

    def _whose(self, file: LocalFile) -> tuple[str | None, Fact | None]:
        """The phone that a file is of, and how that is known."""
        if self._phone is not None:
            return self._phone, Fact(self._phone, f"given to {self._source.name}", "told")
        for folder in reversed(file.folders):
            if (serial := self._folders.get(folder)) is not None:
                return serial, Fact(serial, "the name of its folder", "assumed")
        if self._default is not None:
            return self._default, Fact(self._default, f"set for the {self._source.name}", "told")
        return None, None

    def _known(self, sha256: str) -> tuple[str, str | None] | None:
        """Where these bytes are, and of which phone; None where they are not, or their file was
        lost and has to be put back."""
        if (planned := self._planned.get(sha256)) is not None:
            return planned.archived or "", planned.phone
        if not self.archive.has(sha256):
            return None
        known = self.archive.recording(sha256)
        return known.path, known.phone

    def _listen(self, file: LocalFile, new: NewRecording, *, dry: bool) -> None:
        assert new.arrival is not None
        deaf = arrivals.decode_tries(self.archive, new.arrival) >= _DEATHS
        if dry or deaf:
            listen_to(Path(file.path), new, deaf=deaf, cancel=self._cancel)
            return
        arrivals.decoding(self.archive, new.arrival)
        try:
            listen_to(Path(file.path), new, deaf=False, cancel=self._cancel)
        except Cancelled:
            arrivals.decoded(self.archive, new.arrival)
            raise
        arrivals.decoded(self.archive, new.arrival)

    # Do

    def _file(self, plan: _Plan) -> tuple[Recording, bool]:
        new, sha256 = plan.new, plan.outcome.sha256
        assert new is not None
        assert sha256 is not None
        if (known := file_known(self.archive, sha256, new)) is not None:
            return known, False
        part = self.archive.begin(new)
        try:
            for chunk in self._chunks(plan.file):
                part.write(chunk)
            part.seal(new.mtime_ns)
            if part.sha256 != sha256:
                raise _Moved("it changed while it was read")
            if sha256_of(part.path) != sha256:
                raise ArchiveError(
                    f"{shown(plan.file.path)} was written to the disk, and other bytes were read",
                    hint="Look after the disk.",
                )
            return file_part(self.archive, part, new)
        finally:
            part.discard()


class _Moved(Exception):  # noqa: N818 - reads as what it is
    """The file is not still."""


def folders_of(archive: Archive) -> dict[str, str]:
    """The names that a folder may have to say whose recordings it holds, and the serial of each."""
    return {
        name: phone.serial
        for phone in archive.phones()
        for name in (phone.serial, phone.alias)
        if name
    }


def read_sidecar(path: str) -> Sidecar | None:
    """What a sidecar on this computer says; None where it can't be read, or is no file."""
    try:
        fd = open_to_read(path)
        with os.fdopen(fd, "rb") as file:
            return parse(None, file.read(LARGEST + 1))
    except OSError:
        return None


def _failed(file: LocalFile, error: OSError) -> Outcome:
    reason = (error.strerror or str(error)).lower()
    return Outcome(file.path, "failed", reason, size=file.size)


def _is_sound(beginning: bytes) -> bool:
    """Whether bytes begin as a sound file does. What is broken further on is a recording all the
    same."""
    if any(beginning[at:].startswith(magic) for at, magic in _BEGINNINGS):
        return True
    # MPEG audio and ADTS: eleven or twelve set bits.
    return len(beginning) > 1 and beginning[0] == 0xFF and beginning[1] & 0xE0 == 0xE0
