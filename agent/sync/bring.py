"""From a file that is ready to a recording in the archive: pull → verify → store → index → tell.

One file goes its own way, which survives broken links; several go together as far as that is
smooth (:mod:`agent.sync.batch`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from agent.adb.reconnect import Cancel
from agent.archive import sightings
from agent.archive.archive import Archive
from agent.archive.filing import file_part, file_parts, require_writer
from agent.archive.records import Recording
from agent.archive.sightings import Sighting
from agent.archive.store import Part
from agent.errors import ArchiveError, FileGoneError, LinkError, PhoneError
from agent.naming.sidecar import LARGEST, Sidecar, parse
from agent.phone.files import PhoneFiles, Source
from agent.sync.batch import Ready, Taken, drop, pull
from agent.sync.batch import verify as verify_all
from agent.sync.describe import describe, listen, rest_on_consent
from agent.sync.events import EventKind, Failure, Report, SyncEvent
from agent.sync.named import Place
from agent.sync.pull import (
    BY_HASH,
    Breaks,
    Cancelled,
    ChangedError,
    MismatchError,
    NoEndError,
    Pace,
    Verified,
    fetch,
    read_small,
    verify,
)
from agent.sync.scene import Scenes
from agent.sync.settled import OTHER_SIZE, UNFINISHED, Rules
from agent.sync.share import Share, Turn
from agent.text import shown

_TWICE = "files were read twice instead, and compared"
_BY_HAND = (
    "It is tried again. If it stays so, copy the file by hand (`adb pull`), and file it with "
    "`offhook import`."
)


class Bringer:
    """Takes the ready files of one phone; see :class:`agent.sync.engine.SyncEngine`."""

    def __init__(
        self,
        archive: Archive,
        phone: PhoneFiles,
        on_event: Callable[[SyncEvent], None] | None,
        rules: Rules,
        place: Place,
        share: Share,
    ) -> None:
        require_writer(archive)
        self.archive = archive
        self.phone = phone
        self.rules = rules
        self.place = place
        self.share = share
        self.serial = phone.serial
        self._on_event = on_event
        self._turn: Turn | None = None
        self._doubted: set[str] = set()
        self._together = True  # whether the phone can hash, and so batches work
        self._scenes = Scenes(archive, phone, rules, self._update, place.own)

    def bring_all(self, source: Source, ready: list[Ready], report: Report, cancel: Cancel) -> None:
        """Files that are ready, when it is this phone's turn: together, if there are several, and
        singly what that fails for."""
        if cancel.is_set():
            raise Cancelled
        size = sum(one.sighting.size for one in ready)
        with self.share.turn(size, cancel) as self._turn:
            self._bring_some(source, ready, size, report, cancel)

    def _bring_some(
        self, source: Source, ready: list[Ready], size: int, report: Report, cancel: Cancel
    ) -> None:
        if len(ready) == 1 or not self._together or self.archive.store.lacks(size):
            for one in ready:
                self._bring(source, one, report, cancel)
            return
        taken: list[Taken] = []
        try:
            with self.archive.writing():
                for one in ready:
                    tries = one.sighting.tries + 1
                    self._update(one.sighting, state="pulling", tries=tries)
            taken = [self._begin(source, one, report, cancel) for one in ready]
            self._bring_together(source, taken, report, cancel)
        except (LinkError, Cancelled):
            self._give_back([one.sighting for one in ready])
            raise
        except ArchiveError as error:
            self._give_back([one.sighting for one in ready])
            self.archive.store.why_not(error)
        else:
            return
        finally:
            for each in taken:
                drop(each)
        for one in ready:  # singly, as it is one of them alone that the archive does not take
            if one.sighting.state in ("seen", "pulling"):  # that it is given back may have failed
                if cancel.is_set():
                    raise Cancelled
                self._bring(source, one, report, cancel)

    def _give_back(self, pulling: list[Sighting]) -> None:
        """What was under way is no fault of these files, and did not kill the program."""
        with suppress(ArchiveError), self.archive.writing():  # the disk may be what failed
            for sighting in pulling:
                if sighting.state == "pulling":
                    self._update(sighting, state="seen", tries=sighting.tries - 1)

    def _begin(self, source: Source, one: Ready, report: Report, cancel: Cancel) -> Taken:
        """What is known of a file before its bytes are there."""
        beside = self._scenes.sidecar_of(source, one.sighting)
        sidecar = self._read_sidecar(source, beside, report, cancel) if beside else None
        new = describe(source, one.sighting, sidecar, self.place)
        new.flags += [flag for flag in one.flags if flag not in new.flags]
        return Taken(one.sighting, one.flags, new, beside, sidecar)

    def _bring_together(
        self, source: Source, taken: list[Taken], report: Report, cancel: Cancel
    ) -> None:
        def progress(sighting: Sighting, done: int) -> None:
            self._tell("progress", sighting.shown, sighting.size, done=done)

        for one in taken:  # all of them first, so that it is known how much is to come
            self._tell("pulling", one.sighting.shown, one.sighting.size)
        begin, pace = self.archive.begin, self._pace(cancel)
        if (broken := pull(self.phone, source, taken, begin, cancel, progress, pace)) is not None:
            self._singly(source, broken, report, cancel)  # which waits for the phone
        try:
            whole = [one for one in taken if one.part is not None]
            self._together = verify_all(self.phone, source, whole)
        except LinkError as error:
            for one in whole:
                one.broke = error
        except PhoneError:
            self._together = False  # what it means for each is found out singly
        else:
            self._file_together([(one, one.part) for one in whole if one.part], report)
        for one in taken:
            if not one.done:
                if cancel.is_set():
                    raise Cancelled
                self._singly(source, one, report, cancel)

    def _singly(self, source: Source, one: Taken, report: Report, cancel: Cancel) -> None:
        """What could not be taken with others goes its own way, with what came of it."""
        one.done = True
        one.sighting.state, one.sighting.tries = "seen", one.sighting.tries - 1
        begun, one.part = one.part, None
        try:
            self._bring(source, Ready(one.sighting, one.flags), report, cancel, one, begun)
        finally:
            if begun is not None:
                begun.discard()

    def _file_together(self, came: list[tuple[Taken, Part]], report: Report) -> None:
        if not came:
            return
        for one, part in came:
            listen(part, one.new, deaf=False)
            rest_on_consent(self.archive, one.new)
            one.new.how |= {"verified": BY_HASH, "mtime_ns": one.new.mtime_ns}
        filed = file_parts(self.archive, [(part, one.new) for one, part in came])
        report.pulled_bytes += sum(part.size for _, part in came)
        done = [(one, *what) for (one, _), what in zip(came, filed, strict=True)]
        for one, *_ in done:
            one.done = True
        self._note_filed(done, report)

    def _bring(
        self,
        source: Source,
        ready: Ready,
        report: Report,
        cancel: Cancel,
        before: Taken | None = None,
        begun: Part | None = None,
    ) -> None:
        """One file; ``before`` is what it met among others, and ``begun`` what came of it there."""
        sighting = ready.sighting
        died_before = sighting.tries if sighting.state == "pulling" else 0
        self._update(sighting, state="pulling", tries=sighting.tries + 1)
        self._tell("pulling", sighting.shown, sighting.size)
        try:
            if lacking := self.archive.store.lacks(sighting.size):
                # Of this file alone: a smaller one may fit.
                needed = f"{lacking / (1 << 20):.1f} MiB of space are lacking for it"
                self._fail(sighting, f"{needed}; free some, and it comes", report)
                return
            one = self._begin(source, ready, report, cancel)
            new = one.new
            if before is not None:
                one.broke, one.spent = before.broke, before.spent
            one.part = begun
            part, how = self._pull(source, one, cancel)
            try:
                report.pulled_bytes += part.size
                listen(part, new, deaf=died_before >= self.rules.attempts, cancel=cancel)
                rest_on_consent(self.archive, new)
                new.flags += how.flags
                new.how |= {"verified": how.method, "mtime_ns": sighting.mtime_ns}
                recording, is_new = file_part(self.archive, part, new)
            finally:
                part.discard()
            if how.doubt is not None:
                self._doubt(f"the phone's sha256sum gave no hash ({how.doubt}); {_TWICE}", report)
        except FileGoneError:
            self._update(sighting, state="gone", gone_ms=self.archive.clock())
            report.gone.append(sighting.shown)
            self._tell("gone", sighting.shown, sighting.size)
        except ChangedError as error:
            self._set_back(sighting, str(error), report)
        except (MismatchError, NoEndError) as error:
            self._fail(sighting, str(error), report, hint=_BY_HAND)
        except (LinkError, Cancelled):
            self._give_back([sighting])
            raise
        except ArchiveError as error:
            self._refuse(sighting, error, report)
        except PhoneError as error:
            self._fail(sighting, error.message, report, hint=error.hint or _BY_HAND)
        else:
            self._note_filed([(one, recording, is_new)], report)

    def _refuse(self, sighting: Sighting, error: ArchiveError, report: Report) -> None:
        """The archive did not take a file. Where it takes no other, either, that is raised."""
        try:
            self._fail(sighting, self.archive.store.why_not(error), report, hint=error.hint)
        except ArchiveError:
            self._give_back([sighting])
            raise

    def _note_filed(self, filed: list[tuple[Taken, Recording, bool]], report: Report) -> None:
        """Tell of files that are in the archive, each with whether its bytes were new; and note
        that their sidecars are."""
        for one, recording, is_new in filed:
            one.sighting.state, one.sighting.sha256 = "filed", recording.sha256
            (report.filed if is_new else report.duplicates).append(recording)
            kind: EventKind = "filed" if is_new else "duplicate"
            self._tell(kind, one.sighting.shown, one.sighting.size, recording=recording)
        # Of bytes that were known, the sidecar that was known stays.
        beside = [
            (one.beside, one.beside.state, recording)
            for one, recording, is_new in filed
            if one.beside is not None and one.sidecar is not None and (is_new or recording.sidecar)
        ]
        if not beside:
            return
        try:
            with self.archive.writing():
                for sidecar, _, recording in beside:
                    self._update(sidecar, state="filed", sha256=recording.sha256)
        except ArchiveError as error:  # then none of it was, and the next look sees to them
            for sidecar, state, _ in beside:
                sidecar.state, sidecar.sha256 = state, None
            report.missed = True
            self.archive.store.why_not(error)

    def _pull(self, source: Source, one: Taken, cancel: Cancel) -> tuple[Part, Verified]:
        """A sealed part with the file's bytes, and how they were verified."""
        sighting = one.sighting
        for attempt in range(1 + one.spent, self.rules.attempts + 1):
            part, one.part = one.part or self.archive.begin(one.new), None
            try:
                how = self._fetch_and_verify(source, one, part, cancel)
                if part.size != sighting.size:
                    if sighting.tries < self.rules.attempts:
                        raise ChangedError(f"{part.size} bytes came of {sighting.size} listed")
                    how = Verified(how.method, (*how.flags, OTHER_SIZE))
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

    def _fetch_and_verify(self, source: Source, one: Taken, part: Part, cancel: Cancel) -> Verified:
        sighting = one.sighting

        def progress(done: int) -> None:
            self._tell("progress", sighting.shown, sighting.size, done=done)

        def broken(reason: str) -> None:
            self._tell("broken", sighting.shown, sighting.size, done=part.size, error=reason)

        def fetched() -> None:
            broke, one.broke = one.broke, None
            if broke is not None:
                raise broke
            fetch(
                phone,
                sighting,
                part,
                root=root,
                cancel=cancel,
                on_progress=progress,
                pace=pace,
                most=self.archive.store.bound(sighting.size),
                growing=growing,
            )

        phone, root, pace = self.phone, source.root, self._pace(cancel)
        growing = UNFINISHED in one.flags
        aside = nullcontext if self._turn is None else self._turn.aside
        breaks = Breaks(phone, part, self.rules.patience_s, cancel, broken, aside)
        breaks.survive(fetched)
        verified = breaks.survive(
            lambda: verify(
                phone, sighting, part, root=root, cancel=cancel, pace=pace, growing=growing
            )
        )
        if breaks.count:
            one.new.how["link_broke"] = breaks.count
        return verified

    def _pace(self, cancel: Cancel) -> Pace:
        return lambda size: self.share.pace(size, cancel)

    def _read_sidecar(
        self, source: Source, sighting: Sighting, report: Report, cancel: Cancel
    ) -> Sidecar | None:
        """None where it can't be read: the recording comes without it, and it comes later."""
        try:
            data = read_small(
                self.phone, sighting.path, root=source.root, cancel=cancel, most=LARGEST
            )
        except LinkError:
            raise
        except FileGoneError:
            report.missed = True  # as the next scan will see; or it lists as before, and is there
            return None
        except PhoneError as error:
            if not any(failure.path == sighting.shown for failure in report.failed):
                self._update(sighting, tries=sighting.tries + 1)
                self._fail(sighting, error.message, report, hint=error.hint)
            return None
        return parse(source.recorder, data)

    def _set_back(self, sighting: Sighting, reason: str, report: Report) -> None:
        """The file is still moving: let it settle anew, but not for ever."""
        if sighting.tries >= self.rules.attempts:
            self._fail(sighting, reason, report, hint=_BY_HAND)
            return
        now = self.archive.clock()
        self._update(sighting, state="settling", unchanged_ms=now, error=reason)
        report.waiting.append(sighting.shown)
        report.come_back(self.rules.settle_s)
        self._tell("waiting", sighting.shown, sighting.size)

    def _fail(
        self, sighting: Sighting, reason: str, report: Report, *, hint: str | None = None
    ) -> None:
        doubled = self.rules.retry_s * 2 ** min(sighting.tries - 1, 20)
        retry_s = min(doubled, self.rules.retry_most_s)
        due = self.archive.clock() + round(retry_s * 1000)
        self._update(sighting, state="failed", error=reason, next_try_ms=due)
        report.failed.append(Failure(sighting.shown, shown(reason), hint))
        self._tell("failed", sighting.shown, sighting.size, error=shown(reason))

    def _doubt(self, words: str, report: Report) -> None:
        report.doubt(words)
        if words not in self._doubted:
            self._doubted.add(words)
            self._tell("doubt", "", error=words)

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
