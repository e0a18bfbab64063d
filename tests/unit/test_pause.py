"""When nothing is pulled of a phone: what its battery says, and that it goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.archive import Archive
from agent.limits import Limits
from agent.phone.battery import Battery, parse_battery
from agent.sync import SyncEngine
from agent.sync.pause import EVERY_S, Pause, why_not
from tests.faults.memory import SPOOL, MemoryPhone, distinct

SAID = """Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Wireless powered: false
  Max charging current: 0
  status: 3
  health: 2
  present: true
  level: {level}
  scale: {scale}
  voltage: 3744
  temperature: {tenths}
  technology: Li-ion
"""


def said(level: object = 78, scale: object = 100, tenths: object = 274, usb: str = "false") -> str:
    return SAID.format(level=level, scale=scale, tenths=tenths, usb=usb)


@pytest.mark.parametrize(
    ("text", "battery"),
    [
        (said(), Battery(78, 27.4)),
        (said(usb="true"), Battery(78, 27.4, powered=True)),
        (said(level=100, scale=200), Battery(50, 27.4)),
        (said(tenths=-53), Battery(78, -5.3)),
        (said(tenths=0), Battery(78, None)),  # no sensor
        (said(level=-1, tenths=99999), Battery()),
        (said(level=120), Battery(None, 27.4)),
        (said(level="٥", scale=0, tenths="27.4"), Battery()),
        (said(level="9" * 40), Battery(None, 27.4)),
        (said().replace("present: true", "present: false"), Battery()),
        (said() + "  level: 3\n", Battery(78, 27.4)),
        ("Can't find service: battery\n", Battery()),
        ("", Battery()),
    ],
)
def test_what_a_phone_says_of_its_battery(text: str, battery: Battery) -> None:
    assert parse_battery(text) == battery
    assert parse_battery(text.replace("\n", "\r\n")) == battery


@pytest.mark.parametrize(
    ("battery", "words"),
    [
        (Battery(15, 44.9), None),
        (Battery(14.5, 20), "at 14 %, and pause_below is 15"),
        (Battery(3, 20, powered=True), None),
        (Battery(90, 45.2, powered=True), "has 45 °C, and pause_above is 45"),
        (Battery(None, 20), None),
        (Battery(), None),
    ],
)
def test_what_is_out_of_the_limits(battery: Battery, words: str | None) -> None:
    why = why_not(battery, Limits(pause_below=15, pause_above=45))
    assert why == words or (words is not None and why is not None and words in why)
    assert why_not(battery, Limits()) is None


def test_it_asks_rarely_and_goes_on_when_it_is_clearly_better() -> None:
    now, asked = [0.0], [0]
    battery, limits = [Battery(14)], [Limits(pause_below=15)]

    def read() -> Battery:
        asked[0] += 1
        return battery[0]

    pause = Pause(read, lambda: limits[0], lambda: now[0])
    assert pause.why()
    battery[0] = Battery(80)
    assert pause.why()
    assert asked[0] == 1
    for percent, waits in ((15, True), (16, True), (17, False), (15, False), (14, True)):
        now[0] += EVERY_S
        battery[0] = Battery(percent)
        assert bool(pause.why()) == waits, percent
    limits[0] = Limits()
    now[0] += EVERY_S
    assert pause.why() is None
    assert asked[0] == 6  # and not once where nothing is to be held against it


def test_an_engine_that_is_held_pulls_nothing_and_asks_for_nothing_while_idle(
    tmp_path: Path,
) -> None:
    asked, why = [0], ["its battery is at 3 %"]

    def held() -> str | None:
        asked[0] += 1
        return why[0] or None

    phone = MemoryPhone()
    with Archive(tmp_path, write=True) as archive:
        engine = SyncEngine(archive, phone, [SPOOL], held=held)
        engine.run_once()
        assert asked[0] == 0
        phone.put("/spool/1.json", b"{}")
        phone.put("/spool/1.wav", distinct(1))
        report = engine.run_once()
        assert (report.held, report.waiting) == (why[0], ["/spool/1.wav"])
        assert report.again_in_s is not None
        assert phone.reads == []
        why[0] = ""
        report = engine.run_once()
        assert report.held is None
        assert len(report.filed) == 1
