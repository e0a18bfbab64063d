"""The user's own patterns: what they read, what is refused, and that nothing takes long."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.archive import Archive
from agent.cli.main import cli
from agent.config import load_config
from agent.errors import ConfigError
from agent.naming import explain
from agent.naming.pattern import Pattern, PatternError, compiled
from agent.sync import SyncEngine
from agent.sync.folders import source_of
from agent.sync.named import Place
from tests.effort import effort
from tests.faults.memory import Clock, MemoryPhone, wav


def read(pattern: str, name: str, **known: Any) -> dict[str, Any]:
    """What the pattern reads in a name, and None for what it does not."""
    own = compiled("mine", pattern, known.pop("folder", None))
    named = explain(name, own=[own], **known)
    said = named.as_dict()
    keys = ("start", "number", "contact", "direction", "sim")
    return {key: said[key] for key in keys if said[key] is not None} if named.own else {}


@pytest.mark.parametrize(
    ("pattern", "name", "said"),
    [
        (
            "{number}_{start:%Y%m%d_%H%M%S}_{direction}",
            "+4930123456_20260512_125931_OUT.m4a",
            {"number": "+4930123456", "start": "2026-05-12T12:59:31", "direction": "out"},
        ),
        # The contact is what is left, with every sign that it has.
        (
            "{contact}({number})_{start:%Y%m%d%H%M%S}.mp3",
            "Ada (work)_20250101(030 123-456)_20260512125931.mp3",
            {
                "contact": "Ada (work)_20250101",
                "number": "030 123-456",
                "start": "2026-05-12T12:59:31",
            },
        ),
        # A number may have what stands behind it, if nothing else in the name may.
        (
            "{number}-{start:%y%m%d%H%M}",
            "010-4522-0000-2601091629.mp3",
            {"number": "010-4522-0000", "start": "2026-01-09T16:29"},
        ),
        (
            "{start:%Y%m%d_%H%M%S.%f%z}_{direction}_{sim}_{contact}",
            "20260512_125931.304+0200_in_2_Müller, Jörg.oga",
            {
                "start": "2026-05-12T12:59:31.304+02:00",
                "direction": "in",
                "sim": 2,
                "contact": "Müller, Jörg",
            },
        ),
        (
            "{direction:Eingehend|Ausgehend} {party} {start:%d.%m.%Y %I-%M-%S %p}",
            "ausgehend 030123456 12.05.2026 01-59-31 PM.amr",
            {"direction": "out", "number": "030123456", "start": "2026-05-12T13:59:31"},
        ),
        (
            "{direction:Eingehend|Ausgehend} {party} {start:%d.%m.%Y %I-%M-%S %p}",
            "Eingehend Ada 12.05.2026 12-59-31 AM.amr",
            {"direction": "in", "contact": "Ada", "start": "2026-05-12T00:59:31"},
        ),
        ("rec{any}_{start:%s}", "rec 7_b_1741079411.wav", {"start": "2025-03-04T09:10:11+00:00"}),
        ("{{{number}}}x", "{112}x.wav", {"number": "112"}),
        ("통화_{party}_{start:%y%m%d_%H%M%S}", "통화_철수_260109_162929.m4a",
         {"contact": "철수", "start": "2026-01-09T16:29:29"}),
        # The phone's own digits, and a copy's mark.
        (
            "N{number}_{start:%Y%m%d}",
            "N٠٣٠١٢٣_٢٠٢٦٠٥١٢(1).m4a",
            {"number": "٠٣٠١٢٣", "start": "2026-05-12"},
        ),
        ("{number}_{start:%Y%m%d}", "Private Number_20260512.m4a", {"start": "2026-05-12"}),
    ],
)  # fmt: skip
def test_what_is_read(pattern: str, name: str, said: dict[str, Any]) -> None:
    assert read(pattern, name) == said


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{number}_{start:%Y%m%d}.m4a", "030123_20260512.mp3"),
        ("{number}_{start:%Y%m%d}", "030123_20260512_x.mp3"),
        ("{number}_{start:%Y%m%d}", "Ada_20260512.mp3"),
        ("{number}_{start:%Y%m%d}", "9" * 400 + "_20260512.mp3"),
    ],
)
def test_another_form_is_left_to_the_others(pattern: str, name: str) -> None:
    own = compiled("mine", pattern)
    assert explain(name, own=[own]) == explain(name)


def test_it_is_sure_as_a_known_recorder_is_and_comes_first() -> None:
    own = compiled("my rec", "{party}_{start:%y%m%d_%H%M%S}")
    named = explain("Call recording Ada_260109_162929.m4a", own=[own])
    assert (named.recorder, named["contact"]) == ("my rec", "Call recording Ada")
    assert named.facts["contact"] == ("Call recording Ada", "file name (my rec)", "high")
    assert {said.confidence for said in named.facts.values()} == {"high"}
    memo = explain("Voice 001_260109_162929.m4a", own=[own])
    assert (memo.kind, memo.recorder) == ("call", "my rec")
    assert explain(".pending-1-Ada_260109_162929.m4a", own=[own]).kind == "unfinished"
    refused = explain("Ada_260230_162929.m4a", own=[own])
    assert (refused.kind, refused.notes) == ("unknown", ("no such moment is in the calendar",))


def test_a_folder_bounds_it() -> None:
    own = compiled("mine", "{party}_{start:%y%m%d_%H%M%S}", "/sdcard/My Calls")
    name = "Ada_260109_162929.m4a"
    for folder in ("/storage/emulated/0/my calls", "/sdcard/My Calls/2026", "x/My Calls"):
        assert explain(name, folder=folder, own=[own]).own is own
    for folder in ("/sdcard/My Calls 2", "/sdcard", None):
        assert explain(name, folder=folder, own=[own]).own is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{contact}", "needs {start"),
        ("{nummer}_{start:%Y%m%d}", "{nummer} is no field"),
        ("{number}_{number}", "stands twice"),
        ("{contact}_{any}_{start:%Y%m%d}", "where {contact} ends and {any} begins"),
        ("{contact} {number} {start:%Y%m%d}", "where {contact} ends and {number} begins"),
        ("{direction}{contact}_{start:%Y%m%d}", "where {direction} ends and {contact} begins"),
        ("{number}-{contact}_{start:%Y%m%d}", "where {number} ends and {contact} begins"),
        ("{party}_{number}_{start:%Y%m%d}", "neither stands beside it"),
        ("{start}", "needs a day"),
        ("{start:%H%M}", "needs a day"),
        ("{start:%Y%m%d%M}", "%M needs %H"),
        ("{start:%Y%m%d %I%M}", "%I with %p"),
        ("{start:%Y%m%d%Q}", "%Q in"),
        ("{start:%Y%Y%m%d}", "stands twice"),
        ("{start:%Y%m%d%H%f%M}", "where %f ends"),
        ("{start:%Y%m%d%s}", "stands alone"),
        ("{start:%Y%m%d}}", "single }"),
        ("{start:%Y%m%d", "single {"),
        ("a/{start:%Y%m%d}", "folder has its own key"),
        ("{direction:in}_{number}", "word for incoming"),
        ("{sim:2}_{number}", "only start and direction"),
        ("x" * 301 + "{number}", "longer"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(pattern: str, words: str) -> None:
    with pytest.raises(PatternError) as caught:
        compiled("mine", pattern)
    assert words in str(caught.value)


@pytest.mark.parametrize("recorder", ["", " x", "a\x1b", "x" * 41, "../x"])
def test_a_recorders_name_can_be_shown(recorder: str) -> None:
    with pytest.raises(PatternError, match="recorder"):
        compiled(recorder, "{number}")


WORST: list[Pattern] = [
    compiled("a", "{contact}({number})_{start:%Y%m%d%H%M%S.%f}_{direction}_{sim}"),
    compiled("b", "{any} {start:%Y%m%d}_{direction:aa|aaa}_{number}"),
    compiled("c", "{number}-{start:%y%m%d%H%M}"),
    compiled("d", "{party}_{start:%Y%m%d}"),
]


@pytest.mark.parametrize("own", WORST, ids=lambda own: own.recorder)
def test_no_name_takes_long(own: Pattern) -> None:
    worst = ["1" * 299, "(" * 150 + "1" * 149, "_20260101" * 33, "()_" * 99, "a_" * 149, "1-" * 149]

    def read() -> None:
        for name in worst:
            explain(f"{name}.m4a", own=[own])
            explain(f"{name}x.m4a", own=[own])

    assert effort(read) < 3  # some 300 ms


_TEXT = st.text(max_size=60)


@given(contact=_TEXT, number=st.from_regex(r"\+?[0-9]{3,15}", fullmatch=True))
def test_whatever_a_contact_is_called_the_rest_is_read(contact: str, number: str) -> None:
    own = compiled("mine", "{contact}_{number}_{start:%Y%m%d%H%M%S}")
    named = explain(f"{contact.replace('/', '')}_{number}_20260512125931.m4a", own=[own])
    if named.own is not None:
        assert named["number"] == number
        assert named["start"].isoformat() == "2026-05-12T12:59:31"


# offhook.toml

ENTRY = """
[[names]]
recorder = "my recorder"
pattern  = "{number}_{start:%Y%m%d_%H%M%S}_{direction}.m4a"
examples = [
  { name = "+4930123456_20260512_125931_out.m4a", start = 2026-05-12T12:59:31, number = "+4930123456", direction = "out" },
]
"""


def write(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / "offhook.toml").write_text(text, encoding="utf-8")
    return home


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("out.m4a", "out.mp3", "example 1: the pattern does not read '+4930123456_20260512_125931_out"),
        ("_125931_", "_256131_", "no such moment is in the calendar"),
        ("T12:59:31", "T12:59:30", "read as 2026-05-12T12:59:31, not 2026-05-12T12:59:30"),
        ('"+4930123456", d', '"030123456", d', r"number is read as '\+4930123456', not '030123456'"),
        ('direction = "out" }', 'direction = "outgoing" }', "direction is read as 'out'"),
        ('direction = "out" }', 'contact = "Ada" }', "contact is read as nothing, not 'Ada'"),
        ('direction = "out" }', 'way = "out" }', "'way' is no fact"),
        ("examples = [", "examples = []\nx = [", "Known: recorder, pattern, folder, examples"),
        ("recorder = ", "recorders = ", "Did you mean 'recorder'"),
        ("{number}", "{num}", "{num} is no field"),
        ("pattern  =", "folder =", "needs pattern"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in ENTRY
    text = "# mine\n" + ENTRY + ENTRY.replace(old, new).replace("my recorder", "other")
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    said = f"{caught.value} {caught.value.hint}"
    assert re.search(words if "\\" in words else re.escape(words), said)
    if "Known" not in words and "mean" not in words:
        assert "[[names]] of line 10: " in said


def test_a_pattern_that_another_one_hides_is_an_error(tmp_path: Path) -> None:
    first = ENTRY.replace("{number}_", "{party}_")
    with pytest.raises(ConfigError, match="which stands before it"):
        load_config(write(tmp_path, first + ENTRY))
    examples = '[[names]]\nrecorder = "x"\npattern = "{number}"\nexamples = ['
    for wrong in ("]", '{ name = "1.m4a" }]', "1]", '{ number = "1" }]'):
        with pytest.raises(ConfigError, match="line 1: "):
            load_config(write(tmp_path, examples + wrong))


def test_the_command_and_the_sync_read_by_it(tmp_path: Path) -> None:
    home = write(tmp_path / "home", ENTRY)
    name = "+4930123456_20260512_125931_out.m4a"
    words = ["--home", str(home), "--json", "name", name]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    (said,) = json.loads(result.stdout)
    assert (said["recorder"], said["number"], said["direction"]) == (
        "my recorder",
        "+4930123456",
        "out",
    )
    assert said["sources"]["number"] == {"source": "file name (my recorder)", "confidence": "high"}
    phone, clock = MemoryPhone(), Clock()
    phone.put(f"/sdcard/voice/{name}", wav(0.2))
    phone.put("/sdcard/voice/Voice 001.m4a", wav(0.3))
    place = Place(own=load_config(home).names)
    with Archive(home, write=True, clock=clock) as archive:
        engine = SyncEngine(archive, phone, [source_of("/sdcard/voice", root=False)], place=place)
        for _ in range(3):
            engine.run_once()
            clock.go(30)
        (one,) = archive.recordings()
    assert (one.number, one.direction) == ("+4930123456", "out")
    assert one.facts["number"]["confidence"] == "stated"
    assert one.facts["recorder"]["value"] == "my recorder"


def test_import_reads_by_it(tmp_path: Path) -> None:
    name = "x120526y030123456.wav"
    assert explain(name)["number"] is None
    text = (
        '[[names]]\nrecorder = "odd"\npattern = "x{start:%d%m%y}y{number}"\n'
        f'examples = [{{ name = "{name}", start = 2026-05-12, number = "030123456" }}]\n'
    )
    home = write(tmp_path / "home", text + '[archive]\npath = "{year}/{date}_{number}"\n')
    (tmp_path / name).write_bytes(wav(0.2))
    words = ["--home", str(home), "--json", "import", str(tmp_path / name), "--dry-run"]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert result.exception is None
    (file,) = json.loads(result.stdout)["files"]
    assert (file["started"][:10], file["archived"]) == (
        "2026-05-12",
        "2026/2026-05-12_030123456.wav",
    )
