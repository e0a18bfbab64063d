"""Names for archived files: safe on ext4, NTFS, APFS and in a terminal."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 180  # bytes; leaves room below 255 for a suffix, and for the name while it is written
#: For a file system that takes none as long (eCryptfs: 143 bytes), one after the other.
SHORTER = (LONGEST, 120, 80, 50)

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
    text = plain(text)
    if text.startswith(("-", "~")):  # not an option, not a home folder
        text = "_" + text[1:]
    if _RESERVED.match(text):
        text = "_" + text
    match = _SUFFIX.search(text)
    stem, suffix = (text[: match.start()], match.group()) if match else (text, "")
    stem = _cut(stem, longest - len(suffix.encode())).rstrip(" .")
    return (stem or "_") + suffix


def plain(text: str, longest: int | None = None) -> str:
    """``text`` as a part of a name, of at most ``longest`` bytes: nothing that a file system or a
    terminal takes for more than a letter. Empty where that leaves nothing."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(
        "_" if ch in _UNSAFE or unicodedata.category(ch) in _HIDDEN else ch for ch in text
    )
    text = " ".join(text.split()).strip(" .")
    return text if longest is None else _cut(text, longest).rstrip(" .")


def split_suffix(name: str) -> tuple[str, str]:
    """A file's name, of any path, without its suffix, and the suffix in small letters, or nothing.

    >>> split_suffix("a/b c.WAV ")
    ('b c', '.wav')
    """
    base = name.rsplit("/", 1)[-1].rstrip(" ")
    match = _SUFFIX.search(base)
    return (base[: match.start()], match.group().lower()) if match else (base, "")


def numbered(name: str, count: int) -> str:
    """The ``count``-th file of the same name: ``call.wav`` → ``call~2.wav``."""
    match = _SUFFIX.search(name)
    stem, suffix = (name[: match.start()], match.group()) if match else (name, "")
    return f"{stem}~{count}{suffix}"


def _cut(text: str, longest: int) -> str:
    """The start of ``text`` that fits in ``longest`` bytes, never half of a character."""
    return text.encode("utf-8", "replace")[: max(longest, 0)].decode("utf-8", "ignore")
