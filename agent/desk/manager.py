"""Words to a service manager, by systemd's notify protocol (sd_notify(3)): datagrams to the socket
that ``NOTIFY_SOCKET`` names. Without one, nothing is said to nobody."""

from __future__ import annotations

import contextlib
import os
import socket
import time


class Manager:
    """Says READY, WATCHDOG, RELOADING and STOPPING; never fails, and never waits."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        said = dict(os.environ) if environment is None else environment
        self._address = said.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(said)
        """How often at least WATCHDOG=1 has to be said, in seconds; None: not at all."""

    def say(self, *lines: str) -> None:
        """One message: ``READY=1``, ``STATUS=…``."""
        if not self._address.startswith(("/", "@")):
            return
        address = self._address
        if address.startswith("@"):  # an abstract name
            address = "\0" + address[1:]
        flags = socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, flags) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(), address)

    def ready(self, status: str) -> None:
        """All runs, or runs again after :meth:`reloading`."""
        self.say("READY=1", f"STATUS={status}")

    def alive(self) -> None:
        """Still there."""
        self.say("WATCHDOG=1")

    def reloading(self) -> None:
        """The configuration is read anew; :meth:`ready` follows."""
        self.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It ends."""
        self.say("STOPPING=1")


def _watchdog_s(said: dict[str, str]) -> float | None:
    """Half of what the manager allows, as sd_watchdog_enabled(3) advises."""
    try:
        if said.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            return None
        return int(said["WATCHDOG_USEC"]) / 2e6 or None
    except (KeyError, ValueError):
        return None
