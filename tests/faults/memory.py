"""A phone in memory whose files misbehave by script, and sounds to put there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import struct
import wave
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from agent.adb.reconnect import Cancel
from agent.errors import FileGoneError, LinkError, RemoteError
from agent.phone.files import Away, Listed, RemoteFile, Seen, Source

SPOOL = Source("offhook", "/spool", root=True, atomic=True, recorder="offhook")
FOLDER = Source("bcr", "/sdcard/BCR", recorder="bcr")
START_MS = 1_772_716_927_000  # 2026-03-05 13:22:07 UTC


@dataclass
class MemoryFile:
    data: bytes
    mtime_ns: int = START_MS * 1_000_000


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    ms: int = START_MS + 3_600_000

    def __call__(self) -> int:
        return self.ms

    def go(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


def _nothing(what: str) -> None:
    pass


@dataclass
class MemoryPhone:
    """PhoneFiles over a dictionary. Each fault is a dictionary from a path to what happens.

    ``drop_at``: the link breaks after so many bytes of a read, once. ``lies``: answers of the
    hash tool, used up one by one. ``writers``: paths that a program has open to write. ``comes_back``: whether the link can be mended; ``on_break`` is
    called before. ``sent`` counts the bytes of each file. ``claims``: sizes that a scan tells instead. ``on_read``:
    called once, when a read of the file has begun. ``refuses``: RemoteErrors of a read. ``away``:
    folders whose storage is not there to be looked into, and why.
    ``before_each_call`` is told of every scan, read, chunk and sha256, and may raise.
    """

    serial: str = "MEM1"
    files: dict[str, MemoryFile] = field(default_factory=dict)
    chunk: int = 1000
    drop_at: dict[str, int] = field(default_factory=dict)
    lies: dict[str, list[str]] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    on_read: dict[str, Callable[[], None]] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    away: dict[str, str | None] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    no_hash_tool: bool = False
    link_down: bool = False
    comes_back: bool = True
    calling: bool = False
    clock: Callable[[], int] = lambda: START_MS + 3_600_000
    writers: set[str] = field(default_factory=set)
    on_break: Callable[[], None] = lambda: None
    sent: Counter[str] = field(default_factory=Counter)
    reads: list[str] = field(default_factory=list)
    before_each_call: Callable[[str], None] = _nothing
    open_reads: int = 0

    def put(self, path: str, data: bytes, mtime_ms: int = START_MS) -> None:
        self.files[path] = MemoryFile(data, mtime_ms * 1_000_000)

    def scan(self, source: Source) -> list[RemoteFile]:
        self._call("scan")
        if source.path in self.away:
            return Listed(away=[Away(source.path, self.away[source.path])])
        return [
            RemoteFile(path, self.claims.get(path, len(file.data)), file.mtime_ns)
            for path, file in self.files.items()
            if path.startswith(source.path + "/")
        ]

    def scan_unless(self, seen: Seen, source: Source) -> list[RemoteFile] | None:
        files = self.scan(source)
        mark = repr((files, self.away.get(source.path, ""))).encode()
        if seen.mark == mark:
            return None
        seen.mark, seen.count = mark, len(files)
        return files

    def read(self, path: str, *, root: bool, offset: int = 0) -> Iterator[bytes]:
        self._call("read")
        self.reads.append(path)
        self.open_reads += 1
        try:
            if path in self.refuses:
                raise RemoteError(self.refuses[path])
            data = self._file(path).data[offset:]
            if path in self.on_read:
                self.on_read.pop(path)()
            sent = 0
            while sent < len(data) or path in self.endless:
                if path in self.drop_at and sent >= self.drop_at[path]:
                    del self.drop_at[path]
                    raise LinkError("the link broke")
                self._call("chunk")
                piece = data[sent : sent + self.chunk] or bytes(self.chunk)
                sent += len(piece)
                self.sent[path] += len(piece)
                yield piece
        finally:
            self.open_reads -= 1

    def reconnect(self, patience: float, cancel: Cancel) -> None:
        self.on_break()
        if not self.comes_back:
            raise LinkError("the phone stayed away")
        self._call("reconnect")

    def sha256(
        self, path: str, *, root: bool, first: int | None = None, size: int | None = None
    ) -> str:
        self._call("sha256")
        data = self._file(path).data[:first]
        if self.no_hash_tool:
            raise RemoteError("sha256sum: not found", code=127)
        if self.lies.get(path):
            return self.lies[path].pop(0)
        return hashlib.sha256(data).hexdigest()

    def read_many(
        self, paths: Sequence[str], *, root: bool
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        for path in paths:
            yield path, self.read(path, root=root)

    def sha256_many(
        self, paths: Sequence[str], *, root: bool, size: int | None = None
    ) -> list[str | None]:
        self._call("sha256_many")
        hashes: list[str | None] = []
        for path in paths:
            with contextlib.suppress(RemoteError, FileGoneError):
                hashes.append(self.sha256(path, root=root))
                continue
            hashes.append(None)
        return hashes

    def written(self, suffixes: Sequence[str]) -> list[str]:
        self._call("written")
        return [path for path in self.writers if path.endswith(tuple(suffixes))]

    def clock_ms(self) -> int:
        self._call("clock_ms")
        return self.clock()

    def in_call(self) -> bool:
        self._call("in_call")
        return self.calling

    def _file(self, path: str) -> MemoryFile:
        if path not in self.files:
            raise FileGoneError(f"{path!r} is not on the phone")
        return self.files[path]

    def _call(self, what: str) -> None:
        self.before_each_call(what)
        if self.link_down:
            raise LinkError("the link is down")


def wav(seconds: float = 0.2, *, rate: int = 8000, gains: tuple[float, ...] = (0.3, 0.2)) -> bytes:
    """A WAV file of one sine a channel; a gain of 0 is digital silence."""
    frames = round(seconds * rate)
    samples = array("h")
    for n in range(frames):
        for channel, gain in enumerate(gains):
            tone = math.sin(2 * math.pi * (300 + 140 * channel) * n / rate)
            samples.append(round(32767 * gain * tone))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(len(gains))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def distinct(number: int, size: int = 5000) -> bytes:
    """Bytes that are like no other number's; no sound that anything can decode."""
    seed = hashlib.sha256(struct.pack("<q", number)).digest()
    return (seed * (size // len(seed) + 1))[:size]


def of_unknown_kind() -> bytes:
    """An MP4 file whose sound FFmpeg finds, and has no decoder for."""
    import av
    import numpy as np

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        tone = np.sin(np.arange(1024, dtype=np.float32) / 10).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue().replace(b"mp4a", b"zzzz").replace(b"esds", b"free")
