"""Telephone numbers in names: whether a text is one, and which one it is in E.164."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from agent.naming.result import Confidence
from agent.naming.text import bare, fold

_SHAPE = re.compile(r"[+*#(]{0,3}\d[\d ()./*#-]*")
_DATE = re.compile(
    r"(?:19|20)\d\d(?:[-./ ]\d{1,2}[-./ ]\d{1,2}(?!\d)"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[ -]?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?\Z)"
    r"|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d\d)(?!\d)"
)
_PLAIN = re.compile(r"[\d ().-]+")
_DIALLED = re.compile(r"[,;]")  # a pause, and what was dialled after the answer
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
    folded = _DIALLED.split(fold(bare(number)), maxsplit=1)[0]
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
    elif region is not None and _PLAIN.fullmatch(folded):
        digits, home_plan = digits_of(folded), _home(region.upper())
        if home_plan is not None and (known := home_plan.complete(digits)) is not None:
            return (known, "medium") if _valid(home_plan.code, known) else None
    import phonenumbers as lib  # it takes a tenth of a second

    try:
        home = None if international or region is None else region.upper()
        parsed = lib.parse(folded, home)
    except lib.NumberParseException:
        return None
    if lib.is_possible_number_with_reason(parsed) != lib.ValidationResult.IS_POSSIBLE:
        return None  # that leaves out what can only be dialled without the area's code
    found = lib.format_number(parsed, lib.PhoneNumberFormat.E164)
    if international:
        return found, "high" if lib.is_valid_number(parsed) else "medium"
    return (found, "medium") if lib.is_valid_number(parsed) else None


class _Home(NamedTuple):
    """What it takes to complete a country's usual national numbers, as libphonenumber has it."""

    code: int
    abroad: re.Pattern[str]
    prefix: re.Pattern[str]
    national: re.Pattern[str]
    lengths: tuple[int, ...]

    def complete(self, digits: str) -> str | None:
        """The number with its country's code; None where only a whole parser can tell."""
        if digits.startswith(str(self.code)) or self.abroad.match(digits):
            return None
        prefix = self.prefix.match(digits)
        if prefix is not None and prefix.lastindex:
            return None  # a carrier's code, or an area's that is left out
        rest = digits if prefix is None else digits[prefix.end() :]
        if len(rest) not in self.lengths or rest[0] == "0" or not self.national.fullmatch(rest):
            return None
        return f"+{self.code}{rest}"


@lru_cache(maxsize=8)
def _home(region: str) -> _Home | None:
    import phonenumbers as lib

    known = lib.PhoneMetadata.metadata_for_region(region, None)
    if known is None or known.country_code is None or known.general_desc is None:
        return None
    main = lib.PhoneMetadata.metadata_for_region(
        lib.region_code_for_country_code(known.country_code)
    )
    lengths = set(known.general_desc.possible_length)
    if main is not None and main.general_desc:  # where countries share a code, its lengths count
        lengths &= set(main.general_desc.possible_length)
    never = "(?!)"
    return _Home(
        known.country_code,
        re.compile(known.international_prefix or never),
        re.compile(known.national_prefix_for_parsing or never),
        re.compile(known.general_desc.national_number_pattern or never),
        tuple(lengths),
    )


def _valid(code: int, number: str) -> bool:
    import phonenumbers as lib

    national = int(number[len(str(code)) + 1 :])
    return lib.is_valid_number(lib.PhoneNumber(country_code=code, national_number=national))


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
