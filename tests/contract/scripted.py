"""An adb server whose every word is written beforehand, to show what a real one seldom says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

Answer = bytes | Callable[[socket.socket], None]


def text(words: str) -> bytes:
    """A string as the server sends it: its length and itself."""
    raw = words.encode()
    return b"%04x" % len(raw) + raw


def okay(words: str) -> bytes:
    return b"OKAY" + text(words)


def fail(words: str) -> bytes:
    return b"FAIL" + text(words)


def drip(answer: bytes) -> Callable[[socket.socket], None]:
    """The answer, a byte in each packet."""

    def send(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in answer:
            sock.sendall(bytes([byte]))

    return send


def stall(answer: bytes = b"") -> Callable[[socket.socket], None]:
    """The answer, and then nothing until the client goes."""

    def send(sock: socket.socket) -> None:
        sock.sendall(answer)
        while sock.recv(4096):
            pass

    return send


class ScriptedServer:
    """Answers each request by ``answers``; what stands there for no request gets a FAIL.

    After an answer that begins with OKAY and is no more, a further request is read on the same
    socket, as after host:transport. ``requests`` holds everything that was asked.
    """

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def stop_listening(self) -> None:
        """New connections are refused; those that stand go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()

    def __exit__(self, *_: object) -> None:
        self.stop_listening()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.add(sock)
                thread = threading.Thread(target=self._serve, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            while head := sock.recv(4, socket.MSG_WAITALL):
                request = sock.recv(int(head, 16), socket.MSG_WAITALL).decode()
                self.requests.append(request)
                answer = self.answers.get(request, fail("unknown host service"))
                if callable(answer):
                    answer(sock)
                    break
                sock.sendall(answer)
                if answer != b"OKAY":
                    break
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
        self._open.discard(sock)
