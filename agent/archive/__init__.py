"""The archive: the recordings' folder, its index, and the custody log."""

from agent.archive.archive import Archive
from agent.archive.custody import Entry
from agent.archive.filing import NewRecording
from agent.archive.records import Fact, Phone, Recording

__all__ = ["Archive", "Entry", "Fact", "NewRecording", "Phone", "Recording"]
