"""The lab phone's root file system: Debian trixie's adbd, mksh and toybox, dressed as a phone.

``build()`` gives one tree, made once per recipe and then read-only. The recipe is the list of
packages and every file of ``android/``; its hash names the folder, so a changed script makes a
new tree. The packages are unpacked apart (they change rarely), and each tree links to them.

    /system/bin      toybox's applets, mksh as sh, and the scripts that give Android's answers
    /system/xbin     empty: a phone puts its su here
    /lab             what no phone has: busybox, sqlite3, the telephony script (not in PATH)
    /data, /storage, /mnt, /lab/state   empty: a phone mounts its own
    /boot, /usr/lib/modules             a kernel and its modules, for the `vm`
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from tests.lab.errors import LabError

SUITE = "trixie"
_UMASK = 0o022
_TRUSTED = Path("/etc/apt/trusted.gpg.d")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    "adbd",
    "bindfs",
    "busybox-static",
    "kmod",
    "linux-image-amd64",
    "mksh",
    "sqlite3",
    "toybox",
)
_FORGET_AFTER = 14 * 24 * 3600  # seconds
HERE = Path(__file__).parent
ANDROID = HERE / "android"

_LIBS = "usr/lib/x86_64-linux-gnu"
_LOADER = f"{_LIBS}/ld-linux-x86-64.so.2"
_PROGRAMS = {  # in Debian -> on the phone
    "usr/lib/android-sdk/platform-tools/adbd": "lab/bin/adbd",
    "usr/lib/android-sdk/platform-tools/adbd-usb-gadget": "lab/bin/adbd-usb-gadget",
    "usr/bin/bindfs": "lab/bin/bindfs",
    "usr/bin/busybox": "lab/bin/busybox",
    "usr/bin/fusermount3": "lab/bin/fusermount3",
    "usr/bin/kmod": "lab/bin/kmod",
    "usr/bin/sqlite3": "lab/bin/sqlite3",
    "usr/bin/mksh": "system/bin/mksh",
    "usr/bin/toybox": "system/bin/toybox",
}
_COMPILED = {  # what android/src gives -> where it goes
    "app_process": "system/bin",
    "as": "lab/bin",
    "hold.so": "lab/bin",
    "init": "lab/bin",
    "logcat": "system/bin",
    "su": "lab/bin",
    "within": "lab/bin",
}
_FOLDERS = {  # folder -> mode
    "apex": 0o755,
    "boot": 0o755,
    "data": 0o771,
    "debug_ramdisk": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "lab/bin": 0o755,
    "lab/state": 0o755,
    "mnt": 0o755,
    "odm/bin": 0o755,
    "proc": 0o555,
    "product/bin": 0o755,
    "storage": 0o755,
    "sys": 0o555,
    "system/bin": 0o755,
    "system/xbin": 0o755,
    "system_ext/bin": 0o755,
    "tmp": 0o1777,
    "vendor/bin": 0o755,
}
_LINKS = {
    "bin": "system/bin",
    "sbin": "system/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "sdcard": "storage/self/primary",
    "system/bin/sh": "mksh",
    "system/etc": "../etc",
    "lab/bin/modprobe": "kmod",
    "lab/bin/depmod": "kmod",
    "lab/bin/insmod": "kmod",
}


def cache_folder() -> Path:
    """Where trees are kept: ``$XDG_CACHE_HOME/offhook-lab``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "offhook-lab"


def build() -> Path:
    """The root file system, made if there is none for this recipe.

    Milliseconds when it is there, half a minute when packages have to be fetched. Two builders
    at once are safe: one builds, the other waits for it.
    Raises LabError where Debian's packages can't be had.
    """
    tree = cache_folder() / recipe_hash() / "root"
    if not tree.is_dir():
        with _lock():
            if not tree.is_dir():
                _in_place(tree.parent, _assemble)
                _forget_old_ones()
    os.utime(tree.parent)
    return tree


def recipe_hash() -> str:
    """The first 16 hex digits of a SHA-256 over everything that goes in."""
    digest = hashlib.sha256(json.dumps([SUITE, PACKAGES]).encode())
    for path in [Path(__file__), *sorted(p for p in ANDROID.rglob("*") if p.is_file())]:
        mode = os.access(path, os.X_OK)
        digest.update(f"{path.relative_to(HERE)} {mode} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_old_ones() -> None:
    """Removes trees that nobody has asked for in two weeks, and what was left half done."""
    for folder in cache_folder().iterdir():
        ours = folder.is_dir() and not folder.name.startswith("debian-")
        if ours and time.time() - folder.stat().st_mtime > _FORGET_AFTER:
            shutil.rmtree(folder, ignore_errors=True)


def _in_place(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fills a folder beside ``folder``, then renames it: it is there whole, or not at all."""
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    umask = os.umask(_UMASK)  # the modes are a phone's, whatever the user's own
    try:
        beside.chmod(0o755)
        fill(beside)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    finally:
        os.umask(umask)


def _assemble(folder: Path) -> None:
    tree = folder / "root"
    with ThreadPoolExecutor() as pool:  # the compiler's first run takes as long as the packages
        programs = pool.submit(_compile_all, folder / "programs")
        debian = cache_folder() / f"debian-{_packages_hash()}"
        if not debian.is_dir():
            _in_place(debian, _fetch)
        # Hard links: the packages' files are never written to, and a kernel is 100 MB.
        shutil.copytree(debian, tree, symlinks=True, copy_function=os.link)
        programs.result()
    for name, mode in _FOLDERS.items():
        (tree / name).mkdir(parents=True, exist_ok=True)
        (tree / name).chmod(mode)
    for name, target in _LINKS.items():
        (tree / name).symlink_to(target)
    for name in _words("applets.txt"):
        (tree / "system/bin" / name).symlink_to("toybox")
    for name in _words("stand_ins.txt"):
        (tree / "system/bin" / name).symlink_to("../../lab/bin/busybox")
    _copy(ANDROID / "etc", tree / "etc", 0o644)
    _copy(ANDROID / "bin", tree / "system/bin", 0o755)
    _copy(ANDROID / "lab", tree / "lab/bin", 0o755)
    for path in (folder / "programs").iterdir():
        path.rename(tree / _COMPILED[path.name] / path.name)
    (folder / "programs").rmdir()


def _words(name: str) -> list[str]:
    lines = (ANDROID / name).read_text().splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def _copy(source: Path, target: Path, mode: int) -> None:
    for path in sorted(source.iterdir()):
        place = target / path.name
        if place.is_symlink() or place.exists():  # our answer instead of toybox's
            place.unlink()
        shutil.copyfile(path, place)
        place.chmod(mode)


def _compile_all(folder: Path) -> None:
    folder.mkdir()
    for name in _COMPILED:
        source = ANDROID / "src" / f"{Path(name).stem}.c"
        if name.endswith(".so"):
            _compile(source, folder / name, "x86_64-linux-gnu.2.36", "-shared", "-fPIC")
        else:
            _compile(source, folder / name, "x86_64-linux-musl", "-static")


def _compile(source: Path, target: Path, machine: str, *flags: str) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", "-target", machine, *flags]
    done = subprocess.run(
        [*command, "-Os", "-s", "-Wall", "-o", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(
            f"{source.name} can't be compiled: {done.stderr.strip()}",
            hint="the compiler is the ziglang package: pip install ziglang",
        )


def _packages_hash() -> str:
    recipe = json.dumps([SUITE, PACKAGES, sorted(_PROGRAMS.items()), _UMASK])
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def _fetch(tree: Path) -> None:
    """Unpacks into ``tree`` what a phone needs of Debian's packages, and the kernel."""
    with tempfile.TemporaryDirectory(prefix="offhook-lab-") as scratch:
        archive = Path(scratch) / "debian.tar"
        fetch(PACKAGES, archive)
        with tarfile.open(archive) as tar:
            # Debian 12's own Python has no filters yet. What comes is Debian's, and we chose names.
            tar.extraction_filter = getattr(tarfile, "tar_filter", None)
            tar.extractall(tree, members=_wanted(tar))
    for source, place in _PROGRAMS.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tree / source, tree / place)
        (tree / place).chmod(0o755)
    shutil.rmtree(tree / "usr/lib/android-sdk")
    (tree / "usr/bin").rmdir()
    _keep_needed_libraries(tree)


def _wanted(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        member.name = str(PurePosixPath(member.name))  # without the leading ./
        name = member.name
        kernel = name.startswith(("boot/vmlinuz-", "usr/lib/modules/"))
        library = name.startswith((f"{_LIBS}/", "usr/lib64/")) and ".so" in name
        if (kernel or library or name in _PROGRAMS) and not member.isdir() and not member.isdev():
            member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
            yield member


def _keep_needed_libraries(tree: Path) -> None:
    """Removes the libraries that none of the programs loads."""
    libs = f"{tree / _LIBS}:{tree / _LIBS}/android"
    kept = {(tree / _LOADER).resolve()}
    for place in _PROGRAMS.values():
        command = [str(tree / _LOADER), "--library-path", libs, "--list", str(tree / place)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        for word in listed.split():
            if word.startswith(str(tree)):
                kept.add(Path(word).resolve())
    for path in sorted((tree / _LIBS).rglob("*")):
        if (path.is_file() or path.is_symlink()) and path.resolve() not in kept:
            path.unlink()
    for path in sorted((tree / _LIBS).rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def fetch(packages: Iterable[str], archive: Path) -> None:
    """Debian's packages, and what they need, unpacked into a tar. Raises LabError where they can't
    be had."""
    if shutil.which("mmdebstrap") is None:
        raise LabError("mmdebstrap is not installed", hint="apt-get install mmdebstrap")
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--format=tar", *_keyring()]
    command += [f"--include={','.join(packages)}", SUITE, str(archive), *_mirror()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"mmdebstrap failed: {done.stderr.strip()[-2000:]}",
            hint="it needs a mirror of Debian; OFFHOOK_LAB_MIRROR names another one",
        )


def _keyring() -> list[str]:
    """What makes apt trust Debian where it does not by itself: on Ubuntu. (mmdebstrap would find
    the keys with gpg, which a small system has not.)"""
    if any(_TRUSTED.glob("debian-archive-*")) or not _KEYRING.exists():
        return []
    return [f"--keyring={_KEYRING}"]


def _mirror() -> list[str]:
    """The mirror to use: OFFHOOK_LAB_MIRROR, the host's own, or none (mmdebstrap has a default)."""
    if named := os.environ.get("OFFHOOK_LAB_MIRROR"):
        return [named]
    if shutil.which("apt-get") is None:
        return []
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    command = ["apt-get", "indextargets", "Identifier: Packages", "--format", form]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        origin, label, uri = line.split("|", 2)
        if origin == label == "Debian":
            return [uri.rstrip("/")]
    return []
