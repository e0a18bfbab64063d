"""The ``alsa`` route: a plan computed from a phone's live mixer and its list of PCMs.

The numbers of PCMs differ from phone to phone, so they are found by name; what a phone's XML
files say is not asked. A family is one function and one row of :data:`FAMILIES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.capture.route import Plan, Verdict
from agent.phone.helper import Card, Control, Pcm

RATE = 48000

#: What to do on a phone whose kernel has no tap.
INSTEAD = (
    "Use a recorder that asks Android for the call's audio: install BCR's module, and add its "
    "folder (/sdcard/Android/data/com.chiller3.bcr/files) as a [[source]] in offhook.toml."
)


@dataclass(frozen=True)
class Sound:
    """One card of a phone: its mixer by control name, its own entry, its PCMs."""

    mixer: Mapping[str, Control]
    card: Card | None
    pcms: Sequence[Pcm]


def qualcomm(sound: Sound) -> Verdict | None:
    """Qualcomm's ADSP: ``MultiMediaN Mixer VOC_REC_UL`` and ``…_DL`` (msm8909 to sm8350).

    MultiMedia9 is preferred: MultiMedia1 is the ordinary recorder's front end, busy when an app
    records. ``Voc Rec Config`` 2 gives both legs apart, left = uplink; without it both legs are
    mixed. Source: q6voice.c and msm-pcm-routing-v2.c of MiCode's sm8250 audio kernel.
    """
    ends = sorted(
        {
            match[1]
            for name in sound.mixer
            if (match := re.fullmatch(r"(MultiMedia\d+) Mixer VOC_REC_(?:UL|DL)", name))
        },
        key=lambda end: (end != "MultiMedia9", int(end.removeprefix("MultiMedia"))),
    )
    if not ends:
        return None
    for end in ends:
        legs = [f"{end} Mixer VOC_REC_{leg}" for leg in ("UL", "DL")]
        pcm = next((p for p in sound.pcms if p.capture and p.name.split(" ")[0] == end), None)
        if pcm is None or not all(leg in sound.mixer for leg in legs):
            continue
        # On a DSP that mixes unless told otherwise, two channels would hold the same.
        stereo = "Voc Rec Config" in sound.mixer
        controls = [("Voc Rec Config", "2")] if stereo else []
        controls += [(leg, "on") for leg in legs]
        channels = ("uplink", "downlink") if stereo else ("mixed",)
        return Verdict(
            "alsa",
            True,
            f"{end} can take both legs of a call"
            + ("" if stereo else ", mixed: this kernel has no `Voc Rec Config`"),
            "qualcomm-adsp",
            Plan(
                "qualcomm-adsp",
                pcm.card,
                pcm.device,
                end,
                RATE,
                len(channels),
                channels,
                tuple(controls),
            ),
        )
    return Verdict(
        "alsa",
        False,
        f"the mixer has VOC_REC controls for {', '.join(ends)}, but no capture PCM of that name",
        "qualcomm-adsp",
        instead=INSTEAD,
    )


def tensor(sound: Sound) -> Verdict | None:
    """Google Tensor: the enum ``Incall Capture Stream2`` and PCM ``audio_incall_cap_2``.

    Stream 0 serves VoIP too, 1 has one channel for the HAL; 2 is the one to take. Every stop of
    the PCM, an overrun's too, puts the enum back to Off, so it is held. Source: aoc_alsa_ctl.c
    and aoc_alsa_hw.c of the zuma kernel modules. Whether two channels hold the legs apart was
    never seen, so they are called mixed.
    """
    streams = [n for n in (2, 1, 0) if f"Incall Capture Stream{n}" in sound.mixer]
    if not streams:
        return None
    for number in streams:
        control = sound.mixer[f"Incall Capture Stream{number}"]
        pcm = next(
            (
                p
                for p in sound.pcms
                if p.capture and p.name.startswith(f"audio_incall_cap_{number}")
            ),
            None,
        )
        if pcm is None or (control.items and "UL_DL" not in control.items):
            continue
        if control.values and control.values[0] not in ("Off", "UL_DL"):
            continue  # somebody else records with it
        return Verdict(
            "alsa",
            True,
            f"{control.name} can take both legs of a call",
            "tensor",
            Plan(
                "tensor",
                pcm.card,
                pcm.device,
                pcm.name.split(" ")[0],
                RATE,
                2,
                ("mixed",),
                ((control.name, "UL_DL"),),
            ),
        )
    return Verdict(
        "alsa",
        False,
        "every Incall Capture Stream is in use, or has no PCM",
        "tensor",
        instead="End what else records calls on this phone, then try again.",
    )


def exynos(sound: Sound) -> Verdict | None:
    """Samsung Exynos: known to have a tap, which this version does not drive."""
    if not any(name.startswith("ABOX ") for name in sound.mixer):
        return None
    return Verdict(
        "alsa", False, "Exynos (ABOX): not in this version of Offhook", "exynos", instead=INSTEAD
    )


def mediatek(sound: Sound) -> Verdict | None:
    """MediaTek: at most the far end can be tapped, and nobody has shown that it can."""
    if not any("PCM_2_CAP" in name for name in sound.mixer):
        return None
    return Verdict(
        "alsa",
        False,
        "MediaTek: the kernel offers the downlink at most, and that was never shown to work",
        "mediatek",
        instead=INSTEAD,
    )


def audioreach(sound: Sound) -> Verdict | None:
    """Qualcomm's AudioReach (SM8450 and later): the DSP's graph is built in user space.

    Source: the full mixer of a Galaxy S22, 391 controls, none of them for voice.
    """
    qualcomm_card = sound.card is not None and re.search(
        r"(mtp|qrd|idp|cdp|waipio|kalama|pineapple|sun|parrot|holi|blair).*snd-?card",
        sound.card.name,
    )
    front_ends = any(p.name.startswith("MultiMedia") for p in sound.pcms)
    if not qualcomm_card or front_ends:
        return None
    return Verdict(
        "alsa",
        False,
        "Qualcomm AudioReach: the call's audio never passes a kernel control on this chip",
        "audioreach",
        instead=INSTEAD,
    )


Family = Callable[[Sound], Verdict | None]

#: The families, asked in this order; the first that knows the phone answers.
FAMILIES: tuple[Family, ...] = (qualcomm, tensor, exynos, mediatek, audioreach)


def plan(
    controls: Mapping[int, Sequence[Control]], cards: Sequence[Card], pcms: Sequence[Pcm]
) -> Verdict:
    """The verdict for a phone: ``controls`` are each card's, by its number."""
    refused: Verdict | None = None
    for card, listed in controls.items():
        sound = Sound(
            {control.name: control for control in listed},
            next((c for c in cards if c.number == card), None),
            [pcm for pcm in pcms if pcm.card == card],
        )
        for family in FAMILIES:
            verdict = family(sound)
            if verdict is not None and verdict.possible:
                return verdict
            refused = refused or verdict
    if refused is not None:
        return refused
    if not cards:
        return Verdict("alsa", False, "the phone's kernel lists no sound card", instead=INSTEAD)
    return Verdict(
        "alsa",
        False,
        f"no family that is known: {', '.join(card.name for card in cards)}, "
        f"{sum(map(len, controls.values()))} controls, none that taps a call",
        instead=INSTEAD,
    )
