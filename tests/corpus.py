"""Files of real phones, which are not in this repository, and what `doctor --from` has to say of
them. `python -m tests.corpus` prints the table.

What is expected was written by hand, from a list of what each phone's XML sets in a call; it was
not taken from what Offhook says.
"""
# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.capture.offline.verdicts import diagnose_dumps
from agent.errors import UsageError

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
_KIND = re.compile(
    r"_(mixer_paths|audio_platform_info|audio_platform_configuration|card-defs|resourcemanager"
    r"|usecaseKvManager)"
)


@dataclass(frozen=True)
class Said:
    """The verdict of the `alsa` route, as far as it is checked."""

    family: str | None
    possible: bool | None
    pcm: int | None = None
    controls: tuple[tuple[str, str], ...] = ()
    channels: tuple[str, ...] = ()


def _qualcomm(end: int | None, pcm: int | None) -> Said:
    """The XML sets both legs of a front end, the uplink first. Whether they can be had apart, only
    the live mixer tells: they are called mixed."""
    if end is None:
        return Said("qualcomm-adsp", None, pcm)
    legs = tuple((f"MultiMedia{end} Mixer VOC_REC_{leg}", "on") for leg in ("UL", "DL"))
    return Said("qualcomm-adsp", None, pcm, legs, ("mixed",))


#: PCM 20 + N is stream N's, and 2 is the one that nobody else uses.
_TENSOR = Said("tensor", None, 22, (("Incall Capture Stream2", "UL_DL"),), ("mixed",))
_REFUSED = Said("audioreach", False)

DEVICES = {
    "essential_mata": _qualcomm(1, None),
    "google_crosshatch-blueline": _qualcomm(1, None),
    "oneplus_sdm845-common": _qualcomm(1, None),
    "xiaomi_sdm845-common": _qualcomm(1, None),
    "oneplus_guacamole": _qualcomm(9, 27),
    "google_sunfish": _qualcomm(9, 27),
    "sony_sm8250-common": _qualcomm(9, 23),
    "oneplus_sm8250-common": _qualcomm(None, 23),
    "fairphone_FP4": _qualcomm(9, 23),
    "fairphone_FP5": _qualcomm(9, 23),
    "motorola_miami": _qualcomm(9, 23),
    "xiaomi_psyche": _qualcomm(9, 23),
    "lge_timelm": _qualcomm(1, None),
    "caf_msm8953": _qualcomm(9, 14),
    "caf_msm8937": _qualcomm(9, 14),
    "caf_msm8916": _qualcomm(1, None),
    "caf_msm8909": _qualcomm(1, None),
    "caf_sdm660": _qualcomm(9, None),
    "caf_trinket": _qualcomm(None, 27),
    "caf_msmnile": _qualcomm(None, 27),
    "caf_kona": _qualcomm(9, 23),
    "google_oriole": _TENSOR,
    "google_raven": _TENSOR,
    "google_bluejay": _TENSOR,
    "google_panther": _TENSOR,
    "google_cheetah": _TENSOR,
    "google_felix": _TENSOR,
    "google_husky": _TENSOR,
    "google_shiba": _TENSOR,
    "google_akita": _TENSOR,
    "google_tokay-hidl": _TENSOR,
    "google_caiman": _TENSOR,
    "google_komodo": _TENSOR,
    "arpal_blair": _REFUSED,
    "arpal_holi": _REFUSED,
    "arpal_parrot": _REFUSED,
}
#: A mixer of these, by itself, is like any other of Qualcomm's.
_ALONE = {"arpal_blair": _qualcomm(9, None), "arpal_holi": _qualcomm(9, None)}

_KLTE = (("MultiMedia1 Mixer VOC_REC_UL", "on"), ("MultiMedia1 Mixer VOC_REC_DL", "on"))
DUMPS: dict[str, Said] = {
    # A live mixer without `Voc Rec Config`; the list of PCMs is not there.
    "tinymix_samsung_klte_msm8974.txt": Said("qualcomm-adsp", None, None, _KLTE, ("mixed",)),
    "tinymix_samsung_r0q_sm8450_waipio.txt": _REFUSED,
    "getprop_google_husky.txt": Said("tensor", None),
    "getprop_xiaomi_fleur_mt6781.txt": Said("mediatek", None),
    "getprop_xiaomi_psyche_sm8250.txt": Said("qualcomm-adsp", None),
    "getprop_huawei_g700_mt6589.txt": Said("mediatek", None),
    "getprop_xiaomi_pipa_sm8250.txt": Said("qualcomm-adsp", None),
    "asound_sdm845_lineage22_excerpt.txt": Said("qualcomm-adsp", None),
    "asound_sdm660_pcm_excerpt.txt": Said("qualcomm-adsp", None),
    "asound_sdm660_cards.txt": Said("qualcomm-adsp", None),
    "asound_mtk_mt8163_checkers_pcm_info.txt": Said("mediatek", None),
}
"""The others of the folder say nothing of a phone's sound, and are refused."""


def groups() -> dict[str, list[Path]]:
    """Each device's files, as the list of them says."""
    found: dict[str, list[Path]] = {}
    with (DATA / "mixer/MANIFEST.tsv").open() as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            match = _KIND.search(row["file"])
            assert match, row["file"]
            device = row["file"][: match.start()]
            found.setdefault(device, []).append(DATA / "mixer" / row["file"])
    return found


def alone(device: str, file: Path) -> Said:
    """What one file of a device's says by itself."""
    whole = DEVICES[device]
    if "mixer_paths" in file.name:
        whole = _ALONE.get(device, whole)
        # A stream of Tensor's tells its PCM; elsewhere the number is in the other file.
        pcm = whole.pcm if whole.family == "tensor" else None
        return Said(whole.family, whole.possible, pcm, whole.controls, whole.channels)
    if whole.possible is False:
        return whole
    pcm = whole.pcm if "audio_platform_info" in file.name else None
    return Said(whole.family, whole.possible, pcm)


def ask(path: Path) -> tuple[Said | None, str]:
    """The verdict and its reason; None and the error where it is refused altogether."""
    try:
        verdict: dict[str, Any] = diagnose_dumps(path).as_dict()["routes"][0]
    except UsageError as error:
        return None, error.message
    said = Said(
        verdict["family"],
        verdict["possible"],
        verdict["pcm"],
        tuple((control["name"], control["value"]) for control in verdict["controls"]),
        tuple(verdict["channels"]),
    )
    return said, verdict["reason"]


def ask_together(files: list[Path]) -> tuple[Said | None, str]:
    """The same of several files in one folder."""
    with tempfile.TemporaryDirectory(prefix="offhook-corpus-") as folder:
        for file in files:
            shutil.copy(file, folder)
        return ask(Path(folder))


def table() -> Iterator[str]:
    """Markdown: what is said of each device, and whether that is what is expected."""
    yield "| device | family | possible | pcm | controls | channels | as expected |"
    yield "|---|---|---|---|---|---|---|"
    rows = [
        (device, *ask_together(files), DEVICES.get(device)) for device, files in groups().items()
    ]
    dumps = sorted(p for p in (DATA / "dumps").iterdir() if p.suffix != ".tsv")
    rows += [(path.name, *ask(path), DUMPS.get(path.name)) for path in dumps]
    for name, said, reason, expected in rows:
        agrees = "yes" if said == expected else f"NO: {expected}"
        if said is None:
            yield f"| {name} | | refused | | {reason} | | {agrees} |"
            continue
        possible = {True: "true", False: "false", None: "null"}[said.possible]
        sets = ", ".join(f"{control}={value}" for control, value in said.controls)
        what = sets or (reason if said.possible is False else "-")
        pcm = "-" if said.pcm is None else said.pcm
        channels = ", ".join(said.channels) or "-"
        yield f"| {name} | {said.family} | {possible} | {pcm} | {what} | {channels} | {agrees} |"


if __name__ == "__main__":
    print("\n".join(table()))
