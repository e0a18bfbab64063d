"""What scrcpy's server sends of a call's sound, taken apart: pure, and wary of every byte.

    u32  codec: ``raw``, or 0 (it could not capture) or 1 (it was told nonsense)
    then, again and again
    u64  flags in its highest bits, and a time in microseconds (the phone's monotonic clock)
    u32  size of what follows: int16, little-endian, interleaved

All big-endian. Sources: scrcpy's S/device/Streamer.java and app/src/demuxer.c. The flags moved by
one bit with 4.0 (commit 78cba1b7), where bit 63 became that of a session packet, which only
video has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent.capture.voicecall.releases import Version
from agent.errors import CaptureError

RAW = 0x00726177
DISABLED, MISCONFIGURED = 0, 1
FRAME = 4  # bytes: two channels of int16
_HEAD = struct.Struct(">QI")
_MOST = 1 << 20  # bytes of a packet; the server reads 4096 at a time (S/audio/AudioConfig.java)


@dataclass(frozen=True)
class Packet:
    """A piece of sound, and the time of its beginning in microseconds."""

    pts: int
    samples: bytes


@dataclass(frozen=True)
class _Bits:
    """Which bits of the first word mean what."""

    session: int
    config: int
    pts: int


_BEFORE_4 = _Bits(session=0, config=1 << 63, pts=(1 << 62) - 1)
_FROM_4 = _Bits(session=1 << 63, config=1 << 62, pts=(1 << 61) - 1)


class Packets:
    """Takes the stream of one server of ``version`` apart, however it is cut."""

    def __init__(self, version: Version) -> None:
        self._bits = _FROM_4 if version >= (4,) else _BEFORE_4
        self._held = bytearray()
        self.codec: int | None = None
        """What the stream said that it is; None before it did. Only of RAW is there more."""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole by now; CaptureError when it can't be scrcpy's stream."""
        self._held += data
        packets: list[Packet] = []
        at = 0
        if self.codec is None:
            if len(self._held) < 4:
                return packets
            self.codec = int.from_bytes(self._held[:4], "big")
            at = 4
        if self.codec != RAW:
            self._held.clear()
            return packets
        while len(self._held) - at >= _HEAD.size:
            word, size = _HEAD.unpack_from(self._held, at)
            if size > _MOST or word & self._bits.session:
                raise CaptureError("what the phone sends is not what scrcpy's server would send")
            if len(self._held) - at - _HEAD.size < size:
                break
            at += _HEAD.size
            if not word & self._bits.config and size:  # raw sound has no configuration
                if size % FRAME:
                    raise CaptureError("the phone sent a part of a sample")
                packets.append(Packet(word & self._bits.pts, bytes(self._held[at : at + size])))
            at += size
        del self._held[:at]
        return packets

    @property
    def gave_up(self) -> bool:
        """Whether the last that came is the word that the server can't capture any more, which
        it puts where the next packet would begin."""
        return bytes(self._held) in (b"\0\0\0\0", b"\0\0\0\1")
