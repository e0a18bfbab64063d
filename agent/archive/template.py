"""Where a recording goes below the archive's folder, by a template of the user's.

    {year}/{month}/{date}_{time}_{direction}_{hash}

Folders and a name, without the suffix, which stays the file's own. What is not known of a recording is
``unknown``. Whatever a field holds, each part of the path is one safe name.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import PurePosixPath
from string import Formatter

from agent.archive.names import LONGEST, plain, safe_name

UNKNOWN = "unknown"
MOST_FOLDERS = 8
_LONGEST = 100  # bytes of one field

#: The fields of a template, and what they hold.
FIELDS = {
    "year": "2026",
    "month": "03",
    "day": "05",
    "date": "2026-03-05",
    "time": "13-22-07",
    "direction": "in or out",
    "phone": "the phone's alias, or its serial number",
    "recorder": "what recorded it",
    "route": "by what route",
    "hash": "the first eight digits of its SHA-256",
    "name": "the name that it had, without the suffix",
    "number": "the other party's number: digits, and +",
    "contact": "the other party's name",
}


class TemplateError(Exception):
    """A template that is none; ``hint`` says what to do, where there is something to say."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Template:
    """A template, read by :meth:`parse`: of each part of the path, texts and fields in turn."""

    text: str
    parts: tuple[tuple[tuple[str, str | None], ...], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template; TemplateError says what is wrong with it."""
        text = unicodedata.normalize("NFC", text)
        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise TemplateError("has a { or a } that stands alone", _BRACES) from error
        parts: list[list[tuple[str, str | None]]] = [[]]
        for literal, field, spec, conversion in pieces:
            first, *more = literal.split("/")
            parts[-1].append((first, None))
            parts += [[(piece, None)] for piece in more]
            if field is None:
                continue
            if spec or conversion:
                raise TemplateError(f"has {{{field}…}}: a field has no format", _KNOWN)
            if field not in FIELDS:
                near = difflib.get_close_matches(field, FIELDS, 1)
                hint = f"Did you mean {{{near[0]}}}? " if near else ""
                raise TemplateError(f"has {{{field}}}, which is no field", hint + _KNOWN)
            parts[-1].append(("", field))
        kept = tuple(tuple(piece for piece in part if piece != ("", None)) for part in parts)
        _check(text, kept)
        return cls(text, kept)

    def uses(self, field: str) -> bool:
        """Whether a field is in it."""
        return any(field == one for part in self.parts for _, one in part)

    def path(
        self, values: Mapping[str, str | None], suffix: str, longest: int = LONGEST
    ) -> PurePosixPath:
        """The path for these values of fields; ``suffix`` is ``.wav``, or nothing. No part of it
        has more than ``longest`` bytes."""
        names = [
            "".join(text or _value(values.get(field or "")) for text, field in part)
            for part in self.parts
        ]
        names[-1] += suffix
        return PurePosixPath(*(safe_name(name, longest) for name in names))


def times(started_ms: int, zone: tzinfo | None = None) -> dict[str, str | None]:
    """The fields of a start. The time is local (or in ``zone``), as people look for it; the
    index keeps it in UTC."""
    try:
        start = datetime.fromtimestamp(started_ms / 1000, tz=zone).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        start = datetime.fromtimestamp(0, tz=zone).astimezone(zone)
    return {
        "year": f"{start:%Y}",
        "month": f"{start:%m}",
        "day": f"{start:%d}",
        "date": f"{start:%Y-%m-%d}",
        "time": f"{start:%H-%M-%S}",
    }


_BRACES = "A brace that is meant is written twice: {{ or }}."
_KNOWN = f"Fields: {', '.join(FIELDS)}."


def _value(text: str | None) -> str:
    return plain(text or "", _LONGEST) or UNKNOWN


def _check(text: str, parts: tuple[tuple[tuple[str, str | None], ...], ...]) -> None:
    """TemplateError for what makes no safe path, or another than it says."""
    below = "It is below the archive's folder: {year}/{month}/{date}_{time}."
    if text.startswith(("/", "~", "\\")):
        raise TemplateError(f"begins with {text[0]!r}", below)
    if len(parts) - 1 > MOST_FOLDERS:
        raise TemplateError(f"has {len(parts) - 1} folders, not at most {MOST_FOLDERS}")
    for part in parts:
        written = "".join(literal or f"{{{field}}}" for literal, field in part)
        if written in ("", ".", ".."):
            said = repr(written) if written else "a name that is empty"
            raise TemplateError(f"has {said} in it", below)
        # With a letter for each field, a name has to stay what it is.
        tried = "".join(literal or "x" for literal, field in part)
        if safe_name(tried) != tried:
            raise TemplateError(
                f"has {written!r}, which is no file's name on every computer",
                "Letters, digits, spaces, and . _ - between them are.",
            )


DEFAULT = Template.parse("{year}/{month}/{date}_{time}_{direction}_{hash}")
