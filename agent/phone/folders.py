"""Which folders of :data:`agent.naming.folders.FOLDERS` a phone has.

The phone's own list of its folders is searched, so that a folder is found in whatever case it is
spelled. Files are not listed, and apps' folders (``Android/data``) only where the table has them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import RootError
from agent.naming.folders import FOLDERS, Folder, below, folder_at

if TYPE_CHECKING:
    from agent.phone.phone import Phone

_DEEPEST = max(row.path.count("/") + 1 for row in FOLDERS if not row.private)
_APPS = "Android/data/"
_IN_APPS = tuple(row.path for row in FOLDERS if row.path.startswith(_APPS))
_PRIVATE = tuple(row.path for row in FOLDERS if row.private and row.path.startswith("com."))
#: What the shell sees: the owner's shared storage, and memory cards by their volume's number.
_SEEN = "/sdcard /storage/*-*"
#: What only root sees: other users' shared storage (Android numbers them from 10 on), and cards
#: that the phone's storage view leaves out.
_ROOTS = "/data/media/[0-9]* /mnt/media_rw/*"
_TIMEOUT = 120.0


@dataclass(frozen=True)
class OnPhone:
    """A folder that is there. ``root``: only root can enter it."""

    path: str
    row: Folder
    root: bool = False


def find_folders(phone: Phone) -> tuple[list[OnPhone], RootError | None]:
    """The folders that are there, of which none lies in another; and why what only root sees was
    not looked at, if it was not."""
    found = {
        below(path): OnPhone(path, row) for path, row in _rows(_run(phone, root=False).split("\0"))
    }
    problem = None
    try:
        for path, row in _rows(_run(phone, root=True).split("\0")):
            found.setdefault(below(path), OnPhone(path, row, root=True))
    except RootError as error:
        problem = error
    return _apart(list(found.values())), problem


def _run(phone: Phone, *, root: bool) -> str:
    prune = r'\( -path "$v/Android/data" -o -path "$v/Android/obb" \) -prune'
    script = (
        f"for v in {_ROOTS if root else _SEEN}; do "
        f'[ -d "$v" ] || continue; '
        f'find "$v/" -maxdepth {_DEEPEST} {prune} -o -type d -print0; '
        f"for d in {shlex.join(_IN_APPS)}; do "
        '[ ! -d "$v/$d" ] || printf \'%s\\0\' "$v/$d"; done; done 2>/dev/null; '
    )
    if root:
        globs = " ".join(f"/data/user/*/{shlex.quote(path)}" for path in _PRIVATE)
        script += f'for d in {globs}; do [ ! -d "$d" ] || printf \'%s\\0\' "$d"; done; '
    script += ":"
    said = phone.root.run(script, timeout=_TIMEOUT) if root else phone.run(script, timeout=_TIMEOUT)
    return said.stdout.decode("utf-8", "surrogateescape")


def _rows(paths: list[str]) -> list[tuple[str, Folder]]:
    """Those of the paths that are in the table."""
    found = []
    for path in paths:
        if path.startswith("/data/user/0/"):  # one place with two paths
            path = "/data/data/" + path.removeprefix("/data/user/0/")
        row = folder_at(path)
        if row is not None and row.private == path.startswith(("/data/data/", "/data/user/")):
            found.append((path, row))
    return found


def _apart(found: list[OnPhone]) -> list[OnPhone]:
    """Without those that lie in another one: scans go to the bottom. One whose name is anybody's
    gives way to what is in it."""
    inside = {
        one: [other for other in found if one.path.startswith(f"{other.path}/")] for one in found
    }
    outer = {one for others in inside.values() for one in others if one.row.top}
    kept = (
        one for one in found if one not in outer and all(other in outer for other in inside[one])
    )
    return sorted(kept, key=lambda one: one.path)
