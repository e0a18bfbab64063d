"""Jobs of tests.benches.child that need an archive: what `sync` and `watch` are made of.

Each returns what came of it, or that and its own seconds, where not all of it is what is measured.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

from sqlite_utils import Database

from agent.adb import shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import load_signer
from agent.adb.link import Link
from agent.archive import Archive, filing
from agent.archive.filing import NewRecording
from agent.archive.search import row_of
from agent.archive.store import Part
from agent.naming import explain
from agent.phone.files import SHARED, Source
from agent.phone.listing import PROBE, Listing, gathers, how
from agent.phone.phone import Phone
from agent.sync import Rules, SyncEngine, engine
from agent.sync.describe import describe
from agent.sync.folders import chosen_sources
from agent.sync.named import place_of
from agent.sync.spot import spot

_SOUND = {
    "duration_s": 98.4,
    "format": "mp3",
    "codec": "mp3",
    "rate": 16000,
    "channels": 1,
    "levels": [{"peak_dbfs": -3.0, "rms_dbfs": -20.0, "silence": 0.2, "clipped": 0.0}],
    "silent": 0,
    "silent_channels": [],
}


def fill(spec: dict[str, Any]) -> int:
    """Give the archive all recordings that are in the phone's chosen folders.

    The sightings are of a real listing, by the archive's own code, and so are a recording's row
    and what search reads; but the rows are written at once, nothing is pulled, measured or
    flushed, and the custody log is left out: filing 100,000 files for real takes minutes.
    """
    filed = 0
    with _phone(spec) as phone, Archive(Path(spec["home"]), write=True) as archive:
        for source in chosen_sources(archive, phone.serial):
            spotted = spot(archive, phone.serial, source, phone.scan(source))
            calls = (
                one
                for one in spotted.recordings
                if SHARED not in source.traits or explain(one.path).is_call
            )
            with archive.writing() as db:
                for sighting in calls:
                    new = describe(source, sighting, None, place_of(phone.facts))
                    new.sound = dict(_SOUND)
                    data = os.fsencode(PurePosixPath(sighting.path).name) + b"\n"
                    _file(archive, db, new, data)
                    filed += 1
    return filed


def _file(archive: Archive, db: Database, new: NewRecording, data: bytes) -> None:
    part = SimpleNamespace(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    path = archive.store.free(filing.path_of(archive, new, part.sha256))
    final = archive.store.locate(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    final.write_bytes(data)
    final.chmod(0o400)
    row = filing._work(archive, cast("Part", part), new)["row"] | {"path": str(path)}
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    added = db.execute(f"INSERT INTO recordings ({names}) VALUES ({marks})", row)
    texts = {"number": None, "contact": None, "note": None, **row}
    filing.index_text(db, int(added.lastrowid or 0), row_of(texts))
    db.execute(
        "UPDATE sightings SET state = 'filed', sha256 = ? WHERE id = ?", [part.sha256, new.sighting]
    )


def ours_listing(spec: dict[str, Any]) -> int:
    """The phone's listings of its chosen folders alone, read and thrown away."""
    with _link(spec) as link, Archive(Path(spec["home"])) as archive:
        said = shell.run(link, PROBE).text
        (phone,) = archive.phones()
        count = 0
        for source in chosen_sources(archive, phone.serial):
            script = Listing(source.path, how(said), gather=gathers(said)).script
            with shell.spawn(link, script, size=0) as process:
                count += sum(said.count(b"\0") for said in process.output(60))
    return count


def ours_another_scan(spec: dict[str, Any]) -> tuple[int, float]:
    """Processor time of what `watch` does again and again: a scan with nothing new."""
    with _phone(spec) as phone, Archive(Path(spec["home"]), write=True) as archive:
        sources = chosen_sources(archive, phone.serial)
        again = SyncEngine(archive, phone, sources, place=place_of(phone.facts))
        again.run_once()
        again.run_once()  # what is new to it in one folder has it look at others anew
        begin = time.process_time()
        report = again.run_once()
        return report.scanned, time.process_time() - begin


def ours_sync(spec: dict[str, Any]) -> int:
    """New files, from the phone to verified and indexed."""
    with _phone(spec) as phone, _empty(spec) as archive:
        source = Source("bench", spec["paths"][0])
        new = SyncEngine(
            archive, phone, [source], rules=Rules(settle_s=0), place=place_of(phone.facts)
        )
        report = new.run_once()
        return report.pulled_bytes if report.whole else -1


def ours_sync_singly(spec: dict[str, Any]) -> int:
    """The same, each file for itself."""
    engine.batches = lambda ready, most=0: ([one] for one in ready)  # type: ignore[assignment]
    return ours_sync(spec)


@contextmanager
def _empty(spec: dict[str, Any]) -> Iterator[Archive]:
    with Archive(Path(spec["target"]) / "home", write=True) as archive:
        yield archive


def _phone(spec: dict[str, Any]) -> Phone:
    return Phone(lambda serial, timeout, named: _link(spec), "bench")


def _link(spec: dict[str, Any]) -> Link:
    return connect_tcp(*spec["address"], [load_signer(Path(spec["key"]))])
