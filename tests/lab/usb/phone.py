"""A `vm` lab phone with USB cables: two phones and a computer in one guest.

    with UsbLab() as lab:
        done = lab.computer("-m", "pytest", "tests/contract/test_contract.py")

The kernel's dummy_hcd is a USB host controller whose ports are USB device controllers of the same
kernel. At each of these is an adbd with FunctionFS, as in a phone; at the host's side, in
``/pc``, are Python, libusb and udevd, with this checkout's ``agent`` and ``tests``.
"""

from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
from pathlib import Path

from tests.lab import door, registry
from tests.lab.image import Image
from tests.lab.phone import LabPhone
from tests.lab.usb import pc
from tests.lab.vm import VmMachine

ROOT = Path(__file__).parents[3]
PHONES = 2
_ENVIRONMENT = {
    "CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OFFHOOK_TEST_WAY": "usb",
    "PATH": "/usr/bin",
    "TMPDIR": "/tmp",
}


class UsbMachine(VmMachine):
    """The `vm` machine with the computer's files beside the phone's."""

    def _files(self) -> Image:
        base = super()._files()
        both = self.folder / "initramfs.cpio"
        with both.open("wb") as target:
            for part in (base.initramfs, pc.archive()):
                target.write(part.read_bytes())
        return dataclasses.replace(base, initramfs=both)


class UsbLab(LabPhone):
    """Its cables are plugged in once it has started."""

    def __init__(self) -> None:
        super().__init__(kind="vm")

    def start(self) -> None:
        super().start()
        try:
            script = Path(__file__).with_name("cable.sh").read_bytes()
            self.root(
                f"cat > /tmp/cable.sh && /lab/bin/busybox sh /tmp/cable.sh up {PHONES}",
                input=script,
            )
            self.root("/lab/bin/busybox tar -x -C /pc/work", input=_checkout())
        except BaseException:
            self.stop()
            raise

    def computer(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[bytes]:
        """Runs Python with these words on the computer, in the folder of the checkout."""
        settings = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        command = ["/lab/bin/busybox", "env", "-i", *settings]
        command += ["/lab/bin/busybox", "chroot", "/pc", f"/usr/bin/{pc.PYTHON}", "-c", _START]
        machine = self.machine
        assert isinstance(machine, UsbMachine)
        return door.run(machine.door, self.serial, [*command, *words], timeout=timeout)

    def _make_machine(self, claim: registry.Claim) -> UsbMachine:
        return UsbMachine(
            name=self.serial, port=claim.port, folder=claim.folder, profile=self.profile
        )


# chroot leaves the working folder to the program.
_START = """
import os, sys
os.chdir("/work")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def _checkout() -> bytes:
    """What the computer needs of this checkout, as a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("agent", "tests", "pyproject.toml"):
            tar.add(ROOT / name, name, filter=_plain)
    return packed.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if Path(member.name).name in ("__pycache__", "bin") or member.name.endswith((".so", ".pyc")):
        return None
    member.uid = member.gid = 0
    return member
