"""Reading what was saved of one phone: a bundle, a folder of loose dumps, or a single dump."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.capture.alsa.hints import Hints, XmlError, XmlFile, chips, parse_xml
from agent.capture.offline.members import read_members
from agent.capture.offline.one_phone import Mixed, check
from agent.capture.offline.texts import (
    Mixer,
    parse_cards,
    parse_pcm_infos,
    parse_pcms,
    parse_tinymix,
)
from agent.capture.route import Verdict
from agent.capture.routes import NAMES
from agent.errors import UsageError
from agent.phone.facts import parse_getprop
from agent.phone.helper import Card, Control, Pcm
from agent.text import shown

_ROOTS = (
    "mixer",
    "audio_platform_info",
    "audio_platform_configuration",
    "resource_manager_info",
    "graph_key_value_pair_info",
)
#: The file by which a bundle of ``doctor --bundle`` is known.
MANIFEST = "bundle.json"
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
    tells is -1. Of a bundle: ``sound_problem`` is why its sound was not seen, ``said`` what the
    phone's own verdicts on the other routes were. ``files``: each file's name and what it was taken for, None where for nothing.
    """

    properties: dict[str, str] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)
    pcms: list[Pcm] | None = None
    controls: dict[int, list[Control]] | None = None
    xml: list[XmlFile] = field(default_factory=list)
    kernel: str | None = None
    sound_problem: str | None = None
    said: dict[str, Verdict] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def hints(self) -> Hints:
        """What the files say that is not the kernel's word."""
        return Hints(chips(self.properties), tuple(self.xml))


def read_dumps(path: Path) -> Dumps:
    """Read a bundle, a folder or a file.

    UsageError when it can't be read, holds nothing that is known, or is of several phones.
    """
    members = read_members(path, hint=_HINT)
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
    reading.finish()
    if not any(dumps.files.values()):
        names = ", ".join(shown(name) for name in list(dumps.files)[:5])
        raise UsageError(
            "; ".join(shown(warning) for warning in dumps.warnings[:5])
            or f"nothing in {where} says anything of a phone's sound ({names})",
            hint=_HINT,
        )
    try:
        if not reading.bundled:  # that one was made of one phone
            check(reading.phones, mixers, dumps.xml, dumps.hints)
        dumps.controls = _by_card(mixers, dumps)
        if reading.bundled and dumps.controls is None and dumps.sound_problem is None:
            dumps.controls, dumps.pcms = {}, []  # it has no sound
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
        self.bundled = False
        self._routes: dict[str, Verdict] = {}

    def finish(self) -> None:
        """What the files say together: verdicts count with a bundle's own list only."""
        if self.bundled:
            self.dumps.said = self._routes

    def take(self, name: str, text: str) -> str | None:
        if Path(name).name == MANIFEST and (body := _json(text)):
            self.bundled = True
            problem = body.get("sound_problem")
            self.dumps.sound_problem = shown(problem)[:500] if isinstance(problem, str) else None
            return "a bundle"
        if Path(name).name == "doctor.json" and (body := _json(text)):
            self._routes = _verdicts(body.get("routes"))
            return "verdicts"
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
            if pcms := _several_of(parse_pcms(text), parse_pcm_infos(text)):
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


def _several_of(*lists: list[Pcm]) -> list[Pcm]:
    """The PCMs of both forms; what the list says goes before what a single PCM says."""
    found: dict[tuple[int, int], Pcm] = {}
    for pcm in (pcm for listed in lists for pcm in listed):
        found.setdefault((pcm.card, pcm.device), pcm)
    return list(found.values())


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _verdicts(routes: Any) -> dict[str, Verdict]:
    """What a phone said of the routes other than ``alsa``, of which the plan is made anew."""
    found = {}
    for route in routes if isinstance(routes, list) else []:
        if not isinstance(route, dict):
            continue
        name, possible, reason = (route.get(key) for key in ("route", "possible", "reason"))
        if name not in NAMES or name == "alsa" or not isinstance(reason, str):
            continue
        if possible is None or isinstance(possible, bool):
            instead = route.get("instead")
            instead = shown(instead)[:1000] if isinstance(instead, str) else None
            found[name] = Verdict(name, possible, shown(reason)[:1000], instead=instead)
    return found


def _is_card_defs(file: XmlFile) -> bool:
    return file.root == "defs" and "card" in file.name.lower()


def _by_card(mixers: list[tuple[str, Mixer]], dumps: Dumps) -> dict[int, list[Control]] | None:
    """Each mixer under its card's number. Cards that only a mixer names are added to ``cards``."""
    found: dict[int, list[Control]] = {}
    only = {card.number for card in dumps.cards} or {pcm.card for pcm in dumps.pcms or ()}
    for name, mixer in mixers:
        in_name = _CARD_IN_NAME.search(Path(name).name)
        named = [card.number for card in dumps.cards if card.name == mixer.card]
        if in_name and int(in_name[1]) in named:
            number = int(in_name[1])
        elif named:
            number = named[0]
        elif in_name:
            number = int(in_name[1])
        else:  # tinymix asks card 0 unless told otherwise
            number = -1 if not only else 0 if 0 in only else min(only)
        if mixer.card and dumps.cards and not named:
            dumps.warnings.append(
                f"the mixer in {name} is of {mixer.card}, which the list of cards does not have"
            )
        found.setdefault(number, mixer.controls)
        if mixer.card and number not in {card.number for card in dumps.cards}:
            dumps.cards.append(Card(number, "", mixer.card))
    return dict(sorted(found.items())) or None
