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
from agent.errors import CaptureError, OffhookError, RemoteError, RestoreError, RouteError
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
    before = read_journal(home, phone.serial)
    was_installed = recorder.is_installed(phone)
    with borrowed_helper(phone) as helper:
        verdict = probe(read_sound(helper))
        if not verdict.possible or verdict.plan is None:
            raise RouteError(
                f"no route for {phone.facts.name}: {verdict.reason}", hint=verdict.instead
            )
        plan = verdict.plan
        if was_installed:
            tell("Stopping the recorder that is there")
            recorder.stop_recorder(phone)
        held = helper.get(plan.card, [name for name, _ in plan.controls])
    # What was there before the first `enable` stays the thing to restore.
    same = before is not None and before.card == plan.card
    journal = Journal(
        serial=phone.serial,
        enabled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        card=plan.card,
        controls=held | before.controls if before is not None and same else held,
        plan=plan.as_dict(),
        consent=consent.as_dict(),
        changes=[recorder.HOME, "notification"],
    )
    write_journal(home, journal)
    try:
        tell("Installing the recorder")
        recorder.install_recorder(phone, plan, consent)
        recorder.start_recorder(phone, turn_on=True)
        _check_ready(phone)
    except BaseException:  # Ctrl-C too
        # The error that came first is the one to be told; the journal stays if this fails.
        with suppress(OffhookError):
            tell("Taking back what was done")
            recorder.stop_recorder(phone)
            # Somebody's recordings may lie in a recorder that was there before.
            if not was_installed:
                recorder.remove_recorder(phone)
                end_journal(home, phone.serial)
        raise
    return plan


def _check_ready(phone: Phone) -> None:
    status = recorder.status(phone)
    if not status.running:
        raise CaptureError(
            f"the recorder on {phone.facts.name} ended as soon as it had started",
            hint=status.problem or "`offhook doctor` shows what the phone offers.",
        )
    if not status.notice:
        raise CaptureError(
            f"{phone.facts.name} does not show the notification, so nothing would be recorded",
            hint="On the phone, allow notifications of «Shell» (Settings, Apps, Shell).",
        )


def stop(phone: Phone, tell: Tell) -> None:
    """The first half of ``disable``: no more capture. Its recordings can then be pulled."""
    tell("Stopping the recorder")
    recorder.stop_recorder(phone)


def give_back(phone: Phone, home: Path, tell: Tell) -> list[str]:
    """The second half: remove what was installed, and the mixer as it was before ``enable``.

    Each control that differs is set to its value from before, and read back. Returns the names
    of the controls that were compared: none where this computer did not enable the phone.
    RestoreError names those that can't be set.
    """
    journal = read_journal(home, phone.serial)
    tell("Removing the recorder")
    recorder.remove_recorder(phone)
    compared: list[str] = []
    if journal is not None and journal.controls:
        tell("Comparing the mixer")
        compared = list(journal.controls)
        with borrowed_helper(phone) as helper:
            now = helper.get(journal.card, compared)
            wrong = [name for name in compared if now.get(name) != journal.controls[name]]
            try:
                if wrong:
                    helper.set(journal.card, {name: journal.controls[name] for name in wrong})
            except RemoteError as error:
                raise RestoreError(
                    f"not as before on {phone.facts.name}: {', '.join(wrong)}: {error.message}",
                    hint="A reboot of the phone resets its mixer; then run `offhook disable` again.",
                ) from error
    end_journal(home, phone.serial)
    return compared
