"""File transfer as adbd's user. What only root may read goes through :mod:`agent.phone.root`."""

from __future__ import annotations

import contextlib
import re
import stat as modes
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Self

from agent.adb import shell, sync
from agent.adb.link import Link
from agent.adb.sync import RemoteStat, SyncStream
from agent.errors import LinkError, LinkTimeout, PhoneError, ProtocolError

#: Requests that wait on the phone while a file comes: it is never without work.
AHEAD = 16


def stat(link: Link, path: str) -> RemoteStat:
    """What a file is; FileGoneError if it is not there, RemoteError if adbd may not see it.

    Phones without ``stat_v2`` don't tell the two apart, and have sizes of 32 bits: there, their
    ``stat`` command is asked as well.
    """
    v2 = "stat_v2" in link.features
    with SyncStream(link) as stream:
        found = stream.stat(path, v2=v2)
    if v2 or not modes.S_ISREG(found.mode):
        return found
    said = shell.run(link, ["stat", "-c", "%s %i", path]).text.split()
    if len(said) == 2 and all(re.fullmatch(r"[0-9]{1,20}", word) for word in said):
        return RemoteStat(found.mode, int(said[0]), found.mtime_s, int(said[1]))
    return found


def listdir(link: Link, path: str) -> list[tuple[str, RemoteStat]]:
    """A folder's entries, with names as :func:`os.fsdecode` has them, without ``.`` and ``..``.

    adbd says of a folder that is not there, or closed to it, that it is empty. Sizes are of 32
    bits on phones without ``ls_v2``.
    """
    with SyncStream(link) as stream:
        return [
            (name.decode("utf-8", "surrogateescape"), what)
            for name, what in stream.entries(path, v2="ls_v2" in link.features)
            if name not in (b".", b"..")
        ]


def pull(link: Link, path: str) -> Iterator[bytes]:
    """The bytes of a file that adbd's user may read, in chunks.

    FileGoneError when it is not there, RemoteError when the phone refuses.
    """
    with SyncStream(link) as stream:
        stream.send(sync.request(b"RECV", path))
        yield from map(bytes, stream.content(path))


def pull_many(
    link: Link, paths: Iterable[str], *, ahead: int = AHEAD
) -> Iterator[tuple[str, Generator[bytes, None, None]]]:
    """Each path with its file's bytes, in chunks, in the order asked for.

    Requests are sent ``ahead`` on one stream. What can't be read is an error of its chunks
    (FileGoneError or RemoteError), and the next path comes all the same; a LinkError ends it
    all. Chunks that nobody took are gone when the next path is asked for.
    """
    with contextlib.closing(pull_pieces(link, paths, ahead=ahead)) as pulled:
        for path, pieces in pulled:
            yield path, _copied(pieces)


def _copied(pieces: Generator[memoryview, None, None]) -> Generator[bytes, None, None]:
    with contextlib.closing(pieces):
        for piece in pieces:
            yield bytes(piece)


def pull_pieces(
    link: Link, paths: Iterable[str], *, ahead: int = AHEAD
) -> Generator[tuple[str, Generator[memoryview, None, None]], None, None]:
    """The same as :func:`pull_many`, for those who copy what they get anyway."""
    with _Pipeline(link, iter(paths), ahead) as line:
        while (path := line.next()) is not None:
            chunks = line.content(path)
            yield path, chunks
            try:
                for _ in chunks:
                    pass
            except LinkError:
                raise
            except PhoneError:
                continue


class _Pipeline:
    """RECV requests under way on one stream after another: a refusal ends a stream."""

    def __init__(self, link: Link, paths: Iterator[str], ahead: int) -> None:
        self._link = link
        self._paths = paths
        self._ahead = max(1, ahead)
        self._stream: SyncStream | None = None
        self._asked: deque[str] = deque()  # on this stream
        self._wanted: deque[str] = deque()  # asked for on a stream that ended
        self._fresh = True  # whether nothing came over this stream yet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def next(self) -> str | None:
        """The path whose content comes next."""
        if len(self._asked) <= self._ahead // 2:
            self._ask()
        return self._asked[0] if self._asked else None

    def content(self, path: str) -> Generator[memoryview, None, None]:
        """Its content. It is out of the way when all of it, or an error, came, or it is closed."""
        taken = False
        stream: SyncStream | None = None
        try:
            while True:
                stream = self._stream
                if stream is None:
                    raise LinkError("a transfer was ended before this file came")
                try:
                    for piece in stream.content(path):
                        self._fresh = False
                        taken = True
                        yield piece
                except LinkError:
                    if taken or self._fresh or not self._link.alive:
                        raise
                    # adbd refused the file before this one: its word of it came, and then none.
                    self._drop()
                    self._ask()
                    continue
                self._fresh = False
                self._asked.popleft()
                return
        except BaseException:
            if stream is not None and stream is self._stream:  # else all of it was ended before
                self._asked.popleft()
                self._drop()
            raise

    def _ask(self) -> None:
        batch: list[str] = []
        while len(self._asked) + len(batch) < self._ahead:
            path = self._wanted.popleft() if self._wanted else next(self._paths, None)
            if path is None:
                break
            batch.append(path)
        if not batch:
            return
        if self._stream is None:
            self._stream, self._fresh = SyncStream(self._link), True
        self._asked += batch
        try:
            self._stream.send(b"".join(sync.request(b"RECV", path) for path in batch))
        except LinkError:
            if not self._link.alive:
                raise
            # It was refused something, and closed: that comes first.

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._wanted.extendleft(reversed(self._asked))
        self._asked.clear()


def push(link: Link, data: bytes, path: str, mode: int, *, mtime_s: int | None = None) -> None:
    """Write a file as adbd's user; RemoteError with the phone's words when it could not.

    adbd gives group and others what ``mode`` gives the owner: nothing private goes this way.
    """
    with SyncStream(link) as stream:
        try:
            head = sync.request(b"SEND", f"{path},{0o100000 | mode}")
            for start in range(0, len(data), sync.PIECE):
                stream.send(head + sync.data(data[start : start + sync.PIECE]))
                head = b""
            stream.send(head + sync.done(int(time.time()) if mtime_s is None else mtime_s))
        except LinkTimeout:
            raise
        except LinkError:
            if not link.alive:
                raise
            # adbd refused and closed: what it says comes next.
        name, _ = stream.head(path)
        if name != b"OKAY":
            raise ProtocolError(f"the phone's file service answered {name!r}")
