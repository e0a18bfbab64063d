"""Spotting: from a scan of a source to what has to be done, with the states in the index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

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
    _flat_sidecars: dict[str, Sighting] | None = None
    _flat_sizes: dict[str, set[int]] | None = None

    def sidecar_of(self, sighting: Sighting) -> Sighting | None:
        """The sidecar that lies beside a recording, if there is one."""
        return self.sidecars.get(stem(sighting.path) + SIDECAR)

    def flat_sidecar(self, source: Source, name: str) -> Sighting | None:
        """The sidecar whose path is ``name`` as :func:`flat` has it; of several, the first."""
        if self._flat_sidecars is None:
            self._flat_sidecars = {}
            for path, sidecar in self.sidecars.items():
                self._flat_sidecars.setdefault(flat(source, path), sidecar)
        return self._flat_sidecars.get(name)

    def flat_sizes(self, source: Source, name: str) -> set[int]:
        """The sizes of the recordings whose path is ``name`` as :func:`flat` has it."""
        if self._flat_sizes is None:
            self._flat_sizes = defaultdict(set)
            for one in self.recordings:
                self._flat_sizes[flat(source, one.path)].add(one.size)
        return self._flat_sizes.get(name, set())


def flat(source: Source, path: str) -> str:
    """A path in a source as BCR writes it when it can't make a folder or give a name:
    ``a/b.oga`` is ``ERROR_a_b.oga``. To compare names of one recorder across its folders."""
    return path.removeprefix(source.path + "/").replace("/", "_").removeprefix("ERROR_")


def spot(
    archive: Archive,
    serial: str,
    source: Source,
    files: Iterable[RemoteFile],
    *,
    whole: bool = True,
) -> Spotted:
    """Bring the sightings of a source up to date with a scan of it, and sort them. Of one that is
    not ``whole``, nothing is concluded to be gone."""
    now = archive.clock()
    with archive.reading() as db:
        known = sightings.current(db, serial, source.name)
    spotted = Spotted()
    wanted: dict[str, RemoteFile] = {}
    sidecars: set[str] = set()
    for file in files:
        kind = kind_of(file.path)
        if kind is None:
            if file.path.endswith(LOG) and not file.path.endswith(f"/{_CRASH}{LOG}"):
                spotted.logs.add(file.path.removesuffix(LOG))
        elif file.path in known or not source.leaves(file):
            wanted[file.path] = _bounded(file)
            if kind == "sidecar":
                sidecars.add(file.path)
    fresh: list[RemoteFile] = []
    changed: list[tuple[Sighting, RemoteFile]] = []
    back: list[Sighting] = []
    for path, file in wanted.items():
        sighting = known.get(path)
        if sighting is None:
            fresh.append(file)
        elif sighting.size != file.size or sighting.mtime_ns != file.mtime_ns:
            changed.append((sighting, file))
        elif sighting.gone_ms is not None:
            back.append(sighting)
    missing = known.items() if whole else ()
    gone = [s for path, s in missing if path not in wanted and s.gone_ms is None]
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
        if path in sidecars:
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
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    if dot < 0 or name[0] == ".":
        return None
    # A recorder of CyanogenMod's ends its names with a space.
    suffix = name[dot:].lower().rstrip(" ")
    if suffix in SUFFIXES:
        return "recording"
    return "sidecar" if suffix == SIDECAR else None


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
    return file._replace(
        size=min(max(file.size, 0), _INT64),
        mtime_ns=min(max(file.mtime_ns, -_INT64), _INT64),
    )
