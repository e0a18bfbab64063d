"""A list of all files below folders of a phone, whatever bytes their names hold.

toybox has ``find -printf`` from 0.8.3 (Android 11) on. Before, ``stat`` tells the same, for many
files in one process; a random mark ends each of its records, so that no name can be taken for
an end. Which of the two a phone has is found out by trying.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from agent.errors import RemoteError
from agent.phone.files import RemoteFile
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


class Listing:
    """One listing: what to run, and what its output says. ``folders`` are absolute paths, of
    which none lies in another. ``gather``: see :func:`gathers`."""

    def __init__(self, folders: str | Sequence[str], way: How, *, gather: bool = False) -> None:
        self._mark = b"" if way == "printf" else f"/{secrets.token_hex(6)}\n".encode()
        quoted = shlex.join([folders] if isinstance(folders, str) else folders)
        if way == "printf":
            action = "-printf '%s %i %T@ %p\\0'"
        else:
            action = f"-exec stat -c '%s %i %Y.%y/%n{self._mark.decode()[:-1]}' {{}} +"
        #: Ends with code 0 where there is no such folder.
        self.script = (
            f'set --; for d in {quoted}; do [ ! -d "$d" ] || set -- "$@" "$d/"; done; '
            f'[ $# -gt 0 ] || exit 0; find "$@" -type f {action}'
        )
        if gather:
            self.script = f"set -o pipefail; {self.script} | {_GATHER}"

    def files(self, chunks: Iterable[bytes]) -> Iterator[RemoteFile]:
        """The files, as their records come; RemoteError for one that makes no sense.

        When the chunks end with an error, every record that came whole was given before it.
        """
        for records in self.records(chunks):
            yield from self.parsed(records)

    def records(self, chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
        """The records, some at once, without their ends; RemoteError for one that is too long.

        They are the same of every listing of the same files in the same order.
        """
        separator = self._mark or b"\0"
        rest = b""
        for chunk in chunks:
            *records, rest = (rest + chunk).split(separator)
            yield records
            if len(rest) > _LONGEST:
                raise _senseless(rest)
        if rest:
            raise _senseless(rest)

    def parsed(self, records: Iterable[bytes]) -> Iterator[RemoteFile]:
        """The files that records tell of; RemoteError for one that makes no sense."""
        parse = _by_stat if self._mark else _by_printf
        for record in records:
            try:
                yield parse(record)
            except ValueError as error:
                raise _senseless(record) from error


def vanished(error: RemoteError) -> bool:
    """Whether all that went wrong in a listing is that files were gone before they were told."""
    lines = error.stderr.splitlines()
    return bool(lines) and all(line.endswith("No such file or directory") for line in lines)


def _senseless(record: bytes) -> RemoteError:
    said = record[:_LONGEST_SHOWN].decode("utf-8", "replace")
    return RemoteError(f"the phone's find answered with {shown(said)!r}")


def _by_printf(record: bytes) -> RemoteFile:
    """``size inode seconds.nanoseconds path``. toybox (0.8.9) leaves out a fraction's zeros on
    the left: 5 ns after a second are ``.5``; nine digits and more are a fraction."""
    size, inode, mtime, path = record.split(b" ", 3)
    seconds, _, fraction = mtime.partition(b".")
    return RemoteFile(
        path.decode("utf-8", "surrogateescape"),
        int(size),
        int(seconds) * 1_000_000_000 + int(fraction[:9]),
        int(inode),
    )


def _by_stat(record: bytes) -> RemoteFile:
    """``size inode seconds.DATE TIME.nanoseconds ZONE/path``; %y alone has a fraction,
    and only %Y knows no time zone."""
    head, _, path = record.partition(b"/")
    size, inode, seconds, clock = head.split(b" ")[:4]
    return RemoteFile(
        path.decode("utf-8", "surrogateescape"),
        int(size),
        int(seconds.partition(b".")[0]) * 1_000_000_000
        + int(clock.partition(b".")[2][:9].ljust(9, b"0")),
        int(inode),
    )
