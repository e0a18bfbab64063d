"""Reading what was saved of one phone: a bundle, a folder of loose dumps, or a single dump."""

from __future__ import annotations

import codecs
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.capture.alsa.hints import Hints, XmlError, XmlFile, chip_names, parse_xml
from agent.capture.offline.one_phone import Mixed, check
from agent.capture.offline.texts import Mixer, parse_cards, parse_pcms, parse_tinymix
from agent.errors import UsageError
from agent.phone.facts import parse_getprop
from agent.phone.helper import Card, Control, Pcm
from agent.text import shown

#: What a phone's dumps are far below of; what is above is not read.
MAX_FILE = 8 << 20
MAX_ALL = 64 << 20
MAX_FILES = 500
_MAX_DEPTH = 4
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
_ROOTS = (
    "mixer",
    "audio_platform_info",
    "audio_platform_configuration",
    "resource_manager_info",
    "graph_key_value_pair_info",
)
_CARD_IN_NAME = re.compile(r"(?:card|[-_]D)[-_]?([0-9]{1,2})(?![0-9])")
_HINT = (
    "Give the output of `getprop`, `tinymix`, /proc/asound/pcm and /proc/asound/cards, and the "
    "phone's mixer_paths*.xml and audio_platform_info*.xml, in a folder; or what "
    "`offhook doctor --bundle FILE` saved."
)


@dataclass
class Dumps:
    """What one phone's dumps say.

    ``pcms`` and ``controls`` are None where no file has them; the number of a card that no file
    tells is -1. ``files``: each file's name and what it was taken for, None where for nothing.
    """

    properties: dict[str, str] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)
    pcms: list[Pcm] | None = None
    controls: dict[int, list[Control]] | None = None
    xml: list[XmlFile] = field(default_factory=list)
    kernel: str | None = None
    files: dict[str, str | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def hints(self) -> Hints:
        """What the files say that is not the kernel's word."""
        return Hints(chips(self.properties), tuple(self.xml))


def chips(properties: Mapping[str, str]) -> tuple[str, ...]:
    """The chip's names, of all that properties say."""
    return chip_names(*(properties.get(key) for key in CHIP_KEYS))


def read_dumps(path: Path) -> Dumps:
    """Read a bundle, a folder or a file.

    UsageError when it can't be read, holds nothing that is known, or is of several phones.
    """
    try:
        members = list(_members(path))
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"can't read {shown(str(path))}: {words or error}", hint=_HINT) from None
    if not members:
        raise UsageError(f"there is no file in {shown(str(path))}", hint=_HINT)
    return from_texts(members, where=shown(str(path)))


def from_texts(members: list[tuple[str, str]], *, where: str) -> Dumps:
    """The same of names and texts; ``where`` is for messages."""
    dumps = Dumps()
    mixers: list[tuple[str, Mixer]] = []
    reading = _Reading(dumps, mixers)
    for name, text in sorted(members):
        dumps.files[name] = reading.take(name, text)
    if not any(dumps.files.values()):
        names = ", ".join(shown(name) for name in list(dumps.files)[:5])
        raise UsageError(
            f"nothing in {where} says anything of a phone's sound ({names})",
            hint="; ".join(dumps.warnings) or _HINT,
        )
    try:
        check(reading.phones, mixers, dumps.xml, dumps.hints)
        dumps.controls = _by_card(mixers, dumps)
    except Mixed as error:
        raise UsageError(
            f"{where} has the dumps of several phones: {error}",
            hint="Put each phone's into a folder of its own.",
        ) from None
    return dumps


class _Reading:
    """Takes each file for what its contents say that it is: names are only names."""

    def __init__(self, dumps: Dumps, mixers: list[tuple[str, Mixer]]) -> None:
        self.dumps = dumps
        self.mixers = mixers
        self.phones: dict[str, dict[str, str]] = {}

    def take(self, name: str, text: str) -> str | None:
        if text.lstrip().startswith("<"):
            return self._take_xml(name, text)
        what = []
        found = parse_tinymix(text)
        if found:
            self.mixers += [(name, mixer) for mixer in found]
            what.append(f"{sum(len(mixer.controls) for mixer in found)} controls")
        elif properties := _properties(text):
            self.phones[name] = properties
            self.dumps.properties = properties | self.dumps.properties
            what.append(f"{len(properties)} properties")
        else:
            if cards := parse_cards(text):
                self._join_cards(cards)
                what.append("cards")
            if pcms := parse_pcms(text):
                self._join_pcms(pcms)
                what.append(f"{len(pcms)} PCMs")
            elif re.search(r"pcm(?!info)", name, re.IGNORECASE) and not what:
                self.dumps.warnings.append(f"{name} is no list of PCMs as the kernel writes it")
        if not what and re.fullmatch(r"(uname|kernel)(-r)?\.txt", Path(name).name):
            self.dumps.kernel = text.strip().split("\n")[0][:200] or None
            what.append("kernel")
        return ", ".join(what) or None

    def _take_xml(self, name: str, text: str) -> str | None:
        try:
            file = parse_xml(Path(name).name, text)
        except XmlError as error:
            self.dumps.warnings.append(f"{name} is left out: {error}")
            return None
        if file.root in _ROOTS or (file.root == "root" and file.controls) or _is_card_defs(file):
            self.dumps.xml.append(file)
            return "XML"
        return None

    def _join_cards(self, cards: list[Card]) -> None:
        known = {card.number: card for card in self.dumps.cards}
        for card in cards:
            if known.setdefault(card.number, card).name != card.name:
                raise _several(f"card {card.number} is {known[card.number].name}, and {card.name}")
        self.dumps.cards = [known[number] for number in sorted(known)]

    def _join_pcms(self, pcms: list[Pcm]) -> None:
        known = {(pcm.card, pcm.device): pcm for pcm in self.dumps.pcms or ()}
        for pcm in pcms:
            before = known.setdefault((pcm.card, pcm.device), pcm)
            if before.name != pcm.name:
                raise _several(f"PCM {pcm.card}-{pcm.device} is {before.name}, and {pcm.name}")
        self.dumps.pcms = [known[key] for key in sorted(known)]


def _several(why: str) -> UsageError:
    return UsageError(
        f"these are the dumps of several phones: {shown(why)}",
        hint="Put each phone's into a folder of its own.",
    )


def _properties(text: str) -> dict[str, str]:
    found = parse_getprop(text)
    return found if any(key.startswith(("ro.", "persist.")) for key in found) else {}


def _is_card_defs(file: XmlFile) -> bool:
    return file.root == "defs" and "card" in file.name.lower()


def _by_card(mixers: list[tuple[str, Mixer]], dumps: Dumps) -> dict[int, list[Control]] | None:
    """Each mixer under its card's number. Cards that only a mixer names are added to ``cards``."""
    found: dict[int, list[Control]] = {}
    by_name = {card.name: card.number for card in dumps.cards}
    only = {card.number for card in dumps.cards} or {pcm.card for pcm in dumps.pcms or ()}
    for name, mixer in mixers:
        in_name = _CARD_IN_NAME.search(Path(name).name)
        if mixer.card in by_name:
            number = by_name[mixer.card]
        elif in_name:
            number = int(in_name[1])
        else:  # tinymix asks card 0 unless told otherwise
            number = -1 if not only else 0 if 0 in only else min(only)
        if mixer.card and dumps.cards and mixer.card not in by_name:
            dumps.warnings.append(
                f"the mixer in {name} is of {mixer.card}, which the list of cards does not have"
            )
        found.setdefault(number, mixer.controls)
        if mixer.card and number not in {card.number for card in dumps.cards}:
            dumps.cards.append(Card(number, "", mixer.card))
    return dict(sorted(found.items())) or None


def _members(path: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of what is there; nothing is unpacked, and nothing outside is read."""
    total = 0
    for name, size, data in _files(path):
        total += len(data)
        if size > MAX_FILE or total > MAX_ALL:
            raise UsageError(
                f"{shown(name)} in {shown(str(path))} is too large for a phone's dump",
                hint=f"At most {MAX_FILE >> 20} MiB a file are read, {MAX_ALL >> 20} MiB in all.",
            )
        yield name, _decoded(data)


def _files(path: Path) -> Iterator[tuple[str, int, bytes]]:
    if path.is_dir():
        paths = sorted(_below(path))
        if len(paths) > MAX_FILES:
            raise UsageError(f"{shown(str(path))} has more than {MAX_FILES} files", hint=_HINT)
        for file in paths:
            yield file.relative_to(path).as_posix(), *_read(file)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            members = [member for member in bundle.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES:
                raise UsageError(f"{shown(str(path))} has more than {MAX_FILES} files", hint=_HINT)
            for member in members:
                with bundle.open(member) as stream:
                    data = stream.read(MAX_FILE + 1)  # what the zip says of the size is a claim
                yield member.filename, len(data), data
    else:
        yield path.name, *_read(path)


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        if len(Path(where).relative_to(folder).parts) >= _MAX_DEPTH:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            file = Path(where, name)
            if not name.startswith(".") and stat.S_ISREG(file.stat().st_mode):
                yield file


def _read(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise UsageError(f"{shown(str(path))} is not a file", hint=_HINT)
        data = stream.read(MAX_FILE + 1)
    return len(data), data


def _decoded(data: bytes) -> str:
    """Text as phones write it, or as a shell of Windows' redirected it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").replace("\r\n", "\n")
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
