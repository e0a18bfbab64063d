"""A root shell that stays: a su is a question to the phone's root manager and three processes.

Scripts are written to it one after another. Random marks stand before and after what one says on
stdout and stderr. The shell itself always waits for input: when that ends, as it does when the
connection breaks, it kills the script that still runs.
"""

from __future__ import annotations

import re
import secrets
import shlex
import threading
from collections.abc import Callable, Generator
from contextlib import suppress

from agent.adb import shell
from agent.adb.frames import overlap
from agent.adb.link import Link
from agent.adb.shell import NotStartedError, Process
from agent.errors import LinkError, LinkTimeout, PhoneError, ProtocolError

_END_TIMEOUT = 2.0
_LEAST_TIMEOUT = 0.1
_MOST_ERRORS = 1 << 20  # bytes of stderr that are kept
_CODE = re.compile(rb"=(\d{1,3})\n")

# $w is the script that was started last.
_LAST_WILL = "trap 'kill -0 $w 2>/dev/null && kill -KILL -$$ $w' EXIT\n"
_NO_LAST_WILL = b"trap - EXIT\n"


class Session:
    """One shell that ``start`` starts, within some seconds; it works for one caller at a time."""

    def __init__(self, link: Link, start: Callable[[str, float], Process]) -> None:
        self._link = link
        self._start = start
        self._busy = threading.Lock()
        self._state = threading.Lock()  # of the three below
        self._process: Process | None = None
        self._works = False
        self._closes = 0

    def claim(self) -> bool:
        """Whether it is the caller's now, who has to :meth:`release` it."""
        return self._busy.acquire(blocking=False)

    def release(self) -> None:
        """Somebody else may have it."""
        self._busy.release()

    def close(self) -> None:
        """End the shell, with what it does now; whoever waits for that gets a LinkError.

        What it is asked later is done by a new one.
        """
        with self._state:
            process, self._process = self._process, None
            works, self._closes = self._works, self._closes + 1
        if process is None:
            return
        with process:  # which kills it, if it did not end
            if not works:
                with suppress(PhoneError):
                    process.send(_NO_LAST_WILL, _END_TIMEOUT)
                    process.end_input(_END_TIMEOUT)
                    while process.frame(_END_TIMEOUT) is not None:
                        pass

    def run(
        self, script: str, errors: bytearray, left: Callable[[], float]
    ) -> Generator[bytes, None, int]:
        """Yield a script's stdout; returns its exit code, and its stderr in ``errors``.

        ``left`` says how many seconds of silence are allowed. A shell in which anything went
        wrong, or whose output nobody wanted, is killed and not used again. Nor is one whose
        outputs somebody else may still write to, such as what the script left in the background;
        that is not killed. (What was started by two forks is only seen when it writes.)
        """
        mark = f"offhook-{secrets.token_hex(8)}"
        process = self._begin(left)
        outputs = _Output(mark), _Output(mark)
        try:
            # A su that denies is gone before it is asked; what it says is still to come.
            with suppress(LinkError):
                line = _line(script, mark).encode("utf-8", "surrogateescape")
                process.send(line, max(left(), _LEAST_TIMEOUT))
            code = yield from _answer(process, outputs, errors, left)
        except BaseException as error:
            self._finish(process)
            process.close()
            if isinstance(error, LinkTimeout):
                raise LinkTimeout(
                    f"a command on the phone at {self._link.where} did not end in time"
                ) from error
            raise
        if all(output.clean for output in outputs):
            with self._state:
                self._works = False
        else:
            self._finish(process)
            _leave(process)
        return code

    def _begin(self, left: Callable[[], float]) -> Process:
        """A shell that stands, and has nothing more to say of before."""
        with self._state:
            process, self._works = self._process, True
            closes = self._closes
        if process is None or not process.idle():
            self._finish(process)
            if process is not None:
                _leave(process)
            process = self._start("exec sh", max(left(), _LEAST_TIMEOUT))
        with self._state:
            if closes == self._closes:
                self._process, self._works = process, True
                return process
        process.close()
        raise LinkError(f"the root shell on the phone at {self._link.where} was closed")

    def _finish(self, process: Process | None) -> None:
        """Do not use that shell again."""
        with self._state:
            self._works = False
            if self._process is process:
                self._process = None


def _leave(process: Process) -> None:
    """Part from a shell whose script is done, and kill nothing that it left."""
    with suppress(LinkError):
        process.send(_NO_LAST_WILL, _LEAST_TIMEOUT)
        process.end_input(_LEAST_TIMEOUT)
    process.leave()


def _line(script: str, mark: str) -> str:
    # In a subshell, so that `exit` ends the script; without input, so that it can't eat ours.
    # Its jobs, told between two marks, are what it leaves in the background: the script before,
    # whose shell may still be on its way out, must be no job any more.
    script = f'trap \'echo "{mark})" >&2; echo "{mark})"; jobs >/dev/null; jobs -p\' EXIT; eval {shlex.quote(script)}'
    return (
        f"{_LAST_WILL}wait $w 2>/dev/null; {{ echo '{mark}(' >&2; echo '{mark}('; ( {script}\n); c=$?; "
        f"echo {mark}=0 >&2; echo {mark}=$c; }} </dev/null & w=$!\n"
    )


class _Output:
    """What one script says on one output, out of all that comes there."""

    def __init__(self, mark: str) -> None:
        self.code: int | None = None
        """What stands at the end, if that has come."""
        self._mark = mark.encode()
        self._held = b""  # what could be the beginning of a mark
        self._stage = 0  # before the script, in it, after it
        self._strange = False  # whether there is anything before or after it
        self._stopped = False  # whether the script came to the end of its shell

    @property
    def clean(self) -> bool:
        """Whether nothing but the script wrote there, nor will."""
        return self._stopped and not self._strange

    def take(self, data: bytes) -> bytes:
        """What of it is the script's; ProtocolError if it makes no sense."""
        data, self._held = self._held + data, b""
        said = b""
        while data:
            if self.code is not None:
                self._strange = True
                break
            at = data.find(self._mark)
            keep = overlap(data, self._mark) if at < 0 else len(data) - at
            before, data = data[: len(data) - keep], data[len(data) - keep :]
            if self._stage == 1:
                said += before
            elif before:
                self._strange = True
            if at < 0 or not self._pass(data):
                self._held = data
                break
            data = data[data.index(b"\n") + 1 :]
        return said

    def _pass(self, data: bytes) -> bool:
        """Go on behind the mark at the beginning, if it is there in whole."""
        tail = data[len(self._mark) : len(self._mark) + 5]
        if self._stage == 0 and b"(\n".startswith(tail[:2]):
            if len(tail) < 2:
                return False
            self._stage = 1
        elif self._stage == 1 and b")\n".startswith(tail[:2]):
            if len(tail) < 2:
                return False
            self._stage, self._stopped = 2, True
        elif match := _CODE.match(tail):
            self.code = int(match[1])
        elif len(tail) < 5 and b"=".startswith(tail[:1]) and (tail[1:] or b"0").isdigit():
            return False
        else:
            raise ProtocolError("the phone's root shell answered what makes no sense")
        return True


def _answer(
    process: Process,
    outputs: tuple[_Output, _Output],
    errors: bytearray,
    left: Callable[[], float],
) -> Generator[bytes, None, int]:
    out, err = outputs
    refusal = b""
    while out.code is None or err.code is None:
        frame = process.frame(max(left(), 0.0))
        if frame is None or process.code is not None:
            if not process.started and not process.closed:
                raise NotStartedError(refusal.decode("utf-8", "replace"))
            raise LinkError("the phone's root shell ended in the middle of a command")
        kind, data = frame
        if not process.started:
            refusal = (refusal + data)[:_MOST_ERRORS]
        if kind == shell.STDERR:
            errors += err.take(data)
            if len(errors) > _MOST_ERRORS:
                del errors[_MOST_ERRORS // 2 : -_MOST_ERRORS // 4]
        elif kind == shell.STDOUT and (said := out.take(data)):
            yield said
    return out.code
