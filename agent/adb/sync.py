"""ADB's sync protocol: one stream, requests one after another, answers in the same order.

Source: AOSP packages/modules/adb/SYNC.TXT, file_sync_protocol.h, daemon/file_sync_service.cpp.
Version 2 of STAT and LIST has 64-bit sizes and tells why a file can't be seen. Version 2 of RECV
and SEND only adds compression, which is not used: recordings don't get smaller by what a phone
can compress in time, and the data's form is the same.

After a FAIL, adbd ends the stream: what was asked for after that has to be asked for anew.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from agent.adb.link import Link
from agent.errors import FileGoneError, LinkError, PhoneError, ProtocolError, RemoteError
from agent.text import shown

PIECE = 64 * 1024  # bytes that a DATA may hold
TIMEOUT = 30.0

_HEAD = struct.Struct("<4sI")
_STAT_V1 = struct.Struct("<3I")  # mode, size, mtime
_STAT_V2 = struct.Struct("<I2Q4IQ3q")  # error, dev, ino, mode, nlink, uid, gid, size, a/m/ctime
_WORDS = 4096  # bytes of a FAIL that are believed


@dataclass(frozen=True, slots=True)
class RemoteStat:
    """What adbd says of a file, links not followed: ``mode`` as in :mod:`stat`, ``size`` in bytes
    and ``mtime_s`` in seconds. ``inode`` is 0 on phones without version 2 of the request."""

    mode: int
    size: int
    mtime_s: int
    inode: int = 0


class SyncStream:
    """A ``sync:`` stream, read exactly."""

    def __init__(self, link: Link) -> None:
        self._stream = link.open("sync:", TIMEOUT)
        self._chunk = memoryview(b"")
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream; a read under way in another thread ends at once."""
        self._stream.close()

    def send(self, data: bytes) -> None:
        """Send requests, or data."""
        self._stream.write(data, TIMEOUT)

    def head(self, path: str) -> tuple[bytes, int]:
        """The next answer's name and number; a FAIL is raised as what it says of ``path``."""
        name, value = _HEAD.unpack(self.exactly(_HEAD.size))
        if name == b"FAIL":
            raise failure(path, self.exactly(min(value, _WORDS)).decode("utf-8", "replace"))
        return name, value

    def exactly(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if len(self._chunk) - self._at < size:
            return b"".join(self.pieces(size))
        start, self._at = self._at, self._at + size
        return bytes(self._chunk[start : self._at])

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next ``size`` bytes, in pieces as they come."""
        while size:
            if self._at == len(self._chunk):
                self._chunk, self._at = memoryview(self._stream.read(TIMEOUT)), 0
                if not self._chunk:
                    raise LinkError("the phone ended a file transfer in the middle")
            start = self._at
            self._at = min(start + size, len(self._chunk))
            size -= self._at - start
            yield self._chunk[start : self._at]

    def content(self, path: str) -> Iterator[memoryview]:
        """A file's bytes, which were asked for."""
        while True:
            name, size = self.head(path)
            if name == b"DATA" and size <= PIECE:
                yield from self.pieces(size)
            elif name == b"DONE":
                return
            else:
                raise ProtocolError(f"the phone's file service answered {name!r}")

    def stat(self, path: str, *, v2: bool) -> RemoteStat:
        """Ask what a file is; FileGoneError if it is not there, RemoteError if it can't be seen."""
        name = b"LST2" if v2 else b"STAT"
        self.send(request(name, path))
        if self.exactly(4) != name:
            raise ProtocolError("the phone's file service answered something else than asked")
        if v2:
            return _stat_v2(path, *_STAT_V2.unpack(self.exactly(_STAT_V2.size)))
        mode, size, mtime = _STAT_V1.unpack(self.exactly(_STAT_V1.size))
        if not mode:
            raise FileGoneError(f"{shown(path)} is not on the phone, or closed to its shell")
        return RemoteStat(mode, size, mtime)

    def entries(self, path: str, *, v2: bool) -> Iterator[tuple[bytes, RemoteStat]]:
        """Ask for a folder's entries; of one that can't be entered there are none."""
        self.send(request(b"LIS2" if v2 else b"LIST", path))
        form, entry = (_STAT_V2, b"DNT2") if v2 else (_STAT_V1, b"DENT")
        while True:
            name = self.exactly(4)
            fields = form.unpack(self.exactly(form.size))
            (length,) = struct.unpack("<I", self.exactly(4))
            if name == b"DONE":
                return
            if name != entry or length > 1024:
                raise ProtocolError(f"the phone's file service answered {name!r}")
            raw = self.exactly(length)
            if not v2:
                yield raw, RemoteStat(*fields)
            elif not fields[0]:  # else it vanished while it was looked at
                yield raw, _stat_v2(path, *fields)


def request(name: bytes, path: str) -> bytes:
    """A request as it is sent: four letters, a length, the path."""
    raw = path.encode("utf-8", "surrogateescape")
    return _HEAD.pack(name, len(raw)) + raw


def data(piece: bytes) -> bytes:
    """Some of a file's bytes as they are sent."""
    return _HEAD.pack(b"DATA", len(piece)) + piece


def done(mtime_s: int) -> bytes:
    """The end of a file that was sent."""
    return _HEAD.pack(b"DONE", mtime_s)


def failure(path: str, words: str) -> PhoneError:
    """What adbd said against a path, as an error."""
    if "No such file" in words:
        return FileGoneError(f"{shown(path)} is not on the phone")
    return RemoteError(f"{shown(path)}: {shown(words)}", stderr=words)


def _stat_v2(path: str, error: int, *fields: int) -> RemoteStat:
    _, inode, mode, _, _, _, size, _, mtime, _ = fields
    if error in (errno.ENOENT, errno.ENOTDIR):
        raise FileGoneError(f"{shown(path)} is not on the phone")
    if error:
        words = os.strerror(error)
        raise RemoteError(f"{shown(path)}: {words}", code=error, stderr=words)
    return RemoteStat(mode, size, mtime, inode)
