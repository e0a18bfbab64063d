"""A phone through an adb server: every stream is a socket of its own.

The server tells of a phone that goes by its list of phones, which it writes before it closes the
phone's streams (AOSP transport.cpp, handle_offline). So a stream that ends is a normal end unless
the list, read at that moment, says otherwise.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Self

from agent.adb.server.server import Server, ServerDevice, Tracker, refused
from agent.adb.server.smartsocket import Deadline, RefusedError, SmartSocket
from agent.errors import LinkError, LinkTimeout, RemoteError
from agent.text import shown


class ServerStream:
    """One service's stream; made by :meth:`ServerLink.open`."""

    def __init__(self, link: ServerLink, socket: SmartSocket) -> None:
        self._link = link
        self.socket = socket
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, timeout: float | None) -> bytes:
        """See :class:`agent.adb.link.Stream`."""
        try:
            data = self.socket.read(timeout)
        except ConnectionError:  # it closed with something of ours unread: an end all the same
            data = b""
        if not data and not self._closed:
            self._link.check()
        return data

    def write(self, data: bytes, timeout: float | None) -> None:
        """See :class:`agent.adb.link.Stream`."""
        try:
            self.socket.write(data, timeout)
        except ConnectionError as error:
            self._link.check()
            raise LinkError(f"{self._link.where} closed the stream while data was sent") from error

    def close(self) -> None:
        """See :class:`agent.adb.link.Stream`."""
        self._closed = True
        self.socket.close()
        self._link.forget(self)


class ServerLink:
    """A phone that an adb server has; see :class:`agent.adb.link.Link`. Made by :func:`link`."""

    def __init__(
        self, server: Server, device: ServerDevice, features: frozenset[str], tracker: Tracker
    ) -> None:
        self.server = server
        self.device = device
        self.features = features
        self.where = f"{shown(device.serial)} (adb server)"
        self._tracker = tracker
        self._news = threading.Lock()  # who reads the tracker
        self._lock = threading.Lock()
        self._streams: set[ServerStream] = set()
        self._error: LinkError | None = None
        self._watch = threading.Thread(
            target=self._watch_list, name="adb server's list", daemon=True
        )
        self._watch.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the server still has the phone."""
        self._read_news()
        return self._error is None

    def open(self, service: str, timeout: float) -> ServerStream:
        """Open a service; RemoteError if the phone refuses it."""
        if self._error is not None:
            raise self._error
        deadline = Deadline(timeout)
        try:
            socket = self.server.dial(self.device.transport, deadline)
        except RefusedError as refusal:
            self.check()
            raise refused(self.server, refusal.words, self.device.serial) from refusal
        except LinkTimeout:
            raise
        except LinkError:
            self.check()
            raise
        try:
            socket.request(service, deadline)
            stream = ServerStream(self, socket)
            with self._lock:
                if self._error is not None:
                    raise self._error
                self._streams.add(stream)
        except RefusedError as refusal:
            socket.close()
            self.check()
            raise RemoteError(
                f"the phone at {self.where} refuses the service {service.split(':')[0]!r}",
                hint="Its adbd is too old for it, or was told not to.",
            ) from refusal
        except LinkTimeout as error:
            socket.close()
            raise LinkTimeout(
                f"{self.where} did not open a service within {timeout:g} s"
            ) from error
        except BaseException:
            socket.close()
            self.check()
            raise
        return stream

    def close(self) -> None:
        """End every stream."""
        self._fail(LinkError(f"the connection to {self.where} was closed"))
        with self._lock:
            streams, self._streams = self._streams, set()
        for stream in streams:
            stream.socket.close()
        if self._watch is not threading.current_thread():
            self._watch.join()

    # What streams call

    def forget(self, stream: ServerStream) -> None:
        """The stream was closed here."""
        with self._lock:
            self._streams.discard(stream)

    def check(self) -> None:
        """Raise the link's error if the phone, or the server, is gone: a stream has ended.

        A server that was killed closes its sockets one after the other; one that still answers
        was not killed.
        """
        if self._error is None:
            try:
                self.server.version(timeout=5.0)
            except LinkTimeout:
                pass  # stopped, or very busy: nothing is known
            except LinkError as error:
                self._fail(self._server_ended(error))
            self._read_news()
        if self._error is not None:
            raise self._error

    # Liveness

    def _watch_list(self) -> None:
        while self._error is None:
            with contextlib.suppress(LinkError):  # told by the reading
                self._tracker.wait(None)
            self._read_news()

    def _read_news(self) -> None:
        """Take in what the server's list says by now, without waiting."""
        with self._news:
            while self._error is None:
                try:
                    devices = self._tracker.next(0)
                except LinkTimeout:
                    return
                except LinkError as error:
                    self._fail(self._server_ended(error))
                    return
                self._judge(devices)

    def _judge(self, devices: list[ServerDevice]) -> None:
        now = find(devices, self.device)
        if now is None:
            self._fail(LinkError(f"the phone {self.where} went away"))
        elif not now.ready:
            self._fail(LinkError(f"the phone {self.where} went {now.state}"))

    def _server_ended(self, error: LinkError) -> LinkError:
        ended = LinkError(
            f"{self.server.where} ended", hint="Start it again with `adb start-server`."
        )
        ended.__cause__ = error
        return ended

    def _fail(self, error: LinkError) -> None:
        with self._lock:
            if self._error is not None:
                return
            self._error = error
            streams = list(self._streams)
        self._tracker.close()
        for stream in streams:
            stream.socket.shutdown()


def link(
    server: Server,
    wanted: str | ServerDevice,
    *,
    timeout: float = 10.0,
    on_prompt: Callable[[], None] | None = None,
) -> ServerLink:
    """A link to a phone that the server has, by the server's name for it.

    NoPhoneError when it has none such, UnauthorizedError or LinkError when it is not ready.
    ``on_prompt`` is called when the phone asks its user, who then has ``timeout`` seconds.
    """
    deadline = Deadline(timeout)
    tracker = server.track(timeout=timeout)
    try:
        device = _ready(server, tracker, wanted, deadline, on_prompt)
        features = server.features(device, deadline)
    except BaseException:
        tracker.close()
        raise
    return ServerLink(server, device, features, tracker)


def _ready(
    server: Server,
    tracker: Tracker,
    wanted: str | ServerDevice,
    deadline: Deadline,
    on_prompt: Callable[[], None] | None,
) -> ServerDevice:
    """The phone once it is ready; at once, unless it is about to be, or its user was asked."""
    name = wanted if isinstance(wanted, str) else wanted.serial
    asked = False
    device = None
    while True:
        try:
            device = find(tracker.next(deadline.left), wanted)
        except LinkTimeout:
            if device is None:
                raise
            raise refused(server, device.state, name) from None
        if device is None:
            raise refused(server, "not found", name)
        if device.ready:
            return device
        if device.state == "unauthorized" and on_prompt is not None and not asked:
            asked = True
            deadline = Deadline(deadline.timeout)
            on_prompt()
        elif device.state not in ("connecting", "authorizing") and not asked:
            raise refused(server, device.state, name)


def find(devices: Sequence[ServerDevice], wanted: str | ServerDevice) -> ServerDevice | None:
    """The same phone in a newer list, or the one of that name; a ready one before others."""
    if isinstance(wanted, ServerDevice):
        if wanted.transport_id is not None:
            return next((d for d in devices if d.transport_id == wanted.transport_id), None)
        wanted = wanted.serial
    named = [d for d in devices if d.serial == wanted]
    return next((d for d in named if d.ready), named[0] if named else None)
