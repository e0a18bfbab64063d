"""Samsung Exynos: a PCM that always has the call, a graph to be set, or the ordinary capture."""

from __future__ import annotations

import re

from agent.capture.alsa.families.family import LOOK, Family, Seen, Tap
from agent.capture.alsa.hints import Settings
from agent.capture.route import Verdict
from agent.phone.helper import Pcm

#: The opposite of Qualcomm's order. Source: a reading of the HAL, not a recording.
_LEGS = ("downlink", "uplink")
_CALL_REC = r"(?i).*call[ _-]?rec.*"
#: Chip -> number of its call-rec PCM. Source: `call_rec_capture_link` of S8, A50 and Note 9.
_LINKS = {"8895": 19, "9610": 19, "9810": 24}
#: The 990 wires its recorder by controls, to PCM 115. Source: the S20 Ultra's mixer_paths.xml.
_GRAPH = (
    ("ABOX CALLREC_A", "MCD_RXSE"),
    ("ABOX CALLREC_B", "MCD_TXSE2"),
    ("ABOX VPCMIN_DAI5_A", "CALLREC"),
)
_GRAPH_PCM = 115
#: Before ABOX: the codec mixes the far end into what the microphones' PCM captures.
_MIXED = ("AIF1TX1 Input 2", "AIF1TX2 Input 2")
_OLD = r"exynos(5|7420|8890)|universal(5433|7420|8890)"
_ALL_PATH = "incall-rec-uplink-and-downlink"


class Exynos(Family):
    """Three generations, none of which was recorded in public: each is worth a try, no more.

    7420 and 8890 have the call in the ordinary capture PCM for as long as it lasts. 8895, 9610
    and 9810 have a PCM of its own, always wired, on a card that differs; the 990 has a graph.
    """

    name = "exynos"
    chips = r"(samsung)?exynos|universal[0-9]|s5e[0-9]|erd[0-9]"

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        mixer = seen.mixer or {}
        abox = any(name.startswith("ABOX ") for name in mixer)
        if not abox:
            if all(name in mixer for name in _MIXED) and self._is_old(seen):
                return self._ordinary(seen)
            return self.no("no tap is known on this Exynos") if self.is_chip(seen.hints) else None
        if all(name in mixer for name, _ in _GRAPH):
            for name, value in _GRAPH:
                if mixer[name].items and value not in mixer[name].items:
                    return self.no(f"{name} does not know {value}, which records calls on a 990")
            return self._graph(seen)
        return self._link(seen)

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        hints = seen.hints
        if all(hints.names_control(name) for name, _ in _GRAPH):
            return self._graph(seen)
        if _xml_link(seen) is not None:
            return self._link(seen)
        taps = any(
            path.startswith("incall_") and name in _MIXED
            for file in hints.roots("mixer")
            for path, settings in file.paths.items()
            for name, _ in settings
        )
        if taps:
            return self._ordinary(seen)
        if not hints.names_control("ABOX "):
            return None
        if seen.pcms is not None:
            return self._link(seen)
        return self.maybe("the XML names no call-rec PCM; the mixer was not seen", Tap())

    def _is_old(self, seen: Seen) -> bool:
        return any(re.match(_OLD, chip.removeprefix("samsung")) for chip in seen.hints.chips)

    def _graph(self, seen: Seen) -> Verdict:
        pcm = seen.numbered(_GRAPH_PCM)
        tap = Tap(_GRAPH, _LEGS, 2, pcm, _GRAPH_PCM)
        why = "the 990's CALLREC graph, as its audio HAL sets it"
        if seen.mixer is None:
            return self.maybe(f"{why}, by the XML; the mixer was not seen", tap, instead=LOOK)
        if pcm is None:
            return self.unless_listed(seen, f"{why}, but PCM {_GRAPH_PCM} is not in sight", tap)
        return self.maybe(f"{why}; not proven", tap)

    def _link(self, seen: Seen) -> Verdict:
        controls = _xml_controls(seen)
        captures = [pcm for pcm in seen.everywhere if pcm.capture]
        named = [pcm for pcm in captures if re.fullmatch(_CALL_REC, pcm.name)]
        number = _xml_link(seen)
        by = "the XML"
        if number is None:
            found = {n for chip, n in _LINKS.items() if any(chip in c for c in seen.hints.chips)}
            number, by = (found.pop() if len(found) == 1 else None), "other phones of this chip"
        numbered = [pcm for pcm in captures if pcm.device == number]
        pcms = named or _preferred(seen, numbered)
        needs = "" if controls else ", without a control to set"
        if not pcms:
            tap = Tap(controls, _LEGS, 2, None, None if seen.pcms else number)
            if number is None:
                return self.unless_listed(seen, "no PCM is called call-rec", tap)
            why = f"calls would be on PCM {number}, by {by}{needs}"
            if seen.pcms is not None:
                return self.no(f"{why}, but no card can capture there")
            return self.maybe(f"{why}; on which card is not known", tap, instead=LOOK)
        pcm = pcms[0]
        if seen.mixer is not None and seen.card is not None and pcm.card != seen.card.number:
            controls = ()  # a plan has one card, and those would be on the mixer's
        tap = Tap(controls, _LEGS, 2, pcm)
        known = "by its name" if named else f"by its number, from {by}"
        return self.maybe(
            f"a PCM has the call at all times{needs} (found {known}; not proven)", tap
        )

    def _ordinary(self, seen: Seen) -> Verdict:
        number = seen.hints.agreed(f.links.get("capture_link") for f in seen.hints.roots("mixer"))
        pcm = seen.numbered(number or 0)
        tap = Tap((), ("mixed",), 2, pcm, number)
        why = "in a call, the ordinary capture PCM has both ends mixed"
        if pcm is None:
            return self.unless_listed(seen, f"{why}, but which PCM that is can't be seen", tap)
        return self.maybe(f"{why} (not proven)", tap)


def _preferred(seen: Seen, pcms: list[Pcm]) -> list[Pcm]:
    """Several cards may have a PCM of that number: the XML's, else one that is not the mixer's."""
    dump = seen.hints.agreed(f.links.get("abox_pcm_dump_card") for f in seen.hints.roots("mixer"))
    mine = seen.card.number if seen.card else 0
    return sorted(pcms, key=lambda pcm: (pcm.card != dump, pcm.card == mine, pcm.card))


def _xml_link(seen: Seen) -> int | None:
    return seen.hints.agreed(
        f.links.get("call_rec_capture_link") for f in seen.hints.roots("mixer")
    )


def _xml_controls(seen: Seen) -> Settings:
    """Some builds do set controls in the path that records both legs; most leave it empty."""
    found = {file.paths[_ALL_PATH] for file in seen.hints.roots("mixer") if _ALL_PATH in file.paths}
    settings = found.pop() if len(found) == 1 else ()
    mixer = seen.mixer
    return settings if mixer is None or all(name in mixer for name, _ in settings) else ()
