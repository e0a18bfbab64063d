"""BCR's module for Magisk, KernelSU and APatch: looked at, installed from a zip, taken away.

A module takes effect with the next boot. Until then, what was installed lies in
``modules_update`` with a flag in ``modules``, and can be taken back without a trace.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.capture.bcr.settings import ID
from agent.errors import CaptureError, ConfigError, RestoreError
from agent.phone.helper import PRIVATE, PrivateFile, install
from agent.phone.phone import Phone
from agent.text import shown

MODULE = f"{PRIVATE}/modules/{ID}"
_UPDATE = f"{PRIVATE}/modules_update/{ID}"
_LARGEST = 64 << 20  # bytes of a zip; BCR's have 5 to 15 million
_UNPACKED = 256 << 20
_MOST_FILES = 500
_NEEDED = (f"system/priv-app/{ID}/", f"system/etc/permissions/privapp-permissions-{ID}.xml")

#: What installs a module, and what takes one away, by who gives root.
MANAGERS = {
    "Magisk": ("magisk", "--install-module"),
    "KernelSU": (f"{PRIVATE}/ksud", "module install"),
    "APatch": (f"{PRIVATE}/apd", "module install"),
}


@dataclass(frozen=True)
class Module:
    """The module's folder on a phone. ``flags`` are the files by which a manager is told what
    to do at the next boot: disable, remove, update."""

    version: str
    flags: frozenset[str]


@dataclass(frozen=True)
class Zip:
    """BCR's module as a file that was looked through."""

    path: Path
    version: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The file's hash, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def read_module(phone: Phone) -> Module | None:
    """The module that is on the phone; None without one."""
    script = (
        f"cd {MODULE} 2>/dev/null || exit 0; echo there; "
        "for n in disable remove update; do [ ! -e $n ] || echo flag=$n; done; "
        f"cat module.prop {_UPDATE}/module.prop 2>/dev/null"
    )
    lines = phone.root.run(script).text.splitlines()
    if "there" not in lines:
        return None
    version = next((line[8:] for line in lines if line.startswith("version=")), "")
    return Module(shown(version), frozenset(x[5:] for x in lines if x.startswith("flag=")))


def find_manager(phone: Phone) -> str | None:
    """Who gives root and takes modules: a key of :data:`MANAGERS`, or None."""
    script = "; ".join(
        f"command -v {command} >/dev/null && echo {name}" for name, (command, _) in MANAGERS.items()
    )
    found = phone.root.run(f"{script}; :").text.split()
    return next((name for name in found if name in MANAGERS), None)


def read_zip(path: Path) -> Zip:
    """Look a zip through; ConfigError when it is not BCR's module."""

    def wrong(why: str) -> ConfigError:
        return ConfigError(
            f"{path} is not BCR's module: {why}",
            hint="Take BCR-…-release.zip from https://github.com/chenxiaolong/BCR/releases.",
        )

    try:
        if path.stat().st_size > _LARGEST:
            raise wrong("it is too large")
        data = path.read_bytes()
        with zipfile.ZipFile(path) as file:
            infos = file.infolist()
            if len(infos) > _MOST_FILES or sum(info.file_size for info in infos) > _UNPACKED:
                raise wrong("it unpacks to too much")
            _check_names(info.filename for info in infos)
            names = {info.filename: info for info in infos}
            prop = names.get("module.prop")
            if prop is None or prop.file_size > 1 << 16:
                raise wrong("it has no module.prop")
            said = dict(
                line.partition("=")[::2]
                for line in file.read(prop).decode("utf-8", "replace").splitlines()
            )
            if said.get("id") != ID:
                raise wrong(f"its id is {shown(said.get('id', ''))[:60]!r}")
            for needed in _NEEDED:
                if not any(name.startswith(needed) for name in names):
                    raise wrong(f"{needed} is missing")
            apk = next((n for n in names if n.startswith(_NEEDED[0]) and n.endswith(".apk")), None)
            if apk is None or not file.read(apk)[:4] == b"PK\x03\x04":
                raise wrong("it has no app")
    except ValueError as error:
        raise wrong(str(error)) from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise wrong(str(error)) from error
    return Zip(path, shown(said.get("version", ""))[:40], data)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise ValueError(f"{shown(name)[:60]!r} leads out of it")


def install_zip(phone: Phone, manager: str, module: Zip) -> None:
    """Have the phone's manager install it; CaptureError with its words when it does not."""
    command, words = MANAGERS[manager]
    folder = f"{PRIVATE}/.offhook-{secrets.token_hex(8)}"
    try:
        install(phone, [folder], [PrivateFile(f"{folder}/bcr.zip", module.data, 0o600)])
        done = phone.root.run(f"{command} {words} {folder}/bcr.zip 2>&1", timeout=180)
    finally:
        phone.root.run(f"rm -rf {folder}")
    if done.code != 0 or read_module(phone) is None:
        said = " / ".join(shown(line) for line in done.text.splitlines()[-4:])
        raise CaptureError(
            f"{manager} did not install BCR on {phone.facts.name}: {said[-400:] or 'no words'}",
            hint=f"Install the zip in {manager}'s app, reboot, then run `offhook enable`.",
        )


def remove(phone: Phone) -> bool:
    """Take away what Offhook installed; whether that ends only with a reboot.

    The flag is what each of the managers goes by (Magisk's and KernelSU's module guides).
    """
    found = read_module(phone)
    if found is None:
        return False
    if "update" in found.flags and not _is_mounted(phone):
        phone.root.run(f"rm -rf {_UPDATE} {MODULE}").check("can't remove BCR's module")
        if read_module(phone) is None:
            phone.root.run(f"rmdir {PRIVATE}/modules_update 2>/dev/null")
            return False
    phone.root.run(f": > {MODULE}/remove").check("can't remove BCR's module")
    again = read_module(phone)
    if again is not None and "remove" not in again.flags:
        raise RestoreError(
            f"BCR's module stays on {phone.facts.name}",
            hint="Remove it in the root manager's app, and reboot.",
        )
    return True


def _is_mounted(phone: Phone) -> bool:
    """Whether the phone has been booted with it: then its app is there."""
    return bool(re.search(r"^package:", phone.run(f"pm path {ID}").text, re.MULTILINE))
