"""What the others in a call are to hear of its being recorded, as the user set it.

:mod:`agent.audio.announce` makes it heard, where the route can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Kind = Literal["none", "tone", "spoken"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: How others hear that a call is recorded: this computer plays it beside the phone; the recorder
#: on the phone says so itself; or nobody does.
How = Literal["here", "itself"]

TEXT = "This call is being recorded."


@dataclass(frozen=True)
class Announcement:
    """``every_s``: seconds from one to the next, 0 for once at the beginning. ``text`` and
    ``language`` are for a synthetic voice, ``file`` is a WAV instead of it. ``output``: the
    loudspeaker, by a part of its name. ``required``: no capture by a route that can't."""

    kind: Kind = "none"
    every_s: int = 0
    text: str = TEXT
    language: str = "en"
    file: str | None = None
    output: str | None = None
    required: bool = False

    @property
    def wanted(self) -> bool:
        """Whether anything is to be heard."""
        return self.kind != "none"

    def as_dict(self) -> dict[str, Any]:
        """The same, for the journal."""
        return asdict(self)


def announcement_of(said: Mapping[str, Any]) -> Announcement:
    """What a journal says; an empty one is of an Offhook that did not announce."""
    return Announcement(**said)
