"""`doctor --from` on what somebody sends: an answer or a UsageError, soon, and nothing written."""

from __future__ import annotations

import io
import os
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.capture.alsa.hints import XmlError, parse_xml
from agent.capture.offline.members import MAX_ALL, MAX_BUNDLE, MAX_FILE, MAX_FILES
from agent.capture.offline.texts import (
    list_cards,
    list_controls,
    list_pcms,
    parse_cards,
    parse_pcm_infos,
    parse_pcms,
    parse_tinymix,
)
from agent.capture.offline.verdicts import Offline, diagnose_dumps
from agent.errors import UsageError
from agent.phone.facts import parse_getprop
from agent.phone.helper import Card, Control, Pcm

GETPROP = "[ro.board.platform]: [kona]\n"
SOON_S = 15  # of a computer that has something else to do; a defect here takes minutes


@pytest.fixture
def soon() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < SOON_S


def zipped(*files: tuple[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files:
            bundle.writestr(name, data)
    return sink.getvalue()


def asked(data: bytes, folder: Path) -> Offline:
    """Of a file of these bytes, in a folder where nothing may appear beside it."""
    file = folder / "bundle.zip"
    file.write_bytes(data)
    before = sorted(folder.iterdir())
    try:
        return diagnose_dumps(file)
    finally:
        assert sorted(folder.iterdir()) == before
        assert file.read_bytes() == data


# -- packed --


@pytest.mark.usefixtures("soon")
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = zipped(("getprop.txt", b"\0" * (MAX_FILE + 1)))
    assert len(bomb) < MAX_FILE / 500
    with pytest.raises(UsageError, match="too large"):
        asked(bomb, tmp_path)
    many = zipped(*((f"{n}.txt", b" " * MAX_FILE) for n in range(MAX_ALL // MAX_FILE + 1)))
    with pytest.raises(UsageError, match="too large"):
        asked(many, tmp_path)


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    bomb = bytearray(zipped(("getprop.txt", b"\0" * (MAX_FILE * 3))))
    start = bomb.index(b"PK\1\2")
    struct.pack_into("<L", bomb, start + 24, 10)  # what it says that it unpacks to
    with pytest.raises(UsageError):
        asked(bytes(bomb), tmp_path)


@pytest.mark.usefixtures("soon")
def test_files_without_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"more than {MAX_FILES} files"):
        asked(zipped(*((f"{n}", b"") for n in range(5_000))), tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(MAX_FILES + 1):
        (folder / f"{number}.txt").touch()
    with pytest.raises(UsageError, match=f"more than {MAX_FILES} files"):
        diagnose_dumps(folder)


def test_names_that_climb_are_only_names(tmp_path: Path) -> None:
    inside = tmp_path / "a/b"
    inside.mkdir(parents=True)
    names = ["../../up.txt", "/etc/passwd", "..\\w.txt", "a/\x1b[31m\nb", "C:/x", "." * 300]
    found = asked(zipped(*((name, GETPROP.encode()) for name in names)), inside)
    assert len(found.dumps.files) == len(names)
    assert not any("\x1b" in name or "\n" in name for name in found.dumps.files)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "bundle.zip"]


def test_a_zip_with_a_link_in_it_follows_nothing(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("mixer_paths.xml")
    link.external_attr = (0o120777) << 16
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as bundle:
        bundle.writestr(link, "/etc/passwd")
        bundle.writestr("getprop", GETPROP)
    found = asked(sink.getvalue(), tmp_path)
    assert found.dumps.files == {"getprop": "1 properties", "mixer_paths.xml": None}


def test_encrypted_and_unusual_zips_are_refused(tmp_path: Path) -> None:
    plain = bytearray(zipped(("getprop", GETPROP.encode())))
    plain[6] |= 1
    plain[plain.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(UsageError, match="encrypted"):
        asked(bytes(plain), tmp_path)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_BZIP2) as bundle:
        bundle.writestr("getprop", GETPROP)
    with pytest.raises(UsageError, match="another way"):
        asked(sink.getvalue(), tmp_path)


def test_a_bundle_of_many_gigabytes_is_not_looked_into(tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    with file.open("wb") as stream:
        stream.write(b"PK\3\4")
        stream.truncate(MAX_BUNDLE * 1000)
    with pytest.raises(UsageError, match="too large"):
        diagnose_dumps(file)
    with file.open("r+b") as stream:
        stream.write(b"no")
    with pytest.raises(UsageError, match="too large"):
        diagnose_dumps(file)


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_bundle_is_an_answer_or_an_error(data: st.DataObject, tmp_path: Path) -> None:
    whole = bytearray(zipped(("getprop", GETPROP.encode()), ("pcm", b"00-00: a :  : capture 1\n")))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        (tmp_path / "bundle.zip").unlink(missing_ok=True)
        try:
            asked(damaged, tmp_path)
        except UsageError as error:
            assert "\x1b" not in error.message


# -- on the disk --


def test_links_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(GETPROP)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "getprop.txt").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "tinymix.txt")
    with pytest.raises(UsageError, match="no file"):
        diagnose_dumps(folder)
    with pytest.raises(UsageError, match="not a file"):
        diagnose_dumps(folder / "tinymix.txt")
    with pytest.raises(UsageError, match="not a file"):
        diagnose_dumps(Path("/dev/zero"))
    with pytest.raises(UsageError, match="can't read"):
        diagnose_dumps(tmp_path / "nowhere")


# -- XML --


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><mixer>&b;</mixer>',
        '<!DOCTYPE m SYSTEM "file:///etc/passwd"><mixer/>',
        "<mixer>" + "<path>" * 100_000,
        "<mixer>" + "<a/>" * 400_000 + "</mixer>",
        "<mixer>" + "".join(f'<path name="incall{n}"/>' for n in range(100_000)) + "</mixer>",
        "<mixer>",
        "<mixer></mixer>" * 2,
        '<mixer><ctl name="' + "x" * (1 << 20) + '"',
    ],
    ids=["laughs", "outside", "deep", "elements", "paths", "cut", "two", "long"],
)
def test_bad_xml_is_left_out_with_a_warning(tmp_path: Path, text: str) -> None:
    (tmp_path / "getprop").write_text(GETPROP)
    (tmp_path / "mixer_paths.xml").write_text(text)
    found = diagnose_dumps(tmp_path)
    assert found.routes[0].family == "qualcomm-adsp"
    assert found.dumps.files["mixer_paths.xml"] is None
    assert "mixer_paths.xml is left out" in found.dumps.warnings[0]


@pytest.mark.usefixtures("soon")
def test_paths_that_name_each_other_are_followed_once() -> None:
    ring = "".join(f'<path name="incall{n}"><path name="incall{n + 1}"/><path name="incall0"/>'
                   f'<ctl name="c{n}" value="1"/></path>' for n in range(900))  # fmt: skip
    file = parse_xml("m", f"<mixer>{ring}</mixer>")
    assert len(file.paths["incall0"]) <= 2000


# -- text --

PARSERS: list[Callable[[str], object]] = [
    parse_getprop, parse_pcms, parse_pcm_infos, parse_cards, parse_tinymix
]  # fmt: skip
LONG = 1 << 20


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "text",
    [
        " " * LONG,
        "\t" * LONG,
        "00-00: " + " " * LONG + ": capture 1",
        "00-00: " + ": capture 1 " * (LONG // 12),
        "0\tBOOL\t1\t" + "On " * (LONG // 3) + "x",
        ("0\tBOOL\t1\t" + "On " * 20_000 + "x\n") * 17,
        "0\tINT\t99999\t" + "1 " * (LONG // 2) + "x",
        ("0\tINT\t99999\t" + " " * 60_000 + "x\n") * 17,
        "0\tENUM\t1\tx" + "> " * (LONG // 2),
        "0\tINT\t1\t" * (LONG // 8),
        "0\tINT\t1\tx (range " * (LONG // 17),
        "[a]: [" * (LONG // 6),
        "[a]: [b]\n[" * (LONG // 10),
        "card: 0 device: 0 subdevice: 0 stream: CAPTURE id: " * (LONG // 51),
        "card: 0 device: 0 subdevice: 0 stream: CAPTURE id: x" + " " * LONG,
        " 0 [" + "x" * LONG,
        "Mixer name: '" * (LONG // 13),
        "\n" * LONG,
        "\udcff\x00\x1b" * (LONG // 3),
    ],
    ids=range(19),
)
def test_no_text_takes_longer_than_its_length(text: str) -> None:
    for parse in PARSERS:
        parse(text)


_LINE = st.text(max_size=60) | st.sampled_from(
    [GETPROP.strip(), "00-00: MultiMedia9 (*) :  : playback 1 : capture 1",
     " 0 [kona ]: kona - kona-mtp-snd-card", "Mixer name: 'x'", "Number of controls: 2",
     "0\tBOOL\t2\tMultiMedia9 Mixer VOC_REC_UL             Off Off", "1\tENUM\t1\tX", "<mixer>"]
)  # fmt: skip


@given(lines=st.lists(_LINE, max_size=12), name=st.text(min_size=1, max_size=20))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_file_says_is_an_answer_or_an_error(
    lines: list[str], name: str, tmp_path: Path
) -> None:
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    (tmp_path / "bundle.zip").unlink(missing_ok=True)
    try:
        found = asked(
            zipped((name.replace("\0", "0").encode("utf-8", "replace").decode(), data)), tmp_path
        )
    except UsageError:
        return
    assert len(found.as_dict()["routes"]) == 5


@given(st.binary(max_size=2000))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_garbage_is_an_answer_or_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bundle.zip").unlink(missing_ok=True)
    try:
        asked(data, tmp_path)
    except UsageError as error:
        assert error.message


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_xml_is_read_or_said_to_be_none(text: str) -> None:
    try:
        parse_xml("m", text)
    except XmlError as error:
        assert str(error)


# -- what is written can be read --

_WORD = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=",>()"),
                min_size=1, max_size=50)  # fmt: skip
_NAME = st.lists(_WORD, min_size=1, max_size=4).map(" ".join)
_NUMBER = st.integers(-(2**31), 2**31 - 1)


@st.composite
def controls(draw: st.DrawFn) -> Control:
    kind = draw(st.sampled_from(["bool", "int", "enum"]))
    name = draw(_NAME)
    if kind == "bool":
        return Control(
            name, kind, tuple(draw(st.lists(st.sampled_from(["on", "off"]), max_size=3)))
        )
    if kind == "int":
        values = tuple(map(str, draw(st.lists(_NUMBER, max_size=3))))
        return Control(name, kind, values, (), draw(st.none() | st.just((-1, 2**31 - 1))))
    items = tuple(draw(st.lists(_NAME, min_size=1, max_size=4, unique=True)))
    return Control(name, kind, (draw(st.sampled_from(items)),), items)


@given(st.lists(controls(), min_size=1, max_size=5), _NAME)
@settings(max_examples=100, deadline=None)
def test_a_mixer_that_is_written_is_the_same_when_read(listed: list[Control], name: str) -> None:
    card = Card(0, "id", name.replace("'", "-"))
    (mixer,) = parse_tinymix(list_controls(card, listed))
    assert mixer.card == card.name
    assert mixer.controls == listed


@given(st.lists(st.tuples(_NAME, st.booleans()), max_size=5))
@settings(max_examples=100, deadline=None)
def test_cards_and_pcms_too(rows: list[tuple[str, bool]]) -> None:
    pcms = [Pcm(0, n, f"n{name}".replace(":", "-"), way) for n, (name, way) in enumerate(rows)]
    assert parse_pcms(list_pcms(pcms)) == pcms
    cards = [Card(n, f"id{n}", f"n{name}") for n, (name, _) in enumerate(rows)]
    assert parse_cards(list_cards(cards)) == cards
