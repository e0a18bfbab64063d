"""Whether two numbers, or two names, can be the same party's."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

#: same: it is; like: it can well be (a part agrees); other: it is not; unknown: nothing to compare
Agreement = Literal["same", "like", "other", "unknown"]

_SHORT = 6  # digits up to which a number is whole: emergency, service, extension
_TAIL = 7  # digits that have to agree where nothing else can be told
_NOBODY = frozenset({"", "-1", "-2", "-3", "-4", "null", "unknown", "private", "anonymous"})
_HIDING = re.compile(r"(?:\*31#|#31#|\*67|\*82)(?=\+?\d{4})")  # asked for one call only
_AFTER = re.compile(r"(?<=\d)[,;pPwW].*", re.DOTALL)  # dialled after the answer
_MASK = re.compile(r"[xX*•]{2,}")
_VOWELS = frozenset([0, 8, 9])  # Unicode's combining classes
_VARIANTS = re.compile("[\ufe00-\ufe0f\u034f\u180b-\u180f\U000e0100-\U000e01ef]")
_SHORTEST_CUT = 4  # characters of a name that stand for all of it; of others than ABC, 2


def bare(number: str | None) -> str:
    """A number's digits, with ``+`` where it is international; ``""`` where there is none.

    >>> bare("tel:0041 79-123 45 67,,12")
    '+41791234567'
    """
    text = unicodedata.normalize("NFKC", number or "").strip()
    text = text.removeprefix("tel:").removeprefix("sip:").split("@", 1)[0]
    if text.casefold() in _NOBODY:
        return ""
    text = _HIDING.sub("", _AFTER.sub("", text), count=1)
    kept = "".join(ch for ch in text if ch in "+0123456789*#")
    if kept.startswith("00") and len(kept) > _SHORT + 2:
        kept = "+" + kept[2:]
    return kept


@functools.lru_cache(maxsize=65536)
def numbers_agree(one: str | None, other: str | None, country: str | None = None) -> Agreement:
    """Whether two numbers are the same line's, each in any way of writing it.

    ``country`` (ISO 3166, two letters) is where the phone was: what a national number is
    national to. A number of few digits is only like itself.
    """
    if one and other and (_MASK.search(one) or _MASK.search(other)):
        return _masked(one, other)
    a, b = bare(one), bare(other)
    if not any(map(str.isdigit, a)) or not any(map(str.isdigit, b)):
        return "unknown"
    if a == b:
        return "same"
    digits_a, digits_b = a.lstrip("+").lstrip("0"), b.lstrip("+").lstrip("0")
    if min(len(digits_a), len(digits_b)) <= _SHORT:
        return "other"
    from phonenumbers import MatchType, is_number_match  # it takes a tenth of a second

    match = is_number_match(_parsed(a, country), _parsed(b, country))
    if match in (MatchType.EXACT_MATCH, MatchType.NSN_MATCH):
        return "same"
    short, long = sorted((digits_a, digits_b), key=len)
    if match == MatchType.SHORT_NSN_MATCH or (len(short) >= _TAIL and long.endswith(short)):
        return "like"
    return "other"


def names_agree(one: str | None, other: str | None) -> Agreement:
    """Whether two names are the same one, though a file's name has lost its signs, or its end."""
    a, b = _letters(one), _letters(other)
    if not a or not b:
        return "unknown"
    if a == b:
        return "same"
    short, long = sorted((a, b), key=len)
    enough = _SHORTEST_CUT if short.isascii() else 2
    return "like" if len(short) >= enough and long.startswith(short) else "other"


@functools.lru_cache(maxsize=65536)
def _letters(name: str | None) -> str:
    text = unicodedata.normalize("NFKD", (name or "").casefold())
    return "".join(ch for ch in text if ch.isalnum() or (not ch.isascii() and _is_vowel(ch)))


def _is_vowel(ch: str) -> bool:
    """Whether a mark makes another word: India's and Thailand's vowels, the voice of kana. A
    Latin letter's accents, and the points of Arabic and Hebrew, can be left out by who writes."""
    is_mark = unicodedata.category(ch) in ("Mn", "Mc")
    return is_mark and unicodedata.combining(ch) in _VOWELS and not _VARIANTS.match(ch)


@functools.lru_cache(maxsize=65536)
def _parsed(number: str, country: str | None) -> PhoneNumber | str:
    from phonenumbers import NumberParseException, parse

    try:
        return parse(number, country)
    except NumberParseException:
        return number


def _masked(one: str, other: str) -> Agreement:
    """Numbers with signs in the place of digits, compared from their ends."""
    a, b = (
        re.sub(r"[^0-9x]", "", re.sub(r"[xX*•]", "x", text)).lstrip("0") for text in (one, other)
    )
    pairs = list(zip(reversed(a), reversed(b), strict=False))
    seen = [(x, y) for x, y in pairs if "x" not in (x, y)]
    if any(x != y for x, y in seen):
        return "other"
    return "like" if len(seen) >= 2 else "unknown"
