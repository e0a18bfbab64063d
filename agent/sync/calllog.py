"""The phone's call log into the archive, and recordings joined with the calls they are of."""

from __future__ import annotations

from agent.archive.archive import Archive
from agent.archive.records import Recording
from agent.phone.calls import read_call_log
from agent.phone.phone import Phone


def sync_calls(archive: Archive, phone: Phone) -> list[Recording]:
    """Keep what the phone's call log has; returns the recordings that were joined now."""
    archive.add_calls(phone.serial, read_call_log(phone.link))
    return archive.join_calls(phone.serial)
