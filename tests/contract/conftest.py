"""A lab phone of the host kind, and the agent's connection to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.adb.connection import Connection, connect_tcp
from agent.adb.keys import Signer, load_signer
from tests.lab.phone import LabPhone


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone() as phone:
        yield phone


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return load_signer(tmp_path_factory.mktemp("keys") / "adbkey")


@pytest.fixture
def link(lab: LabPhone, signer: Signer) -> Iterator[Connection]:
    with connect_tcp(*lab.address, [signer]) as connection:
        yield connection
