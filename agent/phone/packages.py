"""An app on a phone: what ``dumpsys package`` says of it, its permissions, and how it is ended.

All but :func:`pids` is asked as the shell, which Android allows to grant and to revoke.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from agent.errors import RemoteError
from agent.phone.phone import Phone

_GRANT = re.compile(r"^\s+(android\.permission\.[A-Z_0-9]+): granted=(true|false)", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """An installed app. ``enabled`` is what the user, or a root manager, chose, and ``state`` the
    number that Android has for it (0: nobody chose); ``permissions`` are those that can be granted
    and taken back, by their full names."""

    name: str
    version: str
    version_code: int
    uid: int
    system: bool
    enabled: bool
    permissions: dict[str, bool] = field(default_factory=dict)
    state: int = 0


def read_package(phone: Phone, name: str) -> Package | None:
    """The app, for the phone's first user; None when it is not installed."""
    return parse_package(phone.run(f"dumpsys package {shlex.quote(name)}").text, name)


def parse_package(text: str, name: str) -> Package | None:
    """Out of ``dumpsys package NAME``, which has changed little from Android 6 to 15."""
    head = f"  Package [{name}] "
    _, found, section = ("\n" + text).partition("\n" + head)
    if not found:
        return None
    section = section.partition("\n")[2]
    # What follows is another app, or the version in /system beneath an update.
    section = re.split(r"^(?:  Package \[|\S)", section, maxsplit=1, flags=re.MULTILINE)[0]
    user = re.search(r"^\s+User 0:(.*)$", section, re.MULTILINE)
    about = user[1] if user else ""
    if "installed=false" in about:
        return None
    state = re.search(r"\benabled=(\d)", about)
    # 2, 3 and 4: disabled, by the user, until used (PackageManager.COMPONENT_ENABLED_STATE_…).
    of_user = section[user.start() :] if user else section
    of_user = re.split(r"^\s+User [1-9]\d*:", of_user, maxsplit=1, flags=re.MULTILINE)[0]
    return Package(
        name,
        _word(section, "versionName"),
        int(_number(section, "versionCode")),
        int(_number(section, "(?:userId|appId)")),
        bool(re.search(r"^\s+(?:pkgF|f)lags=\[[^]]*\bSYSTEM\b", section, re.MULTILINE)),
        state is None or state[1] in "01",
        {m[1]: m[2] == "true" for m in _GRANT.finditer(of_user)},
        0 if state is None else int(state[1]),
    )


def _word(section: str, key: str) -> str:
    found = re.search(rf"^\s+{key}=(\S{{1,40}})", section, re.MULTILINE)
    return found[1] if found else ""


def _number(section: str, key: str) -> str:
    found = re.search(rf"^\s+{key}=(\d{{1,18}})", section, re.MULTILINE)
    return found[1] if found else "0"


def grant(phone: Phone, name: str, permission: str) -> None:
    """Grant a permission; RemoteError when Android does not allow it."""
    phone.run(shlex.join(["pm", "grant", name, permission])).check(f"can't grant {permission}")


def revoke(phone: Phone, name: str, permission: str) -> None:
    """Take a permission back, which ends the app."""
    phone.run(shlex.join(["pm", "revoke", name, permission])).check(f"can't revoke {permission}")


def read_op(phone: Phone, name: str, op: str) -> str:
    """How an app operation (``RECORD_AUDIO``) is set: allow, ignore, deny, foreground, default."""
    text = phone.run(shlex.join(["cmd", "appops", "get", name, op])).text
    found = re.search(rf"\b{re.escape(op)}: (\w+)", text)
    return found[1] if found else "default"


def set_op(phone: Phone, name: str, op: str, mode: str) -> None:
    """Set an app operation."""
    phone.run(shlex.join(["cmd", "appops", "set", name, op, mode])).check(f"can't set {op}")


def is_spared(phone: Phone, name: str) -> bool:
    """Whether the phone's battery saving leaves the app alone."""
    done = phone.run("cmd deviceidle whitelist")
    if done.code != 0:
        raise RemoteError("the phone does not tell which apps its battery saving spares")
    return any(name in line.split(",") for line in done.text.splitlines())


def spare(phone: Phone, name: str, spared: bool) -> None:
    """Let the phone's battery saving leave the app alone, or not."""
    word = shlex.quote(("+" if spared else "-") + name)
    phone.run(f"cmd deviceidle whitelist {word}").check("can't change whom battery saving spares")


def enable_again(phone: Phone, name: str, state: int) -> None:
    """Enable an app that was disabled, with the state that it had: 0 or 1."""
    verb = "enable" if state == 1 else "default-state"
    phone.run(shlex.join(["pm", verb, "--user", "0", name])).check(f"can't enable {name}")


def pids(phone: Phone, package: Package) -> list[int]:
    """The processes of an app, as root sees them, of the first user alone."""
    script = (
        f"for p in $(pidof {shlex.quote(package.name)}); do "
        f'[ "$(stat -c %u /proc/$p 2>/dev/null)" = {package.uid} ] && echo $p; done; :'
    )
    return [
        int(word)
        for word in phone.root.run(script).text.split()
        if re.fullmatch("[0-9]{1,10}", word)
    ]
