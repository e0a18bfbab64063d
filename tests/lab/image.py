"""What QEMU boots for a `vm` phone: Debian's kernel, and the tree as an initramfs.

``image()`` makes both once per recipe (the tree's recipe, and the files of ``vm/`` and ``card/``).
The kernel is unpacked where the host has ``zstd``: the guest would need a second to do it.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cards, rootfs
from tests.lab.errors import LabError

HERE = Path(__file__).parent
VM = HERE / "vm"
CARD = HERE / "card"

_FIRST = ("virtio_net", "virtio_rng")
_SOUND = ("snd_aloop",)
_USB = ("dummy_hcd", "usb_f_fs", "libcomposite", "configfs")
"""For a phone on a cable inside the guest: there, not loaded (``/lab/vm/modules/usb``)."""

_LEFT_OUT = ("boot", "usr/lib/modules")


@dataclass(frozen=True)
class Image:
    """The two files QEMU is given."""

    kernel: Path
    initramfs: Path


def image() -> Image:
    """Kernel and initramfs, made if there are none for this recipe. Raises LabError."""
    tree = rootfs.build()
    folder = rootfs.cache_folder() / f"vm-{_recipe_hash()}"
    if not folder.is_dir():
        beside = Path(tempfile.mkdtemp(prefix=".vm-", dir=folder.parent))
        try:
            _unpack_kernel(tree, beside / "kernel")
            with (beside / "initramfs.cpio").open("wb") as file:
                for part in _archive(tree):
                    file.write(part)
            try:
                beside.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another builder was first
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        _clear_away(folder.parent)
    os.utime(folder)
    return Image(folder / "kernel", folder / "initramfs.cpio")


def _clear_away(cache: Path) -> None:
    """Removes the images (90 MB each) that nobody has started for a week."""
    for folder in cache.glob("vm-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > 7 * 86400:
                shutil.rmtree(folder, ignore_errors=True)


def _recipe_hash() -> str:
    digest = hashlib.sha256(rootfs.recipe_hash().encode())
    files = [Path(__file__), HERE / "cards.py", *VM.iterdir(), *CARD.iterdir()]
    for path in sorted(p for p in files if p.is_file()):
        digest.update(f"{path.name} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _unpack_kernel(tree: Path, target: Path) -> None:
    packed = _one(tree / "boot", "vmlinuz-*").read_bytes()
    offset, length = struct.unpack_from("<II", packed, 0x248)
    start = (packed[0x1F1] + 1) * 512 + offset
    payload = packed[start : start + length - 4]
    zstd = shutil.which("zstd")
    if zstd is not None and payload[:4] == b"\x28\xb5\x2f\xfd":
        done = subprocess.run([zstd, "-dcq"], input=payload, capture_output=True, check=False)
        if done.returncode == 0 and done.stdout[:4] == b"\x7fELF":
            target.write_bytes(done.stdout)
            return
    target.write_bytes(packed)


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{folder} should have one {pattern}, and has {len(found)}")
    return found[0]


class _Modules:
    """The kernel's modules, unpacked, in the order of their needs."""

    def __init__(self, tree: Path) -> None:
        self._paths = {
            path.name.partition(".")[0].replace("-", "_"): path
            for path in (tree / "usr/lib/modules").rglob("*.ko*")
        }
        built_in = _one(tree / "usr/lib/modules", "*/modules.builtin").read_text()
        self._built_in = {Path(line).stem.replace("-", "_") for line in built_in.split()}
        self.data: dict[str, bytes] = {}

    def order(self, wanted: tuple[str, ...]) -> list[str]:
        """``wanted`` and all that they need, each after what it needs."""
        order: list[str] = []
        for name in wanted:
            self._add(name, order)
        return order

    def _add(self, name: str, order: list[str]) -> None:
        if name in order or name in self._built_in:
            return
        if name not in self._paths:
            raise LabError(f"the kernel has no module {name}")
        if name not in self.data:
            raw = self._paths[name].read_bytes()
            self.data[name] = lzma.decompress(raw) if self._paths[name].suffix == ".xz" else raw
        needs = re.search(rb"\0depends=([^\0]*)\0", self.data[name])
        for need in needs[1].decode().split(",") if needs and needs[1] else []:
            self._add(need.replace("-", "_"), order)
        order.append(name)


def _archive(tree: Path) -> Iterator[bytes]:
    """The initramfs: a cpio archive ("newc"), everything owned by root."""
    inode = 0

    def entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
        nonlocal inode
        inode += 1
        raw = name.encode() + b"\0"
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % n for n in numbers) + raw
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)

    yield entry("dev", stat.S_IFDIR | 0o755)
    yield entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for top, folders, names in os.walk(tree):
        here = Path(top).relative_to(tree)
        folders[:] = sorted(f for f in folders if str(here / f) not in _LEFT_OUT)
        for name in [*folders, *sorted(names)]:
            path = Path(top) / name
            where = str(here / name)
            mode = path.lstat().st_mode
            if where == "dev":
                continue
            if stat.S_ISLNK(mode):
                yield entry(where, stat.S_IFLNK | 0o777, str(path.readlink()).encode())
            elif stat.S_ISDIR(mode):
                yield entry(where, mode)
            else:
                yield entry(where, mode, path.read_bytes())
    yield entry("init", stat.S_IFREG | 0o755, (VM / "init.sh").read_bytes())
    for folder in ("lab/vm", "lab/vm/bin", "lab/vm/modules", "lab/vm/cards"):
        yield entry(folder, stat.S_IFDIR | 0o700)
    modules = _Modules(tree)
    for step, wanted in (("first", _FIRST), ("sound", _SOUND), ("usb", _USB)):
        order = "".join(f"{name}\n" for name in modules.order(wanted))
        yield entry(f"lab/vm/modules/{step}", stat.S_IFREG | 0o644, order.encode())
    for name, data in modules.data.items():
        yield entry(f"lab/vm/modules/{name}.ko", stat.S_IFREG | 0o644, data)
    for script in ("card.sh",):
        yield entry(f"lab/vm/{script}", stat.S_IFREG | 0o644, (VM / script).read_bytes())
    yield entry("lab/bin/modem", stat.S_IFREG | 0o755, (VM / "modem.sh").read_bytes())
    for name, sources in _PROGRAMS.items():
        yield entry(f"lab/vm/{name}", stat.S_IFREG | 0o755, _compiled(sources))
    for card in cards.CARDS.values():
        yield entry(f"lab/vm/cards/{card.name}", stat.S_IFDIR | 0o700)
        for name, text in card.files().items():
            path_in = f"lab/vm/cards/{card.name}/{name}"
            yield entry(path_in, stat.S_IFREG | 0o644, text.encode())
    yield entry("TRAILER!!!", 0)


_PROGRAMS = {
    "door": [VM / "door.c"],
    "labcard": sorted(CARD.glob("*.c")),
}


def _compiled(sources: list[Path]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="offhook-lab-") as folder:
        target = Path(folder) / "program"
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-static"]
        command += ["-Os", "-s", "-Wall", "-Wextra", "-Werror", "-o", str(target)]
        command += [str(source) for source in sources]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(
                f"{sources[0].name} can't be compiled: {done.stderr.strip()}",
                hint="the compiler is the ziglang package: pip install ziglang",
            )
        return target.read_bytes()
