"""The join's rules, one at a time: numbers, names, clocks, zones, lengths, files of one call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.archive.join import SURE, Call, Decision, Heard, Log, Look, Party, decide
from agent.archive.join.parties import bare, names_agree, numbers_agree

T = 1_767_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")
READ = [Look(T + 40 * 86_400_000, 0, 10, "Europe/Berlin", 100, T - 86_400_000)]


def call(id_: int = 1, at_s: float = 0.0, talk_s: int = 60, kind: int = 1, **what: object) -> Call:
    facts = {"number": "+4930123456", "presentation": 1, "country": "DE"} | what
    return Call(id_, T + round(at_s * 1000), talk_s, kind, **facts)  # type: ignore[arg-type]


def heard(at_s: float = 6.0, length_s: float = 60.4, **what: object) -> Heard:
    facts: dict[str, object] = {"id": 1, "start_ms": T + round(at_s * 1000), "length_s": length_s}
    return Heard(**(facts | what))  # type: ignore[arg-type]


def one(recording: Heard, *calls: Call, looks: list[Look] | None = None) -> Decision:
    (decision,) = decide([recording], Log(calls, READ if looks is None else looks))
    return decision


def ids(decision: Decision) -> list[int]:
    return [found.id for found in decision.calls]


# -- numbers and names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "country", "said"),
    [
        ("+41791234567", "079 123 45 67", "CH", "same"),
        ("0041791234567", "+41791234567", None, "same"),
        ("+41791234567", "0791234567", None, "same"),
        ("+4930123456", "030/123456", "DE", "same"),
        ("+14155552671", "(415) 555-2671", "US", "same"),
        ("tel:+4930123456", "*31#+4930123456", "DE", "same"),
        ("+4930123456,,12#", "+4930123456", "DE", "same"),
        ("５５５０１２３４５", "555012345", None, "same"),
        ("123456789", "+4930123456789", None, "like"),
        ("+4930123456", "+4930123457", "DE", "other"),
        ("+4930123456", "+4130123456", "DE", "other"),
        ("117", "+41791234117", "CH", "other"),
        ("117", "117", "CH", "same"),
        ("3014", "+493014", "DE", "other"),
        ("0318986xxxx", "+923189861234", "PK", "like"),
        ("*********67", "+4930123467", None, "like"),
        ("*********67", "+4930123468", None, "other"),
        ("", "117", None, "unknown"),
        ("-2", "117", None, "unknown"),
        ("unknown", "+4930123456", None, "unknown"),
        (None, None, None, "unknown"),
    ],
)
def test_numbers(a: str | None, b: str | None, country: str | None, said: str) -> None:
    assert numbers_agree(a, b, country) == said
    assert numbers_agree(b, a, country) == said


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from([None, "DE", "??"]))
def test_no_text_for_a_number_breaks_it(a: str, b: str, country: str | None) -> None:
    assert numbers_agree(a, b, country) == numbers_agree(b, a, country)
    assert set(bare(a)) <= set("+0123456789*#")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("Ada Miller", "ada miller", "same"),
        ("O_Brien_ Pat", "O'Brien, Pat", "same"),
        ("Jorg Weiss", "Jörg Weiss", "same"),
        ("Verein zur Foerderun", "Verein zur Foerderung der Telefonie", "like"),
        ("王五", "王五先生", "like"),
        ("Al", "Albert", "other"),
        ("Ada", "Bob", "other"),
        ("राम", "रमा", "other"),
        ("राम", "राम कुमार", "like"),
        ("สมชาย", "สิมชาย", "other"),
        ("かく", "がく", "other"),
        ("مُحَمَّد", "محمد", "same"),
        ("❤️", "Mom ❤️", "unknown"),
        (None, "Bob", "unknown"),
    ],
)
def test_names(a: str | None, b: str | None, said: str) -> None:
    assert names_agree(a, b) == names_agree(b, a) == said


# -- times ---------------------------------------------------------------------------------------


def test_it_says_why() -> None:
    decision = one(heard(number="030123456", direction="in"), call())
    assert ids(decision) == [1]
    assert decision.score > SURE
    assert decision.reason == "rang 6 s before it, same length, same number, same direction"


def test_a_minute_is_all_that_a_name_has_and_the_file_says_the_second() -> None:
    # 23:59 of the last day of a year; the other call of the minute before is as long.
    begun = datetime(2026, 12, 31, 23, 59, 40, tzinfo=BERLIN).timestamp()
    first, second = (
        Call(n, round((begun + 70 * n) * 1000), 30, 1, "+4930123456", name="Ada") for n in (0, 1)
    )
    minute = datetime(2027, 1, 1, 0, 0, tzinfo=BERLIN).timestamp()
    recording = Heard(1, round(minute * 1000), precision_s=60.0, length_s=30.0, contact="Ada")
    looks = [Look(round((begun + 9000) * 1000), 0, 1, None, 2, None)]
    open_ = one(recording, first, second, looks=looks)
    assert open_.calls == () and len(open_.candidates) == 2
    assert open_.reason == "2 calls may be it"
    ended = round((begun + 70 + 8 + 31) * 1000)
    assert ids(one(replace(recording, file_ms=ended), first, second, looks=looks)) == [1]


def test_an_assumed_zone_is_found_by_the_file_or_by_the_number() -> None:
    far = heard(6 - 6 * 3600, zone_known=False, file_ms=T + 67_000)
    decision = one(far, call())
    assert ids(decision) == [1] and "zone 6 h off" in decision.reason
    by_number = heard(6 - 6 * 3600, zone_known=False, number="+4930123456")
    assert ids(one(by_number, call())) == [1]
    assert one(heard(6 - 6 * 3600, number="+4930123456"), call()).calls == ()  # it knows its zone


def test_in_the_hour_that_there_was_twice_both_are_looked_at() -> None:
    recording = heard(6 - 3600, zone_known=False, other_hour_ms=3_600_000)
    decision = one(recording, call())
    assert ids(decision) == [1] and "twice" in decision.reason
    both = one(recording, call(), call(2, -3600))
    assert both.calls == () and [round(c.score, 1) for c in both.candidates] == [0.5, 0.5]


def test_this_computers_clock_is_corrected_by_the_nearest_looks() -> None:
    day = 86_400_000
    looks = [
        Look(T - 30 * day, -5000),
        Look(T - 3_600_000, 400_000),
        Look(T + 9 * day, 0, 0, None, 9),
    ]
    recording = heard(6 - 400, clock="host")
    decision = one(recording, call(), call(2, -400), looks=looks)
    assert ids(decision)[:1] == [1]
    assert "clock 6 min ahead" in decision.reason
    assert decision.shift_ms == 400_000


def test_a_clock_that_was_set_in_between_is_known_from_the_looks() -> None:
    looks = [Look(T - 3_600_000, 0), Look(T + 3_600_000, 300_000, 0, None, 9, None)]
    recording = heard(306, number="+4930123456")
    assert ids(one(recording, call(), looks=looks)) == [1]
    unexplained = one(recording, call())
    assert unexplained.calls == ()
    assert "begun at another time" in unexplained.reason


# -- what forbids, and what leaves open ----------------------------------------------------------


def test_a_number_that_differs_is_never_joined_but_listed() -> None:
    decision = one(heard(number="+4930999999", begun_ms=T), call())
    assert decision.calls == ()
    assert [c.call.id for c in decision.candidates] == [1]
    assert decision.candidates[0].against == "the number differs"


def test_a_recorder_that_ran_on_is_listed_but_not_joined_by_rule() -> None:
    decision = one(heard(6, 660.0, number="+4930123456"), call())
    assert decision.calls == ()
    assert decision.reason == "one call may be it, but it is much longer than the call"
    assert ids(one(heard(6, 90.0, number="+4930123456"), call())) == [1]  # from its first ring


def test_of_a_day_alone_no_ring_is_told() -> None:
    decision = one(heard(-9 * 3600, number="+4930123456", precision_s=86_400.0), call())
    assert ids(decision) == [1]
    assert decision.reason == "begun on that day, same length, same number"


def test_reasons_tell_nobodys_number_or_name() -> None:
    for recording in (heard(number="+4930999999"), heard(contact="Zoe"), heard()):
        decision = one(recording, call(name="Ada"), call(2, 1.0, number="117"))
        words = decision.reason + "".join(c.reason for c in decision.candidates)
        assert not any(text in words for text in ("30999999", "30123456", "117", "Ada", "Zoe"))


def test_equal_calls_of_equal_names_at_the_same_time_stay_open() -> None:
    twins = [call(1, 0, name="Ada"), call(2, 0.4, name="Ada", number="+4917012345")]
    decision = one(heard(contact="Ada"), *twins)
    assert decision.calls == ()
    assert {c.call.id for c in decision.candidates} == {1, 2}
    assert ids(one(heard(contact="Ada", number="017012345"), *twins)) == [2]


def test_private_numbers() -> None:
    private = call(1, number=None, presentation=2)
    known = call(2, 1.5)
    assert ids(one(heard(private=True), private, known)) == [1]
    assert ids(one(heard(number="+4930123456"), private, known)) == [2]


def test_a_log_restored_twice_has_the_call_once() -> None:
    assert ids(one(heard(), call(1), call(77))) == [1]


def test_an_apps_own_call_is_in_no_log() -> None:
    decision = one(heard(5000, app=True), call())
    assert decision.calls == () and "app's own" in decision.reason


def test_a_log_that_was_not_read_since_is_told() -> None:
    decision = one(heard(), looks=[Look(T - 5000, 0, 0, None, 3)])
    assert (
        decision.reason == "no call that is known fits, and the call log of that time was not read"
    )
    assert one(heard()).reason == "no call fits"


def test_the_sim_decides_between_two_lines() -> None:
    both = [call(1, number=None, sim="8949"), call(2, 1.0, number=None, sim="2")]
    recording = heard(kind="bcr", sim="1")
    assert one(recording, *both).calls == ()
    log = Log(both, READ)
    (decision,) = decide([recording], log, sims={("bcr", "1"): "8949", ("bcr", "2"): "2"})
    assert ids(decision) == [1]


# -- several files of a call, several calls in a file ---------------------------------------------


def test_equal_calls_a_minute_apart_get_a_recording_each_though_a_row_is_late() -> None:
    first, second = heard(6, 30.0, id=1), heard(66, 30.0, id=2)
    early = decide([second, first], Log([call(1, talk_s=30)], READ))
    assert [ids(d) for d in early] == [[], [1]]
    log = Log([call(1, talk_s=30), call(2, 60, talk_s=30)], READ)
    late = decide([second], log, taken={1: [first]})
    assert [ids(d) for d in late] == [[2]]


def test_parts_are_of_one_call() -> None:
    parts = [
        heard(5, 100.0, id=1, cut=True, begun_ms=T, number="+4930123456"),
        heard(107, 90.0, id=2, part=True, number="+4930123456"),
    ]
    assert [ids(d) for d in decide(parts, Log([call(talk_s=195)], READ))] == [[1], [1]]


def test_two_recorders_and_two_legs_heard_one_call() -> None:
    files = [
        heard(6, 60.0, id=1, kind="/cube/mic"),
        heard(6.2, 60.0, id=2, kind="/cube/whatsapp"),
        heard(6.1, 60.0, id=3, kind="/cube/mic"),
    ]
    assert [ids(d) for d in decide(files, Log([call()], READ))] == [[1], [1], [1]]


def test_a_conference_is_of_all_its_calls() -> None:
    first, second = call(1, talk_s=300), call(2, 100, 150, number="+4917012345")
    aside = call(3, 120, 0, 3, number="117")  # missed meanwhile
    who = (Party("+4930123456"), Party("+4917012345"))
    plain = heard(6, 300.0)
    named = heard(6, 300.0, parties=who)
    for recording in (plain, named):
        decision = one(recording, first, second, aside)
        assert ids(decision) == [1, 2]
        assert "1 more" in decision.reason
    other = heard(6, 300.0, parties=(Party("+4930123456"), Party("+4915555555")))
    assert ids(one(other, first, second)) == [1]
    own = heard(106, 150.0, id=2, number="+4917012345")
    decided = decide([plain, own], Log([first, second], READ))
    assert [ids(d) for d in decided] == [[1], [2]]


numbers = st.none() | st.sampled_from(["117", "+4930123456", "030123456", "x", ""])


@given(
    st.lists(
        st.builds(
            Call,
            st.integers(1, 5),
            st.integers(T - 10**8, T + 10**8),
            st.integers(0, 10**6),
            st.integers(-1, 9),
            number=numbers,
            presentation=st.sampled_from([None, 1, 2, 99]),
        ),
        max_size=5,
        unique_by=lambda made: made.id,
    ),
    st.lists(
        st.builds(
            Heard,
            st.integers(1, 5),
            st.integers(T - 10**8, T + 10**8),
            length_s=st.none() | st.floats(0, 10**6),
            begun_ms=st.none() | st.integers(T - 10**8, T + 10**8),
            precision_s=st.sampled_from([0.0, 60.0, 86400.0]),
            zone_known=st.booleans(),
            clock=st.sampled_from(["phone", "host"]),
            file_ms=st.none() | st.integers(T - 10**8, T + 10**8),
            number=numbers,
            part=st.booleans(),
        ),
        max_size=4,
        unique_by=lambda made: made.id,
    ),
)
def test_whatever_there_is_each_is_decided_and_scores_are_probabilities(
    calls: list[Call], recordings: list[Heard]
) -> None:
    decided = decide(recordings, Log(calls, READ))
    assert [d.heard for d in decided] == recordings
    for decision in decided:
        assert sum(c.score for c in decision.candidates) <= 1.0001
        assert all(0 <= c.score <= 1 for c in decision.candidates)
        assert len(set(ids(decision))) == len(decision.calls)
