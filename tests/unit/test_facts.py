"""What phones say of themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.adb import shell
from agent.adb.shell import Completed
from agent.errors import RemoteError
from agent.phone import facts
from agent.phone.facts import country_of, parse_getprop
from agent.text import shown


def test_values_may_be_empty_or_hold_brackets_and_newlines() -> None:
    text = "[ro.a]: [x]\n[ro.b]: []\nnoise\n[ro.c]: [one\ntwo]\n[ro.d]: [[Global]]\n"
    assert parse_getprop(text) == {"ro.a": "x", "ro.b": "", "ro.c": "one\ntwo", "ro.d": "[Global]"}


@given(st.text())
def test_no_text_crashes_it(text: str) -> None:
    parse_getprop(text)


@given(st.text())
def test_what_is_shown_has_nothing_that_a_terminal_obeys(text: str) -> None:
    said = shown(text)
    assert not any(ord(ch) < 32 or 0x7F <= ord(ch) < 0xA0 for ch in said)
    assert not set(said) & set("\u202e\u2066\u2028\u200f")
    said.encode()


def test_stray_bytes_are_shown_as_bytes() -> None:
    assert shown(b"a\xffb".decode("utf-8", "surrogateescape")) == "a\\xffb"


@pytest.mark.parametrize(
    ("sim", "network", "country"),
    [
        ("de,", "at,", "DE"),
        (",kr", "", "KR"),
        ("de,de", "", "DE"),
        ("de,at", "de,", ""),
        ("", "us,", "US"),
        ("", "", ""),
        ("<script>", "", ""),
    ],
)
def test_the_country_is_that_of_the_sims(sim: str, network: str, country: str) -> None:
    said = {"gsm.sim.operator.iso-country": sim, "gsm.operator.iso-country": network}
    assert country_of(said) == country


@pytest.mark.parametrize("said", ["nan", "inf", "1e400", "-1", "1e300", "soon", ""])
def test_a_clock_that_tells_no_time_is_an_error(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "run", lambda *_, **__: Completed(0, said.encode(), b""))

    class Nowhere:
        where = "nowhere"

    with pytest.raises(RemoteError, match="does not tell the time"):
        facts.read_clock(Nowhere())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "free"),
    [
        ("/dev/x 9 4 5 50% /data", 5 * 1024),
        ("/dev/x 9 4 \u00b2 50% /data", None),
        ("/dev/x 9 4 " + "9" * 5000 + " 50% /data", None),
        ("", None),
    ],
)
def test_free_space_is_a_number_or_not_known(line: str, free: int | None) -> None:
    assert facts._free(line) == free
