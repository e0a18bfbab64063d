"""The ``microphone`` route: the call on speakerphone, heard by this computer's own microphone.

It is what is left where nothing else works, and needs nothing of the phone but its notification.
The speakerphone is the user's to turn on: of AOSP's commands (``cmd audio``,
AudioManagerShellCommand.java), none chooses what a call is heard by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.audio import flac, record
from agent.capture.live import Block, LiveRoute
from agent.capture.route import RouteStatus, Verdict
from agent.errors import AudioError, CaptureError
from agent.phone import notice

if TYPE_CHECKING:
    from agent.capture.announcement import How
    from agent.capture.journal import Journal
    from agent.capture.route import Seen, Setup, Tell
    from agent.phone.files import Source
    from agent.phone.phone import Phone

_NOTICE = "notification"


class MicrophoneRoute(LiveRoute):
    """Nothing is left on the phone but the notification."""

    name = "microphone"
    what = "the call on speakerphone, heard by this computer's microphone"
    needs = "a microphone here, and the phone on speakerphone beside it"
    quiet = "is the call on speakerphone, and the phone near the microphone?"

    def probe(self, seen: Seen) -> Verdict:
        """See :class:`Route`."""
        try:
            flac.require()
            found = record.find_input(seen.options.microphone)
        except AudioError as error:
            return Verdict(self.name, False, error.message, instead=error.hint)
        return Verdict(
            self.name,
            None,
            f"{found.name!r} can hear a call that is on speakerphone",
            legs=("mixed",),
            detail={"input": found.name, "rate": found.rate},
        )

    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """See :class:`Route`."""
        journal = setup.journal
        if not setup.was_on:
            journal.before = {_NOTICE: notice.is_shown(phone)}
        journal.changes = [_NOTICE]
        setup.keep()
        notice.show(phone)
        setup.tell(
            "Put each call on speakerphone, and the phone beside the microphone "
            f"({verdict.detail.get('input', 'this computer’s')}): no command on the phone does it"
        )

    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """See :class:`Route`. What listens here sees it in the journal."""

    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """See :class:`Route`."""
        if journal is None:
            return []
        if not journal.before.get(_NOTICE, False):
            notice.withdraw(phone)
        return [_NOTICE]

    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """See :class:`Route`. Whether somebody listens, this computer knows, not the phone."""
        if not self.is_installed(phone, journal):
            return RouteStatus(self.name, False, False)
        return RouteStatus(self.name, True, True, notice=notice.is_shown(phone))

    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """See :class:`Route`."""
        return []

    def announces(self, verdict: Verdict) -> How | None:
        """See :class:`Route`."""
        return "here"

    def listen(self, phone: Phone, journal: Journal) -> MicrophoneEar:
        """See :class:`LiveRoute`."""
        try:
            return MicrophoneEar(record.Input(journal.options.get("microphone")))
        except AudioError as error:
            raise CaptureError(error.message, hint=error.hint) from error


class MicrophoneEar:
    """Hears what the microphone hears: see :class:`agent.capture.live.Ear`."""

    def __init__(self, source: record.Input) -> None:
        self._source = source
        self.rate, self.channels = source.rate, source.channels
        self.legs = ("mixed",) * source.channels
        self.about = {"by": source.device.name}

    def read(self, timeout: float) -> Block | None:
        """See :class:`agent.capture.live.Ear`."""
        try:
            piece = self._source.read(timeout)
        except AudioError as error:
            raise CaptureError(error.message, hint=error.hint) from error
        return None if piece is None else Block(*piece)

    def close(self) -> None:
        """See :class:`agent.capture.live.Ear`."""
        self._source.close()
