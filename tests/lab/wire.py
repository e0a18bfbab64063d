"""As much of ADB's protocol as tells that an adbd answers: one CNXN there and back."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

from tests.lab.errors import LabError

_CNXN = 0x4E584E43
_HELLO = b"host::features=shell_v2,cmd,stat_v2,ls_v2\0"


def greet(address: tuple[str, int], timeout: float) -> str:
    """The banner that the adbd at ``address`` answers with. Raises OSError or ValueError."""
    head = struct.pack(
        "<6I", _CNXN, 0x01000001, 1 << 20, len(_HELLO), sum(_HELLO), _CNXN ^ 0xFFFFFFFF
    )
    with socket.create_connection(address, timeout) as sock:
        sock.settimeout(timeout)
        sock.sendall(head + _HELLO)
        command, _, _, length, _, magic = struct.unpack("<6I", _exactly(sock, 24))
        if command != _CNXN or magic != _CNXN ^ 0xFFFFFFFF or length > 1 << 20:
            raise ValueError(f"not an answer of adbd: {command:#x}")
        banner = _exactly(sock, length).decode(errors="replace")
        # adbd names a connection after its file descriptor, and may drop a new one that comes
        # while the old one of that name is still going. So this one is seen to its end.
        with contextlib.suppress(OSError):
            sock.settimeout(2)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
    return banner


def wait_for(address: tuple[str, int], deadline: float) -> str:
    """Greets until an adbd answers, for at most ``deadline`` seconds; its banner."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        left = end - time.monotonic()
        try:
            return greet(address, max(0.05, min(left, 5.0)))
        except (OSError, ValueError) as error:
            if left <= 0:
                where = f"{address[0]}:{address[1]}"
                raise LabError(
                    f"no adbd answers at {where} after {deadline:.0f} s: {error}"
                ) from error
        pause.wait(0.01)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionResetError("adbd closed the connection")
        data += part
    return data
