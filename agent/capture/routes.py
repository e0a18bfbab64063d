"""The routes there are, in the order in which they are preferred. A new one is a row here."""

from __future__ import annotations

from agent.capture.alsa import AlsaRoute
from agent.capture.bcr import BcrRoute
from agent.capture.dialer import DialerRoute
from agent.capture.journal import Journal
from agent.capture.microphone import MicrophoneRoute
from agent.capture.route import Route
from agent.capture.voicecall import VoiceCallRoute
from agent.errors import ConfigError
from agent.text import shown

ROUTES: tuple[Route, ...] = (
    AlsaRoute(),
    BcrRoute(),
    VoiceCallRoute(),
    DialerRoute(),
    MicrophoneRoute(),
)
NAMES = tuple(route.name for route in ROUTES)


def route_named(name: str) -> Route:
    """The route of that name; KeyError when there is none."""
    return {route.name: route for route in ROUTES}[name]


def route_of(journal: Journal | None) -> Route:
    """The route that is on by what the journal says; without one, our own recorder may be."""
    if journal is None:
        return ROUTES[0]
    try:
        return route_named(journal.route)
    except KeyError as error:
        raise ConfigError(
            f"the undo journal of {shown(journal.serial)} is of a route {shown(journal.route)!r}",
            hint="A newer Offhook wrote it: take that one.",
        ) from error
