"""Qualcomm's older phones (apq8064, apq8084): the call arrives on a Slimbus port."""

from __future__ import annotations

import re

from agent.capture.alsa.families.family import LOOK, Family, Seen, Tap
from agent.capture.route import Verdict
from agent.phone.helper import Control

_PORT = re.compile(r"MultiMedia1 Mixer SLIM_\d_TX")
_MODE = "Incall Rec Mode"
#: The port differs from chip to chip, and a mixer has them all.
_PORTS = {"apq8084": "MultiMedia1 Mixer SLIM_6_TX", "apq8064": "MultiMedia1 Mixer SLIM_4_TX"}


class Slimbus(Family):
    """``Incall Rec Mode`` and ``MultiMedia1 Mixer SLIM_N_TX``.

    The port is the one that the XML names, or the chip's. Source: the Nexus 6's mixer_paths.xml,
    the apq8084 kernel's machine driver, and the table of an old recorder; tried by nobody here.
    """

    name = "qualcomm-slimbus"
    chips = r"apq80(64|84)|msm8960|mdm9x15"

    def live(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        mixer = seen.mixer or {}
        if _MODE not in mixer:
            return None
        words = " ".join((*seen.hints.chips, seen.card.name.lower() if seen.card else ""))
        ports = [port for chip, port in _PORTS.items() if chip in words]
        port = _port_in_xml(seen) or (ports[0] if ports else None)
        if port is None or port not in mixer:
            return self.no(
                f"the mixer has `{_MODE}`, but which Slimbus port has the call is not known"
            )
        pcm = seen.capture("MultiMedia1")
        tap = Tap(((port, "on"), (_MODE, _on(mixer[_MODE]))), ("mixed",), 1, pcm)
        if pcm is None:
            return self.unless_listed(seen, "there is no capture PCM called MultiMedia1", tap)
        return self.maybe(f"the way of apq8064 and apq8084: `{_MODE}`, never tried here", tap)

    def hinted(self, seen: Seen) -> Verdict | None:
        """See :class:`Family`."""
        port = _port_in_xml(seen)
        if port is None:
            return None
        tap = Tap(((port, "on"),), ("mixed",), 1, seen.capture("MultiMedia1"))
        return self.maybe(
            f"the XML has calls on {port}; whether the kernel wants `{_MODE}` too, "
            "the mixer tells, which was not seen",
            tap,
            instead=LOOK,
        )


def _port_in_xml(seen: Seen) -> str | None:
    ports = {
        name
        for file in seen.hints.roots("mixer")
        for path, settings in file.paths.items()
        if path.startswith("incall-rec-")
        for name, _ in settings
        if _PORT.fullmatch(name)
    }
    return ports.pop() if len(ports) == 1 else None


def _on(control: Control) -> str:
    return "1" if control.kind == "int" else "on"
