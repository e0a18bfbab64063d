"""The table of rules, the codes of places, and answers held against them."""

from __future__ import annotations

import re

import pytest

from agent.archive.basis import fact_of, fact_of_token, words_of
from agent.capture import law
from agent.capture.consent import allowed, consent
from agent.capture.law.rule import Rule
from agent.errors import ConsentError

NOW = "2026-11-23T10:00:00+00:00"


def test_there_are_249_countries_and_every_state() -> None:
    assert len(law.COUNTRIES) == 249
    assert all(re.fullmatch("[A-Z]{2}", code) for code in law.COUNTRIES)
    assert len(set(law.COUNTRIES.values())) == 249
    assert sum(code.startswith("US-") for code in law.PARTS) == 57  # DC and 6 territories


def test_every_row_is_of_a_real_place_and_has_a_source_and_a_date() -> None:
    for code, rule in law.RULES.items():
        assert law.checked(code) == code == rule.code
        assert len(rule.source) > 5
        assert re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", rule.as_of), code
        assert rule.says.endswith((".", "consent."))
        assert "  " not in rule.says


def test_every_state_of_the_united_states_has_a_row() -> None:
    states = [code for code in law.RULES if code.startswith("US-")]
    assert len(states) == 51
    strict = {code[3:] for code in states if not law.RULES[code].one_is_enough}
    assert strict == {
        *("CA", "FL", "IL", "MD", "MA", "MT", "NH", "PA", "WA"),
        *("CT", "DE", "MI", "NV", "OR", "VT"),
    }
    contested = {code[3:] for code in states if law.RULES[code].contested}
    assert contested == {"CT", "DE", "MI", "NV", "OR", "VT"}


def test_what_is_contested_unknown_or_unverified_is_taken_from_the_strict_side() -> None:
    one = Rule("XX", "one-party", "", "", "2026")
    assert (one.applied, one.words) == ("one-party", "one-party")
    for rule, words in (
        (Rule("XX", "one-party", "", "", "", contested=True), "contested"),
        (Rule("XX", "one-party", "", "", "", verified=False), "unverified"),
        (Rule("XX", "unknown", "", "", ""), "unknown"),
    ):
        assert (rule.applied, rule.words) == ("all-party", f"{words}: taken as all-party")


def test_a_part_has_its_countrys_rule_only_where_that_says_something() -> None:
    assert law.rule_of("CA-ON").says == law.RULES["CA"].says
    assert law.rule_of("CA-ON").code == "CA-ON"
    for code in ("US", "US-PR", "SE", "AU"):
        assert (law.rule_of(code).kind, law.rule_of(code).applied) == ("unknown", "all-party")
    assert "not in the table" in law.rule_of("SE").says
    assert "not in the table" in law.rule_of("US-PR").says


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("UK", r"GB \(United Kingdom\)"),
        ("Germany", r"DE \(Germany\)"),
        ("Germny", r"DE \(Germany\)"),
        ("TX", r"US-TX \(Texas, United States\)"),
        ("US-XT", r"US-TX"),
        ("AU-VIX", r"AU-VIC"),
        ("DE-BY", r"all of Germany, write DE"),
        ("XX", r"ISO code"),
        ("", r"ISO code"),
        ("D\x1b[31m", r"ISO code"),
    ],
)
def test_a_slip_is_caught_and_the_likely_place_named(text: str, hint: str) -> None:
    with pytest.raises(ConsentError) as caught:
        law.checked(text)
    assert re.search(hint, caught.value.hint or "")
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("basis", "here", "there"),
    [
        ("own-line", "DE", "US-CA"),
        ("all-party", "DE", "SE"),
        ("one-party", "GB", "US-TX"),
        ("one-party", "ca-qc", "nl"),
    ],
)
def test_answers_that_the_law_of_both_ends_leaves(basis: str, here: str, there: str) -> None:
    given = consent(basis, here, there, NOW)
    assert (given.here, given.there, given.law) == (here.upper(), there.upper(), law.VERSION)


@pytest.mark.parametrize("ends", [("GB", "DE"), ("DE", "GB"), ("US-NV", "GB"), ("SE", "NL"),
                                  ("US", "GB"), ("IN", "IN")])  # fmt: skip
def test_one_party_is_refused_where_either_end_asks_for_more(ends: tuple[str, str]) -> None:
    assert allowed(*ends) == ["own-line", "all-party"]
    with pytest.raises(ConsentError, match="one-party is no basis") as caught:
        consent("one-party", *ends, NOW)
    strict = next(end for end in ends if not law.rule_of(end).one_is_enough)
    assert f"offhook law {strict}" in (caught.value.hint or "")


def test_a_sidecars_word_is_the_fact_that_the_answer_is() -> None:
    given = consent("own-line", "DE", "US-CA", NOW)
    fact = fact_of_token(given.token)
    assert fact == fact_of(given.as_dict()) == {
        "basis": "own-line", "here": "DE", "there": "US-CA",
        "answered": "2026-11-23", "law": law.VERSION,
    }  # fmt: skip
    assert words_of(fact) == (
        f"own-line (DE to US-CA), answered 2026-11-23, table of rules {law.VERSION}"
    )
    # of an Offhook before the table
    assert words_of(fact_of_token("own-line:DE:DE")) == "own-line (DE to DE)"
    assert fact_of_token("because: I may") == "because: I may"
