"""What a family of chips is, what it is asked about, and how it answers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from agent.capture.alsa.hints import Hints
from agent.capture.route import Plan, Verdict
from agent.phone.helper import Card, Control, Pcm

RATE = 48000

#: What to do on a phone whose kernel has no tap.
INSTEAD = (
    "Use a recorder that asks Android for the call's audio: BCR's module "
    "(`offhook enable --route bcr --bcr-zip FILE`), or scrcpy (`--route voicecall`)."
)
LOOK = "Run `tinymix` and `cat /proc/asound/pcm` on the phone as root, and put both beside it."


@dataclass(frozen=True)
class Seen:
    """One card of a phone, or what is known of it.

    ``mixer`` is the live mixer by control name, None where it was not seen. ``pcms`` are the
    card's PCMs, or all where no mixer was seen; None where the list was not. ``everywhere``: the
    PCMs of all cards; ``cards``: those cards. ``hints`` are the chip's name and the XML files:
    never the truth, and asked only for what the kernel does not say.
    """

    mixer: Mapping[str, Control] | None = None
    card: Card | None = None
    pcms: Sequence[Pcm] | None = None
    hints: Hints = field(default_factory=Hints)
    everywhere: Sequence[Pcm] = ()
    cards: Sequence[Card] = ()

    @property
    def captures(self) -> list[Pcm]:
        """The PCMs that can capture; none, where the list was not seen."""
        return [pcm for pcm in self.pcms or () if pcm.capture]

    def capture(self, pattern: str) -> Pcm | None:
        """The first PCM that can capture and whose name fits the pattern as a whole."""
        return next((p for p in self.captures if re.fullmatch(pattern, base_name(p))), None)

    def numbered(self, device: int) -> Pcm | None:
        """The PCM of that number, if it can capture."""
        return next((p for p in self.captures if p.device == device), None)


def base_name(pcm: Pcm) -> str:
    """A PCM's name without the mark of a front end: ``MultiMedia9`` of ``MultiMedia9 (*)``."""
    return pcm.name.removesuffix("(*)").strip()


@dataclass(frozen=True)
class Tap:
    """How a family would capture, as far as it is known.

    ``channels`` names the file's channels in their order; ``count`` is how many the PCM is
    opened with. ``number`` is a PCM's number that a file names, where no list was seen.
    """

    controls: tuple[tuple[str, str], ...] = ()
    channels: tuple[str, ...] = ()
    count: int = 1
    pcm: Pcm | None = None
    number: int | None = None


class Family(ABC):
    """A family of chips: how it is recognised, and how its calls are tapped."""

    name: ClassVar[str]
    chips: ClassVar[str]
    """A pattern for ``ro.board.platform`` and the like, lower case."""
    sound_cards: ClassVar[str] = r"(?!)"
    """A pattern for a card's name, lower case, where that is not the chip's."""
    pcms: ClassVar[str] = r"(?!)"
    """A pattern for names of PCMs that only this family's drivers give."""
    roots: ClassVar[tuple[str, ...]] = ()
    """The outermost tags of XML files that only this maker's audio HAL reads."""

    @abstractmethod
    def live(self, seen: Seen) -> Verdict | None:
        """The verdict from a live mixer; None when it is not this family's."""

    @abstractmethod
    def hinted(self, seen: Seen) -> Verdict | None:
        """The verdict without a live mixer; None when no file speaks for this family."""

    def is_chip(self, hints: Hints) -> bool:
        """Whether the phone's chip, by its name, is one of this family's."""
        return any(re.match(self.chips, chip) for chip in hints.chips)

    def named(self, seen: Seen) -> str | None:
        """What tells that the phone is of this family, where no mixer and no path does."""
        if self.is_chip(seen.hints):
            return "the chip is one of those"
        for card in seen.cards:
            if re.match(rf"{self.chips}|{self.sound_cards}", card.name.lower()):
                return f"the sound card is {card.name}"
        for pcm in seen.everywhere:
            if re.search(self.pcms, pcm.name):
                return f"a PCM is called {pcm.name}"
        for file in seen.hints.roots(*self.roots):
            return f"{file.name} is of that kind, and says nothing of recording calls"
        return None

    def by_file_name(self, seen: Seen) -> str | None:
        """The last resort: mixer_paths_parrot_qrd.xml says in its name what it is for."""
        for file in seen.hints.xml:
            for word in re.split(r"[^a-z0-9]+", file.name.lower()):
                if re.match(self.chips, word):
                    return f"{file.name} is for one of those, by its name"
        return None

    def by_name(self, seen: Seen, why: str) -> Verdict:
        """The verdict when such a name is all that is known."""
        return self.maybe(f"{why}; the mixer was not seen", Tap(), instead=LOOK)

    def yes(self, reason: str, tap: Tap) -> Verdict:
        """Phones like this one have been recorded this way."""
        return self._answer(True, reason, tap, None)

    def maybe(self, reason: str, tap: Tap, *, instead: str | None = None) -> Verdict:
        """It is worth a try."""
        return self._answer(None, reason, tap, instead)

    def no(self, reason: str, *, instead: str = INSTEAD) -> Verdict:
        """It can't work, because …"""
        return self._answer(False, reason, Tap(), instead)

    def unless_listed(self, seen: Seen, reason: str, tap: Tap) -> Verdict:
        """Without a PCM to open: a "no" where the list of PCMs was seen, else worth a try."""
        if seen.pcms is not None:
            return self.no(reason)
        return self.maybe(f"{reason.rstrip('.')}: /proc/asound/pcm was not seen", tap, instead=LOOK)

    def _answer(self, possible: bool | None, reason: str, tap: Tap, instead: str | None) -> Verdict:
        return answer(self.name, possible, reason, tap, instead)


def answer(
    family: str | None, possible: bool | None, reason: str, tap: Tap, instead: str | None
) -> Verdict:
    """A verdict that always has the same fields: what is not known is None or empty."""
    plan, detail = None, {}
    if tap.pcm is not None:
        plan = Plan(
            family or "",
            tap.pcm.card,
            tap.pcm.device,
            base_name(tap.pcm),
            RATE,
            tap.count,
            tap.channels,
            tap.controls,
        )
    else:
        detail = {
            "card": None,
            "pcm": tap.number,
            "pcm_name": None,
            "rate": RATE if tap.channels else None,
            "channels": list(tap.channels),
            "controls": [{"name": name, "value": value} for name, value in tap.controls],
        }
    return Verdict("alsa", possible, reason, family, plan, instead, tap.channels, detail=detail)
