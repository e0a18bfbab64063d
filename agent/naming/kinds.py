"""What a file in a folder of calls can be besides a call's recording."""

from __future__ import annotations

import re

from agent.naming.words import call_prefix

# Android's MediaProvider names so what is being written, or was thrown away.
_PENDING = re.compile(r"\.pending-\d+-", re.IGNORECASE)
_TRASHED = re.compile(r"\.trashed-\d+-", re.IGNORECASE)
_UNFINISHED = frozenset(
    ["part", "partial", "tmp", "temp", "download", "crdownload", "opdownload", "filepart"]
)
_BY_SUFFIX = {
    "txt": "transcript",
    "srt": "transcript",
    "vtt": "transcript",
    "lrc": "transcript",
    "json": "sidecar",
    "props": "sidecar",
    "log": "log",
}
_LOG = re.compile(r"(?:\.log\.txt|\Acrash\.log)\s*\Z", re.IGNORECASE)
_CHATS = frozenset(["PTT", "AUD", "VID", "IMG", "STK", "DOC"])
_NOTE = re.compile(r"(?:PTT|AUD|VID|IMG|STK|DOC)-\d{8}-WA\d{4,}", re.IGNORECASE)
# Signal's and Telegram's, and WhatsApp's on a computer.
_SENT = re.compile(
    r"signal-\d{4}-\d\d-\d\d-[\d-]{6,}(?: ?\(\d+\))?\.|(?:audio|voice)_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
    r"|WhatsApp (?:Audio|Ptt|Video) \d{4}-\d\d-\d\d at ",
    re.IGNORECASE,
)
_NOT_SOUND = frozenset(
    [
        "jpg",
        "jpeg",
        "png",
        "gif",
        "webp",
        "heic",
        "pdf",
        "zip",
        "apk",
        "db",
        "xml",
        "html",
        "csv",
        "bak",
        "exe",
        "ini",
        "lnk",
        "doc",
        "docx",
        "mkv",
        "avi",
        "mov",
        "nomedia",
        "md",
    ]
)
_MEMO = re.compile(
    # Fossify and Simple Voice Recorder
    r"(?:\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d"
    # Apple's Voice Memos
    r"|\d{8} \d{6}-[0-9A-Fa-f]{8}|[Nn]ew [Rr]ecording(?: \d+)?"
    # Samsung's Voice Recorder: a word of the phone's language and a running number
    r"|[^\W\d_]{2,20}(?: [^\W\d_]{1,20}){0,2} \d{3}(?:_\d{6}_\d{6})?)\Z"
)
# A title and a Chinese date, as people rename their memos.
_TITLED = re.compile(r".*\d{1,2}月\d{1,2}日[ _]?(?:[上下]午)?\d{1,2}[点點时時:]\d{1,2}分?\Z")
_CALL_WORD = re.compile(r"call|通[话話]|통화|녹음", re.IGNORECASE)
# «Recording 001» in Korean: a memo's running number, and no number that is called.
_RUNNING = re.compile(r"녹음 0\d\d(?!\d)")


def kind_of(base: str) -> tuple[str, str]:
    """What a name is by its beginning and its end, with what is left of it to be explained.

    ``call`` means that nothing speaks against it; a kind with an empty rest has no facts.
    """
    if base[:1] == ".":
        if _PENDING.match(base):
            return "unfinished", ""
        return "deleted" if _TRASHED.match(base) else "unknown", ""
    if base[:3].upper() in _CHATS and _NOTE.match(base):
        return "voice note", ""
    if base[:1] in "sSaAvVwW" and _SENT.match(base):
        return "voice note", ""
    dot = base.rfind(".")
    ending = base[dot + 1 :].rstrip().lower() if dot > 0 else ""
    if ending in _UNFINISHED:
        return "unfinished", ""
    if ending in _BY_SUFFIX:
        log = _LOG.search(base)
        return ("log", base[: log.start()]) if log else (_BY_SUFFIX[ending], base[:dot])
    if ending in _NOT_SOUND:
        return "unknown", ""
    return "call", base


def is_memo(folded: str) -> bool:
    """Whether a stem (see :func:`agent.naming.text.fold`) is a voice memo's, by a recorder that
    has nothing to do with calls."""
    form = _TITLED if "月" in folded else _MEMO
    if form.match(folded) is None:
        return False
    if _RUNNING.match(folded):
        return True
    return not _CALL_WORD.search(folded) and not call_prefix(folded)
