"""The contract of a connection: named services of the phone, opened as byte streams.

What stands on it (:mod:`agent.adb.shell`, :mod:`agent.adb.files`) knows nothing of TCP, USB or
an adb server.
"""

from __future__ import annotations

from typing import Protocol, Self


class Stream(Protocol):
    """A duplex stream of bytes to one service on the phone."""

    def read(self, timeout: float | None) -> bytes:
        """The next bytes, as soon as there are some; ``b""`` at the end of the stream.

        Raises LinkTimeout when nothing came in ``timeout`` seconds (the stream stays usable)
        and LinkError when the connection broke.
        """

    def write(self, data: bytes, timeout: float | None) -> None:
        """Send all of ``data``; LinkError when the stream or the connection is closed."""

    def close(self) -> None:
        """Close the stream on both sides; what is read afterwards is the end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Link(Protocol):
    """A connection to one phone."""

    @property
    def where(self) -> str:
        """How the phone is reached, for messages: ``192.0.2.7:5555``."""

    @property
    def features(self) -> frozenset[str]:
        """What the phone's adbd says it can do: ``shell_v2``, ``stat_v2``, ``ls_v2``, …"""

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known."""

    def open(self, service: str, timeout: float) -> Stream:
        """Open a service such as ``shell,v2,raw:id``; RemoteError if the phone refuses it."""

    def close(self) -> None:
        """End every stream and the connection."""
