"""Patterns of the user's own for names that no table knows: text with named fields.

    {number}_{start:%Y%m%d_%H%M%S}_{direction}.m4a

A pattern reads a name in one way only, or it is refused: at most one of its fields may be of a
kind that can hold what stands beside it. So a name is read from the left up to that field, and
from the right down to it, and no name takes long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.naming.draft import Draft, Refused
from agent.naming.folders import below
from agent.naming.stamp import OFFSET, epoch, stamp_of
from agent.naming.text import AUDIO, Name, composed, fold
from agent.naming.words import NOBODY

FIELDS = ("start", "number", "contact", "party", "direction", "sim", "any")
_LONGEST = 300  # characters of a name, and of a pattern
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}]*)\}|(?P<text>[^{}]+)")
_RECORDER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,38}[A-Za-z0-9])?")
_IN = ("incoming", "inbound", "in", "↙", "↘", "↓")
_OUT = ("outgoing", "outbound", "out", "↗", "↑")
_UNITS = {
    "Y": r"(?P<y>\d{4})",
    "y": r"(?P<yy>\d\d)",
    "m": r"(?P<mo>\d\d)",
    "d": r"(?P<d>\d\d)",
    "H": r"(?P<h>\d\d)",
    "I": r"(?P<h>\d\d)",
    "M": r"(?P<mi>\d\d)",
    "S": r"(?P<s>\d\d)",
    "p": r"(?P<half>[AaPp][Mm])",
    "f": r"(?P<f>\d{1,9})",
    "z": OFFSET,
    "s": r"(?P<epoch>\d{10}(?:\d{3})?)",
}
_VARIABLE = frozenset("fzs")


class PatternError(ValueError):
    """A pattern that can't be used, and why."""


@dataclass(frozen=True)
class _Field:
    """A field, as a regular expression. ``holds`` says whether it can have a character in it;
    ``fixed``: it has always as many. ``before`` and ``after``: the text beside it, None where the
    name begins or ends."""

    kind: str
    regex: str
    holds: Callable[[str], bool]
    fixed: bool = False
    before: str | None = None
    after: str | None = None

    @property
    def ends(self) -> bool:
        """Whether its end is known, when its beginning is."""
        return (
            self.fixed or self.after is None or bool(self.after and not self.holds(self.after[0]))
        )

    @property
    def begins(self) -> bool:
        """Whether its beginning is known, when its end is."""
        before = self.before
        return self.fixed or before is None or bool(before and not self.holds(before[-1]))


@dataclass(frozen=True)
class Pattern:
    """How a recorder names its files, as the user says; made by :func:`compiled`.

    ``folder`` is the end of the only folder where it counts, if it does not count everywhere.
    """

    recorder: str
    text: str
    folder: str | None
    suffix: str | None
    regex: re.Pattern[str]
    ways: tuple[frozenset[str], frozenset[str]]

    def read(self, name: Name) -> Draft | Refused | None:
        """What it makes of a name; None where the name has another form."""
        if len(name.folded) > _LONGEST or self.suffix not in (None, name.suffix):
            return None
        if self.folder is not None:
            inside = f"/{below(composed(name.folder))[1]}/".lower()
            if f"/{self.folder.lower()}/" not in inside:
                return None
        match = self.regex.fullmatch(name.folded)
        return None if match is None else self._draft(name, match)

    def _draft(self, name: Name, match: re.Match[str]) -> Draft | Refused | None:
        got = match.groupdict()
        draft = Draft(self.recorder)
        if got.get("epoch"):
            draft.stamp = epoch(got["epoch"])
        elif got.get("d"):
            draft.stamp = stamp_of(match)
        if draft.stamp is None and (got.get("epoch") or got.get("d")):
            return Refused("no such moment is in the calendar")
        if got.get("number") is not None and not draft.call(name.text(*match.span("number"))):
            return None
        if got.get("contact") is not None:
            draft.name(name.text(*match.span("contact")))
        if got.get("party") is not None:
            draft.either(name.text(*match.span("party")))
        if got.get("direction") is not None:
            way = got["direction"].lower()
            draft.direction = ("in" if way in self.ways[0] else "out"), "high"
        if got.get("sim") is not None:
            draft.sim = int(got["sim"])
        return draft


def compiled(recorder: str, text: str, folder: str | None = None) -> Pattern:
    """A pattern, checked; PatternError says what is wrong with it."""
    if not _RECORDER.fullmatch(recorder):
        raise PatternError(
            f"recorder is {recorder!r}: up to 40 letters, digits, spaces, and ._- between them"
        )
    if folder is not None:
        folder = below(composed(folder))[1]
        if not folder:
            raise PatternError("folder is a whole storage: name a folder in it")
    if len(text) > _LONGEST:
        raise PatternError(f"the pattern is longer than {_LONGEST} characters")
    if "/" in text:
        raise PatternError("a pattern is of a name alone: the folder has its own key, folder")
    stem, _, suffix = text.rpartition(".")
    known = bool(stem) and suffix.lower() in AUDIO
    ways = [frozenset(_IN), frozenset(_OUT)]
    parts = _parts(stem if known else text, ways)
    fields = [part for part in parts if isinstance(part, _Field)]
    _check(fields)
    free = next((n for n, field in enumerate(fields) if not field.ends), len(fields))
    _check_order(fields, free)
    regex, seen = "", 0
    for part in parts:
        if isinstance(part, str):
            regex += re.escape(part)
            continue
        # What can end in one way only is not tried again.
        regex += f"(?>{part.regex})" if seen < free else part.regex
        seen += 1
    return Pattern(
        recorder,
        text,
        folder,
        suffix.lower() if known else None,
        re.compile(regex, re.DOTALL),
        (ways[0], ways[1]),
    )


def _parts(text: str, ways: list[frozenset[str]]) -> list[str | _Field]:
    """The texts and the fields of a pattern, in their order; ``ways`` gets its own words."""
    parts: list[str | _Field] = []
    end = 0
    while end < len(text):
        token = _TOKEN.match(text, end)
        if token is None:
            raise PatternError(f"there is a single {text[end]} in it: write {text[end] * 2}")
        end = token.end()
        if token["field"] is not None:
            parts.append(_field(token["field"], ways))
            continue
        plain = fold(composed(token["text"] or token[0][0]))
        if parts and isinstance(parts[-1], str):
            parts[-1] += plain
        else:
            parts.append(plain)
    return [_placed(parts, place) for place in range(len(parts))]


def _placed(parts: list[str | _Field], place: int) -> str | _Field:
    """A part; a field with the texts beside it."""
    part = parts[place]
    if isinstance(part, str):
        return part
    before = parts[place - 1] if place else None
    after = parts[place + 1] if place + 1 < len(parts) else None
    said = [side if side is None or isinstance(side, str) else "" for side in (before, after)]
    regex, holds = part.regex, part.holds
    if part.kind == "number" and (said[0] or "")[-1:] == "(" and (said[1] or "")[:1] == ")":
        # In brackets it has none.
        regex, holds = _number("", "")
    return _Field(part.kind, regex, holds, part.fixed, said[0], said[1])


def _field(word: str, ways: list[frozenset[str]]) -> _Field:
    kind, colon, form = word.partition(":")
    if kind not in FIELDS:
        raise PatternError(f"{{{word}}} is no field; there are: {', '.join(FIELDS)}")
    if colon and kind not in ("start", "direction"):
        raise PatternError(f"{{{word}}}: only start and direction have more to say after a colon")
    if kind == "start":
        return _start(form)
    if kind == "direction":
        return _direction(form if colon else None, ways)
    if kind == "sim":
        return _Field(kind, r"(?P<sim>\d)", str.isdigit, fixed=True)
    if kind == "number":
        return _Field(kind, *_number("(", "()"))
    regex = r".*" if kind == "any" else rf"(?P<{kind}>.+)"
    return _Field(kind, regex, lambda _: True)


def _number(first: str, brackets: str) -> tuple[str, Callable[[str], bool]]:
    """A number, or a word that says that there is none, and what it can have in it."""
    nobody = "|".join(re.escape(fold(word)) for word in sorted(NOBODY, key=len, reverse=True))
    signs = f" .*#{brackets}-"
    regex = rf"(?P<number>[+*#{first}]{{0,3}}\d[\d{re.escape(signs)}]*|(?i:{nobody}))"
    others = frozenset(signs + "+" + "".join(NOBODY))
    return regex, lambda ch: ch.isalnum() or ch in others


def _start(form: str) -> _Field:
    regex, seen, last = "", "", ""
    place = 0
    while place < len(form):
        ch = form[place]
        if ch != "%":
            regex += re.escape(fold(ch))
            last, place = ch, place + 1
            continue
        unit = form[place + 1 : place + 2]
        if unit == "%":
            regex, last, place = regex + "%", "%", place + 2
            continue
        if unit not in _UNITS:
            raise PatternError(
                f"%{unit} in {{start:{form}}} is not known; there are: "
                f"{' '.join(f'%{known}' for known in _UNITS)}"
            )
        if unit in seen:
            raise PatternError(f"%{unit} stands twice in {{start:{form}}}")
        if last in ("%f", "%s") and unit != "z":
            raise PatternError(f"where {last} ends in {{start:{form}}} can't be told")
        regex += _UNITS[unit]
        seen, last, place = seen + unit, f"%{unit}", place + 2
    units = set(seen)
    if units != {"s"}:
        _check_units(form, units)
    variable = bool(units & _VARIABLE)
    return _Field(
        "start", f"(?P<start>{regex})", lambda ch: ch.isdigit() or ch in "+-", fixed=not variable
    )


def _check_units(form: str, units: set[str]) -> None:
    here = f"{{start:{form}}}"
    if not {"m", "d"} <= units or len(units & {"Y", "y"}) != 1:
        raise PatternError(f"{here} needs a day: %Y (or %y), %m and %d; or %s alone")
    if "s" in units:
        raise PatternError(f"{here}: %s counts from 1970, and stands alone")
    if len(units & {"H", "I"}) > 1 or ("I" in units) != ("p" in units):
        raise PatternError(f"{here}: the hour is %H, or %I with %p")
    for unit, needs in (("M", "HI"), ("S", "M"), ("f", "S"), ("z", "HI")):
        if unit in units and not units & set(needs):
            raise PatternError(f"{here}: %{unit} needs %{needs[0]}")


def _direction(form: str | None, ways: list[frozenset[str]]) -> _Field:
    if form is not None:
        words = [fold(composed(word)).lower() for word in form.split("|")]
        if len(words) != 2 or not all(words) or words[0] == words[1]:
            raise PatternError(
                f"{{direction:{form}}}: write the word for incoming, |, and the one for outgoing"
            )
        ways[:] = [frozenset(words[:1]), frozenset(words[1:])]
    known = sorted(ways[0] | ways[1], key=lambda word: (-len(word), word))
    letters = frozenset("".join(known))
    regex = f"(?P<direction>(?i:{'|'.join(re.escape(word) for word in known)}))"
    fixed = len({len(word) for word in known}) == 1
    return _Field("direction", regex, lambda ch: ch.lower() in letters, fixed=fixed)


def _check(fields: list[_Field]) -> None:
    kinds = [field.kind for field in fields]
    for kind in FIELDS:
        if kinds.count(kind) > 1:
            raise PatternError(f"{{{kind}}} stands twice")
    if "party" in kinds and {"number", "contact"} & set(kinds):
        raise PatternError("{party} is the number or else the contact: neither stands beside it")
    if not {"start", "number"} & set(kinds):
        raise PatternError("it needs {start:…} or {number}, else it would fit any name")


def _check_order(fields: list[_Field], free: int) -> None:
    """PatternError where a name could be read in two ways: ``free`` is the first field whose end
    is not known, so all behind it have to be known from the end of the name."""
    for field in fields[free + 1 :]:
        if not field.begins:
            raise PatternError(
                f"where {{{fields[free].kind}}} ends and {{{field.kind}}} begins can't be told: "
                "put a sign between them that neither can have in it"
            )
