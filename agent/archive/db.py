"""The index's database: how it is opened, changed and brought up to date.

Where nothing can be written (a backup, a disk mounted read-only), who only reads gets a copy of it
in memory: SQLite can't read a file with a write-ahead log in place without writing beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from sqlite_utils import Database, Migrations

from agent.archive.store import CLOSED, disk_errors, sync_folder
from agent.errors import ArchiveError, BusyError, ConfigError, DiskFullError

BUSY_SECONDS = 10.0


class Index:
    """``offhook.db``, opened; usable from several threads, one at a time.

    ``read_only``: where it can't be written, and need not be, why; what is read is then as it was
    when it was opened.
    """

    def __init__(
        self, path: Path, busy_seconds: float = BUSY_SECONDS, *, may_only_read: bool = False
    ) -> None:
        self.path = path
        self.guard = threading.RLock()
        self.read_only: ConfigError | None = None
        try:
            self._open(busy_seconds)
        except ConfigError as error:
            if not may_only_read or not path.is_file():
                raise
            with sqlite_errors(path), disk_errors(path):
                self.db = Database(_in_memory(path, busy_seconds), execute_plugins=False)
            self.read_only = error

    def _open(self, busy_seconds: float) -> None:
        path = self.path
        with _closed_to_us(path), disk_errors(path):
            # SQLite gives its -wal and -shm files the mode of the database.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with sqlite_errors(path):
            connection = sqlite3.connect(path, timeout=busy_seconds, check_same_thread=False)
            try:
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                    connection.execute(f"PRAGMA {pragma}")
                self.db = Database(connection, execute_plugins=False)
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """Close the database."""
        with self.guard:
            self.db.conn.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """The database, to read from."""
        with self.guard, sqlite_errors(self.path):
            yield self.db

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Database]:
        """The database as it is at this moment, whatever another program writes meanwhile."""
        with self.reading() as db:
            if db.conn.in_transaction:
                yield db
                return
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.conn.rollback()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Database]:
        """A write transaction: all of it, or nothing. Inside another one, a part of that."""
        if self.read_only is not None:
            raise ConfigError(self.read_only.message, hint=self.read_only.hint)
        with self.guard, sqlite_errors(self.path):
            connection = self.db.conn
            if connection.in_transaction:
                yield self.db
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    def migrate(self, migrations: Migrations) -> None:
        """Apply what is pending; a database with recordings or phones is copied aside first, unless
        a module only brings its first tables, and touches nothing that is there."""
        with self.reading() as db:
            if not migrations.pending(db):
                self._refuse_newer(migrations, db)
                return
            if self.read_only is not None:  # in memory alone
                migrations.apply(db)
                return
        lock = self.path.with_suffix(".migrate-lock")
        with _closed_to_us(lock), disk_errors(lock):
            fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        opened = os.fdopen(fd, "w")
        with disk_errors(lock), opened as file, self.guard, sqlite_errors(self.path):
            fcntl.flock(file, fcntl.LOCK_EX)
            pending = migrations.pending(self.db)
            if pending and migrations.applied(self.db) and self._has_rows():
                self._copy_aside(f"{migrations.name}-{pending[0].name}")
            migrations.apply(self.db)

    def _refuse_newer(self, migrations: Migrations, db: Database) -> None:
        known = {migration.name for migration in migrations._migrations}
        unknown = [m.name for m in migrations.applied(db) if m.name not in known]
        if unknown:
            raise ArchiveError(
                f"{self.path} was changed by a newer Offhook ({unknown[-1]})",
                hint="Update Offhook, or use the copy that the newer one made beside it.",
            )

    def _has_rows(self) -> bool:
        names = set(self.db.table_names())
        return any(
            name in names and self.db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()  # noqa: S608
            for name in ("recordings", "phones")
        )

    def _copy_aside(self, label: str) -> None:
        copy = self.path.with_name(f"{self.path.stem}-before-{label}.db")
        part = copy.with_suffix(".part")
        with disk_errors(copy):
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with contextlib.closing(sqlite3.connect(part)) as target:
                self.db.conn.backup(target)
            part.replace(copy)
            sync_folder(copy.parent)


def _in_memory(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A copy of a database that can't be written, with what is still in its write-ahead log."""
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        try:  # somebody else may be writing it, by a way of his own
            _copy(path, "mode=ro", copy, busy_seconds)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NOT_BESIDE:
                raise
            log = path.with_name(path.name + "-wal")
            if not log.exists() or not log.stat().st_size:
                _copy(path, "immutable=1", copy, busy_seconds)
                return copy
            # A killed program's, and nobody has it open: that would leave an index of the log.
            with tempfile.TemporaryDirectory(prefix="offhook-") as folder:
                for file in (path, log):
                    shutil.copyfile(file, Path(folder, file.name))
                _copy(Path(folder, path.name), "mode=rw", copy, busy_seconds)
    except BaseException:
        copy.close()
        raise
    return copy


_NOT_BESIDE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _copy(path: Path, how: str, to: sqlite3.Connection, busy_seconds: float) -> None:
    address = f"{path.absolute().as_uri()}?{how}"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=busy_seconds)) as source:
        source.backup(to)


def _read_only(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} can't be written: {why}",
        hint="Its owner has to be able to write there; `list`, `search`, `show` and `play` only "
        "read. Give another folder with --home or OFFHOOK_HOME.",
    )


@contextlib.contextmanager
def _closed_to_us(path: Path) -> Iterator[None]:
    """Say of a folder or a file that this user may not write what to do about it."""
    try:
        yield
    except ArchiveError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in CLOSED:
            raise _read_only(path, cause.strerror or str(cause)) from error
        raise


@contextlib.contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the archive's."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError(
                f"another program keeps {path} locked", hint="Close what has it open."
            ) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise _read_only(path, str(error)) from error
        if code == sqlite3.SQLITE_FULL:
            raise DiskFullError(
                f"no room left for {path}",
                hint="Free some space; what was not taken is still on the phone.",
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise ArchiveError(
                f"{path} is damaged: {error}",
                hint="Move it away and restore a copy; the recordings themselves are untouched.",
            ) from error
        raise ArchiveError(f"{path}: {error}") from error
