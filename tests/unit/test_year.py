"""A year of calls on one phone: nearly all are joined rightly, none wrongly and surely."""

from __future__ import annotations

import pytest

from tests.year import run


def test_a_year_of_calls(capsys: pytest.CaptureFixture[str]) -> None:
    result, decided, _ = run(2026)
    with capsys.disabled():
        print(f"\na year of calls: {result}")  # noqa: T201 - what was asked for
    assert result.joinable + result.rowless > 2000
    assert result.recall >= 0.99
    assert result.precision >= 0.995
    assert result.sure_wrong == 0
    assert result.others_right >= 0.9 * result.others
    assert all(decision.reason for decision in decided.values())
