"""The notification on the phone that says that capture is on, posted as the shell.

Android has no command that takes a notification back: what the shell posted goes when its
package is stopped, which ends nothing that runs over ADB.
"""

from __future__ import annotations

import re
import shlex

from agent.errors import CaptureError, PhoneError, RestoreError
from agent.phone.phone import Phone

_OURS = re.compile(r"\d+\|com\.android\.shell\|\d+\|offhook\|\d+")

TITLE = "Call recording is on"
TEXT = "Offhook records the calls on this phone. To stop it: offhook disable"


def is_shown(phone: Phone) -> bool:
    """Whether the phone shows it now."""
    listed = phone.run("cmd notification list 2>/dev/null").text.splitlines()
    return any("|com.android.shell|" in line and "|offhook|" in line for line in listed)


def show(phone: Phone) -> None:
    """Show it, unless it is there; CaptureError when the phone does not."""
    if is_shown(phone):
        return
    try:
        phone.run(f"cmd notification post -t '{TITLE}' offhook '{TEXT}' >/dev/null 2>&1")
    except PhoneError:
        if not phone.link.alive:
            raise
    if not is_shown(phone):
        _unsnooze(phone)
    if not is_shown(phone):
        raise CaptureError(
            f"{phone.facts.name} does not show the notification: until it does, Offhook takes no "
            "recording from it",
            hint="On the phone, allow notifications of «Shell» (Settings, Apps, Shell).",
        )


def _unsnooze(phone: Phone) -> None:
    """One that its reader snoozed stays so, whatever is posted (NotificationManagerService)."""
    for line in phone.run("cmd notification snoozed 2>/dev/null").text.splitlines():
        key = line.partition(" ")[0]
        if _OURS.fullmatch(key):
            phone.run(shlex.join(["cmd", "notification", "unsnooze", key]))


def withdraw(phone: Phone) -> None:
    """Take it back; RestoreError when the phone still shows it."""
    if not is_shown(phone):
        return
    phone.run("am force-stop com.android.shell")
    if is_shown(phone):
        raise RestoreError(
            f"{phone.facts.name} still shows that capture is on, though it is off",
            hint="Swipe the notification away.",
        )
