"""A lab phone of the host kind, and the agent's links to it, one by each way."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from agent.adb.direct.keys import Signer, load_signer
from agent.adb.link import Link
from tests.contract.ways import INSIDE, WAYS, Reached
from tests.lab.google import Adb
from tests.lab.phone import LabPhone


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone() as phone:
        yield phone


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    """Google's adb, with a server that runs."""
    adb = Adb(tmp_path_factory.mktemp("google"))
    assert adb.run("start-server").code == 0
    yield adb
    adb.run("kill-server")


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return load_signer(tmp_path_factory.mktemp("keys") / "adbkey")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a link is run by every way, or by the one that the environment names."""
    if "reached" in metafunc.fixturenames:
        only = os.environ.get("OFFHOOK_TEST_WAY")
        metafunc.parametrize("way", [only] if only else sorted(WAYS.keys() - INSIDE))


@pytest.fixture
def reached(
    request: pytest.FixtureRequest, way: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reached]:
    with WAYS[way](request, tmp_path_factory.getbasetemp()) as there:
        yield there


@pytest.fixture
def link(reached: Reached) -> Link:
    return reached.link
