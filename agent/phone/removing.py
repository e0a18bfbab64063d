"""Removing a file on a phone, if it is still the one that is meant: compared and removed by one
command there (``device_scripts/remove.sh``)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

from agent.errors import RemoteError
from agent.phone import scripts
from agent.phone.files import Source
from agent.text import shown

#: What ``remove.sh`` says of a file; it has a line on each.
Answer = Literal[
    "removed", "same", "closed", "gone", "nofile", "outside", "other", "unread", "refused"
]
_ANSWERS: frozenset[str] = frozenset(get_args(Answer))


@dataclass(frozen=True)
class Meant:
    """A file that is meant: its absolute path, its size in bytes, its SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Removal:
    """What became of a file, and of each of those beside it that were meant with it; without a
    word on one where the phone did not come to it."""

    said: Answer
    beside: tuple[Answer, ...] = ()


def script_of(source: Source, file: Meant, beside: Sequence[Meant], *, look: bool) -> str:
    """What removes ``file`` in a source's folder, with what is ``beside`` it in the same folder;
    with ``look``, what only says whether it would. ValueError for a path that is not below the
    source's folder."""
    top = source.path.rstrip("/")
    if not top or not file.path.startswith(f"{top}/"):
        raise ValueError("the file is not below the source's folder")
    parts = [part for part in file.path.removeprefix(top).split("/") if part]
    if not parts or {".", ".."} & set(parts):
        raise ValueError("the file's path goes up")
    folder = file.path.rpartition("/")[0]
    words = ["look" if look else "remove", top, "".join(f"/{part}" for part in parts[:-1])]
    for one in (file, *beside):
        above, _, name = one.path.rpartition("/")
        if above != folder or not name:
            raise ValueError("a file beside it is in another folder")
        words += [name, str(one.size), one.sha256]
    return f"set -- {shlex.join(words)}\n{scripts.script('remove.sh').decode()}"


def removal_of(output: bytes, file: Meant) -> Removal:
    """What the script said; RemoteError where that makes no sense: then nobody knows."""
    lines = output.decode("utf-8", "replace").splitlines()
    words = [line.removeprefix("beside ") for line in lines[:-1]]
    known: list[Answer] = [word for word in (*words, *lines[-1:]) if _is_answer(word)]
    if not lines or len(known) != len(lines):
        raise RemoteError(
            f"the phone answered {shown(lines[-1][:80]) if lines else 'nothing'!r} to the removal "
            f"of {shown(file.path)}"
        )
    return Removal(known[-1], tuple(known[:-1]))


def _is_answer(word: str) -> TypeGuard[Answer]:
    return word in _ANSWERS
