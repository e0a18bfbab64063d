"""The compatibility report of a test call: what others with such a phone want to know of it.

It is made to be passed on: everything in it is named here, and what could tell whose phone it is
(serial number, address, telephone numbers, names) is taken out once more at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent import __version__
from agent.audio.hearing.judge import Judgement
from agent.capture.kept import write_json
from agent.capture.proof import Proof
from agent.capture.testcall import TestCall
from agent.phone.facts import Facts

SCHEMA = 1
_GONE = "…"
_FEWEST = 4  # characters; less is found by chance in anything
_TAIL = 7  # digits of a number, however its beginning is written
# A build made by a person has the name in its number: eng.ada.20260203.
_BUILDER = re.compile(r"\beng\.[^./:\s]+")


def report_of(
    facts: Facts,
    root: str | None,
    proof: Proof,
    judgement: Judgement,
    call: TestCall,
    recording: dict[str, Any] | None,
) -> dict[str, Any]:
    """The report's body, with nothing in it that was not asked for by name.

    ``recording``: its format, codec, rate, channels, duration_s and flags.
    """
    return {
        "schema": SCHEMA,
        "what": "offhook selftest",
        "offhook": __version__,
        "at": proof.at,
        "phone": {
            "manufacturer": facts.manufacturer,
            "model": facts.model,
            "android": facts.android,
            "sdk": facts.sdk,
            "fingerprint": facts.fingerprint,
            "kernel": facts.kernel,
            "soc": facts.soc,
            "platform": facts.platform,
            "selinux": facts.selinux,
            "root": root,
        },
        "route": proof.route,
        "plan": proof.plan or None,
        "call": {
            "direction": "out" if call.outgoing else "in",
            "talk_s": round(call.talk_s, 1),
        },
        "recording": recording,
        **judged(judgement),
    }


def judged(judgement: Judgement) -> dict[str, Any]:
    """A judgement for ``--json`` and the report."""
    return {
        "result": judgement.result,
        "hears": list(judgement.hears),
        "defects": list(judgement.defects),
        "words": list(judgement.words),
        "channels": [channel.as_dict() for channel in judgement.channels],
        "likenesses": [alike.as_dict() for alike in judgement.likenesses],
    }


def redacted(value: Any, texts: Iterable[str], numbers: Iterable[str]) -> Any:
    """The same without any of these texts in it, and without these telephone numbers, however
    they are written."""
    found = set(texts)
    for number in numbers:
        digits = re.sub(r"\D", "", number)
        found |= {number, digits, digits[-_TAIL:]}
    parts = sorted((each for each in found if len(each) >= _FEWEST), key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, parts), _BUILDER.pattern]), re.IGNORECASE)
    return _each(value, pattern)


def _each(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, dict):
        return {key: _each(inner, pattern) for key, inner in value.items()}
    if isinstance(value, list):
        return [_each(inner, pattern) for inner in value]
    return pattern.sub(_GONE, value) if isinstance(value, str) else value


def default_path(home: Path, facts: Facts, proof: Proof) -> Path:
    """Where a report goes when nobody says: one file a test."""
    at = re.sub(r"[-:]|\+.*", "", proof.at)
    model = re.sub(r"[^A-Za-z0-9]+", "-", facts.model).strip("-")[:40] or "phone"
    return home / "reports" / f"selftest-{model}-{proof.route}-{at}.json"


def save(path: Path, report: dict[str, Any]) -> None:
    """Write it for its owner's eyes only; ConfigError where that can't be."""
    write_json(path, report)
