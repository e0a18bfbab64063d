"""Sync: from files on a phone to recordings in the archive."""

from agent.sync.engine import Rules, SyncEngine
from agent.sync.events import Failure, Report, SyncEvent

__all__ = ["Failure", "Report", "Rules", "SyncEngine", "SyncEvent"]
