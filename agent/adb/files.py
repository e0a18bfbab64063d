"""File transfer as adbd's user, by ADB's sync protocol.

Source: AOSP packages/modules/adb/SYNC.TXT. A request is four letters, a length, a path; data
comes in pieces of at most 64 KiB. What only root may read goes through :mod:`agent.phone.root`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Self

from agent.adb.link import Link, Stream
from agent.errors import FileGoneError, LinkError, LinkTimeout, ProtocolError, RemoteError
from agent.text import shown

_HEAD = struct.Struct("<4sI")
_PIECE = 64 * 1024
_TIMEOUT = 30.0


class _Sync:
    """A ``sync:`` stream, read exactly."""

    def __init__(self, link: Link) -> None:
        self._stream: Stream = link.open("sync:", _TIMEOUT)
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def request(self, name: bytes, data: bytes) -> None:
        self._stream.write(_HEAD.pack(name, len(data)) + data, _TIMEOUT)

    def send(self, data: bytes) -> None:
        self._stream.write(data, _TIMEOUT)

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = self._stream.read(_TIMEOUT)
            if not chunk:
                raise LinkError("the phone ended a file transfer in the middle")
            self._buffer += chunk
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def answer(self, path: str) -> tuple[bytes, int]:
        """The next head; a FAIL is raised as what it says."""
        name, value = _HEAD.unpack(self.exactly(_HEAD.size))
        if name == b"FAIL":
            words = self.exactly(min(value, 4096)).decode("utf-8", "replace")
            if "No such file" in words:
                raise FileGoneError(f"{shown(path)} is not on the phone")
            raise RemoteError(f"{shown(path)}: {shown(words)}", stderr=words)
        return name, value


def pull(link: Link, path: str) -> Iterator[bytes]:
    """The bytes of a file that adbd's user may read, in chunks.

    FileGoneError when it is not there, RemoteError when the phone refuses.
    """
    with _Sync(link) as sync:
        sync.request(b"RECV", path.encode("utf-8", "surrogateescape"))
        while True:
            name, value = sync.answer(path)
            if name == b"DONE":
                return
            if name != b"DATA" or value > _PIECE:
                raise ProtocolError(f"the phone's file service answered {name!r}")
            yield sync.exactly(value)


def push(link: Link, data: bytes, path: str, mode: int) -> None:
    """Write a file as adbd's user; RemoteError with the phone's words when it could not.

    adbd gives group and others what ``mode`` gives the owner: nothing private goes this way.
    """
    with _Sync(link) as sync:
        target = path.encode("utf-8", "surrogateescape") + b"," + str(0o100000 | mode).encode()
        sync.request(b"SEND", target)
        try:
            for start in range(0, len(data), _PIECE):
                sync.request(b"DATA", data[start : start + _PIECE])
            sync.send(_HEAD.pack(b"DONE", int(time.time())))
        except LinkTimeout:
            raise
        except LinkError:
            if not link.alive:
                raise
            # adbd refused and closed: what it says comes next.
        name, _ = sync.answer(path)
        if name != b"OKAY":
            raise ProtocolError(f"the phone's file service answered {name!r}")
