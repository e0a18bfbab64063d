"""What every test gets: an environment of its own, and no thread left behind."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.lab.phone import LabPhone

with contextlib.suppress(ModuleNotFoundError):  # what runs on the PC in QEMU needs none
    from hypothesis import HealthCheck, settings

    # How long an example takes says how busy this computer is, and nothing of the code.
    settings.register_profile(
        "offhook", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("offhook")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whatever meets real programs (adbd, Google's server, a phone in QEMU that plays and records in
    real time) asks for time which this computer may not have to give: such a test is run once
    more when it fails, and the summary says so.

    Those with QEMU are the slowest, and come first, so that no worker is left with them alone at
    the end.
    """
    again = config.pluginmanager.hasplugin("rerunfailures")  # the PC in QEMU has none
    for item in items:
        if again and not item.nodeid.startswith("tests/unit/"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: QEMU.index(queue) if (queue := queue_of(item.nodeid)) else 9)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """QEMU plays and records in real time: on a worker beside it, what needs no QEMU gives way.
    Where we are root, QEMU takes the priority itself (tests/lab/vm.py)."""
    if "PYTEST_XDIST_WORKER" in os.environ and os.geteuid() != 0 and queue_of(item.nodeid) is None:
        os.nice(max(0, 10 - os.nice(0)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say why a test was run once more: it may be a fault that shows itself seldom."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_sep("-", f"{report.nodeid}, the first time")
        terminalreporter.write_line(report.longreprtext[-6000:])


#: Two queues of files whose phones run in QEMU, about as long as each other: never are more than two
#: of those at work at a time.
QEMU = ("QEMU", "the rest in QEMU")
_FIRST = {
    "e2e/test_calls.py",
    "e2e/test_recorder.py",
    "usb/test_usb.py",
    "vm_tests/test_machine.py",
}


@cache
def queue_of(nodeid: str) -> str | None:
    """Which queue a test's file stands in; None for one without QEMU, which goes its own way."""
    name = nodeid.split("::")[0]
    if "pytest.mark.vm" not in (Path(__file__).parents[1] / name).read_text(encoding="utf-8"):
        return None
    return QEMU[name.removeprefix("tests/") not in _FIRST]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay together, as with ``--dist loadfile``, and so do those of a queue."""
    from xdist.scheduler import LoadFileScheduling

    class Queues(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return queue_of(nodeid) or super()._split_scope(nodeid)

    return Queues(config, log)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's home, archive, phone, ADB key or adb server."""
    for name in (
        "OFFHOOK_HOME",
        "OFFHOOK_PHONE",
        "ANDROID_SERIAL",
        "ADB_SERVER_SOCKET",
        "ADB_VENDOR_KEYS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "9")  # where nobody listens
    monkeypatch.setenv("ANDROID_USER_HOME", str(tmp_path / "android"))


@pytest.fixture(autouse=True)
def umask_as_it_was() -> Iterator[None]:
    """The command closes its files to others; a lab phone started later must not."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def no_thread_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that leaves a thread fails, and says which."""
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and t.is_alive()]
    for thread in left:
        thread.join(timeout=5)
    assert not [t for t in left if t.is_alive()], "threads left behind"


@pytest.fixture(scope="session")
def vm_of() -> Iterator[Callable[[str], LabPhone]]:
    """A lab phone in QEMU for a profile; each is started once, when first asked for."""
    running: dict[str, LabPhone] = {}

    def get(profile: str) -> LabPhone:
        if profile not in running:
            phone = LabPhone(kind="vm", profile=profile)
            phone.start()
            running[profile] = phone
        return running[profile]

    yield get
    for phone in running.values():
        phone.stop()
