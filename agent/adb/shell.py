"""Commands on the phone: exit code, stdout and stderr apart, and an end when time is up.

Where the phone has shell protocol v2, its stdin, stdout and stderr are sockets. ``exec:`` is the
way on older phones; from Android 7 on it goes through a terminal in raw mode (AOSP
packages/modules/adb/daemon/shell_service.cpp), which is several times slower.
"""

from __future__ import annotations

import secrets
import shlex
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from agent.adb.frames import (
    CLOSE_STDIN,
    EXIT,
    STDERR,
    STDIN,
    STDOUT,
    Exec,
    Frame,
    Frames,
    ShellV2,
    fed,
    reading_all,
    tied_to_input,
    wrapped,
)
from agent.adb.link import Link, Stream
from agent.adb.reconnect import LastingLink
from agent.errors import LinkError, LinkTimeout, PhoneError, ProtocolError, RemoteError
from agent.text import shown

__all__ = [
    "CLOSE_STDIN",
    "EXIT",
    "MOST_OUTPUT",
    "STDERR",
    "STDIN",
    "STDOUT",
    "Completed",
    "NotStartedError",
    "Process",
    "run",
    "spawn",
    "too_much",
]

_OPEN_TIMEOUT = 15.0
_KILL_TIMEOUT = 2.0  # a phone that says nothing any more is not waited for longer
_SMALL_INPUT = 65536  # what surely fits between here and there, read or not
_MOST_BANNER = 1 << 20
_MOST_WORDS = 16384  # bytes of stderr that an error keeps
_MOST_SHOWN = 1000  # characters of it in a message
_MOST_DIGITS = 10  # of a process id
MOST_OUTPUT = 64 << 20  # bytes that a command may say to who wants them all at once


@dataclass(frozen=True)
class Completed:
    """A command that ended: its exit code, and what it wrote, as bytes."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, as :func:`os.fsdecode` would have it."""
        return self.stdout.decode("utf-8", "surrogateescape")

    def check(self, what: str) -> Self:
        """Itself, or RemoteError with the command's own words when the exit code is not 0.

        The message shows them safely; ``stderr`` is as it came.
        """
        if self.code != 0:
            words = (self.stderr or self.stdout).decode("utf-8", "replace").strip()
            raise RemoteError(
                f"{what}: {_shown(words) or 'no words from the phone'} (exit code {self.code})",
                code=self.code,
                stderr=words,
            )
        return self


class NotStartedError(RemoteError):
    """The script did not begin; ``stderr`` is what came instead, such as a ``su`` that denies."""

    def __init__(self, words: str) -> None:
        super().__init__(
            f"the phone's shell did not start: {_shown(words) or 'no words'}", stderr=words
        )


def too_much(where: str) -> RemoteError:
    """The error for a command whose output nobody can hold."""
    return RemoteError(
        f"a command on the phone at {where} said more than {MOST_OUTPUT >> 20} MiB, and was ended"
    )


def _shown(words: str) -> str:
    text = "; ".join(shown(line) for line in words.splitlines() if line.strip())
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


class Process:
    """A running command: frames as they come. Close it to end it, on the phone too.

    ``become`` is what stands before a quoted script to run it as somebody else. The command's
    first words on stdout are the process ids of its shells, which nobody but us gets to see:
    with them, :meth:`close` kills all that the command started and that did not leave its
    process group (as ``setsid`` does). ``link`` is the connection of the stream, not one that
    may be made anew: those ids mean nothing over the next. A command that is ``tied`` has no
    input; that its input ends tells the phone that the connection is gone.
    """

    def __init__(
        self,
        link: Link,
        stream: Stream,
        frames: Frames,
        mark: str,
        become: str | None,
        *,
        tied: bool = False,
    ) -> None:
        self._link = link
        self._stream = stream
        self._frames = frames
        self._mark = mark.encode()
        self._become = become
        self._tied = tied
        self._shells: list[int] = []
        self._wanted = 1 if become is None else 2
        self._held = bytearray()  # stdout before the last of our words
        self._ready: deque[Frame] = deque()
        self._reading = threading.Lock()
        self._exited = False  # whether the exit code came, which may not have been read yet
        self._over = False
        self.closed = False
        """Whether it was closed before it ended."""
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def started(self) -> bool:
        """Whether the script began; a ``su`` that denies does not let it."""
        return len(self._shells) == self._wanted

    def close(self) -> None:
        """End the command, if it has not ended, with all that it started, and the stream.

        A read under way in another thread ends at once.
        """
        running = not self._over and not self._exited and self._link.alive
        self.closed |= not self._over
        try:
            if running and self._still_open():
                self._stream.close()
                self._kill()
        except PhoneError:
            pass  # the link is gone, and with it the way to kill anything
        finally:
            self._over = True
            self._stream.close()

    def leave(self) -> None:
        """Close the stream, and kill nothing."""
        self._over = True
        self._stream.close()

    def idle(self) -> bool:
        """Whether the command still runs, and said nothing that was not read; never waits."""
        if self._over or self._exited or self._ready or not self._link.alive:
            return False
        if not self._reading.acquire(blocking=False):
            return False
        try:
            self._take(self._stream.read(0.0))
        except LinkTimeout:
            return True
        except PhoneError:
            self._over = True
        finally:
            self._reading.release()
        return False

    def send(self, data: bytes, timeout: float | None = 30.0) -> None:
        """Write to the command's standard input."""
        for piece in self._frames.encode(data):
            self._stream.write(piece, timeout)

    def end_input(self, timeout: float | None = 30.0) -> None:
        """Close the command's standard input, where the phone has shell protocol v2."""
        if ending := self._frames.end_input():
            self._stream.write(ending, timeout)

    def frame(self, timeout: float | None) -> Frame | None:
        """What comes next, or None after the last; LinkTimeout leaves everything usable."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._reading:
            while not self._ready:
                if self._over:
                    return None
                left = None if end is None else max(0.0, end - time.monotonic())
                self._take(self._stream.read(left))
            kind, data = self._ready.popleft()
            if kind == EXIT:
                self.code = data[0]
            return kind, data

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._over = True
            if not self._frames.whole:
                raise LinkError("a command's output was cut in the middle")
            self._tell_held()
            return
        for kind, data in self._frames.decode(chunk):
            if kind == STDOUT and not self.started:
                data = self._without_our_words(data)
            elif kind == EXIT:
                self._exited = True
                self._tell_held()
            if data:
                self._ready.append((kind, data))

    def _tell_held(self) -> None:
        """What came instead of the words that were waited for, such as a refusal."""
        if self._held:
            self._ready.append((STDOUT, bytes(self._held)))
            self._held.clear()

    def _without_our_words(self, data: bytes) -> bytes:
        self._held += data
        while not self.started:
            at = self._held.find(self._mark)
            end = self._held.find(b"\n", at)
            if at < 0 or end < 0:
                if len(self._held) > _MOST_BANNER:
                    raise ProtocolError("the phone's shell says much, but not what it was told to")
                return b""
            word = bytes(self._held[at + len(self._mark) : end]).strip()
            if not word.isdigit() or len(word) > _MOST_DIGITS:
                raise ProtocolError("the phone's shell garbled its first words")
            self._shells.append(int(word))
            del self._held[: end + 1]
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _still_open(self) -> bool:
        """Whether the command's stream still stands; waits a little for the first words.

        Process ids mean something only as long as it does: the phone may have been restarted.
        """
        if not self._reading.acquire(blocking=False):
            return True  # somebody reads, and was told of no end
        end = time.monotonic() + (0.0 if self.started else _KILL_TIMEOUT / 2)
        try:
            for _ in range(64):  # what is still running may have much to say
                self._take(self._stream.read(max(0.0, end - time.monotonic())))
                self._ready.clear()
                if self._over or self._exited:
                    return False
                if self.started:
                    end = 0.0
        except LinkTimeout:
            pass
        finally:
            self._reading.release()
        return True

    def _kill(self) -> None:
        if not self._shells:
            return
        # Groups, and the shells themselves: a su may have left its shell in a group of its own.
        targets = " ".join(f"-{shell} {shell}" for shell in self._shells)
        script = f"kill -KILL {targets} 2>/dev/null"
        if self._become is not None and self.started:
            script = f"exec {self._become} {shlex.quote(script)} </dev/null"
        service = "shell,v2,raw:" if "shell_v2" in self._link.features else "exec:"
        end = time.monotonic() + _KILL_TIMEOUT
        with self._link.open(service + script, _KILL_TIMEOUT) as stream:
            while stream.read(max(0.0, end - time.monotonic())):
                pass

    def output(self, timeout: float | None) -> Iterator[bytes]:
        """Standard output in chunks, ``timeout`` seconds of silence allowed.

        At the end, a code other than 0, or none, is a RemoteError or a LinkError.
        """
        errors = bytearray()
        while (frame := self.frame(timeout)) is not None:
            kind, data = frame
            if kind == STDOUT and self.started:
                yield data
            elif kind in (STDOUT, STDERR) and len(errors) < _MOST_WORDS:
                errors += data
        self._check_started(errors)
        if self.code is None:
            raise LinkError("a command on the phone was cut off before its exit code came")
        Completed(self.code, b"", bytes(errors)).check("a command on the phone failed")

    def lines(self, timeout: float | None) -> Iterator[str]:
        """Standard output line by line, without the newline, as :meth:`output` gives it."""
        rest = b""
        for data in self.output(timeout):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "surrogateescape")
            if len(rest) > _MOST_BANNER:
                raise ProtocolError("a command on the phone says a line without an end")
        if rest:
            yield rest.decode("utf-8", "surrogateescape")

    def finish(self, data: bytes, timeout: float, *, since: float | None = None) -> Completed:
        """Give the command its input, and wait for its end.

        LinkTimeout when that has not come ``timeout`` seconds after ``since`` (as
        :func:`time.monotonic` has it; now, if not given), RemoteError when it says more than
        :data:`MOST_OUTPUT`; the command is then killed.
        """
        end = (time.monotonic() if since is None else since) + timeout
        feeder: threading.Thread | None = None
        if len(data) <= _SMALL_INPUT:
            self._feed(data, max(0.0, end - time.monotonic()))
        else:  # it may write before it has read everything: both have to go on
            feeder = threading.Thread(target=self._feed, args=(data, timeout), name="adb input")
            feeder.start()
        out, err = bytearray(), bytearray()
        try:
            while (frame := self.frame(max(0.0, end - time.monotonic()))) is not None:
                kind, chunk = frame
                if kind == STDOUT:
                    out += chunk
                elif kind == STDERR:
                    err += chunk
                if len(out) + len(err) > MOST_OUTPUT:
                    raise too_much(self._link.where)
        except LinkTimeout as error:
            raise LinkTimeout(
                f"a command on the phone at {self._link.where} did not end within {timeout:g} s"
            ) from error
        finally:
            self.close()
            if feeder is not None:
                feeder.join()
        self._check_started(err or out)
        if self.code is None:
            raise LinkError(f"the phone at {self._link.where} dropped a command before it ended")
        return Completed(self.code, bytes(out), bytes(err))

    def _check_started(self, words: bytearray) -> None:
        if self.started or not self._over:
            return
        if self.closed:
            raise LinkError(f"a command on the phone at {self._link.where} was closed")
        raise NotStartedError(words.decode("utf-8", "replace").strip())

    def _feed(self, data: bytes, timeout: float) -> None:
        # A command may end without reading all of its input; its output is still to come. That
        # of a broken connection is its error.
        if self._tied:
            return
        with suppress(LinkError):
            self.send(data, timeout)
            self.end_input(timeout)


def spawn(
    link: Link,
    script: str,
    *,
    become: str | None = None,
    size: int | None = None,
    timeout: float = _OPEN_TIMEOUT,
) -> Process:
    """Start a shell script, as adbd's user or by ``become`` (such as ``su -c``).

    ``size`` is the number of bytes that its input will have, if that is known: a phone without
    shell protocol v2 can end the input only by that. LinkTimeout when the phone did not answer
    within ``timeout`` seconds.

    When the connection breaks, adbd ends what runs as its own user, and can't end what runs as
    another. There, what has no input ends itself, where the phone has shell protocol v2.
    """
    mark = secrets.token_hex(8)
    words = f"echo offhook-{mark} $$\n"
    frames: Frames
    tied = False
    if "shell_v2" in link.features:
        frames = ShellV2()
        service = f"shell,v2,raw:{words}"
        tied = become is not None and size == 0
        if tied:
            script = tied_to_input(script)
        elif size:
            script = reading_all(script)
        service += script if become is None else f"exec {become} {shlex.quote(words + script)}"
    else:
        frames = Exec(f"offhook-end-{mark}")
        script = wrapped(script, f"offhook-end-{mark}")
        service = f"exec:{words}{fed(size) if size else ''} "
        no_input = " </dev/null" if size == 0 else ""
        if become is None:
            service += f"{{ {script}\n}}{no_input}"
        else:  # the pipe: a su that sees a terminal puts one of its own in between
            service += f"{become} {shlex.quote(words + script)}{no_input} 2>&1 | cat"
    stream = link.open(service, timeout)
    connection = link.now if isinstance(link, LastingLink) else link
    return Process(connection, stream, frames, f"offhook-{mark} ", become, tied=tied)


def run(
    link: Link, command: str | Sequence[str], *, data: bytes = b"", timeout: float = 30.0
) -> Completed:
    """Run a script, or an argv that is quoted here, to its end.

    LinkTimeout when it has not ended after ``timeout`` seconds; it is then killed, with all that
    it started.
    """
    script = command if isinstance(command, str) else shlex.join(command)
    since = time.monotonic()
    with spawn(link, script, size=len(data), timeout=min(timeout, _OPEN_TIMEOUT)) as process:
        return process.finish(data, timeout, since=since)
