"""The ways to a phone; the contract holds on each. A new way is one function and one row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import load_signer
from agent.adb.direct.usb import connect_usb
from agent.adb.link import Link
from agent.adb.server.link import link as server_link
from agent.adb.server.server import Server
from tests.lab.peer import Peer


@dataclass(frozen=True)
class Reached:
    """A phone at the end of a way.

    ``folder`` is one in which adbd's user may write, ``closed`` one that it may not enter.
    """

    link: Link
    folder: str = "/data/local/tmp"
    closed: str = "/data/adb"


@contextmanager
def tcp(request: pytest.FixtureRequest, tmp: Path) -> Iterator[Reached]:
    """Directly to adbd's TCP port."""
    lab = request.getfixturevalue("lab")
    with connect_tcp(*lab.address, [load_signer(tmp / "adbkey")]) as link:
        yield Reached(link)


@contextmanager
def server(request: pytest.FixtureRequest, tmp: Path) -> Iterator[Reached]:
    """Through Google's adb server, which has a TCP connection to the phone."""
    lab, google = request.getfixturevalue("lab"), request.getfixturevalue("google")
    with server_link(Server(port=google.port), google.connect(lab)) as link:
        yield Reached(link)


@contextmanager
def peer(request: pytest.FixtureRequest, tmp: Path) -> Iterator[Reached]:
    """Directly to the fault peer, with no fault."""
    folder: Path = request.getfixturevalue("tmp_path")
    closed = folder / "closed"
    closed.mkdir()
    with (
        Peer(closed=closed) as there,
        connect_tcp(*there.address, [load_signer(tmp / "adbkey")]) as link,
    ):
        yield Reached(link, str(folder), str(closed))


@contextmanager
def usb(request: pytest.FixtureRequest, tmp: Path) -> Iterator[Reached]:
    """By a cable, from the computer inside the guest of tests.lab.usb."""
    with connect_usb("LABUSB1", [load_signer(tmp / "adbkey")]) as link:
        yield Reached(link)


@contextmanager
def wireless(request: pytest.FixtureRequest, tmp: Path) -> Iterator[Reached]:
    """Through Google's adb server, which was paired, and wireless debugging's TLS."""
    from tests.lab.wireless import Wireless  # its TLS is not to be had in a guest

    lab, google = request.getfixturevalue("lab"), request.getfixturevalue("google")
    server = Server(port=google.port)
    with Wireless(lab) as phone:
        server.pair(phone.pairing, phone.code)
        with server_link(server, server.connect(phone.address)) as link:
            yield Reached(link)
        server.disconnect(phone.address)


Way = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Reached]]

WAYS: dict[str, Way] = {
    "tcp": tcp,
    "server": server,
    "wireless": wireless,
    "peer": peer,
    "usb": usb,
}
INSIDE = frozenset({"usb"})
"""Ways that there are only inside a guest; the environment names them there."""


def times(count: int) -> int:
    """How often to repeat what a test repeats: an emulated computer does a fifth of it."""
    return count // 5 if os.environ.get("OFFHOOK_TEST_WAY") in INSIDE else count
