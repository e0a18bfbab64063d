"""Sync: from files on a phone to recordings in the archive."""

from agent.sync.engine import SyncEngine
from agent.sync.events import Failure, Report, SyncEvent
from agent.sync.settled import Rules

__all__ = ["Failure", "Report", "Rules", "SyncEngine", "SyncEvent"]
