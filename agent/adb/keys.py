"""This computer's ADB keys: the ones that Google's adb uses, or new ones in the same place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

from adb_shell.auth.keygen import keygen, write_public_keyfile
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


def load_signer(path: Path | None = None) -> Signer:
    """The signer for the key at ``path``, which is made, 0600, when there is none."""
    path = path or default_key()
    try:
        if not path.exists():
            _make_key(path)
        public = path.with_name(path.name + ".pub")
        if not public.exists():
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                write_public_keyfile(str(path), str(Path(folder) / public.name))
                (Path(folder) / public.name).replace(public)
        signer: Signer = PythonRSASigner.FromRSAKeyPath(str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"can't use the ADB key {path}: {error}",
            hint="Move it away; a new one is made, and the phone asks once more whether to trust it.",
        ) from error
    return signer


def _make_key(path: Path) -> None:
    """Make a key pair beside its place and link it there: several may do so at once, and the
    first one's key is everybody's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # 0700, so the key is private
        new = Path(folder) / path.name
        keygen(str(new))
        new.chmod(0o600)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
