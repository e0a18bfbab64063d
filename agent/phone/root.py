"""Commands as root: which su the phone has, and output that a chatty su can't spoil.

Magisk and KernelSU take ``su -c SCRIPT``; AOSP's own, on userdebug builds, takes ``su 0 ARGV``;
on some phones adbd is root already.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Generator, Iterator

from agent.adb import shell
from agent.adb.link import Link
from agent.adb.shell import Completed, NotStartedError, Process
from agent.errors import LinkTimeout, NoRootError, ProtocolError, RemoteError, RootError
from agent.phone.session import Session
from agent.text import shown

_OPEN_TIMEOUT = 15.0
_ASK_TIMEOUT = 10.0  # Magisk's own prompt waits this long for a tap

_HINT = (
    "This needs a rooted phone. In its root manager (Magisk: Superuser), allow «Shell», then try "
    "again."
)


class Root:
    """Root on one phone; made by :func:`find_root`.

    Commands go through shells that stay, one for what is short and one for output that may be
    long: on a phone, each su is a question to its root manager and three new processes, and the
    end of a call is no time for that. What finds both busy gets a su of its own.
    """

    def __init__(self, link: Link, prefix: str, name: str) -> None:
        self._link = link
        self._prefix = prefix  # what stands before the quoted script
        self._short = Session(link, self._start)
        self._long = Session(link, self._start)
        self._spawned: weakref.WeakSet[Process] = weakref.WeakSet()
        self._guard = threading.Lock()  # of _spawned
        self.name = name

    def close(self) -> None:
        """End all that runs, whoever waits for it, and the shells that stay."""
        self._short.close()
        self._long.close()
        with self._guard:  # another thread may start something just now
            spawned = list(self._spawned)
        for process in spawned:
            process.close()

    def spawn(
        self, script: str, *, size: int | None = None, timeout: float = _OPEN_TIMEOUT
    ) -> Process:
        """Start a script as root; what su itself says on stdout is left out.

        See :func:`agent.adb.shell.spawn`.
        """
        process = shell.spawn(
            self._link, script, become=self._prefix, size=size, timeout=min(timeout, _OPEN_TIMEOUT)
        )
        with self._guard:
            self._spawned.add(process)
        return process

    def _start(self, script: str, timeout: float) -> Process:
        return shell.spawn(
            self._link, script, become=self._prefix, timeout=min(timeout, _OPEN_TIMEOUT)
        )

    def run(self, script: str, *, data: bytes = b"", timeout: float = 30.0) -> Completed:
        """Run a script as root; the same errors as :func:`agent.adb.shell.run`."""
        session = None if data else self._claim(self._short)
        try:
            if session is None:
                since = time.monotonic()
                with self.spawn(script, size=len(data), timeout=timeout) as process:
                    return process.finish(data, timeout, since=since)
            out, errors = bytearray(), bytearray()
            end = time.monotonic() + timeout
            saying = session.run(script, errors, lambda: end - time.monotonic())
            with contextlib.closing(saying):
                code = _gather(out, saying, self._link.where)
            return Completed(code, bytes(out), bytes(errors))
        except NotStartedError as error:
            raise self._refusal(error.stderr) from error
        finally:
            if session is not None:
                session.release()

    def output(self, script: str, *, timeout: float = 30.0) -> Iterator[bytes]:
        """A script's standard output in chunks, with at most ``timeout`` seconds of silence.

        At the end, a code other than 0 is a RemoteError. It goes over shell protocol v2, whose
        pipes are sockets: ``exec:`` would put a terminal in between (seen on a lab phone, 300
        MiB: 160 to 200 MiB/s against 30 to 70).
        """
        session = self._claim(self._long)
        try:
            if session is None:
                with self.spawn(script, size=0, timeout=timeout) as process:
                    yield from process.output(timeout)
                    return
            errors = bytearray()
            code = yield from session.run(script, errors, lambda: timeout)
            Completed(code, b"", bytes(errors)).check("a command on the phone failed")
        except NotStartedError as error:
            raise self._refusal(error.stderr) from error
        finally:
            if session is not None:
                session.release()

    def _claim(self, session: Session) -> Session | None:
        """The session, unless it works, or the phone can't keep stdout and stderr apart in one."""
        return session if "shell_v2" in self._link.features and session.claim() else None

    def _refusal(self, words: str) -> RootError:
        return RootError(
            f"the phone at {self._link.where} gives no root: {shown(words.strip()) or 'no words'}",
            hint=_HINT,
        )


def _gather(sink: bytearray, output: Generator[bytes, None, int], where: str) -> int:
    """Gather what a generator yields; what it returns."""
    while len(sink) <= shell.MOST_OUTPUT:
        try:
            sink += next(output)
        except StopIteration as stop:
            return int(stop.value)
    raise shell.too_much(where)


def find_root(link: Link, *, timeout: float = _ASK_TIMEOUT) -> Root:
    """Find out how to be root; RootError says whether su is absent, denies or does not answer."""
    asked = "id -u; command -v su || exit 0; su -v </dev/null"
    uid, _, said = shell.run(link, asked, timeout=timeout).text.partition("\n")
    if uid.strip() == "0":
        return Root(link, "sh -c", "adbd")
    where, _, version = said.partition("\n")
    if not where.strip():
        raise NoRootError(f"the phone at {link.where} has no su, so it is not rooted", hint=_HINT)
    words = ""
    for prefix in ("su -c", "su 0 sh -c"):
        root = Root(link, prefix, _su_name(version))
        try:
            done = root.run("id -u", timeout=timeout)
        except LinkTimeout as error:
            if not link.alive:
                raise
            raise RootError(
                f"su on the phone at {link.where} did not answer within {timeout:g} s",
                hint="Unlock the phone and tap «Grant» when its root manager asks, then try again.",
            ) from error
        except RootError as error:
            words = words or error.message
            continue
        except ProtocolError as error:
            if not link.alive:
                raise
            raise _garbles(link) from error
        if done.stdout == b"0\n":
            return root
        root.close()
        if done.stdout.strip() == b"0":
            raise _garbles(link)
    raise RootError(
        f"su on the phone at {link.where} denied root to the shell", hint=_HINT
    ) from RemoteError(words)


def _garbles(link: Link) -> RootError:
    return RootError(
        f"su on the phone at {link.where} changes what passes through it (a terminal of its own, "
        "with CR LF at the ends of lines), so no file can be read by it",
        hint="Update the phone's root manager (Magisk or KernelSU). What needs no root works.",
    )


def _su_name(version: str) -> str:
    """What ``su -v`` says that it is: ``Magisk 27.0``, ``KernelSU``, or ``su``."""
    number, _, kind = version.strip().partition(":")
    if "magisk" in kind.lower():
        return f"Magisk {shown(number)}"
    return "KernelSU" if "kernelsu" in version.lower() else "su"
