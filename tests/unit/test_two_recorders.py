"""`enable` on a phone where a second recorder has been turned on since."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.capture import control
from agent.capture.route import Verdict
from agent.errors import RouteError
from agent.phone.phone import Phone


@pytest.mark.parametrize("asked", [None, "alsa"])
def test_it_is_named_and_what_is_on_stays(
    monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    verdicts = [
        Verdict("alsa", True, "VOC_REC", legs=("uplink", "downlink")),
        Verdict("bcr", True, "BCR 1.79 is installed", on=True),
    ]
    monkeypatch.setattr(control, "look", lambda *_: None)
    monkeypatch.setattr(control, "ask", lambda *_: verdicts)
    phone = cast(Phone, SimpleNamespace(facts=SimpleNamespace(name="Pixel")))
    ours, theirs = (cast(Any, SimpleNamespace(name=name)) for name in ("alsa", "bcr"))
    with pytest.raises(RouteError, match="bcr records on Pixel as well as alsa") as caught:
        control._choose(phone, Path(), control.Wanted(asked), ours)
    assert "offhook disable" in (caught.value.hint or "")
    # That one's own word is no rival.
    assert control._choose(phone, Path(), control.Wanted(), theirs).verdict.route == "bcr"
