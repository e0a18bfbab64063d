"""The index's database: how it is opened, changed and brought up to date."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from sqlite_utils import Database, Migrations

from agent.archive.store import CLOSED, disk_errors, sync_folder
from agent.errors import ArchiveError, BusyError, ConfigError, DiskFullError

BUSY_SECONDS = 10.0


class Index:
    """``offhook.db``, opened; usable from several threads, one at a time."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.guard = threading.RLock()
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
    def writing(self) -> Iterator[Database]:
        """A write transaction: all of it, or nothing. Inside another one, a part of that."""
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
        """Apply what is pending; a database with recordings or phones is copied aside first."""
        with self.reading() as db:
            if not migrations.pending(db):
                self._refuse_newer(migrations, db)
                return
        lock = self.path.with_suffix(".migrate-lock")
        with _closed_to_us(lock), disk_errors(lock):
            fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        opened = os.fdopen(fd, "w")
        with disk_errors(lock), opened as file, self.guard, sqlite_errors(self.path):
            fcntl.flock(file, fcntl.LOCK_EX)
            pending = migrations.pending(self.db)
            if pending and self._has_rows():
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


def _read_only(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} can't be written: {why}",
        hint="The archive's owner has to be able to write there, also to read it. "
        "Give another folder with --home or OFFHOOK_HOME.",
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
