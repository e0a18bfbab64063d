"""The call log: what `content query` prints, with everything that a name can hold."""

from hypothesis import given
from hypothesis import strategies as st

from agent.phone import content
from agent.phone.calls import COLUMNS, cut_ids, parse_call_log, parse_names
from agent.phone.contacts import parse_ids


def row(index: int = 0, /, **values: object) -> str:
    columns = {
        "_id": 7,
        "date": 1_768_411_227_699,
        "duration": 53,
        "type": 1,
        "presentation": 1,
        "features": 68,
        "subscription_id": "1",
        "countryiso": "DE",
        "normalized_number": "+4930123456",
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
    assert parse_names("", [1, 2]) is None


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


# A row as a phone prints it that keeps columns of its own, in an order of its own.
VENDORS = (
    "Row: {n} date={date}, phone_account_hidden=0, transcription=NULL, suggest_text_1=, type=1, "
    "geocoded_location=Zürich, CH, presentation=1, duration=30, subscription_id=2, "
    "countryiso=CH, number=0791234567, features=0, suggest_text_2=0791234567, "
    "normalized_number=+41791234567, formatted_number=079 123 45 67, name={name}, _id={n}"
)


def test_vendors_columns_in_any_order_are_found_by_name() -> None:
    text = "".join(
        VENDORS.format(n=n, date=1_750_312_804_859 + n, name="A, b=c") + "\n" for n in (0, 1)
    )
    first, second = parse_call_log(text)
    assert (first.date_ms, second.log_id) == (1_750_312_804_859, 1)
    assert (first.number, first.normalized, first.country) == ("0791234567", "+41791234567", "CH")


def test_a_name_that_poses_as_a_column_makes_a_strange_row_unreadable_not_wrong() -> None:
    text = VENDORS.format(n=0, date=1_750_312_804_859, name="x, number=666") + "\n"
    assert parse_call_log(text) == []


def test_a_phone_that_knows_fewer_columns() -> None:
    fewer = ("_id", "date", "duration", "type", "number")
    (call,) = parse_call_log(
        "Row: 0 _id=7, date=1768411227699, duration=5, type=2, number=1\n", fewer
    )
    assert (call.number, call.presentation, call.sim, call.normalized) == ("1", None, None, None)


def test_a_date_of_32_bits_is_made_whole_from_what_the_provider_says_of_it() -> None:
    date = 1_768_411_227_699
    cut = (date + (1 << 31)) % (1 << 32) - (1 << 31)
    text = row(date=cut) + "\n"
    assert cut_ids(text) == {7}
    assert parse_call_log(text) == []
    (call,) = parse_call_log(text, COLUMNS, {7: date >> 32})
    assert call.date_ms == date
    assert cut_ids(row()) == set()


def test_a_row_that_comes_between_two_queries_is_noticed() -> None:
    assert parse_names(names("A", "B"), [11, 12]) is None
    assert parse_names(names("A", "B"), [10]) == {10: "A"}
    assert parse_names(names("A"), [10, 11]) is None


def test_whole_rows_are_told_apart_by_their_own_ids() -> None:
    text = VENDORS.format(n=0, date=1, name="x\nRow: 1 _id=4, date=5") + "\n"
    first, forged = content.pieces(text)
    assert content.value_in(first, "date") == "1"
    assert content.value_in(forged, "_id") is None  # it stands there twice


def test_contacts_numbers() -> None:
    text = "Row: 0 _id=1, data4=+4930123456\nRow: 1 _id=5, data4=NULL\n"
    assert parse_ids(text) == ([1, 5], {1: "+4930123456"})
    assert parse_ids("No result found.\n") == ([], {})
    assert content.texts("No result found.\n", "data1", []) == {}


@given(st.text(), st.lists(st.integers(0, 9), unique=True, max_size=4))
def test_no_text_crashes_what_reads_rows(text: str, ids: list[int]) -> None:
    for said in (text, f"Row: 0 {text}", "Row: 0 _id=1, data1=" + text):
        list(content.rows(said, ("_id", "data1")))
        content.texts(said, "data1", ids)
        for piece in content.pieces(said):
            content.value_in(piece, "date")
