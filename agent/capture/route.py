"""What a route is: a way of turning a call's audio into a file, and whether a phone has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: The names of the routes, in the order in which they are preferred.
ROUTES = ("alsa", "bcr", "voicecall", "dialer", "microphone")


@dataclass(frozen=True)
class Plan:
    """How the ``alsa`` route captures on one phone.

    ``controls`` are set in their order before the PCM starts. The file has ``count`` channels;
    ``channels`` names what they hold, in the file's order, or is ``("mixed",)``.
    """

    family: str
    card: int
    device: int
    pcm: str
    rate: int
    count: int
    channels: tuple[str, ...]
    controls: tuple[tuple[str, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        return {
            "card": self.card,
            "pcm": self.device,
            "pcm_name": self.pcm,
            "rate": self.rate,
            "channels": list(self.channels),
            "controls": [{"name": name, "value": value} for name, value in self.controls],
        }


@dataclass(frozen=True)
class Verdict:
    """Whether a route works: True, False, or None for "try it"; and why."""

    route: str
    possible: bool | None
    reason: str
    family: str | None = None
    plan: Plan | None = None
    instead: str | None = field(default=None)

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        body: dict[str, Any] = {
            "route": self.route,
            "family": self.family,
            "possible": self.possible,
            "reason": self.reason,
        }
        if self.instead:
            body["instead"] = self.instead
        if self.plan is not None:
            body.update(self.plan.as_dict())
        return body
