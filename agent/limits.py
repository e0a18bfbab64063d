"""``[sync]`` of ``offhook.toml``: what pulling may take.

[sync]
rate        = "2 MiB/s"     # for the bytes of recordings, of all phones together; none: no limit
pause_below = 15            # per cent of a phone's battery, below which `watch` pulls nothing of it,
                            # unless it hangs on power; none: whatever it has
pause_above = 45            # °C of a phone's battery from which on `watch` pulls nothing of it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.tables import Table

TABLES = ("sync",)
_UNITS = {"kB": 10**3, "KB": 10**3, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9}
_UNITS["GiB"] = 1 << 30
_RATE = re.compile(rf"([0-9]{{1,6}}(?:\.[0-9]{{1,3}})?) ?({'|'.join(_UNITS)})/s")
_LEAST = 16 << 10  # bytes a second: with less, an hour's recording takes days


@dataclass(frozen=True)
class Limits:
    """``rate`` is in bytes a second, ``pause_below`` in per cent, ``pause_above`` in degrees
    Celsius; None: no limit."""

    rate: int | None = None
    pause_below: int | None = None
    pause_above: int | None = None

    @property
    def pauses(self) -> bool:
        """Whether a phone's battery has to be asked for."""
        return self.pause_below is not None or self.pause_above is not None


def limits_of(path: Path, raw: dict[str, Any]) -> Limits:
    """Read the table; ConfigError for every mistake."""
    table = Table(path, raw, "sync", ("rate", "pause_below", "pause_above"))
    said = table.get("rate", None, lambda value: _rate(value) is not None, _MEANT)
    below = table.whole("pause_below", 0, 1, 95)
    above = table.whole("pause_above", 0, 30, 80)
    return Limits(_rate(said), below or None, above or None)


_MEANT = f'a rate of at least {_LEAST >> 10} KiB/s, such as "2 MiB/s" or "500 KiB/s"'


def _rate(value: Any) -> int | None:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    rate = round(float(found[1]) * _UNITS[found[2]])
    return rate if rate >= _LEAST else None
