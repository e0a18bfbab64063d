"""What a phone that is not here can do: the same verdicts, as far as its dumps tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.capture.alsa.families.family import Tap, answer
from agent.capture.alsa.plan import plan
from agent.capture.offline.dumps import Dumps, read_dumps
from agent.capture.route import Verdict
from agent.capture.routes import NAMES
from agent.capture.voicecall import able
from agent.text import shown

_UNTOLD = "dumps can't tell"
#: Makers of dialers that record by themselves, at least in some countries.
_DIALERS = [
    "xiaomi",
    "redmi",
    "poco",
    "oppo",
    "realme",
    "oneplus",
    "vivo",
    "iqoo",
    "samsung",
    "huawei",
    "honor",
    "google",
    "asus",
    "transsion",
    "tecno",
    "infinix",
    "itel",
    "nothing",
    "meizu",
]


@dataclass
class Offline:
    """A phone by its dumps: what they are, and the verdict on each route."""

    path: Path
    dumps: Dumps
    routes: list[Verdict]

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``: like a live phone's, with None for what can't be known."""
        said, dumps = self.dumps.properties, self.dumps
        controls = dumps.controls
        return {
            "from": str(self.path),
            "files": dumps.files,
            "phone": {
                "manufacturer": said.get("ro.product.manufacturer"),
                "model": said.get("ro.product.model"),
                "android": said.get("ro.build.version.release"),
                "sdk": sdk(said),
                "fingerprint": said.get("ro.build.fingerprint"),
                "platform": said.get("ro.board.platform"),
                "soc": said.get("ro.soc.model"),
                "kernel": dumps.kernel,
            },
            "root": None,
            "cards": [vars(card) for card in dumps.cards],
            "pcms": None if dumps.pcms is None else [vars(pcm) for pcm in dumps.pcms],
            "controls": None if controls is None else {n: len(c) for n, c in controls.items()},
            "routes": [verdict.as_dict() for verdict in self.routes],
            "warnings": dumps.warnings,
        }

    @property
    def name(self) -> str:
        """What a person calls the phone, of all that is known; "" where nothing is."""
        said = self.dumps.properties
        words = [said.get(f"ro.product.{key}", "") for key in ("manufacturer", "model")]
        android = said.get("ro.build.version.release")
        if android:
            words.append(f"(Android {android})")
        return shown(" ".join(word for word in words if word))


def diagnose_dumps(path: Path) -> Offline:
    """Read a bundle, a folder or a file, and judge; UsageError as :func:`read_dumps` has it."""
    dumps = read_dumps(path)
    return Offline(path, dumps, judge(dumps))


def judge(dumps: Dumps) -> list[Verdict]:
    """A verdict on each route, in the usual order."""
    if dumps.controls is None and dumps.sound_problem is not None:
        alsa = answer(None, False, dumps.sound_problem, Tap(), None)
    else:
        alsa = plan(dumps.controls, dumps.cards, dumps.pcms, dumps.hints)
    level, said = sdk(dumps.properties), dumps.properties
    answers = {
        "alsa": alsa,
        "bcr": _bcr(level),
        "voicecall": _voicecall(level),
        "dialer": _dialer(said),
        "microphone": Verdict(
            "microphone", None, "works with any phone, where this computer has a microphone"
        ),
    }
    answers |= dumps.said
    return [answers.get(name) or Verdict(name, None, _UNTOLD) for name in NAMES]


def sdk(properties: dict[str, str]) -> int | None:
    """The level of Android's interfaces, None where it is not known."""
    found = re.match(r"[0-9]{1,3}", properties.get("ro.build.version.sdk", ""))
    return int(found[0]) if found else None


def _bcr(level: int | None) -> Verdict:
    if level is not None and level < 28:
        return Verdict("bcr", False, f"BCR needs Android 9, and this is level {level} (9 is 28)")
    return Verdict("bcr", None, f"BCR may work; whether it is installed, {_UNTOLD}")


def _voicecall(level: int | None) -> Verdict:
    if level is None:
        return Verdict("voicecall", None, f"it needs Android 12; which one it is, {_UNTOLD}")
    return Verdict("voicecall", *able(level))


def _dialer(properties: dict[str, str]) -> Verdict:
    words = {properties.get(f"ro.product.{key}", "").lower() for key in ("manufacturer", "brand")}
    if words & set(_DIALERS):
        maker = shown(properties.get("ro.product.manufacturer", ""))
        return Verdict("dialer", None, f"{maker}'s dialers record by themselves in some countries")
    return Verdict("dialer", None, f"whether its own dialer records, {_UNTOLD}")
