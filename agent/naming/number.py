"""Telephone numbers in names: whether a text is one, and which one it is in E.164."""

from __future__ import annotations

import re
from functools import lru_cache

from agent.naming.result import Confidence
from agent.naming.text import bare, fold

_SHAPE = re.compile(r"[+*#(]{0,3}\d[\d ()./*#-]*")
_DATE = re.compile(
    r"(?:19|20)\d\d(?:[-./ ]\d{1,2}[-./ ]\d{1,2}(?!\d)"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[ -]?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?\Z)"
    r"|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d\d)(?!\d)"
)
_NO_DIGIT = re.compile(r"[^0-9]+")
_MOST_DIGITS = 15  # ITU-T E.164


def number_in(text: str) -> tuple[str, Confidence] | None:
    """A text that is nothing but a number, as written, and how surely it is one.

    >>> number_in("010-4522-0000")
    ('010-4522-0000', 'high')
    >>> number_in("2024-01-01 12-30-00") is None
    True
    """
    text = bare(text)
    folded = fold(text)
    if folded[:1] == "(" and folded.find(")") == len(folded) - 1:
        text, folded = text[1:-1].strip(), folded[1:-1].strip()
    if folded.isdigit() or (folded[:1] == "+" and folded[1:].isdigit()):
        count = len(folded) - (folded[0] == "+")
    elif not folded or folded[0] not in "+*#(0123456789" or not _SHAPE.fullmatch(folded):
        return None
    else:
        count = len(_NO_DIGIT.sub("", folded))
        if folded.count("(") != folded.count(")"):
            return None
    if not 2 <= count <= _MOST_DIGITS:
        return None
    if folded[0] == "+" and count >= 7:
        return text, "high"
    code = "*" in folded or "#" in folded
    if _DATE.match(folded):
        return (text, "low") if folded.isdigit() else None
    if count < 7:
        # 24-7 and 3.14 are somebody's name rather than a number.
        if not code and not folded.isdigit():
            return None
        return text, "medium" if count > 2 else "low"
    return text, "high" if count >= 9 and not code else "medium"


def digits_of(text: str) -> str:
    """The digits of a text, of any script, as ASCII's."""
    return _NO_DIGIT.sub("", fold(text))


@lru_cache(maxsize=4096)
def e164(number: str, region: str | None = None) -> tuple[str, Confidence] | None:
    """A number in E.164, by its own country code or by a region (``DE``) that is taken for its.

    None for what is no number of that country's numbering plan, or can't be told without one.
    """
    folded = fold(bare(number))
    international = folded.startswith("+")
    if "*" in folded or "#" in folded or not (international or region):
        return None
    if international:
        digits = digits_of(folded)
        width, lengths = _plan(digits[:3])
        follow = len(digits) - width
        if not lengths or follow < lengths[0]:
            return None
        if follow in lengths and digits[width] != "0":
            # It is its own E.164: a parser, which is thirty times slower, says the same.
            return f"+{digits}", "high"
    import phonenumbers as lib  # it takes a tenth of a second

    try:
        home = None if international or region is None else region.upper()
        parsed = lib.parse(folded.split(",")[0], home)
    except lib.NumberParseException:
        return None
    if lib.is_possible_number_with_reason(parsed) != lib.ValidationResult.IS_POSSIBLE:
        return None  # that leaves out what can only be dialled without the area's code
    found = lib.format_number(parsed, lib.PhoneNumberFormat.E164)
    if international:
        return found, "high" if lib.is_valid_number(parsed) else "medium"
    return (found, "medium") if lib.is_valid_number(parsed) else None


@lru_cache(maxsize=1000)
def _plan(first: str) -> tuple[int, tuple[int, ...]]:
    """How many of a number's first three digits are its country's code, and how many may follow;
    nothing may where there is no such country."""
    import phonenumbers as lib

    for width in (1, 2, 3):
        code = int(first[:width] or 0)
        if code in lib.COUNTRY_CODE_TO_REGION_CODE and len(first) == 3 and first[0] != "0":
            region = lib.COUNTRY_CODE_TO_REGION_CODE[code][0]
            known = lib.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            lengths = known.general_desc.possible_length if known and known.general_desc else ()
            return width, tuple(sorted(length for length in lengths if length > 0))
    return 0, ()


def known_region(region: str) -> bool:
    """Whether a country has a numbering plan under these two letters."""
    import phonenumbers as lib

    return region.upper() in lib.SUPPORTED_REGIONS
