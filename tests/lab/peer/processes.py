"""The peer's shell: the host's ``sh``, in adbd's shell protocol v2 or as plain bytes."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import struct
import subprocess
import threading

from tests.lab.peer.faults import BrokenWire
from tests.lab.peer.streams import PeerStream

_FRAME = struct.Struct("<BI")
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)


class Processes:
    """What runs for the peer, so that nothing outlives it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._killed = False

    @property
    def alive(self) -> list[int]:
        """The process ids of the shells that have not ended."""
        with self._lock:
            return [process.pid for process in self._running]

    def start(self, command: str, *, apart: bool) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._killed:
                raise EOFError
            process = subprocess.Popen(
                ["sh", "-c", command] if command else ["sh"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if apart else subprocess.STDOUT,
                start_new_session=True,
                bufsize=0,
            )
            self._running.append(process)
            return process

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.remove(process)

    def kill(self) -> None:
        """Kill each shell and all that it started."""
        with self._lock:
            self._killed = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def run_service(processes: Processes, stream: PeerStream, command: str, *, framed: bool) -> None:
    """Run a command until it ends, or until the client goes: then its pipes are closed."""
    process = processes.start(command, apart=framed)
    over = os.eventfd(0)  # readable when no more input will come
    feeder = threading.Thread(target=_feed, args=(process, stream, over, framed), name="peer feeds")
    feeder.start()
    try:
        _pass_output(process, stream, over, framed)
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        # Who is gone reads no exit code; a command that ignores closed pipes ends with the peer.
        code = process.wait()
        processes.ended(process)
        if framed:
            with contextlib.suppress(EOFError, BrokenWire):
                stream.write(_FRAME.pack(_EXIT, 1) + bytes([code if code >= 0 else 128 - code]))
        stream.close()
        feeder.join()
        os.close(over)


def _pass_output(
    process: subprocess.Popen[bytes], stream: PeerStream, over: int, framed: bool
) -> None:
    assert process.stdout is not None
    kinds = {process.stdout.fileno(): _STDOUT}
    if process.stderr is not None:
        kinds[process.stderr.fileno()] = _STDERR
    waiter = select.poll()
    for pipe in (*kinds, over):
        waiter.register(pipe, select.POLLIN)
    while kinds:
        for pipe, _ in waiter.poll():
            if pipe == over:
                return
            data = os.read(pipe, 65536)
            if not data:
                waiter.unregister(pipe)
                del kinds[pipe]
            elif framed:
                stream.write(_FRAME.pack(kinds[pipe], len(data)) + data)
            else:
                stream.write(data)


def _feed(process: subprocess.Popen[bytes], stream: PeerStream, over: int, framed: bool) -> None:
    """The client's bytes to the command's input, until either ends."""
    stdin = process.stdin
    assert isinstance(stdin, io.FileIO)
    held = bytearray()

    def put(data: bytes) -> None:
        rest = memoryview(data)
        with contextlib.suppress(BrokenPipeError, ValueError):  # it reads no more
            while rest:
                rest = rest[stdin.write(rest) :]

    try:
        while framed:
            kind, length = _FRAME.unpack(stream.exactly(_FRAME.size, held))
            data = stream.exactly(length, held)
            if kind == _STDIN:
                put(data)
            elif kind == _CLOSE_STDIN:
                stdin.close()
        while data := stream.read():
            put(data)
    except EOFError:
        pass
    finally:
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        os.eventfd_write(over, 1)
