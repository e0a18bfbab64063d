"""The computer at the other end of the cable: Debian's Python, libusb and udev, in the same guest.

``archive()`` gives a cpio archive with one folder, ``/pc``, which goes behind a `vm` phone's
initramfs, and only there: other phones don't get larger by it. Made once per recipe. Python
packages that need no compiler's help are those of this project's own environment; the agent and
the tests are not in it (see tests.lab.usb.phone).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tests.lab import rootfs
from tests.lab.errors import LabError

PYTHON = "python3.13"
PACKAGES = (
    f"{PYTHON}-minimal",
    f"lib{PYTHON}-stdlib",
    "libusb-1.0-0",
    "python3-cryptography",
    "systemd-standalone-sysusers",  # else udev brings the whole of systemd
    "udev",
)
_OURS = (
    "adb-shell",
    "iniconfig",
    "libusb1",
    "packaging",
    "pluggy",
    "pyasn1",
    "pygments",
    "pytest",
    "pytest-timeout",
    "rsa",
)
"""Distributions in pure Python, from the environment that runs this."""

_LIBS = "usr/lib/x86_64-linux-gnu"
_LOADER = f"{_LIBS}/ld-linux-x86-64.so.2"
_SITE = "usr/lib/python3/dist-packages"
_WANTED = (
    f"usr/bin/{PYTHON}",
    "usr/bin/udevadm",
    f"{_SITE}/_cffi_backend",
    f"{_SITE}/cryptography/",
    f"usr/lib/{PYTHON}/",
)
_UNWANTED = (
    f"{_SITE}/cryptography/x509/",
    *(
        f"usr/lib/{PYTHON}/{name}"
        for name in (
            "_pydecimal",
            "asyncio",
            "config-",
            "ensurepip",
            "idlelib",
            "lib-dynload/_codecs",
            "lib-dynload/_dbm",
            "lib-dynload/_sqlite",
            "lib-dynload/_test",
            "multiprocessing",
            "pydoc",
            "sqlite3",
            "test",
            "tkinter",
            "venv",
            "wsgiref",
        )
    ),
)
_FILES = {
    "etc/group": "root:x:0:\nplugdev:x:46:\n",
    "etc/passwd": "root:x:0:0:root:/tmp:/bin/false\nsomebody:x:1000:1000::/tmp:/bin/false\n",
    # As the Android rules of Debian do it for every phone.
    "usr/lib/udev/rules.d/51-phones.rules": 'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device",'
    ' ATTR{idVendor}=="18d1", MODE="0660", GROUP="plugdev"\n',
}
_LINKS = {
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/lib/systemd/systemd-udevd": "../../bin/udevadm",
}
_FOLDERS = ("dev", "lab", "proc", "run", "sys", "tmp", "work")


def archive() -> Path:
    """The archive (30 MB), made if there is none for this recipe. Raises LabError."""
    name = f"pc-{_recipe_hash()}"
    file = rootfs.cache_folder() / name / "pc.cpio"
    if not file.exists():
        file.parent.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=file.parent.parent))
        try:
            beside.chmod(0o755)
            _fetch(beside / "tree")
            with (beside / "pc.cpio").open("wb") as target:
                for part in _cpio(beside / "tree"):
                    target.write(part)
            shutil.rmtree(beside / "tree")
            try:
                beside.rename(file.parent)
            except OSError:
                if not file.exists():  # else another builder was first
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    os.utime(file.parent)
    return file


def _recipe_hash() -> str:
    versions = [importlib.metadata.version(name) for name in _OURS]
    digest = hashlib.sha256(json.dumps([rootfs.SUITE, versions]).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def _fetch(tree: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="offhook-lab-") as scratch:
        packed = Path(scratch) / "debian.tar"
        rootfs.fetch(PACKAGES, packed)
        with tarfile.open(packed) as tar:
            tar.extraction_filter = getattr(tarfile, "tar_filter", None)
            tar.extractall(tree, members=_wanted(tar))
    for name, target in _LINKS.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(target)
    for name in _OURS:
        _copy_distribution(name, tree / _SITE)
    for name, text in _FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    for name in _FOLDERS:
        (tree / name).mkdir()
    _keep_needed_libraries(tree)
    _compile(tree)


def _wanted(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        member.name = name = str(PurePosixPath(member.name))
        library = name.startswith((f"{_LIBS}/", "usr/lib64/")) and ".so" in name
        wanted = (library or name.startswith(_WANTED)) and not name.startswith(_UNWANTED)
        if wanted and not member.isdir() and not member.isdev():
            member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
            yield member


def _copy_distribution(name: str, site: Path) -> None:
    lexers = ("__init__.py", "_mapping.py", "diff.py", "python.py")  # of Pygments' 4 MB
    for file in importlib.metadata.files(name) or ():
        inside = PurePosixPath(file)
        if inside.parts[0] == ".." or inside.suffix == ".pyc":
            continue
        if inside.parts[:2] == ("pygments", "lexers") and inside.name not in lexers:
            continue
        target = site / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.locate(), target)


def _keep_needed_libraries(tree: Path) -> None:
    """Removes the libraries that no program and no module of Python's loads."""
    programs = [tree / "usr/bin" / PYTHON, tree / "usr/bin/udevadm"]
    programs += [*(tree / f"usr/lib/{PYTHON}").rglob("*.so"), *(tree / _SITE).rglob("*.so")]
    usb = next((tree / _LIBS).glob("libusb-1.0.so.0"))
    kept = {(tree / _LOADER).resolve(), usb.resolve()}
    for program in [*programs, usb]:
        listed = _run(tree, "--list", str(program), check=False)
        kept |= {Path(word).resolve() for word in listed.split() if word.startswith(str(tree))}
    for path in sorted((tree / _LIBS).rglob("*")):
        if (path.is_file() or path.is_symlink()) and path.resolve() not in kept:
            path.unlink()
    for path in sorted((tree / _LIBS).rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _compile(tree: Path) -> None:
    """Byte code now: in the guest it takes many times as long."""
    words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    folders = [str(tree / f"usr/lib/{PYTHON}"), str(tree / _SITE)]
    python = str(tree / "usr/bin" / PYTHON)
    _run(tree, python, *words, "-s", str(tree), *folders)
    # Better to know now that something is missing than in the guest.
    _run(tree, python, "-c", "import adb_shell.auth.keygen, pytest, pytest_timeout, ssl, usb1")


def _run(tree: Path, *words: str, check: bool = True) -> str:
    """Runs one of the tree's programs on this computer, with the tree's own libraries."""
    libs = f"{tree / _LIBS}:{tree / _LIBS}/systemd"
    done = subprocess.run(
        [str(tree / _LOADER), "--library-path", libs, *words],
        env={
            "CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1",
            "PYTHONHOME": str(tree / "usr"),
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        raise LabError(f"{words[0]} failed: {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout


def _cpio(tree: Path) -> Iterator[bytes]:
    """The tree as ``/pc`` in the kernel's form of cpio ("newc"), everything owned by root."""
    paths = [tree, *sorted(tree.rglob("*"))]
    for inode, path in enumerate(paths, 1 << 20):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            mode, data = stat.S_IFLNK | 0o777, str(path.readlink()).encode()
        elif stat.S_ISDIR(mode):
            mode, data = stat.S_IFDIR | 0o755, b""
        else:
            data = path.read_bytes()
        name = str(Path("pc") / path.relative_to(tree)).encode() + b"\0"
        yield _entry(name, inode, mode, data)
    yield _entry(b"TRAILER!!!\0", 0, 0, b"")


def _entry(name: bytes, inode: int, mode: int, data: bytes) -> bytes:
    numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
