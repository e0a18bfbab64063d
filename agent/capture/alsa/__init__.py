"""The ``alsa`` route: our own recorder on the phone reads the call from the kernel, as root."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.capture.alsa import module, recorder
from agent.capture.alsa.asking import verdict_on
from agent.capture.alsa.families.family import Tap, answer
from agent.capture.alsa.recorder import RecorderStatus
from agent.capture.journal import Journal
from agent.capture.route import Plan, Route, RouteStatus, Seen, Setup, Tell, Verdict
from agent.errors import CaptureError, NoRootError, RemoteError, RestoreError, RouteError
from agent.phone.files import Source
from agent.phone.helper import Helper, borrowed_helper
from agent.text import shown

if TYPE_CHECKING:
    from agent.phone.phone import Phone


class AlsaRoute(Route):
    """Computes a plan from the live mixer, and leaves a recorder on the phone that follows it."""

    name = "alsa"
    what = "the kernel's own tap of the call, both ends, read by our recorder on the phone"
    needs = "root, and a chip whose kernel has a tap"

    def probe(self, seen: Seen) -> Verdict:
        """See :class:`Route`."""
        if seen.sound is None:
            problem = seen.root_problem or seen.sound_problem or "its sound can't be seen"
            verdict = answer(None, False, problem, Tap(), seen.root_hint)
            return replace(verdict, lacks_root=not seen.rooted)
        return verdict_on(seen.phone, seen.sound)

    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """See :class:`Route`."""
        planned, journal = verdict.plan, setup.journal
        if planned is None:
            raise RouteError(f"no plan for {phone.facts.name}: {verdict.reason}")
        names = [name for name, _ in planned.controls]
        if setup.was_on:
            setup.tell("Stopping the recorder that is there")
            recorder.stop_recorder(phone)
        held: dict[str, str] = {}
        if names:  # some chips' taps are open without any
            with borrowed_helper(phone) as helper:
                held = helper.get(planned.card, names)
        # What was there before the first `enable` stays the thing to restore.
        if setup.was_on and journal.card == planned.card:
            held |= journal.controls
        journal.card, journal.controls = planned.card, held
        journal.changes = [recorder.HOME, "notification", module.MODULE]
        setup.keep()
        setup.tell("Installing the recorder")
        recorder.install_recorder(phone, planned, setup.consent, setup.options.spool_mb)
        if setup.options.at_boot:
            module.install_module(phone)
        else:
            module.remove_module(phone)
        recorder.start_recorder(phone, turn_on=True)
        _check_ready(phone)

    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """See :class:`Route`."""
        tell("Stopping the recorder")
        recorder.stop_recorder(phone)

    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """Remove what was installed. Each control that differs from before is set to its value
        from then, and read back."""
        tell("Removing the recorder")
        recorder.remove_recorder(phone)
        if journal is None or not journal.controls:
            return []
        tell("Comparing the mixer")
        compared = list(journal.controls)
        with borrowed_helper(phone) as helper:
            now = _values(helper, journal.card, compared)
            if gone := [name for name in compared if name not in now]:
                tell(f"The phone has no control {', '.join(map(shown, gone))} any more")
            wrong = [name for name in now if now[name] != journal.controls[name]]
            try:
                if wrong:
                    helper.set(journal.card, {name: journal.controls[name] for name in wrong})
            except RemoteError as error:
                raise RestoreError(
                    f"not as before on {phone.facts.name}: {', '.join(wrong)}: {error.message}",
                    hint="A reboot of the phone resets its mixer; then run `offhook disable` again.",
                ) from error
        return list(now)

    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """See :class:`Route`."""
        try:
            said = recorder.status(phone)
        except NoRootError:
            said = RecorderStatus(False)
        return RouteStatus(
            self.name,
            said.installed,
            said.running,
            said.state,
            said.notice,
            said.spooled,
            said.problem,
            {
                "off": said.off,
                "supervised": said.supervised,
                "since_ms": said.since_ms,
                "undo": said.undo,
                "version": said.version,
                "protocol": said.protocol,
                "voip": said.voip,
                "events": said.events,
                "at_boot": said.boot,
                "spool_kb": said.spool_kb,
                "spool_max_kb": said.spool_max_kb,
                "cost": said.cost.as_dict() if said.cost else None,
            },
        )

    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """See :class:`Route`."""
        return [recorder.SOURCE]

    def is_installed(self, phone: Phone, journal: Journal | None) -> bool:
        """See :class:`Route`. The phone knows, even when another computer enabled it."""
        try:
            return recorder.is_installed(phone)
        except NoRootError:
            return False


def _values(helper: Helper, card: int, names: list[str]) -> dict[str, str]:
    """The controls' values; none of one that is gone, with its card or by an update of the phone:
    there is nothing to put back then."""
    try:
        return helper.get(card, names)
    except RemoteError:
        if card not in [each.number for each in helper.pcms()[0]]:
            return {}
        there = {control.name for control in helper.controls(card)}
        if there.issuperset(names):
            raise
    left = [name for name in names if name in there]
    return helper.get(card, left) if left else {}


def _check_ready(phone: Phone) -> None:
    status = recorder.status(phone)
    if not status.running:
        raise CaptureError(
            f"the recorder on {phone.facts.name} ended as soon as it had started",
            hint=status.problem or "`offhook doctor` shows what the phone offers.",
        )
    if not status.notice:
        raise CaptureError(
            f"{phone.facts.name} does not show the notification: until it does, nothing is recorded",
            hint="On the phone, allow notifications of «Shell» (Settings, Apps, Shell).",
        )


__all__ = ["AlsaRoute", "Plan"]
