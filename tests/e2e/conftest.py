"""Lab phones with sound or with a stand-in of BCR, and the command pointed at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bcr import ID, OWN, StandIn
from tests.lab.phone import LabPhone
from tests.lab.snapshot import Snapshot
from tests.offhook import Offhook


@pytest.fixture
def sm8250(vm_of: Callable[[str], LabPhone]) -> LabPhone:
    return vm_of("sm8250")


@pytest.fixture
def tensor(vm_of: Callable[[str], LabPhone]) -> LabPhone:
    return vm_of("tensor")


@pytest.fixture
def audioreach(vm_of: Callable[[str], LabPhone]) -> LabPhone:
    return vm_of("audioreach")


@pytest.fixture(scope="module")
def shared_phone() -> Iterator[LabPhone]:
    with LabPhone(profile="bcr") as phone:
        yield phone


@pytest.fixture
def bcr(shared_phone: LabPhone) -> Iterator[StandIn]:
    """The stand-in, with its recording off."""
    made = StandIn(shared_phone)
    made.settings(call_recording=False)
    made.start()
    yield made
    made.stop()
    shared_phone.root(f"rm -rf {OWN}/* /data/user_de/0/{ID}/* /lab/state/bcr /lab/state/sys/grants")


@pytest.fixture
def offhook(bcr: StandIn, tmp_path: Path) -> Iterator[Offhook]:
    made = Offhook(tmp_path / "home", bcr.phone.address)
    yield made
    made.run("disable")


class Enabled:
    """A phone with capture on, and what it was like before."""

    def __init__(self, phone: LabPhone, offhook: Offhook) -> None:
        self.phone = phone
        self.offhook = offhook
        self.before: Snapshot = phone.snapshot()
        self.as_before = False
        offhook.good("enable", "--basis", "own-line", "--here", "DE")

    def disable(self) -> None:
        """Capture off; everything on the phone has to be as it was."""
        self.offhook.good("disable")
        assert self.phone.changes(self.before) == []
        self.as_before = True


Enable = Callable[[LabPhone], Enabled]


@pytest.fixture
def enable(tmp_path: Path) -> Iterator[Enable]:
    """Turns capture on; whatever a test did, it is off again afterwards."""
    done: list[Enabled] = []

    def turn_on(phone: LabPhone) -> Enabled:
        enabled = Enabled(phone, Offhook(tmp_path / "home", phone.address))
        done.append(enabled)
        return enabled

    yield turn_on
    for enabled in done:
        if enabled.as_before:
            continue
        enabled.phone.su("grant")
        enabled.offhook.run("disable")
