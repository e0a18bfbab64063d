"""Many small files at once: one stream, one hash command, one flush and one transaction for all.

A batch is a short cut and nothing else: whatever is not as a file should be, in any way, is left
to the way of a single file, which begins again with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.adb.reconnect import Cancel
from agent.archive.filing import NewRecording
from agent.archive.sightings import Sighting
from agent.archive.store import Part
from agent.errors import LinkError, PhoneError
from agent.naming.sidecar import Sidecar
from agent.phone.files import PhoneFiles, Source
from agent.sync.pull import TELL_EVERY, Cancelled, Pace
from agent.sync.settled import UNFINISHED

FILES = 64
BYTES = 16 << 20
LARGEST = 4 << 20  # of a file in a batch: from where a broken link left a larger one, it goes on
_NAMES = 32 << 10  # bytes of paths: they go into one command


@dataclass
class Ready:
    """A file that can be taken, with the flags that its recorder's rule gave it."""

    sighting: Sighting
    flags: tuple[str, ...]


@dataclass
class Taken:
    """A file on its way, with what is known of it. ``part`` has what came of it; ``broke`` says
    why no more did; ``spent`` counts the pulls that gave other bytes than the phone has.
    ``done``: it is through."""

    sighting: Sighting
    flags: tuple[str, ...]
    new: NewRecording
    beside: Sighting | None
    sidecar: Sidecar | None
    part: Part | None = None
    broke: LinkError | None = None
    spent: int = 0
    done: bool = False


def batches(ready: Sequence[Ready], most: int = BYTES) -> Iterator[list[Ready]]:
    """What can be taken together, ``most`` bytes at once, in its order. What killed the program once
    goes alone, and so does the first of more than fit into one batch: the newest is there first."""
    batch: list[Ready] = []
    size = names = 0
    behind = len(ready) > FILES
    for number, one in enumerate(ready):
        alone = (
            one.sighting.size > LARGEST
            or one.sighting.state == "pulling"
            or UNFINISHED in one.flags
            or (behind and number == 0)
        )
        size += one.sighting.size
        names += len(one.sighting.path)
        if batch and (alone or len(batch) == FILES or size > most or names > _NAMES):
            yield batch
            batch, size, names = [], one.sighting.size, len(one.sighting.path)
        batch.append(one)
        if alone:
            yield batch
            batch, size, names = [], 0, 0
    if batch:
        yield batch


def pull(
    phone: PhoneFiles,
    source: Source,
    taken: Sequence[Taken],
    begin: Callable[[NewRecording], Part],
    cancel: Cancel,
    on_progress: Callable[[Sighting, int], None],
    pace: Pace,
) -> Taken | None:
    """Each file into a part. What is not as it was listed is left without one. ``on_progress`` is
    told how many bytes of a file have come.

    Ends where the link breaks; the file at which it broke is returned. The caller discards the
    parts, whatever is raised.
    """
    by_path = {one.sighting.path: one for one in taken}
    one: Taken | None = None
    try:
        for path, chunks in phone.read_many(list(by_path), root=source.root):
            one = by_path[path]
            one.part = part = begin(one.new)
            try:
                with _closing(chunks):
                    _write(chunks, part, one.sighting, cancel, on_progress, pace)
            except LinkError:
                raise
            except PhoneError:
                drop(one)
            else:
                if part.size != one.sighting.size:
                    drop(one)
    except LinkError as error:
        if one is None or one.part is None:
            raise
        one.broke = error
        return one
    return None


def verify(phone: PhoneFiles, source: Source, taken: Sequence[Taken]) -> bool:
    """Compare what came with the phone's own hashes; what differs is left without a part. False
    where the phone could hash none of it."""
    if not taken:
        return True
    hashes = phone.sha256_many(
        [one.sighting.path for one in taken],
        root=source.root,
        size=max(one.sighting.size for one in taken),
    )
    for one, theirs in zip(taken, hashes, strict=True):
        if one.part is not None and one.part.sha256 != theirs:
            one.spent += theirs is not None
            drop(one)
    return any(hashes)


def _write(
    chunks: Iterator[bytes],
    part: Part,
    sighting: Sighting,
    cancel: Cancel,
    on_progress: Callable[[Sighting, int], None],
    pace: Pace,
) -> None:
    told = 0
    for chunk in chunks:
        if cancel.is_set():
            raise Cancelled
        part.write(chunk)
        pace(len(chunk))
        if part.size > sighting.size:
            return
        if part.size - told >= TELL_EVERY or part.size == sighting.size:
            told = part.size
            on_progress(sighting, told)


def drop(one: Taken) -> None:
    """What came of this file is not to be used."""
    part, one.part = one.part, None
    if part is not None:
        part.discard()


@contextlib.contextmanager
def _closing(chunks: Iterator[bytes]) -> Iterator[None]:
    """A stream that is left in the middle has to be closed, or it holds the link."""
    try:
        yield
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
