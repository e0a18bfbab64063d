"""What a phone says of itself: properties, root, SELinux, clock, space."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass

from agent.adb import shell
from agent.adb.link import Link
from agent.errors import RemoteError
from agent.text import shown

# A value ends where the next property begins: so a hostile list takes no longer than its length.
_PROPERTY = re.compile(
    r"^\[(?P<key>[^\]\n]+)\]: \[(?P<value>(?:(?!\n\[[^\]\n]+\]: \[).)*?)\]$",
    re.MULTILINE | re.DOTALL,
)


def parse_getprop(text: str) -> dict[str, str]:
    """``getprop``'s list as a dictionary; a value may hold newlines, a line of noise is left out.

    >>> parse_getprop("[ro.a]: [1]\\n[ro.b]: []\\n")
    {'ro.a': '1', 'ro.b': ''}
    """
    return {m["key"]: m["value"] for m in _PROPERTY.finditer(text.replace("\r\n", "\n"))}


@dataclass(frozen=True)
class Facts:
    """A phone's facts; ``free_bytes`` is what is free on /data, None when it does not say.

    ``country`` is that of its SIMs, else of its network, in two letters (``DE``); empty where it
    does not say, or two SIMs are of two countries.
    """

    serial: str
    manufacturer: str
    model: str
    android: str
    sdk: int
    fingerprint: str
    platform: str
    soc: str
    abis: str
    timezone: str
    kernel: str
    selinux: str
    free_bytes: int | None
    country: str = ""

    def as_dict(self) -> dict[str, object]:
        """The same, for ``--json``."""
        return asdict(self)

    @property
    def name(self) -> str:
        """What a person calls it: ``Xiaomi 12X (Android 12)``."""
        return name_of(self.manufacturer, self.model, self.android)


def name_of(manufacturer: str, model: str, android: str) -> str:
    """What a person calls such a phone; each may be empty."""
    known = model.lower().startswith(manufacturer.lower())
    name = model if known else f"{manufacturer} {model}"
    return f"{name.strip() or 'a phone'} (Android {android or '?'})"


_LATEST_S = 1 << 40  # no clock says more

# One command for all of it: each round trip is a wait that the user feels.
_SCRIPT = (
    "getprop; echo --uname; uname -r; echo --selinux; getenforce 2>/dev/null; "
    "echo --df; df -k /data 2>/dev/null | tail -n 1"
)


def read_facts(link: Link) -> Facts:
    """Ask the phone; RemoteError when it does not answer like an Android phone."""
    text = shell.run(link, _SCRIPT).text
    props_text, _, rest = text.partition("--uname\n")
    # All of it is the phone's word, and is shown in many places: it is made tame here.
    props = {key: shown(value) for key, value in parse_getprop(props_text).items()}
    kernel, _, rest = rest.partition("--selinux\n")
    selinux, _, space = rest.partition("--df\n")
    serial = props.get("ro.serialno") or props.get("ro.boot.serialno") or ""
    if not serial:
        raise RemoteError(
            f"what answers at {link.where} has no serial number, so it is no Android phone",
            hint="Check the address.",
        )
    return Facts(
        serial=serial,
        manufacturer=props.get("ro.product.manufacturer", ""),
        model=props.get("ro.product.model", ""),
        android=props.get("ro.build.version.release", ""),
        sdk=_leading_number(props.get("ro.build.version.sdk", "")),
        fingerprint=props.get("ro.build.fingerprint", ""),
        platform=props.get("ro.board.platform", ""),
        soc=props.get("ro.soc.model", ""),
        abis=props.get("ro.product.cpu.abilist") or props.get("ro.product.cpu.abi", ""),
        timezone=props.get("persist.sys.timezone", ""),
        kernel=shown(kernel.strip()),
        selinux=shown(selinux.strip()) or "unknown",
        free_bytes=_free(space),
        country=country_of(props),
    )


def country_of(props: dict[str, str]) -> str:
    """The country in a phone's properties: of its SIMs, else of its network; empty for none or
    two. Android lists one for each slot, and nothing for an empty slot."""
    for key in ("gsm.sim.operator.iso-country", "gsm.operator.iso-country"):
        said = {word.strip().upper() for word in props.get(key, "").split(",")} - {""}
        if said:
            word = said.pop()
            return word if not said and re.fullmatch("[A-Z]{2}", word) else ""
    return ""


@dataclass(frozen=True)
class Clock:
    """The phone's clock minus this computer's, in milliseconds, and how far off that may be."""

    ms: int
    error_ms: int


def read_clock(link: Link) -> Clock:
    """Ask the phone for the time, a few times; the quickest answer is the best."""
    best: tuple[float, float] | None = None
    for _ in range(4):
        before = time.time()
        said = shell.run(link, 'echo "${EPOCHREALTIME:-$(date +%s)}"').text.strip()
        error = (time.time() - before) / 2
        try:
            phone = float(said.replace(",", "."))
        except ValueError:
            continue
        if not 0 <= phone < _LATEST_S:  # nor is it nan
            continue
        if "." not in said and "," not in said:
            error += 0.5  # whole seconds
            phone += 0.5
        if best is None or error < best[1]:
            best = (phone - (before + error), error)
    if best is None:
        raise RemoteError(f"the phone at {link.where} does not tell the time")
    return Clock(round(best[0] * 1000), max(1, round(best[1] * 1000)))


def _leading_number(text: str) -> int:
    """34 of ``34``, ``34.1`` or ``34-ext``; 0 of anything else."""
    found = re.match(r"[0-9]{1,4}", text)
    return int(found[0]) if found else 0


def _free(line: str) -> int | None:
    """Free bytes in a line of ``df -k``: device, size, used, available, share, place."""
    fields = line.split()
    free = fields[3] if len(fields) >= 5 else ""
    return int(free) * 1024 if re.fullmatch(r"[0-9]{1,18}", free) else None
