"""The client of ``vm/door.c``: runs programs in a `vm` phone as root, not over adb."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import subprocess
import time
from collections.abc import Sequence

from tests.lab.errors import LabError

_CHUNK = 1 << 16


def run(
    port: int,
    name: str,
    arguments: Sequence[str],
    *,
    input: bytes = b"",  # noqa: A002
    timeout: float = 30,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program in the phone called ``name``, whose door is at 127.0.0.1:``port``.

    Input and outputs are bytes of any length. A program that a signal ended has 128 + its number.
    Raises LabError when the phone is not there, or the program takes longer than ``timeout`` (s);
    it is killed then.
    """
    what = f"{name}, {' '.join(arguments)[:200]}"
    end = time.monotonic() + timeout
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(timeout)
            _check_hello(sock, name)
            raw = [argument.encode("utf-8", "surrogateescape") for argument in arguments]
            request = struct.pack("<I", len(raw))
            request += b"".join(struct.pack("<I", len(part)) + part for part in raw)
            sock.sendall(request)
            return _talk(sock, list(arguments), input, end)
    except TimeoutError:
        raise LabError(f"nothing after {timeout:.0f} s: {what}") from None
    except (OSError, EOFError) as error:
        raise LabError(f"the phone's back door broke off: {what}: {error}") from error


def _check_hello(sock: socket.socket, name: str) -> None:
    hello = b""
    while not hello.endswith(b"\n"):
        part = sock.recv(1)
        if not part:
            raise EOFError("closed before its hello")
        hello += part
    if hello != f"door {name}\n".encode():
        raise LabError(f"this door is another phone's: {hello!r}, not that of {name}")


def _talk(
    sock: socket.socket, arguments: list[str], data: bytes, end: float
) -> subprocess.CompletedProcess[bytes]:
    """Sends input and collects output at the same time: either side may be the slow one."""
    frames = b"".join(
        struct.pack("<BI", 0, len(data[i : i + _CHUNK])) + data[i : i + _CHUNK]
        for i in range(0, len(data), _CHUNK)
    )
    unsent = memoryview(frames + struct.pack("<BI", 0, 0))
    outputs = {1: bytearray(), 2: bytearray()}
    got = bytearray()
    sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            left = end - time.monotonic()
            events = selector.select(max(0.0, left))
            if not events and left <= 0:
                raise TimeoutError
            for _, ready in events:
                if ready & selectors.EVENT_WRITE:
                    with contextlib.suppress(BlockingIOError):
                        unsent = unsent[sock.send(unsent[: _CHUNK * 4]) :]
                    if not unsent:
                        selector.modify(sock, selectors.EVENT_READ)
                if ready & selectors.EVENT_READ:
                    with contextlib.suppress(BlockingIOError):
                        part = sock.recv(_CHUNK * 4)
                        if not part:
                            raise EOFError("closed in the middle")
                        got += part
            status = _take_frames(got, outputs)
            if status is not None:
                return subprocess.CompletedProcess(
                    arguments, status, bytes(outputs[1]), bytes(outputs[2])
                )


def _take_frames(got: bytearray, outputs: dict[int, bytearray]) -> int | None:
    while len(got) >= 5:
        kind, size = struct.unpack_from("<BI", got)
        if len(got) < 5 + size:
            return None
        payload = bytes(got[5 : 5 + size])
        del got[: 5 + size]
        if kind == 3:
            return int(struct.unpack("<I", payload)[0])
        outputs[kind] += payload
    return None
