"""What a phone is and what could record its calls: the facts behind ``offhook doctor``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.capture import control, recorder
from agent.capture.control import Sound
from agent.capture.recorder import RecorderStatus
from agent.capture.route import Verdict
from agent.errors import ConfigError, PhoneError, RemoteError, RootError
from agent.phone.facts import Clock, Facts, read_clock
from agent.phone.helper import borrowed_helper
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
            "recorder": vars(self.recorder) if self.recorder else None,
            "warnings": self.warnings,
        }


def diagnose(phone: Phone) -> Diagnosis:
    """Look at everything; what can't be seen is said, and only a broken link is an error."""
    found = Diagnosis(phone.facts, read_clock(phone.link))
    try:
        found.root = phone.root.name
    except RootError as error:
        found.root_problem = error.message
        found.routes.append(Verdict("alsa", False, error.message, instead=error.hint))
    else:
        try:
            with borrowed_helper(phone) as helper:
                found.sound = control.read_sound(helper)
            found.routes.append(control.probe(found.sound))
        except (RemoteError, ConfigError) as error:
            found.routes.append(Verdict("alsa", False, error.message, instead=error.hint))
        found.recorder = recorder.status(phone)
    found.routes += _others(phone)
    _warn(found)
    return found


def _others(phone: Phone) -> list[Verdict]:
    """The routes that this version does not drive, and what can be done with them by hand."""
    try:
        bcr = phone.run("pm path com.chiller3.bcr").code == 0
    except PhoneError:
        bcr = False
    return [
        Verdict(
            "bcr",
            None if bcr else False,
            "BCR is installed; Offhook does not drive it yet, but pulls what it records"
            if bcr
            else "BCR is not installed",
            instead="Add its folder as a [[source]] in offhook.toml." if bcr else None,
        ),
        Verdict(
            "voicecall",
            False,
            "not in this version of Offhook"
            if phone.facts.sdk >= 31
            else "needs Android 12 or later",
        ),
        Verdict("dialer", False, "not in this version of Offhook"),
        Verdict("microphone", False, "not in this version of Offhook"),
    ]


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
