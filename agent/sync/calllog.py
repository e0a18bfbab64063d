"""The phone's call log into the archive, and recordings joined with the calls they are of."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.archive import joining
from agent.archive.archive import Archive
from agent.archive.join import Look
from agent.archive.records import Recording
from agent.errors import RemoteError
from agent.phone.calls import has_rows_after, read_call_log
from agent.phone.contacts import read_contacts
from agent.phone.facts import read_clock
from agent.phone.phone import Phone

_DAY_MS = 86_400_000
_LATE_MS = 600_000  # after which a row that has not come is only looked for now and then


@dataclass
class CallSync:
    """What a reading gave: the recordings that were joined now, how many calls were new, the
    highest ``_id`` of the log (None where it was not read), and what could not be read, in words."""

    joined: list[Recording] = field(default_factory=list)
    new: int = 0
    newest: int | None = None
    problems: list[str] = field(default_factory=list)


def sync_calls(archive: Archive, phone: Phone, *, contacts: bool = False) -> CallSync:
    """Keep the phone's call log and what its clock is, and join what can be joined.

    ``contacts``: also read who has which number, to name calls by. What the phone refuses is a
    problem, told in the result; LinkError when it went.
    """
    result = CallSync()
    _read(archive, phone, result, clock=True)
    if contacts:
        try:
            joining.add_contacts(archive, phone.serial, read_contacts(phone.link))
        except RemoteError as error:
            result.problems.append(error.message)
    result.joined = archive.join_calls(phone.serial)
    return result


def join_late(archive: Archive, phone: Phone, newest: int | None) -> CallSync:
    """The same for a call whose row comes late: quick, and only while a recording that has just
    been filed waits for one.

    Each query starts a Java machine on the phone, so the log is read only when it has a row
    after the ``newest`` that the last reading gave, or where that is not known.
    """
    result = CallSync()
    if not joining.is_open(archive, phone.serial, archive.clock() - _LATE_MS):
        return result
    try:
        grown = newest is None or has_rows_after(phone.link, newest)
    except RemoteError as error:
        result.problems.append(error.message)
        return result
    if grown:
        _read(archive, phone, result, clock=False)
        result.joined = archive.join_calls(phone.serial, archive.clock() - _DAY_MS)
    return result


def _read(archive: Archive, phone: Phone, result: CallSync, *, clock: bool) -> None:
    try:
        offset = read_clock(phone.link) if clock else None
        rows = read_call_log(phone.link, archive.known_calls(phone.serial))
    except RemoteError as error:
        result.problems.append(error.message)
        return
    result.new = archive.add_calls(phone.serial, rows)
    result.newest = max((row.log_id for row in rows), default=-1)
    archive.add_look(
        phone.serial,
        Look(
            at_ms=archive.clock(),
            clock_ms=None if offset is None else offset.ms,
            clock_error_ms=0 if offset is None else offset.error_ms,
            zone=phone.facts.timezone or None,
            log_rows=len(rows),
            log_oldest_ms=min((row.date_ms for row in rows), default=None),
        ),
    )
