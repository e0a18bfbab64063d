"""A lab phone's folders whose files come, grow, move and go, and what sync owes for them."""

from __future__ import annotations

import base64
import hashlib
import random
import shlex

from agent.capture.alsa.recorder import SPOOL
from tests.faults.memory import distinct, wav
from tests.lab.phone import LabPhone

SHARED, PRIVATE = "/sdcard/Recordings/Rec", "/data/data/org.example.rec/files"
FOLDERS = (SPOOL, SHARED, PRIVATE)
CONFIG = f"""\
[[source]]
name = "shared"
path = "{SHARED}"

[[source]]
name = "private"
path = "{PRIVATE}"
root = true
"""
_SUFFIX = {SPOOL: ".wav", SHARED: ".m4a", PRIVATE: ".wav"}


class ChangingPhone:
    """The files on a phone, by path. ``ever`` are the hashes of all contents that there were."""

    def __init__(self, phone: LabPhone) -> None:
        self.phone = phone
        self.files: dict[str, bytes] = {}
        self.ever: set[str] = set()
        self._count = 0
        self._sounds = [wav(0.05, gains=(0.01 * n,)) for n in range(1, 20)]

    def clear(self) -> None:
        """No files any more."""
        self.files.clear()
        self.ever.clear()
        lines = [f"rm -rf {folder}; mkdir -p {folder}" for folder in FOLDERS]
        self.apply(lines)

    def here(self) -> set[str]:
        """The hashes of what is there now."""
        return {sha(data) for data in self.files.values()}

    def apply(self, lines: list[str]) -> None:
        """Let what :meth:`change` made up happen."""
        self.phone.root("exec sh -s", input="\n".join(["set -e", *lines, ""]).encode())

    def change(self, chance: random.Random, count: int) -> list[str]:
        """Make up ``count`` changes: the commands for them."""
        lines: list[str] = []
        for _ in range(count):
            what = chance.choices(
                ("new", "again", "grow", "replace", "rename", "delete"), (60, 6, 8, 8, 10, 8)
            )[0]
            if what == "new" or not self.files:
                lines += self._new(chance, self._bytes(chance))
                continue
            path = chance.choice(sorted(self.files))
            data = self.files[path]
            quoted = shlex.quote(path)
            if what == "again":
                lines += self._new(chance, data)
            elif what == "grow" and not path.startswith(SPOOL):
                more = self._bytes(chance)
                lines.append(_written(more, f">> {quoted}"))
                self._set(path, data + more)
            elif what == "replace":
                self._set(path, self._bytes(chance))
                lines.append(_written(self.files[path], f"> {quoted}.tmp"))
                lines.append(f"mv {quoted}.tmp {quoted}")
            elif what == "rename":
                self._count += 1
                folder, _, name = path.rpartition("/")
                to = f"{folder}/{self._count} {name}"
                lines.append(f"mv {quoted} {shlex.quote(to)}")
                lines.append(f"[ ! -e {_beside(path)} ] || mv {_beside(path)} {_beside(to)}")
                self.files[to] = self.files.pop(path)
            elif what == "delete":
                lines.append(f"rm -f {quoted} {_beside(path)}")
                del self.files[path]
        return lines

    def _new(self, chance: random.Random, data: bytes) -> list[str]:
        self._count += 1
        folder = chance.choice(FOLDERS)
        stem = chance.choice(("call", "o'dd \u00e9 ", "20260305_132207 +4930"))
        path = f"{folder}/{stem}{self._count}{_SUFFIX[folder]}"
        self._set(path, data)
        lines = []
        if folder == SPOOL and chance.random() < 0.9:
            said = f'{{"schema": 1, "number": "+4930{self._count:06}"}}'
            lines.append(_written(said.encode(), f"> {_beside(path)}.tmp"))
            lines.append(f"mv {_beside(path)}.tmp {_beside(path)}")
        quoted = shlex.quote(path)
        lines.append(_written(data, f"> {quoted}.tmp"))
        return [*lines, f"mv {quoted}.tmp {quoted}"]

    def _bytes(self, chance: random.Random) -> bytes:
        if chance.random() < 0.2:
            return chance.choice(self._sounds)
        return distinct(chance.getrandbits(40), chance.randint(1, 9000))

    def _set(self, path: str, data: bytes) -> None:
        self.files[path] = data
        self.ever.add(sha(data))


def sha(data: bytes) -> str:
    """A hash as the archive has it."""
    return hashlib.sha256(data).hexdigest()


def _beside(path: str) -> str:
    return shlex.quote(path.rpartition(".")[0] + ".json")


def _written(data: bytes, where: str) -> str:
    return f"base64 -d {where} <<'!'\n{base64.b64encode(data).decode()}\n!"
