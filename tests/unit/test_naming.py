"""What a file name says of a call: a few names of each recorder, all of them made up."""

from __future__ import annotations

import os
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.naming import explain
from agent.naming.text import AUDIO
from agent.sync.spot import SUFFIXES

ADA = "+4930123456"

#: name; recorder; start; then number, contact, direction, sim, where the name has them.
CALLS: list[tuple[str, str | None, str | None, dict[str, Any]]] = [
    # BCR, of every version
    (
        "20250304_091011.222+0100_in_+4930123456.oga",
        "bcr",
        "2025-03-04T09:10:11.222+01:00",
        {"number": ADA, "direction": "in"},
    ),
    (
        "20250304_091011.5-0330_OUT_sim1_+4930123456_Ada Lovelace.m4a",
        "bcr",
        "2025-03-04T09:10:11.500-03:30",
        {"number": ADA, "contact": "Ada Lovelace", "direction": "out", "sim": 1},
    ),
    (
        "20220304_091011.123456+0000_+4930123456.flac",
        "bcr",
        "2022-03-04T09:10:11.123456+00:00",
        {"number": ADA},
    ),
    ("20250304_091011+0100_OUT.wav", "bcr", "2025-03-04T09:10:11+01:00", {"direction": "out"}),
    ("20250304_091011.1+0100_in_Ada.oga", "bcr", "2025-03-04T09:10:11.100+01:00",
     {"contact": "Ada", "direction": "in"}),
    ("20250304_091011.1+0100_out_+4930123456_12 Monkeys.oga", "bcr",
     "2025-03-04T09:10:11.100+01:00",
     {"number": ADA, "contact": "12 Monkeys", "direction": "out"}),
    ("20250304_091011.1+0100_out__100#.oga", "bcr", "2025-03-04T09:10:11.100+01:00",
     {"number": "*100#", "direction": "out"}),
    ("out_2025-03-04_09.10.11_+4930123456.oga", "bcr", "2025-03-04T09:10:11",
     {"number": ADA, "direction": "out"}),
    ("2025-03-04 @ 9.10.11 PM IN +4930123456 Ada.oga", "bcr", "2025-03-04T21:10:11",
     {"number": ADA, "contact": "Ada", "direction": "in"}),
    ("2025-03-04T09.10.11.222+0100 out Ada.oga", "bcr", "2025-03-04T09:10:11.222+01:00",
     {"contact": "Ada", "direction": "out"}),
    ("Ada - +4930123456 - out - 20250304_091011.2+0100.oga", "bcr",
     "2025-03-04T09:10:11.200+01:00", {"number": ADA, "contact": "Ada", "direction": "out"}),
    ("1741079411123_in_+4930123456_Ada.oga", "bcr", "2025-03-04T09:10:11.123+00:00",
     {"number": ADA, "contact": "Ada", "direction": "in"}),
    ("ERROR_Ada_20250304_091011.2+0100_in_+4930123456.oga", "bcr",
     "2025-03-04T09:10:11.200+01:00", {"number": ADA, "direction": "in"}),
    ("2025-11-15_OUT_sim2_10000.oga", "bcr", "2025-11-15",
     {"number": "10000", "direction": "out", "sim": 2}),
    ("2025-03-04T09_10_11+01_00_in_+4930123456.oga", "bcr", "2025-03-04T09:10:11+01:00",
     {"number": ADA, "direction": "in"}),
    ("20250304_091011.5Z_in_+4930123456_A_da.m4a", None, "2025-03-04T09:10:11.500+00:00",
     {"number": ADA, "contact": "A_da", "direction": "in"}),
    ("2025-03-04 09.10.11+0000 +4930123456.m4a", None, "2025-03-04T09:10:11+00:00",
     {"number": ADA}),
    ("2025-03-04_09-10-11_(212) 555-0123_Ada.oga", "bcr", "2025-03-04T09:10:11",
     {"number": "(212) 555-0123", "contact": "Ada"}),
    ("01-31-2025 09.10.11 IN Ada.oga", "bcr", "2025-01-31T09:10:11",
     {"contact": "Ada", "direction": "in"}),
    ("05-06-2025 09.10.11 IN Ada.oga", "bcr", None, {"contact": "Ada", "direction": "in"}),
    ("Ada in Berlin_2025-03-04_09.10.11+0100.oga", "bcr", "2025-03-04T09:10:11+01:00",
     {"contact": "Ada in Berlin"}),
    ("20250304_091011+0100_out_+4930123456,12#_Ada.oga", "bcr", "2025-03-04T09:10:11+01:00",
     {"number": "+4930123456,12#", "contact": "Ada", "direction": "out"}),
    ("20250304_091011.222+0000_out_.ogg", "shizucallrecorder",
     "2025-03-04T09:10:11.222+00:00", {"direction": "out"}),
    # MIUI, HyperOS
    ("通话录音@李_雷(13700137000)_20250304091011.mp3", "miui", "2025-03-04T09:10:11",
     {"number": "13700137000", "contact": "李_雷"}),
    ("Запись разговора@Иван(+79161234567)_20250304091011.mp3", "miui", "2025-03-04T09:10:11",
     {"number": "+79161234567", "contact": "Иван"}),
    ("Optagelse af opkald@Bob(+4512345678)_20250304091011.mp3", "miui", "2025-03-04T09:10:11",
     {"number": "+4512345678", "contact": "Bob"}),
    ("a.da@b.org(13700137000)_20250304091011.mp3", "miui", "2025-03-04T09:10:11",
     {"number": "13700137000", "contact": "a.da@b.org"}),
    ("通话录音@-2_20250304091011.mp3", "miui", "2025-03-04T09:10:11", {}),
    ("通话录音@未知(未知)_20250304091011.mp3", "miui", "2025-03-04T09:10:11", {}),
    ("137 0013 7000(13700137000)_20250304091011.mp3", "miui", "2025-03-04T09:10:11",
     {"number": "13700137000"}),
    ("通话录音@a@b.c(13700137000)_20250304091011.mp3", "miui", "2025-03-04T09:10:11",
     {"number": "13700137000", "contact": "a@b.c"}),
    ("通话录音@王)_五(13700137000_20160304091011.mp3", "miui", "2016-03-04T09:10:11",
     {"number": "13700137000", "contact": "王_五"}),
    # Samsung, in languages that are listed and in one that is not
    ("Call recording Ada_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"contact": "Ada"}),
    ("Anrufaufzeichnung Ada Lovelace_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"contact": "Ada Lovelace"}),
    ("Nagrywanie rozmowy Ada_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"contact": "Ada"}),
    ("Copy of Call recording Ada_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"contact": "Ada"}),
    ("Call recording __250304_091011.m4a", "samsung", "2025-03-04T09:10:11", {}),
    ("통화 녹음 회의 통화_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"direction": "conference"}),
    ("Call recording Conference call_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"direction": "conference"}),
    ("تسجيل مكالمة \u202a+966501234567\u202c_250304_091011.m4a", "samsung",
     "2025-03-04T09:10:11", {"number": "+966501234567"}),
    ("تسجيل مكالمة علي_٢٥٠٣٠٤_٠٩١٠١١.m4a", "samsung", "2025-03-04T09:10:11",
     {"contact": "علي"}),
    ("Qo\u2019ng\u2019iroq +998901234567_250304_091011.m4a", "samsung", "2025-03-04T09:10:11",
     {"number": "+998901234567"}),
    ("+4930123456_250304_091011.3ga", "samsung", "2025-03-04T09:10:11", {"number": ADA}),
    ("Call recording 030\u2011123456_250304_091011.M4A", "samsung", "2025-03-04T09:10:11",
     {"number": "030\u2011123456"}),
    # the others
    ("Ada@030123456_20250304091011.m4a", "huawei", "2025-03-04T09:10:11",
     {"number": "030123456", "contact": "Ada"}),
    ("+4930123456_20250304091011.amr", "huawei", "2025-03-04T09:10:11", {"number": ADA}),
    ("10086@10086_20250304091011.amr", "huawei", "2025-03-04T09:10:11", {"number": "10086"}),
    ("通话录音_20250304091011.mp3", None, "2025-03-04T09:10:11", {}),
    ("김_철수_01012340000_20250304091011.m4a", "skt", "2025-03-04T09:10:11",
     {"number": "01012340000", "contact": "김_철수"}),
    ("01012340000_20250304091011123.m4a", "lgu", "2025-03-04T09:10:11.123",
     {"number": "01012340000"}),
    ("Ada-2503040910.mp3", "coloros", "2025-03-04T09:10", {"contact": "Ada"}),
    ("Anna-Maria-2503040910.mp3", "coloros", "2025-03-04T09:10", {"contact": "Anna-Maria"}),
    ("+4930123456-20250304091011.aac", "oxygenos", "2025-03-04T09:10:11", {"number": ADA}),
    ("030123456 2025-03-04 09-10-11.amr", "vivo", "2025-03-04T09:10:11",
     {"number": "030123456"}),
    ("unknown_250304_091011123.m4a ", "lineageos", "2025-03-04T09:10:11.123", {}),
    ("CallRecord_20250304-091011_030123456.m4a", "grapheneos", "2025-03-04T09:10:11",
     {"number": "030123456"}),
    ("my bank CallRecord_20250304-091011_030123456.m4a", "grapheneos", "2025-03-04T09:10:11",
     {"number": "030123456"}),
    ("sim1-+4930123456-voicecall-20250304091011123.mp3", "unisoc", "2025-03-04T09:10:11.123",
     {"number": ADA, "sim": 1}),
    ("Ada (+49 30 123456 Mobil) 2025-03-04_091011_in.amr", "true-phone", "2025-03-04T09:10:11",
     {"number": "+49 30 123456", "contact": "Ada", "direction": "in"}),
    ("2025-03-04 09-10-11 (phone) Ada (home) (+49 30 123456) ↘.m4a", "cube",
     "2025-03-04T09:10:11",
     {"number": "+49 30 123456", "contact": "Ada (home)", "direction": "in"}),
    ("2025-03-04 09-10-11 (phone) Ada ↗️.amr", "cube", "2025-03-04T09:10:11",
     {"contact": "Ada", "direction": "out"}),
    ("telegram_20250304-091011_Ada.amr", "cube", "2025-03-04T09:10:11",
     {"contact": "Ada", "app": "telegram"}),
    ("1d20250304241011pnull.m4a", "acr", "2025-03-05T00:10:11", {"direction": "out"}),
    ("+4930123456-1-1741079411.m4a", "acr-phone", "2025-03-04T09:10:11+00:00",
     {"number": ADA, "direction": "out"}),
    ("4930123456_0_1741079411000.mp4", None, "2025-03-04T09:10:11.000+00:00",
     {"number": "4930123456", "direction": "in"}),
    ("20250304T091011 ↑ Ada.ogg", "axet", "2025-03-04T09:10:11",
     {"contact": "Ada", "direction": "out"}),
    ("2025-03-04 09.10.11 ↓ 030123456-Ada.ogg", "axet", "2025-03-04T09:10:11",
     {"number": "030123456", "contact": "Ada", "direction": "in"}),
    ("Call_Outgoing_+4930123456_20250304_091011.mp3", None, "2025-03-04T09:10:11",
     {"number": ADA, "direction": "out"}),
    ("CallRec_03012345678.m4a", "skt", None, {"number": "03012345678"}),
]  # fmt: skip


def told(name: str, **known: Any) -> dict[str, Any]:
    said = explain(name, **known).as_dict()
    facts = ("number", "contact", "direction", "sim", "app")
    return {fact: said[fact] for fact in facts if said[fact] is not None}


@pytest.mark.parametrize(("name", "recorder", "start", "facts"), CALLS)
def test_a_name(name: str, recorder: str | None, start: str | None, facts: dict[str, Any]) -> None:
    said = explain(name).as_dict()
    assert (said["kind"], said["recorder"], said["start"]) == ("call", recorder, start)
    assert told(name) == facts
    assert set(said["sources"]) >= set(facts)


@pytest.mark.parametrize(("name", "recorder", "start", "facts"), CALLS)
@pytest.mark.parametrize(
    "mark",
    [
        *("(1)", " (2)", "~2", " - Copy", " - Kopie (3)", " - Kopija"),
        *(".sync-conflict-20250401-101112-ABCDEF7", " (Eve's conflicted copy 2025-04-01)"),
    ],
)
def test_a_copy_says_the_same(
    mark: str, name: str, recorder: str | None, start: str | None, facts: dict[str, Any]
) -> None:
    stem, dot, suffix = name.rstrip().rpartition(".")
    said = explain(f"{stem}{mark}{dot}{suffix.upper()}").as_dict()
    if mark == " - Kopija" and said["contact"] is not None and not said["number"]:
        assert said["sources"]["contact"]["confidence"] != "high"
        return
    if mark == " - Kopija":  # a word that is not listed may be the end of the contact's name
        facts = {key: value for key, value in facts.items() if key != "contact"}
        said["contact"] = None
    assert (said["kind"], said["start"]) == ("call", start)
    for fact in ("number", "contact", "direction", "sim"):
        assert said[fact] == facts.get(fact)


@pytest.mark.parametrize(("name", "recorder", "start", "facts"), CALLS)
def test_a_mac_or_a_conversion_changes_nothing(
    name: str, recorder: str | None, start: str | None, facts: dict[str, Any]
) -> None:
    for other in (unicodedata.normalize("NFD", name), name.rstrip() + ".mp3"):
        said = explain(other).as_dict()
        assert (said["kind"], said["start"]) == ("call", start)
        assert (said["number"], said["contact"]) == (facts.get("number"), facts.get("contact"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Voice 003_250304_091011.m4a", "voice memo"),
        ("음성 012_250304_091011.m4a", "voice memo"),
        ("2025_03_04_09_10_11.m4a", "voice memo"),
        ("20250304 091011-0A1B2C3D.m4a", "voice memo"),
        ("녹음 001_250304_091011.m4a", "voice memo"),
        ("signal-2025-03-04-09-10-11-678.aac", "voice note"),
        ("WhatsApp Ptt 2025-03-04 at 09.10.11.ogg", "voice note"),
        ("站会3月4日 上午9点10分.mp3", "voice memo"),
        ("PTT-20250304-WA0003.opus", "voice note"),
        ("AUD-20250304-WA0003.m4a", "voice note"),
        (".pending-1741079411-20250304_091011.222+0100_in_+4930123456.oga", "unfinished"),
        ("Call recording Ada_250304_091011.m4a.part", "unfinished"),
        ("1d20250304091011p+4930123456.TMP", "unfinished"),
        (".trashed-1741079411-Call recording Ada_250304_091011.m4a", "deleted"),
        ("20250304_091011.222+0100_in.log.txt", "log"),
        ("crash.log.txt", "log"),
        ("20250304_091011.222+0100_in_+4930123456.json", "sidecar"),
        ("通话录音@Ada(030123456)_20250304091011.txt", "transcript"),
        ("2025-03-04 29-10-11 (phone) Ada ↗.m4a", "unknown"),
        ("20250230_091011.222+0100_in_+4930123456.oga", "unknown"),
        ("2025-03-04_13-10-11 PM_in_+4930123456.oga", "unknown"),
        ("Call recording Ada_250304_256100.m4a", "unknown"),
        ("Ada_+4930123456_250304_250506.m4a", "unknown"),  # its end can be a day
        ("Screenrecorder-2025-03-04-09-10-11-678.mp4", "unknown"),
        ("Aufnahme 2025-03-04 09-10-11.m4a", "unknown"),
        ("Podcast-20250304091011.mp3", "unknown"),
        ("0d20250304251011p+4930123456.m4a", "unknown"),
        ("Call recording Ada.m4a", "unknown"),
        ("Call recording +4930123456_210304.m4a", "unknown"),  # or 21:03:04
        ("20250304-091011.m4a", "unknown"),
        ("20250304_091011.mp4", "unknown"),
        ("VID_20250304_091011.mp4", "unknown"),
        ("Recording_250304_091011.m4a", "unknown"),
        ("audio_2025-03-04_09-10-11.ogg", "voice note"),
        ("03012345678.m4a", "unknown"),
        ("4930123456_0_1741079411000 edited.mp4", "unknown"),
        ("Ada - Greatest Hits.mp3", "unknown"),
        ("Call recording Ada_250304_091011.jpg", "unknown"),
        ("Ada_20251304091011.m4a", "unknown"),
        ("", "unknown"),
        (".m4a", "unknown"),
        (".nomedia", "unknown"),
    ],
)
def test_what_is_no_recording_of_a_call(name: str, kind: str) -> None:
    named = explain(name)
    assert named.kind == kind
    if kind in ("unknown", "voice memo", "voice note", "unfinished", "deleted"):
        assert named.facts == {}
        assert named.notes


def test_the_worst_cases_are_answered_as_a_person_would() -> None:
    zone = ZoneInfo("Asia/Seoul")
    miui = explain("通话录音@王_五(+8613800138000)_20260101000001.mp3").as_dict()
    assert (miui["start"], miui["number"], miui["contact"]) == (
        "2026-01-01T00:00:01",
        "+8613800138000",
        "王_五",
    )
    samsung = explain(
        "Call recording 010-4522-0000_260109_162929(1).m4a", region="KR", zone=zone
    ).as_dict()
    assert (samsung["start"], samsung["zone"]) == ("2026-01-09T16:29:29+09:00", "assumed")
    assert (samsung["number"], samsung["number_e164"], samsung["contact"]) == (
        "010-4522-0000",
        "+821045220000",
        None,
    )
    bcr = explain("20260512_125931.304+0200_OUT_+4930123456_Müller, Jörg.oga").as_dict()
    assert (bcr["start"], bcr["zone"]) == ("2026-05-12T12:59:31.304+02:00", "stated")
    assert (bcr["number"], bcr["contact"], bcr["direction"]) == (ADA, "Müller, Jörg", "out")
    assert bcr["parties"] == []
    assert not explain("2024-02-30 25-61-00 (phone) X ↗.m4a").is_call
    coloros = explain("+8613800138000-2601011200.mp3").as_dict()
    assert (coloros["start"], coloros["precision"]) == ("2026-01-01T12:00", "minute")


@pytest.mark.parametrize(
    "nobody",
    ["Private Nummer", "Numéro masqué", "número privado", "Numero sconosciuto", "Скрытый номер",
     "Gizli Numara", "私密号码", "非通知設定", "발신번호표시제한", "رقم خاص", "מספר חסוי",
     "\u202aPrivate number\u202c", "-1"],
)  # fmt: skip
def test_who_withholds_the_number_is_no_contact(nobody: str) -> None:
    for name in (
        f"Call recording {nobody}_250304_091011.m4a",
        f"2025-03-04 09-10-11 (phone) {nobody} ↙.m4a",
        f"{nobody}_20250304091011.m4a",
        f"20250304_091011+0100_in_{nobody}.oga",
    ):
        named = explain(name)
        assert (named.kind, named["contact"], named["number"]) == ("call", None, None)
        assert "the name says that the number is not known" in named.notes


def test_a_conference() -> None:
    named = explain("20250304_091011.2+0100_conference_+4930123456,+4930654321_Ada,Miller, Bob.oga")
    assert named["direction"] == "conference"
    assert [(party.number, party.contact) for party in named["parties"]] == [
        (ADA, "Ada"),
        ("+4930654321", "Miller, Bob"),
    ]
    assert named["number"] is None
    unclear = explain("20250304_091011.2+0100_conference_+4930123456,+4930654321_Ada.oga")
    assert [party.contact for party in unclear["parties"]] == [None, None]
    assert "whose" in unclear.notes[0]
    miui = explain("通话录音@A_da(13700137000)_13600136000_13_20250304091011.mp3")
    assert [(party.number, party.contact) for party in miui["parties"]] == [
        ("13700137000", "A_da"),
        ("13600136000", None),
        ("13", None),
    ]
    assert miui.facts["parties"].confidence == "low"


def test_a_zone_is_stated_given_or_not_known() -> None:
    name = "Call recording Ada_250330_023000.m4a"
    assert explain(name)["start"].tzinfo is None
    assert explain(name).zone is None
    berlin = explain(name, zone=ZoneInfo("Europe/Berlin"))
    assert berlin.zone == "assumed"
    assert berlin.facts["start"].confidence == "low"  # that night the clocks skipped this hour
    assert "clocks" in berlin.notes[0]
    assert explain("Call recording Ada_250331_023000.m4a", zone=UTC).facts["start"] == (
        datetime(2025, 3, 31, 2, 30, tzinfo=UTC),
        "file name (samsung)",
        "high",
    )
    stated = explain("20250304_091011.2+0545_in.oga", zone=UTC)
    assert stated["start"].utcoffset() == timedelta(hours=5, minutes=45)
    assert stated.facts["zone"].value == "stated"
    epoch = explain("+4930123456-1-1741079411.m4a", zone=ZoneInfo("Asia/Tokyo")).as_dict()
    assert epoch["start"] == "2025-03-04T18:10:11+09:00"
    day = explain("Call_Outgoing_+4930123456_20250304.mp3", zone=UTC).as_dict()
    assert (day["start"], day["zone"], day["precision"]) == ("2025-03-04", None, "day")


def test_the_country_makes_e164_of_a_national_number() -> None:
    name = "Call recording 030123456_250304_091011.m4a"
    assert explain(name)["number_e164"] is None
    german = explain(name, region="de")
    assert german["number_e164"] == ADA
    assert german.facts["number_e164"].source == "file name (samsung), country DE"
    assert explain(name, region="US")["number_e164"] is None  # no such number there
    short = explain("Call recording 112_250304_091011.m4a", region="DE")
    assert (short["number"], short["number_e164"]) == ("112", None)
    too_long = explain("1d20250304091011p+493012345678901234.m4a")
    assert too_long["number_e164"] is None
    miui = explain("通话录音@Ada(004930123456)_20250304091011.mp3")
    assert (miui["number"], miui["number_e164"]) == ("004930123456", ADA)
    assert miui.facts["number_e164"].confidence == "medium"


def test_the_folder_helps() -> None:
    name = "01012340000_20250304091011.m4a"
    assert explain(name, folder="/sdcard/Recordings/TPhoneCallRecords").recorder == "skt"
    assert explain(name, folder="/sdcard/Sounds/CallRecord/").recorder == "huawei"
    assert explain(f"MIUI/sound_recorder/call_rec/{name}").recorder == "miui"
    bare = "Ada_250304_091011.m4a"
    assert explain(bare).facts["contact"].confidence == "low"
    inside = explain(bare, folder="/storage/emulated/0/Recordings/Call")
    assert inside.facts["contact"].confidence == "medium"
    wav = explain("x.wav", folder="/data/data/com.google.android.dialer/files/callrecording")
    assert (wav.kind, wav.recorder) == ("call", "google")
    own = explain("30123456-20250304091011.aac", folder="Record/PhoneRecord/+4930123456")
    assert (own["number"], own["number_e164"]) == ("30123456", ADA)
    assert own.facts["number_e164"].source == "folder"
    moment = "20250304_091011.m4a"
    assert not explain(moment).is_call
    assert explain(moment, folder="Recordings/CallRecordings").is_call


def test_a_name_without_a_year_needs_the_files_time() -> None:
    name = "030123456_通话_12月31日_23点59分.amr"
    alone = explain(name)
    assert (alone["start"], alone["number"]) == (None, "030123456")
    assert "12-31 at 23:59" in alone.notes[0]
    dated = explain(name, near=datetime(2025, 1, 1, 0, 4, tzinfo=UTC))
    assert dated["start"] == datetime(2024, 12, 31, 23, 59)  # noqa: DTZ001
    assert dated.facts["start"].confidence == "low"
    assert not explain("030123456_通话_02月30日_23点59分.amr").is_call


@pytest.mark.parametrize(
    ("name", "fact", "most"),
    [
        ("Call recording Office 5551234_250304_091011.m4a", "contact", "medium"),
        ("Call recording Ada 03012345678_250304_091011.m4a", "number", "low"),
        ("Call recording 20240102_250304_091011.m4a", "number", "low"),
        ("Call recording Ada_250304_0910.m4a", "start", "medium"),
        ("Call recording Ada_250304.m4a", "start", "low"),
        ("Ada-2503040910.mp3", "start", "medium"),
        ("20250304_091011.2+0100_in_+4930123456_A_B.oga", "contact", "medium"),
        ("20250304_091011.2+0100_in_+4930123456_Ada (1).oga", "contact", "medium"),
        ("Ada_250304_091011.m4a", "contact", "low"),
        ("Ada 2025-03-04 09-10-11.m4a", "contact", "low"),
        ("2025-03-04 09.10.11.ogg", "kind", "low"),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_told_as_sure(name: str, fact: str, most: str) -> None:
    assert explain(name).facts[fact].confidence == most


def test_every_suffix_that_is_pulled_is_one_of_a_sound() -> None:
    assert {suffix.lstrip(".") for suffix in SUFFIXES} <= AUDIO


def test_bytes_that_are_not_utf8_stay_as_they_are() -> None:
    name = os.fsdecode(b"Call recording \xff\xfe_250304_091011.m4a")
    assert explain(name)["contact"] == "\udcff\udcfe"
