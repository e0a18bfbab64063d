"""What a phone is and what could record its calls: the facts behind ``offhook doctor``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.capture.alsa import recorder
from agent.capture.alsa.recorder import RecorderStatus
from agent.capture.look import ask, look
from agent.capture.route import Options, Sound, Verdict
from agent.phone.facts import Clock, Facts, read_clock
from agent.phone.phone import Phone

_FREE_WANTED = 200 << 20


@dataclass
class Diagnosis:
    """A phone's facts, its root (None when there is none: ``root_problem`` says why), its sound,
    the verdict on each route, and what is worth a warning."""

    facts: Facts
    clock: Clock
    root: str | None = None
    root_problem: str | None = None
    sound: Sound | None = None
    routes: list[Verdict] = field(default_factory=list)
    recorder: RecorderStatus | None = None
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        sound = self.sound
        return {
            "phone": self.facts.as_dict(),
            "clock_ms": self.clock.ms,
            "clock_error_ms": self.clock.error_ms,
            "root": self.root,
            "root_problem": self.root_problem,
            "cards": [vars(card) for card in sound.cards] if sound else None,
            "pcms": [vars(pcm) for pcm in sound.pcms] if sound else None,
            "controls": {card: len(listed) for card, listed in sound.controls.items()}
            if sound
            else None,
            "routes": [verdict.as_dict() for verdict in self.routes],
            "recorder": _recorder(self.recorder) if self.recorder else None,
            "warnings": self.warnings,
        }


def diagnose(phone: Phone, home: Path, options: Options | None = None) -> Diagnosis:
    """Look at everything; what can't be seen is said, and only a broken link is an error."""
    found = Diagnosis(phone.facts, read_clock(phone.link))
    seen = look(phone, home, options or Options())
    found.root_problem, found.sound = seen.root_problem, seen.sound
    if seen.rooted:
        found.root = phone.root.name
        found.recorder = recorder.status(phone)
    found.routes = ask(seen)
    _warn(found)
    return found


def _recorder(status: RecorderStatus) -> dict[str, Any]:
    return vars(status) | {"cost": status.cost.as_dict() if status.cost else None}


def _warn(found: Diagnosis) -> None:
    facts = found.facts
    clock = found.clock
    if abs(clock.ms) > 2000 + clock.error_ms:
        ahead = "ahead of" if clock.ms > 0 else "behind"
        found.warnings.append(
            f"the phone's clock is {abs(clock.ms) / 1000:.1f} s {ahead} this computer's"
        )
    if facts.free_bytes is not None and facts.free_bytes < _FREE_WANTED:
        found.warnings.append("less than 200 MiB are free on /data: nothing will be recorded")
    status = found.recorder
    if status is not None and status.installed:
        if not status.running:
            found.warnings.append("the recorder is installed but does not run: `offhook enable`")
        if status.undo and status.state != "recording":
            found.warnings.append("mixer controls wait to be put back: `offhook disable`")
        if status.running and not status.notice:
            found.warnings.append("the phone does not show the notification: nothing is recorded")
