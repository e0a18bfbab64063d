"""``offhook.toml``: what the user sets, typed, with every mistake named.

The file lies in Offhook's home, which is ``--home``, else ``OFFHOOK_HOME``, else the platform's
own place for data. Nothing needs to be set.

    [[phone]]
    alias   = "desk"
    address = "192.0.2.7:5555"      # or its serial number
    way     = "auto"                # or server, tcp, usb

    [discovery]
    mdns = false                    # true: look for phones by multicast DNS

    [recorder]
    spool_mb = 2048                 # MiB that recordings may take on the phone, before the next
                                    # call is refused

    [consent]
    announce = "none"               # or tone, spoken: what others in the call are to hear, where
                                    # the route can
    announce_every_s = 15           # 0: once, at the beginning; default: 15 for a tone, else 0
    announce_text = "This call is being recorded."
    announce_language = "en"        # of espeak-ng, which speaks the text
    announce_file = "/home/me/notice.wav"   # this instead of espeak-ng
    announce_output = "Speakers"    # the loudspeaker, by a part of its name
    announce_required = false       # true: no capture by a route that can't announce

    [microphone]
    input = "USB"                   # this computer's sound input, by a part of its name

    [contacts]
    read = false                    # true: name calls by the phone's contacts too

    [sync]                          # docs/sync.md
    rate        = "2 MiB/s"         # of the recordings' bytes, of all phones together
    pause_below = 15                # % of a phone's battery, below which `watch` pulls nothing
    pause_above = 45                # °C of a phone's battery, from which on it pulls nothing

    [[source]]                      # a folder to pull besides what Offhook records itself
    name = "bcr"
    path = "/sdcard/Recordings/BCR"
    root = false

    [archive]                       # how new recordings are named in the archive's folder
    path = "{year}/{month}/{date}_{time}_{direction}_{hash}"

    [cleanup]
    after_days = 90                 # remove from the phone what has been archived for so long;
                                    # none: nothing (agent.archive.settings has the rest)

    [[names]]                       # how a recorder that is not known here names its files
    recorder = "my recorder"
    pattern  = "{number}_{start:%Y%m%d_%H%M%S}_{direction}.m4a"
    folder   = "MyCalls"            # only there; default: everywhere
    examples = [
      { name = "+4930123456_20260512_125931_out.m4a", start = 2026-05-12T12:59:31,
        number = "+4930123456", direction = "out" },
    ]

:mod:`agent.desk.settings` has the tables of the desktop: [inbox], [notify] and [hooks].
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import platformdirs

from agent import limits
from agent.adb.address import is_address, parse_address
from agent.adb.reach import WAYS, Way
from agent.archive import settings as keeping
from agent.archive.template import DEFAULT, Template
from agent.audio.announce import TONE_EVERY_S
from agent.capture.announcement import KINDS, Announcement
from agent.desk import settings as desk
from agent.errors import ConfigError, UsageError
from agent.limits import Limits
from agent.naming import Pattern
from agent.naming.examples import KEYS, own_pattern
from agent.naming.pattern import PatternError
from agent.phone.files import Source
from agent.tables import known_keys as _known
from agent.text import shown

NAME = "offhook.toml"


@dataclass(frozen=True)
class PhoneSetting:
    """A phone that the user named."""

    alias: str
    address: str
    way: Way = "auto"


@dataclass(frozen=True)
class Config:
    """Everything that ``offhook.toml`` says."""

    phones: tuple[PhoneSetting, ...] = ()
    sources: tuple[Source, ...] = field(default=())
    mdns: bool = False
    spool_mb: int = 2048
    announce: Announcement = field(default_factory=Announcement)
    microphone: str | None = None
    contacts: bool = False
    desk: desk.Desk = field(default_factory=desk.Desk)
    names: tuple[Pattern, ...] = ()
    cleanup: keeping.Cleanup | None = None
    template: Template = DEFAULT
    limits: Limits = field(default_factory=Limits)


def home_dir(option: Path | None) -> Path:
    """Offhook's home: the option, the environment, or the platform's place."""
    asked = option or os.environ.get("OFFHOOK_HOME")
    if not asked:
        return Path(platformdirs.user_data_dir("offhook"))
    try:
        return Path(asked).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(
            f"{shown(str(asked))}: there is no such user's home", hint="Write the whole path."
        ) from error


def load_config(home: Path) -> Config:
    """Read ``home/offhook.toml``; ConfigError names the file, the key and the likely one."""
    path = home / NAME
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"can't read {path}: {error}") from error
    _known(path, "", raw, (*_TABLES, *desk.TABLES, *keeping.TABLES, *limits.TABLES))
    phones = [
        PhoneSetting(
            _alias(path, item),
            _address(path, item),
            _way(path, item),
        )
        for item in _tables(path, raw, "phone", ("alias", "address", "way"))
    ]
    sources = []
    for item in _tables(path, raw, "source", ("name", "path", "root")):
        folder = _text(path, "source", item, "path")
        if not folder.startswith("/"):
            raise ConfigError(f"{path}: [[source]] path is {folder!r}, which is not absolute")
        root = item.get("root", False)
        if not isinstance(root, bool):
            raise ConfigError(f"{path}: [[source]] root is {root!r}, not true or false")
        sources.append(Source(_text(path, "source", item, "name"), folder, root=root))
    for what, names in (
        ("alias", [p.alias for p in phones]),
        ("address", [p.address for p in phones]),
        ("source name", [s.name for s in sources]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(f"{path}: the {what} {min(twice)!r} stands twice")
    return Config(
        tuple(phones),
        tuple(sources),
        mdns=_flag(path, raw, "discovery", "mdns"),
        spool_mb=_spool_mb(path, raw),
        contacts=_flag(path, raw, "contacts", "read"),
        announce=_announce(path, raw),
        microphone=_microphone(path, raw),
        desk=desk.desk_of(path, raw),
        names=_names(path, raw, text),
        cleanup=keeping.cleanup_of(path, raw),
        template=keeping.template_of(path, raw),
        limits=limits.limits_of(path, raw),
    )


def _names(path: Path, raw: dict[str, Any], text: str) -> tuple[Pattern, ...]:
    """The user's own patterns, each checked against its examples."""
    found: list[Pattern] = []
    # TOML's parser tells no lines; a heading can only be missed where they are written inline.
    lines = [n for n, line in enumerate(text.splitlines(), 1) if _NAMES.match(line)]
    for number, item in enumerate(_tables(path, raw, "names", KEYS)):
        try:
            found.append(own_pattern(item, found))
        except PatternError as error:
            where = f" of line {lines[number]}" if number < len(lines) else f" {number + 1}"
            raise ConfigError(
                f"{path}: [[names]]{where}: {error}",
                hint="docs/naming.md says what a pattern is made of; try it with `offhook name`.",
            ) from error
    return tuple(found)


def _tables(
    path: Path, raw: dict[str, Any], name: str, keys: Iterable[str]
) -> list[dict[str, Any]]:
    value = raw.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigError(f"{path}: {name} has to be written as [[{name}]]")
    for item in value:
        _known(path, f"[[{name}]] ", item, keys)
    return value


def _text(path: Path, table: str, item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f'{path}: a [[{table}]] needs {key} = "…"')
    return value


def _alias(path: Path, item: dict[str, Any]) -> str:
    alias = _text(path, "phone", item, "alias")
    if shown(alias) != alias or alias.strip() != alias:
        raise ConfigError(f"{path}: [[phone]] alias is {shown(alias)!r}, which can't be typed")
    return alias


def _address(path: Path, item: dict[str, Any]) -> str:
    """An address or a serial number."""
    address = _text(path, "phone", item, "address")
    try:
        if is_address(address):
            parse_address(address)
    except UsageError as error:
        raise ConfigError(f"{path}: [[phone]] address: {error}", hint=error.hint) from error
    return address


def _flag(path: Path, raw: dict[str, Any], name: str, key: str) -> bool:
    """A setting that is true or false, and false where it is not set."""
    table = raw.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {name} has to be written as [{name}]")
    _known(path, f"[{name}] ", table, (key,))
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{path}: [{name}] {key} is {value!r}, not true or false")
    return value


def _spool_mb(path: Path, raw: dict[str, Any]) -> int:
    table = raw.get("recorder", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: recorder has to be written as [recorder]")
    _known(path, "[recorder] ", table, ("spool_mb",))
    size = table.get("spool_mb", Config.spool_mb)
    # The phone's shell counts KiB in 32 bits.
    if type(size) is not int or not 16 <= size <= 1 << 20:
        raise ConfigError(f"{path}: [recorder] spool_mb is {size!r}, not 16 to {1 << 20}")
    return size


def _microphone(path: Path, raw: dict[str, Any]) -> str | None:
    table = raw.get("microphone", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: microphone has to be written as [microphone]")
    _known(path, "[microphone] ", table, ("input",))
    name = table.get("input")
    if name is not None and (not isinstance(name, str) or not name):
        raise ConfigError(f"{path}: [microphone] input is {name!r}, not a part of an input's name")
    return name


def _announce(path: Path, raw: dict[str, Any]) -> Announcement:
    table = raw.get("consent", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: consent has to be written as [consent]")
    kind = table.get("announce", "none")
    for known in KINDS:
        if known == kind:
            usual = Announcement(known, every_s=TONE_EVERY_S if known == "tone" else 0)
            break
    else:
        raise ConfigError(f"{path}: [consent] announce is {kind!r}, not one of {', '.join(KINDS)}")
    checks: dict[str, Callable[[Any], bool]] = {
        "every_s": lambda value: type(value) is int and (value == 0 or 5 <= value <= 600),
        "text": lambda value: isinstance(value, str) and 0 < len(value.strip()) <= 500,
        "language": lambda value: isinstance(value, str) and bool(_LANGUAGE.fullmatch(value)),
        "file": lambda value: isinstance(value, str) and value.startswith("/"),
        "output": lambda value: isinstance(value, str) and value != "",
        "required": lambda value: isinstance(value, bool),
    }
    _known(path, "[consent] ", table, ("announce", *(f"announce_{name}" for name in checks)))
    given: dict[str, Any] = {}
    for name, is_right in checks.items():
        if f"announce_{name}" not in table:
            continue
        value = table[f"announce_{name}"]
        if not is_right(value):
            raise ConfigError(f"{path}: [consent] announce_{name} is {value!r}, not {_MEANT[name]}")
        given[name] = value
    return replace(usual, **given)


_TABLES = (
    *("phone", "source", "names", "discovery", "recorder", "consent", "microphone", "contacts"),
)
_NAMES = re.compile(r"\s*\[\[\s*names\s*\]\]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,12}){0,3}")
_MEANT = {
    "every_s": "0, or 5 to 600",
    "text": "a sentence",
    "language": "a language: en, de, en-gb",
    "file": "an absolute path",
    "output": "a part of a loudspeaker's name",
    "required": "true or false",
}


def _way(path: Path, item: dict[str, Any]) -> Way:
    asked = item.get("way", "auto")
    for way in WAYS:
        if way == asked:
            return way
    raise ConfigError(f"{path}: [[phone]] way is {asked!r}, not one of {', '.join(WAYS)}")
