"""Lab phones with sound, and the command pointed at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


class Enabled:
    """A phone with capture on, and what it was like before."""

    def __init__(self, phone: LabPhone, offhook: Offhook) -> None:
        self.phone = phone
        self.offhook = offhook
        self.before: Snapshot = phone.snapshot()
        offhook.good("enable", "--basis", "own-line", "--here", "DE")

    def disable(self) -> None:
        """Capture off; everything on the phone has to be as it was."""
        self.offhook.good("disable")
        assert self.phone.diff(self.before, self.phone.snapshot()) == []


@pytest.fixture
def enable(tmp_path: Path) -> Iterator[Callable[[LabPhone], Enabled]]:
    """Turns capture on; whatever a test did, it is off again afterwards."""
    done: list[Enabled] = []

    def turn_on(phone: LabPhone) -> Enabled:
        enabled = Enabled(phone, Offhook(tmp_path / "home", phone.address))
        done.append(enabled)
        return enabled

    yield turn_on
    for enabled in done:
        enabled.phone.su("grant")
        enabled.offhook.run("disable")
