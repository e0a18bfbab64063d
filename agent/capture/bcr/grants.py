"""What BCR has to be allowed by Android: given where it is missing, noted, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from agent.capture.bcr.settings import ID
from agent.errors import CaptureError, PhoneError, RemoteError
from agent.phone import packages
from agent.phone.packages import Package
from agent.phone.phone import Phone

_P = "android.permission."
#: Without these two, BCR records nothing, and does not say so (Permissions.kt, 3.7).
_NEEDED = (f"{_P}RECORD_AUDIO", f"{_P}POST_NOTIFICATIONS")
#: Without these, a recording has no name, no number's owner, no SIM.
_WISHED = (f"{_P}READ_CALL_LOG", f"{_P}READ_CONTACTS", f"{_P}READ_PHONE_STATE")
_OP = "RECORD_AUDIO"
_TIRAMISU = 33


def give(
    phone: Phone,
    package: Package,
    before: dict[str, Any],
    keep: Callable[[], None],
    tell: Callable[[str], None],
) -> None:
    """Grant what is missing. What was there goes into ``before`` first; CaptureError when one
    that BCR can't do without is not to be had."""
    granted: dict[str, bool] = before.setdefault("granted", {})
    missing = []
    for name in (*_NEEDED, *_WISHED):
        if name.endswith("POST_NOTIFICATIONS") and phone.facts.sdk < _TIRAMISU:
            continue
        if name in package.permissions or name in _NEEDED:
            granted.setdefault(name, package.permissions.get(name, False))
            if not package.permissions.get(name, False):
                missing.append(name)
    before.setdefault("op", packages.read_op(phone, ID, _OP))
    spared = _spared(phone)
    if spared is not None:
        before.setdefault("spared", spared)
    keep()
    for name in missing:
        _grant(phone, name, tell)
    now = packages.read_package(phone, ID)
    lacks = [n for n in missing if n in _NEEDED and not (now and now.permissions.get(n))]
    if lacks:
        raise CaptureError(
            f"Android does not give BCR {' and '.join(lacks)} on {phone.facts.name}",
            hint="On the phone: Settings, Apps, BCR, Permissions.",
        )
    if packages.read_op(phone, ID, _OP) in ("ignore", "deny"):
        packages.set_op(phone, ID, _OP, "allow")
    if spared is False:
        packages.spare(phone, ID, True)


def _grant(phone: Phone, name: str, tell: Callable[[str], None]) -> None:
    try:
        packages.grant(phone, ID, name)
    except RemoteError:
        if name in _NEEDED:
            return  # said by who asked for it
        tell(f"BCR does not get {name.removeprefix(_P)}: its recordings say less")


def _spared(phone: Phone) -> bool | None:
    try:
        return packages.is_spared(phone, ID)
    except RemoteError:
        return None


def take_back(phone: Phone, before: dict[str, Any]) -> list[str]:
    """Everything as ``before`` has it; the names of what was compared. A PhoneError, with all
    else done, when something can't be put back."""
    package = packages.read_package(phone, ID)
    if package is None:
        return []
    compared, problems = [], []

    def put(name: str, step: Callable[[], None] | None) -> None:
        compared.append(name)
        try:
            if step is not None:
                step()
        except RemoteError as error:
            problems.append(error.message)

    for name, was in before.get("granted", {}).items():
        wrong = not was and package.permissions.get(name, False)
        put(name, partial(packages.revoke, phone, ID, name) if wrong else None)
    if "op" in before:
        was = before["op"]
        same = packages.read_op(phone, ID, _OP) == was
        put(f"app operation {_OP}", None if same else lambda: packages.set_op(phone, ID, _OP, was))
    if "spared" in before:
        kept = bool(before["spared"])
        same = _spared(phone) == kept
        put("battery saving", None if same else lambda: packages.spare(phone, ID, kept))
    after = packages.read_package(phone, ID)
    left = [
        name
        for name, was in before.get("granted", {}).items()
        if after is not None and not was and after.permissions.get(name)
    ]
    if problems or left:
        raise PhoneError("; ".join([*problems, *(f"{name} is still granted" for name in left)]))
    return compared
