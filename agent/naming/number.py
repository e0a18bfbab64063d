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
    if not folded or folded[0] not in "+*#(0123456789" or not _SHAPE.fullmatch(folded):
        return None
    count = len(_NO_DIGIT.sub("", folded))
    if folded.count("(") != folded.count(")") or count > _MOST_DIGITS or count < 2:
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
    from phonenumbers import (  # it takes a tenth of a second
        NumberParseException,
        PhoneNumberFormat,
        format_number,
        is_possible_number,
        is_valid_number,
        parse,
    )

    if international:
        quick = _quick(digits_of(folded))
        if quick is not None:
            return quick, "high"
    try:
        home = None if international or region is None else region.upper()
        parsed = parse(folded.split(",")[0], home)
    except NumberParseException:
        return None
    if not is_possible_number(parsed):
        return None
    found = format_number(parsed, PhoneNumberFormat.E164)
    if international:
        return found, "high" if is_valid_number(parsed) else "medium"
    return (found, "medium") if is_valid_number(parsed) else None


def _quick(digits: str) -> str | None:
    """E.164 of an international number of a possible length; None where that needs a closer
    look. Thirty times quicker than parsing it, which is what most names need."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    for length in (1, 2, 3):
        code, national = digits[:length], digits[length:]
        if not national or code.startswith("0") or int(code) not in COUNTRY_CODE_TO_REGION_CODE:
            continue
        if national.startswith("0"):
            return None
        region = COUNTRY_CODE_TO_REGION_CODE[int(code)][0]
        known = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
        lengths = known.general_desc.possible_length if known and known.general_desc else ()
        return f"+{digits}" if len(national) in lengths else None
    return None


def known_region(region: str) -> bool:
    """Whether a country has a numbering plan under these two letters."""
    from phonenumbers import SUPPORTED_REGIONS

    return region.upper() in SUPPORTED_REGIONS
