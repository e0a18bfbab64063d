"""``enable`` and ``disable``: capture on, and the phone given back as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent import __version__
from agent.capture import alsa, recorder
from agent.capture.consent import Consent
from agent.capture.journal import Journal, end_journal, read_journal, write_journal
from agent.capture.route import Plan, Verdict
from agent.errors import CaptureError, OffhookError, RestoreError, RouteError
from agent.phone.helper import Card, Control, Helper, Pcm, borrowed_helper
from agent.phone.phone import Phone

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sound:
    """What a phone's kernel says of its sound: cards, PCMs, and each card's controls."""

    cards: list[Card]
    pcms: list[Pcm]
    controls: dict[int, list[Control]]


def read_sound(helper: Helper) -> Sound:
    """Everything the ``alsa`` route wants to know."""
    cards, pcms = helper.pcms()
    return Sound(cards, pcms, {card.number: helper.controls(card.number) for card in cards})


def probe(sound: Sound) -> Verdict:
    """The ``alsa`` route's verdict."""
    return alsa.plan(sound.controls, sound.cards, sound.pcms)


def enable(phone: Phone, home: Path, consent: Consent, tell: Tell) -> Plan:
    """Turn capture on; RouteError when no route works, CaptureError when it does not start.

    What fails halfway is taken back. On a phone where capture is on, the recorder is replaced
    by this version's, and what was there before the first ``enable`` stays the thing to restore.
    """
    tell("Asking the phone what it can do")
    with borrowed_helper(phone) as helper:
        sound = read_sound(helper)
        before = read_journal(home, phone.serial)
        if before is not None or recorder.is_installed(phone):
            tell("Stopping the recorder that is there")
            recorder.stop_recorder(phone)
            sound = read_sound(helper)
        verdict = probe(sound)
        if not verdict.possible or verdict.plan is None:
            raise RouteError(
                f"no route for {phone.facts.name}: {verdict.reason}", hint=verdict.instead
            )
        plan = verdict.plan
        held = helper.get(plan.card, [name for name, _ in plan.controls])
    journal = Journal(
        serial=phone.serial,
        enabled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        card=plan.card,
        controls=before.controls if before is not None else held,
        plan=plan.as_dict(),
        consent=consent.as_dict(),
        changes=[recorder.HOME, "notification"],
    )
    write_journal(home, journal)
    try:
        tell("Installing the recorder")
        recorder.install_recorder(phone, plan, consent)
        recorder.start_recorder(phone)
        status = recorder.status(phone)
        if not status.running or not status.notice:
            raise CaptureError(
                f"the recorder on {phone.facts.name} is not ready: "
                + ("the phone does not show its notification" if status.running else "it ended"),
                hint="On the phone, allow notifications of «Shell» (Settings, Apps, Shell)."
                if status.running
                else status.problem,
            )
    except BaseException:  # Ctrl-C too
        if before is None:
            # The error that came first is the one to be told; the journal stays if this fails.
            with suppress(OffhookError):
                tell("Taking back what was done")
                recorder.stop_recorder(phone)
                recorder.remove_recorder(phone)
                end_journal(home, phone.serial)
        raise
    return plan


def stop(phone: Phone, tell: Tell) -> None:
    """The first half of ``disable``: no more capture. Its recordings can then be pulled."""
    tell("Stopping the recorder")
    recorder.stop_recorder(phone)


def give_back(phone: Phone, home: Path, tell: Tell) -> list[str]:
    """The second half: remove what was installed and compare the mixer with what it was.

    Returns what was compared. RestoreError names the controls that differ.
    """
    journal = read_journal(home, phone.serial)
    tell("Removing the recorder")
    recorder.remove_recorder(phone)
    compared: list[str] = []
    if journal is not None and journal.controls:
        tell("Comparing the mixer")
        with borrowed_helper(phone) as helper:
            now = helper.get(journal.card, list(journal.controls))
        differ = [name for name, value in journal.controls.items() if now.get(name) != value]
        if differ:
            raise RestoreError(
                f"not as before on {phone.facts.name}: {', '.join(differ)}",
                hint="Something else may have changed them since; a reboot of the phone resets them.",
            )
        compared = list(journal.controls)
    end_journal(home, phone.serial)
    return compared
