"""The PCM helper on a phone: mixer controls and PCMs, as the kernel itself tells them."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from agent.adb import files as adb_files
from agent.errors import IntegrityError, OffhookError, RemoteError
from agent.phone import scripts
from agent.phone.phone import Phone

#: Only root may enter here, on every phone with Magisk, KernelSU or APatch.
PRIVATE = "/data/adb"


@dataclass(frozen=True)
class Control:
    """A mixer control: its values as written by the helper (``on``, ``2``, ``UL_DL``)."""

    name: str
    kind: str
    values: tuple[str, ...]
    items: tuple[str, ...] = ()


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
            words = said or done.stderr.decode("utf-8", "replace").strip() or "no words"
            raise RemoteError(
                f"the PCM helper could not do {argv[0]!r}: {words}",
                code=done.code,
                stderr=str(words),
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


def _value(value: object) -> str:
    """A value as the helper takes it back: JSON's true is the mixer's on."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def install(phone: Phone, data: bytes, target: str, mode: int) -> None:
    """Put a file where only root can write; IntegrityError when it arrives changed.

    It is handed over in a shell-owned place, so it is checked after root took it from there.
    """
    staged = f"/data/local/tmp/.offhook-{secrets.token_hex(8)}"
    adb_files.push(phone.link, data, staged, 0o600)
    try:
        quoted, q_staged = shlex.quote(target), shlex.quote(staged)
        # Written beside and renamed: a script that runs keeps its old text.
        phone.root.run(
            f"umask 077; cat {q_staged} > {quoted}.new && chmod {mode:o} {quoted}.new && "
            f"sha256sum < {quoted}.new"
        ).check(f"can't write {target} on the phone")
        said = phone.root.run(f"sha256sum < {quoted}.new").text.split()
        if not said or said[0] != hashlib.sha256(data).hexdigest():
            phone.root.run(f"rm -f {quoted}.new")
            raise IntegrityError(
                f"{target} arrived changed on the phone", hint="Try again; check the phone's space."
            )
        phone.root.run(f"mv {quoted}.new {quoted}").check(f"can't write {target} on the phone")
    finally:
        phone.run(f"rm -f {shlex.quote(staged)}")


@contextmanager
def borrowed_helper(phone: Phone) -> Iterator[Helper]:
    """The helper, on the phone for as long as the block runs, and gone without trace after it."""
    _, data = scripts.helper(phone.facts.abis)
    folder = f"{PRIVATE}/.offhook-{secrets.token_hex(8)}"
    phone.root.run(f"umask 077; mkdir {folder}").check(f"can't make {folder} on the phone")
    try:
        install(phone, data, f"{folder}/offhook-pcm", 0o700)
        yield Helper(phone, f"{folder}/offhook-pcm")
    finally:
        # The error that ended the block, if one did, is the one to be told.
        with suppress(OffhookError):
            phone.root.run(f"rm -rf {folder}")
