"""Commands as root: which su the phone has, and output that a chatty su can't spoil.

Magisk and KernelSU take ``su -c SCRIPT``; AOSP's own, on userdebug builds, takes ``su 0 ARGV``;
on some phones adbd is root already.
"""

from __future__ import annotations

import secrets
import shlex
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from agent.adb import shell
from agent.adb.link import Link
from agent.adb.shell import Completed, Process
from agent.errors import LinkError, LinkTimeout, PhoneError, RemoteError, RootError

_END_TIMEOUT = 2.0
_ASK_TIMEOUT = 10.0  # Magisk's own prompt waits this long for a tap

_HINT = (
    "Offhook needs a rooted phone. In the root manager (Magisk: Superuser), allow «Shell», "
    "then try again."
)


class Root:
    """Root on one phone; made by :func:`find_root`.

    Short commands go through one shell that stays: on a phone, each su is a question to its
    root manager and three new processes, and the end of a call is no time for that.
    """

    def __init__(self, link: Link, prefix: str, name: str) -> None:
        self._link = link
        self._prefix = prefix  # what stands before the quoted script
        self._session: Process | None = None
        self._busy = threading.Lock()  # held while the session works
        self.name = name

    def command(self, script: str) -> str:
        """The line that runs ``script`` as root, for adbd's shell."""
        return f"{self._prefix} {shlex.quote(script)}"

    def close(self) -> None:
        """End the shell that stays, so that nothing of ours runs on the phone any more."""
        session, self._session = self._session, None
        if session is not None:
            with session, suppress(PhoneError):
                session.end_input(_END_TIMEOUT)
                while session.frame(_END_TIMEOUT) is not None:
                    pass

    def spawn(self, script: str) -> Process:
        """Start a script as root; what su prints before it is left to the reader."""
        return shell.spawn(self._link, self.command(script))

    def run(self, script: str, *, data: bytes = b"", timeout: float = 30.0) -> Completed:
        """Run a script as root; the same errors as :func:`agent.adb.shell.run`."""
        if data or not self._busy.acquire(blocking=False):
            return self._run_alone(script, data, timeout)
        out, errors = bytearray(), bytearray()
        end = time.monotonic() + timeout
        try:
            code = yield_to(out, self._in_session(script, errors, lambda: end - time.monotonic()))
        finally:
            self._busy.release()
        return Completed(code, bytes(out), bytes(errors))

    def output(self, script: str, *, timeout: float = 30.0) -> Iterator[bytes]:
        """A script's standard output in chunks, with at most ``timeout`` seconds of silence.

        At the end, a code other than 0 is a RemoteError.
        """
        if not self._busy.acquire(blocking=False):
            done = self._run_alone(script, b"", timeout * 10)
            yield done.stdout
            done.check("a command on the phone failed")
            return
        errors = bytearray()
        try:
            code = yield from self._in_session(script, errors, lambda: timeout)
        finally:
            self._busy.release()
        Completed(code, b"", bytes(errors)).check("a command on the phone failed")

    def _in_session(
        self, script: str, errors: bytearray, left: Callable[[], float]
    ) -> Generator[bytes, None, int]:
        """Yield a script's output out of the shell that stays; returns the exit code.

        A session in which anything went wrong, or whose output nobody wanted, is not used again.
        """
        fresh = self._session is None
        mark = _mark()
        token = b"\n" + mark.encode() + b" "
        # In a subshell, so that `exit` ends the script; without input, so that it can't eat ours.
        line = f"( eval {shlex.quote(script)} ) </dev/null; "
        line += f"c=$?; echo {mark} >&2; echo; echo {mark} $c\n"
        try:
            session = self._session or self.spawn("exec sh")
            self._session = None  # until it has answered
            opening = _mark().encode() + b"\n" if fresh else None
            if opening is not None:
                line = f"echo {opening.decode().strip()}; {line}"
            try:
                session.send(line.encode("utf-8", "surrogateescape"), max(left(), 1.0))
            except LinkError:
                if not self._link.alive:
                    raise
                # A su that denies has gone before it was asked; what it says is still to come.
            code = yield from _answer(session, opening, token, errors, left, self._refusal)
        except GeneratorExit:
            session.close()
            raise
        except PhoneError as error:
            session.close()
            if isinstance(error, LinkTimeout):
                raise LinkTimeout(
                    f"a command on the phone at {self._link.where} did not end in time"
                ) from error
            raise
        self._session = session
        return code

    def _run_alone(self, script: str, data: bytes, timeout: float) -> Completed:
        """With a su of its own: for input, and while the session is busy."""
        mark = _mark()
        done = shell.run(
            self._link, self.command(f"echo {mark}\n{script}"), data=data, timeout=timeout
        )
        head, found, tail = done.stdout.partition(mark.encode() + b"\n")
        if not found:
            raise self._refusal((done.stderr or head).decode("utf-8", "replace"))
        return Completed(done.code, tail, done.stderr)

    def _refusal(self, words: str) -> RootError:
        return RootError(
            f"the phone at {self._link.where} gives no root: {words.strip() or 'no words'}",
            hint=_HINT,
        )


def _answer(
    session: Process,
    opening: bytes | None,
    token: bytes,
    errors: bytearray,
    left: Callable[[], float],
    refusal: Callable[[str], RootError],
) -> Generator[bytes, None, int]:
    """What a session says between ``opening`` (None: from the start) and ``token``, which the
    exit code follows. Standard error is gathered until it holds the same mark."""
    mark = token.strip()
    out = bytearray()
    code: int | None = None
    while code is None or mark not in errors:
        frame = session.frame(max(left(), 0.0))
        if frame is None or session.code is not None:
            raise refusal(bytes(errors or out[:200]).decode("utf-8", "replace"))
        kind, data = frame
        if kind == shell.STDERR:
            errors += data
            continue
        if kind != shell.STDOUT or code is not None:
            continue
        out += data
        if opening is not None:
            at = out.find(opening)
            if at < 0:
                continue
            del out[: at + len(opening)]
            opening = None
        at = out.find(token)
        if at >= 0 and (end := out.find(b"\n", at + len(token))) >= 0:
            code = int(out[at + len(token) : end] or b"255")
            del out[at:]
        # The token may be cut between two frames: what could be its beginning is kept back.
        ready = len(out) if code is not None else max(0, len(out) - len(token) - 8)
        if at >= 0 and code is None:
            ready = min(ready, at)
        if ready:
            yield bytes(out[:ready])
            del out[:ready]
    del errors[errors.find(mark) :]
    return code


def yield_to(sink: bytearray, output: Generator[bytes, None, int]) -> int:
    """Gather what a generator yields; what it returns."""
    while True:
        try:
            sink += next(output)
        except StopIteration as stop:
            return int(stop.value)


def _mark() -> str:
    """A line that nobody but us prints: after it, the output is ours."""
    return f"--offhook-{secrets.token_hex(8)}--"


def find_root(link: Link, *, timeout: float = _ASK_TIMEOUT) -> Root:
    """Find out how to be root; RootError says whether su is absent, denies or does not answer."""
    asked = "id -u; command -v su || exit 0; su -v </dev/null"
    uid, _, said = shell.run(link, asked, timeout=timeout).text.partition("\n")
    if uid.strip() == "0":
        return Root(link, "sh -c", "adbd")
    where, _, version = said.partition("\n")
    if not where.strip():
        raise RootError(f"the phone at {link.where} has no su, so it is not rooted", hint=_HINT)
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
        if done.stdout.strip() == b"0":
            return root
    raise RootError(
        f"su on the phone at {link.where} denied root to the shell", hint=_HINT
    ) from RemoteError(words)


def _su_name(version: str) -> str:
    """What ``su -v`` says that it is: ``Magisk 27.0``, ``KernelSU``, or ``su``."""
    number, _, kind = version.strip().partition(":")
    if "magisk" in kind.lower():
        return f"Magisk {number}"
    return "KernelSU" if "kernelsu" in version.lower() else "su"
