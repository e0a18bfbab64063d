"""What the sync engine needs of a phone: list a folder, read a file, hash a file.

Paths on a phone are bytes; here they are ``str``, with surrogates for what is not UTF-8, whatever
this computer's own file names are in. Show them only through :func:`agent.text.shown`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from agent.adb.reconnect import Cancel
from agent.errors import RemoteError

#: A trait: the recorder writes a file under its last name, for as long as the call lasts.
IN_PLACE = "in place"
#: A trait: others keep files there too, so only what has a name of the recorder's is taken; by
#: names alone where the recorder is not known.
SHARED = "shared"


def path_bytes(path: str) -> bytes:
    """A phone's path as the phone has it."""
    return path.encode("utf-8", "surrogateescape")


def path_text(raw: bytes) -> str:
    """A phone's path as it is kept here."""
    return raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Source:
    """A folder on a phone where recordings appear.

    ``atomic`` says that what writes there renames a finished file into place, so that a file
    that can be seen is whole; anywhere else a file has to be seen unchanged twice. ``root``
    says that only root can enter the folder. ``traits`` is what the recorder's rule
    (:mod:`agent.sync.settled`) wants to know: ``staging``, where what is done is moved elsewhere;
    ``sidecars``, where each recording gets one; :data:`SHARED`; :data:`IN_PLACE`. ``route`` is the route by which it records, where that is not the recorder's
    name. ``left`` are the fingerprints of files that are nobody's business: they were there
    before.
    """

    name: str
    path: str
    root: bool = False
    atomic: bool = False
    recorder: str | None = None
    traits: frozenset[str] = frozenset()
    route: str | None = None
    left: frozenset[str] = field(default=frozenset(), compare=False)

    def fingerprint(self, file: RemoteFile) -> str:
        """Tells a file from others, and from itself when it has grown; says no name."""
        said = path_bytes(file.path) + b"\0%d" % file.size
        return hashlib.sha256(said).hexdigest()[:16]

    def leaves(self, file: RemoteFile) -> bool:
        """Whether a file stays alone, because it was there before."""
        return bool(self.left) and self.fingerprint(file) in self.left


class RemoteFile(NamedTuple):
    """A regular file as one scan saw it: absolute path, size in bytes, mtime in nanoseconds."""

    path: str
    size: int
    mtime_ns: int
    inode: int = 0


@dataclass
class Seen:
    """A listing that was seen, to tell it from a later one. ``mark``: a hash of what the phone
    said, b"" before the first; ``count``: how many files that were."""

    mark: bytes = b""
    count: int = 0


@dataclass(frozen=True, slots=True)
class NotAFile:
    """What a scan saw that can't be taken, since it is neither a file nor a folder; ``what`` it is,
    in words."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Away:
    """A folder that could not be looked for, since the storage that it lies in is not there, or is
    closed. ``why`` says what to do, where it is the owner's shared storage."""

    path: str
    why: str | None = None


class Listed(list[RemoteFile]):
    """A scan's files; ``others`` is what lies among them and is none. What is known to lie in a
    folder that is ``away`` may well be there."""

    def __init__(
        self,
        files: Iterable[RemoteFile] = (),
        others: Sequence[NotAFile] = (),
        away: Sequence[Away] = (),
    ) -> None:
        super().__init__(files)
        self.others = others
        self.away = away


class PartialListingError(RemoteError):
    """A scan of which only a part is to be believed, or came: ``files``."""

    def __init__(self, message: str, files: Listed, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.files = files


class SilentError(RemoteError):
    """A command on a phone that answers said nothing in its time."""


class PhoneFiles(Protocol):
    """The sight of a phone that sync works with. Every call may raise a PhoneError."""

    @property
    def serial(self) -> str:
        """The phone's serial number, which is what the phone is known by."""

    def scan(self, source: Source) -> list[RemoteFile]:
        """All regular files below a source's folder, each once; an absent folder is an empty one.

        It may be a :class:`Listed`, which tells an absent folder from one that can't be looked
        for. PartialListingError where that is not all.
        """

    def scan_unless(self, seen: Seen, source: Source) -> list[RemoteFile] | None:
        """As :meth:`scan`, and noted in ``seen``; None where the phone said the very same when
        that was noted last. So a folder of very many old files costs little."""

    def read(self, path: str, *, root: bool, offset: int = 0) -> Iterator[bytes]:
        """The file's bytes from an offset on, in chunks; FileGoneError if it is not there."""

    def read_many(
        self, paths: Sequence[str], *, root: bool
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each path with its file's bytes, in the order asked for: what can't be read is an
        error of its chunks, and the next comes all the same; a LinkError ends it all."""

    def sha256_many(
        self, paths: Sequence[str], *, root: bool, size: int | None = None
    ) -> list[str | None]:
        """As :meth:`sha256`, by one command; None for what the phone can't hash. ``size`` is the
        largest one's."""

    def sha256(
        self, path: str, *, root: bool, first: int | None = None, size: int | None = None
    ) -> str:
        """The SHA-256, in hexadecimal, that the phone itself computes of the file, or of its
        ``first`` so many bytes. ``size`` is how large it should be: the phone is given time by
        that."""

    def reconnect(self, patience: float, cancel: Cancel) -> None:
        """Reach the phone anew after a break; LinkError if that takes over ``patience`` seconds.

        Returns early when ``cancel`` is set.
        """

    def written(self, suffixes: Sequence[str]) -> list[str]:
        """The files that programs have open to write, as root sees it, by the paths that those
        programs have for them; only names that end with one of ``suffixes`` (``.wav``)."""

    def clock_ms(self) -> int:
        """The phone's own time, by which its files are dated, to the second."""

    def in_call(self) -> bool:
        """Whether a call is on: ringing, dialing, active or held. True where it can't be told."""
