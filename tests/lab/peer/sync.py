"""The peer's file service: ADB's sync protocol, versions 1 and 2, on the host's files.

Source: AOSP packages/modules/adb, SYNC.TXT, file_sync_protocol.h and daemon/file_sync_service.cpp.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.lab.peer.streams import PeerStream

_HEAD = struct.Struct("<4sI")
_STAT_1 = struct.Struct("<4s3I")
_STAT_2 = struct.Struct("<4sI2Q4IQ3q")
_DENT_1 = struct.Struct("<4s4I")
_DENT_2 = struct.Struct("<4sI2Q4IQ3qI")
_PIECE = 64 * 1024
_MASK = 0xFFFFFFFF


class SyncService:
    """One ``sync:`` stream; ``closed`` is a path where it may do nothing."""

    def __init__(self, closed: Path | None) -> None:
        self._closed = closed
        self._held = bytearray()

    def serve(self, stream: PeerStream) -> None:
        self._stream = stream
        while True:
            name, length = _HEAD.unpack(self._exactly(_HEAD.size))
            assert length <= 4096, "the client's sync request is too long"
            path = self._exactly(length).decode("utf-8", "surrogateescape")
            match name:
                case b"STAT":
                    self._stat_1(path)
                case b"STA2" | b"LST2":
                    self._stat_2(name, path)
                case b"LIST":
                    self._list_1(path)
                case b"LIS2":
                    self._list_2(path)
                case b"RECV":
                    if not self._receive(path):
                        return
                case b"RCV2":
                    assert struct.unpack("<4sI", self._exactly(8)) == (b"RCV2", 0)
                    if not self._receive(path):
                        return
                case b"SEND":
                    target, _, mode = path.rpartition(",")
                    if not self._send(target, int(mode)):
                        return
                case b"SND2":
                    again, mode, flags = struct.unpack("<4sII", self._exactly(12))
                    assert (again, flags) == (b"SND2", 0)
                    if not self._send(path, mode):
                        return
                case b"QUIT":
                    return
                case _:
                    self._fail(f"unknown command {name!r}")
                    return

    def _exactly(self, size: int) -> bytes:
        return self._stream.exactly(size, self._held)

    def _fail(self, words: str) -> None:
        raw = words.encode()
        self._stream.write(_HEAD.pack(b"FAIL", len(raw)) + raw)

    def _allow(self, path: str) -> None:
        if self._closed is not None and Path(path).is_relative_to(self._closed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    # What a path is

    def _info(self, path: str, *, follow: bool) -> os.stat_result:
        if self._closed is not None and Path(path) != self._closed:
            self._allow(path)
        return os.stat(path, follow_symlinks=follow)  # noqa: PTH116 - a name of any bytes

    def _stat_1(self, path: str) -> None:
        try:
            info = self._info(path, follow=False)
        except OSError:
            self._stream.write(_STAT_1.pack(b"STAT", 0, 0, 0))
        else:
            self._stream.write(
                _STAT_1.pack(b"STAT", info.st_mode, info.st_size & _MASK, int(info.st_mtime))
            )

    def _stat_2(self, name: bytes, path: str) -> None:
        try:
            info = self._info(path, follow=name == b"STA2")
        except OSError as error:
            self._stream.write(_STAT_2.pack(name, error.errno or 0, *[0] * 10))
        else:
            self._stream.write(_STAT_2.pack(name, 0, *_fields(info)))

    def _entries(self, path: str) -> Iterator[tuple[bytes, os.stat_result | None]]:
        try:
            self._allow(path)
            names = sorted(os.listdir(os.fsencode(path)))  # noqa: PTH208 - names of any bytes
        except OSError:
            return  # adbd gives an empty list
        for name in (b".", b"..", *names):
            try:
                yield name, os.lstat(os.path.join(os.fsencode(path), name))  # noqa: PTH118
            except OSError:
                yield name, None

    def _list_1(self, path: str) -> None:
        for name, info in self._entries(path):
            if info is not None:
                numbers = info.st_mode, info.st_size & _MASK, int(info.st_mtime), len(name)
                self._stream.write(_DENT_1.pack(b"DENT", *numbers) + name)
        self._stream.write(_DENT_1.pack(b"DONE", 0, 0, 0, 0))

    def _list_2(self, path: str) -> None:
        for name, info in self._entries(path):
            numbers = (errno.ENOENT, *[0] * 10) if info is None else (0, *_fields(info))
            self._stream.write(_DENT_2.pack(b"DNT2", *numbers, len(name)) + name)
        self._stream.write(_DENT_2.pack(b"DONE", *[0] * 12))

    # Bytes. After a FAIL, adbd ends the stream.

    def _receive(self, path: str) -> bool:
        try:
            self._allow(path)
            file = open(path, "rb")  # noqa: PTH123, SIM115
        except OSError as error:
            self._fail(f"open failed: {error.strerror}")
            return False
        with file:
            try:
                while data := file.read(_PIECE):
                    self._stream.write(_HEAD.pack(b"DATA", len(data)) + data)
            except IsADirectoryError as error:
                self._fail(f"read failed: {error.strerror}")
                return False
        self._stream.write(_HEAD.pack(b"DONE", 0))
        return True

    def _send(self, path: str, mode: int) -> bool:
        """Take a file; after a failure, what the client still sends is read and forgotten."""
        target = Path(path)
        file = None
        failed = False
        try:
            self._allow(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink() or not target.is_dir():
                target.unlink(missing_ok=True)
            if not stat.S_ISLNK(mode):
                file = target.open("wb")
        except OSError as error:
            failed = True
            self._fail(f"couldn't create file: {error.strerror}")
        content = bytearray()
        try:
            while True:
                name, value = _HEAD.unpack(self._exactly(_HEAD.size))
                if name == b"DONE":
                    break
                assert name == b"DATA", f"the client sends {name!r} for data"
                assert value <= _PIECE, "the client's piece is too long"
                data = self._exactly(value)
                if file is not None:
                    file.write(data)
                elif not failed:
                    content += data
        finally:
            if file is not None:
                file.close()
        if failed:
            return False
        if file is None:
            target.symlink_to(os.fsdecode(bytes(content).rstrip(b"\0")))
        else:
            owner = mode >> 6 & 7  # group and others get what the owner has
            target.chmod(owner << 6 | owner << 3 | owner)
            os.utime(target, (value, value))
        self._stream.write(_HEAD.pack(b"OKAY", 0))
        return True


def _fields(info: os.stat_result) -> tuple[int, ...]:
    return (
        info.st_dev,
        info.st_ino,
        info.st_mode,
        info.st_nlink,
        info.st_uid,
        info.st_gid,
        info.st_size,
        int(info.st_atime),
        int(info.st_mtime),
        int(info.st_ctime),
    )
