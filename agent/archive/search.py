"""Search over numbers, contacts, notes and names: what is indexed, and how text becomes a query.

Numbers are found by their end: ``search`` keeps the digits backwards in ``tails``, where a
number's last digits are a prefix. So 079 123 45 67, +41 79 123 45 67 and 4567 find each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SHORTEST_TAIL = 4  # digits
_SHORTEST_NATIONAL = 6  # digits that a number keeps without its country's code

_PIECES = re.compile(r'"([^"]*)"?|([^\s"]+)')
_NUMBER_LIKE = re.compile(r"[+(]?[0-9][0-9()./+-]*\Z")
_TEXT_COLUMNS = "{number contact note name}"


def digits_of(text: str) -> str:
    """Only the digits 0 to 9 of ``text``."""
    return "".join(ch for ch in text if ch in "0123456789")


def tails_of(number: str | None) -> str:
    """What ``search.tails`` holds for a number: its digits backwards, with and without zeros.

    >>> tails_of("079 123")
    '321970 32197'
    """
    digits = digits_of(number or "")
    if not digits:
        return ""
    backwards = (digits[::-1], digits.lstrip("0")[::-1])
    return " ".join(dict.fromkeys(part for part in backwards if part))


def row_of(values: Mapping[str, Any]) -> dict[str, str]:
    """A row of ``search`` for a row of ``recordings``."""
    others = _others(values.get("facts"))
    numbers = [values["number"] or "", *(other.get("number") or "" for other in others)]
    contacts = [values["contact"] or "", *(other.get("contact") or "" for other in others)]
    return {
        "number": _each(numbers),
        "contact": _each(contacts),
        "note": values["note"] or "",
        "name": values["original_name"] or "",
        "tails": _each([tails_of(number) for number in numbers]),
    }


def _each(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(text for text in texts if text))


def _others(facts: str | None) -> list[dict[str, str | None]]:
    """Those who are heard besides: in a conference, or while the first was on hold."""
    known = json.loads(facts or "{}")
    lists = [known.get(name, {}).get("value") for name in ("parties", "others")]
    found = [one for listed in lists if isinstance(listed, list) for one in listed]
    return [
        {key: value for key, value in one.items() if isinstance(value, str)}
        for one in found
        if isinstance(one, dict)
    ]


def match_of(text: str) -> str | None:
    """``text`` as an FTS5 query that no text can break; None when there is nothing to match.

    Every word must be there, as the start of a word; "words in quotes" as they are. Groups of
    digits beside each other are tried as one number too.
    """
    clauses = [clause for piece in _pieces(text) if (clause := _clause(*piece))]
    return " AND ".join(clauses) or None


def like_of(text: str) -> str:
    r"""``text`` as a LIKE pattern (ESCAPE '\') for whatever holds it anywhere."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text.replace("\0", "").strip())
    return f"%{escaped}%"


def same_number(one: str | None, other: str | None) -> bool:
    """Whether two numbers can be the same one, written nationally or internationally."""
    a, b = digits_of(one or ""), digits_of(other or "")
    if a == b:
        return bool(a)
    a, b = a.lstrip("0"), b.lstrip("0")
    short, long = sorted((a, b), key=len)
    return a == b or (len(short) >= _SHORTEST_NATIONAL and long.endswith(short))


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Words, and runs of number-like words, each with whether it stood in quotes."""
    run: list[str] = []
    for match in _PIECES.finditer(text.replace("\0", " ")):
        word = match.group(2)
        if word is not None and _NUMBER_LIKE.match(word):
            run.append(word)
            continue
        if run:
            yield " ".join(run), False
            run = []
        yield (match.group(1), True) if word is None else (word, False)
    if run:
        yield " ".join(run), False


def _clause(piece: str, quoted: bool) -> str | None:
    if not any(ch.isalnum() for ch in piece):
        return None
    if quoted:
        return f"{_TEXT_COLUMNS} : {_string(piece)}"
    words = [word for word in piece.split() if any(ch.isalnum() for ch in word)]
    as_words = " AND ".join(f"{_TEXT_COLUMNS} : {_string(word)} *" for word in words)
    tails = _tail_clauses(piece) if all(_NUMBER_LIKE.match(word) for word in words) else []
    if tails:
        return f"(({as_words}) OR {' OR '.join(tails)})"
    return f"({as_words})"


def _tail_clauses(number: str) -> list[str]:
    digits = digits_of(number)
    if len(digits) < SHORTEST_TAIL:
        return []
    forms = [digits]
    if len(digits.lstrip("0")) >= SHORTEST_TAIL:
        forms.append(digits.lstrip("0"))
    clauses = [f'tails : "{form[::-1]}" *' for form in dict.fromkeys(forms)]
    # Asked for with a country's code, kept without: codes have one to three digits.
    if number.startswith(("+", "(+", "00")):
        international = digits.lstrip("0")
        for code in (1, 2, 3):
            national = international[code:].lstrip("0")
            if len(national) >= _SHORTEST_NATIONAL:
                clauses.append(f'tails : "{national[::-1]}"')
    return clauses


def _string(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
