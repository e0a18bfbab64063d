"""scrcpy's server on this computer: where it is looked for, which one it is, what is refused."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.voicecall import releases, server
from agent.capture.voicecall.releases import RELEASES, Release, parsed
from agent.capture.voicecall.server import find_server, places, version_in
from agent.errors import CaptureError
from tests.lab.scrcpy import jar


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def program(path: Path) -> Path:
    put(path, b"#!/bin/sh\n").chmod(0o755)
    return path


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A jar that is in the table, as 4.1's."""
    data = jar("4.1")
    sha256 = hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(releases, "RELEASES", (*RELEASES, Release("4.1", sha256, "a test")))
    return data


def test_the_table_is_one_of_releases() -> None:
    assert [parsed(release.version) for release in RELEASES] == sorted(
        {parsed(release.version) for release in RELEASES}
    )
    assert all(re.fullmatch("[0-9a-f]{64}", release.sha256) for release in RELEASES)
    assert len({release.sha256 for release in RELEASES}) == len(RELEASES)
    assert all(release.source for release in RELEASES)


def test_a_known_one_is_found_beside_the_scrcpy_of_the_path(tmp_path: Path, known: bytes) -> None:
    for prefix, place in (
        ("usr", "usr/share/scrcpy/scrcpy-server"),
        ("portable", "portable/bin/scrcpy-server"),
    ):
        binary = program(tmp_path / prefix / "bin/scrcpy")
        path = put(tmp_path / place, known)
        found = find_server(None, environ={"PATH": str(binary.parent)}, usual=())
        assert (found.path, found.version, found.known) == (path, "4.1", True)
        assert found.data == known


def test_links_such_as_homebrews_are_followed(tmp_path: Path, known: bytes) -> None:
    program(tmp_path / "Cellar/scrcpy/4.1/bin/scrcpy")
    path = put(tmp_path / "Cellar/scrcpy/4.1/share/scrcpy/scrcpy-server", known)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/scrcpy").symlink_to("../Cellar/scrcpy/4.1/bin/scrcpy")
    found = find_server(None, environ={"PATH": str(tmp_path / "bin")}, usual=())
    assert found.path == path


def test_scrcpys_own_variable_is_what_counts(tmp_path: Path, known: bytes) -> None:
    usual = put(tmp_path / "usual", known)
    environ = {"PATH": "", "SCRCPY_SERVER_PATH": str(tmp_path / "named")}
    with pytest.raises(CaptureError, match="named: No such file"):
        find_server(None, environ=environ, usual=[str(usual)])
    put(tmp_path / "named", known)
    assert places(environ, [str(usual)]) == [tmp_path / "named"]


def test_where_there_is_none_it_says_how_to_get_one() -> None:
    with pytest.raises(CaptureError, match="not installed") as caught:
        find_server(None, environ={"PATH": ""}, usual=())
    assert "--scrcpy-server FILE" in str(caught.value.hint)
    assert "scrcpy-server-v4.1" in str(caught.value.hint)


def test_an_unknown_one_is_refused_unless_it_is_named(tmp_path: Path, known: bytes) -> None:
    strange = put(tmp_path / "strange", jar("4.1", "{version} The server version ({version}) "
                                            "does not match the client "))  # fmt: skip
    with pytest.raises(CaptureError, match="none of its releases") as caught:
        find_server(None, environ={"PATH": ""}, usual=[str(strange)])
    assert f"--scrcpy-server {strange}" in str(caught.value.hint)
    found = find_server(strange)
    assert (found.version, found.known) == ("4.1", False)
    assert found.sha256 == hashlib.sha256(strange.read_bytes()).hexdigest()
    assert str(tmp_path) not in str(found.as_dict())
    # A known one further on is taken before it.
    usual = [str(strange), str(put(tmp_path / "known", known))]
    assert find_server(None, environ={"PATH": ""}, usual=usual).known


def test_one_that_does_not_tell_its_version_is_refused_even_if_named(tmp_path: Path) -> None:
    says = "The server version ({version}) does not match the client "
    two = says.format(version="4.0") + says
    for number, data in enumerate(
        [b"", b"PK\3\4 no zip", jar("4.1", "{version}"), jar("4.1", two), jar("4..1"), jar("x")]
    ):
        path = put(tmp_path / str(number), data)
        with pytest.raises(CaptureError, match="does not tell which version"):
            find_server(path)


def test_one_from_before_calls_could_be_heard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"scrcpy 3\.1 can't hear calls"):
        find_server(put(tmp_path / "old", jar("3.1")))
    assert find_server(put(tmp_path / "new", jar("3.2"))).version == "3.2"


def test_what_is_too_large_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_MOST", 1000)
    with pytest.raises(CaptureError, match="too large"):
        find_server(put(tmp_path / "large", bytes(1001)))
    monkeypatch.setattr(server, "_MOST", 1 << 20)
    monkeypatch.setattr(server, "_MOST_CODE", 1000)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("classes.dex", bytes(100_000) + jar("4.1"))
    assert version_in(bomb.getvalue()) is None


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_broken_file_tells_no_version_and_is_no_crash(noise: bytes, at: int) -> None:
    data = jar("4.1")
    assert version_in(data) == "4.1"
    assert version_in(data[:at] + noise + data[at + len(noise) :]) in (None, "4.1")
