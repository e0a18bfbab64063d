"""The families of chips that the ``alsa`` route knows: one file and one row each."""

from __future__ import annotations

from agent.capture.alsa.families.audioreach import AudioReach
from agent.capture.alsa.families.exynos import Exynos
from agent.capture.alsa.families.family import Family
from agent.capture.alsa.families.hisilicon import HiSilicon
from agent.capture.alsa.families.mediatek import MediaTek
from agent.capture.alsa.families.qualcomm import Qualcomm
from agent.capture.alsa.families.slimbus import Slimbus
from agent.capture.alsa.families.tensor import Tensor

#: Asked in this order; the first that knows the phone answers. A new family is a row here.
FAMILIES: tuple[Family, ...] = (
    AudioReach(),
    Qualcomm(),
    Slimbus(),
    Tensor(),
    Exynos(),
    MediaTek(),
    HiSilicon(),
)
