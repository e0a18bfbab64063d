"""This computer's ADB keys: the ones that Google's adb uses, or new ones in the same place."""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from adb_shell.auth.keygen import encode_pubkey, keygen
from adb_shell.auth.sign_pythonrsa import PythonRSASigner

from agent.errors import ConfigError


class Signer(Protocol):
    """adb-shell's signer: a private key that signs a phone's token."""

    def Sign(self, data: bytes) -> bytes:  # noqa: N802 - adb-shell's name
        """The signature of a token."""

    def GetPublicKey(self) -> str | bytes:  # noqa: N802 - adb-shell's name
        """The public key, as adbd stores it."""


def default_key() -> Path:
    """Where Google's adb keeps its key: ``~/.android/adbkey`` (ANDROID_USER_HOME is respected)."""
    home = os.environ.get("ANDROID_USER_HOME")
    return (Path(home) if home else Path.home() / ".android") / "adbkey"


def load_signers(path: Path | None = None) -> list[Signer]:
    """All keys to try, as Google's adb does: the user's own, then those of ADB_VENDOR_KEYS.

    That variable holds files, and folders of ``*.adb_key`` files, with ``:`` between them (AOSP
    client/auth.cpp); what can't be read of it is left out. Errors as for :func:`load_signer`.
    """
    signers = [load_signer(path)]
    for key in _vendor_keys():
        with contextlib.suppress(OSError, ValueError):
            signers.append(_signer(key, _public(key)))
    return signers


def load_signer(path: Path | None = None) -> Signer:
    """The signer for the key at ``path``, which is made, 0600, when there is none."""
    path = path or default_key()
    try:
        if not path.exists():
            _make_key(path)
        public = path.with_name(path.name + ".pub")
        if not public.exists():
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                new = Path(folder) / public.name
                new.write_text(_public(path))
                new.replace(public)
        return _signer(path, public.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"can't use the ADB key {path}: {error}",
            hint="Move it away; a new one is made, and the phone asks once more whether to trust it.",
        ) from error


def _signer(path: Path, public: str) -> Signer:
    """The signer for a key; OSError or ValueError if it is not an RSA key in PKCS#8 form."""
    text = path.read_text()
    try:
        signer: Signer = PythonRSASigner(public, text)
    except Exception as error:  # rsa's and pyasn1's errors have no common base
        raise ValueError("it is no RSA key without a password") from error
    return signer


def _make_key(path: Path) -> None:
    """Make a key beside its place and link it there: several may do so at once, and the first
    one's key is everybody's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # 0700, so the key is private
        new = Path(folder) / path.name
        keygen(str(new))
        new.chmod(0o600)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)


def _public(path: Path) -> str:
    """The public half of the key at ``path``, with the name that the phone shows its user."""
    try:
        user = os.environ.get("LOGNAME") or getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    host = os.environ.get("HOSTNAME") or socket.gethostname() or "unknown"
    try:
        raw = encode_pubkey(str(path))
    except OSError:
        raise
    except Exception as error:  # it takes any key for an RSA key of 2048 bits
        raise ValueError("it is no RSA key of 2048 bits without a password") from error
    return f"{base64.b64encode(raw).decode()} {user}@{host}"


def _vendor_keys() -> Iterator[Path]:
    for name in filter(None, os.environ.get("ADB_VENDOR_KEYS", "").split(os.pathsep)):
        path = Path(name)
        if path.is_dir():
            yield from sorted(path.glob("*.adb_key"))
        elif path.is_file():
            yield path
