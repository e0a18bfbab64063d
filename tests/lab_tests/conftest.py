"""A lab phone for all tests of a module, and Google's own adb to examine it with."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import adbutils
import pytest

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
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.command = [adbutils.adb_path(), "-P", str(port)]
        self.environment = {
            "HOME": str(home),
            "ANDROID_USER_HOME": str(home),
            "PATH": os.environ["PATH"],
            "ADB_MDNS": "0",
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
        name = "{}:{}".format(*phone.address)
        self.run("disconnect", name)
        assert f"connected to {name}" in self.run("connect", name).text
        return name

    def popen(self, phone: LabPhone, *words: str) -> subprocess.Popen[bytes]:
        name = "{}:{}".format(*phone.address)
        return subprocess.Popen(
            [*self.command, "-s", name, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )


Shell = Callable[..., Said]


@pytest.fixture(scope="session")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    client = Adb(tmp_path_factory.mktemp("adb"))
    assert client.run("start-server").code == 0
    yield client
    client.run("kill-server")


@pytest.fixture(scope="module")
def phone(adb: Adb) -> Iterator[LabPhone]:
    with LabPhone() as one:
        adb.connect(one)
        yield one


@pytest.fixture
def shell(adb: Adb, phone: LabPhone) -> Shell:
    """Runs a command on the phone as adb's shell user."""
    name = "{}:{}".format(*phone.address)

    def run(command: str, input: bytes = b"") -> Said:  # noqa: A002
        return adb.run("-s", name, "shell", "-T", command, input=input)

    return run
