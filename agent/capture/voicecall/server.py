"""scrcpy's server on this computer: where it is, which one it is, and whether it may be used.

It is the user's own copy of scrcpy that is used; none comes with Offhook.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.capture.voicecall.releases import FIRST, LAST, parsed, release_of
from agent.errors import CaptureError
from agent.text import shown

#: Where packages put it (scrcpy's app/src/server.c: ``PREFIX/share/scrcpy/scrcpy-server``).
USUAL = (
    "/usr/local/share/scrcpy/scrcpy-server",
    "/usr/share/scrcpy/scrcpy-server",
    "/opt/homebrew/share/scrcpy/scrcpy-server",
    "/home/linuxbrew/.linuxbrew/share/scrcpy/scrcpy-server",
    "/snap/scrcpy/current/usr/local/share/scrcpy/scrcpy-server",
)
_MOST = 16 << 20  # bytes; those of 4.x have 0.7 MB
_MOST_CODE = 64 << 20
# Options.java's own words: the compiler makes one constant of them and the version.
_SAYS = re.compile(rb"The server version \(([0-9][0-9.]{0,15})\) does not match the client ")
_GET = (
    "Install scrcpy 3.2 or later; or download scrcpy-server-v"
    f"{LAST} from https://github.com/Genymobile/scrcpy/releases, and run "
    "`offhook enable --route voicecall --scrcpy-server FILE`."
)


@dataclass(frozen=True)
class ServerFile:
    """scrcpy's server. ``known`` is False for one that is in no table, and that the user named."""

    path: Path
    version: str
    sha256: str
    known: bool
    data: bytes = field(repr=False)

    def as_dict(self) -> dict[str, str | bool]:
        """For ``--json`` and the custody log: no path, which may have a person's name in it."""
        return {"version": self.version, "sha256": self.sha256, "known": self.known}


def find_server(
    given: Path | None, *, environ: Mapping[str, str] = os.environ, usual: Iterable[str] = USUAL
) -> ServerFile:
    """The server to be used: the one ``given``, else the user's scrcpy's own.

    CaptureError, with what to do, when there is none, or none that may be used: what was not
    given by the user has to be a release that is known.
    """
    if given is not None:
        return _judged(given, _read(given), given=True)
    refusal: CaptureError | None = None
    for path in places(environ, usual):
        try:
            return _judged(path, _read(path), given=False)
        except CaptureError as error:
            refusal = refusal or error
    raise refusal or CaptureError("scrcpy is not installed on this computer", hint=_GET)


def places(environ: Mapping[str, str], usual: Iterable[str] = USUAL) -> list[Path]:
    """Where there is one: what scrcpy's own variable names; else what belongs to the ``scrcpy``
    of the PATH, then the usual places."""
    if named := environ.get("SCRCPY_SERVER_PATH"):
        return [Path(named)]
    wanted: list[Path] = []
    if program := shutil.which("scrcpy", path=environ.get("PATH", "")):
        for binary in (Path(program), Path(program).resolve()):
            wanted.append(binary.parent.parent / "share/scrcpy/scrcpy-server")
            wanted.append(binary.with_name("scrcpy-server"))  # a portable build
    wanted += map(Path, usual)
    return [path for path in dict.fromkeys(wanted) if path.is_file()]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise CaptureError(
            f"can't read scrcpy's server {shown(str(path))}: {error.strerror or error}", hint=_GET
        ) from error
    if len(data) > _MOST:
        raise CaptureError(f"{shown(str(path))} is too large to be scrcpy's server", hint=_GET)
    return data


def _judged(path: Path, data: bytes, *, given: bool) -> ServerFile:
    """The file, if it may be used."""
    sha256 = hashlib.sha256(data).hexdigest()
    release = release_of(sha256)
    version = release.version if release else version_in(data)
    if version is None:
        raise CaptureError(
            f"{shown(str(path))} does not tell which version of scrcpy's server it is",
            hint=_GET,
        )
    if parsed(version) < FIRST:
        raise CaptureError(f"scrcpy {version} can't hear calls: that came with 3.2", hint=_GET)
    if release is None and not given:
        raise CaptureError(
            f"{shown(str(path))} says that it is scrcpy's server {version}, but is none of its "
            "releases that Offhook knows",
            hint="A distribution that builds its own has another one. If you trust it: `offhook "
            f"enable --route voicecall --scrcpy-server {shown(str(path))}`.",
        )
    return ServerFile(path, version, sha256, release is not None, data)


def version_in(data: bytes) -> str | None:
    """The version that a server's code says it is; None where it says none, or several."""
    said: set[bytes] = set()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as jar:
            for entry in jar.infolist():
                if not re.fullmatch(r"classes[0-9]{0,2}\.dex", entry.filename):
                    continue
                if entry.file_size > _MOST_CODE:
                    return None
                with jar.open(entry) as code:
                    said.update(_SAYS.findall(code.read(_MOST_CODE)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        return None  # whatever is wrong with it
    if len(said) != 1:
        return None
    version = said.pop().decode("ascii")
    try:
        parsed(version)
    except ValueError:
        return None
    return version
