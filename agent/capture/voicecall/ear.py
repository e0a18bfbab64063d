"""Hearing one call by scrcpy's server: it is started, waits for us, and then captures.

A capture that is begun before the call is active stays silent for all of it on some phones, so
the server is started when the call is; it is on the phone already.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.adb import shell
from agent.adb.link import Stream
from agent.adb.shell import EXIT, Completed, Process
from agent.capture.live import Block
from agent.capture.voicecall import onphone
from agent.capture.voicecall.packets import DISABLED, FRAME, RAW, Packet, Packets
from agent.capture.voicecall.releases import parsed
from agent.capture.voicecall.timeline import RATE, Timeline
from agent.errors import CaptureError, LinkError, LinkTimeout, RemoteError
from agent.phone import notice

if TYPE_CHECKING:
    from agent.phone.phone import Phone

_PATIENCE = 15.0  # seconds for a Java virtual machine to start, on a slow phone in a call
_PAUSE = 0.05  # seconds between two knocks at the server's door
_ONE_KNOCK = 1.0  # seconds that a phone may take to say that nobody is in; the last knock too
_LAST_WORDS = 1.0  # seconds that a server is given to say why it ended
_MOST_WORDS = 65536
_TOO_MUCH = 10.0  # seconds of sound more than time has passed: no microphone does that
_ANDROID_11 = 30


class VoiceCallEar:
    """An :class:`agent.capture.live.Ear` by scrcpy's server; made by :func:`listen`."""

    rate = RATE
    channels = 2
    # Two channels by the format; what a phone puts in is the mix of both ends, twice.
    legs: tuple[str, ...] = ("mixed", "mixed")

    def __init__(self, phone: Phone, version: str, sha256: str) -> None:
        self.about = {"by": f"scrcpy's server {version}", "sha256": sha256, "source": "VOICE_CALL"}
        self._phone = phone
        self._version, self._sha256 = version, sha256
        self._packets = Packets(parsed(version))
        self._ready: deque[Packet] = deque()
        self._timeline = Timeline()
        self._process: Process | None = None
        self._stream: Stream | None = None
        self._words = bytearray()
        self._opened = 0.0
        self._begun = False
        self._closed = False

    def open(self) -> None:
        """Have the server capture; CaptureError when it can't."""
        end = time.monotonic() + _PATIENCE
        scid = secrets.randbits(31)
        options = onphone.capture_options(self._version, scid)
        script = onphone.start_script(self._version, self._sha256, options)
        self._process = shell.spawn(self._phone.link, script, size=0)
        notice.show(self._phone)  # while it starts: it captures nothing before we knock
        data = self._knock(f"localabstract:scrcpy_{scid:08x}", end)
        while True:
            self._ready += self._packets.feed(data)
            if self._packets.codec is not None:
                break
            data = self._more(max(0.0, end - time.monotonic()))
        if self._packets.codec != RAW:
            raise self._refused(self._packets.codec)
        self._opened = time.monotonic()

    def read(self, timeout: float) -> Block | None:
        """See :class:`agent.capture.live.Ear`."""
        if self._closed:
            raise CaptureError("this ear was closed")
        end = time.monotonic() + timeout
        waited = False
        while not self._ready:
            try:
                data = self._more(max(0.0, end - time.monotonic()) if waited else 0.0)
            except LinkTimeout:
                if waited:
                    return None
                waited = True
                continue
            self._ready += self._packets.feed(data)
            if not self._ready and time.monotonic() >= end:
                return None
        packet = self._ready.popleft()
        frames = len(packet.samples) // FRAME
        elapsed = time.monotonic() - self._opened
        if not self._begun:
            self._begun = True
            if waited:
                self._timeline.begin(frames, elapsed)
        frame = self._timeline.place(packet.pts, frames, elapsed)
        if self._timeline.position > (elapsed + _TOO_MUCH) * RATE:
            raise CaptureError(f"{self._phone.facts.name} sends more sound than time has passed")
        return Block(frame, packet.samples)

    def close(self) -> None:
        """See :class:`agent.capture.live.Ear`. The server is ended too."""
        self._closed = True
        self._ready.clear()
        if self._stream is not None:
            self._stream.close()
        if self._process is not None:
            self._process.close()

    def _knock(self, service: str, end: float) -> bytes:
        """Connect, once the server listens; what came after its first byte, which says that it
        is the server that answers."""
        while (left := end - time.monotonic()) > 0:
            self._listen_to_words(_PAUSE)
            if self._ended:
                raise self._not_started()
            try:
                stream = self._phone.link.open(service, max(left, _ONE_KNOCK))
            except RemoteError:  # nobody listens there yet
                continue
            self._stream = stream
            data = stream.read(max(0.1, end - time.monotonic()))
            if data:
                if data[0] != 0:
                    raise CaptureError("what answers on the phone is not scrcpy's server")
                return data[1:]
            stream.close()
        raise CaptureError(
            f"scrcpy's server does not answer on {self._phone.facts.name} within {_PATIENCE:g} s",
            hint="`offhook enable` checks whether it runs there.",
        )

    def _more(self, timeout: float) -> bytes:
        """The next bytes; CaptureError at their end."""
        assert self._stream is not None
        data = self._stream.read(timeout)
        if data:
            return data
        if not self._phone.link.alive:
            raise LinkError(f"the connection to {self._phone.link.where} broke in a call")
        said = self._last_words()
        if self._packets.gave_up:
            said = f"no more sound of this call could be had{said and ': '}{said}"
        raise CaptureError(
            f"scrcpy's server ended on {self._phone.facts.name}{said and ': '}{said}",
            hint="What it logged there: `adb logcat -d -s scrcpy`.",
        )

    # What the server says

    @property
    def _ended(self) -> bool:
        return self._process is None or self._process.code is not None

    def _listen_to_words(self, timeout: float) -> None:
        """Take in what the server says, for so long or until it ends."""
        assert self._process is not None
        end = time.monotonic() + timeout
        with suppress(LinkTimeout):
            while (frame := self._process.frame(max(0.0, end - time.monotonic()))) is not None:
                kind, data = frame
                if kind != EXIT and len(self._words) < _MOST_WORDS:
                    self._words += data
                if time.monotonic() >= end:
                    return
            if self._process.code is None:
                raise LinkError("the phone dropped scrcpy's server before it ended")

    def _last_words(self) -> str:
        """Why the server ended, as far as it says."""
        with suppress(LinkError):
            self._listen_to_words(_LAST_WORDS)
        return onphone.words(bytes(self._words))

    def _not_started(self) -> CaptureError:
        assert self._process is not None
        code = self._process.code
        return onphone.not_started(
            self._phone, Completed(1 if code is None else code, b"", bytes(self._words))
        )

    def _refused(self, codec: int | None) -> CaptureError:
        """What to say where the stream is not one of raw sound."""
        name = self._phone.facts.name
        if codec != DISABLED:
            said = self._last_words() or f"it sends {codec:#x} instead of sound"
            return CaptureError(f"scrcpy's server can't record on {name}: {said}")
        said = self._last_words()
        hints = [
            "Android gives a call's sound to one recorder at a time: turn any other off",
            "and only while the phone's first user is the one in front",
        ]
        if self._phone.facts.sdk <= _ANDROID_11:
            hints.insert(0, "Android 11 gives it only while the screen is unlocked")
        return CaptureError(
            f"{name} gives scrcpy's server no sound of this call{said and ': '}{said}",
            hint=", ".join(hints) + ".",
        )


def listen(phone: Phone, version: str, sha256: str) -> VoiceCallEar:
    """Hear the call that is active now, by the server of that version and hash on the phone.

    CaptureError says why there is no sound; LinkError when the phone went.
    """
    ear = VoiceCallEar(phone, version, sha256)
    try:
        ear.open()
    except LinkTimeout as error:
        ear.close()
        raise CaptureError(
            f"scrcpy's server says nothing on {phone.facts.name}", hint="Try the next call."
        ) from error
    except BaseException:
        ear.close()
        raise
    return ear
