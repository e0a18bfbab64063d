"""Google's own adb, with a server of its own on a free port: a peer to examine ours with."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.phone import LabPhone


@dataclass(frozen=True)
class Said:
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()


class Adb:
    """Google's adb, with a server of its own on a free port."""

    def __init__(self, home: Path) -> None:
        import adbutils  # not in every place where a test of the contract runs

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.port = port
        self.command = [adbutils.adb_path(), "-P", str(port)]
        self.environment = {
            "HOME": str(home),
            "ANDROID_USER_HOME": str(home),
            "PATH": os.environ["PATH"],
            "TMPDIR": str(home),  # its server's log
            "ADB_MDNS": "0",
            "ADB_USB": "0",  # nor for phones on USB, for which its start waits three seconds
            "ADB_LIBUSB": "0",
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554",  # it looks for no emulators
        }

    def run(self, *words: str, input: bytes = b"") -> Said:  # noqa: A002
        done = subprocess.run(
            [*self.command, *words],
            input=input,
            capture_output=True,
            env=self.environment,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def connect(self, phone: LabPhone) -> str:
        """Connect to a phone anew, and return when the server has it; how it names it."""
        name = "{}:{}".format(*phone.address)
        self.disconnect(name)
        assert f"connected to {name}" in self.run("connect", name).text
        self._until(lambda listed: f"{name}\tdevice" in listed)
        return name

    def disconnect(self, *name: str) -> None:
        """Disconnect from a phone, or from all; returns when they are listed no more."""
        self.run("disconnect", *name)
        self._until(lambda listed: (name[0] if name else "\t") not in listed)

    def _until(self, fits: Callable[[str], bool]) -> None:
        """A server takes a moment after it has answered."""
        end, pause = time.monotonic() + 20, threading.Event()
        while not fits(listed := self.run("devices").text):
            assert time.monotonic() < end, listed
            pause.wait(0.02)

    def popen(self, phone: LabPhone, *words: str) -> subprocess.Popen[bytes]:
        name = "{}:{}".format(*phone.address)
        return subprocess.Popen(
            [*self.command, "-s", name, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )
