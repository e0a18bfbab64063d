"""How a command's outputs and exit code come over one stream: two ways to take them apart.

Shell protocol v2 (AOSP packages/modules/adb/shell_protocol.h, since Android 7): frames of a
one-byte id, a 32-bit length and the data. Before it there is only ``exec:``, one clean stream:
there, the phone's shell keeps standard error and the exit code, and tells them at the end,
behind a mark that nobody can guess.
"""

from __future__ import annotations

import shlex
import struct
from typing import Protocol

from agent.errors import ProtocolError

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)

Frame = tuple[int, bytes]

_FRAME = struct.Struct("<BI")
_MAX_FRAME = 16 << 20
_PIECE = 65536


class Frames(Protocol):
    """Takes a stream apart, and puts input into it."""

    def decode(self, chunk: bytes) -> list[Frame]:
        """What a chunk of the stream holds. A frame may come in several pieces."""

    @property
    def whole(self) -> bool:
        """Whether the stream may end here."""

    def encode(self, data: bytes) -> list[bytes]:
        """Standard input, as pieces to be sent."""

    def end_input(self) -> bytes:
        """What closes standard input; empty where only the end of the stream can."""


class ShellV2:
    """Shell protocol v2."""

    def __init__(self) -> None:
        self._head = b""
        self._kind = 0
        self._left = 0  # bytes of the present frame that have not come yet

    @property
    def whole(self) -> bool:
        """See :class:`Frames`."""
        return not self._head and not self._left

    def decode(self, chunk: bytes) -> list[Frame]:
        """See :class:`Frames`."""
        frames: list[Frame] = []
        at, size = 0, len(chunk)
        while at < size:
            if self._left:
                piece = chunk[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                frames.append((self._kind, piece))
                continue
            missing = _FRAME.size - len(self._head)
            self._head += chunk[at : at + missing]
            at += missing
            if len(self._head) < _FRAME.size:
                break
            self._kind, self._left = _FRAME.unpack(self._head)
            self._head = b""
            if self._kind > 5 or self._left > _MAX_FRAME:
                raise ProtocolError("the phone's shell sent a frame that makes no sense")
        return frames

    def encode(self, data: bytes) -> list[bytes]:
        """See :class:`Frames`."""
        pieces = (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
        return [_FRAME.pack(STDIN, len(piece)) + piece for piece in pieces]

    def end_input(self) -> bytes:
        """See :class:`Frames`."""
        return _FRAME.pack(CLOSE_STDIN, 0)


class Exec:
    """``exec:``'s stream, which :func:`wrapped` made the phone end with a trailer.

    Standard error comes when the command has ended, without its zero bytes.
    """

    whole = True  # whether the trailer came is seen by the exit code

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._held = b""  # what could be the beginning of the mark
        self._trailer: bytearray | None = None

    def decode(self, chunk: bytes) -> list[Frame]:
        """See :class:`Frames`."""
        if self._trailer is None:
            data = self._held + chunk if self._held else chunk
            at = data.find(self._mark)
            if at < 0:
                keep = overlap(data, self._mark)
                self._held = data[len(data) - keep :]
                data = data[: len(data) - keep] if keep else data
                return [(STDOUT, data)] if data else []
            frames = [(STDOUT, data[:at])] if at else []
            self._trailer = bytearray(data[at + len(self._mark) :])
        else:
            frames = []
            self._trailer += chunk
        if self._trailer.endswith(self._mark):
            errors, _, code = bytes(self._trailer[: -len(self._mark)]).rpartition(b"|")
            if not code.isdigit() or len(code) > 3:
                raise ProtocolError("a command's exit code came garbled")
            frames += [(STDERR, errors), (EXIT, bytes([int(code) & 0xFF]))]
        return frames

    def encode(self, data: bytes) -> list[bytes]:
        """See :class:`Frames`."""
        return [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]

    def end_input(self) -> bytes:
        """See :class:`Frames`."""
        return b""


def wrapped(script: str, mark: str) -> str:
    """A script that does what ``script`` does, and then tells as :class:`Exec` wants it."""
    return (
        f'{{ e=$( ( eval {shlex.quote(script)} ) 2>&1 >&3 3>&-; echo "|$?" ); }} 3>&1\n'
        f'print -rn -- "{mark}${{e}}{mark}"'  # mksh's own: toybox's printf can't take so much
    )


def fed(size: int) -> str:
    """The beginning of a pipeline whose input ends after ``size`` bytes.

    ``exec:`` has no way to close only one direction. ``head -c`` came with toybox 0.7; before,
    there is dd, byte by byte, since a pipe may give less than was asked for.
    """
    return (
        "{ if head -c 0 </dev/null >/dev/null 2>&1; then "
        f"head -c {size}; else dd bs=1 count={size} 2>/dev/null; fi; }} |"
    )


def tied_to_input(script: str) -> str:
    """A script that does what ``script`` does without input, and is killed when its input ends.

    A subshell reads it (mksh's own ``read``, so that nothing is started), and kills the group.
    """
    return (
        "{ { while read -r x; do :; done; kill -KILL -$$ $$; } <&3 3<&- >/dev/null 2>&1 & } 3<&0\n"
        f"w=$!; ( eval {shlex.quote(script)} ) </dev/null; c=$?; kill -KILL $w; exit $c"
    )


def reading_all(script: str) -> str:
    """A script that does what ``script`` does, and then reads the rest of its input.

    adbd has one socket for a command's stdin and stdout: when it finds that nobody reads the one
    any more, it throws away what it has not read of the other (shell_service.cpp, PassInput).
    """
    return f"( eval {shlex.quote(script)} ); c=$?; cat >/dev/null; exit $c"


def overlap(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of ``data`` could be the beginning of ``mark``."""
    tail = data[-len(mark) + 1 :]
    at = tail.find(mark[:1])
    while at >= 0:
        if mark.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(mark[:1], at + 1)
    return 0
