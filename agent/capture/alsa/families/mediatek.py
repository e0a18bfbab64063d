"""MediaTek: what comes from the modem can be sent to a capture front end as well."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent.capture.alsa.families.family import INSTEAD, LOOK, Family, Seen, Tap
from agent.capture.route import Verdict

#: Memory interface -> the names that its PCM has been seen with. The first is preferred.
_ENDS = {
    "UL2": r"Capture_2|UL2(_FE)?|UL2[ _]Capture(_2)?",
    "UL_MONO_1": r"(UL8 )?Capture_Mono_1|UL_MONO_1.*",
}
_MODEM = re.compile(r"(UL2|UL_MONO_1)_CH[12] PCM_2_CAP_CH1")
_WHY = "the modem's sound can be sent to {end}: the far end only, and never shown to work"


class MediaTek(Family):
    """``UL2_CHn PCM_2_CAP_CH1`` or ``UL_MONO_1_CH1 PCM_2_CAP_CH1``: the downlink, unproven.

    The uplink goes to the modem from the microphone's side and passes no such point. Source:
    ``MD1_TO_CAPTURE2`` and ``MD1_TO_CAPTURE_MONO_1`` of several phones' audio_device.xml.
    """

    name = "mediatek"
    chips = r"mt[0-9]{4}|k[0-9]+v[0-9]"
    sound_cards = r"mt-?snd"
    pcms = r"\bmt-soc-"

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        mixer = seen.mixer or {}
        card = seen.card.name if seen.card else ""
        if not any("PCM_2_CAP" in name for name in mixer):
            if self.is_chip(seen.hints) or re.match(
                rf"{self.chips}|{self.sound_cards}", card.lower()
            ):
                return self.no("the mixer has no way from the modem (PCM_2_CAP) to a capture PCM")
            return None
        ends = _controls(mixer)
        for end, controls in ends.items():
            pcm = seen.capture(_ENDS[end])
            if pcm is not None:
                tap = Tap(controls, ("downlink",), 1, pcm)
                return self.maybe(_WHY.format(end=end), tap, instead=INSTEAD)
        if not ends:
            return self.no("the modem's sound (PCM_2_CAP) goes to no capture PCM that is known")
        end, controls = next(iter(ends.items()))
        reason = f"the modem's sound can be sent to {end}, but no PCM has a name of its"
        return self.unless_listed(seen, reason, Tap(controls, ("downlink",), 1))

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        files = [f for f in seen.hints.xml if any("PCM_2_CAP" in name for name in f.controls)]
        if not files:
            if any(file.root == "root" and file.controls for file in seen.hints.xml):
                return self.no("the XML has no way from the modem (PCM_2_CAP) to a capture PCM")
            return None
        common = set.intersection(*(set(file.controls) for file in files))
        ends = _controls(common)
        if not ends:
            return self.no("the XML sends the modem's sound (PCM_2_CAP) to no capture PCM known")
        for end, controls in ends.items():
            pcm = seen.capture(_ENDS[end])
            if pcm is not None:
                return self.maybe(_WHY.format(end=end), Tap(controls, ("downlink",), 1, pcm))
        end, controls = next(iter(ends.items()))
        tap = Tap(controls, ("downlink",), 1)
        return self.maybe(f"by the XML, {_WHY.format(end=end)}", tap, instead=LOOK)


def _controls(names: Iterable[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Memory interface -> what sends the modem's sound there, in the order of preference."""
    found = sorted(name for name in names if _MODEM.fullmatch(name))
    ends = {
        end: tuple((name, "on") for name in found if name.startswith(f"{end}_CH")) for end in _ENDS
    }
    return {end: controls for end, controls in ends.items() if controls}
