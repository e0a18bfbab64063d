"""Android's settings, changed so that they can be given back: noted, written, read back.

``before`` in here is the journal's: ``was`` holds the values from before, None for no such
setting, and ``put`` what was written over them, both by the setting's name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from agent.capture.dialer.look import is_on, read
from agent.capture.dialer.vendors import Setting
from agent.errors import PhoneError, RestoreError

if TYPE_CHECKING:
    from agent.phone.phone import Phone

_PLAIN = re.compile(r"[A-Za-z0-9_.,:/+-]{0,100}")


def note(before: dict[str, Any], values: dict[str, str | None]) -> None:
    """What a later comparison goes by. What was noted first stays."""
    was: dict[str, str | None] = before.setdefault("was", {})
    for name, value in values.items():
        was.setdefault(name, value)


def turn_on(
    phone: Phone, settings: Iterable[Setting], before: dict[str, Any], keep: Callable[[], None]
) -> bool:
    """Have settings say that every call is recorded; whether the phone lets us.

    A phone's maker may keep the shell from it. Then all is as before.
    """
    settings = list(settings)
    now = read(phone, settings)
    wrong = [setting for setting in settings if not is_on(setting, now[setting.name])]
    if not all(_PLAIN.fullmatch(now[setting.name] or "") for setting in wrong):
        return False  # what can't be written back is not touched
    note(before, now)
    put: dict[str, str] = before.setdefault("put", {})
    put |= {setting.name: setting.on for setting in wrong}
    keep()
    for setting in wrong:
        _write(phone, setting, setting.on)
    after = read(phone, wrong)
    if all(is_on(setting, after[setting.name]) for setting in wrong):
        return True
    put_back(phone, before)
    return False


def put_back(phone: Phone, before: dict[str, Any]) -> list[str]:
    """What was written, as it was; the names of what somebody else has changed meanwhile, which
    stays. RestoreError when the phone keeps what was written."""
    was, put = before.get("was", {}), before.get("put", {})
    settings = [Setting(*name.split(" ", 1)) for name in was]
    now = read(phone, settings)
    ours = [s for s in settings if put.get(s.name) == now[s.name] != was[s.name]]
    for setting in ours:
        _write(phone, setting, was[setting.name])
    after = read(phone, ours)
    left = [setting.name for setting in ours if after[setting.name] != was[setting.name]]
    if left:
        raise RestoreError(
            f"not as before on {phone.facts.name}: the setting {', '.join(left)}",
            hint="Turn the dialer's call recording off on the phone, then run `offhook disable`.",
        )
    return [s.name for s in settings if s not in ours and now[s.name] != was[s.name]]


def _write(phone: Phone, setting: Setting, value: str | None) -> None:
    """As the shell; where a phone's maker does not let the shell, as root. Whether it took has
    to be read."""
    words = ["settings", "delete", setting.space, setting.key]
    if value is not None:
        words = ["settings", "put", setting.space, setting.key, value]
    command = f"{shlex.join(words)} >/dev/null 2>&1"
    phone.run(command)
    if read(phone, [setting])[setting.name] == value:
        return
    try:
        phone.root.run(command)
    except PhoneError:  # no root, mostly
        if not phone.link.alive:
            raise
