"""An error that nobody foresaw, in words."""

from __future__ import annotations

import traceback
from pathlib import Path

import agent
from agent.errors import OffhookError

_ROOT = Path(agent.__file__).parent
_FRAMES = 3


def mistake_of(error: Exception) -> OffhookError:
    """Its kind, and where it came up. Not what it says: that may be a name or a number."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT)]
    where = ", ".join(
        f"{Path(frame.filename).relative_to(_ROOT)}:{frame.lineno}"
        for frame in ours[: -_FRAMES - 1 : -1]
    )
    return OffhookError(
        f"{type(error).__name__}, a mistake of Offhook's own, in {where}; it is tried again",
        hint="Please report it. Other phones are watched on.",
    )
