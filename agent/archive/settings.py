"""``[archive]`` and ``[cleanup]`` of ``offhook.toml``: how archived files are named, and what may
be removed from the phones.

[archive]
path = "{year}/{month}/{date}_{time}_{direction}_{hash}"    # see agent.archive.template

[cleanup]
after_days   = 90           # remove from the phone what was archived so many days ago; none: nothing
keep_newest  = 20           # of each phone's recordings, so many stay in any case
most_per_run = 50           # no more recordings of a phone in one run
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.archive.template import DEFAULT, Template, TemplateError
from agent.errors import ConfigError
from agent.tables import Table

TABLES = ("archive", "cleanup")


@dataclass(frozen=True)
class Cleanup:
    """What may be removed from a phone: recordings that are ``after_days`` days old and have been
    archived for as long, but for the ``keep_newest`` newest, and ``most_per_run`` in a run."""

    after_days: int
    keep_newest: int = 20
    most_per_run: int = 50


def cleanup_of(path: Path, raw: dict[str, Any]) -> Cleanup | None:
    """What the file at ``path``, parsed as ``raw``, says; None: nothing is removed."""
    table = Table(path, raw, "cleanup", ("after_days", "keep_newest", "most_per_run"))
    days = table.whole("after_days", 0, 1, 36500)
    keep = table.whole("keep_newest", Cleanup.keep_newest, 0, 1_000_000)
    most = table.whole("most_per_run", Cleanup.most_per_run, 1, 10_000)
    return Cleanup(days, keep, most) if days else None


def template_of(path: Path, raw: dict[str, Any]) -> Template:
    """By what new recordings are named; ConfigError says what is wrong with it."""
    text = Table(path, raw, "archive", ("path",)).text("path", "a path with fields")
    if text is None:
        return DEFAULT
    try:
        return Template.parse(text)
    except TemplateError as error:
        raise ConfigError(f"{path}: [archive] path {error}", hint=error.hint) from error
