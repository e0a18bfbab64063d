"""A file name, made ready for its parsers: its suffix, marks of a copy, and the text between."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_USUAL = {"wav", "oga", "ogg", "opus", "m4a", "mp4", "aac", "mp3", "amr", "awb", "3gp", "3gpp"}
AUDIO = frozenset(_USUAL | {"3ga", "3g2", "flac", "webm", "mka", "wma", "caf", "qcp"})
# ``x(1).m4a`` and ``x~2.m4a``, which programs make of a name that was taken.
_NUMBERED = re.compile(r"(?: ?\((\d{1,2})\)|~\d{1,3})\Z")
# What people and desktops call a copy, at its end.
_COPY = re.compile(
    r" - (?:copy|copie|copia|c[oó]pia|kopie|kopia|kopio|kopi|kopya|kopyası|másolat|копия|копія"
    r"|αντίγραφο|コピー|副本|複製|复件|复制|사본|복사본|نسخة|עותק)(?: ?\(\d{1,2}\))?\Z",
    re.IGNORECASE,
)
# What Syncthing, Dropbox and Nextcloud call the other one of two.
_CONFLICT = re.compile(
    r"(?:\.sync-conflict-\d{8}-\d{6}-[0-9A-Z]{7}"
    r"| \((?:[^()]{1,40} )?conflicted copy \d{4}-\d\d-\d\d[ \d-]*\))\Z",
    re.IGNORECASE,
)
# What Google Drive, Windows and others write before it instead.
_COPY_OF = re.compile(
    r"(?:copy(?: \(\d{1,2}\))? of|kopie (?:von|van)|copie de|c[oó]pia d[ei]|kopia av|kopi a[vf]) ",
    re.IGNORECASE,
)
# The same by its shape alone; for names that no recorder gives.
_LONGEST_MARK = 30
_MAYBE_COPY = re.compile(
    r"(?: - [^\W\d_]{2,16}(?: ?\(\d{1,2}\))?| ?\([^\W\d_]{2,16}(?: \d{1,2})?\)"
    r"| copy(?: \d{1,2})?|[ _-]\d{1,2})\Z",
    re.IGNORECASE,
)
_HIDDEN = dict.fromkeys(
    map(ord, "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u00ad")
)


class _Folded(dict[int, int]):
    """Characters that mean the same in a name as an ASCII one, found as they come."""

    def __missing__(self, code: int) -> int:
        char = chr(code)
        category = unicodedata.category(char)
        folded = code
        if category == "Nd":
            folded = ord("0") + unicodedata.decimal(char)
        elif category == "Pd":
            folded = ord("-")
        elif category == "Zs":
            folded = ord(" ")
        elif 0xFF01 <= code <= 0xFF5E:  # full-width forms of ASCII
            folded = code - 0xFEE0
        if len(self) < 5000:
            self[code] = folded
        return folded


_FOLDED = _Folded()


def fold(text: str) -> str:
    """``text`` with every script's digits, dashes, spaces and full-width signs as ASCII's.

    Character for character, so that what is found in it has the same place in ``text``.
    """
    return text if text.isascii() else text.translate(_FOLDED)


def bare(text: str) -> str:
    """``text`` without the marks of direction that Android puts around numbers, and trimmed."""
    if not text.isascii():
        text = text.translate(_HIDDEN)
    return text.strip()


class Name(NamedTuple):
    """A name and what is known around it.

    ``stem`` has neither suffix nor marks of a copy; ``folded`` is the same by :func:`fold`.
    ``suffix`` is without its dot, in lower case, empty if it is no sound's. ``copy``: whether a
    mark was cut off. ``home`` is the recorder whose folder it lies in, as far as that is told.
    """

    given: str
    stem: str
    folded: str
    suffix: str
    copy: bool = False
    folder: str = ""
    home: str | None = None

    def text(self, start: int, end: int | None = None) -> str:
        """A piece of the stem as it was written, trimmed."""
        return self.stem[start:end].strip()


def split(base: str) -> tuple[str, str, bool]:
    """The stem, the suffix, and whether there was a mark of a copy.

    >>> split("a_240102_030405(1).M4A")
    ('a_240102_030405', 'm4a', True)
    """
    stem, suffix, copy = base.rstrip(), "", False
    for _ in range(2):  # ``x.amr.m4a`` was converted, if nobody is called so
        dot = stem.rfind(".")
        ending = stem[dot + 1 :].lower()
        if dot < 0 or ending not in AUDIO:
            break
        suffix, copy = ending, copy or bool(suffix)
        stem = stem[:dot].rstrip()
        while (shorter := _unmarked(stem)) is not None:
            stem, copy = shorter, True
    if stem[:1] in "CcKk" and (mark := _COPY_OF.match(stem)) and mark.end() < len(stem):
        stem, copy = stem[mark.end() :], True
    return stem, suffix, copy


def _unmarked(stem: str) -> str | None:
    """A stem without a mark of a copy; None where there is none."""
    mark = _CONFLICT.search(stem) if "conflict" in stem else None
    if mark is None and (stem[-1:] in (")", "）") or "~" in stem[-4:]):
        mark = _NUMBERED.search(stem)
    if mark is None and " - " in stem:
        mark = _COPY.search(stem)
    return stem[: mark.start()] if mark and mark.start() else None


def without_mark(stem: str) -> str | None:
    """A stem without what may be a mark of a copy; None where nothing looks like one."""
    mark = _MAYBE_COPY.search(stem, max(0, len(stem) - _LONGEST_MARK))
    return stem[: mark.start()] if mark and mark.start() else None


def composed(text: str) -> str:
    """A name that a Mac has decomposed, as it was; any other as it is."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", text) if unicodedata.is_normalized("NFD", text) else text
