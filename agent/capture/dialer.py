"""The ``dialer`` route. Being built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.capture.journal import Journal
from agent.capture.route import Route, RouteStatus, Seen, Setup, Tell, Verdict
from agent.errors import RouteError
from agent.phone.files import Source

if TYPE_CHECKING:
    from agent.phone.phone import Phone


class DialerRoute(Route):
    """Not built yet: it is never possible."""

    name = "dialer"
    what = "not in this version of Offhook"
    needs = ""

    def probe(self, seen: Seen) -> Verdict:
        """See :class:`Route`."""
        return Verdict(self.name, False, "not in this version of Offhook")

    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """See :class:`Route`."""
        raise RouteError(verdict.reason)

    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """See :class:`Route`."""

    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """See :class:`Route`."""
        return []

    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """See :class:`Route`."""
        return RouteStatus(self.name, False, False)

    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """See :class:`Route`."""
        return []
