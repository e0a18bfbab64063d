"""Which dialer a phone has, where its recordings are, and what its settings say."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.capture.dialer.vendors import DIALERS, Dialer, Setting
from agent.text import shown

if TYPE_CHECKING:
    from agent.phone.phone import Phone

_PACKAGE = re.compile(r"[A-Za-z0-9_]{1,60}(?:\.[A-Za-z0-9_]{1,60}){1,9}")
SHARED = "/sdcard"
_CARDS = "/storage/[0-9A-F]*-[0-9A-F]*"  # memory cards, by their volume's number


@dataclass(frozen=True)
class Found:
    """A phone's dialer. ``app`` is the package that dials, where the phone tells; ``dialer`` its
    row, where there is one. ``folders`` are those that exist. ``settings`` holds the values of
    the row's settings by their names, None where there is no such setting. ``traced``: root saw
    a trace of it."""

    app: str
    dialer: Dialer | None
    folders: tuple[str, ...] = ()
    settings: dict[str, str | None] = field(default_factory=dict)
    traced: bool = False

    @property
    def switch(self) -> tuple[Setting, ...]:
        """The settings by which this very phone records every call; none where it knows none."""
        switches = self.dialer.switches if self.dialer else ()
        return next((s for s in switches if self.settings.get(s[0].name) is not None), ())

    @property
    def on(self) -> bool | None:
        """Whether it records every call by itself; None where that can't be seen."""
        if not self.switch:
            return None
        return all(is_on(setting, self.settings.get(setting.name)) for setting in self.switch)

    @property
    def believed(self) -> bool:
        """Whether this phone's dialer is one that records."""
        if self.dialer is None:
            return False
        known = any(self.settings.get(setting.name) is not None for setting in self.dialer.unlocks)
        return bool(self.dialer.everywhere or self.folders or self.traced or self.switch or known)


def is_on(setting: Setting, value: str | None) -> bool:
    """Whether a value means that every call is recorded."""
    return setting.absent if value is None else value == setting.on


def look(phone: Phone, *, rooted: bool) -> Found:
    """Look at a phone; nothing on it is changed."""
    app, packages, props = _asked(phone)
    dialer = choose(app, phone.facts.manufacturer, phone.facts.platform, packages, props)
    if dialer is None:
        return Found(app, None)
    return Found(
        app,
        dialer,
        tuple(find_folders(phone, dialer.folders)),
        read(phone, [s for switch in (*dialer.switches, dialer.unlocks) for s in switch]),
        rooted and any(_is_there(phone, path) for path in dialer.traces),
    )


def choose(
    app: str, maker: str, platform: str, packages: frozenset[str], properties: frozenset[str]
) -> Dialer | None:
    """The row of the dialer ``app`` (empty: not known) on such a phone."""

    def fits(dialer: Dialer) -> bool:
        if app:
            named = any(app == name or app.startswith(_prefix(name)) for name in dialer.dialers)
        else:
            named = dialer.marked
        marks = (
            maker.lower() in dialer.manufacturers
            or platform.lower().startswith(dialer.platforms or "?")
            or properties.intersection(dialer.properties)
            or packages.intersection(dialer.packages)
        )
        return named and bool(marks or not dialer.marked)

    return next((dialer for dialer in DIALERS if fits(dialer)), None)


def _prefix(name: str) -> str:
    return name if name.endswith(".") else "?"


def _asked(phone: Phone) -> tuple[str, frozenset[str], frozenset[str]]:
    """The app that dials, the packages and the properties that rows are known by."""
    packages = sorted({name for dialer in DIALERS for name in dialer.packages})
    properties = sorted({name for dialer in DIALERS for name in dialer.properties})
    script = (
        "cmd role get-role-holders android.app.role.DIALER 2>/dev/null; echo --; "
        "settings get secure dialer_default_application 2>/dev/null; echo --; "
        "pm list packages 2>/dev/null; echo --; "
        + "; ".join(f'[ -z "$(getprop {name})" ] || echo {name}' for name in properties)
    )
    said = phone.run(script).text
    role, setting, listed, props = (*said.split("--\n", 3), "", "", "")[:4]
    apps = [line.strip() for line in (*role.splitlines(), *setting.splitlines())]
    app = next((name for name in apps if _PACKAGE.fullmatch(name)), "")
    there = {line.removeprefix("package:").strip() for line in listed.splitlines()}
    return app, frozenset(there.intersection(packages)), frozenset(props.split())


def read(phone: Phone, settings: list[Setting]) -> dict[str, str | None]:
    """The values of settings by their names; None for what is not there."""
    if not settings:
        return {}
    script = "; ".join(
        f"settings get {setting.space} {setting.key} 2>/dev/null || echo null; printf '\\0'"
        for setting in settings
    )
    values = [shown(value.rstrip("\r\n")) for value in phone.run(script).text.split("\0")]
    values += ["null"] * len(settings)
    return {
        setting.name: None if value == "null" else value
        for setting, value in zip(settings, values, strict=False)
    }


def find_folders(phone: Phone, wanted: tuple[str, ...]) -> list[str]:
    """Those of the folders that exist, on all volumes, as they are spelled there. None of them
    lies in another."""
    if not wanted:
        return []
    globs = [f"{top}/{_any_case(folder)}" for top in (SHARED, _CARDS) for folder in wanted]
    script = f'for d in {" ".join(globs)}; do [ ! -d "$d" ] || printf \'%s\\0\' "$d"; done; :'
    found = list(
        dict.fromkeys(phone.run(script).stdout.decode("utf-8", "surrogateescape").split("\0"))
    )
    found = [path for path in found if path]
    return [p for p in found if not any(p.startswith(f"{other}/") for other in found)]


def _any_case(folder: str) -> str:
    """A pattern of the shell for a folder, whatever the case of its letters.

    >>> _any_case("a b/ö")
    '[aA]\\\\ [bB]/ö'
    """
    return "".join(
        f"[{ch.lower()}{ch.upper()}]"
        if ch.isascii() and ch.isalpha()
        else (ch if not ch.isascii() or ch.isalnum() or ch in "/_" else f"\\{ch}")
        for ch in folder
    )


def _is_there(phone: Phone, path: str) -> bool:
    return phone.root.run(f"[ -e {shlex.quote(path)} ]").code == 0
