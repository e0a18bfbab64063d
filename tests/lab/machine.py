"""What a kind of lab phone has to bring along: a machine that runs the tree, and a way in."""

from __future__ import annotations

import subprocess
from typing import Protocol

PATH = (
    "/product/bin:/apex/com.android.runtime/bin:/system_ext/bin:/system/bin:/system/xbin"
    ":/odm/bin:/vendor/bin:/vendor/xbin"
)
TZ = "CET-1CEST,M3.5.0,M10.5.0/3"
"""Europe/Berlin, without the tables: a phone's local time is seldom UTC."""


class Machine(Protocol):
    """Runs one phone. Between ``start`` and ``stop``, ``run`` works; adbd is not its business."""

    kind: str
    address: tuple[str, int]
    """Where adbd can be reached from this computer."""
    adbd: tuple[int, str]
    """Port and address that adbd listens on, inside: ``(port, "loopback" or "any")``."""

    def start(self, *, deadline: float) -> None:
        """Powers on, and returns when ``run`` works; raises LabError after ``deadline`` (s)."""

    def stop(self) -> None:
        """Ends everything that ``start`` began. Harmless when called twice."""

    def run(
        self,
        script: str,
        *,
        input: bytes,  # noqa: A002
        timeout: float,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a script in the phone as root, not over adb."""

    def mixer(self) -> dict[str, str]:
        """The sound card's controls, name -> value; empty where there is no card."""

    def note(self) -> dict[str, object]:
        """What another process needs to reach this phone (see tests.lab.registry)."""
