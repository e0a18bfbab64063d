"""The ``voicecall`` route: Android's own source for calls, streamed here by scrcpy's server.

Android lets the shell record calls (com.android.shell holds CAPTURE_AUDIO_OUTPUT from Android 11
on), so it needs no root. The server is the user's own scrcpy's; docs/voicecall.md says more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.capture.bcr.settings import ID as BCR
from agent.capture.journal import Journal, read_journal
from agent.capture.live import Ear, LiveRoute
from agent.capture.route import Options, RouteStatus, Seen, Setup, Tell, Verdict
from agent.capture.voicecall import ear, onphone
from agent.capture.voicecall.releases import LAST, parsed
from agent.capture.voicecall.server import find_server
from agent.errors import CaptureError, RestoreError
from agent.phone import notice, packages
from agent.phone.files import Source

if TYPE_CHECKING:
    from agent.phone.phone import Phone

_ANDROID_12 = 31
_ANDROID_11 = 30
_LEGS = ("mixed", "mixed")


class VoiceCallRoute(LiveRoute):
    """Hears calls through scrcpy's server; its arming puts that on the phone."""

    name = "voicecall"
    what = "Android's own source for calls, streamed here by the server of your scrcpy"
    needs = "Android 12 or later, and scrcpy 3.2 or later on this computer"
    quiet = (
        "Wi-Fi calling and Bluetooth leave it silent on some phones, and so does another recorder"
    )

    def probe(self, seen: Seen) -> Verdict:
        """See :class:`Route`. It is never sure beforehand: whether there is sound in it, a
        phone's maker decides."""
        possible, reason = able(seen.phone.facts.sdk)
        if possible is False:
            return Verdict(self.name, False, reason)
        server = find_server(_given(seen.options, read_journal(seen.home, seen.phone.serial)))
        reason += f"; scrcpy {server.version} is here"
        if not server.known:
            reason += ", though not as released"
        other = packages.read_package(seen.phone, BCR)
        if other is not None and other.enabled:
            reason += "; BCR is on the phone too, and both would get no sound: turn it off there"
        return Verdict(self.name, None, reason, legs=_LEGS, detail={"scrcpy": server.as_dict()})

    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """See :class:`Route`. The server is started once, for a list of codecs, not to record."""
        given = _given(setup.options, setup.journal)
        server = find_server(given)
        if server.as_dict() != verdict.detail.get("scrcpy"):
            raise CaptureError(
                "scrcpy's server on this computer has just changed",
                hint="Run `offhook enable` again.",
            )
        if not server.known:
            setup.tell(_warning(server.version, server.sha256))
        before = setup.journal.before
        before["server"] = server.as_dict()
        if given is not None:
            before["given"] = str(given.absolute())
        setup.journal.changes = [onphone.JAR, "notification"]
        setup.keep()
        setup.tell(f"Putting scrcpy's server {server.version} on the phone")
        onphone.end(phone)
        onphone.put(phone, server)
        notice.show(phone)
        setup.tell("Checking that it runs there")
        onphone.check(phone, server)

    def listen(self, phone: Phone, journal: Journal) -> Ear:
        """See :class:`LiveRoute`. Without the notification on the phone there is no ear."""
        version, sha256 = _server(journal)
        return ear.listen(phone, version, sha256)

    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """See :class:`Route`. Nothing: whoever listens on this computer sees in the journal that it
        is over, and ends the server. What a computer that died has left, ``disarm`` ends."""

    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """See :class:`Route`."""
        if journal is None:
            return []
        problem: RestoreError | None = None
        try:
            onphone.end(phone)
            onphone.remove(phone)
        except RestoreError as error:
            problem = error
        notice.withdraw(phone)
        if problem is not None:
            raise problem
        return [onphone.JAR, "notification"]

    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """See :class:`Route`. Whether ``offhook watch`` runs somewhere, the phone can't tell."""
        if journal is None or not self.is_installed(phone, journal):
            return RouteStatus(self.name, False, False)
        version, sha256 = _server(journal)
        there = onphone.is_there(phone, sha256)
        shown = notice.is_shown(phone)
        state = None
        if there:
            busy = bool(onphone.running(phone))
            state = "recording" if busy else "offhook" if phone.in_call() else "idle"
        problem = None
        if not there:
            problem = "scrcpy's server is gone from the phone: `offhook enable` puts it back"
        detail = {"scrcpy_version": version}
        return RouteStatus(self.name, True, there, state, shown, None, problem, detail)

    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """See :class:`Route`. None: nothing is written on the phone."""
        return []


def able(sdk: int) -> tuple[bool | None, str]:
    """Whether an Android of that level lets the shell record calls, and why
    (S/audio/AudioDirectCapture.java)."""
    if sdk < _ANDROID_11:
        return False, f"the shell may record calls from Android 12 on (31, not {sdk})"
    if sdk < _ANDROID_12:
        return None, "Android 11 lets the shell record calls only while the screen is unlocked"
    return None, "this Android lets the shell record calls, on most phones"


def _given(options: Options, journal: Journal | None) -> Path | None:
    """The file that the user named, now or when it was turned on."""
    if options.scrcpy_server is not None or journal is None or journal.route != "voicecall":
        return options.scrcpy_server
    before = journal.before.get("given")
    return Path(before) if isinstance(before, str) else None


def _server(journal: Journal) -> tuple[str, str]:
    """Version and hash of what was put on the phone."""
    server = journal.before.get("server") or {}
    try:
        return str(server["version"]), str(server["sha256"])
    except (KeyError, TypeError) as error:
        raise CaptureError(
            "the journal does not tell which of scrcpy's servers is on the phone",
            hint="Run `offhook enable` again.",
        ) from error


def _warning(version: str, sha256: str) -> str:
    newer = " (it is newer than they are)" if parsed(version) > parsed(LAST) else ""
    return (
        f"WARNING: scrcpy's server {version}, as it calls itself, is none of the releases that "
        f"Offhook knows{newer}. It is taken because you named it. Its SHA-256 is {sha256}"
    )


__all__ = ["VoiceCallRoute", "able"]
