"""The folder of recordings: bytes go in whole, once, under a name of their own, and stay.

A file is written as ``.NAME.ID.part`` in the folder where it will be, hashed on the way, flushed
to the disk, made read-only and only then given its name, never over another file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from agent.archive.names import numbered
from agent.errors import ArchiveError, BusyError, DiskFullError, IntegrityError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: What an operating system says of what this user may not write.
CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_CLOSED_HINT = "Make that folder writable for its owner, who has to run Offhook."
_DISK_HINT = "Look after its disk: is it still there, and whole?"
_HINTS: dict[int | None, str] = {
    errno.EACCES: _CLOSED_HINT,
    errno.EPERM: _CLOSED_HINT,
    errno.EROFS: "Its disk is mounted read-only, as after an error on it: mount it to be written.",
    **dict.fromkeys((errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE), _DISK_HINT),
}
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_FLUSH = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_CHUNK = 1 << 20
_RESERVE = 32 << 20  # bytes that no recording takes
_MOST = 1 << 30  # bytes of a file whose size nobody knows
_FLUSHERS = 8  # files that are flushed at once


class LongNameError(ArchiveError):
    """The disk takes no name that is so long."""


class Part:
    """Bytes on their way into the archive; :meth:`discard` it unless it was placed.

    One to ``keep`` has bytes that are nowhere else: it is only closed by :meth:`discard`, and by
    an error, after which it ends where the last whole write did.
    """

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        self.path = path
        self.keep = keep
        self.size = 0
        self._hash = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with disk_errors(path):
            self._fd: int | None = os.open(path, flags, 0o600)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written: it was sealed or discarded."""
        return self._fd is None

    @property
    def sha256(self) -> str:
        """The SHA-256, in hexadecimal, of what was written so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes; a full disk is a DiskFullError, and nothing stays behind."""
        if self._fd is None:
            raise ValueError("this part is sealed")
        try:
            with disk_errors(self.path):
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._fd, view) :]
        except ArchiveError:
            if self.keep and self._fd is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self.size)
            self.discard()
            raise
        self._hash.update(chunk)
        self.size += len(chunk)

    @classmethod
    def reopen(cls, path: Path) -> Part:
        """A part to keep that a program left when it died, as it lies there."""
        part = cls.__new__(cls)
        part.path, part.keep = path, True
        with disk_errors(path):
            # It may have been sealed: read-only, also for its owner.
            reading = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.fchmod(reading, 0o600)
            finally:
                os.close(reading)
            part._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                part.size = os.lseek(part._fd, 0, os.SEEK_END)
                part._rehash()
            except BaseException:
                part._close()
                raise
        return part

    def flush(self) -> None:
        """Have on the disk what was written so far."""
        if self._fd is not None:
            with disk_errors(self.path):
                _datasync(self._fd)

    def patch(self, at: int, data: bytes) -> None:
        """Write over bytes that were written; the hash is of all of them, read again."""
        if self._fd is None:
            raise ValueError("this part is sealed")
        with disk_errors(self.path):
            os.pwrite(self._fd, data, at)
            self._rehash()

    def cut(self, size: int) -> None:
        """Keep only the first ``size`` bytes."""
        if self._fd is None:
            raise ValueError("this part is sealed")
        with disk_errors(self.path):
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)
            self._rehash()
        self.size = size

    def _rehash(self) -> None:
        with self.path.open("rb") as file:
            self._hash = hashlib.file_digest(file, hashlib.sha256)

    def restart(self) -> None:
        """Forget what was written: the file comes anew."""
        if self._fd is not None:
            with disk_errors(self.path):
                os.ftruncate(self._fd, 0)
                os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0
        self._hash = hashlib.sha256()

    def seal(self, mtime_ns: int | None = None) -> None:
        """Flush to the disk, make read-only, take over the original's mtime."""
        if self._fd is None:
            return
        try:
            with disk_errors(self.path):
                os.fchmod(self._fd, 0o400)
                if mtime_ns is not None:
                    with contextlib.suppress(OverflowError, OSError):
                        os.utime(self._fd, ns=(mtime_ns, mtime_ns))
                _datasync(self._fd)
        except ArchiveError:
            self.discard()
            raise
        self._close()

    def discard(self) -> None:
        """Remove what was written; harmless when it has been placed or discarded.

        What the disk refuses to remove stays until the archive is opened for writing again: that
        must not hide the error because of which it is discarded.
        """
        self._close()
        if self.keep:
            return
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


class Store:
    """The archive's folder of recordings; paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._safe: set[Path] = set()  # folders whose own names are on the disk, by this run
        self._device: int | None = None
        self._tops: set[str] = set()  # names in it, by which it is known again

    def make(self) -> None:
        """Make the folder where there is none; OSError, and ArchiveError for a link to nothing."""
        try:
            self.root.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:
            if not self.root.is_symlink() or self.root.exists():
                raise
            raise ArchiveError(
                f"{self.root} is a link to {self.root.readlink()}, which is not there",
                hint="Is that on a disk that is not mounted? If it is gone for good, remove the link.",
            ) from error

    def hold(self, *, filled: bool) -> None:
        """Remember which disk it is on. ArchiveError where it has nothing, and should be
        ``filled``: then it is the folder over which a disk is mounted at other times."""
        self._device, self._tops = self._device_now(), self._names()
        if filled and not self._tops:
            raise ArchiveError(
                f"{self.root} is empty, and there are recordings in the index",
                hint="Is it on a disk that is not mounted? If its files are lost for good, make a "
                "folder in it, which says so: then `offhook verify --repair` pulls again what the "
                "phones still have.",
            )

    def _names(self) -> set[str]:
        with disk_errors(self.root):
            return {path.name for path in self.root.iterdir()} - {"lost+found"}

    def _device_now(self) -> int:
        with disk_errors(self.root):
            # With the dot, a disk that is mounted when it is needed is.
            return os.stat(os.path.join(self.root, ".")).st_dev  # noqa: PTH116, PTH118 - Path drops it

    def _stay(self) -> None:
        if self._device is None or (device := self._device_now()) == self._device:
            return
        # One that was mounted again may have another number: a USB disk, a network's.
        if not self._tops & self._names():
            raise ArchiveError(
                f"{self.root} is on another disk than it was",
                hint="Mount its disk again; nothing is filed until then.",
            )
        self._device = device
        self._safe.clear()

    def locate(self, path: PurePosixPath | str) -> Path:
        """Where ``path`` is on the disk; ArchiveError if it would be outside the archive."""
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise ArchiveError(f"{str(path)!r} is not a path inside the archive")
        return self.root / relative

    def begin(self, path: PurePosixPath, *, keep: bool = False) -> Part:
        """A part for what may become ``path``, in the folder where that is."""
        self._stay()
        path = self._enterable(path)
        final = self.locate(path)
        with disk_errors(final.parent):
            self._make_folder(final.parent)
        self._tops.add(path.parts[0])
        return Part(final.with_name(f".{final.name}.{secrets.token_hex(4)}.part"), keep=keep)

    def prove(self) -> None:
        """Take a small file, and remove it. Where the folder takes none at all, an ArchiveError
        says why; it names no file."""
        self._stay()
        tried = self.root / f".{secrets.token_hex(4)}.part"
        with disk_errors(self.root, folder=True):
            tried.mkdir(mode=0o700)
            try:
                one, other = tried / ".a.part", tried / ".b.part"
                fd = os.open(one, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    os.write(fd, b"offhook")
                    _datasync(fd)
                finally:
                    os.close(fd)
                name_once(one, other)
                sync_folder(tried)
                other.unlink()
            finally:
                shutil.rmtree(tried, ignore_errors=True)

    def why_not(self, error: ArchiveError) -> str:
        """Why one file was not taken, in words without its name; ``error`` is what it met. What
        other files would meet, too, is raised: of a full disk, or one that is not there."""
        if isinstance(error, (BusyError, DiskFullError)):
            raise error
        self.prove()
        return f"the archive does not take it: {reason_of(error)}"

    def lacks(self, size: int) -> int:
        """How many bytes are lacking for a file of so many, if the index, and others, shall have
        room yet. 0 for one that is larger than the whole disk: that is a lie of the phone's."""
        self._stay()
        with disk_errors(self.root):
            there = shutil.disk_usage(self.root)
        return 0 if size > there.total else max(0, size + _RESERVE - there.free)

    def bound(self, size: int) -> int:
        """How many bytes may come of a file that is said to have ``size``: of one that is larger
        than the whole disk, which is a lie, no more than any recording has, and than there is
        room for."""
        with disk_errors(self.root):
            there = shutil.disk_usage(self.root)
        return size if size <= there.total else max(0, min(_MOST, there.free - _RESERVE))

    def free(self, path: PurePosixPath, taken: Collection[PurePosixPath] = ()) -> PurePosixPath:
        """``path`` if nothing has that name, or the first ``name~N`` that nothing has, and that
        is not ``taken``. The same holds for its folders, where a file has the name of one."""
        candidate = path = self._enterable(path)
        count = 1
        while candidate in taken or os.path.lexists(self.locate(candidate)):
            count += 1
            candidate = path.with_name(numbered(path.name, count))
        return candidate

    def _enterable(self, path: PurePosixPath) -> PurePosixPath:
        folder = PurePosixPath()
        for name in path.parts[:-1]:
            candidate, count = folder / name, 1
            while os.path.lexists(self.locate(candidate)) and not self.locate(candidate).is_dir():
                count += 1
                candidate = folder / numbered(name, count)
            folder = candidate
        return folder / path.name

    def place(self, part: Part, path: PurePosixPath, *, sync: bool = True) -> bool:
        """Give a sealed part its name; False, and no change, if something has that name.

        Without ``sync``, the caller flushes the folder.
        """
        final = self.locate(path)
        with disk_errors(final):
            # What its sound tells may put it into another folder, which nobody made yet.
            self._make_folder(final.parent)
            if not name_once(part.path, final):
                return False
            if sync:
                sync_folder(final.parent)
        return True

    def place_again(self, part: Part, path: PurePosixPath) -> None:
        """Put a sealed part where a filed recording was, and is not any more."""
        if not self.place(part, path):
            raise ArchiveError("it can't be put back: something else has its name")

    def clean(self, kept: Collection[Path] = ()) -> list[Path]:
        """Remove the parts that a run left when it died, but for those that are to be kept; only
        the writer may."""
        stale = sorted(path for path in self.root.rglob(".*.part") if path not in kept)
        for path in reversed(stale):
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):  # one that is not ours has something in it
                    path.rmdir()
                continue
            with contextlib.suppress(FileNotFoundError), disk_errors(path):
                path.unlink()
        return stale

    def check(self, path: PurePosixPath | str, sha256: str) -> None:
        """Read a filed recording from the disk again; IntegrityError unless its bytes are the same."""
        final = self.locate(path)
        try:
            found = sha256_on_disk(final)
        except FileNotFoundError as error:
            raise IntegrityError(f"{path} is not in the archive's folder any more") from error
        if found != sha256:
            raise IntegrityError(f"{path} has other bytes than were filed")

    def _make_folder(self, folder: Path) -> None:
        missing = [f for f in (folder, *folder.parents) if f.is_relative_to(self.root)]
        for each in reversed(missing):
            made = False
            with contextlib.suppress(FileExistsError):
                each.mkdir(mode=0o700)
                made = True
            # One that is there already may be of a run that died before it was flushed.
            if made or each not in self._safe:
                sync_folder(each.parent)
                self._safe.add(each)


def seal_all(parts: Iterable[tuple[Part, int]]) -> None:
    """Seal parts, each with its original's mtime, side by side: a file system that is asked to
    flush several files writes its journal once for all."""
    with ThreadPoolExecutor(_FLUSHERS, thread_name_prefix="flush") as pool:
        for sealed in [pool.submit(part.seal, mtime_ns) for part, mtime_ns in parts]:
            sealed.result()


@contextlib.contextmanager
def disk_errors(path: Path, *, folder: bool = False) -> Iterator[None]:
    """Turn the operating system's errors about ``path``, a file or a ``folder``, into the
    archive's."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"no room left for {path if folder else path.parent}: {error.strerror}",
                hint="Free some space; what was not taken is still on the phone.",
            ) from error
        kind = LongNameError if error.errno == errno.ENAMETOOLONG else ArchiveError
        raise kind(f"{path}: {error.strerror or error}", hint=_HINTS.get(error.errno)) from error


def reason_of(error: ArchiveError) -> str:
    """What an error says, without the name of the file that it was met at."""
    cause = error.__cause__
    return cause.strerror or str(error) if isinstance(cause, OSError) else error.message


def sha256_of(path: Path) -> str:
    """The SHA-256, in hexadecimal, of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_on_disk(path: Path) -> str:
    """The same of what the disk has, where the system lets go of its own copy in memory."""
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a folder's entries safe from a power cut; OSError where the disk says that they are not."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some file systems (network ones) can't flush a folder; they have no more to give.
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(fd)


def _datasync(fd: int) -> None:
    getattr(os, "fdatasync", os.fsync)(fd)


def name_once(file: Path, final: Path) -> bool:
    """Rename a file; False, and no change, if something has that name. Folders are not flushed."""
    try:
        os.link(file, final, follow_symlinks=False)
    except FileExistsError:
        # A network drive may say so of the very name that it has just made, when it was asked twice.
        if not _is_same(file, final):
            return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _rename_without_links(file, final)
    file.unlink()
    return True


def _is_same(one: Path, other: Path) -> bool:
    """Whether two names are of one file."""
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _rename_without_links(file: Path, final: Path) -> bool:
    """Reserve the name with an empty file of ours, then rename over that (FAT, exFAT, some nets)."""
    try:
        os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    try:
        file.replace(final)
    except OSError:
        with contextlib.suppress(OSError):
            if final.stat().st_size == 0:  # each try would leave one
                final.unlink()
        raise
    return True
