"""The sound cards of the `vm` phones: their PCMs and mixer controls, as the real SoCs name them.

A card is a handful of text files for ``vm/card.sh`` and ``card/labcard``. The names follow the
drivers' patterns (back end x front end); their values are a phone's at rest, or made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """One mixer control. ``kind`` is B (boolean), I (integer), E (enum) or Y (bytes).

    ``range`` is ``min,max`` for I and ``item|item|…`` for E. ``value`` fills all ``count`` places.
    """

    name: str
    kind: str = "B"
    count: int = 1
    range: str = "-"
    value: int = 0
    writable: bool = True

    def line(self) -> str:
        access = "rw" if self.writable else "ro"
        fields = (self.kind, str(self.count), access, self.name, self.range, str(self.value))
        return "\t".join(fields)


@dataclass(frozen=True)
class Card:
    """A card. ``call_pcm`` is the number of the PCM that captures calls; None where there is none."""

    name: str
    id: str
    full_name: str
    pcms: tuple[str, ...]
    controls: tuple[Control, ...]
    call_pcm: int | None
    verbose: bool
    """The kernel shows each PCM's state under /proc/asound/card0."""
    model: str = "none"
    """How a call comes through: adsp, tensor, exynos, mediatek or none; see ``card/modem.c``."""
    second: tuple[int, str, str, tuple[str, ...]] | None = None
    """Another card that has the call's PCM: its number, id, full name and PCMs."""

    def files(self) -> dict[str, str]:
        """File name -> text."""
        number, name, full, pcms = self.second or (0, "", "", ())
        call = "none" if self.call_pcm is None else str(self.call_pcm)
        files = {
            "card": f"{self.id} {call} {self.model} {number}\n",
            "cards": _card_lines(0, self.id, self.full_name)
            + (_card_lines(number, name, full) if self.second else ""),
            "pcm": "".join(f"00-{pcm}\n" for pcm in self.pcms)
            + "".join(f"{number:02}-{pcm}\n" for pcm in pcms),
            "controls": "".join(f"{control.line()}\n" for control in self.controls),
        }
        return files | ({"verbose": ""} if self.verbose else {})


def _card_lines(number: int, name: str, full: str) -> str:
    return f"{number:2} [{name:15}]: {full[:14]} - {full}\n                      {full}\n"


def _pcms(rows: Iterable[tuple[int, str, str]]) -> tuple[str, ...]:
    """Rows of number, name, and "p", "c" or "pc"."""
    ways = {"p": " : playback 1", "c": " : capture 1", "pc": " : playback 1 : capture 1"}
    return tuple(f"{number:02}: {name} : {ways[way]}" for number, name, way in rows)


def _grid(
    pattern: str, backs: str, fronts: Iterable[object], on: tuple[str, ...] = ()
) -> Iterator[Control]:
    for back in backs.split():
        for front in fronts:
            name = pattern.format(back=back, front=front)
            yield Control(name, value=int(name in on))


# -- Qualcomm, the ADSP's own routing (sm8250) ------------------------------------------------------

_FRONTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 16)
_RATES = "KHZ_8|KHZ_16|KHZ_32|KHZ_44P1|KHZ_48|KHZ_96|KHZ_192"
_FORMATS = "S16_LE|S24_LE|S24_3LE|S32_LE"
_COUNTS = "One|Two|Three|Four|Five|Six|Seven|Eight"


def _qualcomm_codec() -> Iterator[Control]:
    """The codec macros, which AudioReach phones have as well."""
    for aif in (1, 2, 3):
        for dec in range(8):
            yield Control(f"TX_AIF{aif}_CAP Mixer DEC{dec}")
    for n in range(8):
        yield Control(f"TX DEC{n} MUX", "E", 1, "MSM_DMIC|SWR_MIC|ANC_FB_TUNE1", 0)
        yield Control(f"TX DMIC MUX{n}", "E", 1, "ZERO|DMIC0|DMIC1|DMIC2|DMIC3|DMIC4|DMIC5", 0)
        yield Control(f"TX SMIC MUX{n}", "E", 1, "ZERO|SWR_MIC0|SWR_MIC1|SWR_MIC2|SWR_MIC3", 0)
        yield Control(f"TX_DEC{n} Volume", "I", 1, "0,124", 84)
        yield Control(f"DEC{n} MODE", "E", 1, "ADC_DEFAULT|ADC_LOW_PWR|ADC_HIGH_PERF", 0)
        cuts = "CF_NEG_3DB_4HZ|CF_NEG_3DB_75HZ|CF_NEG_3DB_150HZ|CF_NEG_3DB_0P48HZ"
        yield Control(f"TX{n} HPF cut off", "E", 1, cuts, 0)
    for n in range(3):
        yield Control(f"RX_MACRO RX{n} MUX", "E", 1, "ZERO|AIF1_PB|AIF2_PB|AIF3_PB|AIF4_PB", 0)
        yield Control(f"RX_RX{n} Digital Volume", "I", 1, "0,124", 84)
        yield Control(f"RX INT{n} DEM MUX", "E", 1, "NORMAL_DSM_OUT|CLSH_DSM_OUT", 0)
        yield Control(f"RX INT{n}_1 MIX1 INP0", "E", 1, "ZERO|DEC0|DEC1|IIR0|IIR1|RX0|RX1|RX2", 0)
    for iir in (0, 1):
        for band in range(1, 6):
            yield Control(f"IIR{iir} Enable Band{band}")
            yield Control(f"IIR{iir} Band{band}", "Y", 20)
        for inp in range(4):
            yield Control(f"IIR{iir} INP{inp} Volume", "I", 1, "0,124", 84)
    for side in ("L", "R"):
        yield Control(f"HPH{side} Volume", "I", 1, "0,24", 20)
        yield Control(f"HPH{side}_RDAC Switch")
        yield Control(f"HPH{side}_COMP Switch", value=1)
    yield Control("AUX_RDAC Switch")
    yield Control("EAR PA GAIN", "E", 1, "G_6_DB|G_4P5_DB|G_3_DB|G_1P5_DB|G_0_DB", 0)
    yield Control("External Display Audio Device", "I", 2, "0,8", 0)
    yield Control("Display Port RX Channel Map", "I", 8, "0,32", 0)


def _qualcomm_routing(values: int = 2) -> Iterator[Control]:
    sinks = "SLIMBUS_7_RX RX_CDC_DMA_RX_0 WSA_CDC_DMA_RX_0 TERT_MI2S_RX USB_AUDIO_RX AFE_PCM_RX"
    sources = "SLIM_7_TX TX_CDC_DMA_TX_3 VA_CDC_DMA_TX_0 TERT_MI2S_TX USB_AUDIO_TX AFE_PCM_TX"
    deep = ("RX_CDC_DMA_RX_0 Audio Mixer MultiMedia1",)
    yield from _grid("{back} Audio Mixer MultiMedia{front}", sinks, _FRONTS, deep)
    yield from _grid("DISPLAY_PORT Mixer MultiMedia{front}", "-", _FRONTS)
    yield from _grid("MultiMedia{front} Mixer {back}", sources, (1, 4, 5, 8, 9, 10, 17))
    # A call's two legs as sources of a front end.
    legs = "VOC_REC_UL VOC_REC_DL"
    for control in _grid("MultiMedia{front} Mixer {back}", legs, (1, 4, 8, 9, 10, 17)):
        # sm8250's kernel makes them of two values, of which the driver reads the first.
        yield Control(control.name, count=values)
    yield from _grid("{back}_Voice Mixer VoiceMMode{front}", sinks, (1, 2))
    for mode in (1, 2):
        for source in sources.split():
            yield Control(f"VoiceMMode{mode}_Tx Mixer {source}_MMode{mode}")
    for back in (*sinks.split(), *sources.split()):
        yield Control(f"{back} SampleRate", "E", 1, _RATES, 4)
        yield Control(f"{back} Format", "E", 1, _FORMATS, 0)
        yield Control(f"{back} Channels", "E", 1, _COUNTS, 1)


def _sm8250() -> Iterator[Control]:
    yield from _qualcomm_codec()
    yield from _qualcomm_routing()
    yield Control("Voc VSID", "I", 1, "-1,2147483647", -1)
    yield Control("Voc Rec Config", "I", 1, "1,2", 1)
    yield Control("Voice Rx Gain", "I", 3, "-1,10000", 0)
    yield Control("Voice Tx Mute", "I", 3, "-1,10000", 0)
    yield Control("TTY Mode", "E", 1, "OFF|HCO|VCO|FULL", 0)
    yield Control("Voip Rate Config", "I", 1, "0,48000", 0)
    yield Control("Playback 9 Volume", "I", 2, "0,8192", 8192)
    yield Control("MultiMedia1 EQ Enable", "B")


_SM8250_PCMS = _pcms(
    [
        (0, "MultiMedia1 (*)", "pc"),
        (1, "MultiMedia2 (*)", "pc"),
        (2, "VoiceMMode1 (*)", "pc"),
        (3, "VoIP (*)", "pc"),
        (4, "MultiMedia3 (*)", "p"),
        (5, "AFE-PROXY RX msm-stub-rx-5", "p"),
        (6, "AFE-PROXY TX msm-stub-tx-6", "c"),
        (7, "SLIMBUS_7 Hostless (*)", "pc"),
        (8, "INT_FM Hostless (*)", "pc"),
        (9, "MultiMedia5 (*)", "pc"),
        (10, "MultiMedia6 (*)", "pc"),
        (11, "MultiMedia8 (*)", "pc"),
        (12, "MultiMedia10 (*)", "pc"),
        (15, "VoiceMMode2 (*)", "pc"),
        (16, "MultiMedia9 Compress (*)", "p"),
        (23, "MultiMedia9 (*)", "pc"),
        (32, "MultiMedia16 (*)", "pc"),
        (33, "TX4_CDC_DMA Hostless (*)", "c"),
        (39, "MultiMedia18 (*)", "c"),
    ]
)


def _older(stereo: bool) -> Iterator[Control]:
    """sm8150 has `Voc Rec Config`, too; msm8953's kernel mixes the legs."""
    yield from _qualcomm_routing(values=1)
    yield Control("Voc VSID", "I", 1, "-1,2147483647", -1)
    if stereo:
        yield Control("Voc Rec Config", "I", 1, "1,2", 1)
    yield Control("Voice Rx Gain", "I", 3, "-1,10000", 0)
    yield Control("TTY Mode", "E", 1, "OFF|HCO|VCO|FULL", 0)


_SM8150_PCMS = _pcms(
    [
        (0, "MultiMedia1 (*)", "pc"),
        (1, "MultiMedia2 (*)", "pc"),
        (2, "VoiceMMode1 (*)", "pc"),
        (16, "MultiMedia10 (*)", "pc"),
        (19, "VoiceMMode2 (*)", "pc"),
        (23, "MultiMedia16 (*)", "pc"),
        (27, "MultiMedia9 (*)", "pc"),
    ]
)
_MSM8953_PCMS = _pcms(
    [
        (0, "MultiMedia1 (*)", "pc"),
        (1, "MultiMedia2 (*)", "pc"),
        (2, "VoiceMMode1 (*)", "pc"),
        (9, "MultiMedia5 (*)", "pc"),
        (14, "MultiMedia9 (*)", "pc"),
        (23, "Tertiary MI2S TX_Hostless Capture Tertiary MI2S TX_Hostless Capture-23", "c"),
    ]
)

# -- Samsung Exynos: the call is on a PCM of another card, always -----------------------------------


def _exynos() -> Iterator[Control]:
    sources = "RESERVED|SIFS0|SIFS1|SIFS2|SIFS3|SIFS4"
    for n in range(8):
        yield Control(f"ABOX SPUS OUT{n}", "E", 1, sources, 0)
        yield Control(f"ABOX SPUS ASRC{n}", "B")
        yield Control(f"ABOX NSRC{n}", "E", 1, "RESERVED|BI_PDI0|UAIF0|UAIF1|UAIF2|UAIF3", 0)
    for n in range(5):
        yield Control(f"ABOX UAIF{n} SPK", "E", 1, sources, 0)
        yield Control(f"ABOX SIFS{n} Rate", "I", 1, "8000,192000", 48000)
        yield Control(f"ABOX SIFS{n} Format", "E", 1, _FORMATS, 0)
    yield Control("ABOX Audio Mode", "E", 1, "NORMAL|RINGTONE|IN_CALL|IN_COMMUNICATION", 0)
    for aif in (1, 2):
        for channel in (1, 2):
            for part in (1, 2, 3, 4):
                name = f"AIF{aif}TX{channel} Input {part}"
                yield Control(name, "E", 1, "None|IN1L|IN1R|IN2L|ISRC2INT1|LHPF2", 0)


_EXYNOS_PCMS = _pcms(
    [
        *((n, f"RDMA{n} (*)", "p") for n in range(8)),
        *((n + 8, f"WDMA{n} (*)", "c") for n in range(5)),
        (24, "RDMA8 (*)", "p"),
    ]
)
_EXYNOS_DUMP = _pcms([(n, f"dump-{n} abox-dump-{n}", "c") for n in (0, 1, 24)])

# -- MediaTek: what comes from the modem can be sent to a capture front end -------------------------


def _mediatek() -> Iterator[Control]:
    for end in ("UL1", "UL2", "UL3", "UL_MONO_1"):
        for channel in (1, 2) if end != "UL_MONO_1" else (1,):
            for source in ("ADDA_UL_CH1", "ADDA_UL_CH2", "I2S0_CH1", "PCM_1_CAP_CH1"):
                yield Control(f"{end}_CH{channel} {source}")
            if end in ("UL2", "UL_MONO_1"):
                yield Control(f"{end}_CH{channel} PCM_2_CAP_CH1")
    for out in ("ADDA_DL", "I2S1", "PCM_1_PB", "PCM_2_PB"):
        for source in ("DL1_CH1", "DL2_CH1", "ADDA_UL_CH1", "PCM_2_CAP_CH1"):
            yield Control(f"{out}_CH1 {source}")
    yield Control("Receiver_Speaker_Switch", "E", 1, "Off|On", 0)


_MEDIATEK_PCMS = _pcms(
    [
        (0, "Playback_1 (*)", "p"),
        (1, "Playback_12 (*)", "p"),
        (2, "Playback_2 (*)", "p"),
        (8, "Capture_1 (*)", "c"),
        (9, "Capture_2 (*)", "c"),
        (10, "Capture_3 (*)", "c"),
        (15, "Capture_Mono_1 (*)", "c"),
        (21, "Hostless_Speech (*)", "pc"),
    ]
)

# -- Google Tensor ----------------------------------------------------------------------------------


def _tensor() -> Iterator[Control]:
    sinks = "TDM_0_RX TDM_1_RX BT_RX USB_RX INCALL_RX"
    sources = "INTERNAL_MIC_TX BT_TX USB_TX INCALL_TX TDM_0_TX TDM_1_TX"
    players = [f"EP{n}" for n in range(1, 9)] + ["RAW", "NoHost1", "VOIP", "IMSV", "HIFI"]
    yield from _grid("{back} Mixer {front}", sinks, players, ("TDM_0_RX Mixer EP1",))
    yield from _grid("EP{front} TX Mixer {back}", sources, range(1, 7))
    yield from _grid("NoHost1 TX Mixer {back}", sources, (0,))
    for back in (*sinks.split(), *sources.split()):
        yield Control(f"{back} Format", "E", 1, _FORMATS, 0)
        yield Control(f"{back} Chan", "E", 1, _COUNTS, 1)
        yield Control(f"{back} SR", "E", 1, "SR_8K|SR_16K|SR_24K|SR_44P1K|SR_48K|SR_96K", 4)
    for n in range(3):
        yield Control(f"Incall Capture Stream{n}", "E", 1, "Off|UL|DL|UL_DL|3MIC", 0)
        yield Control(f"Incall Playback Stream{n}", "E", 1, "Off|UL|DL|UL_DL", 0)
        yield Control(f"Incall Mic Mute {n}")
    states = "Idle|Playback|Recording|Telephony|Telephony_APMG3|Hotword"
    yield Control("Audio DSP State", "E", 1, states, 0, writable=False)
    mics = "Default|Builtin_MIC|USB_MIC|BT_MIC|IN_CALL_MUSIC"
    yield Control("Voice Call Mic Source", "E", 1, mics, 1)
    yield Control("Voice Call Mic Mute")
    yield Control("Voice Call Audio Enable", value=1)
    yield Control("Voice Call Rx Volume", "I", 1, "-1,100", -1)
    yield Control("Incall Sink Mute")
    yield Control("MIC Record Soft Gain (dB)", "I", 1, "-30,30", 0)
    yield Control("PCM Stream Wait Time in MSec", "I", 1, "0,10000", 0)
    for n in range(5):
        yield Control(f"Sidetone Biquad{n}", "I", 6, "-2147483647,2147483647", 0)
    for amp in ("", "R "):
        yield Control(f"{amp}Digital PCM Volume", "I", 1, "0,913", 817)
        yield Control(f"{amp}PCM Source", "E", 1, "ASP|DSP", 1)
        for n in range(1, 5):
            yield Control(f"{amp}ASPTX{n} Slot Position", "I", 1, "0,63", n - 1)
            yield Control(f"{amp}ASP TX{n} Source", "E", 1, "Zero|ASPRX1|VMON|IMON|VPMON", 0)


_TENSOR_PCMS = _pcms(
    [
        *((n - 1, f"EP{n} PB snd-soc-dummy-dai-{n - 1}", "p") for n in range(1, 7)),
        *((n + 7, f"EP{n} CAP snd-soc-dummy-dai-{n + 7}", "c") for n in range(1, 7)),
        (14, "NoHost1 PB (*)", "p"),
        (15, "NoHost1 CAP (*)", "c"),
        (16, "audio_voip_rx (*)", "p"),
        (17, "audio_voip_tx (*)", "c"),
        (18, "audio_incall_pb_0 (*)", "p"),
        (19, "audio_incall_pb_1 (*)", "p"),
        (20, "audio_incall_cap_0 (*)", "c"),
        (21, "audio_incall_cap_1 (*)", "c"),
        (22, "audio_incall_cap_2 (*)", "c"),
        (23, "audio_raw (*)", "p"),
        (26, "audio_hifiin (*)", "c"),
        (27, "audio_android_aec (*)", "c"),
    ]
)

# -- Qualcomm AudioReach (sm8450): the routing is a graph in the DSP, not controls ------------------


def _audioreach() -> Iterator[Control]:
    yield from _qualcomm_codec()
    dma = "CODEC_DMA-LPAIF_{0}-{1}"
    for name in (dma.format("RXTX-RX", n) for n in range(7)):
        yield Control(f"{name} Channel Map", "Y", 80)
    for name in (dma.format("RXTX-TX", n) for n in range(5)):
        yield Control(f"{name} Channel Map", "Y", 80)
    for side in ("Left", "Right"):
        yield Control(f"{side} Digital PCM Volume", "I", 1, "0,913", 817)
        yield Control(f"{side} DSP1 Preload Switch", value=1)
        yield Control(f"{side} Boost Enable", "E", 1, "Disabled|Enabled", 1)
        for n in range(1, 5):
            yield Control(f"{side} ASPTX{n} Slot Position", "I", 1, "0,63", n - 1)
        for n in range(1, 5):
            yield Control(f"{side} ASP TX{n} Source", "E", 1, "Zero|ASPRX1|VMON|IMON|VPMON", 0)
        for what in [
            "STATE",
            "ERROR",
            "AUDIO_BLK_SIZE",
            "VIMON_CAL",
            "CAL_R",
            "CAL_STATUS",
            "TEMPERATURE",
        ]:
            for algorithm in ("400a4", "cd"):
                yield Control(f"{side} DSP1 Protection {algorithm} {what}", "Y", 4)
    for aif in (1, 2):
        for dec in range(4):
            yield Control(f"VA_AIF{aif}_CAP Mixer DEC{dec}")
    for n in range(4):
        yield Control(f"VA DEC{n} MUX", "E", 1, "MSM_DMIC|SWR_MIC", 0)
        yield Control(f"VA_DEC{n} Volume", "I", 1, "0,124", 84)
    yield Control("PM_QOS Vote", "E", 1, "Disable|Enable", 0)


_AUDIOREACH_PCMS = _pcms(
    [
        (0, "CODEC_DMA-LPAIF_WSA-RX-0 wsa_macro_rx1-0", "p"),
        (1, "CODEC_DMA-LPAIF_RXTX-RX-0 rx_macro_rx1-1", "p"),
        (2, "CODEC_DMA-LPAIF_RXTX-TX-3 tx_macro_tx1-2", "c"),
        (3, "CODEC_DMA-LPAIF_VA-TX-0 va_macro_tx1-3", "c"),
        (4, "MI2S-LPAIF-RX-PRIMARY cs35l41-pcm-4", "p"),
        (5, "MI2S-LPAIF-TX-PRIMARY cs35l41-pcm-5", "c"),
        (6, "USB_AUDIO-RX msm-stub-rx-6", "p"),
        (7, "USB_AUDIO-TX msm-stub-tx-7", "c"),
    ]
)

_ALL = (
    Card(
        "sm8250", "konamtpsndcard", "kona-mtp-snd-card", _SM8250_PCMS, tuple(_sm8250()),
        call_pcm=23, verbose=True, model="adsp",
    ),
    Card(
        "sm8150", "sm8150tavilsndc", "sm8150-tavil-snd-card", _SM8150_PCMS, tuple(_older(True)),
        call_pcm=27, verbose=True, model="adsp",
    ),
    Card(
        "msm8953", "msm8953sndcardm", "msm8953-snd-card-mtp", _MSM8953_PCMS, tuple(_older(False)),
        call_pcm=14, verbose=True, model="adsp",
    ),
    Card(
        "exynos9810", "EXYNOS9810MADER", "EXYNOS9810-MADERA", _EXYNOS_PCMS, tuple(_exynos()),
        call_pcm=24, verbose=True, model="exynos",
        second=(2, "aboxdump", "abox-dump", _EXYNOS_DUMP),
    ),
    Card(
        "mt6785", "mt6785mt6359", "mt6785-mt6359", _MEDIATEK_PCMS, tuple(_mediatek()),
        call_pcm=9, verbose=True, model="mediatek",
    ),
    Card(
        "tensor", "googleaocsndcar", "google,aoc-snd-card", _TENSOR_PCMS, tuple(_tensor()),
        call_pcm=22, verbose=False, model="tensor",
    ),
    Card(
        "audioreach", "waipiomtpsndcar", "waipio-mtp-snd-card", _AUDIOREACH_PCMS,
        tuple(_audioreach()), call_pcm=None, verbose=False,
    ),
)  # fmt: skip
CARDS = {card.name: card for card in _ALL}
"""By name, which is the profile's that has it, or is its ``card``."""
