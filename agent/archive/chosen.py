"""Which folders of a phone the user has chosen to be pulled, and which not: a choice for each
folder that was shown. What was never shown is not chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from agent.archive.records import storable
from agent.phone.files import path_bytes, path_text
from agent.text import shown

if TYPE_CHECKING:
    from agent.archive.archive import Archive

CHOSEN = Migrations("chosen")


@CHOSEN(name="0001_folders")
def _first(db: Database) -> None:
    db.execute(
        """
        CREATE TABLE folders (
            phone TEXT NOT NULL REFERENCES phones(serial),
            path BLOB NOT NULL,
            root INTEGER NOT NULL,
            chosen INTEGER NOT NULL,
            at_ms INTEGER NOT NULL,
            PRIMARY KEY (phone, path)
        ) STRICT
        """
    )


@dataclass(frozen=True)
class Choice:
    """A folder on a phone that the user was shown. ``root``: only root can enter it."""

    path: str
    root: bool
    chosen: bool


def choices(archive: Archive, phone: str) -> list[Choice]:
    """What the user has said of a phone's folders; nothing where nobody was asked yet."""
    archive.ensure(CHOSEN)
    with archive.reading() as db:
        rows = db.execute(
            "SELECT path, root, chosen FROM folders WHERE phone = ? ORDER BY path", [phone]
        )
        return [Choice(path_text(path), bool(root), bool(on)) for path, root, on in rows]


def choose(archive: Archive, phone: str, said: Iterable[Choice]) -> None:
    """Keep what the user says; each change is in the custody log."""
    archive.ensure(CHOSEN)
    with archive.writing() as db:
        before = {choice.path: choice.chosen for choice in choices(archive, phone)}
        for one in said:
            db.execute(
                "INSERT OR REPLACE INTO folders (phone, path, root, chosen, at_ms)"
                " VALUES (?, ?, ?, ?, ?)",
                [phone, path_bytes(one.path), one.root, one.chosen, archive.clock()],
            )
            if before.get(one.path, False) != one.chosen:
                archive.log(
                    "folder chosen" if one.chosen else "folder left alone",
                    phone=phone,
                    path=storable(shown(one.path)),
                )
