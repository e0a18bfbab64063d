"""A machine that another process started: everything but its power switch."""

from __future__ import annotations

import subprocess

from tests.lab.errors import LabError
from tests.lab.host import run_in


class Elsewhere:
    """Reaches a running phone by the note that its starter left in the registry."""

    def __init__(self, note: dict[str, object]) -> None:
        self.kind = str(note["kind"])
        self.serial = str(note["serial"])
        self.address = ("127.0.0.1", int(str(note["port"])))
        port, where = str(note["adbd"]).split()
        self.adbd = (int(port), where)
        self._note = note

    def start(self, *, deadline: float) -> None:
        raise LabError(f"the lab phone {self.serial} belongs to another process")

    def stop(self) -> None:
        """Leaves it alone."""

    def run(
        self,
        script: str,
        *,
        input: bytes,  # noqa: A002
        timeout: float,
    ) -> subprocess.CompletedProcess[bytes]:
        if self.kind == "host":
            return run_in(int(str(self._note["pid"])), script, input=input, timeout=timeout)
        from tests.lab.vm import run_at

        door = int(str(self._note["door"]))
        return run_at(door, self.serial, script, input=input, timeout=timeout)

    def mixer(self) -> dict[str, str]:
        raise LabError("the mixer is read by the process that started the phone")

    def note(self) -> dict[str, object]:
        return self._note
