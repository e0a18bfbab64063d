"""What is known of a phone's sound without its kernel: the chip's name, and its XML files.

An XML file says what its maker's audio HAL would set. It is often of another variant of the
phone, and names controls that the kernel does not have: so it is a hint, and never the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

Settings = tuple[tuple[str, str], ...]
"""Control names and values, in the order in which a path sets them."""

#: Properties that name the chip, the surest first.
CHIP_KEYS = (
    "ro.board.platform",
    "ro.soc.model",
    "ro.mediatek.platform",
    "ro.vendor.mediatek.platform",
    "ro.hardware.chipname",
    "ro.chipname",
    "ro.arch",
    "ro.hardware",
    "ro.product.board",
)
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_MAX_PATHS = 1000
_MAX_STEPS = 2000
_OF_CALLS = re.compile(r"in-?call|telephony-rx|MD\d_TO_CAPTURE", re.IGNORECASE)


@dataclass(frozen=True)
class XmlFile:
    """What an audio HAL's XML file says, as far as it matters here.

    ``root`` is the outermost tag. ``paths``: the name of each path that has to do with calls,
    with ``=VALUE`` where it has a value too, and what it sets; a path that names others sets
    what those do. ``usecases``: the PCM number of each. ``links``: the attributes of ``pcmdai``.
    ``controls``: all that are named.
    """

    name: str
    root: str
    paths: Mapping[str, Settings] = field(default_factory=dict)
    usecases: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, int] = field(default_factory=dict)
    controls: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Hints:
    """What is known without the kernel. ``chips`` are names of the chip, in lower case."""

    chips: tuple[str, ...] = ()
    xml: tuple[XmlFile, ...] = ()

    def roots(self, *names: str) -> list[XmlFile]:
        """The files with one of those outermost tags."""
        return [file for file in self.xml if file.root in names]

    def names_control(self, prefix: str) -> bool:
        """Whether a file names a control that begins so."""
        return any(name.startswith(prefix) for file in self.xml for name in file.controls)

    def agreed(self, found: Iterable[int | None]) -> int | None:
        """The number that is meant, if there is one and only one."""
        numbers = {number for number in found if number is not None}
        return numbers.pop() if len(numbers) == 1 else None


def chips(properties: Mapping[str, str]) -> tuple[str, ...]:
    """The chip's names, of all that properties say, in lower case."""
    words = (properties.get(key, "").strip().lower() for key in CHIP_KEYS)
    return tuple(dict.fromkeys(word for word in words if word))


class XmlError(ValueError):
    """Text that is not an XML file of the kind that is read here; its words say why."""


def parse_xml(name: str, text: str) -> XmlFile:
    """Read one file. XmlError for what is not XML, nests too deep, or defines entities."""
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise XmlError(f"not well-formed XML, line {error.lineno}") from None
    usecases, links, controls = reader.usecases, reader.links, frozenset(reader.controls)
    of_calls = [path for path in reader.paths if _OF_CALLS.search(path)]
    if len(of_calls) > _MAX_PATHS:
        raise XmlError(f"it has {len(of_calls)} paths for calls, which no audio file has")
    paths = {path: reader.settings(path) for path in of_calls}
    return XmlFile(name, reader.root, paths, usecases, links, controls)


def _refuse_doctype(*_: object) -> None:
    raise XmlError("it has a DOCTYPE, which no audio file has")


class _Reader:
    """Follows the elements of a file."""

    def __init__(self) -> None:
        self.root = ""
        self.usecases: dict[str, int] = {}
        self.links: dict[str, int] = {}
        self.controls: set[str] = set()
        self.paths: dict[str, list[tuple[str, str | None]]] = {}
        self._open: list[str] = []  # the paths that are open
        self._depth = 0
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise XmlError("it has more elements than any audio file")
        if self._depth > _MAX_DEPTH:
            raise XmlError("its elements nest too deep")
        if self._depth == 1:
            self.root = tag
        name, value = attributes.get("name", ""), attributes.get("value")
        if tag in ("ctl", "kctl") and name:
            self.controls.add(name)
            if self._open:
                self.paths[self._open[-1]].append((name, value or ""))
        elif tag == "path" and name:
            full = f"{name}={value}" if value else name
            if self._open:  # a path within a path is a mention of it
                self.paths[self._open[-1]].append((full, None))
            self.paths.setdefault(full, [])
            self._open.append(full)
        elif tag == "usecase" and name and attributes.get("id", "").isdecimal():
            self.usecases.setdefault(name, int(attributes["id"][:6]))
        elif tag == "pcmdai":
            self.links.update({k: int(v[:6]) for k, v in attributes.items() if v.isdecimal()})

    def end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "path" and self._open:
            self._open.pop()

    def settings(self, path: str) -> Settings:
        """What a path sets, with what the paths set that it names; each path once."""
        done, found = {path}, []
        waiting = list(reversed(self.paths[path]))
        for _ in range(_MAX_STEPS):
            if not waiting:
                break
            name, value = waiting.pop()
            if value is not None:
                found.append((name, value))
            elif name in self.paths and name not in done:
                done.add(name)
                waiting.extend(reversed(self.paths[name]))
        return tuple(found)
