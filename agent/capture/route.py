"""What a route is: a way of turning a call's audio into a file.

Each route is one module (or folder) and one row of :data:`agent.capture.routes.ROUTES`. What it
does to a phone goes through :class:`Setup`, which has it in the undo journal first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from agent.capture.announcement import How
from agent.capture.consent import Consent
from agent.capture.journal import Journal
from agent.phone.files import Source
from agent.phone.helper import Card, Control, Pcm

if TYPE_CHECKING:
    from agent.phone.phone import Phone

Tell = Callable[[str], None]


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
    """Whether a route works: True, False, or None for "try it"; and why.

    ``legs`` names the channels its files are going to have, as far as that is known: a route
    that hears both ends apart is better than one that mixes them, or hears one. ``on`` says that
    it records already, by somebody else's doing. ``lacks_root``: it would be another answer with
    root, and ``instead`` says no more than that. ``detail`` is the route's own, for ``arm`` and
    for ``--json``.
    """

    route: str
    possible: bool | None
    reason: str
    family: str | None = None
    plan: Plan | None = None
    instead: str | None = None
    legs: tuple[str, ...] = ()
    on: bool = False
    lacks_root: bool = False
    detail: dict[str, Any] = field(default_factory=dict)

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
        if self.legs:
            body["channels"] = list(self.legs)
        if self.plan is not None:
            body.update(self.plan.as_dict())
        return body | self.detail


@dataclass(frozen=True)
class Sound:
    """What a phone's kernel says of its sound: cards, PCMs, and each card's controls."""

    cards: list[Card]
    pcms: list[Pcm]
    controls: dict[int, list[Control]]


@dataclass(frozen=True)
class Options:
    """What the user gave a route to work with, by options or in ``offhook.toml``.

    ``bcr_zip``: BCR's module, to be installed. ``scrcpy_server``: the file, where it is not
    found. ``microphone``: the desktop's input, by a part of its name. ``at_boot``: go on after a
    reboot of the phone. ``spool_mb``: MiB that recordings may take on the phone.
    """

    bcr_zip: Path | None = None
    scrcpy_server: Path | None = None
    microphone: str | None = None
    at_boot: bool = False
    spool_mb: int = 2048


@dataclass
class Seen:
    """What was learnt of a phone before a route is asked; looked at once, for all of them.

    ``root_problem`` says why there is no root, ``sound_problem`` why the sound was not seen.
    """

    phone: Phone
    home: Path
    options: Options = field(default_factory=Options)
    root_problem: str | None = None
    root_hint: str | None = None
    sound: Sound | None = None
    sound_problem: str | None = None

    @property
    def rooted(self) -> bool:
        """Whether commands can be run as root."""
        return self.root_problem is None


@dataclass
class Setup:
    """What ``arm`` works with.

    ``keep`` writes the journal to the disk: a route puts the value from before into
    ``journal.before`` and calls it, and only then changes that value on the phone. ``was_on``:
    Offhook had this route on already; what is in ``journal.before`` is from then, and stays.
    """

    consent: Consent
    options: Options
    journal: Journal
    keep: Callable[[], None]
    tell: Tell
    was_on: bool = False


@dataclass(frozen=True)
class RouteStatus:
    """What a route says of itself on one phone.

    ``state``: idle, ringing, offhook, recording, refused or failed, or None where it can't be
    told. ``notice``: the phone shows that capture is on. ``spooled``: recordings on the phone
    that it has not handed over yet, None where that is not known.
    """

    route: str
    installed: bool
    running: bool
    state: str | None = None
    notice: bool = False
    spooled: int | None = None
    problem: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        body = {name: value for name, value in vars(self).items() if name != "detail"}
        return body | self.detail


class Route(ABC):
    """One way of recording calls. No state of its own: that is on the phone, and in the journal.

    Each call may raise a PhoneError, or a CaptureError of its own.
    """

    name: ClassVar[str]
    what: ClassVar[str]
    """What it is, in a line."""
    needs: ClassVar[str]
    """What a phone must have for it, in a few words."""
    live: ClassVar[bool] = False
    """This computer records, while ``offhook watch`` runs; nothing is pulled."""

    @abstractmethod
    def probe(self, seen: Seen) -> Verdict:
        """Whether it works on a phone, on which nothing is changed for the answer."""

    @abstractmethod
    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """Turn it on; every call from now on is recorded. What fails halfway is taken back by
        the caller with :meth:`stop` and :meth:`disarm`, which must cope with that."""

    @abstractmethod
    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """No more capture; a call under way is finished and kept. Then its recordings are
        pulled. Without a journal: somebody else's computer turned it on."""

    @abstractmethod
    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """Give the phone back as it was; the names of what was compared with before.

        RestoreError names what can't be put back.
        """

    @abstractmethod
    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """What it does now."""

    def tend(self, phone: Phone, journal: Journal | None) -> None:  # noqa: B027 - a choice
        """See to what has to hold while it is on: a reboot takes the notification away. To be
        called now and then; CaptureError when it can't be had back."""

    @abstractmethod
    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """The folders on the phone where its recordings appear; none for a live route."""

    def announces(self, verdict: Verdict) -> How | None:
        """How others in a call can hear that it is recorded; None where this route can't."""
        return None

    def is_installed(self, phone: Phone, journal: Journal | None) -> bool:
        """Whether Offhook has it on this phone: cheaper than :meth:`status`."""
        return journal is not None and journal.route == self.name
