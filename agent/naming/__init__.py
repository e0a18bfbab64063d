"""File names and sidecars, and what they say of a call. Pure: nothing here reads a file.

A name gives facts, each with its source and its confidence; a sidecar wins over it. What is not
known for sure is said to be so, and what no recorder writes is refused: a wrong fact is worse
than none.
"""

from agent.naming.explain import explain
from agent.naming.pattern import Pattern
from agent.naming.result import Confidence, Named, Party, Said

__all__ = ["Confidence", "Named", "Party", "Pattern", "Said", "explain"]
