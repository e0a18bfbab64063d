"""The alsa route's plan, from mixers of phones that are not here."""

from collections.abc import Sequence

from agent.capture.alsa.hints import Hints, chips
from agent.capture.alsa.plan import plan
from agent.capture.offline.texts import parse_cards, parse_pcms
from agent.capture.route import Plan, Verdict
from agent.phone.helper import Card, Control, Pcm
from tests.lab.cards import CARDS
from tests.lab.profiles import profile
from tests.profiles import WANTED

CARD = Card(0, "kona", "kona-mtp-snd-card")


def switch(name: str) -> Control:
    return Control(name, "bool", ("off",))


def front_end(number: int, device: int) -> Pcm:
    return Pcm(0, device, f"MultiMedia{number} (*)", capture=True)


def verdict(controls: Sequence[Control], pcms: Sequence[Pcm], card: Card | None = CARD) -> Verdict:
    cards = [card] if card else []
    return plan({c.number: list(controls) for c in cards}, cards, pcms)


def planned(found: Verdict) -> Plan:
    assert found.possible is True
    assert found.plan is not None
    return found.plan


def legs(end: int) -> list[Control]:
    return [switch(f"MultiMedia{end} Mixer VOC_REC_{leg}") for leg in ("DL", "UL")]


def test_multimedia9_is_found_by_name_whatever_its_number() -> None:
    for device in (14, 23, 27):
        made = planned(
            verdict(
                [*legs(1), *legs(9), Control("Voc Rec Config", "int", ("1",))],
                [front_end(1, 0), front_end(9, device)],
            )
        )
        assert (made.device, made.count, made.channels) == (device, 2, ("uplink", "downlink"))
        assert made.controls == (
            ("Voc Rec Config", "2"),
            ("MultiMedia9 Mixer VOC_REC_UL", "on"),
            ("MultiMedia9 Mixer VOC_REC_DL", "on"),
        )


def test_an_old_kernel_mixes_both_legs_into_one_channel() -> None:
    made = planned(verdict(legs(1), [front_end(1, 0)]))
    assert (made.pcm, made.count, made.channels) == ("MultiMedia1", 1, ("mixed",))


def test_multimedia1_serves_where_multimedia9_has_no_pcm() -> None:
    made = planned(verdict([*legs(9), *legs(1)], [front_end(1, 0)]))
    assert made.pcm == "MultiMedia1"


def test_controls_without_a_pcm_are_refused_with_the_reason() -> None:
    found = verdict(legs(9), [Pcm(0, 23, "MultiMedia9 (*)", capture=False)])
    assert found.possible is False
    assert "no capture PCM" in found.reason


def incall(number: int, value: str = "Off") -> Control:
    items = ("Off", "UL", "DL", "UL_DL", "3MIC")
    return Control(f"Incall Capture Stream{number}", "enum", (value,), items)


def test_tensor_takes_stream_2_and_leaves_a_stream_in_use() -> None:
    card = Card(0, "aoc", "google,aoc-snd-card")
    pcms = [Pcm(0, 20 + n, f"audio_incall_cap_{n} (*)", capture=True) for n in range(3)]
    made = planned(verdict([incall(n) for n in range(3)], pcms, card))
    assert (made.family, made.device) == ("tensor", 22)
    assert made.controls == (("Incall Capture Stream2", "UL_DL"),)
    made = planned(verdict([incall(0), incall(1), incall(2, "DL")], pcms, card))
    assert made.device == 21
    busy = verdict([incall(n, "UL") for n in range(3)], pcms, card)
    assert busy.possible is False
    assert busy.instead


def test_audioreach_is_refused_and_says_what_to_do_instead() -> None:
    card = Card(0, "waipiomtpsndcar", "waipio-mtp-snd-card")
    found = verdict([switch("TX_AIF1_CAP Mixer DEC0")], [Pcm(0, 0, "CODEC_DMA", True)], card)
    assert (found.possible, found.family) == (False, "audioreach")
    assert found.instead
    assert "BCR" in found.instead


def test_no_card_and_no_known_control_are_refused_with_what_was_seen() -> None:
    assert "no sound card" in verdict([], [], None).reason
    odd = verdict([switch("Bass")], [], Card(0, "x", "x-card"))
    assert odd.possible is False
    assert "x-card" in odd.reason


def test_the_lab_phones_cards_are_planned_as_phones_like_them() -> None:
    """Quick, without a phone: `make profiles` does the same with one of each."""
    for name, wanted in WANTED.items():
        known = profile(name)
        card = CARDS[known.card_name]
        files = card.files()
        kinds = {"B": "bool", "I": "int", "E": "enum", "Y": "bytes"}
        listed = []
        for control in card.controls:
            items = tuple(control.range.split("|")) if control.kind == "E" else ()
            now = items[control.value] if items else "off"
            listed.append(Control(control.name, kinds[control.kind], (now,), items))
        made = plan(
            {0: listed} | ({card.second[0]: []} if card.second else {}),
            parse_cards(files["cards"]),
            parse_pcms(files["pcm"]),
            Hints(chips(known.properties("x"))),
        )
        assert made.family == (wanted.family or "audioreach"), name
        if wanted.pcm is None:
            assert made.possible is False, name
        else:
            assert made.plan is not None, name
            assert (made.plan.device, made.plan.channels) == (wanted.pcm, wanted.channels), name
            assert made.plan.card == (card.second[0] if card.second else 0), name
