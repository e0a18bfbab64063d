"""Qualcomm's AudioReach (SM8450 and later): the DSP's graph is built in user space."""

from __future__ import annotations

import re

from agent.capture.alsa.families.family import Family, Seen
from agent.capture.route import Verdict

_CARD = (
    r"(waipio|diwali|kalama|pineapple|sun|parrot|ravelin|cliffs|crow|anorak|canoe|niobe)\b"
    r".*snd-?card"
)
_WHY = "Qualcomm AudioReach: the call's audio never passes a kernel control on this chip"
_ROOTS = ("resource_manager_info", "graph_key_value_pair_info")


class AudioReach(Family):
    """No tap in ALSA. Source: the full mixer of a Galaxy S22, 391 controls, none for voice."""

    name = "audioreach"
    chips = (
        r"taro|diwali|kalama|pineapple|sun$|parrot|ravelin|cliffs|crow|anorak|canoe|niobe"
        r"|sm84[5-9]|sm8475|sm8[5-9]|sm64[5-9]|sm6[5-9]|sm74[3-9]|sm7[5-9]"
    )
    sound_cards = _CARD
    pcms = r"^(CODEC_DMA|MI2S|TDM)-LPAIF"
    roots = _ROOTS

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        mixer = seen.mixer or {}
        card = bool(seen.card and re.search(_CARD, seen.card.name))
        # Its back ends are named so, on cards of any name.
        graph = any(re.match(r"(CODEC_DMA|MI2S|TDM)-LPAIF", name) for name in mixer)
        fronts = any(pcm.name.startswith("MultiMedia") for pcm in seen.pcms or ())
        if not (card or graph) or fronts or any(" Mixer VOC_REC_" in name for name in mixer):
            return None
        return self.no(_WHY)

    def by_name(self, seen: Seen, why: str) -> Verdict:
        """See :class:`Family`: the chip's name is enough."""
        return self.no(f"{_WHY} ({why})")

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        hints = seen.hints
        if self.is_chip(hints):
            return self.no(_WHY)
        files = hints.roots(*_ROOTS) + [f for f in hints.roots("defs") if "card" in f.name.lower()]
        if files:
            return self.no(f"{_WHY} ({', '.join(sorted(file.name for file in files))})")
        empty = [
            file
            for file in hints.roots("mixer")
            if any(path.startswith("incall-rec-") for path in file.paths)
            and not any(file.paths.values())
            and not any(re.search(r"MultiMedia\d|^ABOX ", name) for name in file.controls)
        ]
        if empty:
            return self.no(f"{_WHY}: the XML's paths that record calls are empty")
        return None
