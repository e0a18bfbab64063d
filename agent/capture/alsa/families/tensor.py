"""Google Tensor (Pixel 6 and later): the AOC's taps of a call."""

from __future__ import annotations

import re

from agent.capture.alsa.families.family import LOOK, Family, Seen, Tap
from agent.capture.route import Verdict
from agent.phone.helper import Pcm

_STREAM = re.compile(r"Incall Capture Stream([0-2])")
#: 0 serves VoIP too, and the HAL takes 1 for one channel: 2 is the one to take.
_ORDER = (2, 1, 0)
_BOTH = "UL_DL"


class Tensor(Family):
    """The enum ``Incall Capture StreamN`` and PCM ``audio_incall_cap_N``, which is 20 + N.

    Every stop of the PCM, an overrun's too, puts the enum back to Off, so it is held. Whether
    two channels hold the legs apart was never seen, so they are called mixed. Source:
    aoc_alsa_ctl.c, aoc_alsa_hw.c of the zuma kernel modules; recorded so on a Pixel 7 Pro.
    """

    name = "tensor"
    chips = r"gs101|gs201|zuma|laguna|tensor"
    sound_cards = r"google,aoc"
    pcms = r"^audio_incall_(cap|pb)_"
    roots = ("audio_platform_configuration",)

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        mixer = seen.mixer or {}
        streams = [n for n in _ORDER if f"Incall Capture Stream{n}" in mixer]
        if not streams:
            return None
        free = []
        for number in streams:
            control = mixer[f"Incall Capture Stream{number}"]
            if control.items and _BOTH not in control.items:
                continue
            if control.values and control.values[0] not in ("Off", _BOTH, ""):
                continue  # somebody else records with it
            free.append(number)
            pcm, named = _pcm(seen, number)
            if pcm is not None and named:
                return self.yes(f"{control.name} can take both legs of a call", _tap(number, pcm))
        if not free:
            return self.no(
                "every Incall Capture Stream is in use",
                instead="End what else records calls on this phone, then try again.",
            )
        for number in free:
            pcm, _ = _pcm(seen, number)
            if pcm is not None:
                why = f"Incall Capture Stream{number} can take both legs; that PCM {pcm.device} is "
                return self.maybe(why + "its own is inferred from other Pixels", _tap(number, pcm))
        return self.unless_listed(
            seen,
            f"Incall Capture Stream{free[0]} can take both legs, but its PCM is not in sight",
            _tap(free[0], None),
        )

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        files = [
            {
                int(match[1])
                for settings in file.paths.values()
                for name, value in settings
                if value == _BOTH and (match := _STREAM.fullmatch(name))
            }
            for file in seen.hints.roots("mixer")
        ]
        found = [streams for streams in files if streams]
        if found:
            agreed = set.intersection(*found) or found[0]
            number = next(n for n in _ORDER if n in agreed)
            pcm, _ = _pcm(seen, number)
            return self.maybe(
                f"the XML sets Incall Capture Stream{number}; the mixer was not seen",
                _tap(number, pcm) if pcm or seen.pcms is None else _unnumbered(number),
                instead=LOOK,
            )
        pcm = seen.capture(r"audio_incall_cap_2.*")
        if pcm is not None:
            return self.maybe(
                "the PCM of a call's tap is there; the mixer was not seen",
                Tap(pcm=pcm),
                instead=LOOK,
            )
        if seen.hints.names_control("Incall Capture Stream"):
            return self.maybe("the XML knows the controls, and no path sets both legs", Tap())
        return None


def _pcm(seen: Seen, number: int) -> tuple[Pcm | None, bool]:
    """A stream's PCM, and whether it has the name: else it is the one of that number."""
    named = seen.capture(rf"audio_incall_cap_{number}( .*)?")
    if named is not None:
        return named, True
    if any(re.match(r"audio_incall_", pcm.name) for pcm in seen.pcms or ()):
        return None, False  # this kernel does name them
    return seen.numbered(20 + number), False


def _tap(number: int, pcm: Pcm | None) -> Tap:
    controls = ((f"Incall Capture Stream{number}", _BOTH),)
    return Tap(controls, ("mixed",), 2, pcm, 20 + number)


def _unnumbered(number: int) -> Tap:
    return Tap(((f"Incall Capture Stream{number}", _BOTH),), ("mixed",), 2)
