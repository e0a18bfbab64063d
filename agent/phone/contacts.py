"""The phone's contacts, by ``content query``: who has which number. Only where the user allows.

``content://com.android.contacts/data/phones`` has a row for each number of each contact:
``data1`` is the number as it was typed, ``data4`` the same as E.164 or NULL, ``display_name`` the
contact's name. Source: ContactsContract.CommonDataKinds.Phone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.adb.link import Link
from agent.errors import RemoteError
from agent.phone import content
from agent.phone.content import integer_of

URI = "content://com.android.contacts/data/phones"
_TRIES = 3  # contacts may be synced between two queries


@dataclass(frozen=True)
class Contact:
    """A contact's name with one of its numbers; ``normalized`` is that as E.164, if known."""

    name: str
    number: str
    normalized: str | None = None


def read_contacts(link: Link) -> list[Contact]:
    """Every number that has a name; RemoteError when the provider refuses."""
    for _ in range(_TRIES):
        ids, normalized = parse_ids(content.query(link, URI, ("_id", "data4"), sort="_id"))
        numbers = content.texts(
            content.query(link, URI, ("_id", "data1"), sort="_id"), "data1", ids
        )
        names = content.texts(
            content.query(link, URI, ("_id", "display_name"), sort="_id"), "display_name", ids
        )
        if numbers is not None and names is not None:
            return [
                Contact(names[row], numbers[row], normalized.get(row))
                for row in ids
                if row in names and row in numbers
            ]
    raise RemoteError("the phone's contacts changed while they were read", hint="Try again.")


def parse_ids(text: str) -> tuple[list[int], dict[int, str]]:
    """The rows' ``_id`` in order, and the E.164 numbers of those that have one."""
    ids: list[int] = []
    normalized: dict[int, str] = {}
    for values, _ in content.rows(text, ("_id", "data4")):
        row = integer_of(values["_id"])
        if row is None:
            continue
        ids.append(row)
        if re.fullmatch(r"\+\d{5,15}", values["data4"]):
            normalized[row] = values["data4"]
    return ids, normalized
