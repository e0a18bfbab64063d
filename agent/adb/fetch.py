"""Many files from the phone to this computer: received, hashed, written and flushed side by side.

The caller's thread receives. Another writes, one hashes, a few more wait for the disk. What
is between them is bounded, so memory does not grow with a file's size; when the disk is slower
than the phone, the phone waits.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from agent.adb import files
from agent.adb.link import Link
from agent.errors import LinkError, PhoneError

_BATCH = 1 << 20  # bytes that are handed over at once
_BATCHES = 16  # that may wait
_FLUSHERS = 4  # files that are flushed at once: a file system writes its journal once for all
_STEP = 8 << 20  # bytes of a file after which the disk is told to begin
_KEPT = 64 << 20  # bytes at a large file's end that stay in the cache


class Sink(Protocol):
    """What takes a file's bytes. Methods are called from several threads, one at a time; an
    OSError, or any other error, ends the whole transfer."""

    def write(self, data: bytes) -> None:
        """Take some bytes."""

    def flush(self) -> None:
        """See to it that what was taken is on the disk."""

    def close(self, *, whole: bool) -> None:
        """The end, after a last flush; ``whole`` says whether every byte came."""


class FileSink:
    """A new file at ``path``; FileExistsError if there is one. A file that is not whole goes.

    The system is told not to wait with a large file, and to forget what it has written: else
    1 GiB fills as much memory first, which cost half of the time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o600)
        self._size = 0
        self._begun = 0  # bytes that the disk was told of

    def write(self, data: bytes) -> None:
        """See :class:`Sink`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._size += len(data)
        if self._size - self._begun >= _STEP and hasattr(os, "posix_fadvise"):
            # What is dirty is on its way to the disk by this; what is clean is dropped.
            os.posix_fadvise(self._fd, self._begun, 0, os.POSIX_FADV_DONTNEED)
            if self._begun > _KEPT:
                start = max(0, self._begun - _KEPT - 2 * _STEP)
                length = self._begun - _KEPT - start
                os.posix_fadvise(self._fd, start, length, os.POSIX_FADV_DONTNEED)
            self._begun = self._size

    def flush(self) -> None:
        """See :class:`Sink`."""
        os.fdatasync(self._fd)

    def close(self, *, whole: bool) -> None:
        """See :class:`Sink`."""
        os.close(self._fd)
        if not whole:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()


@dataclass(frozen=True)
class Fetched:
    """A file that came, on the disk by now: ``sha256`` is in hexadecimal. Or the reason why it
    did not: ``error`` is a FileGoneError or a RemoteError."""

    path: str
    size: int
    sha256: str
    error: PhoneError | None = None


def fetch(
    link: Link, paths: Iterable[str], open_sink: Callable[[str], Sink], *, ahead: int = files.AHEAD
) -> Iterator[Fetched]:
    """Bring files that adbd's user may read, each into the sink that is opened for its path.

    Yields each when it is on the disk, in the order asked for. ``open_sink`` is called from
    another thread. A LinkError, or an error of a sink, ends it all; what is not whole then is
    discarded, and no thread is left.
    """
    with _Works() as works:
        for path, chunks in files.pull_pieces(link, paths, ahead=ahead):
            works.begin(path, open_sink)
            try:
                for chunk in chunks:
                    works.give(chunk)
            except LinkError:
                raise
            except PhoneError as error:
                works.end(error)
            else:
                works.end(None)
            yield from works.ready()
        yield from works.rest()


class _Job:
    """One file on its way."""

    def __init__(self, path: str, open_sink: Callable[[str], Sink], hasher: Executor) -> None:
        self.path = path
        self._hasher = hasher
        self._hashing: Future[None] | None = None
        self._open_sink = open_sink
        self._sink: Sink | None = None
        self.digest = hashlib.sha256()
        self.size = 0

    @property
    def sink(self) -> Sink:
        """Opened where it is first needed: a file system may take its time to make a file."""
        if self._sink is None:
            self._sink = self._open_sink(self.path)
        return self._sink

    def write(self, pieces: list[memoryview]) -> None:
        data = b"".join(pieces)  # one call for each step: others wait for the interpreter too
        self._wait_for_hash()
        self._hashing = self._hasher.submit(self.digest.update, data)
        self.sink.write(data)
        self.size += len(data)

    def _wait_for_hash(self) -> None:
        if self._hashing is not None:
            self._hashing.result()

    def finish(self, error: PhoneError | None) -> Fetched:
        try:
            self._wait_for_hash()
            if error is None:
                self.sink.flush()
        except BaseException:
            self.close(whole=False)
            raise
        self.close(whole=error is None)
        return Fetched(self.path, self.size, self.digest.hexdigest(), error)

    def close(self, *, whole: bool) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close(whole=whole)


class _Works:
    """The threads behind a transfer."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[_Job, list[memoryview], bool, PhoneError | None] | None] = (
            queue.Queue(_BATCHES)
        )
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._pool = ThreadPoolExecutor(_FLUSHERS, thread_name_prefix="flush")
        self._writer = threading.Thread(target=self._write, name="write")
        self._finished: deque[Future[Fetched]] = deque()
        self._jobs: set[_Job] = set()
        self._job: _Job | None = None
        self._pieces: list[memoryview] = []
        self._held = 0
        self._failed: BaseException | None = None

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._failed is None:
            self._failed = InterruptedError()  # nothing more is written
        self._queue.put(None)
        self._writer.join()
        self._pool.shutdown()
        self._hasher.shutdown()
        for job in self._jobs:  # what was not handed to the pool
            job.close(whole=False)

    def begin(self, path: str, open_sink: Callable[[str], Sink]) -> None:
        """A file's bytes come next."""
        self._job = _Job(path, open_sink, self._hasher)
        self._jobs.add(self._job)

    def give(self, chunk: memoryview) -> None:
        """Some of its bytes."""
        self._pieces.append(chunk)
        self._held += len(chunk)
        if self._held >= _BATCH:
            self._hand_over(last=False, error=None)

    def end(self, error: PhoneError | None) -> None:
        """All of them came, or no more will."""
        self._hand_over(last=True, error=error)

    def ready(self) -> Iterator[Fetched]:
        """The files that are on the disk by now."""
        while self._finished and self._finished[0].done():
            yield self._finished.popleft().result()

    def rest(self) -> Iterator[Fetched]:
        """All others, when they are."""
        self._queue.put(None)
        self._writer.join()
        self._check()
        while self._finished:
            yield self._finished.popleft().result()

    def _hand_over(self, *, last: bool, error: PhoneError | None) -> None:
        assert self._job is not None
        self._check()
        self._queue.put((self._job, self._pieces, last, error))
        self._pieces, self._held = [], 0

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._failed is not None:
                continue  # whoever puts things here must not wait for ever
            job, pieces, last, error = item
            try:
                job.write(pieces)
                if last:
                    self._jobs.discard(job)
                    self._finished.append(self._pool.submit(job.finish, error))
            except BaseException as failed:  # noqa: BLE001 - raised where the files are asked for
                self._failed = failed
