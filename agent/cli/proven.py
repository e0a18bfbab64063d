"""What the last test call on a phone's build says of its routes, for tables and ``--json``."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from agent.capture.proof import Proof, Proofs
from agent.capture.route import Verdict

_MARKS = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]try it[/]"}


def mark(verdict: Verdict, proofs: Proofs) -> str:
    """Whether a route works, by its own word, and by the last test call on this build."""
    proof = _proof(verdict, proofs)
    if proof is None:
        return _MARKS[verdict.possible]
    style = {"proven": "green", "partly": "yellow", "failed": "red"}[proof.result]
    words = f"[{style}]{escape(proof.words)}[/]"
    return words if verdict.possible else f"{_MARKS[verdict.possible]}; {words}"


def with_proof(verdict: Verdict, proofs: Proofs) -> dict[str, Any]:
    """A verdict for ``--json``, with the last test call on this build, if there was one."""
    proof = _proof(verdict, proofs)
    return verdict.as_dict() | {"proof": None if proof is None else proof.as_dict()}


def _proof(verdict: Verdict, proofs: Proofs) -> Proof | None:
    proof = proofs.get(verdict.route)
    return proof if proof is not None and proof.counts_for(verdict) else None
