"""What a phone said, shown."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from agent.text import json_text, shown

HOSTILE = "\x1b[2J \x9b31m \u202e \udcff \r\n"


def test_nothing_reaches_a_terminal_that_it_would_obey() -> None:
    assert shown(HOSTILE).isprintable()


@given(st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))
def test_json_is_the_same_value_and_tame(value: object) -> None:
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert json.loads(text) == value
        hidden = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
        assert not hidden & {unicodedata.category(ch) for ch in text.replace("\n", "")}


def test_json_keeps_letters_readable() -> None:
    assert json_text({"who": "Müller"}) == '{"who": "Müller"}'
    assert json.loads(json_text(HOSTILE)) == HOSTILE
