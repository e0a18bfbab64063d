"""One recording that is being made here: from the first piece of sound to its row in the index.

It is FLAC, in a part of the archive from the beginning, a frame at a time. A row in the index
says what it is, so that what a killed program leaves is filed by the next one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.archive import live
from agent.archive.archive import Archive
from agent.archive.filing import NewRecording, file_part
from agent.archive.records import Fact, Recording
from agent.archive.store import Part, disk_errors
from agent.audio import flac
from agent.capture.live import Block, Ear
from agent.errors import ArchiveError, AudioError, DiskFullError
from agent.sync.describe import listen
from agent.sync.live.gaps import Gaps
from agent.sync.live.levels import Levels

MIN_FREE = 200 << 20  # bytes that a recording leaves free here, as our recorder does on a phone
CUT = "cut"
_FLUSH_S = 5.0  # what a power cut may cost
_HINT = "Free some space, or move Offhook's home to another disk."


@dataclass
class Known:
    """What is known of a recording while it is being made, as the index keeps it meanwhile."""

    phone: str
    name: str
    facts: dict[str, Fact]
    flags: list[str] = field(default_factory=list)
    recorded: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For the index."""
        facts = {name: fact.as_dict() for name, fact in self.facts.items()}
        return {**vars(self), "facts": facts}

    @classmethod
    def of(cls, said: dict[str, Any]) -> Known:
        """From the index."""
        facts = {name: Fact(**fact) for name, fact in said["facts"].items()}
        return cls(**{**said, "facts": facts})

    def new(self, mtime_ns: int) -> NewRecording:
        """The same, to be filed."""
        return NewRecording(
            original_name=self.name,
            mtime_ns=mtime_ns,
            phone=self.phone,
            source=str(self.facts["route"].value),
            facts=dict(self.facts),
            flags=list(self.flags),
            recorded=self.recorded,
        )


class Tape:
    """Writes what an ear gives. Use it from one thread; :meth:`file` or :meth:`discard` it.

    DiskFullError when there is no room, or soon would be none: what is there can be filed.
    """

    def __init__(self, archive: Archive, known: Known, ear: Ear, opened: float) -> None:
        self._archive, self.known, self._opened = archive, known, opened
        self._encoder = flac.Encoder(ear.rate, ear.channels, _date(known))
        self._gaps = Gaps(ear.rate, ear.channels)
        self.levels = Levels(ear.rate, ear.channels)
        self._width = 2 * ear.channels
        check_room(archive)
        self._part = archive.begin(known.new(time.time_ns()), keep=True)
        try:
            self.keep()
            self._part.write(self._encoder.header)
        except BaseException:
            self.discard()
            raise
        self._flushed = time.monotonic()

    @property
    def length_s(self) -> float:
        """Seconds of sound so far, silence in gaps included."""
        return self._encoder.frames / self._encoder.rate

    def keep(self) -> None:
        """Have what is known in the index, for whoever comes after a kill."""
        live.keep(self._archive, self._part.path, self.known.phone, self.known.as_dict())

    def add(self, block: Block) -> bool:
        """Write a piece; whether there is a new level to show."""
        now = time.monotonic()
        silence, samples = self._gaps.place(block, now - self._opened)
        self.levels.silence(silence)
        while silence > 0:
            some = min(silence, self._encoder.rate)
            self._part.write(self._encoder.add(bytes(some * self._width)))
            silence -= some
        self._part.write(self._encoder.add(samples))
        if now - self._flushed > _FLUSH_S:
            self._flushed = now
            self._part.flush()
            check_room(self._archive)
        return self.levels.add(samples)

    def file(self, ended_ms: int | None, flags: list[str]) -> Recording | None:
        """End it, and file it; None when it has no sound. ``ended_ms`` is when the call ended,
        by the phone's clock; ``flags`` say what was wrong.

        When it can't be filed the part stays, and its row: the next run files it.
        """
        known = self.known
        known.flags += [flag for flag in flags if flag not in known.flags]
        if not self._part.closed:
            with suppress(DiskFullError):  # then the last tenth of a second is lost
                self._part.write(self._encoder.end())
        if self._gaps.count:
            silence = {"count": self._gaps.count, "seconds": self._gaps.filled / self._encoder.rate}
            known.facts["gaps"] = Fact(silence, known.recorded.get("by", "Offhook"), "measured")
            known.flags.append("gaps")
        if self.levels.clipping:
            known.flags.append("clipping")
        if ended_ms is not None:
            known.facts["ended_ms"] = Fact(ended_ms, "the phone's clock", "stated")
        self._part.discard()  # it is only closed
        heard = (self._encoder.frames, self._encoder.md5)
        return file_live(self._archive, self._part.path, known, heard)

    def discard(self) -> None:
        """Nothing was recorded."""
        self._part.keep = False
        self._part.discard()
        live.forget(self._archive, self._part.path)


def _date(known: Known) -> str:
    """When it began, as a FLAC file's comment says it: ISO 8601, to the millisecond."""
    began = datetime.fromtimestamp(known.facts["started_ms"].value / 1000, UTC)
    return began.isoformat(timespec="milliseconds")


def file_live(
    archive: Archive, path: Path, known: Known, heard: tuple[int, bytes] | None
) -> Recording | None:
    """File a part as it lies there, as far as it can be read; None where that is nothing.

    ``heard`` is how many samples the ear gave, and their MD5: without them nobody can say that
    what was written is what was heard.
    """
    part = Part.reopen(path)
    try:
        found = flac.look(path)
    except AudioError:
        found = None
    if found is None or found.frames == 0:
        part.keep = False
        part.discard()
        live.forget(archive, path)
        return None
    try:
        if found.size < part.size:
            part.cut(found.size)
        part.patch(0, found.header)
        _adopt(archive, known)
        new = known.new(time.time_ns())
        if heard == (found.frames, found.md5):
            new.how["verified"] = "decoded: the samples are those that were heard"
        else:
            new.how["verified"] = "decoded: each frame has its checksum"
            new.flags += [CUT] if CUT not in new.flags else []
        listen(part, new, deaf=False)
        recording, _ = file_part(archive, part, new)
    finally:
        part.discard()
    live.forget(archive, path)
    return recording


_OF_THE_CALL = ("direction", "number", "sim", "ringing_ms", "offhook_ms")
_MOST_PARTS = 20
_AGAIN = "It is tried again at the next start."


def _adopt(archive: Archive, known: Known) -> None:
    """Of a call that had begun before anybody looked: what was known of it by an earlier part."""
    ids = set(known.facts["call_ids"].value) if "call_ids" in known.facts else set()
    if "late" not in known.facts or not ids:
        return
    earlier = [
        one
        for one in archive.recordings(phone=known.phone, limit=_MOST_PARTS)
        if ids & set(one.facts.get("call_ids", {}).get("value", ()))
    ]
    if not earlier:
        return
    first = min(earlier, key=lambda one: one.started_ms or 0)
    for name in _OF_THE_CALL:
        if name in first.facts:
            known.facts[name] = Fact(**first.facts[name])
    del known.facts["late"]
    part = 1 + max(one.facts.get("part", {}).get("value", 1) for one in earlier)
    known.flags = [flag for flag in known.flags if not flag.startswith("part ")] + [f"part {part}"]
    known.facts["part"] = Fact(part, "Offhook", "stated")


def check_room(archive: Archive) -> None:
    """DiskFullError when less would stay free here than should."""
    with disk_errors(archive.store.root):
        free = shutil.disk_usage(archive.store.root).free
    if free < MIN_FREE:
        raise DiskFullError(
            f"only {free >> 20} MiB are free at {archive.store.root}: {MIN_FREE >> 20} stay free",
            hint=_HINT,
        )


def recover(archive: Archive, tell: Callable[[ArchiveError], None]) -> list[Recording]:
    """File what a program that died was recording; the archive is open for writing.

    What can't be filed now (a full disk, a part that can't be read) is told, and left for the next
    time; it stops nothing else.
    """
    filed = []
    for one in live.parts(archive):
        try:
            recording = _recover(archive, archive.store.locate(one.part), Known.of(one.known))
        except ArchiveError as error:
            said = f"a call that was recorded here stays unfinished: {error.message}"
            tell(ArchiveError(said, hint=error.hint or _AGAIN))
        else:
            filed += [recording] if recording is not None else []
    return filed


def _has_its_name(part: Path) -> bool:
    """Whether it is a recording already. A link elsewhere is a backup's."""
    status = part.stat()
    return status.st_nlink > 1 and any(
        other.name != part.name and other.lstat().st_ino == status.st_ino
        for other in part.parent.iterdir()
    )


def _recover(archive: Archive, path: Path, known: Known) -> Recording | None:
    with disk_errors(path):
        # It was filed, and then came the kill.
        if not path.is_file() or _has_its_name(path):
            live.forget(archive, path)
            path.unlink(missing_ok=True)
            return None
    if CUT not in known.flags:
        known.flags.append(CUT)
    return file_live(archive, path, known, None)
