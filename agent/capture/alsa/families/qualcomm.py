"""Qualcomm's ADSP (msm8974, msm8909 … sm8350): a front end that takes the legs of a call."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent.capture.alsa.families.family import LOOK, Family, Seen, Tap, base_name
from agent.capture.alsa.hints import XmlFile
from agent.capture.route import Verdict
from agent.phone.helper import Pcm

_LEG = re.compile(r"(MultiMedia\d+) Mixer VOC_REC_(UL|DL)")
_STEREO = "Voc Rec Config"
#: What the HAL sets for a PCM; those that end in ``-compress`` are for its compressed recorder.
_PATHS = ("incall-rec-uplink", "incall-rec-downlink", "incall-rec-uplink-and-downlink")
_USECASE = "USECASE_INCALL_REC_"


class Qualcomm(Family):
    """``MultiMediaN Mixer VOC_REC_UL`` and ``…_DL``.

    MultiMedia9 is preferred: MultiMedia1 is the ordinary recorder's front end, busy when an app
    records. With ``Voc Rec Config`` 2 and both legs, left is the uplink; without it both legs
    are mixed. ``Voc VSID`` stays as it is: -1 means every session. Source: q6voice.c and
    msm-pcm-routing-v2.c of MiCode's sm8250 audio kernel; recorded so on several phones.
    """

    name = "qualcomm-adsp"
    chips = (
        r"msm(?!8960|8660)[0-9]|msmnile|sdm|sm4[1-3]|sm6|sm7[1-3]|sm8[123]|apq80(16|17|53|74|96|98)"
        r"|qc[sm][0-9]|kona|lito|bengal|trinket|atoll|holi|blair|lahaina|shima|yupik|lagoon|khaje"
    )
    roots = ("audio_platform_info",)

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        mixer = seen.mixer or {}
        ends = _in_order(match[1] for name in mixer if (match := _LEG.fullmatch(name)))
        if not ends:
            return self._without_tap(seen)
        stereo = _STEREO in mixer
        whole = [end for end in ends if all(leg in mixer for leg in _legs(end))]
        for end in whole:
            pcm = seen.capture(end)
            if pcm is not None:
                mixed = "" if stereo else f", mixed: this kernel has no `{_STEREO}`"
                return self.yes(
                    f"{end} can take both legs of a call{mixed}", _tap(end, stereo, pcm)
                )
        if not whole:
            return self.no(f"the mixer has one leg of a call only, for {', '.join(ends)}")
        if seen.pcms is None:
            tap = _tap(whole[0], stereo, None, _number(seen))
            return self.unless_listed(seen, f"{whole[0]} can take both legs of a call", tap)
        return self.no(
            f"the mixer has VOC_REC controls for {', '.join(whole)}, but no capture PCM of that name"
        )

    def _without_tap(self, seen: Seen) -> Verdict | None:
        mixer = seen.mixer or {}
        if "Incall Rec Mode" in mixer or not any(
            re.search(r"Mixer MultiMedia\d+$|^MultiMedia\d+ Mixer ", name) for name in mixer
        ):
            return None
        return self.no(
            "the mixer has MultiMedia front ends, but none takes VOC_REC: no tap of calls"
        )

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        hints = seen.hints
        mixers = [file for file in hints.roots("mixer") if any(p in file.paths for p in _PATHS)]
        ends = [_ends(file) for file in mixers]
        if any(ends):
            agreed = set.intersection(*(e for e in ends if e))
            if not agreed:
                names = ", ".join(_in_order(set[str]().union(*ends)))
                return self.maybe(
                    f"the XML files differ on the front end ({names}), and the mixer was not seen",
                    Tap(number=_number(seen)),
                    instead=LOOK,
                )
            end = _in_order(agreed)[0]
            pcm = seen.capture(end)
            why = f"the XML has {end} take both legs of a call; the mixer was not seen, "
            why += f"which tells whether they can be apart (`{_STEREO}`)"
            if seen.pcms is not None and pcm is None:
                why += f", and no capture PCM is called {end}"
            number = _number(seen) if seen.pcms is None else None
            return self.maybe(why, _tap(end, False, pcm, number), instead=LOOK)
        fronts = any(re.search(r"\bMultiMedia\d", n) for f in hints.xml for n in f.controls)
        sets = {name for file in mixers for p in _PATHS for name, _ in file.paths.get(p, ())}
        if mixers and fronts and not sets:
            return self.no(
                "the XML has paths that record calls, but they are empty: nothing is set"
            )
        if mixers and (not fronts or any(re.search(r"Mixer SLIM_\d_TX$", name) for name in sets)):
            return None
        if (
            fronts
            or any(name.startswith(_USECASE) for file in hints.xml for name in file.usecases)
            or any(re.fullmatch(r"MultiMedia\d+", base_name(p)) for p in seen.captures)
        ):
            return self._unnamed(seen)
        return None

    def _unnamed(self, seen: Seen) -> Verdict:
        number, nine = _number(seen), seen.capture("MultiMedia9")
        why = "this is the family, but no file names the controls, and the mixer was not seen"
        if nine is not None:
            return self.maybe(f"{why}; MultiMedia9 is there", Tap(pcm=nine), instead=LOOK)
        if number is not None and seen.pcms is None:
            why += f"; the XML has calls on PCM {number}"
            return self.maybe(why, Tap(number=number), instead=LOOK)
        return self.maybe(why, Tap(), instead=LOOK)


def _in_order(ends: Iterable[str]) -> list[str]:
    """Front ends, the one to be preferred first."""
    return sorted(
        set(ends), key=lambda e: (e != "MultiMedia9", int(e.removeprefix("MultiMedia")[:6]))
    )


def _legs(end: str) -> list[str]:
    return [f"{end} Mixer VOC_REC_{leg}" for leg in ("UL", "DL")]


def _tap(end: str, stereo: bool, pcm: Pcm | None, number: int | None = None) -> Tap:
    # On a DSP that mixes unless told otherwise, two channels would hold the same.
    controls = [(_STEREO, "2")] if stereo else []
    controls += [(leg, "on") for leg in _legs(end)]
    channels = ("uplink", "downlink") if stereo else ("mixed",)
    return Tap(tuple(controls), channels, len(channels), pcm, number)


def _ends(file: XmlFile) -> set[str]:
    """The front ends to which a file's paths give both legs."""
    named = {name for path in _PATHS for name, _ in file.paths.get(path, ())}
    ends = {match[1] for name in named if (match := _LEG.fullmatch(name))}
    return {end for end in ends if named.issuperset(_legs(end))}


def _number(seen: Seen) -> int | None:
    """The PCM that the XML has calls on; None when files differ, or say nothing."""
    return seen.hints.agreed(
        number
        for file in seen.hints.xml
        for name, number in file.usecases.items()
        if name.startswith(_USECASE)
    )
