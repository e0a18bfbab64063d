"""The PCM helper on a phone: mixer controls and PCMs, as the kernel itself tells them."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from agent.adb import files as adb_files
from agent.errors import IntegrityError, OffhookError, RemoteError
from agent.phone import scripts
from agent.phone.phone import Phone
from agent.text import shown

#: Only root may enter here, on every phone with Magisk, KernelSU or APatch.
PRIVATE = "/data/adb"


@dataclass(frozen=True)
class Control:
    """A mixer control: its values as written by the helper (``on``, ``2``, ``UL_DL``), an enum's
    items, and the least and the largest of an integer, where that is known."""

    name: str
    kind: str
    values: tuple[str, ...]
    items: tuple[str, ...] = ()
    limits: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Pcm:
    """A PCM that can capture, as /proc/asound/pcm lists it."""

    card: int
    device: int
    name: str
    capture: bool


@dataclass(frozen=True)
class Card:
    """A sound card, as /proc/asound/cards lists it."""

    number: int
    id: str
    name: str


class Helper:
    """The helper at ``path`` on the phone, run as root."""

    def __init__(self, phone: Phone, path: str) -> None:
        self._phone = phone
        self.path = path

    def call(self, *argv: str, timeout: float = 30.0) -> dict[str, Any]:
        """Run the helper; its JSON, or RemoteError with what it says went wrong."""
        done = self._phone.root.run(shlex.join([self.path, *argv]), timeout=timeout)
        try:
            answer = json.loads(done.stdout.decode("utf-8", "replace") or "null")
        except ValueError:
            answer = None
        if done.code != 0 or not isinstance(answer, dict):
            said = answer.get("what") or answer.get("error") if isinstance(answer, dict) else None
            words = shown(str(said or done.stderr.decode("utf-8", "replace").strip() or "no words"))
            raise RemoteError(
                f"the PCM helper could not do {argv[0]!r}: {words}",
                code=done.code,
                stderr=words,
            )
        return answer

    def controls(self, card: int) -> list[Control]:
        """Every control of a card."""
        return [
            Control(
                str(item["name"]),
                str(item.get("type", "")),
                tuple(map(_value, item.get("values") or ())),
                tuple(map(str, item.get("items") or ())),
                (int(item["min"]), int(item["max"])) if "min" in item else None,
            )
            for item in self.call("controls", "-D", str(card))["controls"]
        ]

    def pcms(self) -> tuple[list[Card], list[Pcm]]:
        """Cards and PCMs; both empty on a phone without ALSA."""
        answer = self.call("pcms")
        cards = [Card(int(c["card"]), str(c["id"]), str(c["name"])) for c in answer["cards"]]
        pcms = [
            Pcm(int(p["card"]), int(p["device"]), str(p["name"]), bool(p.get("capture")))
            for p in answer["pcms"]
        ]
        return cards, pcms

    def get(self, card: int, names: Sequence[str]) -> dict[str, str]:
        """The values of some controls, several values joined by commas."""
        answer = self.call("get", "-D", str(card), *names)
        return {
            str(item["name"]): ",".join(map(_value, item["values"])) for item in answer["controls"]
        }

    def set(self, card: int, values: Mapping[str, str]) -> None:
        """Set controls and read each back; RemoteError when one does not take its value."""
        self.call("set", "-D", str(card), *(f"{name}={value}" for name, value in values.items()))


def _value(value: object) -> str:
    """A value as the helper takes it back: JSON's true is the mixer's on."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


@dataclass(frozen=True)
class PrivateFile:
    """A file to put where only root can write; ``mode`` as chmod has it."""

    path: str
    data: bytes
    mode: int


def install(phone: Phone, folders: Sequence[str], files: Sequence[PrivateFile]) -> None:
    """Make folders and files of root's; IntegrityError when a file arrives changed.

    The bytes are handed over in a place that the shell may write to, so root checks what it
    took from there. All files are replaced, or none: each is written beside and renamed, so
    that a script that runs keeps its old text.
    """
    staged = [f"/data/local/tmp/.offhook-{secrets.token_hex(8)}" for _ in files]
    script = ["umask 077", f"mkdir -p {shlex.join(folders)} || exit 1"]
    for file, source in zip(files, staged, strict=True):
        new = shlex.quote(f"{file.path}.new")
        digest = hashlib.sha256(file.data).hexdigest()
        script += [
            f"cat {source} > {new} && chmod {file.mode:o} {new} || exit 1",
            f'case "$(sha256sum < {new})" in {digest}*) ;; *) exit {_CHANGED} ;; esac',
        ]
    script += [f"mv {shlex.quote(f.path + '.new')} {shlex.quote(f.path)} || exit 1" for f in files]
    try:
        for file, source in zip(files, staged, strict=True):
            adb_files.push(phone.link, file.data, source, 0o600)
        done = phone.root.run("\n".join(script), timeout=120)
    finally:
        # The error that came first, if one did, is the one to be told.
        with suppress(OffhookError):
            phone.run(f"rm -f {shlex.join(staged)}")
    if done.code == _CHANGED:
        raise IntegrityError(
            f"a file arrived changed on {phone.facts.name}",
            hint="Try again; look at the phone's free space.",
        )
    done.check(f"can't write {folders[0]} on the phone")


_CHANGED = 77  # the exit code by which the script above says so


@contextmanager
def borrowed_helper(phone: Phone) -> Iterator[Helper]:
    """The helper, on the phone for as long as the block runs, and gone without trace after it."""
    root = phone.root  # without it, nothing else matters
    _, data = scripts.helper(phone.facts.abis)
    folder = f"{PRIVATE}/.offhook-{secrets.token_hex(8)}"
    path = f"{folder}/offhook-pcm"
    try:
        install(phone, [folder], [PrivateFile(path, data, 0o700)])
        yield Helper(phone, path)
    finally:
        with suppress(OffhookError):
            root.run(f"rm -rf {folder}")
