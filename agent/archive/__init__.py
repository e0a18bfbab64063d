"""The archive: the recordings' folder, its index, and the custody log."""

from agent.archive.archive import Archive
from agent.archive.custody import Entry
from agent.archive.filing import NewRecording
from agent.archive.records import Fact, LoggedCall, Phone, Recording

__all__ = ["Archive", "Entry", "Fact", "LoggedCall", "NewRecording", "Phone", "Recording"]
