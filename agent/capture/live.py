"""What a live route adds to the contract: this computer hears the call, and writes the file.

The route knows how to listen; when to begin, what to write and where to file it is
:mod:`agent.sync.live`'s, which is the same for every live route.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from agent.capture.journal import Journal
from agent.capture.route import Route

if TYPE_CHECKING:
    from agent.phone.phone import Phone


@dataclass(frozen=True)
class Block:
    """A piece of a call's sound.

    ``frame`` is where it begins, counted in frames since the ear was opened: a jump ahead is a
    gap, in which the source gave nothing, and which becomes silence. A jump below 10 ms is taken
    for a clock's unrest; what is ahead of this computer's clock, or goes back, follows what was
    there. ``samples`` are int16, little-endian, interleaved; one channel or two.
    """

    frame: int
    samples: bytes


class Ear(Protocol):
    """Hears one call, from being opened until it is closed. One thread uses it.

    One that raises LinkError ends its recording; while the call goes on, the route is asked to
    listen again once the phone is back. One that does not need the link is read on meanwhile.

    ``rate`` is in Hz; ``legs`` names the channels in the file's order, or is ``("mixed",)`` once
    for each channel that holds the same mix. ``about`` says by what it hears, for the custody log
    (a device's name, a version: no number, no name of a person).
    """

    rate: int
    channels: int
    legs: tuple[str, ...]
    about: dict[str, str]

    def read(self, timeout: float) -> Block | None:
        """The next piece, or None when none came in ``timeout`` seconds; CaptureError, with what
        to do, when there will be no more; LinkError when the phone went."""

    def close(self) -> None:
        """Stop listening; harmless twice. What :meth:`read` has not given is lost."""


class LiveRoute(Route):
    """A route by which this computer records, while ``offhook watch`` runs."""

    live: ClassVar[bool] = True
    quiet: ClassVar[str] = ""
    """What to look at when nothing is heard, in a few words."""

    @abstractmethod
    def listen(self, phone: Phone, journal: Journal) -> Ear:
        """Begin to hear the call that has just become active; CaptureError when that fails."""
