"""The PCM helper's arguments, its JSON and its exit codes; no sound card is needed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.device_scripts.pcm_tools import DAMAGED, NOT_FOUND, PCM, USAGE, build_helper, run

CAPTURE = ("capture", "-d", "0", "-r", "48000", "-c", "2", "-o", "x.wav")


@pytest.fixture(scope="session")
def helper() -> Path:
    return build_helper("x86_64")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("",),
        ("record",),
        ("version", "more"),
        ("version", "-D", "0"),
        ("get",),
        ("set",),
        ("repair",),
        ("restore", "a", "b"),
        ("controls", "--nonsense"),
        ("controls", "-D"),
        ("params",),
        ("params", "-d", "x"),
        ("params", "-d", "1024"),
        ("capture", "-d", "0", "-r", "48000", "-c", "2"),
        (*CAPTURE, "-r", "48k"),
        (*CAPTURE, "-r", "-1"),
        (*CAPTURE, "-r", "0"),
        (*CAPTURE, "-c", "65"),
        (*CAPTURE, "-f", "s24"),
        (*CAPTURE, "-p", ""),
        (*CAPTURE, "--max-bytes", "20"),
        (*CAPTURE, "--max-bytes", "99999999999999999999999"),
        (*CAPTURE, "--max-seconds", "0"),
        (*CAPTURE, "--die-with-parent=1"),
        (*CAPTURE, "--journal", ""),
        (*CAPTURE, "more"),
        ("controls", "-D", ""),
        ("controls", "-D", "a-name-that-no-card-can-have"),
    ],
)
def test_what_makes_no_sense_is_refused(helper: Path, words: tuple[str, ...]) -> None:
    done = run(helper, *words)
    assert done.code == USAGE
    assert done.answer["error"] == "usage" and done.answer["what"]


@pytest.mark.parametrize(
    "words",
    [
        ("controls", "-D", "31"),
        ("controls", "-D", "nocard"),
        ("get", "-D", "31", "x"),
        ("set", "-D", "31", "x=1"),
        ("params", "-D", "31", "-d", "0"),
        (*CAPTURE, "-D", "31"),
        ("repair", "/nonexistent/a.wav"),
    ],
)
def test_what_is_not_there_is_told(helper: Path, words: tuple[str, ...]) -> None:
    done = run(helper, *words)
    assert done.code == NOT_FOUND
    assert done.answer["error"] == "not-found"
    assert done.answer["errno"] in {"ENOENT", "ENODEV", "ENOTDIR"}
    assert not Path("x.wav").exists()


def test_an_answer_that_can_not_be_given_is_a_failure(helper: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - no path: a device
        done = subprocess.run([helper, "version"], stdout=full, check=False)
    assert done.returncode == 1


def test_closed_standard_files_are_no_trap(helper: Path, tmp_path: Path) -> None:
    """A file that is opened must not become standard output, and get the answer written into it."""
    wav = tmp_path / "a.wav"
    wav.write_bytes(b"not a WAV file, but long enough to have a header of 44 bytes")
    before = wav.read_bytes()
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" repair "$1" <&- >&- 2>&-', helper, wav], check=False
    )
    assert done.returncode == DAMAGED
    assert wav.read_bytes() == before


@pytest.mark.parametrize(
    ("abi", "program"),
    [
        ("x86_64", []),
        ("x86", []),
        ("arm64-v8a", ["qemu-aarch64-static"]),
        ("armeabi-v7a", ["qemu-arm-static"]),
    ],
)
def test_every_build_runs(abi: str, program: list[str], tmp_path: Path) -> None:
    command = [*program, str(build_helper(abi))]
    assert run(command, "version").answer == {"name": "offhook-pcm", "version": "1", "abi": abi}
    assert run(command, "controls", "-D", "31").code == NOT_FOUND
    cut = tmp_path / "cut.wav"
    cut.write_bytes(bytes.fromhex("5249464600000000") + _rest_of_header() + b"\1\2\3\4\5\6\7")
    done = run(command, "repair", str(cut))
    assert (done.answer["frames"], done.answer["dropped_bytes"]) == (1, 3)
    assert done.answer["seconds"] == 0.0
    journal = tmp_path / "undo"
    journal.write_text("offhook-pcm journal 1\ncard 0 nocard\ncontrol 2 0 0 0 1 1 X 1\nend 1\n")
    assert run(command, "restore", str(journal)).code == NOT_FOUND
    assert journal.exists()


def _rest_of_header() -> bytes:
    from tests.device_scripts.pcm_tools import header

    return header(48000, 2, 0)[8:]


def test_every_exit_code_has_a_name() -> None:
    text = (PCM / "offhook_pcm.h").read_text()
    codes = re.findall(r"^    ([A-Z_]+) = (\d+),", text, re.MULTILINE)
    assert [int(number) for _, number in codes] == list(range(14))
    names = re.search(r"names\[\] = \{([^}]*)\}", (PCM / "main.c").read_text())
    assert names is not None
    said = re.findall(r'"([a-z-]+)"', names[1])
    assert said == [name.lower().replace("_", "-") for name, _ in codes]


# --- JSON and /proc: whatever stands there ------------------------------------------------------


def _proc(folder: Path, cards: bytes, pcm: bytes) -> str:
    (folder / "cards").write_bytes(cards)
    (folder / "pcm").write_bytes(pcm)
    return str(folder)


def test_cards_and_pcms(helper: Path, tmp_path: Path) -> None:
    cards = (
        b" 0 [kona           ]: kona-mtp-snd-c - kona-mtp-snd-card\n"
        b"                      Some - long name: [x]\n"
        b"11 [Headset        ]: USB-Audio - A - B\n                      at usb\n"
    )
    pcm = (
        b"00-00: MultiMedia1 (*) :  : playback 1 : capture 1\n"
        b"00-23: MultiMedia9 (*) :  : playback 1 : capture 1\n"
        b"00-06: AFE-PROXY TX msm-stub-tx-6 :  : capture 1\n"
        b"00-37: Odd : id : its name : playback 8\n"
        b"00-115: \n"
        b"11-00: USB Audio : USB Audio : capture 2\n"
    )
    answer = run(helper, "pcms", "--proc", _proc(tmp_path, cards, pcm)).answer
    assert [(c["card"], c["id"], c["driver"], c["name"]) for c in answer["cards"]] == [
        (0, "kona", "kona-mtp-snd-c", "kona-mtp-snd-card"),
        (11, "Headset", "USB-Audio", "A - B"),
    ]
    rows = [
        (p["card"], p["device"], p["name"], p["description"], p["playback"], p["capture"])
        for p in answer["pcms"]
    ]
    assert rows == [
        (0, 0, "MultiMedia1 (*)", "", 1, 1),
        (0, 23, "MultiMedia9 (*)", "", 1, 1),
        (0, 6, "AFE-PROXY TX msm-stub-tx-6", "", 0, 1),
        (0, 37, "Odd", "id : its name", 8, 0),
        (0, 115, "", "", 0, 0),
        (11, 0, "USB Audio", "USB Audio", 0, 2),
    ]


def test_a_phone_without_sound_has_empty_lists(helper: Path, tmp_path: Path) -> None:
    assert run(helper, "pcms", "--proc", str(tmp_path)).answer == {"cards": [], "pcms": []}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.binary(max_size=60).filter(lambda name: not set(name) & set(b"\n\0:] \t\r")))
def test_any_byte_of_a_name_comes_back(helper: Path, tmp_path: Path, name: bytes) -> None:
    """Bytes that are not UTF-8 are the lone surrogates of Python's os.fsdecode."""
    pcm = b"00-01: <" + name + b"> :  : capture 1\n"
    answer = run(helper, "pcms", "--proc", _proc(tmp_path, b"", pcm)).answer
    assert answer["pcms"][0]["name"].encode("utf-8", "surrogateescape") == b"<" + name + b">"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cards=st.binary(max_size=200), pcm=st.binary(max_size=200))
def test_any_listing_is_read(helper: Path, tmp_path: Path, cards: bytes, pcm: bytes) -> None:
    assert run(helper, "pcms", "--proc", _proc(tmp_path, cards, pcm)).code == 0


def test_hostile_words_are_quoted(helper: Path) -> None:
    done = run(helper, "repair", b'/no/"such\\\xff\x1b[31m\n\xf0\x9f\x98\x80')
    assert '/no/"such\\\udcff\x1b[31m\n\U0001f600' in done.answer["what"]
    assert json.dumps(done.answer)
