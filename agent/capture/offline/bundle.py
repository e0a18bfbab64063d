"""A phone's outputs in one file, redacted, for a report of a defect. It is sent nowhere.

What is in it is what :mod:`agent.capture.offline.dumps` reads, and gives the same plan there as
the phone gives here. What can't be redacted for sure is left out: ``dumpsys telecom`` and
``audio`` (names, numbers and packages, in each maker's own words), the call log, the phone's log.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import __version__
from agent.capture.alsa.asking import read_xml
from agent.capture.alsa.hints import XmlError, parse_xml
from agent.capture.doctor import Diagnosis
from agent.capture.offline.dumps import MANIFEST, from_texts
from agent.capture.offline.redact import Redactor, registry_shape
from agent.capture.offline.texts import (
    list_cards,
    list_controls,
    list_pcms,
    parse_cards,
    parse_pcms,
)
from agent.capture.offline.verdicts import judge
from agent.errors import OffhookError, RemoteError, RootError, UsageError
from agent.phone.facts import parse_getprop
from agent.phone.phone import Phone
from agent.text import json_text, shown

FORMAT = 1
_MAX_XML = 12 << 20
_ABOUT = """\
What Offhook saw of a phone: its properties (those on a list only), its mixer, its PCMs, the XML
files of its audio HAL without their comments, the states of its calls (numbers 0, 1 and 2 only),
and Offhook's own verdicts. Serial numbers, IMEIs, phone numbers, addresses, e-mails, names of
networks and the like were taken out by rule, and rules can miss: look through it before you send
it. `offhook doctor --from` reads it.
"""


@dataclass
class Bundle:
    """What was saved: each file's name and size in bytes, what was left out and why, and how
    often something was redacted."""

    path: Path
    files: dict[str, int]
    left_out: dict[str, str]
    redacted: int
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        return {
            "path": str(self.path),
            "files": self.files,
            "left_out": self.left_out,
            "redacted": self.redacted,
            "warnings": self.warnings,
        }


def check_target(path: Path) -> None:
    """UsageError where a bundle can't go; asked before the phone is."""
    if os.path.lexists(path):
        raise UsageError(f"{shown(str(path))} is there already", hint="Give another name.")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {shown(str(path.parent))}")


def save_bundle(phone: Phone, diagnosis: Diagnosis, path: Path) -> Bundle:
    """Ask the phone for what the diagnosis does not have, redact it all, and write it to
    ``path``, which must not be there yet. UsageError when it can't be written."""
    properties = parse_getprop(phone.run("getprop").text)
    redactor = Redactor(properties, phone.serial, *_places(phone))
    files, left_out = _collect(phone, diagnosis, properties, redactor)
    warnings = _check(files, diagnosis)
    _write(path, _packed(files))
    sizes = {name: len(text.encode()) for name, text in files.items()}
    return Bundle(path, sizes, left_out, redactor.count, warnings)


def _places(phone: Phone) -> Iterator[str]:
    """Where the phone is, and whose computer this is: errors and paths may have it in them."""
    for address in (phone.name, phone.link.where):
        yield address
        yield address.rpartition(":")[0]
    for name in ("USER", "LOGNAME", "HOSTNAME"):
        yield os.environ.get(name, "")


def _collect(
    phone: Phone, diagnosis: Diagnosis, properties: dict[str, str], redactor: Redactor
) -> tuple[dict[str, str], dict[str, str]]:
    files = {"about.txt": _ABOUT, "getprop.txt": redactor.properties(properties)}
    files["kernel.txt"] = redactor.text(diagnosis.facts.kernel) + "\n"
    left_out = {
        "dumpsys telecom, dumpsys audio": "names and numbers can't be told from the rest for sure",
        "the call log, the phone's log": "they are about people",
    }
    if diagnosis.sound is not None:
        files |= _sound(phone, diagnosis, redactor)
        files |= _xml(phone, redactor, left_out)
    else:
        left_out["the mixer, the PCMs, the XML files"] = _why_no_sound(diagnosis)
    try:
        shape = registry_shape(phone.run("dumpsys telephony.registry").text)
    except RemoteError:
        shape = ""
    if shape:
        files["telephony_registry_states.txt"] = shape
    files["doctor.json"] = json_text(redactor.diagnosis(diagnosis.as_dict()), indent=2) + "\n"
    manifest = {
        "format": FORMAT,
        "offhook": __version__,
        "sound_problem": None if diagnosis.sound is not None else _why_no_sound(diagnosis),
        "left_out": left_out,
    }
    manifest = redactor.value(manifest)
    files[MANIFEST] = json_text(manifest, indent=2) + "\n"
    return files, left_out


def _why_no_sound(diagnosis: Diagnosis) -> str:
    alsa = next((v for v in diagnosis.routes if v.route == "alsa"), None)
    return alsa.reason if alsa is not None else "not seen"


def _sound(phone: Phone, diagnosis: Diagnosis, redactor: Redactor) -> dict[str, str]:
    sound = diagnosis.sound
    assert sound is not None
    texts = {}
    for name in ("cards", "pcm", "version"):
        with contextlib.suppress(RemoteError, RootError):
            texts[name] = redactor.text(phone.root.run(f"cat /proc/asound/{name}").text)
    # The kernel's own words, where they are read here as the helper reads them there.
    if parse_cards(texts.get("cards", "")) != sound.cards:
        texts["cards"] = redactor.text(list_cards(sound.cards))
    if parse_pcms(texts.get("pcm", "")) != sound.pcms:
        texts["pcm"] = redactor.text(list_pcms(sound.pcms))
    files = {f"proc_asound_{name}.txt": text for name, text in texts.items() if text}
    for card in sound.cards:
        listed = sound.controls.get(card.number, [])
        files[f"tinymix_card{card.number}.txt"] = redactor.text(list_controls(card, listed))
    return files


def _xml(phone: Phone, redactor: Redactor, left_out: dict[str, str]) -> dict[str, str]:
    files, size = {}, 0
    for path, text in read_xml(phone):
        name = shown(path.lstrip("/"))
        cleaned = redactor.xml(text)
        size += len(cleaned)
        try:
            parse_xml(name, cleaned)
        except XmlError as error:
            left_out[name] = str(error)
            continue
        if size > _MAX_XML or name in files:
            left_out[name] = "there are more of them than fit"
            continue
        files[name] = cleaned
    return files


def _check(files: dict[str, str], diagnosis: Diagnosis) -> list[str]:
    """Whether what was saved is judged here as the phone was."""
    try:
        dumps = from_texts(list(files.items()), where="the bundle")
    except OffhookError as error:
        return [f"the bundle can't be read again: {error.message}"]
    live = next((v.as_dict() for v in diagnosis.routes if v.route == "alsa"), {})
    saved = next(v.as_dict() for v in judge(dumps) if v.route == "alsa")
    keys = ("family", "possible", "card", "pcm", "rate", "channels", "controls")
    wrong = [key for key in keys if live.get(key) != saved.get(key)]
    return [f"the bundle gives another plan than the phone: {', '.join(wrong)}"] if wrong else []


def _packed(files: dict[str, str]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in files.items():
            # Its date says when somebody was awake, and two bundles of one phone differ by it.
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            bundle.writestr(member, text.encode())
    return sink.getvalue()


def _write(path: Path, data: bytes) -> None:
    """All of it, or nothing; what is there already is not replaced."""
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            with os.fdopen(os.open(beside, flags, 0o600), "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            _move(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"can't write {shown(str(path))}: {error.strerror or error}") from None


def _move(beside: Path, path: Path) -> None:
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        check_target(path)
        beside.replace(path)
