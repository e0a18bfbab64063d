"""A lab phone for all tests of a module, and Google's own adb to examine it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab.google import Adb, Said
from tests.lab.phone import LabPhone

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
