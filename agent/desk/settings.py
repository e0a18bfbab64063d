"""``[inbox]``, ``[notify]`` and ``[hooks]`` of ``offhook.toml``.

[inbox]
folder = "inbox"            # a folder into which other tools drop recordings: absolute, with ~,
                            # or relative to Offhook's home; none: there is no inbox
after  = "keep"             # what becomes of a file that was filed: keep it, or move it to
                            # .filed in that folder
phone  = "desk"             # whose recordings they are, where no folder's name says it
zone   = "Europe/Berlin"    # of times in names
region = "DE"               # of national numbers in names

[notify]
recorded = false            # a notification on the desktop for each recording
silent   = false            # for one in which nothing is heard
gone_min = 0                # for a phone that has been away for so many minutes; 0: never
names    = false            # true: with names and numbers

[hooks]
on_recording = "/home/me/bin/transcribe --quick"   # gets the recording's facts as JSON
timeout_s = 60
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal

from agent.errors import ConfigError, UsageError
from agent.naming.number import known_region
from agent.naming.zone import zone_of
from agent.tables import Table

TABLES = ("inbox", "notify", "hooks")
After = Literal["keep", "move"]


@dataclass(frozen=True)
class InboxSetting:
    """The folder that is watched; ``phone`` is as the user calls it."""

    folder: Path
    after: After = "keep"
    phone: str | None = None
    zone: tzinfo | None = None
    region: str | None = None


@dataclass(frozen=True)
class NotifySetting:
    """What is told on the desktop."""

    recorded: bool = False
    silent: bool = False
    gone_min: int = 0
    names: bool = False

    @property
    def any(self) -> bool:
        """Whether anything is."""
        return self.recorded or self.silent or self.gone_min > 0


@dataclass(frozen=True)
class HookSetting:
    """The command for each recording, in words; none: there is none."""

    on_recording: tuple[str, ...] = ()
    timeout_s: int = 60


@dataclass(frozen=True)
class Desk:
    """All of them."""

    inbox: InboxSetting | None = None
    notify: NotifySetting = field(default_factory=NotifySetting)
    hook: HookSetting = field(default_factory=HookSetting)


def desk_of(path: Path, raw: dict[str, Any]) -> Desk:
    """What the file at ``path``, parsed as ``raw``, says; ConfigError names the key."""
    notify = Table(path, raw, "notify", ("recorded", "silent", "gone_min", "names"))
    return Desk(
        _inbox(path, raw),
        NotifySetting(
            notify.flag("recorded"),
            notify.flag("silent"),
            notify.whole("gone_min", 0, 0, 60 * 24 * 30),
            notify.flag("names"),
        ),
        _hook(path, raw),
    )


def _inbox(path: Path, raw: dict[str, Any]) -> InboxSetting | None:
    table = Table(path, raw, "inbox", ("folder", "after", "phone", "zone", "region"))
    folder = table.text("folder", "a folder")
    after: After = table.get("after", "keep", ("keep", "move").__contains__, "keep or move")
    zone = table.text("zone", "a time zone")
    region = table.text("region", "a country's two letters")
    if region is not None and not known_region(region):
        raise table.wrong("region", "a country's two letters")
    try:
        of_zone = None if zone is None else zone_of(zone)
    except UsageError as error:
        raise table.wrong("zone", "a time zone") from error
    phone = table.text("phone", "a phone's alias or serial number")
    if folder is None:
        return None
    home = path.parent.resolve()
    try:
        place = (home / Path(folder).expanduser()).resolve()
        archive = (home / "archive").resolve()  # it may be a link to another disk
    except (OSError, RuntimeError, ValueError) as error:  # no such user's home, a loop of links
        raise table.wrong("folder", f"a folder that can be found ({error})") from error
    if archive.is_relative_to(place) or place.is_relative_to(archive):
        raise ConfigError(
            f"{path}: [inbox] folder {place} has the archive in it, or is in the archive",
            hint='Write folder = "inbox", which is beside the archive, or another folder.',
        )
    return InboxSetting(place, after, phone, of_zone, region)


def _hook(path: Path, raw: dict[str, Any]) -> HookSetting:
    table = Table(path, raw, "hooks", ("on_recording", "timeout_s"))
    command = table.text("on_recording", "a command")
    try:
        words = shlex.split(command or "")
    except ValueError as error:
        raise table.wrong("on_recording", f"a command ({error})") from error
    if command is not None and not words:
        raise table.wrong("on_recording", "a command")
    return HookSetting(tuple(words), table.whole("timeout_s", 60, 1, 3600))
