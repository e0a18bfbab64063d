"""The inbox: a folder that other tools drop recordings into, watched.

Events hurry a look, and a look is the truth, as with phones. What a look needs to know of files
that were taken before is in the index, so that a kill costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from watchdog.observers.api import BaseObserver

from agent.archive import arrivals
from agent.archive.archive import Archive
from agent.archive.arrivals import Arrival
from agent.archive.names import numbered
from agent.archive.records import Recording
from agent.archive.store import sha256_of
from agent.desk.events import end, identity, is_whole, observe, unheard
from agent.desk.settings import InboxSetting
from agent.errors import OffhookError
from agent.naming import Pattern
from agent.sync.describe import complete
from agent.sync.events import EventKind, SyncEvent, Tell, WatchEvent
from agent.sync.inbox.find import FILED, NO_RECORDING, UNFINISHED, Left, LocalFile, find, reason_of
from agent.sync.inbox.settle import SETTLE_S, Looks, age_s
from agent.sync.inbox.take import Importer, Outcome, folders_of, read_sidecar
from agent.sync.mistake import mistake_of
from agent.sync.named import Place
from agent.sync.pull import Cancelled
from agent.sync.spot import SUFFIXES, stem
from agent.text import shown

NAME = "inbox"
LOOK_EVERY = 30.0  # seconds: events may be lost
POLL_EVERY = 5.0  # where the system gives no events, or the folder is not there
_RETRY_FIRST, _RETRY_MOST = 30.0, 3600.0
_TICK = 0.5
#: What is in nobody's way, and no news.
_SILENT = ("a hidden folder", "a hidden file", UNFINISHED)


class Inbox:
    """Watches the folder until ``stop`` is set; :meth:`run` is for a thread of its own. ``own``
    are the user's own patterns of names."""

    def __init__(
        self,
        archive: Archive,
        setting: InboxSetting,
        tell: Tell,
        stop: threading.Event,
        *,
        settle_s: float = SETTLE_S,
        own: tuple[Pattern, ...] = (),
    ) -> None:
        self._archive, self._setting, self._tell, self._stop = archive, setting, tell, stop
        self._root = setting.folder
        self._looks = Looks(settle_s)
        self._settle_s = settle_s
        self._own = own
        self._news = threading.Event()
        self._told: dict[str, tuple[str, str]] = {}
        self._seen: dict[str, LocalFile] = {}
        self._sidecars: dict[str, int] = {}
        self._failures: dict[str, tuple[LocalFile, float, float]] = {}  # path: next try, pause
        self._problems: dict[str, str] = {}  # by what they are about
        self._refused: OSError | None = None  # why there are no events, or not of all

    def run(self) -> None:
        """Until told to stop."""
        observer: BaseObserver | None = None
        observed: tuple[int, int] | None = None
        try:
            while not self._stop.is_set():
                folder = self._folder()
                if observer is not None and (folder != observed or not is_whole(observer)):
                    end(observer)  # it hears nothing of the one that is there now
                    observer = None
                if observer is None and folder is not None:
                    observer, observed = self._observe(), folder
                self._news.clear()
                self._tell_unheard()
                wait_s = self._look_anyway()
                heard = observer is not None and self._refused is None
                self._nap(min(wait_s, LOOK_EVERY if heard else POLL_EVERY))
        finally:
            if observer is not None:
                end(observer)

    def _nap(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            if self._news.wait(min(left, _TICK)):
                # A file that is being copied is news all the time, and not whole before that.
                self._stop.wait(self._settle_s / 3)
                return

    def _observe(self) -> BaseObserver | None:
        """Events of the folder; None where the system has none to give."""
        self._refused = None
        try:
            return observe([(self._root, lambda _: self._news.set(), True)], self._refuse)
        except OSError as error:  # a look every few seconds will do
            self._refused = error
            return None

    def _refuse(self, error: OSError) -> None:
        self._refused = error
        self._news.set()

    def _tell_unheard(self) -> None:
        what = f"what is new in it is seen every {POLL_EVERY:.0f} s, not at once"
        problem = unheard(what, self._refused) if self._refused is not None else None
        self._tell_problem(problem.message if problem else "", problem, about="events")

    def look(self) -> float:
        """Take what is whole; the seconds until it is worth looking again."""
        if self._folder() is None:
            return POLL_EVERY
        wait_s = LOOK_EVERY
        own = self._root / FILED, self._archive.store.root
        found = list(find([str(self._root)], not_below=own))
        known = arrivals.known(self._archive)
        try:
            importer = self._importer()
            for one in found:
                if self._stop.is_set():
                    return 0.0
                if isinstance(one, Left):
                    self._left(one)
                else:
                    wait_s = min(wait_s, self._take_anyway(importer, one, known))
        except Cancelled:
            return 0.0
        except OffhookError as error:  # a full disk: nothing can be taken
            self._tell_problem(error.message, error)
            return LOOK_EVERY
        self._forget({one.path for one in found})
        self._tell_problem("")
        return max(wait_s, 0.05)

    def _look_anyway(self) -> float:
        """As :meth:`look`; what nobody foresaw is told, and the phones are watched on."""
        try:
            return self.look()
        except Exception as error:  # noqa: BLE001 - told, and tried again
            mistake = mistake_of(error)
            self._tell_problem(mistake.message, mistake)
            return LOOK_EVERY

    def _folder(self) -> tuple[int, int] | None:
        """The folder that is there, if one is. One of ours is made; another's may be on a disk that
        is not there."""
        why = "is not there; it is looked for again"
        try:
            if self._root.is_relative_to(self._archive.home.resolve()):
                self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (folder := identity(self._root)) is not None:
                return folder
        except OSError as error:  # closed to us, or a network's disk that does not answer
            why = f"can't be had: {reason_of(error)}; it is tried again"
        self._tell_problem(f"the inbox's folder {why}")
        return None

    def _importer(self) -> Importer:
        setting = self._setting
        names = folders_of(self._archive)
        phone = names.get(setting.phone) if setting.phone else None
        problem = ""
        if setting.phone and phone is None:
            problem = f"no phone is known as {shown(setting.phone)!r}: what comes is nobody's"
        self._tell_problem(problem, about="phone")
        return Importer(
            self._archive,
            NAME,
            default_phone=phone,
            place=Place(setting.zone, setting.region, self._own),
            folders=names,
            cancel=self._stop,
        )

    def _take_anyway(
        self, importer: Importer, file: LocalFile, known: dict[tuple[str, int, int], str]
    ) -> float:
        """As :meth:`_take`; a file over which we make a mistake holds up no other."""
        try:
            return self._take(importer, file, known)
        except (Cancelled, OffhookError):
            raise
        except Exception as error:  # noqa: BLE001 - told, and tried again
            said = mistake_of(error).message
            self._say("failed", Outcome(file.path, "failed", said, size=file.size))
            return self._later(file)

    def _later(self, file: LocalFile) -> float:
        """Leave a file that failed alone for a while, as long as it is the same; the seconds."""
        before, _, pause = self._failures.get(file.path, (None, 0.0, 0.0))
        pause = min(2 * pause, _RETRY_MOST) if before == file else _RETRY_FIRST
        self._failures[file.path] = (file, time.monotonic() + pause, pause)
        return pause

    def _take(
        self, importer: Importer, file: LocalFile, known: dict[tuple[str, int, int], str]
    ) -> float:
        """See to one file; the seconds until it is worth looking at it again."""
        failed, due, _ = self._failures.get(file.path, (None, 0.0, 0.0))
        if failed == file and due > time.monotonic():
            return due - time.monotonic()
        sha256 = known.get((file.path, file.size, file.mtime_ns))
        before = self._seen.get(file.path, file)
        if sha256 is not None and (before.ctime_ns, before.inode) == (file.ctime_ns, file.inode):
            self._seen[file.path] = file
            return self._after(file, self._archive.recording(sha256))
        if (wait_s := self._looks.wait_s(file)) > 0:
            return wait_s
        outcome = importer.take(file)
        if outcome.action == "waiting":
            return self._settle_s
        if outcome.action == "failed":
            self._say("failed", outcome)
            return self._later(file)
        self._failures.pop(file.path, None)
        if outcome.recording is None:
            self._left(Left(file.path, outcome.reason or ""))
            self._failures[file.path] = (file, time.monotonic() + _RETRY_MOST, _RETRY_MOST)
            return LOOK_EVERY
        self._seen[file.path] = file
        self._say("filed" if outcome.action == "filed" else "duplicate", outcome)
        if outcome.recording.phone is not None:
            for joined in self._archive.join_calls(outcome.recording.phone):
                self._tell(WatchEvent("joined", NAME, recording=joined))
        return self._after(file, outcome.recording)

    # What comes after

    def _after(self, file: LocalFile, recording: Recording) -> float:
        """A filed recording's file: its sidecar may have come, and it may have to move away."""
        wait_s = LOOK_EVERY
        if file.sidecar is not None:
            wait_s = self._late_sidecar(file, file.sidecar, recording)
        if wait_s == LOOK_EVERY and self._setting.after == "move":
            self._move(file, recording)
        return wait_s

    def _late_sidecar(self, file: LocalFile, path: str, recording: Recording) -> float:
        try:
            changed_ns = os.lstat(path).st_ctime_ns
        except OSError:
            return LOOK_EVERY
        if self._sidecars.get(path) == changed_ns:
            return LOOK_EVERY
        age = age_s(file)
        if age is not None and age < self._settle_s:
            return self._settle_s - age
        said = read_sidecar(path)
        self._sidecars[path] = changed_ns
        # One that a phone gave, or another copy, is no worse than this one.
        ours = recording.source == NAME or recording.sidecar is None
        if said is not None and ours and said.raw != recording.sidecar and said.facts:
            found = complete(
                self._archive, recording.sha256, said, phone=recording.phone, path=path
            )
            self._tell(SyncEvent("sidecar", NAME, shown(file.path), recording=found))
        return LOOK_EVERY

    def _move(self, file: LocalFile, recording: Recording) -> None:
        """Move a file to where filed ones are, once its bytes are proven to be in the archive."""
        try:
            still = file.is_still(os.lstat(file.path))
            same = still and sha256_of(Path(file.path)) == recording.sha256
            if not same or sha256_of(self._archive.file_of(recording)) != recording.sha256:
                return
            for path in (file.path, file.sidecar):
                if path is not None:
                    self._move_one(Path(path))
        except OSError as error:
            problem = f"a file can't be moved to {FILED}: {reason_of(error)}"
            self._tell_problem(problem, about="moving")
            self._later(file)
            return
        self._tell_problem("", about="moving")
        arrival = Arrival(NAME, file.path, file.size, file.mtime_ns)
        with self._archive.writing() as db:
            arrivals.moved(db, arrival, self._archive.clock())
            self._archive.log(
                "moved away here", sha256=recording.sha256, phone=recording.phone, path=file.path
            )

    def _move_one(self, path: Path) -> None:
        target = self._root / FILED / path.relative_to(self._root)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        count, name = 1, target.name
        while os.path.lexists(target):
            count += 1
            target = target.with_name(numbered(name, count))
        path.rename(target)

    def _left(self, left: Left) -> None:
        if left.reason == NO_RECORDING and self._sidecar_alone(left.path):
            return
        if left.reason in _SILENT or self._told.get(left.path) == ("left", left.reason):
            return
        self._told[left.path] = ("left", left.reason)
        kind: EventKind = "failed" if left.failed else "left"
        self._tell(SyncEvent(kind, NAME, shown(left.path), error=left.reason))

    def _sidecar_alone(self, path: str) -> bool:
        """A sidecar whose recording was moved away before it came."""
        place = arrivals.last_at(self._archive, [stem(path) + suffix for suffix in SUFFIXES])
        if place is None:
            return False
        if os.path.lexists(place[0]):  # it is back: the next look sees both
            return True
        try:
            status = os.lstat(path)
        except OSError:  # gone meanwhile
            return True
        if time.time_ns() - status.st_ctime_ns < self._settle_s * 1e9:
            return True
        said = read_sidecar(path)
        recording = self._archive.recording(place[1])
        if said is None or not said.facts:
            return False
        if said.raw != recording.sidecar:
            found = complete(
                self._archive, recording.sha256, said, phone=recording.phone, path=path
            )
            self._tell(SyncEvent("sidecar", NAME, shown(path), recording=found))
        if self._setting.after == "move":
            with contextlib.suppress(OSError):
                self._move_one(Path(path))
        return True

    # Told

    def _say(self, kind: EventKind, outcome: Outcome) -> None:
        said = (kind, outcome.reason or "")
        if kind == "failed" and self._told.get(outcome.path) == said:
            return
        self._told[outcome.path] = said
        self._tell(
            SyncEvent(
                kind,
                NAME,
                shown(outcome.path),
                outcome.size,
                recording=outcome.recording,
                error=outcome.reason,
            )
        )

    def _tell_problem(
        self, problem: str, error: OffhookError | None = None, *, about: str = "looking"
    ) -> None:
        """Tell a problem once for as long as it is the same; none: it is over."""
        if problem and problem != self._problems.get(about):
            self._tell(WatchEvent("inbox", NAME, problem, error=error))
        self._problems[about] = problem

    def _forget(self, paths: set[str]) -> None:
        self._looks.forget_others(paths)
        for kept in (self._told, self._seen, self._failures):
            for path in kept.keys() - paths:
                del kept[path]
        for path in [path for path in self._sidecars if not os.path.lexists(path)]:
            del self._sidecars[path]
