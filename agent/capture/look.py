"""Looking at a phone before a route is chosen; nothing on it is changed."""

from __future__ import annotations

from pathlib import Path

from agent.capture.route import Options, Route, Seen, Sound, Verdict
from agent.capture.routes import ROUTES
from agent.errors import ConfigError, OffhookError, PhoneError, RemoteError, RootError
from agent.phone.helper import Helper, borrowed_helper
from agent.phone.phone import Phone


def read_sound(helper: Helper) -> Sound:
    """Everything that a kernel says of its sound."""
    cards, pcms = helper.pcms()
    return Sound(cards, pcms, {card.number: helper.controls(card.number) for card in cards})


def look(phone: Phone, home: Path, options: Options) -> Seen:
    """What the routes want to know; what can't be seen is said, and is no error."""
    seen = Seen(phone, home, options)
    try:
        phone.root  # noqa: B018 - found once, or the reason why not
    except RootError as error:
        seen.root_problem, seen.root_hint = error.message, error.hint
        return seen
    try:
        with borrowed_helper(phone) as helper:
            seen.sound = read_sound(helper)
    except (RemoteError, ConfigError) as error:
        seen.sound_problem = error.message
    return seen


def ask(seen: Seen, routes: tuple[Route, ...] = ROUTES) -> list[Verdict]:
    """Each route's verdict. A question that fails is a "no" with its reason, unless the phone
    itself is gone."""
    verdicts = []
    for route in routes:
        try:
            verdicts.append(route.probe(seen))
        except PhoneError as error:
            if not isinstance(error, RemoteError | RootError):
                raise
            verdicts.append(Verdict(route.name, False, error.message, instead=error.hint))
        except OffhookError as error:
            verdicts.append(Verdict(route.name, False, error.message, instead=error.hint))
    return verdicts
