"""What ``offhook selftest`` found, kept for each build of a phone, its kernel and the route.

    HOME/proofs/….json   one small file a build and kernel; no serial number, no number

Another phone of the same build has the same sound drivers, so what was heard there counts here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from agent.audio.hearing.judge import Judgement, Result
from agent.capture.kept import read_json, write_json
from agent.capture.route import Verdict
from agent.phone.facts import Facts
from agent.text import shown

_SCHEMA = 1
_RESULTS: dict[str, Result] = {name: name for name in get_args(Result)}


@dataclass(frozen=True)
class Proof:
    """The last test call by one route: its result, the ends that were heard, and what was wrong.

    ``at`` is ISO 8601 with an offset. ``plan`` is what the ``alsa`` route followed, if it was
    that: another plan is not proven by it.
    """

    route: str
    result: Result
    at: str
    version: str
    hears: tuple[str, ...] = ()
    apart: bool = False
    defects: tuple[str, ...] = ()
    plan: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same, to be stored, and for ``--json``."""
        return asdict(self) | {"hears": list(self.hears), "defects": list(self.defects)}

    def counts_for(self, verdict: Verdict) -> bool:
        """Whether it says something of what would be done now."""
        now = verdict.plan.as_dict() if verdict.plan else {}
        return not self.plan or not now or self.plan == now

    @property
    def words(self) -> str:
        """``proven on 2026-02-03``, ``failed on 2026-02-03 (silent)``."""
        said = {"proven": "proven", "partly": "proven in part", "failed": "failed"}[self.result]
        why = f" ({', '.join(self.defects)})" if self.defects else ""
        return f"{said} on {self.at[:10]}{why}"


Proofs = Mapping[str, Proof]
"""By the route's name."""


def proof_of(judgement: Judgement, route: str, at: str, version: str, plan: Any) -> Proof:
    """What is worth keeping of a judgement."""
    return Proof(
        route,
        judgement.result,
        at,
        version,
        judgement.hears,
        any(len(each.hears) == 1 for each in judgement.channels) and len(judgement.hears) == 2,
        judgement.defects,
        dict(plan or {}),
    )


def read_proofs(home: Path, facts: Facts) -> dict[str, Proof]:
    """What was found on this very build and kernel; ConfigError when the file is damaged."""
    path = _path(home, facts)
    said = read_json(path, "Move it away; `offhook selftest` writes it anew.") or {}
    found = {}
    listed = said.get("proofs")
    for each in listed if isinstance(listed, list) else ():
        proof = _parse(each)
        if proof is not None:
            found[proof.route] = proof
    return found


def keep_proof(home: Path, facts: Facts, proof: Proof) -> None:
    """Keep it in place of what was found by the same route before."""
    proofs = read_proofs(home, facts) | {proof.route: proof}
    write_json(
        _path(home, facts),
        {
            "schema": _SCHEMA,
            "fingerprint": facts.fingerprint,
            "kernel": facts.kernel,
            "proofs": [each.as_dict() for each in proofs.values()],
        },
    )


def _path(home: Path, facts: Facts) -> Path:
    build = f"{facts.fingerprint}\n{facts.kernel}".encode()
    return home / "proofs" / f"{hashlib.sha256(build).hexdigest()[:16]}.json"


def _parse(said: Any) -> Proof | None:
    """A stored proof; None where another Offhook wrote something else."""
    if not isinstance(said, dict):
        return None
    route, at = said.get("route"), said.get("at")
    result = _RESULTS.get(str(said.get("result")))
    if not isinstance(route, str) or result is None or not isinstance(at, str):
        return None
    plan = said.get("plan")
    return Proof(
        shown(route),
        result,
        shown(at),
        str(said.get("version", "")),
        _texts(said.get("hears")),
        said.get("apart") is True,
        _texts(said.get("defects")),
        plan if isinstance(plan, dict) else {},
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(shown(v) for v in value if isinstance(v, str)) if isinstance(value, list) else ()
