"""The peer itself: it listens, greets, checks keys and hands out streams."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.peer import keys
from tests.lab.peer.faults import INSERTS, TWISTS, BrokenWire, Fault, FaultyWire, Packet
from tests.lab.peer.processes import Processes, run_service
from tests.lab.peer.streams import PeerStream
from tests.lab.peer.sync import SyncService

VERSION_CHECKSUM, VERSION = 0x01000000, 0x01000001
FEATURES = frozenset(
    (
        *("shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir", "apex", "abb"),
        *("sendrecv_v2", "delayed_ack"),
    )
)

Tap = Callable[[str], bool]


class Peer:
    """A small adbd on a loopback port of its own; a context manager.

    ``trusted`` are public keys in ADB's form; None asks nobody for a key. A key that is not among
    them goes to ``on_prompt``, which stands for the user: True trusts it, False stays silent.
    ``closed`` is a path that its file service may neither read nor write. ``mss`` (bytes) makes
    TCP's segments that small, and the buffers with them. ``greeting`` is "adb", "tls" for the
    greeting of Android 11's wireless debugging, or "auth-loop" for asking without end.
    """

    def __init__(
        self,
        *,
        closed: Path | None = None,
        features: Collection[str] = FEATURES,
        version: int = VERSION,
        max_payload: int = 1 << 20,
        window: int = 1 << 20,
        overshoot: int = 0,
        trusted: Sequence[str] | None = None,
        on_prompt: Tap = lambda key: False,
        faults: Sequence[Fault] = (),
        refuses: Collection[str] = (),
        greeting: str = "adb",
        mss: int | None = None,
    ) -> None:
        self.closed = closed
        self.features = frozenset(features)
        self.version = version
        self.max_payload = max_payload
        self.window = window
        self.overshoot = overshoot
        self.trusted = None if trusted is None else list(trusted)
        self.on_prompt = on_prompt
        self.faults = list(faults)
        self.refuses = refuses
        self.greeting = greeting
        self.sessions: list[Session] = []
        self.processes = Processes()
        self.errors: list[BaseException] = []
        """What the client did wrong; :meth:`close` raises the first."""
        self._closed = False
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        if mss is not None:
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
            for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                self._listener.setsockopt(socket.SOL_SOCKET, buffer, 4096)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._accept, name="peer accepts")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self.errors:
            raise self.errors[0]

    def close(self) -> None:
        """End everything: connections, threads, processes."""
        with self._changed:
            self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for session in list(self.sessions):
            session.wire.end()
        self.processes.kill()
        self.wait_idle()

    def wait_idle(self, timeout: float = 10) -> None:
        """Wait until every connection, and each thread and process that served it, has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self.sessions, timeout), "a session stays"
        assert not self.processes.alive, "a process stays"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                if self._closed:
                    sock.close()
                    return
                session = Session(self, sock)
                self.sessions.append(session)
            session.start()

    def gone(self, session: Session) -> None:
        with self._changed:
            self.sessions.remove(session)
            self._changed.notify_all()

    def happened(self) -> list[Fault]:
        """The faults of the connections that stand."""
        return [fault for session in list(self.sessions) for fault in session.wire.happened]


class Session:
    """One connection to the peer."""

    def __init__(self, peer: Peer, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = peer
        self.wire = FaultyWire(sock, peer.faults, peer.max_payload)
        self.streams: dict[int, PeerStream] = {}
        self._served: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._last = 0
        self._windowed = False
        self._online = False
        self._thread = threading.Thread(target=self._run, name="peer session")

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            with contextlib.suppress(BrokenWire):
                self._greet()
                while True:
                    self._dispatch(self.wire.receive())
        except Exception as error:  # noqa: BLE001 - the test hears of it
            self._complain(error)
        finally:
            self.wire.end()
            with self._lock:
                streams = list(self.streams.values())
            for stream in streams:
                stream.on_close()
            for thread in self._served:
                thread.join()
            self.wire.close()
            self._peer.gone(self)

    # Greeting

    def _greet(self) -> None:
        hello = self.wire.receive()
        assert hello.command == "CNXN", f"the client begins with {hello.command}"
        peer = self._peer
        if min(hello.arg0, peer.version) >= VERSION:
            self.wire.checksum = False
        self.max_payload = min(hello.arg1, peer.max_payload)
        names = hello.payload.partition(b"features=")[2].partition(b";")[0].decode().split(",")
        self._windowed = "delayed_ack" in names and "delayed_ack" in peer.features
        if peer.greeting == "tls":
            self.wire.send(Packet("STLS", 0x01000000, 0))
            while True:
                self.wire.receive()
        while peer.greeting == "auth-loop":
            self.wire.send(Packet("AUTH", 1, 0, secrets.token_bytes(20)))
            self.wire.receive()
        if peer.trusted is not None:
            self._check_keys(peer.trusted)
        self._welcome()

    def _check_keys(self, trusted: list[str]) -> None:
        while True:
            token = secrets.token_bytes(20)
            self.wire.send(Packet("AUTH", 1, 0, token))
            answer = self.wire.receive()
            assert answer.command == "AUTH", f"the client answers a token with {answer.command}"
            if answer.arg0 == 2:
                if any(keys.signed(key, token, answer.payload) for key in trusted):
                    return
            else:
                assert answer.arg0 == 3
                key = answer.payload.rstrip(b"\0").decode()
                if self._peer.on_prompt(key):
                    trusted.append(key)
                    return
                self.wire.receive()  # as a phone whose user says no: silence

    def _welcome(self) -> None:
        banner = (
            "device::ro.product.name=peer;ro.product.model=Peer;ro.product.device=peer;"
            f"features={','.join(sorted(self._peer.features))}"
        )
        self.wire.send(Packet("CNXN", self._peer.version, self._peer.max_payload, banner.encode()))

    # Streams

    def _dispatch(self, packet: Packet) -> None:
        with self._lock:
            stream = self.streams.get(packet.arg1)
        match packet.command:
            case "OPEN":
                self._open(packet)
            case "CNXN":
                self._welcome()
            case "OKAY" if stream is not None:
                stream.on_okay(packet.payload)
            case "WRTE" if stream is not None:
                stream.on_data(packet.payload)
            case "CLSE" if stream is not None:
                stream.on_close()
                stream.close()

    def _open(self, packet: Packet) -> None:
        name = packet.payload.rstrip(b"\0").decode("utf-8", "surrogateescape")
        service = self._service(name)
        if service is None or bool(packet.arg1) != self._windowed:
            self.wire.send(Packet("CLSE", 0, packet.arg0))
            return
        with self._lock:
            self._last += 1
            credit = packet.arg1 + self._peer.overshoot if self._windowed else None
            stream = PeerStream(self, self._last, packet.arg0, credit)
            self.streams[self._last] = stream
        stream.grant(self._peer.window)
        thread = threading.Thread(target=self._serve, args=(service, stream), name=f"peer {name}")
        self._served = [one for one in self._served if one.is_alive()] + [thread]
        thread.start()

    def _service(self, name: str) -> Callable[[PeerStream], None] | None:
        kind, _, rest = name.partition(":")
        kind, *options = kind.split(",")
        if kind in self._peer.refuses:
            return None
        if kind == "sync":
            return SyncService(self._peer.closed).serve
        if kind == "exec" or kind == "shell":
            framed = "v2" in options and "shell_v2" in self._peer.features
            return lambda stream: run_service(self._peer.processes, stream, rest, framed=framed)
        return None

    def _serve(self, service: Callable[[PeerStream], None], stream: PeerStream) -> None:
        try:
            with contextlib.suppress(BrokenWire, EOFError):
                service(stream)
        except Exception as error:  # noqa: BLE001 - the test hears of it
            self._complain(error)
        finally:
            stream.close()

    def _complain(self, error: Exception) -> None:
        """The client did something wrong; after a strange packet, it may be at a loss."""
        if not any(fault.kind in (*TWISTS, *INSERTS) for fault in self.wire.happened):
            self._peer.errors.append(error)

    def forget(self, stream: PeerStream) -> bool:
        with self._lock:
            return self.streams.pop(stream.local, None) is not None
