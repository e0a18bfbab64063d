"""The `vm` kind: the tree as the initramfs of Debian's kernel in QEMU, with a sound card.

QEMU emulates (``-accel tcg``): KVM is never asked for. The guest's network is QEMU's own, and
closed: it reaches nothing, and this computer reaches two of its ports, through 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.lab import door
from tests.lab.errors import LabError
from tests.lab.image import image
from tests.lab.machine import PATH

MEMORY_MB = 1024
_ADBD, _DOOR = 5555, 7000  # ports in the guest

# Without address randomisation QEMU finds code that it has translated before: a program starts
# in 15 ms instead of 80. The rest spares an emulated processor what only a real one needs.
_KERNEL = (
    "console=ttyS0 quiet panic=-1 tsc=unstable norandmaps nokaslr mitigations=off init_on_alloc=0"
    " audit=0 apparmor=0"
)

# QEMU ends with the shell, and the shell when its standard input does: with this process.
_KEEPER = """
setpriv --pdeathsig KILL "$@" < /dev/null &
exec > /dev/null 2>&1
read -r _
kill -KILL $!
wait $!
"""


class VmMachine:
    """One phone in QEMU. ``folder`` is its own, and keeps its console (``console.log``)."""

    kind = "vm"

    def __init__(self, *, name: str, port: int, folder: Path, profile: str) -> None:
        self.name = name
        self.folder = folder
        self.profile = profile
        self.address = ("127.0.0.1", port)
        self.adbd = (_ADBD, "any")
        self.door = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._said = threading.Condition()
        self._console = bytearray()
        self._ended = False

    # -- power ---------------------------------------------------------------------------------

    def start(self, *, deadline: float) -> None:
        for program, package in (
            ("qemu-system-x86_64", "qemu-system-x86"),
            ("setpriv", "util-linux"),
        ):
            if shutil.which(program) is None:
                raise LabError(f"{program} is not installed", hint=f"apt-get install {package}")
        end = time.monotonic() + deadline
        try:
            for attempt in range(5):
                self._power_on()
                try:
                    self._wait_for("lab: ready", end)
                    break
                except LabError:
                    # The door's port was free a moment ago: somebody else was faster.
                    taken = f"hostfwd=tcp:127.0.0.1:{self.door}-" in self._tail()
                    if not taken or attempt == 4:
                        raise
                    self._power_off()
            self._set_clock()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._power_off()

    def _power_on(self) -> None:
        files = image()
        self.door = _free_port()
        words = f"{_KERNEL} lab.name={self.name} lab.card={self.profile}"
        network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.address[1]}-:{_ADBD}"
        network += f",hostfwd=tcp:127.0.0.1:{self.door}-:{_DOOR}"
        command = [
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-machine",
            "q35",
            "-cpu",
            "qemu64",
        ]
        command += ["-smp", "1", "-m", str(MEMORY_MB), "-nodefaults", "-nographic", "-no-reboot"]
        command += ["-kernel", str(files.kernel), "-initrd", str(files.initramfs), "-append", words]
        command += ["-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile="]
        command += ["-device", "virtio-rng-pci", "-rtc", "base=utc,clock=host", "-serial", "stdio"]
        self._console.clear()
        self._ended = False
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name=f"console of {self.name}")
        self._listener.start()

    def _power_off(self) -> None:
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None
        if self._listener is not None:
            self._listener.join()
            self._listener = None

    def _listen(self) -> None:
        assert self._keeper is not None and self._keeper.stdout is not None
        with self._keeper.stdout as stdout, (self.folder / "console.log").open("wb") as log:
            while part := stdout.read1(65536):  # type: ignore[attr-defined]
                log.write(part)
                log.flush()
                with self._said:
                    self._console += part
                    del self._console[:-65536]
                    self._said.notify_all()
        with self._said:
            self._ended = True
            self._said.notify_all()

    def _wait_for(self, word: str, end: float) -> None:
        raw = word.encode()
        with self._said:
            while raw not in self._console and not self._ended:
                if not self._said.wait(max(0.0, end - time.monotonic())):
                    break
            if raw in self._console:
                return
            why = "QEMU ended" if self._ended else "it took too long"
        raise LabError(
            f"the `vm` phone {self.name} did not start: {why}. Its console:\n{self._tail()}"
        )

    def _tail(self) -> str:
        with self._said:
            text = self._console.decode(errors="replace")
        lines = re.sub(r"[^\n\x20-\x7e]", "", text).splitlines()
        return "\n".join(lines[-40:])

    def _set_clock(self) -> None:
        # The RTC counts whole seconds, and a phone's clock is right to a few milliseconds.
        done = door.run(
            self.door, self.name, ["/lab/vm/labcard", "clock", str(time.time_ns())], timeout=10
        )
        if done.returncode != 0:
            raise LabError(f"the clock of {self.name} can't be set: {done.stderr!r}")

    # -- the examiner's eye --------------------------------------------------------------------

    def run(
        self,
        script: str,
        *,
        input: bytes,  # noqa: A002
        timeout: float,
    ) -> subprocess.CompletedProcess[bytes]:
        return run_at(self.door, self.name, script, input=input, timeout=timeout)

    def mixer(self) -> dict[str, str]:
        done = door.run(self.door, self.name, ["/lab/vm/labcard", "controls"], timeout=30)
        if done.returncode != 0:
            return {}
        rows = done.stdout.decode(errors="surrogateescape").splitlines()
        return dict(row.split("\t", 1) for row in rows)

    def note(self) -> dict[str, object]:
        return {"door": self.door}


def run_at(
    port: int,
    name: str,
    script: str,
    *,
    input: bytes,  # noqa: A002
    timeout: float,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a script (for mksh) as root in the phone ``name`` whose door is at ``port``."""
    command = ["/system/bin/env", "-i", f"PATH={PATH}", "HOME=/", "ANDROID_ROOT=/system"]
    command += ["ANDROID_DATA=/data", "TMPDIR=/data/local/tmp", "/system/bin/sh", "-c", script]
    return door.run(port, name, command, input=input, timeout=timeout)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
