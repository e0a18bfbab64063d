"""The call log: what `content query` prints, with everything that a name can hold."""

from hypothesis import given
from hypothesis import strategies as st

from agent.phone.calls import parse_call_log


def row(index: int = 0, /, **values: object) -> str:
    columns = {
        "_id": 7,
        "date": 1_768_411_227_699,
        "duration": 53,
        "type": 1,
        "presentation": 1,
        "features": 68,
        "subscription_id": "1",
        "number": "+4930123456",
        "name": "NULL",
    } | values
    return f"Row: {index} " + ", ".join(f"{key}={value}" for key, value in columns.items())


def test_a_row_as_android_prints_it() -> None:
    (call,) = parse_call_log(row(name="Ada") + "\n")
    assert (call.log_id, call.date_ms, call.duration_s) == (7, 1_768_411_227_699, 53)
    assert (call.type, call.number, call.name, call.sim) == (1, "+4930123456", "Ada", "1")
    assert (call.presentation, call.features) == (1, 68)
    assert call.raw == row(name="Ada")


def test_an_empty_log_and_noise_are_no_calls() -> None:
    assert parse_call_log("No result found.\n") == []
    assert parse_call_log("") == []
    assert parse_call_log("Error while accessing provider:call_log\nRow: 0 x=1\n") == []


def test_a_name_with_commas_newlines_and_keys_stays_whole() -> None:
    name = "Miller, name=x, date=1\nRow: 9 number=1, Jörg"
    calls = parse_call_log(row(0, name=name) + "\n" + row(1, _id=8, type=2) + "\n")
    assert [call.name for call in calls] == [name, None]
    assert [call.type for call in calls] == [1, 2]


def test_a_private_number_is_no_number() -> None:
    for number in ("", "-2", "+4930123456"):
        (call,) = parse_call_log(row(presentation=2, number=number))
        assert call.number == ""


def test_a_date_cut_to_32_bits_is_refused() -> None:
    assert parse_call_log(row(date=-1_067_000_001)) == []
    assert parse_call_log(row(date=1_067_000_001)) == []


@given(st.text(), st.text(alphabet="0123456789+*#,;pw "))
def test_whatever_a_name_holds_the_facts_before_it_are_right(name: str, number: str) -> None:
    calls = parse_call_log(row(name=name, number=number))
    assert calls
    assert calls[0].date_ms == 1_768_411_227_699
    assert calls[0].number == ("" if number == "NULL" else number)


@given(st.text())
def test_no_text_crashes_it(text: str) -> None:
    parse_call_log(text)
