"""offhook name, as a person and as a program see it."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.errors import UsageError

KEYS = [
    *("file", "kind", "recorder", "start", "precision", "zone", "number", "number_e164"),
    *("contact", "direction", "sim", "parties", "app", "notes", "sources"),
]


def run(*words: str, given: bytes = b"") -> Result:
    result = CliRunner().invoke(
        cli, ["--home", "/nowhere", *words], input=given, standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    return result


def said(*words: str) -> list[dict[str, Any]]:
    result = run("name", *words, "--json")
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_json_is_a_list_of_objects_with_the_same_keys() -> None:
    names = ["20250304_091011.222+0100_in_sim2_+4930123456_Ada.oga", "song.mp3"]
    call, other = said(*names)
    assert list(call) == list(other) == KEYS
    assert [call["file"], other["file"]] == names
    assert (call["kind"], other["kind"]) == ("call", "unknown")
    assert call["sim"] == 2
    assert call["sources"]["number"] == {"source": "file name (bcr)", "confidence": "high"}
    assert other["sources"] == {}
    assert json.loads(run("--json", "name", *names).stdout) == [call, other]


def test_many_names_are_one_document_too() -> None:
    names = [f"Ada {number}_250304_091011.m4a" for number in range(1500)]
    assert [one["file"] for one in said(*names)] == names


def test_names_come_on_standard_input_too() -> None:
    listing = b"Call recording Ada_250304_091011.m4a\r\n\nCall recording \xff_250304_091011.m4a\n"
    found = json.loads(run("name", "--json", "x.mp3", "-", given=listing).stdout)
    assert [(one["file"], one["contact"]) for one in found] == [
        ("x.mp3", None),
        ("Call recording Ada_250304_091011.m4a", "Ada"),
        (os.fsdecode(b"Call recording \xff_250304_091011.m4a"), os.fsdecode(b"\xff")),
    ]
    assert json.loads(run("name", "--json", "-").stdout) == []


def test_zone_and_region() -> None:
    name = "Call recording 030123456_250704_091011.m4a"
    (plain,) = said(name)
    assert (plain["start"], plain["number_e164"]) == ("2025-07-04T09:10:11", None)
    for zone, offset in (("Europe/Berlin", "+02:00"), ("-0330", "-03:30"), ("UTC+1", "+01:00")):
        (told,) = said(name, "--zone", zone, "--region", "de")
        assert told["start"] == f"2025-07-04T09:10:11{offset}"
        assert told["number_e164"] == "+4930123456"


@pytest.mark.parametrize(
    "words", [["--zone", "Mars/Base"], ["--zone", "../../etc/passwd"], ["--region", "Germany"]]
)
def test_what_is_no_zone_or_country_is_said(words: list[str]) -> None:
    with pytest.raises(UsageError, match="is no "):
        run("name", "x.m4a", *words)


def test_a_person_sees_where_each_fact_is_from(tmp_path: Path) -> None:
    text = run("name", "Ada-2503040910.mp3", "2025-02-30 25-61-00 (phone) X ↗.m4a").stdout
    assert "2025-03-04T09:10  (to the minute, zone not known)" in text
    assert "file name (coloros), medium" in text
    assert "no such moment is in the calendar" in text


def test_a_hostile_name_is_shown_tame() -> None:
    name = os.fsdecode(b"Call recording \x1b[31m\xff[bold]\n\xe2\x80\xae_250304_091011.m4a")
    text = run("name", name).stdout
    assert "\\x1b[31m\\xff[bold]\\n\\u202e" in text
    assert all(ch.isprintable() or ch == "\n" for ch in text)
    raw = run("name", name, "--json").stdout
    assert all(ch.isprintable() or ch == "\n" for ch in raw)
    assert json.loads(raw)[0]["file"] == name


def test_a_file_that_is_there_gives_the_year(tmp_path: Path) -> None:
    file = tmp_path / "030123456_通话_03月04日_09点10分.amr"
    assert said(str(file))[0]["start"] is None
    file.touch()
    at = datetime(2023, 3, 4, 10).astimezone().timestamp()
    os.utime(file, (at, at))
    (told,) = said(str(file))
    assert (told["start"], told["precision"]) == ("2023-03-04T09:10", "minute")
