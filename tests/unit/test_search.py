"""Search: numbers in every way of writing them, words, and text that tries to break out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.archive import Archive
from agent.archive.search import match_of, same_number, tails_of
from tests.unit.test_archive import put


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with Archive(tmp_path_factory.mktemp("search"), write=True) as opened:
        opened.add_phone("P1")
        put(opened, b"1", name="alpha.wav", number="+41791234567", contact="Zoë Müller")
        put(opened, b"2", name="beta.wav", number="0445556677", contact='O\'Brien "Bob"')
        put(opened, b"3", name="gamma_x.wav", contact="山田太郎")
        opened.set_note(opened.resolve("3").sha256, "call back AND NOT forget 50% 📞")
        yield opened


def ids(archive: Archive, text: str) -> set[int]:
    return {found.id for found in archive.search(text)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+41791234567", {1}),
        ("+41 79 123 45 67", {1}),
        ("0041791234567", {1}),
        ("079 123 45 67", {1}),
        ("(079) 123-45-67", {1}),
        ("4567", {1}),
        ("567", {1}),
        ("+4179", {1}),
        ("+41 44 555 66 77", {2}),
        ("0041445556677", {2}),
        ("+49 44 555 66 78", set()),
        ("5556677", {2}),
        ("zoe", {1}),
        ("ZOË mül", {1}),
        ("müller 4567", {1}),
        ("müller 6677", set()),
        ('"zoë müller"', {1}),
        ('"müller zoë"', set()),
        ('"zoë mül"', set()),
        ("o'brien", {2}),
        ('"Bob"', {2}),
        ("alpha", {1}),
        ("gamma", {3}),
        ("call forget", {3}),
        ("and not", {3}),
        ("50%", {3}),
        ("田太", {3}),
        ("📞", {3}),
        ("%", {3}),
        ("_", {3}),
    ],
)
def test_what_is_found(archive: Archive, text: str, found: set[int]) -> None:
    assert ids(archive, text) == found


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '""',
        '" OR 1=1 --',
        "number:4567",
        "{number} : 4567",
        "NEAR(zoe müller)",
        "zoe OR bob",
        "zoe NOT bob",
        "^zoe",
        "zoe*",
        "*",
        "-zoe",
        "(",
        ")",
        "a\0b",
        "';DROP TABLE recordings;--",
        "tails : 7654",
        "\udcff",
    ],
)
def test_no_text_is_a_query_language(archive: Archive, text: str) -> None:
    ids(archive, text)
    assert len(archive.recordings()) == 3


def test_operators_are_only_words(archive: Archive) -> None:
    assert ids(archive, "zoe OR bob") == set()
    assert ids(archive, "zoe*") == {1}
    assert ids(archive, "contact:zoe") == set()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=40).filter(str.strip))
def test_any_text_can_be_searched_for(archive: Archive, text: str) -> None:
    archive.search(text)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="\"*()^:+-{}' ANDORT019", min_size=1, max_size=20).filter(str.strip))
def test_any_mixture_of_signs_can_be_searched_for(archive: Archive, text: str) -> None:
    archive.search(text)


def test_limit(archive: Archive) -> None:
    assert len(archive.search("wav", limit=2)) == 2


def test_tails() -> None:
    assert tails_of(None) == ""
    assert tails_of("anonymous") == ""
    assert tails_of("+41 79") == "9714"
    assert match_of("***") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+41791234567", "0791234567", True),
        ("0041791234567", "+41791234567", True),
        ("117", "117", True),
        ("117", "0041117", False),
        ("", "", False),
        (None, "117", False),
        ("0791234567", "0791234568", False),
    ],
)
def test_same_number(one: str | None, other: str | None, same: bool) -> None:
    assert same_number(one, other) is same
    assert same_number(other, one) is same
