"""Parsers of what phones print: text to records, without a phone. Whatever is not of the form is
left out, so that each can be tried on any file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.phone.helper import Card, Control, Pcm

_PCM = re.compile(r"\s*([0-9]{1,3})-([0-9]{1,4}): (.+)")
_WAY = re.compile(r"[ \t]{0,9}:?[ \t]{0,9}\b(playback|capture) ([0-9]{1,4})")
_INFO = re.compile(
    r"card: ([0-9]{1,3})\s{1,9}device: ([0-9]{1,4})\s{1,9}subdevice: [0-9]{1,4}\s{1,9}"
    r"stream: (CAPTURE|PLAYBACK)\s{1,9}id: (\S[^\n]{0,200}?)\s{1,9}name:"
)
_CARD = re.compile(r"\s*([0-9]{1,3}) \[([^\]]{1,32})\]: (.*)")
_MIXER_NAME = re.compile(r"Mixer name: '(.*)'")
_COUNT = re.compile(r"Number of controls: ([0-9]{1,6})$")
_KINDS = {"BOOL": "bool", "INT": "int", "INT64": "int", "ENUM": "enum", "BYTE": "bytes"}
_RANGE = re.compile(r"\((?:ds)?range -?[0-9]{1,20}->-?[0-9]{1,20}\)")
_VALUE = {
    "bool": re.compile(r"On|Off"),
    "int": re.compile(r"-?[0-9]{1,20}"),
    "bytes": re.compile(r"(0x)?[0-9a-fA-F]{1,2}"),
}
_ROW = re.compile(r"[0-9]{1,6}\t(?:BOOL|INT|INT64|ENUM|BYTE)\t[0-9]{1,6}\t")
#: A line that is longer is no line of a phone's. Lists of bytes and of items are the longest.
_MAX_LINE = 4096
_MAX_LINES = 50_000
_MAX_ROW = 65536
#: How wide tinymix prints a name; longer ones push the value to the right.
_WIDTH = 40


@dataclass
class Mixer:
    """One list of tinymix's: the card's name, where it says it (the first family does), and
    whether it says that the card has no controls at all."""

    card: str | None = None
    controls: list[Control] = field(default_factory=list)
    empty: bool = False


def parse_pcms(text: str) -> list[Pcm]:
    """``/proc/asound/pcm``: ``00-23: MultiMedia9 (*) :  : playback 1 : capture 1``.

    >>> parse_pcms("00-23: MultiMedia9 (*) :  : playback 1 : capture 1\\n")
    [Pcm(card=0, device=23, name='MultiMedia9 (*)', capture=True)]
    """
    found = []
    for line in _lines(text):
        match = _PCM.fullmatch(line)
        if match is None:
            continue
        rest, ways = match[3].rstrip(), {}
        while way := _WAY.fullmatch(rest, max(0, rest.rfind(":"))):
            ways[way[1]] = int(way[2])
            rest = rest[: way.start()].rstrip()
        name = rest.split(" :")[0].strip()
        found.append(Pcm(int(match[1]), int(match[2]), name, ways.get("capture", 0) > 0))
    return found


def parse_pcm_infos(text: str) -> list[Pcm]:
    """``/proc/asound/card0/pcm14c/info`` of several PCMs, one after the other.

    >>> parse_pcm_infos("card: 0 device: 14 subdevice: 0 stream: CAPTURE id: UL2 x-14 name: ")
    [Pcm(card=0, device=14, name='UL2 x-14', capture=True)]
    """
    found: dict[tuple[int, int], Pcm] = {}
    for match in _INFO.finditer(text):
        key = int(match[1]), int(match[2])
        capture = match[3] == "CAPTURE" or (key in found and found[key].capture)
        found[key] = Pcm(*key, match[4].strip(), capture)
    return list(found.values())


def _lines(text: str, limit: int = _MAX_LINE) -> list[str]:
    return [line for line in text.splitlines() if 0 < len(line) <= limit][:_MAX_LINES]


def parse_cards(text: str) -> list[Card]:
    """``/proc/asound/cards``: `` 0 [konamtpsndcard ]: kona-mtp-snd-ca - kona-mtp-snd-card``.

    >>> parse_cards(" 0 [aoc            ]: google_aoc - google,aoc-snd-card\\n")
    [Card(number=0, id='aoc', name='google,aoc-snd-card')]
    """
    found = []
    for line in _lines(text):
        if match := _CARD.fullmatch(line):
            driver, _, name = match[3].partition(" - ")
            found.append(Card(int(match[1]), match[2].strip(), (name or driver).strip()))
    return found


def parse_tinymix(text: str) -> list[Mixer]:
    """tinymix's lists of both its families: without a word (v1), ``contents``, ``controls``.

    A name is filled up to 40 places, and a longer one has the value behind one space, or none.
    An enum out of range has no value. Errors of single controls stand between the lines.
    """
    mixers: list[Mixer] = []
    name: str | None = None
    device = False
    for line in _lines(text, _MAX_ROW):
        if match := _MIXER_NAME.search(line):
            name = match[1]
        elif count := _COUNT.match(line):
            mixers.append(Mixer(name, empty=int(count[1]) == 0))
            name = None
        elif line.startswith("ctl\ttype\tnum\t"):
            device = "\tdevice" in line
        else:
            # A control that can't be read ends without a newline, and the next one follows.
            starts = [match.start() for match in _ROW.finditer(line)]
            for start, end in pairwise([*starts, len(line)]):
                if control := _control(line[start:end].split("\t"), device):
                    if not mixers:
                        mixers.append(Mixer(name))
                    mixers[-1].controls.append(control)
    return [mixer for mixer in mixers if mixer.controls or mixer.empty]


def _control(fields: Sequence[str], device: bool) -> Control | None:
    if len(fields) < 4 or not fields[0].strip().isdecimal() or fields[1] not in _KINDS:
        return None
    kind = _KINDS[fields[1]]
    count = int(fields[2]) if fields[2].isdecimal() and len(fields[2]) < 6 else 1
    if device and len(fields) >= 5 and fields[4].strip().isdecimal():
        name, said = fields[3].rstrip(), "\t".join(fields[5:])
    elif len(fields) > 4:  # the oldest list an enum's items behind tabs
        name, said = fields[3].rstrip(), "\t".join(fields[4:])
    else:
        name, said = _name_and_value(fields[3], kind, count)
    if not name:
        return None
    values, items = _values(said.strip(" "), kind)
    return Control(name, kind, values, items)


def _name_and_value(text: str, kind: str, count: int) -> tuple[str, str]:
    """``text`` is a name, filled up to 40 places, and a value."""
    name, said = text[:_WIDTH], text[_WIDTH:]
    if not said or name.endswith(" ") or (said.startswith(" ") and _fits(said, kind)):
        return name.rstrip(), said
    if kind == "enum":
        name, _, said = text.rstrip("\n").rpartition(" ")
        return (name.rstrip(), said) if name else (text.rstrip(), "")
    words = _unranged(text).split(" ")
    first = len(words)
    for _ in range(max(1, count)):
        if first <= 1 or not _VALUE[kind].fullmatch(words[first - 1].rstrip(",")):
            break
        first -= 1
    if first == len(words) and kind == "bool" and (stuck := re.search(r"(On|Off)$", words[-1])):
        return " ".join(words).removesuffix(stuck[1]).rstrip(), stuck[1]
    return " ".join(words[:first]).rstrip().rstrip(","), " ".join(words[first:])


def _fits(said: str, kind: str) -> bool:
    words = _unranged(said).replace(",", " ").split()
    return kind == "enum" or all(_VALUE[kind].fullmatch(word) for word in words)


def _unranged(said: str) -> str:
    """Without what tinymix adds of an integer's range."""
    said = said.rstrip()
    start = said.rfind("(")
    return said[:start].rstrip() if start >= 0 and _RANGE.fullmatch(said, start) else said


def _values(said: str, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values as our helper has them, and an enum's items where they are listed."""
    if kind != "enum":
        words = _unranged(said).replace(",", " ").split()
        return tuple(word.lower() if kind == "bool" else word for word in words), ()
    if "\t" in said:
        parts = said.split("\t")
    elif ", " in said or said.endswith(","):
        parts = said.split(",")
    elif said.startswith(">") or " >" in said:
        # Items may hold spaces: then they are more than there are.
        parts = said.split()
    else:
        return ((said,) if said else ()), ()
    parts = [part.strip() for part in parts if part.strip()]
    current = tuple(p.lstrip("> ") for p in parts if p.startswith(">"))
    return current, tuple(part.lstrip("> ") for part in parts)


def list_controls(card: Card, controls: Iterable[Control]) -> str:
    """A mixer as text that :func:`parse_tinymix` reads: tinymix's own form, with each enum's
    items and each integer's range. Bytes are left out: calibration of one speaker is nobody's
    business."""
    listed = [c for c in controls if c.name.strip()]
    lines = [
        f"Mixer name: '{_line(card.name)}'",
        f"Number of controls: {len(listed)}",
        f"ctl\ttype\tnum\t{'name':<{_WIDTH}}\tdevice\tvalue",
    ]
    kinds = {kind: word for word, kind in reversed(_KINDS.items())}
    for number, control in enumerate(listed):
        word = kinds.get(control.kind, "INT")
        name = f"{_line(control.name.strip()):<{_WIDTH}}"
        lines.append(
            f"{number}\t{word}\t{len(control.values)}\t{name}\t{0}\t{_said(control, word)}"
        )
    return "\n".join(lines) + "\n"


def _said(control: Control, word: str) -> str:
    if word == "BYTE":
        return ""
    values = [_line(value) for value in control.values]
    if word == "BOOL":
        return ", ".join(value.capitalize() for value in values)
    if word == "ENUM":
        now = values[0] if values else None
        items = [_line(item).replace(",", " ") for item in control.items] or values
        return "".join(f"{'> ' if item == now else ''}{item}, " for item in items)
    limits = f" (range {control.limits[0]}->{control.limits[1]})" if control.limits else ""
    return ", ".join(values) + limits


def list_cards(cards: Iterable[Card]) -> str:
    """Cards as :func:`parse_cards` reads them."""
    return "".join(f"{c.number:2} [{_line(c.id):15}]: card - {_line(c.name)}\n" for c in cards)


def list_pcms(pcms: Iterable[Pcm]) -> str:
    """PCMs as :func:`parse_pcms` reads them."""
    return "".join(
        f"{p.card:02}-{p.device:02}: {_line(p.name)} :  :{' capture 1' if p.capture else ''}\n"
        for p in pcms
    )


def _line(text: str) -> str:
    """A phone's word, within one field of one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", text)
