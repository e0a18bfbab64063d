"""Where the files of ``device_scripts/`` are: beside the checkout, or inside the wheel."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agent.errors import ConfigError

#: Android's ABI names, as ``ro.product.cpu.abilist`` has them, for which the helper is built.
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64", "x86")


def scripts_dir() -> Path:
    """The folder that holds what runs on the phone; ConfigError when it was left behind."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_device_scripts", package.parent / "device_scripts"):
        if (folder / "offhookd.sh").is_file():
            return folder
    raise ConfigError(
        "Offhook's device_scripts are missing from this installation",
        hint="Install it again, in Offhook's checkout: `pip install --force-reinstall .`",
    )


def script(name: str) -> bytes:
    """A script's bytes."""
    return (scripts_dir() / name).read_bytes()


def helper(abilist: str) -> tuple[str, bytes]:
    """The PCM helper for the first ABI that the phone names, and that ABI.

    ConfigError when it was not built, or is not the one that SHA256SUMS names.
    """
    folder = scripts_dir() / "pcm"
    abi = next((abi for abi in abilist.split(",") if abi in ABIS), None)
    if abi is None:
        raise ConfigError(
            f"the PCM helper is not built for this phone's processor ({abilist or 'not named'})",
            hint=f"It is there for {', '.join(ABIS)}.",
        )
    path = folder / "bin" / abi / "offhook-pcm"
    if not path.is_file():
        raise ConfigError(
            f"the PCM helper for {abi} was not built", hint="In the checkout, run `make helper`."
        )
    data = path.read_bytes()
    wanted = (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    if f"{hashlib.sha256(data).hexdigest()}  {abi}/offhook-pcm" not in wanted:
        raise ConfigError(
            f"the PCM helper {path} is not the one that SHA256SUMS names",
            hint="In the checkout, run `make helper`; elsewhere, install Offhook again.",
        )
    return abi, data
