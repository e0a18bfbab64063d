"""Commands as root: which su the phone has, and output that a chatty su can't spoil.

Magisk and KernelSU take ``su -c SCRIPT``; AOSP's own, on userdebug builds, takes ``su 0 ARGV``;
on some phones adbd is root already.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator

from agent.adb import shell
from agent.adb.link import Link
from agent.adb.shell import Completed, Process
from agent.errors import LinkTimeout, RemoteError, RootError

_ASK_TIMEOUT = 10.0  # Magisk's own prompt waits this long for a tap

_HINT = (
    "Offhook needs a rooted phone. In the root manager (Magisk: Superuser), allow «Shell», "
    "then try again."
)


class Root:
    """Root on one phone; made by :func:`find_root`."""

    def __init__(self, link: Link, prefix: str, name: str) -> None:
        self._link = link
        self._prefix = prefix  # what stands before the quoted script
        self.name = name

    def command(self, script: str) -> str:
        """The line that runs ``script`` as root, for adbd's shell."""
        return f"{self._prefix} {shlex.quote(script)}"

    def run(self, script: str, *, data: bytes = b"", timeout: float = 30.0) -> Completed:
        """Run a script as root; the same errors as :func:`agent.adb.shell.run`."""
        mark = _mark()
        done = shell.run(
            self._link, self.command(f"echo {mark}\n{script}"), data=data, timeout=timeout
        )
        head, found, tail = done.stdout.partition(mark.encode() + b"\n")
        if not found:
            words = (done.stderr or head).decode("utf-8", "replace").strip()
            raise RootError(
                f"the phone at {self._link.where} no longer gives root: {words or 'no words'}",
                hint=_HINT,
            )
        return Completed(done.code, tail, done.stderr)

    def spawn(self, script: str) -> Process:
        """Start a script as root; what su prints before it is left to the reader."""
        return shell.spawn(self._link, self.command(script))

    def output(self, script: str, *, timeout: float | None = 30.0) -> Iterator[bytes]:
        """A script's standard output in chunks, with at most ``timeout`` seconds of silence."""
        mark = _mark()
        token = mark.encode() + b"\n"
        with self.spawn(f"echo {mark}\n{script}") as process:
            head: bytes | None = b""
            for data in process.output(timeout):
                if head is None:
                    yield data
                    continue
                head += data
                before, found, tail = head.partition(token)
                if found:
                    head = None
                    if tail:
                        yield tail
                elif len(before) > 65536:
                    raise RootError("su prints without end", hint=_HINT)
            if head is not None:
                raise RootError("the phone no longer gives root", hint=_HINT)


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
