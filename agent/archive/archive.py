"""The archive: a folder of recordings, and the index of them.

    HOME/archive/…      the recordings, named by a template, read-only once filed
    HOME/offhook.db     the index
    HOME/offhook.lock   held by the one process that files recordings

Anyone may read, note, and add phones and calls at any time; only a writer files recordings.
An archive that can't be written can still be read.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from sqlite_utils import Database, Migrations

from agent import __version__
from agent.archive import arrivals, calls, custody, filing, joining, live, query, sightings
from agent.archive.db import Index
from agent.archive.join import Look
from agent.archive.lock import WriterLock
from agent.archive.records import Direction, Fact, Phone, Recording, storable
from agent.archive.schema import ARCHIVE, FINDING
from agent.archive.search import row_of
from agent.archive.store import Part, Store
from agent.archive.template import DEFAULT, Template
from agent.errors import ArchiveError, ConfigError, UsageError
from agent.phone.calls import LoggedCall
from agent.phone.files import RemoteFile

LOCK = "offhook.lock"


def now_ms() -> int:
    """The time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Archive:
    """An archive, to be used as a context manager.

    With ``write=True`` it is locked for filing (BusyError if somebody else has it) and what a
    killed run left half done is finished or removed, but for what it recorded here itself
    (:mod:`agent.archive.live`). ``purpose`` is told to who finds it locked. ``template`` names
    what is filed from now on, and may be changed at any time. ``tell`` is told, as it is opened, of
    each file that could not be finished.
    """

    actor = f"offhook {__version__}"

    def __init__(
        self,
        home: Path,
        *,
        write: bool = False,
        purpose: str = "sync",
        clock: Callable[[], int] = now_ms,
        template: Template = DEFAULT,
        tell: Callable[[ArchiveError], None] = lambda _: None,
    ) -> None:
        self.home = home
        self.template = template
        self.clock = clock
        self.store = Store(home / "archive")
        self.lock = WriterLock(home / LOCK, purpose)
        #: Held by the thread that files; several phones share an archive.
        self.filing = threading.RLock()
        self._write, self._tell = write, tell
        self._index: Index | None = None

    def __enter__(self) -> Self:
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.store.make()
        except OSError as error:
            raise ConfigError(
                f"{self.home} can't hold an archive: {error.strerror}",
                hint="Give another folder with --home or OFFHOOK_HOME.",
            ) from error
        with contextlib.ExitStack() as undo:
            self._index = Index(self.home / "offhook.db", may_only_read=not self._write)
            undo.callback(self.close)
            self.ensure(ARCHIVE)
            self.ensure(FINDING)
            self.ensure(live.LIVE)
            self.ensure(arrivals.ARRIVALS)
            if self._write:
                self.lock.acquire()
                self.store.hold(filled=self._has_files())
                for left in filing.recover(self):
                    self._tell(left)
                self.store.clean({self.store.locate(one.part) for one in live.parts(self)})
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index and the lock."""
        if self._index is not None:
            index, self._index = self._index, None
            index.close()
        self.lock.release()

    @property
    def index(self) -> Index:
        """The database, while the archive is open."""
        if self._index is None:
            raise ValueError("the archive is not open")
        return self._index

    @property
    def read_only(self) -> bool:
        """Whether it can't be written, as on a disk mounted so: changes are a ConfigError."""
        return self.index.read_only is not None

    def ensure(self, migrations: Migrations) -> None:
        """Bring a module's own tables up to date; cheap when they are."""
        self.index.migrate(migrations)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """The database, to read from."""
        with self.index.reading() as db:
            yield db

    @contextlib.contextmanager
    def writing(self) -> Iterator[Database]:
        """A write transaction: all of it or nothing; nests."""
        with self.index.writing() as db:
            yield db

    # Phones and calls

    def add_phone(self, serial: str, **facts: str | None) -> None:
        """Note a phone (alias, model, manufacturer, android, fingerprint, abi, address).

        What is None or not given stays as it was known. An alias is one phone's; ``""`` takes it
        away.
        """
        unknown = set(facts) - set(_PHONE_FACTS)
        if unknown:
            raise TypeError(f"not facts of a phone: {sorted(unknown)}")
        given = {key: storable(value) for key, value in facts.items() if value is not None}
        now = self.clock()
        sets = "".join(f", {name} = :{name}" for name in given)
        values = {**given, "serial": storable(serial), "now": now}
        if "alias" in given:
            sets = sets.replace(":alias", "NULLIF(:alias, '')")
        with self.writing() as db:
            if given.get("alias"):
                db.execute("UPDATE phones SET alias = NULL WHERE alias = ?", [given["alias"]])
            db.execute(
                "INSERT INTO phones (serial, first_seen_ms, last_seen_ms)"
                " VALUES (:serial, :now, :now) ON CONFLICT (serial) DO NOTHING",
                {"serial": values["serial"], "now": now},
            )
            db.execute(
                f"UPDATE phones SET last_seen_ms = :now{sets} WHERE serial = :serial",  # noqa: S608
                values,
            )

    def phones(self) -> list[Phone]:
        """Every phone known, the last seen first."""
        with self.reading() as db:
            return [
                Phone(**row) for row in db.query("SELECT * FROM phones ORDER BY last_seen_ms DESC")
            ]

    def add_calls(self, serial: str, rows: Iterable[LoggedCall]) -> int:
        """Keep rows of a phone's call log; returns how many were new."""
        with self.writing() as db:
            return calls.add_calls(db, serial, rows, self.clock())

    def known_calls(self, serial: str) -> set[tuple[int, int]]:
        """The ``_id`` and date of a phone's calls that are kept with all of their columns."""
        with self.reading() as db:
            return calls.known_whole(db, serial)

    def add_look(self, serial: str, look: Look) -> None:
        """Keep what a phone's clock was, and how far back its call log went."""
        with self.writing() as db:
            calls.add_look(db, serial, look)

    def join_calls(self, serial: str, since_ms: int | None = None) -> list[Recording]:
        """Join a phone's recordings with the calls that they are of; returns those joined now."""
        return joining.join(self, serial, since_ms)

    def call_duration(self, recording: Recording) -> int | None:
        """How long the call of a recording was, in whole seconds from the answer, by the phone's
        call log; None where it was not found there."""
        with self.reading() as db:
            row = db.execute(
                "SELECT duration_s FROM calls WHERE id = ?", [recording.call_id]
            ).fetchone()
        return None if row is None else int(row[0])

    # Recordings

    def recordings(
        self,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        number: str | None = None,
        contact: str | None = None,
        direction: Direction | None = None,
        silent: bool | None = None,
        phone: str | None = None,
        limit: int | None = None,
    ) -> list[Recording]:
        """The recordings that fit every filter, newest first. ``phone``: serial or alias."""
        filters = query.Filters(
            since_ms, until_ms, number, contact, direction, silent, phone, limit
        )
        with self.reading() as db:
            return query.recordings(db, filters)

    def search(self, text: str, limit: int | None = None) -> list[Recording]:
        """The recordings whose number, contact, note or name has every word of ``text``."""
        if not text.strip():
            raise UsageError("search for what?", hint="Give a number, a name or a word of a note.")
        with self.reading() as db:
            return query.search(db, text, limit)

    def _has_files(self) -> bool:
        """Whether something should be in its folder: filed, or left by a program that died."""
        with self.reading() as db:
            (any_,) = db.execute(
                "SELECT EXISTS (SELECT 1 FROM recordings) OR EXISTS (SELECT 1 FROM filing)"
                " OR EXISTS (SELECT 1 FROM live)"
            ).fetchone()
        return bool(any_)

    def recording(self, sha256: str) -> Recording:
        """The recording with exactly this SHA-256."""
        with self.reading() as db:
            return query.by_sha256(db, sha256)

    def has(self, sha256: str) -> bool:
        """Whether these bytes are in the archive."""
        with self.reading() as db:
            found = db.execute("SELECT 1 FROM recordings WHERE sha256 = ?", [sha256]).fetchone()
        return found is not None

    def is_filed(self, serial: str, source: str, file: RemoteFile) -> bool:
        """Whether this very file of a phone, as a scan saw it, is in the archive."""
        with self.reading() as db:
            return sightings.is_filed(db, serial, source, file)

    def resolve(self, text: str) -> Recording:
        """The recording meant by ``latest``, a list number, or the start of a SHA-256."""
        with self.reading() as db:
            return query.resolve(db, text)

    def begin(self, new: filing.NewRecording, *, keep: bool = False) -> Part:
        """A part for bytes that are about to come, in the folder where they may go; see
        :class:`agent.archive.store.Part`."""
        return filing.where_it_fits(self, new, None, lambda path: self.store.begin(path, keep=keep))

    def prove(self) -> None:
        """Have the folder and the index take something, which changes nothing: an ArchiveError or
        a ConfigError says what keeps them from it."""
        self.store.prove()
        with self.writing() as db:
            db.execute("UPDATE phones SET last_seen_ms = last_seen_ms")

    def file_of(self, recording: Recording) -> Path:
        """Where a recording's bytes are."""
        return self.store.locate(recording.path)

    def set_note(self, sha256: str, note: str) -> None:
        """Set a recording's note; an empty one removes it."""
        with self.writing():
            before = self.recording(sha256).note
            self.change(sha256, {}, note=storable(note) or None)
            self.log("note changed", sha256=sha256, detail={"before": before, "after": note})

    def change(
        self, sha256: str, facts: Mapping[str, Fact], *, drop: Iterable[str] = (), **columns: Any
    ) -> None:
        """Add facts to a recording, with the columns they fill, and set other columns; ``drop``
        facts, and what they filled, before.

        What search reads follows. The custody log is the caller's.
        """
        with self.writing() as db:
            row = next(iter(db.query("SELECT * FROM recordings WHERE sha256 = ?", [sha256])))
            kept = json.loads(row["facts"])
            gone = [name for name in drop if kept.pop(name, None) is not None]
            emptied = {name: None for name in gone if name in filing.FACT_COLUMNS}
            kept.update({name: fact.as_dict() for name, fact in facts.items()})
            values = {
                **emptied,
                **columns,
                **filing.columns_of(facts),
                "facts": json.dumps(kept),
            }
            sets = ", ".join(f"{name} = :{name}" for name in values)
            db.execute(
                f"UPDATE recordings SET {sets} WHERE sha256 = :sha256",  # noqa: S608
                {**values, "sha256": sha256},
            )
            changed = {**row, **values}
            db.execute("DELETE FROM search WHERE rowid = ?", [row["id"]])
            filing.index_text(db, row["id"], row_of(changed))

    # The custody log

    def log(
        self,
        action: str,
        *,
        sha256: str | None = None,
        phone: str | None = None,
        path: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an entry to the custody log, in the transaction that is open, if one is; its number.

        An entry about a recording seals its row as it is then: change first, then log.
        """
        with self.writing() as db:
            if sha256 is not None and (row := custody.row_seal(db, sha256)) is not None:
                detail = {**(detail or {}), "row": row}
            return custody.append(
                db,
                action,
                actor=self.actor,
                at_ms=self.clock(),
                sha256=sha256,
                phone=phone,
                path=path,
                detail=detail,
            )

    def custody_of(self, sha256: str) -> list[custody.Entry]:
        """What was done with a recording, oldest first."""
        with self.reading() as db:
            return custody.entries(db, sha256)

    def sightings_of(self, sha256: str) -> list[dict[str, Any]]:
        """Where a recording was seen, on phones and then on this computer, first sighting first;
        paths as shown text."""
        with self.reading() as db:
            return sightings.of_recording(db, sha256) + arrivals.of_recording(db, sha256)

    def verify_chain(self) -> list[str]:
        """What is wrong with the custody log, in words; empty when it is whole."""
        with self.reading() as db:
            return custody.verify_chain(db)


_PHONE_FACTS = ("alias", "model", "manufacturer", "android", "fingerprint", "abi", "address")
