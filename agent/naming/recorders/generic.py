"""What no recorder's own parser knows: BCR with a template of the user's, and everything else.

A name is taken for a call's only if it has a moment of the calendar and something besides that
says «call»: such a word, a direction, a SIM, a number, or a call recorder's folder. What is found
this way is never told with high confidence, except for a moment that can be read in one way only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.naming.draft import Draft
from agent.naming.number import digits_of, number_in
from agent.naming.recorders import bcr
from agent.naming.result import least
from agent.naming.stamp import DAY, ISO_DAY, OFFSET, SHORT_DAY, Stamp, epoch, stamp_of
from agent.naming.text import Name, bare, fold
from agent.naming.words import call_prefix, is_call_word, is_nobody, is_other

_HALF = r"(?: ?(?P<half>[AaPp]\.?[Mm]\.?))?"
_TIME = rf"(?P<h>\d{{1,2}})[-._:h ](?P<mi>\d\d)(?:[-._:m ](?P<s>\d\d)(?!\d)(?:[.,](?P<f>\d{{1,9}}))?)?{_HALF}"
_TIGHT = r"(?P<h>\d\d)(?P<mi>\d\d)(?:(?P<s>\d\d)(?:\.(?P<f>\d{1,9})|(?P<f3>\d{3}))?)?"
# «Z» is UTC; a file system has no colon for +02:00.
_OFF = rf"(?:{OFFSET}|(?P<utc>Z)(?![^\W\d_]))?(?!\d)"
_OFF_ISO = rf"(?:(?P<iso>[+-]\d\d[_:.]\d\d)(?=[_ \])]|\Z)|{_OFF})"
# Whole moments, then days alone; each kind from the left, and the last one of a kind counts.
_MOMENTS = tuple(
    re.compile(rf"(?<!\d){form}")
    for form in (
        rf"(?P<y>\d{{4}})[-._](?P<mo>\d\d)[-._](?P<d>\d\d)(?:[ T_,@-]+|_at_| at ){_TIME}{_OFF_ISO}",
        rf"(?P<y>\d{{4}})[-._](?P<mo>\d\d)[-._](?P<d>\d\d)[ T_-]+{_TIGHT}{_OFF}",
        rf"{DAY}[T_ -]?{_TIGHT}{_OFF}",
        rf"{DAY}[T_ -]+{_TIME}{_OFF}",
        rf"{SHORT_DAY}[_-]{_TIGHT}{_OFF}",
        rf"(?P<d>\d\d)[-.](?P<mo>\d\d)[-.](?P<y>\d{{4}})[ T_,@-]+{_TIME}{_OFF}",
        rf"(?P<d>\d\d)[-.](?P<mo>\d\d)[-.](?P<y>\d{{4}})[ T_-]+{_TIGHT}{_OFF}",
        rf"(?P<mo>\d\d)-(?P<d>\d\d)-(?P<y>\d{{4}})[ T_,@-]+{_TIME}{_OFF}",
    )
)
_DAYS = tuple(
    re.compile(rf"(?<!\d){form}(?!\d)")
    for form in (ISO_DAY, DAY, r"(?P<d>\d\d)\.(?P<mo>\d\d)\.(?P<y>\d{4})")
)
_SHORT = re.compile(rf"(?<!\d){SHORT_DAY}(?!\d)")
_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d\Z")
_SIM = re.compile(r"(?:\A|(?<=[_ \-\[(]))sim ?(\d)(?=[_ \-\])]|\Z)", re.IGNORECASE)
_WAYS = re.compile(
    r"(?:\A|(?<=[_\-\[(]))(?P<short>in|out)(?=[_\-\])]|\Z)"
    r"|(?:\A|(?<=[_ \-\[(]))(?P<long>incoming|outgoing|inbound|outbound|conference)(?=[_ \-\])]|\Z)"
    r"|(?P<arrow>[↗↑↙↘↓])",
    re.IGNORECASE,
)
# As BCR writes them between spaces; small ones are words of a language, so only in its own files.
_SPACED = re.compile(r"(?:\A|(?<= ))(?P<short>IN|OUT|CONFERENCE)(?= |\Z)")
_SPACED_SMALL = re.compile(r"\A *(?P<short>in|out|conference)(?= |\Z)")
_EPOCH = re.compile(r"(?:\A|(?<=[_ -]))(1[2-9]\d{8}(?:\d{3})?)(?=[_ -]|\Z)")
_PLUS = re.compile(r"(?:\A|(?<= ))\+\d[\d ()-]{5,}\d(?= |\Z)")
_WORDS = frozenset(["in", "out", "incoming", "outgoing", "inbound", "outbound", "conference"])
_OUT = frozenset(["out", "outgoing", "outbound", "↗", "↑"])
_PARTS = re.compile(r"_+| - | @ |(?<=\S)@")
_BRACKETS = re.compile(r"[\[\]()]")
_IN_ORDER = re.compile(r"_(?:in|out|conference)(?=_|\Z)", re.IGNORECASE)


def tokens(name: Name) -> Draft | None:
    """Take a name apart at its separators."""
    found = _moment(name.folded)
    if found is None:
        return None if _impossible(name.folded) else _undated(name)
    stamp, start, end, sure, counted = found
    draft = Draft(None, stamp, "low", start_sure="high" if sure else "low")
    if stamp.precision == "day":
        draft.start_sure = "low"
    elif draft.start_sure == "high" and (
        counted or stamp.at.tzinfo is None or stamp.precision == "minute"
    ):
        draft.start_sure = "medium"
    if start == 0 and stamp.precision != "day" and _IN_ORDER.match(name.folded, end):
        # BCR's own order behind a date of the user's: a contact keeps each of its signs.
        bcr.fields(name, end, draft)
        _doubted(draft)
        signs = 2
    else:
        signs = _apart(name, start, end, draft)
        if signs < 0:
            return None
    if counted and draft.direction is None and name.suffix != "oga" and name.home != "bcr":
        return None
    if not signs and name.home is None and name.suffix != "oga":
        return None  # BCR alone writes .oga
    if signs > 1 or name.home is not None:
        draft.sure = "medium"
    if name.home is not None:
        draft.recorder = name.home
    elif name.suffix == "oga":
        draft.recorder = "bcr"
    return draft


def _apart(name: Name, start: int, end: int, draft: Draft) -> int:
    """Read what stands around the moment; how much of it says «call», -1 where a word says that
    it is something else."""
    signs = 0
    pieces: list[str] = []
    for text in (name.stem[:start], name.stem[end:]):
        text, found_signs = _signs(text, draft, small=name.suffix == "oga" or name.home == "bcr")
        signs += found_signs
        prefix = 0 if pieces else call_prefix(fold(text.lstrip(" _-")))
        if prefix:
            text = text.lstrip(" _-")[prefix:]
            signs += 1
        pieces += _pieces(text)
    if not signs and name.home is None and any(map(is_other, pieces)):
        return -1
    return signs + _parties(_directed(pieces, draft), draft)


def _doubted(draft: Draft) -> None:
    """Make nothing of a user's own template surer than medium."""
    for fact in ("number", "contact", "direction"):
        said = getattr(draft, fact)
        if said is not None:
            setattr(draft, fact, (said[0], least(said[1], "medium")))
    draft.parties_sure = least(draft.parties_sure, "medium")


def _undated(name: Name) -> Draft | None:
    """A number and a word for the direction are a call's too; less than that is not, unless the
    file is BCR's."""
    stem, note = name.stem, "the name has no time"
    either = next(_ways_of_a_day(name.folded), None)
    if either is not None:
        stem = stem[: either.start()] + "_" + stem[either.end() :]
        note = "whether the day or the month comes first in it is not clear"
    draft = Draft(None, None, "low", notes=[note])
    of_bcr = name.suffix == "oga" or name.home == "bcr"
    rest, signs = _signs(stem, draft, small=of_bcr)
    pieces = _pieces(rest)
    said = draft.direction is not None and signs > 0 and len(pieces) <= 3
    if not said:
        return None
    numbered = bool(_parties(pieces, draft)) and draft.number is not None
    if of_bcr and either is not None:
        draft.recorder = "bcr"
        return draft
    if not numbered or draft.number is None:
        return None
    return draft if len(digits_of(draft.number[0])) >= 7 else None


def _ways_of_a_day(text: str) -> Iterator[re.Match[str]]:
    """Moments that are in the calendar with the day first, and with the month first."""
    for form in _MOMENTS[-3:]:
        for match in form.finditer(text):
            if stamp_of(match) is not None and _either_way(match):
                yield match


def _moment(text: str) -> tuple[Stamp, int, int, bool, bool] | None:
    """The moment in a text, where it stands, whether it is the only one, and whether it is
    counted from 1970, as any number of ten digits can be."""
    whole = list(_matches(text, _MOMENTS))
    if whole:
        # A year of four digits before one of two; then what says more; then what stands last.
        best = max(whole, key=lambda found: (not found[3], found[2] - found[1], found[1]))
        stamp, start, end, _ = best
        others = [one for one in whole if not (start <= one[1] and one[2] <= end)]
        return stamp, start, end, not others, False
    counts = list(_EPOCH.finditer(text))
    counted = epoch(counts[0][1]) if len(counts) == 1 else None
    if counted is not None:  # ten digits may be a number's
        return counted, *counts[0].span(), len(counts[0][1]) == 13, True
    days = [found[:3] for found in _matches(text, _DAYS)]
    if not days:
        for match in _SHORT.finditer(text):
            day = None if _TIME_OF_DAY.match(match[0]) else stamp_of(match)
            if day is not None:
                days.append((day, *match.span()))
    if not days or _impossible(text, *days[-1][1:]):
        return None
    return *days[-1], len(days) == 1, False


def _impossible(text: str, start: int = 0, end: int = 999) -> bool:
    """Whether there, or around it, is a moment of no calendar: 240203_256100."""
    return any(
        found["s"] and found.start() < end and start < found.end() and stamp_of(found) is None
        for form in _MOMENTS
        for found in form.finditer(text)
    )


def _matches(
    text: str, forms: tuple[re.Pattern[str], ...]
) -> Iterator[tuple[Stamp, int, int, bool]]:
    """Each moment, its place, and whether its year has two digits."""
    for form in forms:
        for match in form.finditer(text):
            stamp = stamp_of(match)
            if stamp is None:
                continue
            got = match.groupdict()
            if not got.get("yy") and match.start("y") > match.start("d") and _either_way(match):
                continue
            if got.get("f3"):
                stamp = Stamp(stamp.at.replace(microsecond=int(got["f3"]) * 1000), "millisecond")
            yield stamp, *match.span(), "yy" in got


def _either_way(match: re.Match[str]) -> bool:
    """Whether 05-06-2024 could be in May or in June."""
    day, month = int(match["d"]), int(match["mo"])
    return day <= 12 and day != month and "." not in match[0][:6]


def _pieces(text: str) -> list[str]:
    """A text at its separators, and at a number with a ``+`` that stands between spaces."""
    found: list[str] = []
    for part in _PARTS.split(text):
        piece = bare(part).strip("-_ ,;")
        number = _PLUS.search(fold(piece))
        if piece and _BRACKETS.search(piece) and number_in(piece) is None:
            found += (bare(one).strip("-_ ,;") for one in _BRACKETS.split(piece))
        elif number is not None and piece:
            at = number.span()
            found += [piece[: at[0]].strip(), piece[slice(*at)], piece[at[1] :].strip()]
        else:
            found.append(piece)
    return [piece for piece in found if piece]


def _directed(pieces: list[str], draft: Draft) -> list[str]:
    """The pieces without one that is a word for the direction."""
    said = [piece for piece in pieces if piece.lower() in _WORDS]
    if draft.direction is not None or len(said) != 1:
        return pieces
    word = said[0].lower()
    draft.direction = "out" if word in _OUT else word if word == "conference" else "in", "medium"
    return [piece for piece in pieces if piece is not said[0]]


def _signs(text: str, draft: Draft, *, small: bool = False) -> tuple[str, int]:
    """Take direction and SIM out of a text; what is left, and how many there were."""
    signs = 0
    if sim := _SIM.search(text):
        draft.sim = int(sim[1])
        text = text[: sim.start()] + "_" + text[sim.end() :]
        signs += 1
    ways = list(_WAYS.finditer(text)) or list(_SPACED.finditer(text))
    if not ways and small:
        ways = list(_SPACED_SMALL.finditer(text))
    if len(ways) == 1 and draft.direction is None:
        word = ways[0][0].strip().lower()
        way = "conference" if word == "conference" else "out" if word in _OUT else "in"
        draft.direction = way, "medium"
        text = text[: ways[0].start()] + "_" + text[ways[0].end() :]
        signs += 1
    return text, signs


def _parties(pieces: list[str], draft: Draft) -> int:
    """The number and the contact among the pieces that are left; how many numbers were there."""
    numbers, others = [], []
    hidden = False
    for piece in pieces:
        number = number_in(piece)
        if number is not None and number[1] != "low" and len(digits_of(piece)) >= 3:
            numbers.append(number[0])
        elif is_nobody(piece):
            hidden = True
        elif not is_call_word(piece) and not is_other(piece):
            others.append(piece)
    long = [number for number in numbers if len(digits_of(number)) >= 7] or numbers
    if len(long) == 1:
        draft.number = long[0], "medium" if len(digits_of(long[0])) >= 7 else "low"
    elif len(long) > 1:
        draft.notes.append("which of the numbers in it is the caller's is not clear")
    if len(others) == 1 and any(ch.isalpha() for ch in others[0]):
        draft.name(others[0], "low")
    elif others:
        draft.notes.append("what else it says is not clear: " + ", ".join(others))
    if hidden and draft.number is None:
        draft.notes.append("the name says that the number is not known")
    return len(long) == 1 or hidden
