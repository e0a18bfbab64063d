"""The call log of a lab phone, kept and joined by the command as it comes."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RemoteError
from agent.phone.calls import has_rows_after, read_call_log
from agent.phone.phone import open_phone
from tests.faults.memory import wav
from tests.lab.phone import LabPhone
from tests.offhook import Offhook

FOLDER = "/data/media/0/Recorded"
DB = "/lab/bin/sqlite3 /lab/state/sys/calllog.db"


@pytest.fixture(scope="module")
def shared_phone() -> Iterator[LabPhone]:
    with LabPhone() as phone:
        yield phone


@pytest.fixture
def phone(shared_phone: LabPhone) -> LabPhone:
    shared_phone.root(
        f"rm -rf {FOLDER} /lab/state/sys/content32; mkdir {FOLDER}; chown 1023:1023 {FOLDER}; "
        f"{DB} 'DELETE FROM calls; DELETE FROM phones; DELETE FROM sqlite_sequence'"
    )
    return shared_phone


@pytest.fixture
def offhook(phone: LabPhone, tmp_path: Path) -> Offhook:
    home = tmp_path / "home"
    home.mkdir()
    source = f'[[source]]\nname = "dialer"\npath = "{FOLDER}"\nroot = true\n'
    (home / "offhook.toml").write_text(f"[contacts]\nread = true\n{source}")
    return Offhook(home, phone.address)


def record(phone: LabPhone, name: str, ended_ms: int, seconds: float, gain: float) -> None:
    """A file as a dialer leaves it, last written when the call ended."""
    path = shlex.quote(f"{FOLDER}/{name}")
    stamp = f"{ended_ms // 1000}.{ended_ms % 1000:03}"
    phone.root(
        f"cat > {path}; touch -d @{stamp} {path}", input=wav(seconds, rate=1000, gains=(gain,))
    )


def row(phone: LabPhone, date_ms: int, talk_s: int, number: str | None, name: str = "") -> None:
    shown = 1 if number else 2
    phone.root(
        f'{DB} "INSERT INTO calls (date, duration, type, number, name, presentation, '
        f"subscription_id) VALUES ({date_ms}, {talk_s}, 1, '{number or ''}', '{name}', {shown}, "
        "'1')\""
    )


def test_a_row_that_comes_late_joins_by_itself(phone: LabPhone, offhook: Offhook) -> None:
    played = phone.call(ring=0.2, active=2.2, number="+4917012345678", contact="A, b=c\nRow: 1 x")
    record(phone, "a.wav", played.at["idle"] + 50, 2.2, 0.3)
    phone.root(f"{DB} 'CREATE TABLE aside AS SELECT * FROM calls; DELETE FROM calls'")
    with offhook.watching() as watching:
        watching.wait("filed")
        assert offhook.rows()[0]["call_id"] is None
        phone.root(f"{DB} 'INSERT INTO calls SELECT * FROM aside; DROP TABLE aside'")
        watching.wait("joined")
    (found,) = offhook.rows()
    assert (found["number"], found["contact"]) == ("+4917012345678", "A, b=c\nRow: 1 x")
    shown = offhook.good("show", "latest").out
    assert "same length" in shown and "joined with a call" in shown
    (call,) = offhook.good("--json", "calls").json
    assert call["recordings"] == [found["id"]]
    assert "phone_account_address=+49176000000" in call["raw"]


def test_whether_the_log_has_grown_is_one_question(phone: LabPhone) -> None:
    with open_phone("{}:{}".format(*phone.address)) as opened:
        assert not has_rows_after(opened.link, -1)
        row(phone, 1_700_000_000_000, 20, "+4930123456", "Row: 0 _id=99, type=1")
        (logged,) = read_call_log(opened.link)
        assert has_rows_after(opened.link, logged.log_id - 1)
        assert not has_rows_after(opened.link, logged.log_id)
        phone.root(f"{DB} 'ALTER TABLE calls RENAME TO gone'")
        try:
            with pytest.raises(RemoteError, match="can't be read"):
                has_rows_after(opened.link, 0)
        finally:
            phone.root(f"{DB} 'ALTER TABLE gone RENAME TO calls'")


def test_equal_calls_a_private_one_and_a_conference(phone: LabPhone, offhook: Offhook) -> None:
    now = round(time.time() * 1000) - 600_000
    # Two calls of one number and one length, a minute apart.
    row(phone, now, 20, "+4930123456")
    row(phone, now + 60_000, 20, "+4930123456")
    record(phone, "one.wav", now + 25_100, 20.2, 0.1)
    record(phone, "two.wav", now + 85_100, 20.3, 0.2)
    row(phone, now + 200_000, 9, None)
    record(phone, "private.wav", now + 214_000, 9.4, 0.3)
    # Somebody is called in, after 20 of 50 seconds.
    row(phone, now + 300_000, 50, "117")
    row(phone, now + 320_000, 25, "+4917055555")
    record(phone, "conference.wav", now + 355_300, 50.3, 0.4)
    # Two rows that nothing tells apart.
    row(phone, now + 500_000, 15, "111", "Max")
    row(phone, now + 500_300, 15, "112", "Max")
    record(phone, "which.wav", now + 520_000, 15.2, 0.5)
    phone.root(
        f"{DB} \"INSERT INTO phones (display_name, data1) VALUES ('Ada, M', '030 123456'), "
        "('Zoe', '+4917055555')\""
    )
    # An Android whose `content` cuts the dates to 32 bits.
    phone.root("touch /lab/state/sys/content32")
    offhook.good("sync")
    rows = {one["original_name"]: one for one in offhook.rows()}
    calls = {one["id"]: one for one in offhook.good("--json", "calls").json}
    begun = {name: calls[one["call_id"]]["log_id"] for name, one in rows.items() if one["call_id"]}
    assert begun == {"one.wav": 1, "two.wav": 2, "private.wav": 3, "conference.wav": 4}
    assert rows["one.wav"]["contact"] == "Ada, M"
    assert "private number" in offhook.good("list").out
    join = offhook.good("--json", "show", str(rows["conference.wav"]["id"])).json["join"]
    assert [one["contact"] for one in join["calls"]] == [None, "Zoe"]
    assert [one["id"] for one in offhook.good("--json", "search", "zoe").json] == [
        rows["conference.wav"]["id"]
    ]
    which = str(rows["which.wav"]["id"])
    said = offhook.good("link", which).out
    assert "2 calls may be it" in said and said.count("Max") == 2
    second = max(calls)
    offhook.good("link", which, str(second))
    offhook.good("sync")
    settled = offhook.good("--json", "show", which).json
    assert (settled["number"], settled["join"]["settled_by"]) == ("112", "user")
    assert offhook.run("link", which, "999").code == 2


def test_a_phone_that_refuses_its_call_log_is_told_and_the_files_come(
    phone: LabPhone, offhook: Offhook
) -> None:
    record(phone, "a.wav", round(time.time() * 1000) - 60_000, 1.0, 0.1)
    phone.root(f"{DB} 'ALTER TABLE calls RENAME TO gone'")
    try:
        ran = offhook.good("sync")
    finally:
        phone.root(f"{DB} 'ALTER TABLE gone RENAME TO calls'")
    assert "call_log/calls can't be read" in ran.err
    assert len(offhook.rows()) == 1
