"""This computer's ADB keys: the ones that Google's adb uses, or new ones in the same place."""

from __future__ import annotations

import os
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
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            old = os.umask(0o077)
            try:
                keygen(str(path))
            finally:
                os.umask(old)
        public = path.with_name(path.name + ".pub")
        if not public.exists():
            write_public_keyfile(str(path), str(public))
        signer: Signer = PythonRSASigner.FromRSAKeyPath(str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"can't use the ADB key {path}: {error}",
            hint="Move it away; a new one is made, and the phone asks once more whether to trust it.",
        ) from error
    return signer
