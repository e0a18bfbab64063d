"""What sync and watch tell while they work, and what sync says at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from agent.archive.records import Recording
from agent.errors import OffhookError

#: seen       a new file was seen on the phone
#: waiting    a file is not finished, or its sidecar is not there yet
#: pulling    its bytes begin to come, or those of the files that it goes together with
#: progress   ``done`` of ``size`` bytes have come
#: broken     the link broke with ``done`` bytes there; the pull waits for the phone
#: filed      it is in the archive: ``recording``
#: duplicate  its bytes were in the archive already: ``recording``
#: sidecar    a recording's sidecar came after it: ``recording``
#: joined     a call of the call log was found for a recording: ``recording``
#: gone       it vanished from the phone before it was pulled
#: failed     ``error`` says why; it is tried again in a later run
#: left       what lies in the inbox, or among a phone's files, is no recording: ``error`` says why
#: doubt      the phone said what can't be right, and was got around: ``error`` says what
EventKind = Literal[
    "seen",
    "waiting",
    "pulling",
    "progress",
    "broken",
    "filed",
    "duplicate",
    "sidecar",
    "joined",
    "gone",
    "failed",
    "left",
    "doubt",
]


@dataclass(frozen=True)
class SyncEvent:
    """One thing that happened. ``path`` is the file's on the phone, fit for a terminal."""

    kind: EventKind
    phone: str
    path: str
    size: int = 0
    done: int = 0
    recording: Recording | None = None
    error: str | None = None


@dataclass(frozen=True)
class Failure:
    """A file, or a whole source, that could not be taken, and why. ``path`` is fit to show.
    ``hint`` says what to do about it, where there is something."""

    path: str
    reason: str
    hint: str | None = None


@dataclass
class Report:
    """What a run did.

    ``link_lost`` says how the connection broke, if it did: what was not taken by then stays
    queued. ``left`` is what lies among the files and is none. ``doubts`` are what the phone said
    that can't be right, and that was got around. ``held`` says why nothing is pulled now;
    ``locked`` why the phone's storage can't be looked into, and so nothing of it is known.
    ``missed``: what was listed was not there to be read, and may be there yet.
    ``again_in_s`` is when it is worth looking again, because something is not finished.
    """

    phone: str
    scanned: int = 0
    pulled_bytes: int = 0
    filed: list[Recording] = field(default_factory=list)
    duplicates: list[Recording] = field(default_factory=list)
    completed: list[Recording] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[Failure] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    link_lost: str | None = None
    held: str | None = None
    locked: str | None = None
    cancelled: bool = False
    missed: bool = False
    again_in_s: float | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing failed and the link held to the end."""
        return not self.failed and self.link_lost is None

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do, and is nothing to be done later."""
        done = (self.filed, self.duplicates, self.completed, self.gone)
        left = (self.failed, self.waiting, self.locked, self.link_lost, self.cancelled, self.missed)
        return not any(done) and not any(left) and self.again_in_s is None

    def come_back(self, seconds: float) -> None:
        """Look again in so many seconds, if not earlier."""
        seconds = max(seconds, 0.05)
        if self.again_in_s is None or seconds < self.again_in_s:
            self.again_in_s = seconds

    def doubt(self, words: str) -> None:
        """Keep what can't be right, once."""
        if words not in self.doubts:
            self.doubts.append(words)

    def add(self, other: Report) -> None:
        """Take in the report of another source of the same phone."""
        self.scanned += other.scanned
        self.pulled_bytes += other.pulled_bytes
        for name in ("filed", "duplicates", "completed", "failed", "waiting", "gone"):
            getattr(self, name).extend(getattr(other, name))
        for each in other.left:
            if each not in self.left:
                self.left.append(each)
        for doubt in other.doubts:
            self.doubt(doubt)
        self.link_lost = self.link_lost or other.link_lost
        self.held = self.held or other.held
        self.locked = self.locked or other.locked
        self.cancelled = self.cancelled or other.cancelled
        self.missed = self.missed or other.missed
        if other.again_in_s is not None:
            self.come_back(other.again_in_s)


#: connected   the phone answers: ``text`` is its name
#: lost        the link broke, or can't be opened: ``text`` says how
#: unfiled     the archive takes nothing: ``text`` says why, ``error`` what to do; "": it does again.
#:             ``phone`` is "archive": it is of all phones
#: state       what the recorder does: ``text`` is idle, ringing, offhook, recording, refused
#:             or failed; ``error`` says why where this computer records
#: stranger    a phone is there that is not watched; ``phone`` is its serial
#: restarted   the recorder had been killed, and runs again
#: problem     what keeps the route that is on from recording, or its recordings from being taken:
#:             ``text``, and ``error`` where that is one
#: paused      nothing is pulled of this phone now: ``text`` says why; "": it goes on
#: locked      the phone's storage can't be looked into: ``text`` says what to do; "": it can again
#: version     the recorder on the phone is of another Offhook: ``text`` says what to do
#: off         capture is not on: what is left is pulled, and other sources are watched
#: no root     the phone gives no root: only what needs none is watched; ``text`` says why
#: scanned     a scan is through: ``report``
#: joined      a recording got its call: ``recording``
#: call log    the phone does not give its call log, or its contacts: ``text`` says why
#: cleaned     what was removed from the phone, because it has long been archived: ``text``
#: level       of a call that this computer records now: ``levels``, dBFS of each channel
#: quiet       nothing is heard in it: ``text`` says for how long, and what to look at
#: clipping    it is too loud: ``text`` says what to do
#: on          the phone is out of reach in a call, and the recording goes on: ``text``
#: not live    this computer can't record: ``text`` says why, ``error`` what to do
#: inbox       why nothing can be taken from the inbox: ``text``
#: archive     an archived file was changed, removed or added, not by us: ``text``
#: settings    offhook.toml was read again, or can't be: ``text``
#: desktop     a notification, or the user's command for a recording, failed: ``text``
WatchKind = Literal[
    "connected",
    "lost",
    "unfiled",
    "stranger",
    "state",
    "restarted",
    "problem",
    "paused",
    "locked",
    "version",
    "off",
    "no root",
    "scanned",
    "joined",
    "call log",
    "cleaned",
    "level",
    "quiet",
    "clipping",
    "on",
    "not live",
    "inbox",
    "archive",
    "settings",
    "desktop",
]


@dataclass(frozen=True)
class WatchEvent:
    """One thing that happened to a watched phone; ``phone`` is its alias, serial or address."""

    kind: WatchKind
    phone: str
    text: str = ""
    report: Report | None = None
    recording: Recording | None = None
    error: OffhookError | None = None
    levels: tuple[float, ...] = ()


Tell = Callable[[WatchEvent | SyncEvent], None]
