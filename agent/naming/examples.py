"""The user's own patterns, out of what ``offhook.toml`` says, and checked against its examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from agent.naming.explain import explain
from agent.naming.pattern import Pattern, PatternError, compiled
from agent.text import shown

KEYS = ("recorder", "pattern", "folder", "examples")
_FACTS = ("start", "number", "contact", "direction", "sim")


def own_pattern(said: Mapping[str, Any], before: Sequence[Pattern] = ()) -> Pattern:
    """One entry's pattern, which reads each of its examples as they say; PatternError if not.

    ``before`` are the patterns that stand before it, and are asked first.
    """
    for key in ("recorder", "pattern"):
        if not isinstance(said.get(key), str) or not said[key]:
            raise PatternError(f'it needs {key} = "…"')
    folder = said.get("folder")
    if folder is not None and (not isinstance(folder, str) or not folder):
        raise PatternError(f"folder is {folder!r}, not a folder's path or the end of one")
    pattern = compiled(said["recorder"], said["pattern"], folder)
    examples = said.get("examples")
    if not isinstance(examples, list) or not examples:
        raise PatternError('it needs examples = [{ name = "…", start = …, number = "…" }]')
    for number, example in enumerate(examples, 1):
        try:
            _check(pattern, example, before)
        except PatternError as error:
            raise PatternError(f"example {number}: {error}") from error
    return pattern


def _check(pattern: Pattern, example: Any, before: Sequence[Pattern]) -> None:
    if not isinstance(example, dict):
        raise PatternError('it is no table: { name = "…", number = "…" }')
    unknown = sorted(set(example) - {"name", *_FACTS})
    if unknown:
        raise PatternError(f"{unknown[0]!r} is no fact; there are: {', '.join(_FACTS)}")
    name = example.get("name")
    if not isinstance(name, str) or not name:
        raise PatternError('it needs name = "…"')
    wanted = {fact: example[fact] for fact in _FACTS if fact in example}
    if not wanted:
        raise PatternError(f"it says nothing that {shown(name)!r} should be read as")
    named = explain(name, folder=pattern.folder, own=[pattern])
    if named.own is not pattern or not named.is_call:
        why = f": {named.notes[0]}" if named.own is pattern and named.notes else ""
        raise PatternError(f"the pattern does not read {shown(name)!r}{why}")
    for fact, value in wanted.items():
        read = named[fact]
        if not _same(read, value):
            raise PatternError(
                f"of {shown(name)!r} the {fact} is read as {_words(read)}, not {_words(value)}"
            )
    first = explain(name, folder=pattern.folder, own=[*before, pattern]).own
    if first is not None and first is not pattern:
        raise PatternError(
            f"{shown(name)!r} is read by {shown(first.text)!r}, which stands before it"
        )


def _same(read: Any, wanted: Any) -> bool:
    if isinstance(read, datetime):
        if isinstance(wanted, str):
            try:
                wanted = datetime.fromisoformat(wanted)
            except ValueError:
                return False
        if isinstance(wanted, datetime):
            return read == wanted if wanted.tzinfo else read.replace(tzinfo=None) == wanted
        return isinstance(wanted, date) and read.date() == wanted
    return type(read) is type(wanted) and bool(read == wanted)


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    return value.isoformat() if isinstance(value, date) else repr(shown(str(value)))
