"""The index's tables, as migrations: never edit one that was released, add the next.

A module with tables of its own (consents, settings, transcripts) has its own ``Migrations`` set
and calls :meth:`agent.archive.Archive.ensure` with it before it uses them.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

ARCHIVE = Migrations("archive")


@ARCHIVE(name="0001_first_tables")
def first_tables(db: Database) -> None:
    """Phones, recordings, calls, sightings, the custody log and what search reads."""
    for statement in _FIRST_TABLES:
        db.execute(statement)


@ARCHIVE(name="0002_calls_and_joins")
def calls_and_joins(db: Database) -> None:
    """The whole of a call's row, what the phone's clock was, and why a recording is of a call."""
    for statement in _CALLS_AND_JOINS:
        db.execute(statement)


#: What only finds sooner is a set of its own: an Offhook that does not know it has no need to.
FINDING = Migrations("finding")


@FINDING(name="0001_among_very_many")
def among_very_many(db: Database) -> None:
    """What finds a few recordings among very many: the newest, and those whose call's own times
    are known."""
    for statement in _AMONG_VERY_MANY:
        db.execute(statement)


_FIRST_TABLES = (
    """
    CREATE TABLE phones (
        serial TEXT PRIMARY KEY,
        alias TEXT, model TEXT, manufacturer TEXT, android TEXT, fingerprint TEXT, abi TEXT,
        address TEXT,
        first_seen_ms INTEGER NOT NULL,
        last_seen_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        phone TEXT NOT NULL REFERENCES phones(serial),
        log_id INTEGER NOT NULL,
        date_ms INTEGER NOT NULL,
        number TEXT NOT NULL,
        duration_s INTEGER NOT NULL,
        type INTEGER NOT NULL,
        name TEXT, presentation INTEGER, features INTEGER, sim TEXT,
        raw TEXT NOT NULL,
        added_ms INTEGER NOT NULL,
        UNIQUE (phone, log_id, date_ms, number)
    ) STRICT
    """,
    "CREATE INDEX calls_by_date ON calls (phone, date_ms)",
    """
    CREATE TABLE recordings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
        size INTEGER NOT NULL,
        path TEXT NOT NULL UNIQUE,
        original_name TEXT NOT NULL,
        phone TEXT REFERENCES phones(serial),
        source TEXT, route TEXT,
        started_ms INTEGER, ended_ms INTEGER,
        direction TEXT CHECK (direction IN ('in', 'out')),
        number TEXT, contact TEXT, sim TEXT,
        call_id INTEGER REFERENCES calls(id),
        duration_s REAL, format TEXT, codec TEXT, rate INTEGER, channels INTEGER,
        levels TEXT NOT NULL DEFAULT '[]',
        silent INTEGER, silent_channels TEXT NOT NULL DEFAULT '[]',
        problem TEXT, note TEXT,
        flags TEXT NOT NULL DEFAULT '[]',
        facts TEXT NOT NULL DEFAULT '{}',
        sidecar TEXT,
        added_ms INTEGER NOT NULL, verified_ms INTEGER
    ) STRICT
    """,
    "CREATE INDEX recordings_by_start ON recordings (started_ms)",
    "CREATE INDEX recordings_unjoined ON recordings (phone, started_ms) WHERE call_id IS NULL",
    """
    CREATE TABLE sightings (
        id INTEGER PRIMARY KEY,
        phone TEXT NOT NULL REFERENCES phones(serial),
        source TEXT NOT NULL,
        path BLOB NOT NULL, shown TEXT NOT NULL,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        current INTEGER NOT NULL DEFAULT 1,
        state TEXT NOT NULL CHECK (state IN
            ('seen', 'settling', 'pulling', 'filed', 'failed', 'gone', 'empty')),
        sha256 TEXT REFERENCES recordings(sha256),
        error TEXT, tries INTEGER NOT NULL DEFAULT 0, next_try_ms INTEGER,
        first_seen_ms INTEGER NOT NULL, unchanged_ms INTEGER NOT NULL,
        last_seen_ms INTEGER NOT NULL, gone_ms INTEGER
    ) STRICT
    """,
    "CREATE UNIQUE INDEX sightings_now ON sightings (phone, source, path) WHERE current",
    "CREATE INDEX sightings_by_recording ON sightings (sha256)",
    # A redo log: what is about to be renamed into place, so that a kill between the rename and
    # the recording's row leaves neither an unknown file nor a second copy.
    """
    CREATE TABLE filing (
        path TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL,
        work TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE custody (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
        sha256 TEXT, phone TEXT, path TEXT,
        detail TEXT NOT NULL,
        prev TEXT NOT NULL, hash TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX custody_by_recording ON custody (sha256)",
    """
    CREATE TRIGGER custody_no_update BEFORE UPDATE ON custody
    BEGIN SELECT RAISE(ABORT, 'the custody log is append-only'); END
    """,
    """
    CREATE TRIGGER custody_no_delete BEFORE DELETE ON custody
    BEGIN SELECT RAISE(ABORT, 'the custody log is append-only'); END
    """,
    # INSERT OR REPLACE would go round the trigger on DELETE.
    """
    CREATE TRIGGER custody_at_end BEFORE INSERT ON custody
    WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM custody)
    BEGIN SELECT RAISE(ABORT, 'the custody log is append-only'); END
    """,
    """
    CREATE VIRTUAL TABLE search USING fts5 (
        number, contact, note, name, tails,
        tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
    )
    """,
)

_CALLS_AND_JOINS = (
    "ALTER TABLE calls ADD COLUMN normalized TEXT",
    "ALTER TABLE calls ADD COLUMN country TEXT",
    "ALTER TABLE calls ADD COLUMN whole TEXT",
    # The number's name in the contacts, and when they were read.
    "ALTER TABLE calls ADD COLUMN contact TEXT",
    "ALTER TABLE calls ADD COLUMN contact_ms INTEGER",
    # Looks at a phone: its clock less ours, its zone, and how far back its call log went.
    """
    CREATE TABLE looks (
        id INTEGER PRIMARY KEY,
        phone TEXT NOT NULL REFERENCES phones(serial),
        at_ms INTEGER NOT NULL,
        clock_ms INTEGER, clock_error_ms INTEGER, zone TEXT,
        log_rows INTEGER, log_oldest_ms INTEGER
    ) STRICT
    """,
    "CREATE INDEX looks_by_time ON looks (phone, at_ms)",
    # A recording's calls; the one of recordings.call_id is its first. Without a call: the user
    # says that it has none.
    """
    CREATE TABLE joins (
        id INTEGER PRIMARY KEY,
        recording_id INTEGER NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
        call_id INTEGER REFERENCES calls(id),
        settled_by TEXT NOT NULL CHECK (settled_by IN ('rule', 'user')),
        score REAL, reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX joins_once ON joins (recording_id, call_id)",
    "CREATE INDEX joins_by_call ON joins (call_id)",
    """
    INSERT INTO joins (recording_id, call_id, settled_by, score, reason, at_ms)
    SELECT id, call_id, 'rule', NULL, 'joined before joins had reasons', added_ms
    FROM recordings WHERE call_id IS NOT NULL
    """,
)

_AMONG_VERY_MANY = (
    "CREATE INDEX recordings_newest ON recordings (coalesce(started_ms, added_ms), id)",
    """
    CREATE INDEX recordings_told ON recordings (phone)
    WHERE instr(facts, '"ringing_ms"') OR instr(facts, '"offhook_ms"')
    """,
)
