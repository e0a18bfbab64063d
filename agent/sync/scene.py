"""What the rules of :mod:`agent.sync.settled` look at: put together out of the last scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from agent.adb.reconnect import Cancel
from agent.archive.archive import Archive
from agent.archive.sightings import Sighting
from agent.errors import LinkError, PhoneError
from agent.naming import Pattern, explain
from agent.naming.folders import below
from agent.naming.sidecar import LARGEST, Sidecar, parse
from agent.phone.files import PhoneFiles, Source
from agent.sync.pull import read_small
from agent.sync.settled import Rules, Scene, Settled, only_calls, settled
from agent.sync.spot import SIDECAR, SUFFIXES, Spotted, flat, stem

T = TypeVar("T")
_MOST_READ = 1000  # sidecars that are remembered
_SOON_MS = 1000


class Scenes:
    """The folders of one phone as they were last scanned. ``update`` changes a sighting; ``own``
    are the user's own patterns of names."""

    def __init__(
        self,
        archive: Archive,
        phone: PhoneFiles,
        rules: Rules,
        update: Callable[..., Any],
        own: Sequence[Pattern] = (),
    ) -> None:
        self._archive, self._phone, self._rules = archive, phone, rules
        self._update, self._own = update, own
        self._spotted: dict[Source, Spotted] = {}
        #: Which of two kin counts first, in whatever order they were looked through.
        self.order: dict[Source, int] = {}
        self._read: dict[tuple[int, int, int], Sidecar | None] = {}
        self._asked: dict[str, tuple[int, Any]] = {}  # what the phone said in this run, and when
        #: Files that were closed after they were written: with what size and date, when that is known.
        self._closed: dict[tuple[str, str], tuple[int, int] | None] = {}
        self._call_ms = 0  # when a call was last seen to be on
        self._idle_ms: int | None = None  # since when none has been

    def begin(self) -> None:
        """A run begins: what the phone said before is old."""
        self._asked.clear()

    def close(self, paths: Iterable[str]) -> None:
        """The phone told that these files were written and closed; before they are scanned."""
        if len(self._closed) > _MOST_READ:
            self._closed.clear()
        self._closed.update({below(path): None for path in paths})

    def keep(self, source: Source, spotted: Spotted) -> None:
        """A scan's result."""
        self._spotted[source] = spotted

    def settled(self, source: Source, sighting: Sighting, cancel: Cancel) -> Settled:
        """What its recorder's rule says of a file; LinkError when the phone is gone."""
        if only_calls(source) and not explain(sighting.path, own=self._own).is_call:
            return Settled(theirs=True)
        now = self._archive.clock()
        beside = self.sidecar_of(source, sighting)
        for file in (sighting, beside):
            if file is not None and file.unchanged_ms > now:  # our clock was turned back
                self._update(file, unchanged_ms=now)

        def quiet_s() -> float:
            if self._in_call():
                self._call_ms = self._archive.clock()
            return (now - max(sighting.unchanged_ms, min(self._call_ms, now))) / 1000

        def idle_s() -> float:
            if self._in_call():
                self._idle_ms = None
                return 0.0
            if self._idle_ms is None or self._idle_ms > now:
                self._idle_ms = now
            return (now - self._idle_ms) / 1000

        return settled(
            Scene(
                source,
                self._spotted[source],
                sighting,
                self._rules,
                (now - sighting.unchanged_ms) / 1000,
                quiet_s,
                idle_s,
                beside,
                0.0 if beside is None else (now - beside.unchanged_ms) / 1000,
                lambda: self._read_once(source, beside, cancel) if beside else None,
                {other: found for other, found in self._kin(source) if other != source},
                lambda: self._is_written(source, sighting),
                lambda: self._is_closed(sighting),
                lambda: self._still_s(sighting),
            )
        )

    def _in_call(self) -> bool:
        return self._soon("call", self._phone.in_call)

    def _is_written(self, source: Source, sighting: Sighting) -> bool:
        """Whether a program has a file open to write, as far as root can tell. Programs have other
        paths for it than we: what is below the storage is the same."""
        if not source.root:
            return False
        end = f"/{below(sighting.path)[1]}"
        return any(path.endswith(end) for path in self._soon("written", self._written))

    def _is_closed(self, sighting: Sighting) -> bool:
        """Whether a file is as it was when it was closed; what is written later is another."""
        place, now = below(sighting.path), (sighting.size, sighting.mtime_ns)
        if place in self._closed and self._closed[place] is None:
            self._closed[place] = now
        return self._closed.get(place) == now

    def _still_s(self, sighting: Sighting) -> float:
        """What is old on a phone is not waited for, where the phone's clock is to be believed."""
        unchanged_s = (self._archive.clock() - sighting.unchanged_ms) / 1000
        try:
            clock_ms = self._soon("clock", self._phone.clock_ms)
        except LinkError:
            raise
        except PhoneError:
            return unchanged_s
        return max(unchanged_s, clock_ms / 1000 - sighting.mtime_ns / 1e9)

    def _written(self) -> list[str]:
        try:
            return self._phone.written(sorted(SUFFIXES))
        except LinkError:
            raise
        except PhoneError:
            return []  # the other rules have to do

    def _soon(self, what: str, ask: Callable[[], T]) -> T:
        """The phone's answer, asked once in a second: a folder may have thousands of files."""
        asked_ms, said = self._asked.get(what, (0, None))
        if what not in self._asked or not 0 <= self._archive.clock() - asked_ms < _SOON_MS:
            said = ask()
            self._asked[what] = (self._archive.clock(), said)
        return cast(T, said)

    def sidecar_of(self, source: Source, sighting: Sighting) -> Sighting | None:
        """The sidecar beside a recording; or the one of its name in another of the recorder's
        folders, where one of the two could not be moved."""
        beside = self._spotted[source].sidecar_of(sighting)
        if beside is not None or source.atomic:
            return beside
        if "staging" in source.traits and (near := self._lengthened(source, sighting)) is not None:
            return near
        name = flat(source, stem(sighting.path)) + SIDECAR
        kin = (found.flat_sidecar(other, name) for other, found in self._kin(source))
        return next((sidecar for sidecar in kin if sidecar is not None), None)

    def _lengthened(self, source: Source, sighting: Sighting) -> Sighting | None:
        """The sidecar of a file that BCR could not move, and so not rename: it is named after the
        file, with what the call log told at the call's end."""
        spotted = self._spotted[source]
        taken = {stem(other.path) for other in spotted.recordings}
        found = [
            sidecar
            for path, sidecar in spotted.sidecars.items()
            if path.startswith(stem(sighting.path) + "_") and stem(path) not in taken
        ]
        return found[0] if len(found) == 1 else None

    def _kin(self, source: Source) -> list[tuple[Source, Spotted]]:
        """All folders of a recorder that moves its files from one to another."""
        if source.recorder is None:
            return []
        kin = [
            (other, found)
            for other, found in self._spotted.items()
            if other.recorder == source.recorder
        ]
        return sorted(kin, key=lambda one: self.order.get(one[0], len(self.order)))

    def _read_once(self, source: Source, sighting: Sighting, cancel: Cancel) -> Sidecar | None:
        """What a sidecar says, read anew only when it has changed; None where it can't be."""
        key = (sighting.id, sighting.size, sighting.mtime_ns)
        if key not in self._read:
            if len(self._read) > _MOST_READ:
                self._read.clear()
            try:
                data = read_small(
                    self._phone, sighting.path, root=source.root, cancel=cancel, most=LARGEST
                )
            except LinkError:
                raise
            except PhoneError:
                return None
            self._read[key] = parse(source.recorder, data)
        return self._read[key]
