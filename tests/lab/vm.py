"""The `vm` kind: the tree as the initramfs of Debian's kernel in QEMU, with a sound card.

QEMU emulates (``-accel tcg``): KVM is never asked for. The guest's network is QEMU's own, and
closed: it reaches nothing, and this computer reaches two of its ports, through 127.0.0.1.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import NoReturn

from tests.lab import door
from tests.lab.cards import CARDS
from tests.lab.errors import LabError
from tests.lab.image import Image, image
from tests.lab.machine import PATH
from tests.lab.profiles import profile as profile_named

MEMORY_MB = 1024
_ADBD, _DOOR = 5555, 7000  # ports in the guest
_NEEDED = {"qemu-system-x86_64": "qemu-system-x86", "setpriv": "util-linux"}

# Without address randomisation QEMU finds code that it has translated before: a program starts
# in 15 ms instead of 80. The rest spares an emulated processor what only a real one needs.
_KERNEL = (
    "console=ttyS0 quiet panic=-1 tsc=unstable norandmaps nokaslr mitigations=off init_on_alloc=0"
    " audit=0 apparmor=0"
)

# QEMU ends with the shell, and the shell when its standard input does: with this process.
# Its modem plays, and its recorder records, in real time, whatever else this computer does.
_KEEPER = """
[ "$(id -u)" != 0 ] || set -- nice -n -10 "$@"
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

    # -- power ---------------------------------------------------------------------------------

    def start(self, *, deadline: float) -> None:
        for program, package in _NEEDED.items():
            if shutil.which(program) is None:
                raise LabError(f"{program} is not installed", hint=f"apt-get install {package}")
        files = self._files()
        end = time.monotonic() + deadline
        try:
            for left in (4, 3, 2, 1, 0):
                said = self._power_on(files, end)
                if b"lab: ready" in said:
                    break
                # The door's port was free a moment ago: somebody else was faster.
                if b"Could not set up host forwarding" not in said or not left:
                    self._fail(said, time.monotonic() >= end)
                self.stop()
            self._set_clock()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None

    def _files(self) -> Image:
        return image()

    def _power_on(self, files: Image, end: float) -> bytes:
        """Starts QEMU; what it and the guest's second serial line said, to "ready" or the end."""
        self.door = _free_port()
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", *self._command(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        said = b""
        # Closed afterwards: QEMU then drops what comes. Nothing more does.
        with self._keeper.stdout as stdout, selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"lab: ready" not in said:
                if not selector.select(max(0.0, end - time.monotonic())):
                    break
                part = os.read(stdout.fileno(), 65536)
                if not part:
                    break
                said += part
        return said

    def _command(self, files: Image) -> list[str]:
        console = str(self.folder / "console.log").replace(",", ",,")
        network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.address[1]}-:{_ADBD}"
        network += f",hostfwd=tcp:127.0.0.1:{self.door}-:{_DOOR}"
        words = f"{_KERNEL} lab.name={self.name} lab.card={profile_named(self.profile).card_name}"
        command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "qemu64"]
        command += ["-smp", "1", "-m", str(MEMORY_MB), "-nodefaults", "-nographic", "-no-reboot"]
        command += ["-rtc", "base=utc"]
        command += ["-kernel", str(files.kernel), "-initrd", str(files.initramfs), "-append", words]
        command += ["-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile="]
        command += ["-device", "virtio-rng-pci"]
        command += ["-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"]
        command += ["-chardev", "stdio,id=ready,signal=off", "-serial", "chardev:ready"]
        return command

    def _fail(self, said: bytes, late: bool) -> NoReturn:
        why = "it took too long" if late else "QEMU ended"
        raise LabError(
            f"the `vm` phone {self.name} did not start: {why}. "
            f"{_plain(said)}\nIts console:\n{self.console()}"
        )

    def console(self, lines: int = 40) -> str:
        """The last lines of the guest's console."""
        try:
            return _plain((self.folder / "console.log").read_bytes()[-65536:], lines)
        except OSError:
            return ""

    def _set_clock(self) -> None:
        # The RTC counts whole seconds, and a phone's clock is right to a few milliseconds.
        command = ["/lab/vm/labcard", "clock", str(time.time_ns())]
        done = door.run(self.door, self.name, command, timeout=10)
        if done.returncode != 0:
            raise LabError(f"the clock of {self.name} can't be set: {_plain(done.stderr)}")

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
        return mixer_at(self.door, self.name, self.profile)

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


def mixer_at(port: int, name: str, profile: str) -> dict[str, str]:
    """Every mixer control -> its values by commas, as the kernel has them; {} without a card."""
    if profile_named(profile).card_name not in CARDS:
        return {}
    done = door.run(port, name, ["/lab/vm/labcard", "controls"], timeout=30)
    if done.returncode != 0:
        raise LabError(f"the controls of {name} can't be read: {_plain(done.stderr)}")
    rows = done.stdout.decode(errors="surrogateescape").splitlines()
    return dict(row.split("\t", 1) for row in rows)


def _plain(raw: bytes, lines: int = 40) -> str:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\x20-\x7e]", "", raw.decode(errors="replace"))
    return "\n".join(text.splitlines()[-lines:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
