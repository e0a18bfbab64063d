"""The phone's battery, as ``dumpsys battery`` tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.adb import shell
from agent.adb.link import Link
from agent.errors import LinkError, LinkTimeout, PhoneError

_LINE = re.compile(r"^ {2}(\w[\w ]*): (\S+)\s*$", re.MULTILINE)
_POWERED = ("AC powered", "USB powered", "Wireless powered", "Dock powered")
_CELSIUS = range(-40, 151)  # what is outside is no battery's


@dataclass(frozen=True)
class Battery:
    """What is known of it: per cent, degrees Celsius, and whether it hangs on power; None where
    the phone does not tell, or tells nonsense."""

    percent: float | None = None
    celsius: float | None = None
    powered: bool = False


def read_battery(link: Link) -> Battery:
    """Ask the phone. One that does not tell has a battery of which nothing is known; LinkError
    when the phone is gone."""
    try:
        said = shell.run(link, "dumpsys battery 2>/dev/null", timeout=10.0).text
    except LinkTimeout:
        return Battery()
    except LinkError:
        raise
    except PhoneError:
        return Battery()
    return parse_battery(said)


def parse_battery(said: str) -> Battery:
    """The service's state (Android's BatteryService: ``temperature`` is in tenths of a degree)."""
    values: dict[str, str] = {}
    for name, value in _LINE.findall(said[: 1 << 16]):
        values.setdefault(name, value)
    if values.get("present") == "false":
        return Battery()
    level, scale = _whole(values.get("level")), _whole(values.get("scale", "100"))
    tenths = _whole(values.get("temperature"))
    percent = None
    if level is not None and scale is not None and 0 <= level <= scale and scale > 0:
        percent = 100 * level / scale
    celsius = None
    # Phones without a sensor say 0.
    if tenths and round(tenths / 10) in _CELSIUS:
        celsius = tenths / 10
    powered = any(values.get(name) == "true" for name in _POWERED)
    return Battery(percent, celsius, powered)


def _whole(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,9}", text) else None
