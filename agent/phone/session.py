"""A root shell that stays: a su is a question to the phone's root manager and three processes.

Scripts are written to it one after another. What one says on stdout ends with a random mark and
its exit code; what it says on stderr ends with the same mark.
"""

from __future__ import annotations

import secrets
import shlex
import threading
from collections.abc import Callable, Generator
from contextlib import suppress

from agent.adb import shell
from agent.adb.frames import overlap
from agent.adb.link import Link
from agent.adb.shell import NotStartedError, Process
from agent.errors import LinkError, LinkTimeout, PhoneError

_END_TIMEOUT = 2.0
_MOST_ERRORS = 1 << 20  # bytes of stderr that are kept


class Session:
    """One shell that ``start`` starts; it works for one caller at a time."""

    def __init__(self, link: Link, start: Callable[[str], Process]) -> None:
        self._link = link
        self._start = start
        self._process: Process | None = None
        self._busy = threading.Lock()

    def claim(self) -> bool:
        """Whether it is the caller's now, who has to :meth:`release` it."""
        return self._busy.acquire(blocking=False)

    def release(self) -> None:
        """Somebody else may have it."""
        self._busy.release()

    def close(self) -> None:
        """End the shell, so that nothing of ours runs on the phone any more."""
        process, self._process = self._process, None
        if process is not None:
            with process, suppress(PhoneError):
                process.end_input(_END_TIMEOUT)
                while process.frame(_END_TIMEOUT) is not None:
                    pass

    def run(
        self, script: str, errors: bytearray, left: Callable[[], float]
    ) -> Generator[bytes, None, int]:
        """Yield a script's stdout; returns its exit code, and its stderr in ``errors``.

        ``left`` says how many seconds of silence are allowed. A shell in which anything went
        wrong, or whose output nobody wanted, is killed and not used again.
        """
        mark = f"offhook-{secrets.token_hex(8)}"
        # In a subshell, so that `exit` ends the script; without input, so that it can't eat ours.
        line = f"( eval {shlex.quote(script)} ) </dev/null\n"
        line += f"c=$?; echo {mark} >&2; echo {mark} $c\n"
        process = self._process or self._start("exec sh")
        self._process = None  # until it has answered
        try:
            # A su that denies is gone before it is asked; what it says is still to come.
            with suppress(LinkError):
                process.send(line.encode("utf-8", "surrogateescape"), max(left(), 1.0))
            code = yield from _answer(process, f"{mark} ".encode(), errors, left)
        except BaseException as error:
            process.close()
            if isinstance(error, LinkTimeout):
                raise LinkTimeout(
                    f"a command on the phone at {self._link.where} did not end in time"
                ) from error
            raise
        self._process = process
        return code


def _answer(
    process: Process, token: bytes, errors: bytearray, left: Callable[[], float]
) -> Generator[bytes, None, int]:
    mark = token.rstrip()
    held = b""  # what could be the beginning of the token
    code: int | None = None
    told = False  # whether stderr has come to its end
    while code is None or not told:
        frame = process.frame(max(left(), 0.0))
        if frame is None or process.code is not None:
            if not process.started:
                words = bytes(errors) or held or (frame[1] if frame else b"")
                raise NotStartedError(words.decode("utf-8", "replace"))
            raise LinkError("the phone's root shell ended in the middle of a command")
        kind, data = frame
        if kind == shell.STDERR:
            errors += data
            at = errors.find(mark, max(0, len(errors) - len(data) - len(mark)))
            if at >= 0:
                del errors[at:]
                told = True
            elif len(errors) > _MOST_ERRORS:
                del errors[_MOST_ERRORS // 2 : -len(mark)]
        elif kind == shell.STDOUT and code is None:
            data = held + data if held else data
            at = data.find(token)
            if at >= 0:
                if not data.endswith(b"\n"):
                    held = data  # the exit code is cut
                    continue
                code = int(data[at + len(token) :])
                data, held = data[:at], b""
            else:
                keep = overlap(data, token)
                data, held = (data[:-keep], data[-keep:]) if keep else (data, b"")
            if data:
                yield data
    return code
