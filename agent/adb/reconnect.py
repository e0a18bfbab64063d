"""A link that outlives its connections: when one broke, the next is made to the same phone.

What ran over the old connection is over, with its error: whether a command that was cut off was
carried out, only the one who asked can find out. So nothing is sent twice here; the next
:meth:`LastingLink.open` goes over a new connection, and :meth:`LastingLink.mend` waits for one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, Self

from agent.adb.link import Link, Stream
from agent.errors import LinkError, PhoneError

_ONE_TRY = 3.0  # seconds for one connection, while there may be another try
_TICK = 0.1  # seconds after which a request to stop is noticed


class Cancel(Protocol):
    """Anything that says whether to stop; a ``threading.Event`` does."""

    def is_set(self) -> bool:
        """Whether to stop."""


class Backoff:
    """Pauses in seconds, each twice as long as the one before, up to ``longest``."""

    def __init__(self, first: float = 0.2, longest: float = 30.0) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def pause(self) -> float:
        """How long to wait before the next try."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause

    def reset(self) -> None:
        """It worked: begin again with short pauses."""
        self._next = self._first


class LastingLink:
    """A :class:`agent.adb.link.Link` over one connection after another, all to one phone.

    ``connect`` makes a connection within the seconds that it is given (None: what it takes), or
    raises; it has to see to it that it is the same phone. ``pause`` is the first pause, in
    seconds, between two tries of it.
    """

    def __init__(self, connect: Callable[[float | None], Link], *, pause: float = 0.2) -> None:
        self._connect = connect
        self._lock = threading.Lock()  # held while a connection is made
        self._closed = threading.Event()
        self._backoff = Backoff(pause, 5.0)
        self._not_before = 0.0
        self._link = connect(None)

    @property
    def where(self) -> str:
        """How the phone is reached now, or was when the connection broke."""
        return self._link.where

    @property
    def features(self) -> frozenset[str]:
        """What the phone's adbd can do."""
        return self._link.features

    @property
    def alive(self) -> bool:
        """Whether the connection of now still stands."""
        return self._link.alive

    @property
    def now(self) -> Link:
        """The connection of now, which is never made anew."""
        return self._link

    def open(self, service: str, timeout: float) -> Stream:
        """Open a service, over a new connection if the last one broke.

        Of a phone that could not be reached a moment ago, the LinkError is the same, at once.
        """
        if not self._link.alive and not self._closed.is_set():
            self._renew(timeout, insist=False)
        return self._link.open(service, timeout)

    def mend(self, patience: float, cancel: Cancel | None = None) -> None:
        """Have a connection that stands; LinkError when there was none for ``patience`` seconds.

        Returns early when ``cancel`` is set, whatever there is then.
        """
        end = time.monotonic() + patience
        while not self._link.alive:
            left = end - time.monotonic()
            try:
                self._renew(max(0.1, min(left, _ONE_TRY)), insist=True)
            except LinkError:
                wait = min(self._backoff.pause(), end - time.monotonic())
                if wait <= 0:
                    raise
                until = time.monotonic() + wait
                while time.monotonic() < until:
                    if (cancel is not None and cancel.is_set()) or self._closed.wait(_TICK):
                        return

    def drop(self) -> None:
        """Give up the connection of now: the next one will be new."""
        self._link.close()

    def close(self) -> None:
        """End the connection, for good."""
        self._closed.set()
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _renew(self, timeout: float, *, insist: bool) -> None:
        with self._lock:
            if self._link.alive:
                return
            if self._closed.is_set():
                raise LinkError(f"the connection to {self.where} was closed")
            if not insist and time.monotonic() < self._not_before:
                raise LinkError(f"the connection to {self.where} is broken")
            self._link.close()
            try:
                self._link = self._connect(timeout)
            except PhoneError as error:
                self._not_before = time.monotonic() + self._backoff.pause()
                if isinstance(error, LinkError):
                    raise
                # Whatever it is, it may be over soon: an adb server that has just started says
                # for a while that it has no such phone, or that the phone does not trust it.
                raise LinkError(error.message, hint=error.hint) from error
            self._backoff.reset()
            if self._closed.is_set():  # while it was made
                self._link.close()
