"""The undo journal on this computer: what is about to be changed on a phone, before it is.

One small JSON file a phone, in ``home/phones/``. It is there from before the first change until
the phone was seen to be as it was. The user's consent for the phone lies beside it, and stays.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.capture.consent import Consent
from agent.capture.kept import read_json, write_json
from agent.errors import ConfigError


@dataclass
class Journal:
    """What Offhook did to one phone.

    ``card`` and ``controls`` are the ``alsa`` route's: the values from before, by name.
    ``before`` is any route's own: what it has to put back. ``options`` is what it was told to
    work with, as text. ``announce`` is what others in a call are to hear, as
    :class:`agent.capture.announcement.Announcement` has it; empty where the route can't.
    ``off``: `disable` has begun: whoever records by it here stops, and nobody tends it any more.
    """

    serial: str
    enabled_at: str
    version: str
    card: int
    controls: dict[str, str]
    plan: dict[str, Any]
    consent: dict[str, str]
    changes: list[str] = field(default_factory=list)
    route: str = "alsa"
    before: dict[str, Any] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    announce: dict[str, Any] = field(default_factory=dict)
    off: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether the user has something to do yet before calls are recorded: some taps on the
        phone, a reboot."""
        return any(self.before.get(word) for word in ("pending", "taps", "told"))


def _path(home: Path, serial: str, what: str = "") -> Path:
    return home / "phones" / (re.sub(r"[^A-Za-z0-9._-]", "_", serial)[:100] + f"{what}.json")


def write_journal(home: Path, journal: Journal) -> None:
    """Keep the journal, on the disk before this returns."""
    write_json(_path(home, journal.serial), asdict(journal))


def read_journal(home: Path, serial: str) -> Journal | None:
    """The journal of a phone on which something was changed, else None."""
    path = _path(home, serial)
    said = read_json(path, "Without it, `offhook disable` can't compare; move it away to go on.")
    try:
        return None if said is None else Journal(**said)
    except TypeError as error:
        raise ConfigError(
            f"can't read {path}: {error}", hint="Another Offhook wrote it."
        ) from error


def write_consent(home: Path, serial: str, consent: Consent) -> None:
    """Keep the user's answer for this phone."""
    write_json(_path(home, serial, ".consent"), consent.as_dict())


def read_consent(home: Path, serial: str) -> Consent | None:
    """The answer given for this phone, or None: then it has to be asked for.

    Whether it fits the law as the table has it now is :func:`agent.capture.consent.check`'s.
    """
    path = _path(home, serial, ".consent")
    hint = "Move it away; you are asked again."
    said = read_json(path, hint)
    if said is None:
        return None
    try:
        given = Consent(**said)
    except TypeError as error:
        raise ConfigError(f"can't read {path}: {error}", hint=hint) from error
    if not all(isinstance(value, str) for value in given.as_dict().values()):
        raise ConfigError(f"can't read {path}: it has more than text in it", hint=hint)
    return given


def end_journal(home: Path, serial: str) -> None:
    """The phone is as it was."""
    _path(home, serial).unlink(missing_ok=True)
