"""What a bundle may say of a phone, and what it never says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.capture.alsa.hints import CHIP_KEYS, chips
from agent.capture.offline.redact import Redactor, registry_shape
from agent.phone.facts import parse_getprop

PHONE = {
    "ro.board.platform": "kona",
    "ro.build.fingerprint": "a/b/c:13/TKQ1/eng.ada.20250101:userdebug/test-keys",
    "ro.product.model": "2112123AC",
    "persist.vendor.audio.voice.volume": "5",
    "log.tag.Telecom": "S",
    # Each of these is on a real phone, under this or a similar name.
    "ro.serialno": "8f3a91bc",
    "ro.boot.serialno": "8f3a91bc",
    "ro.vendor.oem.imei1": "356938035643809",
    "ril.iccid.sim1": "89490200001234567890",
    "gsm.sim.line1.number": "+491701234567",
    "gsm.operator.alpha": "Lab Mobile,Other Net",
    "persist.vendor.service.bdroid.bdaddr": "22:22:5c:aa:bb:cc",
    "ro.vendor.wifi.mac": "001122aabbcc",
    "wifi.interface.ssid": "Ada's home",
    "persist.sys.device_name": "Ada's phone",
    "ro.build.user": "adamiller",
    "persist.sys.timezone": "Europe/Berlin",
    "persist.sys.account": "ada@example.org",
    "ro.vendor.some.token": "aGVsbG8gd29ybGQ",
    "persist.vendor.audio.owner": "ada miller",
}
SOMEBODYS = [
    "8f3a91bc", "356938035643809", "89490200001234567890", "+491701234567", "Lab Mobile",
    "22:22:5c:aa:bb:cc", "001122aabbcc", "Ada's home", "Ada's phone", "adamiller", "Berlin",
    "ada@example.org", "aGVsbG8gd29ybGQ", "ada miller", "eng.ada.",
]  # fmt: skip


def test_what_is_kept_names_the_chip_and_how_its_sound_is_set_up() -> None:
    kept = parse_getprop(Redactor(PHONE).properties(PHONE))
    assert kept == {
        "ro.board.platform": "kona",
        "ro.build.fingerprint": "a/b/c:13/TKQ1/eng.[user].20250101:userdebug/test-keys",
        "ro.product.model": "2112123AC",
        "persist.vendor.audio.voice.volume": "5",
        "log.tag.Telecom": "S",
    }


def test_every_name_of_the_chip_is_kept() -> None:
    said = {key: f"chip{n}" for n, key in enumerate(CHIP_KEYS)}
    assert chips(parse_getprop(Redactor(said).properties(said))) == chips(said)


def test_what_is_somebodys_is_found_wherever_it_stands() -> None:
    redactor = Redactor(PHONE, "192.168.1.7:5555")
    for word in [*SOMEBODYS, "192.168.1.7:5555"]:
        if word not in ("Berlin", "eng.ada."):  # these only with what is around them
            assert word not in redactor.text(f"a card of {word} is one"), word
    assert redactor.count >= len(SOMEBODYS) - 2


def test_what_looks_like_an_identifier_is_taken_out_though_no_property_has_it() -> None:
    redactor = Redactor({})
    for word in [
        "+49 170 1234567", "356938035643809", "ab:cd:ef:01:23:45", "bob@example.com",
        "d41d8cd98f00b204e9800998ecf8427e", "8949020000123456789",
    ]:  # fmt: skip
        assert word not in redactor.text(f"x {word} y"), word
    for word in ["/home/bob/scrcpy", "/Users/bob/scrcpy"]:
        assert "bob" not in redactor.text(word)


def test_what_is_not_somebodys_stays() -> None:
    redactor = Redactor(PHONE | {"ro.boot.serialno": "unknown", "ro.boot.hwname.serial": "kona"})
    for text in [
        "00-23: MultiMedia9 (*) :  : playback 1 : capture 1",
        "5\tINT\t1\tVoc VSID                                \t0\t-1 (range -1->2147483647)",
        "5.10.198-android12-9-00019-g4ea09a298bb4-ab12292661",
        "Xiaomi/psyche/psyche:13/TKQ1.220829.002/V14.0.5.0.TLDEUXM:user/release-keys",
        "kona-mtp-snd-card unknown",
    ]:
        assert redactor.text(text) == text


def test_comments_of_xml_are_left_out() -> None:
    text = '<mixer><!-- bob --><ctl name="a" value="1"/><!-- never closed <ctl name="b"/></mixer>'
    assert Redactor({}).xml(text) == '<mixer><ctl name="a" value="1"/>'


def test_a_diagnosis_keeps_no_serial_zone_or_time() -> None:
    body = {
        "phone": {"serial": "8f3a91bc", "model": "8f3a91bc", "timezone": "Europe/Berlin"},
        "routes": [
            {"route": "alsa", "reason": "at 8f3a91bc", "secret": 1},
            {"route": "microphone", "reason": "Ada's AirPods"},
        ],
        "recorder": {"state": "idle", "since_ms": 1, "spooled": 3},
        "warnings": ["of ada@example.org"],
    }
    kept = Redactor(PHONE).diagnosis(body)
    assert kept["phone"] == {"model": "[redacted]"}
    assert kept["routes"][0] == {"route": "alsa", "reason": "at [redacted]"}
    assert "Ada" not in str(kept)
    assert kept["recorder"] == {"state": "idle"}
    assert kept["warnings"] == ["of [redacted]"]


REGISTRY = """last known state:
  Phone Id=0
    mCallState=2
    mCallIncomingNumber=+15559998888
    mForegroundCallState=1
    mServiceState={mVoiceRegState=0(IN_SERVICE), mOperatorAlphaLong=Lab, CellIdentityLte:{mCi=26842625}}
  Phone Id=1
    mCallState=0
"""


def test_the_registry_is_only_its_states() -> None:
    assert registry_shape(REGISTRY) == (
        "Phone Id=0\nmCallState=2\nmForegroundCallState=1\nPhone Id=1\nmCallState=0\n"
    )


@given(st.text(max_size=200))
def test_nothing_else_of_a_registry_can_come_through(text: str) -> None:
    said = registry_shape(f"mCallState=1{text}\n{text} mCallState={text}")
    for word in said.split():
        if word not in ("Phone", "Id"):
            name, _, value = word.partition("=")
            assert name in ("Id", "mCallState", "mRingingCallState", "mForegroundCallState",
                            "mBackgroundCallState", "mPreciseCallState")  # fmt: skip
            assert len(value) <= 3


@given(st.dictionaries(st.text(min_size=1, max_size=30), st.text(max_size=60), max_size=5),
       st.text(max_size=100))  # fmt: skip
def test_any_phone_and_any_text_is_redacted_or_left(properties: dict[str, str], text: str) -> None:
    redactor = Redactor(properties)
    assert isinstance(redactor.text(text), str)
    parse_getprop(redactor.properties(properties))
