"""Tables of ``offhook.toml``, read with every mistake named: the file, the key, the likely one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from agent.errors import ConfigError

T = TypeVar("T")


def known_keys(path: Path, where: str, table: dict[str, Any], keys: Iterable[str]) -> None:
    """ConfigError for a key that is no setting, with the one that may have been meant."""
    known = list(keys)
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise ConfigError(f"{path}: {where}{key!r} is not a setting", hint=hint)


class Table:
    """One ``[name]`` of the file; an absent one is empty."""

    def __init__(self, path: Path, raw: dict[str, Any], name: str, keys: Iterable[str]) -> None:
        table = raw.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} has to be written as [{name}]")
        known_keys(path, f"[{name}] ", table, keys)
        self._path, self._name, self._table = path, name, table

    def get(self, key: str, usual: T, is_right: Callable[[Any], bool], meant: str) -> T:
        """A value, checked; ConfigError says what is meant where it is not right."""
        if key not in self._table:
            return usual
        value = self._table[key]
        if not is_right(value):
            raise self.wrong(key, meant)
        return value  # type: ignore[no-any-return]  # it was checked

    def flag(self, key: str, usual: bool = False) -> bool:
        """True or false."""
        return self.get(key, usual, lambda value: isinstance(value, bool), "true or false")

    def text(self, key: str, meant: str) -> str | None:
        """A text that is not empty, or None."""
        return self.get(key, None, lambda value: isinstance(value, str) and value != "", meant)

    def whole(self, key: str, usual: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        return self.get(
            key,
            usual,
            lambda value: type(value) is int and least <= value <= most,
            f"{least} to {most}",
        )

    def wrong(self, key: str, meant: str) -> ConfigError:
        """The error of a value that is not what is meant."""
        value = self._table[key]
        return ConfigError(f"{self._path}: [{self._name}] {key} is {value!r}, not {meant}")
