"""Where BCR's recordings are on a phone.

BCR begins every file in its own folder, and moves it to the user's, if one was chosen; what goes
wrong stays in the first. Before the phone's first unlock there are two more (BCR 1.73 on).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from urllib.parse import unquote

from agent.capture.bcr import prefs
from agent.capture.bcr.settings import DEFAULT, DEVICE, ID
from agent.phone.files import SHARED, Source

SHELLS = f"/sdcard/Android/data/{ID}/files"
_TREE = "content://com.android.externalstorage.documents/tree/"
_VOLUME = re.compile(r"[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}|[0-9A-Fa-f-]{36}")
#: Where Android's own apps, and everybody else's, put sound.
_SHARED = frozenset(
    [
        "Alarms",
        "Android",
        "Audiobooks",
        "DCIM",
        "Documents",
        "Download",
        "Movies",
        "Music",
        "Notifications",
        "Pictures",
        "Podcasts",
        "Recordings",
        "Ringtones",
    ]
)


def decode_tree(uri: str) -> tuple[str, str] | None:
    """A tree URI of Android's own storage as volume and folder; None for a cloud's, or nonsense.

    >>> decode_tree("content://com.android.externalstorage.documents/tree/primary%3AMy%2FBCR")
    ('primary', 'My/BCR')
    """
    if not uri.startswith(_TREE):
        return None
    tree = unquote(uri.removeprefix(_TREE).partition("/")[0], errors="surrogateescape")
    volume, colon, folder = tree.partition(":")
    parts = folder.split("/") if folder else []
    if not colon or "\0" in folder or any(part in ("", ".", "..") for part in parts):
        return None
    if volume == "home":  # what Android calls the documents
        return "primary", posixpath.join("Documents", folder) if folder else "Documents"
    return (volume, folder) if volume == "primary" or _VOLUME.fullmatch(volume) else None


def chosen(entries: Mapping[str, prefs.Entry], *, root: bool) -> str | None:
    """The folder that the user chose in BCR, as a path; None for none, or one without a path."""
    tree = decode_tree(prefs.text(entries, "output_dir") or "")
    if tree is None:
        return None
    volume, folder = tree
    if volume == "primary":
        base = "/data/media/0" if root else "/storage/emulated/0"
    else:
        base = f"/mnt/media_rw/{volume}" if root else f"/storage/{volume}"
    return posixpath.join(base, folder) if folder else base


def is_elsewhere(entries: Mapping[str, prefs.Entry]) -> bool:
    """Whether BCR moves its recordings to where no path leads: to a cloud's folder, mostly."""
    return "output_dir" in entries and chosen(entries, root=True) is None


def sources(entries: Mapping[str, prefs.Entry]) -> list[Source]:
    """All of BCR's folders, for root. Where it begins comes first: the rule by which a file is
    done wants to know what is under way."""
    said = frozenset({"sidecars"}) if prefs.truth(entries, prefs.METADATA) else frozenset()
    moved = "output_dir" in entries
    staging = frozenset({"staging"})
    found = [
        Source("bcr", DEFAULT, True, recorder="bcr", traits=staging if moved else said),
        Source("bcr boot", f"{DEVICE}/files/in_progress", True, recorder="bcr", traits=staging),
        Source("bcr locked", f"{DEVICE}/files/completed", True, recorder="bcr", traits=said),
    ]
    folder = chosen(entries, root=True)
    if folder is not None and folder != DEFAULT:
        traits = said | {SHARED} if _is_shared(folder) else said
        found.append(Source("bcr folder", folder, True, recorder="bcr", traits=traits))
    return found


def _is_shared(folder: str) -> bool:
    """Whether others keep files there: a whole volume, or one of Android's own folders."""
    inside = re.sub(r"^(?:/data/media/0|/mnt/media_rw/[^/]+)/?", "", folder)
    return "/" not in inside and (not inside or inside in _SHARED)
