"""Offhook's own archive, when a file of it is imported elsewhere: ``yyyy-MM-dd_HH-mm-ss_in_f0c0cdf9``.

That is the template that is used where the user has none; the last part is of the file's SHA-256, and no
name or number. The time is the local one of the computer that archived it.
"""

from __future__ import annotations

import re

from agent.naming.draft import Draft, Refused
from agent.naming.stamp import ISO_DAY, stamp_of
from agent.naming.text import Name

_ARCHIVED = re.compile(
    rf"{ISO_DAY}_(?P<h>\d\d)-(?P<mi>\d\d)-(?P<s>\d\d)_(?P<way>in|out|unknown)_[\da-f]{{8}}(?:~\d+)?\Z"
)


def archived(name: Name) -> Draft | Refused | None:
    """A file of an archive."""
    found = _ARCHIVED.match(name.folded)
    if found is None:
        return None
    stamp = stamp_of(found)
    if stamp is None:
        return Refused(
            "it has the form of Offhook's archive, but no such moment is in the calendar"
        )
    draft = Draft("offhook", stamp)
    if found["way"] != "unknown":
        draft.direction = found["way"], "high"
    return draft
