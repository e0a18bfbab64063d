"""HiSilicon (Kirin): nothing in public trees shows a tap."""

from __future__ import annotations

import re

from agent.capture.alsa.families.family import Family, Seen
from agent.capture.route import Verdict

_WHY = "HiSilicon: no control is known that taps a call on this chip"


class HiSilicon(Family):
    """Known, and refused."""

    name = "hisilicon"
    chips = r"hi[0-9]{4}|kirin"
    sound_cards = r"hi(si|36)"

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        card = bool(
            seen.card and re.match(rf"{self.chips}|{self.sound_cards}", seen.card.name.lower())
        )
        return self.no(_WHY) if card or self.is_chip(seen.hints) else None

    def by_name(self, seen: Seen, why: str) -> Verdict:
        """See :class:`Family`."""
        return self.no(f"{_WHY} ({why})")

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`: the chip's name is enough."""
        return self.no(_WHY) if self.is_chip(seen.hints) else None
