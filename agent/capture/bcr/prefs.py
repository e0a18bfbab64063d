"""BCR's preferences: the XML that Android's SharedPreferences writes, read as hostile input.

A change replaces the bytes of its own element and leaves every other byte as it is. What is not
such a file is a :class:`PrefsError`.

The types and keys are in BCR's Preferences.kt (3.7).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.parsers import expat

RECORD = "call_recording"
METADATA = "write_metadata"
#: The two that Offhook sets.
OURS = (RECORD, METADATA)
#: Changes by itself, with each notification.
COUNTER = "next_notification_id"
LARGEST = 1 << 20  # bytes

EMPTY = b"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<map>\n</map>\n"


class PrefsError(ValueError):
    """This is not a file of preferences that can be changed safely; it says why."""


@dataclass(frozen=True)
class Entry:
    """One preference: ``value`` is text, or None for what is neither text nor attribute.

    ``start`` and ``end`` are its place in the bytes.
    """

    kind: str
    value: str | None
    start: int
    end: int


def parse(data: bytes) -> dict[str, Entry]:
    """Every preference by its name."""
    return _Reader(data).entries


def truth(entries: Mapping[str, Entry], name: str) -> bool | None:
    """A boolean; None where it is not there, or no boolean."""
    entry = entries.get(name)
    if entry is None or entry.kind != "boolean":
        return None
    return entry.value == "true"


def text(entries: Mapping[str, Entry], name: str) -> str | None:
    """A string; None where it is not there, or no string."""
    entry = entries.get(name)
    return entry.value if entry is not None and entry.kind == "string" else None


def number(entries: Mapping[str, Entry], name: str) -> int | None:
    """A whole number; None where it is not there, or no number."""
    entry = entries.get(name)
    if entry is None or entry.kind not in ("int", "long") or entry.value is None:
        return None
    return int(entry.value) if re.fullmatch(r"-?[0-9]{1,18}", entry.value) else None


def change(data: bytes, values: Mapping[str, bool | None]) -> bytes:
    """The same with some booleans set, or taken out (None). All else stays, byte by byte."""
    entries = parse(data)
    for name, value in values.items():
        element = b"" if value is None else _boolean(name, value)
        found = parse(data).get(name)
        if found is not None:
            start, end = found.start, found.end
            if value is None:  # with its line
                start = len(data[:start].rstrip(b" \t"))
                end += data[end : end + 1] == b"\n"
            data = data[:start] + element + data[end:]
        elif element:
            data = _insert(data, element)
    after = parse(data)
    same = {name: _meaning(entry) for name, entry in entries.items() if name not in values}
    if same != {name: _meaning(entry) for name, entry in after.items() if name not in values}:
        raise PrefsError("another setting would be changed too")
    if any(truth(after, name) != value for name, value in values.items()):
        raise PrefsError("the settings did not take")
    return data


def restore(data: bytes, snapshot: bytes, names: Iterable[str]) -> bytes:
    """The same with the preferences ``names`` put back from a snapshot where they are absent."""
    kept = parse(snapshot)
    for name in names:
        if name in kept and name not in parse(data):
            data = _insert(data, snapshot[kept[name].start : kept[name].end])
    parse(data)
    return data


def lost(now: Mapping[str, Entry], snapshot: Mapping[str, Entry]) -> list[str]:
    """What was there when the snapshot was taken, and is not any more."""
    return sorted(name for name in snapshot if name not in now and name != COUNTER)


def changed(now: Mapping[str, Entry], snapshot: Mapping[str, Entry]) -> list[str]:
    """What has another value than in the snapshot."""
    return sorted(
        name
        for name, entry in snapshot.items()
        if name in now and name != COUNTER and _meaning(now[name]) != _meaning(entry)
    )


def _meaning(entry: Entry) -> tuple[str, str | None]:
    return entry.kind, entry.value


def _boolean(name: str, value: bool) -> bytes:
    from xml.sax.saxutils import quoteattr  # which loads HTTP and TLS: only when it is needed

    return f'<boolean name={quoteattr(name)} value="{str(value).lower()}" />'.encode()


def _insert(data: bytes, element: bytes) -> bytes:
    """Put an element, on a line of its own, before the end of the map."""
    end = data.rfind(b"</map>")
    if end == -1:
        head, empty, tail = data.rpartition(b"<map />")
        if not empty:
            raise PrefsError("it has no end")
        return head + b"<map>\n    " + element + b"\n</map>" + tail
    return data[:end] + b"    " + element + b"\n" + data[end:]


class _Reader:
    """Reads with expat, which tells where each element stands. Entities of a file's own, with
    which a small file can blow up, come with a DOCTYPE: that is refused."""

    def __init__(self, data: bytes) -> None:
        if data.startswith(b"ABX\0"):
            raise PrefsError("it is binary XML")
        if len(data) > LARGEST:
            raise PrefsError(f"it has {len(data)} bytes")
        self.entries: dict[str, Entry] = {}
        self._data = data
        self._depth = 0
        self._open: tuple[str, str, int] | None = None
        self._value: str | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise PrefsError(f"it is no XML: {error}") from error

    def _doctype(self, *_: object) -> None:
        raise PrefsError("it has a DOCTYPE")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and tag != "map":
            raise PrefsError("it is no map")
        if self._depth != 2:
            return
        name = attributes.get("name")
        if name is None or name in self.entries:
            raise PrefsError("a setting has no name" if name is None else "a name stands twice")
        self._open = (tag, name, self._parser.CurrentByteIndex)
        self._value = "" if tag == "string" else attributes.get("value")

    def _characters(self, data: str) -> None:
        if self._depth == 2 and self._open is not None and self._open[0] == "string":
            self._value = (self._value or "") + data

    def _end(self, tag: str) -> None:
        if self._depth == 2 and self._open is not None:
            _, name, start = self._open
            # Of <a></a> the place of its end tag is told, of <a/> what comes after it.
            end = self._parser.CurrentByteIndex
            if self._data.startswith(b"</" + tag.encode(), end):
                end = self._data.index(b">", end) + 1
            self.entries[name] = Entry(tag, self._value, start, end)
            self._open = None
        self._depth -= 1
