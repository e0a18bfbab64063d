"""Spotting: from a scan of a source to what has to be done, with the states in the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlite_utils import Database

from agent.archive import sightings
from agent.archive.archive import Archive
from agent.archive.sightings import Sighting
from agent.phone.files import RemoteFile, Source

SUFFIXES = frozenset(
    [
        ".wav",
        ".oga",
        ".ogg",
        ".opus",
        ".m4a",
        ".mp4",
        ".aac",
        ".mp3",
        ".amr",
        ".awb",
        ".3gp",
        ".3gpp",
        ".3ga",
        ".flac",
        ".webm",
        ".mka",
    ]
)
SIDECAR = ".json"
LOG = ".log.txt"
_CRASH = "crash"
_INT64 = (1 << 63) - 1


@dataclass
class Spotted:
    """A source's files as a scan found them: recordings, newest first, and sidecars, by path.

    ``logs`` are the paths of the logs that BCR keeps while it records, without ``.log.txt``.
    """

    recordings: list[Sighting] = field(default_factory=list)
    sidecars: dict[str, Sighting] = field(default_factory=dict)
    logs: set[str] = field(default_factory=set)
    new: list[Sighting] = field(default_factory=list)
    gone: list[Sighting] = field(default_factory=list)

    def sidecar_of(self, sighting: Sighting) -> Sighting | None:
        """The sidecar that lies beside a recording, if there is one."""
        return self.sidecars.get(stem(sighting.path) + SIDECAR)


def flat(source: Source, path: str) -> str:
    """A path in a source as BCR writes it when it can't make a folder or give a name:
    ``a/b.oga`` is ``ERROR_a_b.oga``. To compare names of one recorder across its folders."""
    return path.removeprefix(source.path + "/").replace("/", "_").removeprefix("ERROR_")


def spot(archive: Archive, serial: str, source: Source, files: Iterable[RemoteFile]) -> Spotted:
    """Bring the sightings of a source up to date with a scan of it, and sort them."""
    now = archive.clock()
    files = list(files)
    with archive.reading() as db:
        known = sightings.current(db, serial, source.name)
    wanted = {
        file.path: _bounded(file)
        for file in files
        if kind_of(file.path) and (file.path in known or not source.leaves(file))
    }
    spotted = Spotted()
    logs = (f.path.removesuffix(LOG) for f in files if f.path.endswith(LOG))
    spotted.logs = {log for log in logs if log.rsplit("/", 1)[-1] != _CRASH}
    fresh: list[RemoteFile] = []
    changed: list[tuple[Sighting, RemoteFile]] = []
    back: list[Sighting] = []
    for path, file in wanted.items():
        sighting = known.get(path)
        if sighting is None:
            fresh.append(file)
        elif (sighting.size, sighting.mtime_ns) != (file.size, file.mtime_ns):
            changed.append((sighting, file))
        elif sighting.gone_ms is not None:
            back.append(sighting)
    gone = [s for path, s in known.items() if path not in wanted and s.gone_ms is None]
    if fresh or changed or back or gone:
        with archive.writing() as db:
            for sighting, file in changed:
                _note_change(db, serial, source, sighting, file, now)
            sightings.add(db, serial, source.name, fresh, now)
            for sighting in back:
                state = "seen" if sighting.state == "gone" else sighting.state
                sightings.update(db, sighting, now, gone_ms=None, state=state, unchanged_ms=now)
            for sighting in gone:
                if sighting.state == "filed":
                    sightings.update(db, sighting, now, gone_ms=now)
                    continue
                if kind_of(sighting.path) == "recording":
                    spotted.gone.append(sighting)
                sightings.update(db, sighting, now, gone_ms=now, state="gone")
            known = sightings.current(db, serial, source.name)
    fresh_paths = {file.path for file in fresh}
    for path in wanted:
        sighting = known[path]
        if kind_of(path) == "sidecar":
            spotted.sidecars[path] = sighting
            continue
        spotted.recordings.append(sighting)
        if path in fresh_paths:
            spotted.new.append(sighting)
    spotted.recordings.sort(key=lambda s: s.mtime_ns, reverse=True)
    return spotted


def kind_of(path: str) -> str | None:
    """``recording``, ``sidecar``, or None for what sync leaves alone.

    Hidden files are what Android and recorders have not finished, or have thrown away.
    """
    name = path.rsplit("/", 1)[-1]
    if name.startswith("."):
        return None
    # A recorder of CyanogenMod's ends its names with a space.
    suffix = name[name.rfind(".") :].lower().rstrip(" ") if "." in name else ""
    if suffix == SIDECAR:
        return "sidecar"
    return "recording" if suffix in SUFFIXES else None


def stem(path: str) -> str:
    """A path without the last suffix of its name."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + name[: name.rfind(".")] if "." in name else path


def _note_change(
    db: Database, serial: str, source: Source, sighting: Sighting, file: RemoteFile, now: int
) -> None:
    if sighting.state == "filed":
        # Other bytes at the path of a recording: both are kept.
        sightings.retire(db, sighting, now)
        sightings.add(db, serial, source.name, [file], now)
        return
    sightings.update(
        db,
        sighting,
        now,
        size=file.size,
        mtime_ns=file.mtime_ns,
        state="settling",
        unchanged_ms=now,
        tries=0,
        error=None,
        next_try_ms=None,
        gone_ms=None,
    )


def _bounded(file: RemoteFile) -> RemoteFile:
    """A phone may claim any size and time; the index keeps 63 bits."""
    if 0 <= file.size <= _INT64 and abs(file.mtime_ns) <= _INT64:
        return file
    return replace(
        file,
        size=min(max(file.size, 0), _INT64),
        mtime_ns=min(max(file.mtime_ns, -_INT64), _INT64),
    )
