"""The call log: what `content query` prints, with everything that a name can hold."""

from hypothesis import given
from hypothesis import strategies as st

from agent.phone.calls import parse_call_log, parse_names


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
    } | values
    return f"Row: {index} " + ", ".join(f"{key}={value}" for key, value in columns.items())


def names(*texts: str) -> str:
    """What a query for names prints, for rows 10, 11, 12, …"""
    return "".join(f"Row: {n} _id={10 + n}, name={text}\n" for n, text in enumerate(texts))


def test_a_row_as_android_prints_it() -> None:
    (call,) = parse_call_log(row() + "\n")
    assert (call.log_id, call.date_ms, call.duration_s) == (7, 1_768_411_227_699, 53)
    assert (call.type, call.number, call.sim) == (1, "+4930123456", "1")
    assert (call.presentation, call.features) == (1, 68)
    assert call.raw == row()


def test_an_empty_log_and_noise_are_no_calls() -> None:
    assert parse_call_log("No result found.\n") == []
    assert parse_call_log("") == []
    assert parse_call_log("Error while accessing provider:call_log\nRow: 0 x=1\n") == []


def test_names_with_commas_newlines_and_rows_of_their_own_make_up_nothing() -> None:
    forged = "Miller, name=x\nRow: 1 _id=99, date=1, number=1"
    assert parse_names(names(forged, "NULL", "Jörg, M"), [10, 11, 12]) == {
        10: forged,
        12: "Jörg, M",
    }
    assert parse_names("No result found.\n", []) == {}
    assert parse_names("", [1, 2]) == {}


def test_a_private_number_is_no_number() -> None:
    for number in ("", "-2", "+4930123456"):
        (call,) = parse_call_log(row(presentation=2, number=number))
        assert call.number == ""


def test_dates_that_make_no_sense_are_refused() -> None:
    for date in (-1_067_000_001, 1_067_000_001, "--5", "9" * 20, "²", ""):
        assert parse_call_log(row(date=date)) == []


@given(st.text(alphabet="0123456789+*#,;pw "))
def test_whatever_was_dialled_the_facts_before_it_are_right(number: str) -> None:
    (call,) = parse_call_log(row(number=number))
    assert call.date_ms == 1_768_411_227_699
    assert call.number == number


@given(st.lists(st.text(), max_size=4))
def test_every_name_comes_back_or_none(texts: list[str]) -> None:
    ids = [10 + n for n in range(len(texts))]
    found = parse_names(names(*texts), ids)
    expected = {i: t for i, t in zip(ids, texts, strict=True) if t not in ("", "NULL")}
    if not any("Row: " in text for text in texts):
        assert found == expected


@given(st.text(), st.text())
def test_no_text_crashes_it(text: str, more: str) -> None:
    parse_call_log(text + row() + more)
    parse_names(text, [1, 2])
