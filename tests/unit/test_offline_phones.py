"""`doctor --from`: phones that are not here, by files written by hand in the shapes of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.capture.offline.verdicts import diagnose_dumps
from agent.cli.main import cli
from agent.errors import UsageError

KEYS = {"route", "family", "possible", "reason", "card", "pcm", "rate", "channels", "controls"}


def alsa(folder: Path, **files: str) -> dict[str, Any]:
    """The verdict on files; a name's double underscore is a dot."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    routes = diagnose_dumps(folder).as_dict()["routes"]
    assert routes[0]["route"] == "alsa"
    verdict: dict[str, Any] = routes[0]
    assert verdict.keys() >= KEYS
    assert verdict["reason"]
    return verdict


def settings(verdict: dict[str, Any]) -> list[tuple[str, str]]:
    return [(control["name"], control["value"]) for control in verdict["controls"]]


def mixer_xml(*paths: str, controls: str = "", head: str = "") -> str:
    return f"<?xml version='1.0'?>\n<mixer>{head}{controls}{''.join(paths)}</mixer>\n"


def path(name: str, *settings: tuple[str, str]) -> str:
    return f'<path name="{name}">{"".join(ctl(*setting) for setting in settings)}</path>'


def ctl(name: str, value: str = "0") -> str:
    return f'<ctl name="{name}" value="{value}"/>'


def tinymix(card: str, *rows: tuple[str, str, str]) -> str:
    lines = [f"Mixer name: '{card}'", f"Number of controls: {len(rows)}",
             "ctl\ttype\tnum\tname                                     value"]  # fmt: skip
    lines += [f"{n}\t{kind}\t1\t{name:40} {value}" for n, (kind, name, value) in enumerate(rows)]
    return "\n".join(lines) + "\n"


VOC = [("BOOL", f"MultiMedia9 Mixer VOC_REC_{leg}", "Off") for leg in ("DL", "UL")]
KONA_PCM = "00-00: MultiMedia1 (*) :  : playback 1 : capture 1\n00-{:02}: MultiMedia9 (*) :  : playback 1 : capture 1\n"
STEREO = [("Voc Rec Config", "2"), ("MultiMedia9 Mixer VOC_REC_UL", "on"),
          ("MultiMedia9 Mixer VOC_REC_DL", "on")]  # fmt: skip
INCALL_EMPTY = path("incall-rec-uplink") + path("incall-rec-uplink-and-downlink")


def test_qualcomm_by_its_live_mixer_names_both_legs_apart(tmp_path: Path) -> None:
    found = alsa(
        tmp_path,
        tinymix_live__txt=tinymix("kona-mtp-snd-card", *VOC, ("INT", "Voc Rec Config", "1")),
        proc_asound_pcm__txt=KONA_PCM.format(23),
    )
    assert (found["family"], found["possible"]) == ("qualcomm-adsp", True)
    assert (found["card"], found["pcm"], found["rate"]) == (0, 23, 48000)
    assert found["channels"] == ["uplink", "downlink"]
    assert settings(found) == STEREO


def test_a_live_mixer_wins_over_the_xml(tmp_path: Path) -> None:
    legs = [(f"MultiMedia1 Mixer VOC_REC_{leg}", "1") for leg in ("UL", "DL")]
    xml = mixer_xml(path("incall-rec-uplink-and-downlink", *legs))
    info = '<audio_platform_info><pcm_ids><usecase name="USECASE_INCALL_REC_UPLINK" type="in" id="14"/></pcm_ids></audio_platform_info>'
    live = tinymix("kona-mtp-snd-card", *VOC, ("INT", "Voc Rec Config", "1"))
    files = {"mixer_paths__xml": xml, "audio_platform_info__xml": info}
    hinted = alsa(tmp_path, **files)
    assert (hinted["possible"], hinted["pcm"], hinted["channels"]) == (None, 14, ["mixed"])
    assert settings(hinted)[0] == ("MultiMedia1 Mixer VOC_REC_UL", "on")
    found = alsa(tmp_path, **files, tinymix=live, pcm=KONA_PCM.format(27))
    assert (found["possible"], found["pcm"], found["channels"]) == (
        True, 27, ["uplink", "downlink"]
    )  # fmt: skip
    without = tinymix("kona-mtp-snd-card", ("BOOL", "MultiMedia1 Mixer SLIM_0_TX", "Off"))
    refused = alsa(tmp_path, **files, tinymix=without, pcm=KONA_PCM.format(27))
    assert (refused["possible"], refused["controls"]) == (False, [])
    assert "no tap" in refused["reason"]


def test_an_xml_without_a_path_says_only_the_family(tmp_path: Path) -> None:
    """The Nexus 5's names none, and its kernel's generation has the controls."""
    found = alsa(
        tmp_path, mixer_paths__xml=mixer_xml(controls=ctl("SLIMBUS_0_RX Audio Mixer MultiMedia1"))
    )
    assert (found["family"], found["possible"], found["pcm"]) == ("qualcomm-adsp", None, None)
    assert "no file names the controls" in found["reason"]


def test_usecases_of_the_compressed_recorder_are_no_pcm_of_it(tmp_path: Path) -> None:
    nash = (
        "<audio_platform_info><pcm_ids>"
        '<usecase name="USECASE_INCALL_MUSIC_UPLINK" type="out" id="1"/>'
        '<usecase name="USECASE_INCALL_REC_UPLINK" type="in" id="20"/>'
        '<usecase name="USECASE_INCALL_REC_DOWNLINK" type="in" id="20"/>'
        "</pcm_ids></audio_platform_info>"
    )
    assert alsa(tmp_path, audio_platform_info__xml=nash)["pcm"] == 20


def test_the_nexus_6_has_its_call_on_a_slimbus_port(tmp_path: Path) -> None:
    xml = mixer_xml(
        path("incall-rec-uplink", ("MultiMedia1 Mixer SLIM_6_TX", "1")),
        '<path name="incall-rec-downlink"><path name="incall-rec-uplink"/></path>',
    )
    found = alsa(tmp_path, mixer_paths__xml=xml)
    assert (found["family"], found["possible"]) == ("qualcomm-slimbus", None)
    assert settings(found) == [("MultiMedia1 Mixer SLIM_6_TX", "on")]
    live = tinymix("apq8084-taiko-tfa9890_stereo-snd-card",
                   ("BOOL", "MultiMedia1 Mixer SLIM_6_TX", "Off"),
                   ("BOOL", "Incall Rec Mode", "Off"))  # fmt: skip
    found = alsa(tmp_path, mixer_paths__xml=xml, tinymix__txt=live, pcm__txt=KONA_PCM.format(23))
    assert settings(found) == [("MultiMedia1 Mixer SLIM_6_TX", "on"), ("Incall Rec Mode", "on")]
    assert (found["pcm"], found["channels"]) == (0, ["mixed"])


@pytest.mark.parametrize(
    "text",
    [
        mixer_xml(INCALL_EMPTY, controls=ctl("TX DEC0 MUX")),
        "<resource_manager_info><config_params/></resource_manager_info>",
        "<graph_key_value_pair_info/>",
    ],
    ids=["paths that are empty", "resourcemanager", "usecaseKvManager"],
)
def test_audioreach_is_refused_by_its_files(tmp_path: Path, text: str) -> None:
    found = alsa(tmp_path, some__xml=text)
    assert (found["family"], found["possible"], found["controls"]) == ("audioreach", False, [])
    assert "AudioReach" in found["reason"]
    assert "BCR" in found["instead"]


def test_audioreach_by_the_name_of_its_card_its_chip_or_its_file(tmp_path: Path) -> None:
    for name, text in {
        "cards": " 0 [waipiomtpsndcar]: waipio-mtp-snd- - waipio-mtp-snd-card\n",
        "getprop": "[ro.board.platform]: [taro]\n",
        "pcm": "00-00: CODEC_DMA-LPAIF_WSA-RX-0 wsa_macro_rx1-0 :  : playback 1\n",
        "mixer_paths_parrot_qrd.xml": mixer_xml(controls=ctl("TX DEC0 MUX")),
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(text)
        found = alsa(folder)
        assert (found["family"], found["possible"]) == ("audioreach", False), name


# -- Samsung's own --


def pcmdai(**links: int) -> str:
    return "<pcmdai " + " ".join(f'{name}="{value}"' for name, value in links.items()) + "/>"


ABOX = ctl("ABOX RDMA0 Bit Width", "16")


@pytest.mark.parametrize(("link", "card"), [(19, 1), (24, 2)], ids=["8895 and 9610", "9810"])
def test_exynos_has_a_pcm_that_is_always_wired_far_end_left(
    tmp_path: Path, link: int, card: int
) -> None:
    head = pcmdai(call_rec_capture_link=link, abox_pcm_dump_card=card)
    xml = mixer_xml(INCALL_EMPTY, head=head, controls=ABOX)
    found = alsa(tmp_path, mixer_paths_0__xml=xml)
    assert (found["family"], found["possible"], found["pcm"]) == ("exynos", None, link)
    assert (found["controls"], found["channels"]) == ([], ["downlink", "uplink"])
    pcms = f"00-{link:02}: RDMA (*) :  : playback 1\n0{card}-{link:02}: call_dump :  : capture 1\n"
    found = alsa(tmp_path, mixer_paths_0__xml=xml, asound_pcm__txt=pcms)
    assert (found["card"], found["pcm"]) == (card, link)


def test_an_exynos_without_a_link_is_said_to_have_none(tmp_path: Path) -> None:
    found = alsa(tmp_path, mixer_paths__xml=mixer_xml(controls=ABOX))
    assert (found["family"], found["possible"], found["pcm"]) == ("exynos", None, None)
    assert "no call-rec PCM" in found["reason"]


Z3S_SETS = [
    ("ABOX CALLREC_A", "MCD_RXSE"),
    ("ABOX CALLREC_B", "MCD_TXSE2"),
    ("ABOX VPCMIN_DAI5_A", "CALLREC"),
]
Z3S = mixer_xml(path("incall-rec-uplink-and-downlink", *Z3S_SETS))


def test_the_990_has_a_graph_to_be_set(tmp_path: Path) -> None:
    found = alsa(tmp_path, mixer_paths__xml=Z3S)
    assert (found["possible"], found["pcm"], settings(found)) == (None, 115, Z3S_SETS)
    assert found["channels"] == ["downlink", "uplink"]
    live = tinymix("universal990", *(("ENUM", name, "RESERVED") for name, _ in Z3S_SETS))
    found = alsa(tmp_path, tinymix__txt=live, pcm__txt="00-115: VPCM5 (*) :  : capture 1\n")
    assert (found["card"], found["pcm"], settings(found)) == (0, 115, Z3S_SETS)
    refused = alsa(tmp_path, tinymix__txt=live, pcm__txt="00-015: WDMA5 (*) :  : capture 1\n")
    assert refused["possible"] is False


@pytest.mark.parametrize("source", ["ISRC2INT1", "LHPF2"], ids=["7420", "8890"])
def test_the_older_exynos_has_the_far_end_in_its_ordinary_capture(
    tmp_path: Path, source: str
) -> None:
    taps = ctl("AIF1TX1 Input 2", source) + ctl("AIF1TX2 Input 2", source)
    xml = mixer_xml(f'<path name="incall_nb-handset">{taps}</path>')
    found = alsa(tmp_path, mixer_paths_0__xml=xml)
    assert (found["family"], found["possible"]) == ("exynos", None)
    assert (found["controls"], found["channels"]) == ([], ["mixed"])
    assert "ordinary capture" in found["reason"]


# -- MediaTek, HiSilicon, and the rest --


def test_mediatek_has_the_far_end_only_and_that_unproven(tmp_path: Path) -> None:
    names = ["UL2_CH1 PCM_2_CAP_CH1", "UL2_CH2 PCM_2_CAP_CH1", "UL_MONO_1_CH1 PCM_2_CAP_CH1"]
    kctls = "".join(f'<kctl name="{name}" value="1"/>' for name in names)
    xml = f'<root><mixercontrol><path name="MD1_TO_CAPTURE2" value="turnon">{kctls}</path></mixercontrol></root>'
    hinted = alsa(tmp_path, audio_device__xml=xml)
    assert (hinted["family"], hinted["possible"]) == ("mediatek", None)
    assert "never shown to work" in hinted["reason"]
    live = tinymix("mt6785-mt6359", *(("BOOL", name, "Off") for name in names))
    found = alsa(tmp_path, tinymix=live, pcm="00-13: Capture_2 (*) :  : capture 1\n")
    for one in (hinted, found):
        assert settings(one) == [(name, "on") for name in names[:2]]
        assert one["channels"] == ["downlink"]
        assert one["possible"] is None
    assert (found["pcm"], found["rate"]) == (13, 48000)


@pytest.mark.parametrize(
    ("text", "family", "why"),
    [
        ("<root><kctl name='ADDA_DL_CH1 DL1_CH1' value='1'/></root>", "mediatek", "PCM_2_CAP"),
        ("[ro.board.platform]: [kirin970]\n", "hisilicon", "HiSilicon"),
        (" 0 [hisi           ]: hi3660 - hi3660-snd\n", "hisilicon", "HiSilicon"),
        ("[ro.board.platform]: [ums512]\n[ro.arch]: [x]\n", None, "no family that is known"),
        (mixer_xml(controls=ctl("Playback Path")), None, "none taps a call"),
    ],
)
def test_the_others_are_refused_with_the_reason(
    tmp_path: Path, text: str, family: str | None, why: str
) -> None:
    found = alsa(tmp_path, phone=text)
    assert (found["family"], found["possible"]) == (family, False)
    assert (found["pcm"], found["controls"], found["channels"]) == (None, [], [])
    assert why in found["reason"]


def test_a_chip_alone_is_worth_a_try_and_a_look(tmp_path: Path) -> None:
    for chip, family in {
        "zuma": "tensor", "gs101": "tensor", "kona": "qualcomm-adsp", "msm8953": "qualcomm-adsp",
        "mt6785": "mediatek", "exynos9820": "exynos", "apq8064": "qualcomm-slimbus",
    }.items():  # fmt: skip
        found = alsa(tmp_path, getprop_of_it=f"[ro.board.platform]: [{chip}]\n")
        assert (found["family"], found["possible"]) == (family, None), chip
        assert "tinymix" in found["instead"]


# -- what files look like --


def test_names_beyond_forty_places_and_other_shapes_of_tinymix(tmp_path: Path) -> None:
    rows = [
        "0\tBOOL\t2\tMultiMedia10 Mixer INTERNAL_BT_SCO_TX_Voice2 Off Off",
        "1\tENUM\t1\tA name that has forty places and some more ",
        "2\tINT\t1\tDisplay Port RX Channel Map of the other one 3 (range 0->32)",
        f"3\tBOOL\t2\t{'MultiMedia9 Mixer VOC_REC_UL':40} Off Off",
        f"4\tBOOL\t2\t{'MultiMedia9 Mixer VOC_REC_DL':40} Off Off",
        f"5\tINT\t1\t{'Voc Rec Config':40} 1 (dsrange 1->2)",
    ]
    for head in (
        "ctl\ttype\tnum\tname                                     value\n",
        "Mixer name: 'kona-mtp-snd-card'\nNumber of controls: 6\nctl\ttype\tnum\tname  value\n",
    ):
        text = head + "\n".join(rows) + "\n"
        found = alsa(tmp_path, tinymix_all_values=text, the_pcm_list=KONA_PCM.format(23))
        assert settings(found) == STEREO
        assert found["possible"] is True
    one = diagnose_dumps(tmp_path).dumps.controls
    assert one is not None
    names = {control.name: control.values for control in one[0]}
    assert names["MultiMedia10 Mixer INTERNAL_BT_SCO_TX_Voice2"] == ("off", "off")
    assert names["Display Port RX Channel Map of the other one"] == ("3",)


def test_a_file_of_windows_and_a_file_of_another_name(tmp_path: Path) -> None:
    text = tinymix("kona-mtp-snd-card", *VOC).replace("\n", "\r\n")
    (tmp_path / "Neues Textdokument.txt").write_bytes(text.encode("utf-16"))
    found = alsa(tmp_path)
    assert settings(found) == STEREO[1:]
    assert "/proc/asound/pcm was not seen" in found["reason"]


def test_the_command_takes_a_file_or_a_folder_and_says_what_it_read(tmp_path: Path) -> None:
    file = tmp_path / "tinymix.txt"
    file.write_text(tinymix("kona-mtp-snd-card", *VOC))
    answers = []
    for source in (file, tmp_path):
        ran = CliRunner().invoke(cli, ["--home", str(tmp_path / "home"), "--json", "doctor",
                                       "--from", str(source)])  # fmt: skip
        assert ran.exit_code == 0, ran.output
        answers.append(json.loads(ran.stdout))
    assert answers[0]["routes"] == answers[1]["routes"]
    assert answers[0]["files"] == {"tinymix.txt": "2 controls"}
    assert not (tmp_path / "home").exists()
    ran = CliRunner().invoke(cli, ["doctor", "--from", str(tmp_path)])
    assert "MultiMedia9 Mixer VOC_REC_UL = on" in ran.stdout


def test_two_phones_in_one_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("[ro.build.fingerprint]: [a/b/c]\n")
    (tmp_path / "b.txt").write_text("[ro.build.fingerprint]: [d/e/f]\n")
    with pytest.raises(UsageError, match="several phones"):
        diagnose_dumps(tmp_path)
