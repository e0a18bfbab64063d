"""Direct USB against real adbds: the contract, and what is special to USB, run inside a guest.

The guest has both ends of the cable (tests/lab/usb): this side starts it, has pytest run in it,
and reports each result. That is one start of a guest and of pytest for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from tests.lab.usb.phone import UsbLab

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]

FILES = ("tests/contract/test_contract.py", "tests/usb/in_guest.py")


@dataclass(frozen=True)
class Ran:
    """Results by module: name -> what went wrong, or None; and all that pytest said."""

    results: dict[str, dict[str, str | None]]
    said: str


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    words = ["-m", "pytest", "-p", "no:cacheprovider", "--junitxml=/lab/report.xml"]
    words += ["-o", "junit_family=xunit1"]  # with the speed that was measured
    with UsbLab() as lab:
        done = lab.computer(*words, *FILES, timeout=800)
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode in (0, 1), said
        report = ElementTree.fromstring(lab.root("cat /lab/state/usb/report.xml"))
    results: dict[str, dict[str, str | None]] = {}
    for case in report.iter("testcase"):
        wrong = [part.tag for part in case if part.tag in ("failure", "error", "skipped")]
        module = results.setdefault(case.attrib["classname"], {})
        module[case.attrib["name"]] = wrong[0] if wrong else None
    yield Ran(results, said)


@pytest.mark.parametrize(
    ("module", "least"), [("tests.contract.test_contract", 20), ("tests.usb.in_guest", 13)]
)
def test_over_usb(ran: Ran, module: str, least: int, subtests: pytest.Subtests) -> None:
    results = ran.results.get(module, {})
    for name, wrong in results.items():
        with subtests.test(name):
            assert wrong is None, ran.said
    assert len(results) >= least, ran.said
