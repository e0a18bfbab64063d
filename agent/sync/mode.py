"""By what a watched phone's calls are recorded now, and so which of its folders are watched."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.archive.archive import Archive
from agent.capture.alsa import AlsaRoute, recorder
from agent.capture.control import installed_route
from agent.capture.journal import Journal
from agent.capture.route import RouteStatus
from agent.capture.routes import route_named, route_of
from agent.errors import NoRootError, RootError
from agent.phone.files import Source
from agent.phone.phone import Phone
from agent.sync.events import Tell, WatchEvent, WatchKind
from agent.sync.folders import all_sources, chosen_sources

TEND_EVERY = 300.0  # what others record with may be turned off, or lose its settings
_CALM = ("", "idle", "refused")  # what a recorder says that has nothing to do


class Mode:
    """Of one phone, over all of its connections. ``own`` are the user's own sources; ``tell`` is
    told what changes, once.

    ``now`` is the name of the route that is on, ``off`` or ``no root``; ``state`` what its
    recorder says that it does. Both are "" until the phone was asked.
    """

    def __init__(
        self,
        name: str,
        archive: Archive,
        own: list[Source],
        tell: Tell,
        journal: Callable[[str], Journal | None],
    ) -> None:
        self._name = name
        self._archive = archive
        self.own = own
        self._tell = tell
        self._journal = journal
        self._picked: list[Source] = []  # the folders that the user has chosen
        self._others = own
        self._tend_at = 0.0
        self._problem = ""
        self._said = ""
        self.now = ""
        self.state = ""

    @property
    def calm(self) -> bool:
        """Whether nothing is recorded now, as far as the phone's recorder says."""
        return self.state in _CALM

    def sources(self, phone: Phone) -> list[Source]:
        """What there is to watch; a recorder that should run, and doesn't, is started."""
        self._picked = chosen_sources(self._archive, phone.serial)
        self._others = all_sources((), self._picked, self.own)
        self.now = self._mode_of(phone)
        if self.now == "no root":
            return [source for source in self._others if not source.root]
        journal = self._journal(phone.serial)
        if self.now == "off":
            self._say("off")
            route = installed_route(phone, journal)
            return self._beside(route.sources(phone, journal) if route else [])
        self._said = ""
        route = route_of(journal)
        if isinstance(route, AlsaRoute):
            self._restart(phone)
        route.tend(phone, journal)
        status = route.status(phone, journal)
        self._tell_problem(status)
        if words := recorder.version_problem(phone) if isinstance(route, AlsaRoute) else None:
            self._tell(WatchEvent("version", self._name, words))
        if not route.live:  # of such a route the follower of the calls tells
            self.state = status.state or "idle"
            self._tell(WatchEvent("state", self._name, self.state))
        return self._beside(route.sources(phone, journal))

    def has_changed(self, phone: Phone) -> bool:
        """Whether capture was turned on or off, or by another route; or folders were chosen."""
        if chosen_sources(self._archive, phone.serial) != self._picked:
            return True
        if self.now == "no root":
            # It is not asked again for root: that would prompt its owner.
            return self._mode_here(phone) is not None
        return self._mode_of(phone) != self.now

    def tell_state(self, phone: Phone) -> None:
        """Tell what the phone's recorder does, where that is news."""
        said = phone.root.run(f"cat {recorder.HOME}/run/state 2>/dev/null").text
        state = said.partition("state=")[2].partition("\n")[0]
        if state and state != self.state:
            self.state = state
            self._tell(WatchEvent("state", self._name, state))

    def tend(self, phone: Phone) -> None:
        """See to a route whose recorder is not ours, now and then."""
        if self.now in ("alsa", "off", "no root") or time.monotonic() < self._tend_at:
            return
        journal = self._journal(phone.serial)
        if journal is not None:
            route = route_of(journal)
            route.tend(phone, journal)
            self._tell_problem(route.status(phone, journal))

    def _beside(self, route: list[Source]) -> list[Source]:
        return all_sources(route, self._picked, self.own)

    def _restart(self, phone: Phone) -> None:
        if not recorder.status(phone).running:
            recorder.start_recorder(phone, turn_on=False)
            self._tell(WatchEvent("restarted", self._name))

    def _mode_here(self, phone: Phone) -> str | None:
        """As :meth:`_mode_of`, as far as the journal on this computer says it."""
        journal = self._journal(phone.serial)
        if journal is None or isinstance(route_of(journal), AlsaRoute):
            return None
        return "off" if journal.off else journal.route

    def _mode_of(self, phone: Phone) -> str:
        """The name of the route that is on, ``off`` or ``no root``: what there is to watch
        depends on it."""
        if (here := self._mode_here(phone)) is not None:
            return here
        try:
            asked = f"[ -f {recorder.HOME}/offhookd.sh ] && ! [ -f {recorder.HOME}/off ]"
            return "alsa" if phone.root.run(asked).code == 0 else "off"
        except NoRootError:
            if any(source.root for source in self._others):
                raise
            return "off"  # no recorder of ours can be there; `enable` may find another way
        except RootError as error:
            if not self._others or any(source.root for source in self._others):
                raise
            self._say("no root", error.message)
            return "no root"

    def _say(self, kind: WatchKind, text: str = "") -> None:
        """Tell something that stays so for long, once."""
        if self._said != kind:
            self._said = kind
            self._tell(WatchEvent(kind, self._name, text))

    def _tell_problem(self, status: RouteStatus) -> None:
        """Tell what is wrong, once for as long as it is."""
        self._tend_at = time.monotonic() + TEND_EVERY
        ours = status.route == "alsa" or route_named(status.route).live
        problem = "" if ours else status.problem or ""
        if problem and problem != self._problem:
            self._tell(WatchEvent("problem", self._name, problem))
        self._problem = problem
