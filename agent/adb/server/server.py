"""A running adb server: its phones, and what it can be asked to do.

Source: AOSP packages/modules/adb, SERVICES.TXT, services.cpp, transport.cpp; the lists are
:mod:`agent.adb.server.devices`. No server is ever
started or stopped here unless the user asked for it (:meth:`Server.start`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent.adb.address import address_text
from agent.adb.server.devices import READY, ServerDevice, Tracker, parse_devices
from agent.adb.server.smartsocket import Deadline, RefusedError, SmartSocket
from agent.errors import (
    ConfigError,
    LinkError,
    LinkTimeout,
    NoPhoneError,
    PhoneError,
    ProtocolError,
    RemoteError,
    UnauthorizedError,
    UsageError,
)
from agent.text import shown

__all__ = ["READY", "Server", "ServerDevice", "Tracker", "find_adb", "parse_devices", "refused"]

DEFAULT_PORT = 5037
ALLOW = "Unlock the phone, tap «Always allow from this computer», «Allow», and try again."
UDEV = (
    "Its udev rule is missing: install android-udev-rules or android-sdk-platform-tools-common, "
    "and plug it in again."
)
_ASK_ANEW = " If it shows no question: unplug it and plug it in again, or `adb reconnect offline`."


@dataclass(frozen=True)
class Server:
    """The adb server at ``host:port``, which may run or not."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT

    @classmethod
    def default(cls) -> Self:
        """The one that Google's adb would use, by the same environment variables.

        ADB_SERVER_SOCKET, ``tcp:[HOST:]PORT``; else ANDROID_ADB_SERVER_ADDRESS and _PORT; else
        port 5037 here. ConfigError when one of them makes no sense.
        """
        name, spec = "ADB_SERVER_SOCKET", os.environ.get("ADB_SERVER_SOCKET", "")
        if not spec:
            name = "ANDROID_ADB_SERVER_PORT"
            host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or cls.host
            spec = f"tcp:{host}:{os.environ.get(name) or DEFAULT_PORT}"
        kind, _, rest = spec.partition(":")
        host, _, port = rest.rpartition(":")
        plain = port.isascii() and port.isdigit() and 0 < int(port) < 65536
        if kind != "tcp" or not plain:
            raise ConfigError(
                f"{name} says {spec!r}, which is no adb server's address",
                hint="Set ADB_SERVER_SOCKET=tcp:HOST:PORT or ANDROID_ADB_SERVER_PORT=PORT, "
                "or neither.",
            )
        return cls(host.strip("[]").replace("localhost", cls.host) or cls.host, int(port))

    @property
    def where(self) -> str:
        """Its name, for messages."""
        return f"the adb server at {address_text(self.host, self.port)}"

    def version(self, *, timeout: float = 5.0) -> int:
        """Its protocol's version: 41 since 2018.

        NoServerError when none listens there; LinkTimeout or ProtocolError when something does
        that is no adb server.
        """
        answer = self._ask("host:version", timeout)
        try:
            return int(answer, 16)
        except ValueError as error:
            raise ProtocolError(f"{self.where} gave {answer!r} as its version") from error

    def running(self, *, timeout: float = 5.0) -> bool:
        """Whether an adb server answers; never an error."""
        try:
            self.version(timeout=timeout)
        except LinkError:
            return False
        return True

    def devices(self, *, timeout: float = 5.0) -> list[ServerDevice]:
        """Every phone that it has, in whatever state."""
        return parse_devices(self._ask("host:devices-l", timeout))

    def track(self, *, timeout: float = 5.0) -> Tracker:
        """Its phones now, and each time that something changes; ``timeout`` is for the start."""
        deadline = Deadline(timeout)
        try:
            return Tracker(self.dial("host:track-devices-l", deadline))
        except RefusedError:  # older than 2019
            return Tracker(self._dial("host:track-devices", deadline))

    def connect(self, address: str, *, timeout: float = 20.0) -> str:
        """Have it connect to the phone at ``HOST[:PORT]``; the name that it then has.

        LinkError when it can't be reached, UnauthorizedError when the phone wants to be asked.
        """
        words = self._ask(f"host:connect:{address}", timeout)
        match = re.fullmatch(r"(?:already )?connected to (\S+)\s*", words)
        if match:
            return match[1]
        what = f"{self.where} can't connect to {shown(address)}: {shown(words.strip())}"
        if "authenticat" in words or "unauthorized" in words:
            raise UnauthorizedError(what, hint=ALLOW)
        # Of a computer that has not paired, adb says no more than that it failed.
        raise LinkError(
            what,
            hint="Is the address right? Port 5555 wants `adb tcpip 5555` over USB after each "
            "reboot. «Wireless debugging» shows another port each time that it is turned on, and "
            "takes only computers that have paired: `offhook pair`.",
        )

    def disconnect(self, address: str, *, timeout: float = 5.0) -> None:
        """Have it give up a phone that it was told to connect to; NoPhoneError if it has none."""
        if not address:
            raise UsageError("which phone to give up was not said")  # to adb it would mean all
        self._ask(f"host:disconnect:{address}", timeout)

    def pair(self, address: str, code: str, *, timeout: float = 30.0) -> str:
        """Pair with Android 11's «Wireless debugging» at ``HOST:PORT``; the server's own words.

        The address and the code of six digits are those that the phone shows while it pairs.
        UnauthorizedError when the code is wrong, LinkError when the phone can't be reached.
        """
        if not re.fullmatch(r"[0-9]{6}", code):  # an empty one would end the server (adb 36)
            raise UsageError(
                f"{shown(code)!r} is no pairing code", hint="The phone shows six digits."
            )
        deadline = Deadline(timeout)
        with contextlib.closing(self._dial(f"host:pair:{code}:{address}", deadline)) as socket:
            # FAIL may come here, after the OKAY of the request; servers before 2024 put the
            # failure into the text instead.
            head = socket.exactly(4, deadline)
            try:
                if head == b"FAIL":
                    socket.verdict(head, deadline)
                words = socket.sized(head, deadline).strip()
            except RefusedError as refusal:
                words = refusal.words.strip()
        if words.startswith("Successfully paired"):
            return shown(words)
        what = f"pairing with {shown(address)} failed: {shown(words.removeprefix('Failed: '))}"
        if "password" in words.lower() or "code" in words.lower():
            raise UnauthorizedError(
                what, hint="The code is good for once: have the phone show a new one, and retry."
            )
        raise LinkError(
            what,
            hint="On the phone: Developer options, «Wireless debugging», «Pair device with "
            "pairing code». Take the address and port from that window; keep it open.",
        )

    def start(self, *, timeout: float = 30.0) -> None:
        """Start it by Google's adb, because the user asked for it; nothing if it runs.

        ConfigError when there is no adb, LinkError with adb's words when it can't start one.
        """
        if self.running(timeout=timeout):
            return
        if self.host != Server.host:
            raise ConfigError(f"{self.where} is on another computer: start it there")
        command = [find_adb(), "-P", str(self.port), "start-server"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                env={k: v for k, v in os.environ.items() if k != "ADB_SERVER_SOCKET"},
            )
        except subprocess.TimeoutExpired as error:
            raise LinkTimeout(f"`adb start-server` did not end within {timeout:g} s") from error
        except OSError as error:
            raise ConfigError(f"can't run {command[0]}: {error}") from error
        if done.returncode != 0:
            words = done.stderr.decode("utf-8", "replace").strip()
            raise LinkError(f"`adb start-server` failed: {shown(words)}")

    # What ServerLink needs

    def dial(self, request: str, deadline: Deadline) -> SmartSocket:
        """A socket on which ``request`` was answered with OKAY; RefusedError when with FAIL."""
        socket = SmartSocket(self.host, self.port, deadline)
        try:
            socket.request(request, deadline)
        except BaseException:
            socket.close()
            raise
        return socket

    def features(self, device: ServerDevice, deadline: Deadline) -> frozenset[str]:
        """What a phone's adbd can do; see :class:`agent.adb.link.Link`."""
        with contextlib.closing(
            self._dial(device.about("features"), deadline, device.serial)
        ) as socket:
            return frozenset(filter(None, socket.text(deadline).strip().split(",")))

    def _dial(self, request: str, deadline: Deadline, name: str = "") -> SmartSocket:
        try:
            return self.dial(request, deadline)
        except RefusedError as refusal:
            raise refused(self, refusal.words, name) from refusal

    def _ask(self, request: str, timeout: float) -> str:
        deadline = Deadline(timeout)
        with contextlib.closing(self._dial(request, deadline)) as socket:
            return socket.text(deadline)


def refused(server: Server, words: str, name: str) -> PhoneError:
    """The error for what a server answered with FAIL, when asked for the phone ``name``."""
    phone = f"the phone {shown(name)}" if name else "the phone"
    lower = words.lower()
    if "unauthorized" in lower or "authorizing" in lower:
        return UnauthorizedError(
            f"{phone} does not trust this computer yet, says {server.where}",
            hint=ALLOW + _ASK_ANEW,
        )
    if "permissions" in lower:
        return LinkError(
            f"{server.where} may not open {phone} on USB",
            hint=UDEV,
        )
    if "offline" in lower or "connecting" in lower or "detached" in lower:
        return LinkError(
            f"{phone} is {'offline' if 'offline' in lower else 'not connected yet'}, "
            f"says {server.where}",
            hint="Wake it, or plug it in again; `adb reconnect offline` makes the server retry.",
        )
    if "not found" in lower or "no device" in lower or "no such device" in lower:
        return NoPhoneError(
            f"{server.where} has no such phone{': ' + shown(name) if name else ''}",
            hint="`offhook devices` lists what it has.",
        )
    if "unknown host service" in lower:
        return RemoteError(
            f"{server.where} is too old for this", hint="Update Google's platform-tools."
        )
    return LinkError(f"{server.where} refused: {shown(words.strip())}")


def find_adb() -> str:
    """Google's adb: of PATH, else of ANDROID_HOME; ConfigError when there is none."""
    found = shutil.which("adb")
    if found is None:
        for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
            if folder := os.environ.get(name):
                found = found or shutil.which("adb", path=str(Path(folder) / "platform-tools"))
    if found is None:
        raise ConfigError(
            "there is no adb in PATH, nor in ANDROID_HOME/platform-tools",
            hint="Install Google's platform-tools (Debian: apt-get install adb).",
        )
    return found
