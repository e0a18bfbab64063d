"""A few rounds of `make stops`: what is killed at a random point is made good."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.phone import LabPhone
from tests.stops import run

#: Its first three: adbd in a disable, a power cut in a call, this computer's offhook in an enable.
SEED = 1989
ROUNDS = int(os.environ.get("OFFHOOK_STOPS", "3"))


@pytest.mark.vm
def test_what_is_killed_anywhere_leaves_nothing_that_is_not_made_good(
    vm_of: Callable[[str], LabPhone], tmp_path: Path
) -> None:
    told: list[str] = []
    wrong = run(vm_of("sm8250"), tmp_path / "home", seed=SEED, count=ROUNDS, tell=told.append)
    assert not wrong, "\n".join(told)
