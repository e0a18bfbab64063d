"""Which call a recording is of: records in, decisions with a score and a reason out.

Nothing here reads a phone, a file or the index; :mod:`agent.archive.calls` does that.
"""

from agent.archive.join.decide import SURE, TAKEN_FROM, decide
from agent.archive.join.records import Call, Candidate, Decision, Heard, Log, Look, Party

__all__ = [
    "SURE",
    "TAKEN_FROM",
    "Call",
    "Candidate",
    "Decision",
    "Heard",
    "Log",
    "Look",
    "Party",
    "decide",
]
