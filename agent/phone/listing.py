"""A list of all files below folders of a phone, whatever bytes their names hold.

toybox has ``find -printf`` from 0.8.3 (Android 11) on. Before, ``stat`` tells the same, for many
files in one process; a random mark ends each of its records, so that no name can be taken for
an end. Which of the two a phone has is found out by trying.

A folder that is not there is an empty one only where its storage is there to be looked into: before
the phone was unlocked for the first time it is not.

What a listing says is a claim. A record that makes no sense, or names what is in none of the
folders, costs none of the others: it is an error at the end.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from agent.errors import RemoteError
from agent.naming.folders import below
from agent.phone.files import Away, NotAFile, RemoteFile, path_bytes, path_text
from agent.text import shown

How = Literal["printf", "stat"]

#: What tells how a phone can list; for :func:`how` and :func:`gathers`.
PROBE = (
    "find / -maxdepth 0 -printf '%T@ %i printf\\n' 2>/dev/null; stat -c '%Y %y %i stat' /; "
    "(set -o pipefail; { echo 1 gath; echo er; echo s it all; } | dd ibs=5 obs=7; "
    "false | true || echo and fails) 2>/dev/null"
)
_GATHERED = "\n1 gath\ner\ns it all\nand fails\n"
#: toybox's find and stat flush each line, and each line by itself is a packet of adbd's.
_GATHER = "dd ibs=4096 obs=65536 2>/dev/null"


def how(said: str) -> How:
    """The way to list, out of what the phone said to :data:`PROBE`; RemoteError without one."""
    for line in said.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[2] == "printf" and "." in fields[0]:
            return "printf"
        if len(fields) >= 5 and fields[-1] == "stat" and fields[0].isdigit():
            return "stat"
    raise RemoteError(
        "the phone has neither a find with -printf nor a stat, so its files can't be listed",
        hint="Offhook needs Android 6 or later.",
    )


def gathers(said: str) -> bool:
    """Whether the phone can gather small pieces to large ones, and a pipe tells of a failure in
    it; out of what the phone said to :data:`PROBE`."""
    return said.endswith(_GATHERED)


_LONGEST = 1 << 16  # bytes of a record: Linux has no path of more than 4096
_LONGEST_SHOWN = 200
_MOST = 64 << 20  # bytes of a listing: some 300 000 files
_MOST_NAMED = 3  # strange records that an error quotes
_LINK = "a symlink: what it points to was not looked at"
#: What is no file, by the letter that the script gives it.
_KINDS = {b"l": _LINK, b"p": "a FIFO", b"s": "a socket", b"d": "a device"}
LOCKED = "its storage is locked since its restart: unlock the phone once"
UNMOUNTED = "its storage is not mounted: unlock the phone, or restart it if it is unlocked"
#: Why a folder could not be looked for, by the letter that the script gives it.
_AWAY = {b"a": None, b"e": LOCKED, b"m": UNMOUNTED}
#: Succeeds where there is no folder $1, and tells whether that could not be seen: $2 is the storage
#: that it lies in, $3 what of that can be seen by its name when user $4 has unlocked it.
#:
#: Before that the names in it are encrypted ones, so no folder is found by its own. Android says
#: that it was unlocked, from 9 on (PackageManager's UserDataPreparer).
_ABSENT = r"""q() {
[ ! -d "$1" ] || return 1
p=$1; c=$1
while [ ! -d "$p/" ]; do c=$p; p=${p%/*}; done
if [ -n "$3" ] && [ ! -d "$3/Android" ] && [ "$(getprop ro.crypto.type)" = file ] &&
{ [ "$4" != 0 ] || [ "$(getprop sys.user.0.ce_available)" != true ]; }; then
if [ "$4" = 0 ]; then w=e; else w=a; fi
elif [ ! -d "$2/" ]; then
if [ "$4" = 0 ]; then w=m; else w=a; fi
elif [ -L "$c" ] || [ ! -x "$p/" ]; then w=a
else return 0; fi
case $2 in /data/*) [ -x "${2%/*}/" ] || w=a;; esac
"""
HINT = "What makes sense of that listing was taken; look at the rest by hand: `adb shell ls -la FOLDER`."


class Listing:
    """One listing: what to run, and what its output says. ``folders`` are absolute paths, of
    which none lies in another. ``gather``: see :func:`gathers`."""

    def __init__(self, folders: str | Sequence[str], way: How, *, gather: bool = False) -> None:
        self._mark = b"" if way == "printf" else f"/{secrets.token_hex(6)}\n".encode()
        folders = [folders] if isinstance(folders, str) else folders
        self._below = tuple(f"{folder.rstrip('/')}/" for folder in folders)
        #: What was found that is neither a file nor a folder.
        self.others: list[NotAFile] = []
        #: The folders that could not be looked for: not there to be seen, which is not empty.
        self.away: list[Away] = []
        self._strange: list[str] = []
        kinds = {"f": "%s %i %T@ " if way == "printf" else "%s %i %Y.%y/"}
        kinds |= {letter: f"{letter} " for letter in "lps"}
        actions = [f"-type {letter} {self._told(head)}" for letter, head in kinds.items()]
        action = " -o ".join([*actions, f"! -type d {self._told('d ')}"])
        #: Ends with code 0 where there is no such folder.
        asked = "".join(f'q {_storage(d)} || set -- "$@" {shlex.quote(d)}/\n' for d in folders)
        ends = self._mark.decode().replace("\n", "\\n") or "\\0"
        self.script = (
            f"{_ABSENT}printf '%s %s{ends}' $w \"$1\"; }}\n"
            f'set --\n{asked}[ $# -gt 0 ] || exit 0; find "$@" {action}'
        )
        if gather:
            self.script = f"set -o pipefail; {self.script} | {_GATHER}"

    def _told(self, head: str) -> str:
        """What makes find tell of a file: ``head``, and its path."""
        if self._mark:
            return f"-exec stat -c '{head}%n{self._mark.decode()[:-1]}' {{}} +"
        return f"-printf '{head}%p\\0'"

    def files(self, chunks: Iterable[bytes]) -> Iterator[RemoteFile]:
        """The files, as their records come; at the end, RemoteError for those that make no sense.

        When the chunks end with an error, every record that came whole was given before it.
        """
        try:
            for records in self.records(chunks):
                yield from self.parsed(records)
        except RemoteError as error:
            if not self._strange or not vanished(error):
                raise
        self.check()

    def records(self, chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
        """The records, some at once, without their ends; RemoteError for one that is too long, and
        for too many.

        They are the same of every listing of the same files in the same order.
        """
        separator = self._mark or b"\0"
        rest, size = b"", 0
        for chunk in chunks:
            *records, rest = (rest + chunk).split(separator)
            yield records
            size += len(chunk)
            if len(rest) > _LONGEST:
                raise _senseless([_quoted(rest)])
            if size > _MOST:
                raise RemoteError(
                    f"the phone's find listed more than {_MOST >> 20} MiB, and was ended",
                    hint=HINT,
                )
        if rest:
            raise _senseless([_quoted(rest)])

    def parsed(self, records: Iterable[bytes]) -> Iterator[RemoteFile]:
        """The files that records tell of. What is none goes to :attr:`others`; what makes no sense
        is told by :meth:`check`."""
        parse = _by_stat if self._mark else _by_printf
        for record in records:
            try:
                if record[1:2] == b" " and record[:1] in _AWAY:
                    away = path_text(record[2:])
                    if f"{away.rstrip('/')}/" in self._below:
                        self.away.append(Away(away, _AWAY[record[:1]]))
                    else:
                        self._strange.append(_quoted(record))
                    continue
                if record[1:2] == b" " and record[:1] in _KINDS:
                    other = NotAFile(path_text(record[2:]), _KINDS[record[:1]])
                    if self._is_below(other.path):
                        self.others.append(other)
                    else:
                        self._strange.append(_quoted(record))
                    continue
                file = parse(record)
            except ValueError:
                self._strange.append(_quoted(record))
                continue
            path = file.path
            if path.startswith(self._below) and "/." not in path and not self._mark:
                yield file  # most, and soon known to be well
            elif self._is_below(path):
                yield file
            else:
                self._strange.append(_quoted(path_bytes(path)))

    def check(self) -> None:
        """RemoteError if any record that was parsed makes no sense."""
        if self._strange:
            raise _senseless(self._strange)

    def _is_below(self, path: str) -> bool:
        return "\0" not in path and any(
            path.startswith(folder) and not {".", ".."} & set(path[len(folder) :].split("/"))
            for folder in self._below
        )


def _storage(folder: str) -> str:
    """The words that :data:`_ABSENT` takes."""
    name, rest = below(folder)
    kind, _, user = name.partition(" ")
    storage = folder.rstrip("/").removesuffix(rest).rstrip("/") if name else ""
    media = storage if kind == "user" else f"/data/media/{user}" if kind == "data" else ""
    if storage.startswith("/data/user_de/"):  # which is open from the start
        media = ""
    return shlex.join([folder.rstrip("/"), storage, media, user if media else ""])


def vanished(error: RemoteError) -> bool:
    """Whether all that went wrong in a listing is that files were gone before they were told."""
    lines = error.stderr.splitlines()
    return bool(lines) and all(line.endswith("No such file or directory") for line in lines)


def _quoted(record: bytes) -> str:
    return f"«{shown(path_text(record[:_LONGEST_SHOWN]))}»"


def _senseless(strange: Sequence[str]) -> RemoteError:
    said = ", ".join(strange[:_MOST_NAMED])
    if len(strange) > _MOST_NAMED:
        said += f" and {len(strange) - _MOST_NAMED} more"
    return RemoteError(f"the phone's find answered with {said}", hint=HINT)


def _size(said: bytes) -> int:
    if not said.isdigit():
        raise ValueError("no file has that size")
    return int(said)


def _by_printf(record: bytes) -> RemoteFile:
    """``size inode seconds.nanoseconds path``. toybox (0.8.9) leaves out a fraction's zeros on
    the left: 5 ns after a second are ``.5``; nine digits and more are a fraction."""
    size, inode, mtime, path = record.split(b" ", 3)
    seconds, _, fraction = mtime.partition(b".")
    return RemoteFile(
        path_text(path),
        _size(size),
        int(seconds) * 1_000_000_000 + int(fraction[:9]),
        int(inode),
    )


def _by_stat(record: bytes) -> RemoteFile:
    """``size inode seconds.DATE TIME.nanoseconds ZONE/path``; %y alone has a fraction,
    and only %Y knows no time zone."""
    head, _, path = record.partition(b"/")
    size, inode, seconds, clock = head.split(b" ")[:4]
    return RemoteFile(
        path_text(path),
        _size(size),
        int(seconds.partition(b".")[0]) * 1_000_000_000
        + int(clock.partition(b".")[2][:9].ljust(9, b"0")),
        int(inode),
    )
