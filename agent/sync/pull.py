"""Pulling one file: its bytes into a part, hashed on the way and compared with the phone's hash.

A link that breaks in the middle costs no byte: the pull waits for the phone, proves that what
came is how its file begins, and goes on from there.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

from agent.adb.reconnect import Cancel
from agent.archive.sightings import Sighting
from agent.archive.store import Part
from agent.errors import FileGoneError, LinkError, RemoteError
from agent.phone.files import PhoneFiles

T = TypeVar("T")
Pace = Callable[[int], None]
"""Told of so many bytes that came, before more are read; may wait, and raise Cancelled."""

BY_HASH = "sha256 on the phone"

_SHA256 = re.compile(r"[0-9a-f]{64}")
TELL_EVERY = 256 * 1024  # bytes, of a file that comes
_FRUITLESS = 3  # breaks in a row after which no byte came


class Cancelled(Exception):  # noqa: N818 - reads as what it is
    """The run was asked to stop."""


class ChangedError(Exception):
    """The file was not what the scan said: it is still being written, or the scan lies."""


class NoEndError(Exception):
    """More came than any recording has."""


class MismatchError(Exception):
    """What came is not what the phone says is there."""


@dataclass(frozen=True)
class Verified:
    """How the bytes were proven to be the phone's: ``method`` is None if they could not be.
    ``doubt`` says what was wrong with the usual way, if anything was."""

    method: str | None
    flags: tuple[str, ...] = ()
    doubt: str | None = None


class Breaks:
    """Goes on after the link broke, as often as it breaks, if each time some more bytes came.

    A phone that stays away for ``patience`` seconds is a LinkError. ``on_break`` is told why the
    link broke, before the wait; ``count`` is how often it did. The wait is inside ``aside()``.
    Where it breaks again and again before any byte came, though the phone came back each time, it
    is the file's: a RemoteError.
    """

    def __init__(
        self,
        phone: PhoneFiles,
        part: Part,
        patience: float,
        cancel: Cancel,
        on_break: Callable[[str], None],
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._phone, self._part = phone, part
        self._aside = aside
        self._patience, self._cancel, self._on_break = patience, cancel, on_break
        self.count = 0

    def survive(self, step: Callable[[], T]) -> T:
        """What ``step`` returns, which is called anew after each break."""
        fruitless = 0
        while True:
            had = self._part.size
            try:
                return step()
            except LinkError as error:
                self.count += 1
                fruitless = fruitless + 1 if self._part.size == had else 0
                if fruitless == _FRUITLESS:
                    raise RemoteError(f"nothing of it comes: {error.message}") from error
                self._on_break(error.message)
                with self._aside():
                    self._phone.reconnect(self._patience, self._cancel)
                if self._cancel.is_set():
                    raise Cancelled from error


def never() -> threading.Event:
    """A cancel that nobody sets."""
    return threading.Event()


def fetch(
    phone: PhoneFiles,
    sighting: Sighting,
    part: Part,
    *,
    root: bool,
    cancel: Cancel,
    on_progress: Callable[[int], None],
    pace: Pace,
    most: int,
    growing: bool = False,
) -> None:
    """The rest of the file's bytes into ``part``, which may have the first of them already.

    ChangedError as soon as more comes than the scan saw, or what ``part`` has is not how the
    file on the phone begins now. A phone that can't prove that it is, is pulled from anew. Of a
    file that is ``growing``, what the scan saw is enough. NoEndError after ``most`` bytes.
    """
    if part.size and not _same_beginning(phone, sighting.path, part, root):
        part.restart()
    told = part.size
    for chunk in _chunks(phone, sighting.path, root, cancel, part.size):
        if part.size + len(chunk) > sighting.size:
            if not growing:
                raise ChangedError(f"more came than the {sighting.size} bytes that are listed")
            chunk = chunk[: sighting.size - part.size]
        part.write(chunk)
        pace(len(chunk))
        if part.size > most:
            raise NoEndError(
                f"it is listed with {sighting.size} bytes, more than this disk can hold, and had no "
                f"end after {part.size}"
            )
        if growing and part.size == sighting.size:
            return
        if part.size - told >= TELL_EVERY or part.size == sighting.size:
            told = part.size
            on_progress(told)


def _same_beginning(phone: PhoneFiles, path: str, part: Part, root: bool) -> bool:
    """Whether the phone proves that the file begins with the bytes that came; ChangedError when
    it proves that it doesn't."""
    try:
        theirs = phone.sha256(path, root=root, first=part.size)
    except LinkError:
        raise
    except RemoteError:
        return False  # no hash tool there
    if theirs.strip().lower() != part.sha256:
        raise ChangedError("it changed while the link was down")
    return True


def verify(
    phone: PhoneFiles,
    sighting: Sighting,
    part: Part,
    *,
    root: bool,
    cancel: Cancel,
    pace: Pace,
    growing: bool = False,
) -> Verified:
    """Compare with the phone's own SHA-256, or where it has none, with a second reading."""
    first, doubt = part.size if growing else None, None
    try:
        theirs = phone.sha256(sighting.path, root=root, first=first, size=part.size)
        theirs = theirs.strip().lower()
    except FileGoneError:
        if part.size != sighting.size:
            raise
        return Verified(None, ("not verified: it vanished from the phone first",))
    except LinkError:
        raise
    except RemoteError as error:
        theirs = _read_again(phone, sighting.path, root, cancel, part.size, pace, growing=growing)
        method, doubt = "read twice", error.message
    else:
        method = BY_HASH
        if not _SHA256.fullmatch(theirs):
            raise MismatchError("the phone's hash tool answered something that is no SHA-256")
    if theirs != part.sha256:
        raise MismatchError(f"the phone has {theirs[:12]}…, {part.sha256[:12]}… came")
    return Verified(method, doubt=doubt)


def read_small(phone: PhoneFiles, path: str, *, root: bool, cancel: Cancel, most: int) -> bytes:
    """A small file, whole, or a little more than ``most`` bytes of a large one."""
    data = bytearray()
    for chunk in _chunks(phone, path, root, cancel):
        data += chunk
        if len(data) > most:
            return bytes(data[: most + 1])
    return bytes(data)


def _chunks(
    phone: PhoneFiles, path: str, root: bool, cancel: Cancel, offset: int = 0
) -> Iterator[bytes]:
    chunks = phone.read(path, root=root, offset=offset)
    try:
        for chunk in chunks:
            if cancel.is_set():
                raise Cancelled
            yield chunk
    finally:
        # A stream that is left in the middle has to be closed, or it holds the link.
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _read_again(
    phone: PhoneFiles,
    path: str,
    root: bool,
    cancel: Cancel,
    most: int,
    pace: Pace,
    *,
    growing: bool,
) -> str:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(phone, path, root, cancel):
        digest.update(chunk[: most - size] if growing else chunk)
        size += len(chunk)
        pace(len(chunk))
        if growing and size >= most:
            break
        if size > most:
            break
    return digest.hexdigest()
