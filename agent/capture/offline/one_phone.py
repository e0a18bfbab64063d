"""Whether a folder's dumps can be one phone's. Files of several would give a plan of none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from agent.capture.alsa.families import FAMILIES
from agent.capture.alsa.hints import Hints, XmlFile
from agent.capture.offline.texts import Mixer

#: Words before a file's own name that name no phone.
_PLACES = frozenset(
    [
        "vendor",
        "odm",
        "etc",
        "system",
        "product",
        "my",
        "sound",
        "trigger",
        "stock",
        "orig",
        "original",
        "old",
        "new",
        "copy",
        "audio",
        "files",
    ]
)
_KNOWN = re.compile(
    r"(.*?)(mixer_paths|audio_platform_info|audio_platform_configuration|audio_device"
    r"|card-defs|resourcemanager|usecaseKvManager)",
    re.IGNORECASE,
)
_WHOSE = ("ro.build.fingerprint", "ro.product.manufacturer", "ro.product.model")
_MAKERS = {
    "audioreach": "Qualcomm",
    "qualcomm-adsp": "Qualcomm",
    "qualcomm-slimbus": "Qualcomm",
    "tensor": "Google",
    "exynos": "Samsung",
    "mediatek": "MediaTek",
    "hisilicon": "HiSilicon",
}
_MARKS = (
    ("Google", re.compile(r"Incall Capture Stream")),
    ("Samsung", re.compile(r"ABOX ")),
    ("MediaTek", re.compile(r".*PCM_2_CAP")),
    ("Qualcomm", re.compile(r"MultiMedia\d+ Mixer |.* Mixer MultiMedia\d+$")),
)
_ROOTS = {
    "audio_platform_info": "Qualcomm",
    "resource_manager_info": "Qualcomm",
    "graph_key_value_pair_info": "Qualcomm",
}


class Mixed(Exception):  # noqa: N818 - it is caught where it becomes an error
    """These are not one phone's files; the words say what differs."""


def check(
    phones: Mapping[str, Mapping[str, str]],
    mixers: Sequence[tuple[str, Mixer]],
    xml: Sequence[XmlFile],
    hints: Hints,
) -> None:
    """Raise Mixed when they can't be one phone's. Variants for other codecs are no reason."""
    _same_build(phones)
    _same_mixer(mixers)
    _same_names(xml)
    _same_maker(mixers, xml, hints)


def _same_build(phones: Mapping[str, Mapping[str, str]]) -> None:
    for key in _WHOSE:
        values = {said[key]: name for name, said in phones.items() if said.get(key)}
        if len(values) > 1:
            raise Mixed(" and ".join(f"{name} ({value})" for value, name in values.items()))


def _same_mixer(mixers: Sequence[tuple[str, Mixer]]) -> None:
    """Several lists of one card are alike; other cards of a phone have but a few controls."""
    large = [(name, mixer) for name, mixer in mixers if len(mixer.controls) >= 100]
    for (name, mixer), (other_name, other) in pairwise(large):
        mine, others = ({control.name for control in m.controls} for m in (mixer, other))
        if len(mine & others) * 2 < max(len(mine), len(others)):
            raise Mixed(f"the mixers in {name} and {other_name} have little in common")


def _same_names(xml: Sequence[XmlFile]) -> None:
    """``google_husky_mixer_paths.xml`` and ``google_felix_mixer_paths.xml`` are of two phones."""
    names: dict[frozenset[str], str] = {}
    for file in xml:
        match = _KNOWN.match(file.name)
        words = frozenset(re.split(r"[^a-z0-9]+", match[1].lower())) if match else frozenset()
        words -= _PLACES | {""}
        if words:
            names.setdefault(words, file.name)
    for words, name in names.items():
        for other, other_name in names.items():
            if not (words <= other or other <= words):
                raise Mixed(f"{name} and {other_name}")


def _same_maker(mixers: Sequence[tuple[str, Mixer]], xml: Sequence[XmlFile], hints: Hints) -> None:
    makers: dict[str, str] = {}
    for family in FAMILIES:
        if family.is_chip(hints):
            makers.setdefault(_MAKERS[family.name], f"getprop ({hints.chips[0]})")
    for name, mixer in mixers:
        if maker := _maker(control.name for control in mixer.controls):
            makers.setdefault(maker, name)
    for file in xml:
        if maker := _ROOTS.get(file.root) or _maker(file.controls):
            makers.setdefault(maker, file.name)
    if len(makers) > 1:
        raise Mixed(" and ".join(f"{name} is {maker}'s" for maker, name in makers.items()))


def _maker(names: Iterable[str]) -> str | None:
    names = list(names)
    return next((maker for maker, mark in _MARKS if any(map(mark.match, names))), None)
