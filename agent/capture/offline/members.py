"""The files of a bundle or a folder, as texts. All of it is hostile: nothing is unpacked, followed
or waited for, and what is larger than a phone's dumps are is refused before it is read."""

from __future__ import annotations

import codecs
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agent.errors import UsageError
from agent.text import shown

MAX_FILE = 4 << 20
MAX_ALL = 24 << 20
MAX_FILES = 500
MAX_BUNDLE = 16 << 20
"""Bytes of one file, of all of them, files, and bytes of a bundle as it lies on the disk."""
_MAX_DEPTH = 4
_MAX_ENTRIES = 5000
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_members(path: Path, *, hint: str) -> list[tuple[str, str]]:
    """Name and text of each file of a bundle (a zip), a folder, or the one file.

    UsageError when it can't be read, is too large, or is neither file nor folder. Links and
    whatever begins with a dot, in a folder, are left out.
    """
    found, total = [], 0
    try:
        for name, data in _files(path):
            total += len(data)
            if len(data) > MAX_FILE or total > MAX_ALL:
                raise _Refused(
                    f"{shown(name)} in {shown(str(path))} is too large for a phone's dump: at most "
                    f"{MAX_FILE >> 20} MiB a file are read, {MAX_ALL >> 20} MiB in all"
                )
            found.append((name, _decoded(data)))
    except _Refused as error:
        raise UsageError(str(error), hint=hint) from None
    except OSError as error:
        words = error.strerror or str(error)
        raise UsageError(f"can't read {shown(str(path))}: {words}", hint=hint) from None
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError
    ) as error:  # fmt: skip
        raise UsageError(
            f"{shown(str(path))} is a broken zip file: {shown(str(error))[:200]}", hint=hint
        ) from None
    return found


class _Refused(Exception):  # noqa: N818 - it is caught where it becomes an error
    pass


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in _below(path):
            yield file.relative_to(path).as_posix(), _read(file)
        return
    with _open(path) as stream:
        # What only ends like a zip is a zip to Python; a phone's texts never begin so.
        if stream.read(2) != b"PK":
            stream.seek(0)
            yield path.name, stream.read(MAX_FILE + 1)
            return
        size = os.fstat(stream.fileno()).st_size
        if size > MAX_BUNDLE:
            raise _Refused(
                f"{shown(str(path))} is too large for a bundle: {size >> 20} MiB, "
                f"and at most {MAX_BUNDLE >> 20} are read"
            )
        with zipfile.ZipFile(stream) as bundle:
            yield from _in_zip(path, bundle)


def _in_zip(path: Path, bundle: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    members = [member for member in bundle.infolist() if not member.is_dir()]
    if len(members) > MAX_FILES:
        raise _Refused(f"{shown(str(path))} has more than {MAX_FILES} files")
    for member in members:
        name = shown(member.filename)[:200]
        if member.flag_bits & 1 or member.compress_type not in _PLAIN:
            raise _Refused(f"{name} in {shown(str(path))} is encrypted, or packed in another way")
        with bundle.open(member) as stream:
            yield name, stream.read(MAX_FILE + 1)  # what the zip says of the size is a claim


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    entries = 0
    waiting = [(folder, 0)]
    while waiting:
        where, depth = waiting.pop()
        with os.scandir(where) as listing:
            for entry in listing:
                entries += 1
                if entries > _MAX_ENTRIES or len(found) >= MAX_FILES:
                    raise _Refused(f"{shown(str(folder))} has more than {MAX_FILES} files")
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if depth < _MAX_DEPTH:
                        waiting.append((Path(entry.path), depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path))
    return sorted(found)


def _read(path: Path) -> bytes:
    with _open(path, os.O_NOFOLLOW) as stream:
        return stream.read(MAX_FILE + 1)


def _open(path: Path, flags: int = 0) -> IO[bytes]:
    """A file that is one: a pipe or a device would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _Refused(f"{shown(str(path))} is not a file")
    return os.fdopen(descriptor, "rb")


def _decoded(data: bytes) -> str:
    """Text as phones write it, or as a shell of Windows' redirected it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").replace("\r\n", "\n")
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
