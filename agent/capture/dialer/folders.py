"""A dialer's folders as sources, and what was in them before ``enable``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agent.capture.dialer.look import SHARED, find_folders
from agent.capture.dialer.vendors import Dialer
from agent.phone.files import IN_PLACE, Source

if TYPE_CHECKING:
    from agent.phone.phone import Phone


def sources(phone: Phone, dialer: Dialer, left: frozenset[str]) -> list[Source]:
    """Where the dialer's recordings are, or are going to be. ``left``: see :class:`Source`."""
    return _sources(dialer, find_folders(phone, dialer.folders), left)


def fingerprints(phone: Phone, dialer: Dialer, found: Iterable[str]) -> set[str]:
    """Of all that is in the folders that were found."""
    return {
        source.fingerprint(file)
        for source in _sources(dialer, found, frozenset())
        for file in phone.scan(source)
    }


def _sources(dialer: Dialer, found: Iterable[str], left: frozenset[str]) -> list[Source]:
    # None is there before the first recording.
    paths = list(found) or [f"{SHARED}/{folder}" for folder in dialer.folders]
    made = [
        Source(
            f"dialer {path.removeprefix(f'{SHARED}/')}",
            path,
            recorder=dialer.name,
            traits=frozenset({IN_PLACE}),
            route="dialer",
            left=left,
        )
        for path in paths
    ]
    if dialer.private is not None:
        traits = frozenset({IN_PLACE})
        made.append(
            Source(
                "dialer private",
                dialer.private,
                True,
                recorder=dialer.name,
                traits=traits,
                route="dialer",
                left=left,
            )
        )
    return made
