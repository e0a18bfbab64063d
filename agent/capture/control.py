"""``enable`` and ``disable``: a route on, and the phone given back as it was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import __version__
from agent.audio import announce, flac
from agent.capture.alsa import recorder
from agent.capture.announcement import Announcement
from agent.capture.choose import Choice, choose
from agent.capture.consent import Consent
from agent.capture.journal import Journal, end_journal, read_journal, write_journal
from agent.capture.look import ask, look
from agent.capture.proof import Proofs
from agent.capture.route import Options, Route, Setup, Tell, Verdict
from agent.capture.routes import ROUTES, route_named, route_of
from agent.errors import AudioError, CaptureError, ConsentError, OffhookError, RootError, RouteError
from agent.phone import notice
from agent.phone.phone import Phone


@dataclass(frozen=True)
class Wanted:
    """What the user asked ``enable`` for: a route by name, or any; what it may work with; what
    test calls have proven on this build; and what others in the calls are to hear."""

    route: str | None = None
    options: Options = field(default_factory=Options)
    proofs: Proofs = field(default_factory=dict)
    announce: Announcement = field(default_factory=Announcement)


def plan(phone: Phone, home: Path, tell: Tell, wanted: Wanted) -> Choice:
    """The route that ``enable`` is going to take, before anything is asked of the user or changed
    on the phone; RouteError when none works, CaptureError when another one is on."""
    tell("Asking the phone what it can do")
    current = _current(phone, read_journal(home, phone.serial), wanted)
    choice = _choose(phone, home, wanted, current)
    route = route_named(choice.verdict.route)
    if route.live:
        flac.require()
    _refuse_two(phone, current, route)
    return choice


def _refuse_two(phone: Phone, current: Route | None, route: Route) -> None:
    if current is not None and current is not route:
        raise CaptureError(
            f"capture is on by the route {current.name}, on {phone.facts.name}",
            hint="Run `offhook disable` first: it pulls what that one recorded.",
        )


def enable(
    phone: Phone, home: Path, consent: Consent, tell: Tell, wanted: Wanted, choice: Choice
) -> None:
    """Turn capture on as planned; CaptureError when it does not start.

    What fails halfway is taken back. Where the same route is on already it is set up anew by
    this version, and what was there before the first ``enable`` stays the thing to restore.
    """
    before = read_journal(home, phone.serial)
    current = _current(phone, before, wanted)
    route = route_named(choice.verdict.route)
    _refuse_two(phone, current, route)  # the user may have taken his time over the answers
    journal = _journal(phone, consent, choice, wanted.options)
    journal.announce = _announce(route, choice.verdict, wanted.announce, tell)
    if before is not None and before.route == route.name:
        journal.before, journal.card = before.before, before.card
        journal.controls = before.controls
    setup = Setup(
        consent,
        wanted.options,
        journal,
        lambda: write_journal(home, journal),
        tell,
        was_on=current is not None,
    )
    try:
        route.arm(phone, choice.verdict, setup)
        setup.keep()
    except BaseException:  # Ctrl-C too
        # The error that came first is the one to be told; the journal stays if this fails.
        with suppress(OffhookError):
            if setup.was_on or read_journal(home, phone.serial) is not None:
                tell("Taking back what was done")
                route.stop(phone, journal, tell)
                # Somebody's recordings may lie in a recorder that was there before.
                if setup.was_on and not route.live:
                    tell("Capture is OFF now; what was recorded stays. Run `offhook enable` again")
                if not setup.was_on:
                    route.disarm(phone, journal, tell)
                    end_journal(home, phone.serial)
        raise


def _current(phone: Phone, before: Journal | None, wanted: Wanted) -> Route | None:
    """The route that is on. A phone that denies root is most often one tap away from giving it: only
    who names a route means to do without, where no notification says that our recorder is on."""
    try:
        return installed_route(phone, before)
    except RootError:
        if wanted.route is None or notice.is_shown(phone):
            raise
        return None


def _choose(phone: Phone, home: Path, wanted: Wanted, current: Route | None) -> Choice:
    """What is on stays on, unless another route is asked for."""
    verdicts = ask(look(phone, home, wanted.options))
    if current is not None and wanted.route in (None, current.name):
        name = phone.facts.name
        if rival := next((v for v in verdicts if v.on and v.route != current.name), None):
            raise RouteError(
                f"{rival.route} records on {name} as well as {current.name}, and two recorders "
                "would cut each other",
                hint="Turn that off on the phone, or run `offhook disable` first.",
            )
        return choose(verdicts, name, asked=current.name, proofs=wanted.proofs)
    return choose(verdicts, phone.facts.name, asked=wanted.route, proofs=wanted.proofs)


def _announce(route: Route, verdict: Verdict, wanted: Announcement, tell: Tell) -> dict[str, Any]:
    """What is going to be heard in the calls; ConsentError where that is nothing, against the
    user's will."""
    if not wanted.wanted:
        return {}
    how, problem = route.announces(verdict), None
    if how == "here":
        try:
            announce.prepare(wanted)
        except AudioError as error:
            problem = f"{error.message}. {error.hint}" if error.hint else error.message
        else:
            return wanted.as_dict()
    elif how is None:
        problem = f"the route {route.name} can't make anything heard in a call"
    if problem is None:
        tell(f"The route {route.name} announces by itself: Offhook adds nothing to it")
    elif wanted.required:
        raise ConsentError(
            f"calls would not be announced: {problem}",
            hint="Take another route (`offhook routes`), or set announce_required = false.",
        )
    else:
        tell(f"NOT announced: {problem}")
    return {}


def _journal(phone: Phone, consent: Consent, choice: Choice, options: Options) -> Journal:
    verdict = choice.verdict
    return Journal(
        serial=phone.serial,
        enabled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        card=verdict.plan.card if verdict.plan else 0,
        controls={},
        plan=verdict.plan.as_dict() if verdict.plan else {},
        consent=consent.as_dict(),
        route=verdict.route,
        options={name: str(value) for name, value in vars(options).items() if value},
    )


def installed_route(phone: Phone, journal: Journal | None) -> Route | None:
    """The route that is on, or is half undone, on this phone."""
    if journal is not None:
        return route_of(journal)
    return next((r for r in ROUTES if r.is_installed(phone, None)), None)


def sweep(phone: Phone) -> None:
    """Remove what a computer that died while it only looked has left on the phone."""
    recorder.sweep(phone)


def stop(phone: Phone, home: Path, tell: Tell) -> None:
    """The first half of ``disable``: no more capture. Its recordings can then be pulled."""
    journal = read_journal(home, phone.serial)
    route = installed_route(phone, journal)
    if route is not None and route.live and journal is not None:
        journal.off = True  # `watch` sees that, ends its recording and files it
        write_journal(home, journal)
    if route is not None:
        route.stop(phone, journal, tell)
    if journal is not None and not journal.off:  # nor does `watch` see to it any more
        journal.off = True
        write_journal(home, journal)


def give_back(phone: Phone, home: Path, tell: Tell) -> list[str]:
    """The second half: remove what was installed, and everything as it was before ``enable``.

    Returns the names of what was compared: none where this computer did not enable the phone.
    RestoreError names what can't be put back.
    """
    journal = read_journal(home, phone.serial)
    route = installed_route(phone, journal)
    compared = route.disarm(phone, journal, tell) if route is not None else []
    recorder.sweep(phone, ask=False)
    end_journal(home, phone.serial)
    return compared
