"""Names with hostile contacts, made as each recorder makes them, are read back, or refused.

A contact may be read otherwise where two readings are possible, but then never as if it were sure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import cycle, islice

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.naming import Named, explain
from agent.naming.number import e164
from agent.naming.text import fold
from agent.naming.words import call_prefix
from tests.effort import effort

_PIECES = st.sampled_from(
    [
        *"abZé王五김א_-.,;:()[]{}@#*+ ~'\"!&%$=^´`",
        *"0123456789",
        "_250101_120000",
        "20240101",
        "2024-01-01 12-30-00",
        "12-30",
        "(1)",
        " - Copy",
        "_in_",
        "_out",
        "sim2",
        "@10086",
        "(13800138000)",
        "+491701234567",
        "-2401021530",
        "unknown",
        "Call recording ",
        "통화 녹음 ",
        "😀",
        "👨\u200d👩\u200d👧",
        "\u202eابج",
        "e\u0301",
        "\x07",
        "\n",
        "\ufeff",
        "↗",
        "↓",
        ".amr",
        "null",
        "  ",
    ]
)
CONTACTS = st.one_of(
    st.lists(_PIECES, min_size=1, max_size=12).map("".join),
    st.text(min_size=1, max_size=60),
    st.sampled_from(["王" * 85, "x" * 255, "_" * 40, "(" * 30, "é" * 127, "1" * 60]),
)
NUMBERS = st.sampled_from(
    ["+4930123456", "+8613800138000", "13800138000", "01012345678", "+12025550123", "10086"]
)
MOMENTS = st.datetimes(datetime(2006, 1, 1), datetime(2049, 12, 31)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)


@dataclass(frozen=True)
class Call:
    contact: str
    number: str
    at: datetime
    direction: str

    @property
    def fourteen(self) -> str:
        return f"{self.at:%Y%m%d%H%M%S}"

    @property
    def six(self) -> str:
        return f"{self.at:%y%m%d_%H%M%S}"

    @property
    def millis(self) -> str:
        return f"{self.at.microsecond // 1000:03}"


CALLS = st.builds(Call, CONTACTS, NUMBERS, MOMENTS, st.sampled_from(["in", "out"]))
_BCR_ZONE = timezone(timedelta(hours=5, minutes=30))


def _sanitised(text: str) -> str:
    """As BCR makes a name: what a file system can't hold is ``_``."""
    return "".join(
        "_" if ch in '"*/:<>?\\|' or unicodedata.category(ch) in ("Cc", "Cf") else ch for ch in text
    )


def _bcr(call: Call) -> str:
    fraction = f".{call.millis}".rstrip("0").rstrip(".")
    date = f"{call.at:%Y%m%d_%H%M%S}{fraction}+0530"
    return f"{date}_{call.direction.upper()}_{call.number}_{_sanitised(call.contact)}.oga"


def _arrow(call: Call) -> str:
    return "↗" if call.direction == "out" else "↙"


#: For each recorder: how it makes a name, and which facts are in it. ``second`` and ``minute``
#: are how exact its time is.
MAKERS: dict[str, tuple[Callable[[Call], str], str]] = {
    "bcr": (_bcr, "contact number direction millis"),
    "miui": (
        lambda c: f"通话录音@{c.contact}({c.number})_{c.fourteen}.mp3",
        "contact number",
    ),
    "miui in another language": (
        lambda c: f"Grabación@{c.contact}({c.number})_{c.fourteen}.mp3",
        "contact number",
    ),
    "samsung contact": (lambda c: f"Call recording {c.contact}_{c.six}.m4a", "contact"),
    "samsung number": (lambda c: f"통화 녹음 {c.number}_{c.six}.m4a", "number"),
    "samsung bare": (lambda c: f"{c.contact}_{c.six}.m4a", "contact"),
    "huawei": (lambda c: f"{c.contact}@{c.number}_{c.fourteen}.m4a", "contact number"),
    "skt": (lambda c: f"{c.contact}_{c.number}_{c.fourteen}.m4a", "contact number"),
    "lgu": (lambda c: f"{c.number}_{c.fourteen}{c.millis}.m4a", "number millis"),
    "lineageos": (lambda c: f"{c.number}_{c.six}{c.millis}.amr", "number millis"),
    "grapheneos": (lambda c: f"CallRecord_{c.at:%Y%m%d-%H%M%S}_{c.number}.m4a", "number"),
    "coloros": (lambda c: f"{c.contact}-{c.at:%y%m%d%H%M}.mp3", "contact minute"),
    "oxygenos": (lambda c: f"{c.number}-{c.fourteen}.aac", "number"),
    "vivo": (lambda c: f"{c.number} {c.at:%Y-%m-%d %H-%M-%S}.amr", "number"),
    "unisoc": (
        lambda c: f"sim2-{c.number}-voicecall-{c.fourteen}{c.millis}.mp3",
        "number millis",
    ),
    "cube": (
        lambda c: f"{c.at:%Y-%m-%d %H-%M-%S} (phone) {c.contact} ({c.number}) {_arrow(c)}.m4a",
        "contact number direction",
    ),
    "cube app": (
        lambda c: f"whatsapp_{c.at:%Y%m%d-%H%M%S}_{c.contact}.amr",
        "contact",
    ),
    "true phone": (
        lambda c: f"{c.contact} ({c.number} Mobil) {c.at:%Y-%m-%d_%H%M%S}_{c.direction}.amr",
        "contact number direction",
    ),
    "acr": (
        lambda c: f"{int(c.direction == 'out')}d{c.fourteen}p{c.number}.m4a",
        "number direction",
    ),
    "axet": (
        lambda c: (
            f"{c.at:%Y-%m-%d %H.%M.%S} {'↑' if c.direction == 'out' else '↓'} {c.contact}.ogg"
        ),
        "contact direction",
    ),
}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _check(named: Named, call: Call, facts: str) -> None:
    """Refused, or told rightly; what is told wrongly is not told as sure."""
    if named.kind != "call":
        return
    start = named["start"]
    if start is not None and named.facts["start"].confidence == "high":
        exact = call.at
        if "minute" in facts:
            exact = exact.replace(second=0)
        if "millis" not in facts:
            exact = exact.replace(microsecond=0)
        assert start.replace(tzinfo=None) == exact
    for fact in ("number", "direction"):
        said = named.facts.get(fact)
        if said is not None and said.confidence == "high" and fact in facts:
            assert said.value == getattr(call, fact)
    said = named.facts.get("contact")
    if said is not None and said.confidence == "high":
        assert "contact" in facts
        assert _plain(said.value) in (_plain(call.contact), _plain(_sanitised(call.contact)))


@pytest.mark.parametrize("recorder", MAKERS)
@settings(max_examples=40, deadline=None)
@given(call=CALLS)
def test_a_hostile_contact_is_read_back_or_not_told_as_sure(recorder: str, call: Call) -> None:
    make, facts = MAKERS[recorder]
    if recorder == "samsung bare":
        assume(not call_prefix(fold(call.contact.strip())))  # it is the same name then
    name = make(call)
    assume("/" not in name)
    _check(explain(name), call, facts)
    _check(explain(unicodedata.normalize("NFD", name)), call, facts)
    # A name is 255 bytes at most: what is longer was cut, and may mean anything.
    explain(name.encode("utf-8", "surrogatepass")[:255].decode("utf-8", "ignore"))


TRICKY = [
    "Ada_Lovelace",
    "王_五",
    "a_b_c_d",
    "Miller (work)",
    "Dr. [Who]",
    "Müller, Jörg",
    "O'Neil-Smith",
    "😀 Bob 😀",
    "Agent 7",
    "x_250101_120000",
    "Bob @ Home",
    "ישראל ישראלי",
    "12-30 club",
    "e\u0301té",
    "제이콥(전산) 대표님",
]


@pytest.mark.parametrize("recorder", [r for r, (_, facts) in MAKERS.items() if "contact" in facts])
@pytest.mark.parametrize("contact", TRICKY)
def test_a_tricky_contact_is_read_back_whole(recorder: str, contact: str) -> None:
    call = Call(contact, "+4930123456", datetime(2024, 3, 5, 14, 22, 7), "out")  # noqa: DTZ001
    make, facts = MAKERS[recorder]
    named = explain(make(call))
    assert named.kind == "call"
    assert _plain(named["contact"]) == _plain(contact)
    assert named["number"] == ("+4930123456" if "number" in facts else None)
    assert named["direction"] == ("out" if "direction" in facts else None)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=255), st.text(max_size=60))
def test_no_text_is_an_error(name: str, folder: str) -> None:
    named = explain(name, folder=folder, region="DE", zone=_BCR_ZONE)
    assert named.as_dict()["file"] == name


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=255))
def test_no_bytes_are_an_error(data: bytes) -> None:
    explain(data.decode("utf-8", "surrogateescape"))


@settings(max_examples=100, deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join), st.sampled_from(["m4a", "json", "part", ""]))
def test_no_heap_of_pieces_is_an_error(name: str, suffix: str) -> None:
    explain(f"{name}.{suffix}")


@pytest.mark.parametrize(
    "name",
    [
        *(ch * 255 for ch in "(_1.@~a"),
        *("a_" * 127, " - " * 85, "a(1)_" * 51, "2024-01-01 " * 23, "20240101_120000" * 17),
        *("call recording " * 17, "通话录音@" + "a(13800138000)_" * 15),
    ],
)
def test_no_name_takes_long(name: str) -> None:
    def both() -> None:
        explain(f"{name}_20240101000000.mp3")
        explain(name)

    assert effort(both) < 0.1  # some 10 ms


@pytest.mark.parametrize(
    ("region", "number"), [(None, "+4930{:06}"), ("DE", "030{:06}"), ("CN", "138{:08}")]
)
def test_reading_many_names_is_no_great_work(region: str | None, number: str) -> None:
    """10,000 of them: a hundred thousand, which a phone may have, are a matter of seconds."""
    at = datetime(2024, 1, 1)  # noqa: DTZ001
    names = []
    for place, recorder in enumerate(islice(cycle(MAKERS), 10_000)):
        moment = at + timedelta(seconds=7 * place)
        call = Call(f"Bob_{place}", number.format(place), moment, "in")
        names.append(MAKERS[recorder][0](call))

    def read() -> None:
        for name in names:
            explain(name, region=region)

    assert effort(read) < 30


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[1-9][0-9]{5,14}", fullmatch=True))
def test_the_quick_way_to_e164_is_what_libphonenumber_says(digits: str) -> None:
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        assert e164(f"+{digits}") is None
        return
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    possible = reason == phonenumbers.ValidationResult.IS_POSSIBLE
    found = e164(f"+{digits}")
    assert (found is not None) == possible
    if found is not None:
        assert found[0] == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["DE", "KR", "US", "CA", "CN", "IT", "BR", "GB", "AR", "MX", "RU"]),
    st.sampled_from(["", "0", "00", "1", "8", "15", "310", "010"]),
    st.from_regex(r"[0-9]{3,12}", fullmatch=True),
)
def test_the_quick_way_for_national_numbers_is_what_libphonenumber_says(
    region: str, first: str, digits: str
) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    for number in (first + digits, f"{first}{example.national_number}"[:15]):
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            assert e164(number, region) is None
            continue
        reason = phonenumbers.is_possible_number_with_reason(parsed)
        known = reason == phonenumbers.ValidationResult.IS_POSSIBLE
        if not known or not phonenumbers.is_valid_number(parsed):
            assert e164(number, region) is None
        else:
            full = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
            assert e164(number, region) == (full, "medium")
