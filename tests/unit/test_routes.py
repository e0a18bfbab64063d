"""What routes say and do without a phone: what is gone from it, who announces, which journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from agent.capture import alsa
from agent.capture.alsa import AlsaRoute, recorder
from agent.capture.dialer import DialerRoute
from agent.capture.journal import Journal
from agent.capture.route import Verdict
from agent.capture.routes import route_of
from agent.errors import ConfigError, RemoteError
from agent.phone.helper import Card, Control
from agent.phone.phone import Phone


def journal(**said: Any) -> Journal:
    body = {"serial": "S", "enabled_at": "", "version": "", "card": 1, "controls": {}, "plan": {}}
    return Journal(**(body | {"consent": {}} | said))


class Mixer:
    """A helper on a phone whose card 1, if it is there, has these controls."""

    def __init__(self, values: dict[str, str], *, card: bool = True) -> None:
        self.values, self.card = values, card

    def get(self, card: int, names: list[str]) -> dict[str, str]:
        if not self.card or not set(names) <= set(self.values):
            raise RemoteError("no such control")
        return {name: self.values[name] for name in names}

    def set(self, card: int, values: dict[str, str]) -> None:
        self.values |= values

    def pcms(self) -> tuple[list[Card], list[Any]]:
        return [Card(1, "a", "b")] if self.card else [], []

    def controls(self, card: int) -> list[Control]:
        return [Control(name, "int", (value,)) for name, value in self.values.items()]


@pytest.mark.parametrize(
    ("mixer", "compared", "after"),
    [
        (Mixer({"A": "on", "B": "2"}), ["A", "B"], {"A": "off", "B": "2"}),
        (Mixer({"A": "on"}), ["A"], {"A": "off"}),
        (Mixer({"C": "on"}), [], {"C": "on"}),
        (Mixer({}, card=False), [], {}),
    ],
)
def test_a_control_that_is_gone_does_not_keep_capture_from_being_turned_off(
    mixer: Mixer, compared: list[str], after: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lent(_: Phone) -> Iterator[Mixer]:
        yield mixer

    monkeypatch.setattr(alsa, "borrowed_helper", lent)
    monkeypatch.setattr(recorder, "remove_recorder", lambda _: None)
    told: list[str] = []
    kept = journal(controls={"A": "off", "B": "2"})
    assert AlsaRoute().disarm(cast(Phone, None), kept, told.append) == compared
    assert mixer.values == after
    assert ("any more" in told[-1]) == (compared != ["A", "B"])


def test_only_who_tells_both_ends_announces() -> None:
    said = {
        name: DialerRoute().announces(
            Verdict("dialer", True, "", detail={"dialer": {"name": name}})
        )
        for name in ("google", "miui", "unisoc")
    }
    assert said == {"google": "itself", "miui": None, "unisoc": None}
    assert DialerRoute().announces(Verdict("dialer", True, "")) is None


def test_a_journal_of_a_route_that_is_not_known_is_no_traceback() -> None:
    with pytest.raises(ConfigError, match="'telepathy'"):
        route_of(journal(route="telepathy"))
