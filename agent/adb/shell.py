"""Commands on the phone: exit code, stdout and stderr apart, by adbd's shell protocol v2.

Source: AOSP packages/modules/adb/shell_protocol.h: frames of a one-byte id, a 32-bit length
and the data. Phones have it since Android 7.
"""

from __future__ import annotations

import shlex
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from agent.adb.link import Link, Stream
from agent.errors import LinkError, LinkTimeout, ProtocolError, RemoteError

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
_FRAME = struct.Struct("<BI")
_MAX_FRAME = 16 << 20
_OPEN_TIMEOUT = 15.0


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
        """Itself, or RemoteError with the command's own words when the exit code is not 0."""
        if self.code != 0:
            words = (self.stderr or self.stdout).decode("utf-8", "replace").strip()
            raise RemoteError(
                f"{what}: {words or 'no words from the phone'} (exit code {self.code})",
                code=self.code,
                stderr=words,
            )
        return self


class Process:
    """A running command: frames as they come. Close it to end it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the stream; adbd then closes the command's pipes and hangs it up."""
        self._stream.close()

    def send(self, data: bytes, timeout: float | None = 30.0) -> None:
        """Write to the command's standard input."""
        for start in range(0, len(data), 65536):
            part = data[start : start + 65536]
            self._stream.write(_FRAME.pack(STDIN, len(part)) + part, timeout)

    def end_input(self, timeout: float | None = 30.0) -> None:
        """Close the command's standard input."""
        self._stream.write(_FRAME.pack(CLOSE_STDIN, 0), timeout)

    def frame(self, timeout: float | None) -> tuple[int, bytes] | None:
        """The next frame, or None after the last; LinkTimeout leaves everything usable."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if len(self._buffer) >= _FRAME.size:
                kind, length = _FRAME.unpack_from(self._buffer)
                if kind > 5 or length > _MAX_FRAME:
                    raise ProtocolError("the phone's shell sent a frame that makes no sense")
                if len(self._buffer) >= _FRAME.size + length:
                    data = bytes(self._buffer[_FRAME.size : _FRAME.size + length])
                    del self._buffer[: _FRAME.size + length]
                    if kind == EXIT:
                        self.code = data[0] if data else 255
                    return kind, data
            left = None if end is None else max(0.0, end - time.monotonic())
            chunk = self._stream.read(left)
            if not chunk:
                if self._buffer:
                    raise LinkError("a command's output was cut in the middle")
                return None
            self._buffer += chunk

    def output(self, timeout: float | None) -> Iterator[bytes]:
        """Standard output in chunks, ``timeout`` seconds of silence allowed.

        At the end, a code other than 0, or none, is a RemoteError or a LinkError.
        """
        errors = bytearray()
        while (frame := self.frame(timeout)) is not None:
            kind, data = frame
            if kind == STDOUT and data:
                yield data
            elif kind == STDERR and len(errors) < 4096:
                errors += data
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
        if rest:
            yield rest.decode("utf-8", "surrogateescape")


def spawn(link: Link, script: str) -> Process:
    """Start a shell script as adbd's user; LinkError when the phone is too old for shell v2."""
    if "shell_v2" not in link.features:
        raise LinkError(
            f"the phone at {link.where} has no shell protocol v2",
            hint="Offhook needs Android 7 or later.",
        )
    return Process(link.open(f"shell,v2,raw:{script}", _OPEN_TIMEOUT))


def run(
    link: Link, command: str | Sequence[str], *, data: bytes = b"", timeout: float = 30.0
) -> Completed:
    """Run a script, or an argv that is quoted here, to its end.

    LinkTimeout when it has not ended after ``timeout`` seconds; the command is then hung up.
    """
    script = command if isinstance(command, str) else shlex.join(command)
    end = time.monotonic() + timeout
    out, err = bytearray(), bytearray()
    with spawn(link, script) as process:
        try:
            process.send(data, timeout)
            process.end_input(timeout)
        except LinkError:
            if not link.alive:
                raise
            # The command ended without reading all of its input; its output is still to come.
        try:
            while (frame := process.frame(max(0.0, end - time.monotonic()))) is not None:
                kind, chunk = frame
                if kind == STDOUT:
                    out += chunk
                elif kind == STDERR:
                    err += chunk
        except LinkTimeout as error:
            raise LinkTimeout(
                f"a command on the phone at {link.where} did not end within {timeout:g} s"
            ) from error
    if process.code is None:
        raise LinkError(f"the phone at {link.where} dropped a command before it ended")
    return Completed(process.code, bytes(out), bytes(err))
