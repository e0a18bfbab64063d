"""Small JSON files in Offhook's home: private, and on the disk before anybody relies on them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from agent.errors import ConfigError


def write_json(path: Path, said: dict[str, Any]) -> None:
    """Replace a file, for its owner's eyes only; ConfigError where the disk says no, and the file
    is what it was."""
    try:
        _replace(path, said)
    except OSError as error:
        raise ConfigError(
            f"can't write {path}: {error.strerror or error}",
            hint="Free some space there, or make the folder writable.",
        ) from error


def _replace(path: Path, said: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    private = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(private, "w", encoding="utf-8") as file:
        json.dump(said, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_json(path: Path, hint: str) -> dict[str, Any] | None:
    """What a file says, None where there is none; ConfigError with ``hint`` when it is damaged."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't read {path}: {error}", hint=hint) from error
    if not isinstance(said, dict):
        raise ConfigError(f"can't read {path}: it is no JSON object", hint=hint)
    return said
