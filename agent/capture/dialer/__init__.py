"""The ``dialer`` route: the phone's own dialer records, by its maker's rules.

Offhook finds it, turns its automatic recording on where Android's settings do that, says which
taps do it where they don't, and takes what it records from now on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.capture import keeper
from agent.capture.dialer import folders, settings
from agent.capture.dialer.look import Found, is_on, look, read
from agent.capture.dialer.vendors import BY_NAME, Dialer
from agent.capture.journal import Journal
from agent.capture.route import Route, RouteStatus, Seen, Setup, Tell, Verdict
from agent.errors import CaptureError, RouteError
from agent.phone import notice
from agent.phone.files import Source

if TYPE_CHECKING:
    from agent.capture.announcement import How
    from agent.phone.phone import Phone


class DialerRoute(Route):
    """Has the phone's own dialer record, or has the user tell it to."""

    name = "dialer"
    what = "the phone's own dialer, where its maker lets it record"
    needs = "a dialer that records; root only for Google's"

    def probe(self, seen: Seen) -> Verdict:
        """See :class:`Route`."""
        found = look(seen.phone, rooted=seen.rooted)
        dialer = found.dialer
        if dialer is None:
            app = found.app or "the app that dials"
            return Verdict(self.name, False, f"{app} is not known to record calls on such a phone")
        if dialer.private and not seen.rooted:
            reason = f"{dialer.what} keeps its recordings where only root can read them"
            return Verdict(self.name, False, reason, instead=seen.root_hint, lacks_root=True)
        if not found.believed:
            reason = f"{dialer.what} has left no trace of a recording: it may not offer it here"
            return Verdict(self.name, False, reason, instead=f"{dialer.taps} Record one call so.")
        detail = {
            "dialer": {
                "name": dialer.name,
                "app": found.app or None,
                "folders": list(found.folders) or None,
                "settings": found.settings,
                "rooted": seen.rooted,
            }
        }
        if found.on:
            reason = f"{dialer.what} records every call by itself"
            return Verdict(self.name, True, reason, on=True, detail=detail)
        instead = dialer.taps
        if found.on is False:
            reason, instead = f"{dialer.what} can record every call, and `enable` has it do so", ""
        elif dialer.automatic:
            reason = f"{dialer.what} records; whether by itself can't be seen from here"
        else:
            reason = f"{dialer.what} records those calls in which it is told to"
        return Verdict(self.name, None, reason, instead=instead or None, detail=detail)

    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """See :class:`Route`. Where no setting turns it on, the user is told the taps."""
        journal, before = setup.journal, setup.journal.before
        rooted = verdict.detail.get("dialer", {}).get("rooted") is True
        found = look(phone, rooted=rooted)
        dialer = found.dialer
        if dialer is None:
            raise RouteError(f"no dialer that records on {phone.facts.name}: {verdict.reason}")
        if "left" not in before:
            before["left"] = sorted(folders.fingerprints(phone, dialer, found.folders))
        before["dialer"] = dialer.name
        settings.note(before, found.settings)
        journal.changes = [*found.settings, "notification"]
        setup.keep()
        notice.show(phone)
        if rooted:
            keeper.install_keeper(phone, setup)
        before["told"] = not self._turn_on(phone, found, dialer, setup)
        setup.keep()
        if before["told"]:
            setup.tell(dialer.taps)
        setup.tell(dialer.says)
        count = len(before["left"])
        if count and not setup.was_on:
            setup.tell(
                f"{count} recording{'s' * (count > 1)} from before stay{'s' * (count == 1)} alone: to "
                "have what is old too, choose the folder with `offhook sources`"
            )

    def _turn_on(self, phone: Phone, found: Found, dialer: Dialer, setup: Setup) -> bool:
        """Whether its automatic recording is known to be on now."""
        before = setup.journal.before
        if dialer.unlocks and not settings.turn_on(phone, dialer.unlocks, before, setup.keep):
            setup.tell("The phone does not let its dialer's call recording be unlocked")
        if found.on is not False:
            return bool(found.on)
        setup.tell("Turning the dialer's automatic recording on")
        done = settings.turn_on(phone, found.switch, before, setup.keep)
        if not done:
            setup.tell(
                "The phone does not let it be turned on from here (Xiaomi: Developer options, «USB "
                "debugging (Security settings)»)"
            )
        return done

    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """See :class:`Route`. A call that the dialer records can't be ended by us: that is a
        CaptureError, and its recording off after the call."""
        if journal is None:
            return
        _put_back(phone, journal, tell)
        if journal.before.get("told"):
            tell("On the phone, turn the dialer's call recording off again, if you turned it on.")
        if phone.in_call():
            raise CaptureError(
                f"a call is on at {phone.facts.name}, and its dialer may be recording it",
                hint="Hang up, then run `offhook disable` again.",
            )

    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """See :class:`Route`."""
        if journal is None:
            return []
        with keeper.giving_back(phone):
            if journal.before.get("keeper"):
                keeper.remove_keeper(phone)
            _put_back(phone, journal, tell)
        return [*journal.before.get("was", {}), "notification"]

    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """See :class:`Route`."""
        if journal is None or not self.is_installed(phone, journal):
            return RouteStatus(self.name, False, False)
        dialer = BY_NAME.get(journal.before.get("dialer", ""))
        on = _now(phone, dialer) if dialer is not None else None
        off = _off(phone, journal, dialer, on)
        problem = off
        if problem is None and journal.before.get("keeper"):
            problem = keeper.keeper_problem(phone)
        state = ("offhook" if phone.in_call() else "idle") if off is None else None
        detail = {"dialer": dialer.name if dialer else None, "unseen": on is None}
        shown = notice.is_shown(phone)
        return RouteStatus(self.name, True, off is None, state, shown, None, problem, detail)

    def tend(self, phone: Phone, journal: Journal | None) -> None:
        """See :class:`Route`."""
        if journal is not None:
            keeper.tend(phone, journal)

    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """See :class:`Route`. What was there before ``enable`` is left out."""
        dialer = BY_NAME.get(journal.before.get("dialer", "")) if journal else None
        if journal is None or dialer is None:
            return []
        return folders.sources(phone, dialer, frozenset(journal.before.get("left", ())))

    def announces(self, verdict: Verdict) -> How | None:
        """See :class:`Route`. Some makers' dialers do."""
        dialer = BY_NAME.get(verdict.detail.get("dialer", {}).get("name", ""))
        return "itself" if dialer is not None and dialer.announces else None


def _put_back(phone: Phone, journal: Journal, tell: Tell) -> None:
    for name in settings.put_back(phone, journal.before):
        tell(f"The setting {name} was changed on the phone meanwhile: it stays so")


def _off(phone: Phone, journal: Journal, dialer: Dialer | None, on: bool | None) -> str | None:
    """Why the next call is not going to be recorded, as far as that can be seen."""
    if dialer is None:
        return "this Offhook does not know its dialer: run `offhook enable`"
    if on is False:
        way = dialer.taps if journal.before.get("told") else "`offhook enable` turns it on"
        return f"its automatic recording is off: {way}"
    now = read(phone, list(dialer.unlocks))
    if not all(is_on(setting, now[setting.name]) for setting in dialer.unlocks):
        return "the phone has taken its call recording away: `offhook enable` unlocks it"
    return None


def _now(phone: Phone, dialer: Dialer) -> bool | None:
    """Whether its automatic recording is on now; None where that can't be seen."""
    wanted = [setting for switch in dialer.switches for setting in switch]
    return Found("", dialer, settings=read(phone, wanted)).on


__all__ = ["DialerRoute"]
