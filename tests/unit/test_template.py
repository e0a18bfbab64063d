"""The archive's path template: safe names whatever its fields hold, and what it says of a mistake."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.archive import Archive, Fact, NewRecording
from agent.archive.audit import audit
from agent.archive.filing import file_part, path_of
from agent.archive.names import LONGEST
from agent.archive.template import DEFAULT, FIELDS, Template, TemplateError, times
from agent.config import load_config
from agent.errors import ConfigError
from agent.naming import explain

START = 1_772_716_927_000  # 2026-03-05 13:22:07 UTC
WHO = Template.parse("{phone}/{contact}/{date} {number}")


@pytest.mark.parametrize("way", ["in", "out", None])
@given(digest=st.text("0123456789abcdef", min_size=8, max_size=8), copy=st.sampled_from(["", "~2"]))
def test_a_file_of_another_archive_has_no_name_in_its_hash(
    way: str | None, digest: str, copy: str
) -> None:
    path = DEFAULT.path({**times(START, UTC), "direction": way, "hash": digest + copy}, ".wav")
    said = explain(path.name)
    assert (said.kind, said.recorder) == ("call", "offhook")
    assert (said["number"], said["contact"], said["direction"]) == (None, None, way)
    assert said["start"] == datetime(2026, 3, 5, 13, 22, 7)  # noqa: DTZ001 - the name has no zone


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, write=True) as opened:
        opened.add_phone("P1", alias="desk")
        opened.add_phone("P2")
        yield opened


def new(name: str = "rec.WAV", **facts: object) -> NewRecording:
    told = {key: Fact(value, "test", "told") for key, value in facts.items()}
    return NewRecording(name, START * 10**6, phone="P1", facts=told)


def file(archive: Archive, data: bytes, **facts: object) -> PurePosixPath:
    part = archive.begin(new(**facts))
    part.write(data)
    return PurePosixPath(file_part(archive, part, new(**facts))[0].path)


_FIELD = st.sampled_from(sorted(FIELDS)).map("{{{}}}".format)
_WRITTEN = st.sampled_from(["a", "calls", " of ", "_", "é", "1.2 x", "{{", "}}"])
_PART = st.lists(st.one_of(_FIELD, _WRITTEN), min_size=1, max_size=6).map("".join)
_TEXT = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["", ".", "..", "../..", "/etc/passwd", "-rf", "CON", "\x1b[31m", "\u202e", "~"]
    ),
    st.text(st.characters(categories=["Cs", "Cc", "Cf"]), max_size=20),
)


@given(
    st.lists(_PART, min_size=1, max_size=5).map("/".join),
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.none() | _TEXT),
    st.sampled_from(["", ".wav", ".m4a"]),
)
def test_whatever_the_fields_hold_it_is_a_safe_path_of_as_many_parts(
    text: str, values: dict[str, str | None], suffix: str
) -> None:
    try:
        template = Template.parse(text)
    except TemplateError:  # such as a name that begins with a space
        return
    path = template.path(values, suffix)
    assert not path.is_absolute()
    assert len(path.parts) == text.count("/") + 1
    assert path.name.endswith(suffix)
    for name in path.parts:
        assert 0 < len(name.encode()) <= LONGEST
        assert name not in (".", "..")
        assert not name.startswith((".", "-", "~", " "))
        assert not name.endswith((".", " "))
        assert not set(name) & set('<>:"/\\|?*')
        assert not any(unicodedata.category(ch) in ("Cc", "Cf", "Cs") for ch in name)
        assert unicodedata.normalize("NFC", name) == name


def test_by_default_nobody_can_tell_from_a_name_who_called(archive: Archive) -> None:
    path = path_of(
        archive,
        new("20260305_in_+4179123_Ada.WAV", direction="in", number="+41 79 123", contact="Ada"),
        "3fa9b2c1" + "0" * 56,
        zone=UTC,
    )
    assert str(path) == "2026/03/2026-03-05_13-22-07_in_3fa9b2c1.wav"
    for field in ("number", "contact", "name", "phone"):
        assert not DEFAULT.uses(field)


def test_every_field_has_what_it_says_and_what_is_unknown_a_word(archive: Archive) -> None:
    archive.template = Template.parse("/".join(f"{{{field}}}" for field in list(FIELDS)[:6]))
    assert str(path_of(archive, new(), zone=UTC)) == "2026/03/05/2026-03-05/13-22-07/unknown.wav"
    archive.template = Template.parse(
        "{{{phone}}} {recorder}, {route}, {name}, {number}, {contact}"
    )
    facts = {"recorder": "bcr", "route": "bcr", "number": "+41 79 12", "contact": "Ada: M."}
    assert str(path_of(archive, new("a/../b c.m4a", **facts))) == (
        "{desk} bcr, bcr, b c, +417912, Ada_ M.m4a"
    )
    assert str(path_of(archive, new())) == "{desk} unknown, unknown, rec, unknown, unknown.wav"


@pytest.mark.parametrize("ms", [-(10**20), 10**20, 0, -1])
def test_a_date_that_can_not_be_is_no_error(ms: int) -> None:
    assert DEFAULT.path(times(ms, UTC), ".wav").name.endswith("_unknown_unknown.wav")


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("{yaer}/{name}", "{yaer}, which is no field", "{year}"),
        ("{}", "{}, which is no field", "Fields: year"),
        ("{0}", "{0}, which is no field", "Fields"),
        ("{name.__class__}", "which is no field", "Fields"),
        ("{date:%Y}", "a field has no format", "Fields"),
        ("{name!r}", "a field has no format", "Fields"),
        ("{name", "stands alone", "twice"),
        ("a } b", "stands alone", "twice"),
        ("/calls/{name}", "begins with '/'", "below the archive's folder"),
        ("~/calls/{name}", "begins with '~'", "below the archive's folder"),
        ("{year}/../../{name}", "has '..' in it", "below"),
        ("./{name}", "has '.' in it", "below"),
        ("{year}//{name}", "a name that is empty", "below"),
        ("{year}/", "a name that is empty", "below"),
        ("C:/{name}", "'C:', which is no file's name", "Letters"),
        ("a\\{name}", "which is no file's name", "Letters"),
        (".hidden/{name}", "which is no file's name", "Letters"),
        ("nul/{name}", "which is no file's name", "Letters"),
        ("{name}\x1b", "which is no file's name", "Letters"),
        ("a/b/c/d/e/f/g/h/i/{name}", "9 folders, not at most 8", None),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, words: str, hint: str | None) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)
    assert words in str(caught.value)
    assert (hint is None) == (caught.value.hint is None)
    assert hint is None or hint in (caught.value.hint or "")


def test_it_is_set_in_offhook_toml(tmp_path: Path) -> None:
    assert load_config(tmp_path).template == DEFAULT
    (tmp_path / "offhook.toml").write_text('[archive]\npath = "{phone}/{date}"\n')
    assert load_config(tmp_path).template.text == "{phone}/{date}"
    (tmp_path / "offhook.toml").write_text('[archive]\npath = "{caller}"\n')
    with pytest.raises(ConfigError, match=r"\[archive\] path has {caller}") as caught:
        load_config(tmp_path)
    assert "contact" in (caught.value.hint or "")
    (tmp_path / "offhook.toml").write_text("[archive]\npath = 7\n")
    with pytest.raises(ConfigError, match=r"\[archive\] path is 7"):
        load_config(tmp_path)


def test_another_template_is_for_new_recordings_and_all_are_verified(archive: Archive) -> None:
    first = file(archive, b"one", number="117", contact="Ada")
    archive.template = WHO
    second = file(archive, b"two", number="117", contact="Ada")
    third = file(archive, b"three", number="117", contact="Ada")
    assert second.parts[:2] == third.parts[:2] == ("desk", "Ada")
    assert (second.name[-7:], third.name[-9:]) == ("117.wav", "117~2.wav")
    archive.template = Template.parse("desk~2/{contact}")  # where a folder has a file's name
    archive.store.locate("desk~2").write_text("of another program")
    assert file(archive, b"four").parts == ("desk~2~2", "unknown.wav")
    archive.store.locate("desk~2").unlink()
    assert file(archive, b"one", number="110") == first  # known bytes stay where they are
    found = audit(archive)
    assert (found.files, found.findings) == (4, [])


def test_parts_of_a_dead_run_are_removed_wherever_they_are(tmp_path: Path) -> None:
    for text in ("{name}", "a/b/c/d/{name}"):
        with Archive(tmp_path, write=True, template=Template.parse(text)) as archive:
            part = archive.begin(new())
            part.write(b"half")
            part._close()
        with Archive(tmp_path, write=True):
            assert not part.path.exists()
