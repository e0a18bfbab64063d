"""Names for archived files: date first, safe on ext4, NTFS, APFS and in a terminal."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, tzinfo
from pathlib import PurePosixPath

LONGEST = 180  # bytes; leaves room below 255 for a suffix, and for the name while it is written

_UNSAFE = frozenset('<>:"/\\|?*')
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=$|[ .])")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}\Z", re.IGNORECASE)


def safe_name(text: str, longest: int = LONGEST) -> str:
    """``text`` as a file name of at most ``longest`` bytes; never empty, never hidden.

    >>> safe_name("../../etc/passwd")
    '_.._etc_passwd'
    >>> safe_name("CON.wav")
    '_CON.wav'
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(
        "_" if ch in _UNSAFE or unicodedata.category(ch) in _HIDDEN else ch for ch in text
    )
    text = " ".join(text.split()).strip(" .")
    if text.startswith(("-", "~")):  # not an option, not a home folder
        text = "_" + text[1:]
    if _RESERVED.match(text):
        text = "_" + text
    match = _SUFFIX.search(text)
    stem, suffix = (text[: match.start()], match.group()) if match else (text, "")
    stem = _cut(stem, longest - len(suffix.encode())).rstrip(" .")
    return (stem or "_") + suffix


def archive_path(
    started_ms: int,
    original: str,
    *,
    direction: str | None = None,
    number: str | None = None,
    zone: tzinfo | None = None,
) -> PurePosixPath:
    """Where a recording goes below the archive's folder: ``YYYY/MM/name``.

    The time is local (or in ``zone``), as people look for it; the index keeps it in UTC. The
    last part is the number where it is known, or else the name that the file had on the phone.
    """
    try:
        start = datetime.fromtimestamp(started_ms / 1000, tz=zone).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        start = datetime.fromtimestamp(0, tz=zone).astimezone(zone)
    base = original.rsplit("/", 1)[-1].rstrip(" ")
    match = _SUFFIX.search(base)
    suffix = match.group().lower() if match else ""
    stem = base[: match.start()] if match else base
    digits = "".join(ch for ch in number or "" if ch in "+0123456789")
    parts = [f"{start:%Y-%m-%d_%H-%M-%S}"]
    if direction:
        parts.append(direction)
    parts.append(digits or safe_name(stem, LONGEST - 40))
    return PurePosixPath(f"{start:%Y}", f"{start:%m}", safe_name("_".join(parts) + suffix))


def numbered(name: str, count: int) -> str:
    """The ``count``-th file of the same name: ``call.wav`` → ``call~2.wav``."""
    match = _SUFFIX.search(name)
    stem, suffix = (name[: match.start()], match.group()) if match else (name, "")
    return f"{stem}~{count}{suffix}"


def _cut(text: str, longest: int) -> str:
    """The start of ``text`` that fits in ``longest`` bytes, never half of a character."""
    return text.encode("utf-8", "replace")[: max(longest, 0)].decode("utf-8", "ignore")
