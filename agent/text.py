"""Showing text from a phone safely: names, contacts and numbers are hostile until shown here."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def shown(text: str) -> str:
    r"""``text`` fit for a terminal: controls, bidi marks and stray bytes become ``\x1b``-like escapes.

    >>> shown("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    if text.isprintable():  # most is, and soon known to be
        return text
    return "".join(_escape(ch) if unicodedata.category(ch) in _HIDDEN else ch for ch in text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """``value`` as JSON that a terminal shows tamely too: what is not to be seen is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.replace("\n", "").isprintable():
        return text
    hidden = {ch for ch in set(text) - {"\n"} if unicodedata.category(ch) in _HIDDEN}
    return text.translate({ord(ch): json.dumps(ch)[1:-1] for ch in hidden}) if hidden else text


def _escape(ch: str) -> str:
    code = ord(ch)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as os.fsdecode keeps it
        return f"\\x{code - 0xDC00:02x}"
    return ch.encode("unicode_escape", "surrogatepass").decode("ascii")
