"""One phone: its link, its facts, its root, and its files as sync sees them."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import stat
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cached_property
from typing import Self

from agent.adb import files as adb_files
from agent.adb import shell
from agent.adb.link import Link
from agent.adb.reach import Way, reach
from agent.adb.reconnect import Cancel, LastingLink
from agent.adb.shell import Completed
from agent.errors import FileGoneError, LinkTimeout, PhoneError, RemoteError
from agent.phone.facts import Facts, read_facts
from agent.phone.files import Listed, PartialListingError, Seen, SilentError, Source, path_text
from agent.phone.listing import HINT, PROBE, How, Listing, gathers, how, vanished
from agent.phone.removing import Meant, Removal, removal_of, script_of
from agent.phone.root import Root, find_root
from agent.text import shown

_NO_FILE = "no regular file is there"
_SILENCE = 60.0  # seconds without a word
_ANSWER_TIMEOUT = 10.0
_HASH_TIMEOUT = 600.0  # seconds that a phone may take over a large file
_HASH_LEAST = 30.0  # and over a small one
_HASH_SLOWEST = 2 << 20  # bytes a second
_MOST_WRITTEN = 1 << 20  # bytes of the paths of files that programs write
_HASH_HANGS = "it does not come to an end"

Output = Generator[bytes, None, None]

#: Makes a connection to the phone of a serial number, if that is known, within so many seconds,
#: and tells by what name it was found.
Connect = Callable[[str | None, float | None, Callable[[str], None]], Link]


class Phone:
    """A phone that answers. Close it when done.

    ``connect`` makes a connection; it is given the serial number once that is known. When one
    broke, what ran over it failed; the next command goes over a new one, if it is the same phone
    that answers there. ``name`` is the one by which it was asked for.
    """

    def __init__(self, connect: Connect, name: str) -> None:
        self._connect = connect
        self._hash_hangs = False
        self.name = name
        """What :func:`agent.adb.reach.reach` takes to come here again, as of now."""
        self.link = LastingLink(self._reach)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and with it everything that runs on the phone because of it."""
        try:
            if self.has_root:
                self.root.close()
        finally:
            self.link.close()

    @cached_property
    def facts(self) -> Facts:
        """What the phone says of itself, asked once."""
        return read_facts(self.link)

    @property
    def serial(self) -> str:
        """The serial number, which is what the phone is known by."""
        return self.facts.serial

    @cached_property
    def root(self) -> Root:
        """Root on this phone, found once; RootError says why there is none."""
        return find_root(self.link)

    @property
    def has_root(self) -> bool:
        """Whether :attr:`root` was found already; the phone is not asked for it."""
        return "root" in self.__dict__

    def run(self, command: str, *, timeout: float = 30.0) -> Completed:
        """A script as adbd's user."""
        return shell.run(self.link, command, timeout=timeout)

    def reconnect(self, patience: float, cancel: Cancel) -> None:
        """See :class:`agent.phone.files.PhoneFiles`."""
        self.link.drop()
        if self.has_root:
            self.root.close()  # its shells went with the connection
        self.link.mend(patience, cancel)

    def _reach(self, timeout: float | None) -> Link:
        known = self.serial if "facts" in self.__dict__ else None
        return self._connect(known, timeout, self._named)

    def _named(self, name: str) -> None:
        self.name = name

    # PhoneFiles

    def scan(self, source: Source) -> Listed:
        """See :class:`agent.phone.files.PhoneFiles`."""
        return self.files_below([source.path], root=source.root)

    def files_below(self, folders: Sequence[str], *, root: bool) -> Listed:
        """All regular files below folders, of which none lies in another, by one command.

        PartialListingError, with those that are to be believed, where that can't be all.
        """
        listing = self._listing(folders)
        return self._listed(listing, *self._records(listing, root=root))

    def scan_unless(self, seen: Seen, source: Source) -> Listed | None:
        """See :class:`agent.phone.files.PhoneFiles`."""
        listing = self._listing([source.path])
        records, problem = self._records(listing, root=source.root)
        # No record has a NUL: it ends them, or they end with a path.
        mark = hashlib.sha256(b"\0".join(records)).digest()
        if mark == seen.mark and problem is None:
            return None
        files = self._listed(listing, records, problem)
        seen.mark, seen.count = mark, len(files)
        return files

    def _records(self, listing: Listing, *, root: bool) -> tuple[list[bytes], RemoteError | None]:
        """What came of a listing, and why that is not all."""
        found: list[bytes] = []
        try:
            for some in listing.records(self._output(listing.script, root=root)):
                found += some
        except RemoteError as error:
            if not vanished(error):
                return found, error
        return found, None

    def _listed(
        self, listing: Listing, records: list[bytes], problem: RemoteError | None
    ) -> Listed:
        # A folder that changes may tell a file twice.
        found = {file.path: file for file in listing.parsed(records)}
        listed = Listed(found.values(), listing.others, listing.away)
        try:
            listing.check()
        except RemoteError as error:
            problem = problem or error
        if problem is not None and not listed:
            raise problem
        if problem is not None:
            hint = problem.hint or HINT
            raise PartialListingError(problem.message, listed, hint=hint) from problem
        return listed

    def read(self, path: str, *, root: bool, offset: int = 0) -> Iterator[bytes]:
        """See :class:`agent.phone.files.PhoneFiles`."""
        # What a listing calls a file may be none, and a FIFO keeps its reader for ever.
        if not root and not offset:
            if "stat_v2" in self.link.features:
                mode = adb_files.stat(self.link, path).mode
                if not stat.S_ISREG(mode):
                    raise RemoteError(f"{shown(path)}: {_NO_FILE}")
            yield from adb_files.pull(self.link, path)
            return
        quoted = shlex.quote(path)
        script = f"tail -c +{offset + 1} {quoted}" if offset else f"cat {quoted}"
        script = (
            f"if [ -f {quoted} ] && [ ! -L {quoted} ] || [ ! -e {quoted} ]; then {script}; "
            f"else echo {quoted}: {_NO_FILE} >&2; exit 1; fi"
        )
        yield from self._file_output(path, script, root=root)

    def read_many(
        self, paths: Sequence[str], *, root: bool
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """See :class:`agent.phone.files.PhoneFiles`."""
        if root:
            yield from ((path, self.read(path, root=True)) for path in paths)
        else:
            yield from adb_files.pull_many(self.link, paths)

    def sha256_many(
        self, paths: Sequence[str], *, root: bool, size: int | None = None
    ) -> list[str | None]:
        """See :class:`agent.phone.files.PhoneFiles`."""
        lines = (f"{{ sha256sum < {shlex.quote(path)}; }} 2>/dev/null || echo -" for path in paths)
        with self._hashing():
            output = self._output("\n".join(lines), root=root, timeout=_hash_limit(size))
            said = _few(output, len(paths)).splitlines()
        if len(said) != len(paths):
            raise RemoteError(f"the phone told {len(said)} hashes of {len(paths)} files")
        return [_digest(line) for line in said]

    def sha256(
        self, path: str, *, root: bool, first: int | None = None, size: int | None = None
    ) -> str:
        """See :class:`agent.phone.files.PhoneFiles`."""
        script = f"sha256sum < {shlex.quote(path)}"
        if first is not None:
            script = f"{{ {{ {_first(first)}; echo {_CUT} $? >&3; }} | sha256sum; }} 3>&1 "
            script += f"< {shlex.quote(path)}"
        with self._hashing():
            limit = _hash_limit(size if first is None else first)
            said = _few(self._file_output(path, script, root=root, timeout=limit), 2)
        if first is not None:
            how_cut, _, said = said.partition(b"\n")
            if how_cut != f"{_CUT} 0".encode():
                raise RemoteError(f"the phone can't read the first {first} bytes of {shown(path)}")
        if (digest := _digest(said)) is None:
            raise RemoteError("it said something else")
        return digest

    def remove(
        self, source: Source, file: Meant, beside: Sequence[Meant] = (), *, look: bool = False
    ) -> Removal:
        """Remove a file in a source's folder, and what is meant beside it, if its bytes are now
        those that are meant; with ``look``, only say whether it would be. After an error nobody
        knows whether it was done."""
        script = script_of(source, file, beside, look=look)
        if source.root:
            done = self.root.run(script, timeout=_HASH_TIMEOUT)
        else:
            done = self.run(script, timeout=_HASH_TIMEOUT)
        return removal_of(done.check("the phone could not remove a file").stdout, file)

    def written(self, suffixes: Sequence[str]) -> list[str]:
        """See :class:`agent.phone.files.PhoneFiles`."""
        ends = "|".join(re.escape(suffix) for suffix in suffixes)
        # A link there has the mode in which the file is open. Without a match grep ends with 1.
        script = (
            "ls -l /proc/[0-9]*/fd 2>/dev/null | grep '^l.w.* -> /' | "
            f"grep -iE {shlex.quote(f'({ends}) ?$')}; true"
        )
        output = bytearray()
        with contextlib.closing(self._output(script, root=True)) as chunks:
            for chunk in chunks:
                output += chunk
                if len(output) > _MOST_WRITTEN:
                    raise RemoteError("the phone says of more and more files that they are written")
        return [
            path_text(line.partition(b" -> ")[2]) for line in bytes(output).split(b"\n") if line
        ]

    def in_call(self) -> bool:
        """See :class:`agent.phone.files.PhoneFiles`. Android writes ``mCallState=`` for each SIM:
        0 idle, 1 ringing, 2 offhook (TelephonyManager)."""
        said = self.run("dumpsys telephony.registry | grep mCallState=").text
        states = set(re.findall(r"mCallState=(\d)", said))
        return states != {"0"}

    def clock_ms(self) -> int:
        """The phone's own time, to the second: what its recordings are dated by. Ours, where it
        does not tell."""
        text = self.run("date +%s").text.strip()
        known = text.isascii() and text.isdigit() and len(text) <= 12
        return int(text) * 1000 if known else round(time.time() * 1000)

    def _output(self, script: str, *, root: bool, timeout: float | None = None) -> Output:
        """A script's output; SilentError when it says nothing for ``timeout`` seconds on a phone
        that answers."""
        timeout = _SILENCE if timeout is None else timeout
        try:
            if root:
                yield from self.root.output(script, timeout=timeout)
                return
            with shell.spawn(self.link, script, size=0) as process:
                yield from process.output(timeout)
        except LinkTimeout as error:
            if not self._answers():
                raise
            raise SilentError(
                f"a command on the phone said nothing for {timeout:.0f} s, and was ended",
                hint="The phone may be busy, or its storage or that command ill; restart the phone.",
            ) from error

    def _answers(self) -> bool:
        """Whether the phone itself is well."""
        try:
            return self.run("echo", timeout=_ANSWER_TIMEOUT).code == 0
        except PhoneError:
            return False

    @contextlib.contextmanager
    def _hashing(self) -> Iterator[None]:
        """Around what asks for hashes: a tool that hangs is waited for once."""
        if self._hash_hangs:
            raise SilentError(_HASH_HANGS)
        try:
            yield
        except SilentError as error:
            self._hash_hangs = True
            raise SilentError(_HASH_HANGS) from error

    def _file_output(
        self, path: str, script: str, *, root: bool, timeout: float | None = None
    ) -> Output:
        try:
            yield from self._output(script, root=root, timeout=timeout)
        except RemoteError as error:
            if "No such file" in error.stderr:
                raise FileGoneError(f"{shown(path)} is not on the phone any more") from error
            raise

    def _listing(self, folders: Sequence[str]) -> Listing:
        return Listing(folders, self._how_to_list, gather=gathers(self._probed))

    @cached_property
    def _how_to_list(self) -> How:
        return how(self._probed)

    @cached_property
    def _probed(self) -> str:
        return self.run(PROBE).text


def _hash_limit(size: int | None) -> float:
    """Seconds that a hash of so many bytes may take; nothing is said before its end."""
    return _HASH_TIMEOUT if size is None else _HASH_LEAST + size / _HASH_SLOWEST


def _few(output: Output, lines: int) -> bytes:
    """All of an output that is meant to be a few hashes; RemoteError when it goes on and on."""
    said = bytearray()
    with contextlib.closing(output):  # which ends the command
        for chunk in output:
            said += chunk
            if len(said) > 1024 * lines:
                raise RemoteError("it says more and more")
    return bytes(said)


def _digest(said: bytes) -> str | None:
    """The hash that sha256sum told, if it is one."""
    digest = said.split(b" ", 1)[0].strip().lower().decode("ascii", "replace")
    return digest if len(digest) == 64 and not set(digest) - set("0123456789abcdef") else None


_CUT = "cut"


def _first(size: int) -> str:
    """What gives the first ``size`` bytes of a file on standard input.

    ``head -c`` came with toybox 0.7. Before, there is dd, whose reads of a file are whole.
    """
    block = 65536
    return (
        "if head -c 0 </dev/null >/dev/null 2>&1; then "
        f"head -c {size}; else dd bs={block} count={size // block} 2>/dev/null && "
        f"dd bs=1 count={size % block} 2>/dev/null; fi"
    )


def open_phone(
    name: str,
    *,
    way: Way = "auto",
    serial: str | None = None,
    timeout: float = 10.0,
    on_prompt: Callable[[], None] | None = None,
) -> Phone:
    """Reach the phone ``name``, as :func:`agent.adb.reach.reach` has it; a PhoneError if not.

    Later connections of the same object are to the same phone, wherever it is then.
    """

    def connect(known: str | None, limit: float | None, on_choice: Callable[[str], None]) -> Link:
        return reach(
            name,
            way=way,
            serial=known or serial,
            timeout=timeout if limit is None else min(limit, timeout),
            on_prompt=on_prompt,
            on_choice=on_choice,
        )

    return Phone(connect, name)
