"""ADB's packets: a header of 24 bytes and a payload.

Source: AOSP packages/modules/adb (protocol.txt, adb.h, types.h). From version 0x01000001 on,
both sides leave the checksum out.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from agent.errors import ProtocolError

HEADER = struct.Struct("<6I")
VERSION_CHECKSUM = 0x01000000
VERSION = 0x01000001
MAX_PAYLOAD = 1024 * 1024  # the most that any adbd grants, in bytes

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE, STLS = (
    int.from_bytes(name, "little")
    for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE", b"STLS")
)
COMMANDS = frozenset({CNXN, AUTH, OPEN, OKAY, CLSE, WRTE, STLS})

AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3

Buffer = bytes | bytearray | memoryview


class Header(NamedTuple):
    """What a packet's first 24 bytes say; ``length`` is the payload's, in bytes."""

    command: int
    arg0: int
    arg1: int
    length: int
    checksum: int


def encode(command: int, arg0: int, arg1: int, payload: Buffer, *, checksum: bool) -> bytes:
    """The header of a packet; the payload follows it on the wire."""
    total = sum(payload) & 0xFFFFFFFF if checksum else 0
    return HEADER.pack(command, arg0, arg1, len(payload), total, command ^ 0xFFFFFFFF)


def decode(raw: bytes) -> Header:
    """The header in 24 bytes; ProtocolError when they can't be one."""
    command, arg0, arg1, length, checksum, magic = HEADER.unpack(raw)
    if command not in COMMANDS or magic != command ^ 0xFFFFFFFF:
        raise ProtocolError(
            f"not an ADB packet: {raw.hex()}", hint="Is it a phone's adbd that listens there?"
        )
    if length > MAX_PAYLOAD:
        raise ProtocolError(f"an ADB packet of {length} bytes, more than was agreed")
    return Header(command, arg0, arg1, length, checksum)


def verify(header: Header, payload: bytes) -> None:
    """ProtocolError when the payload does not have the checksum that the header names."""
    if sum(payload) & 0xFFFFFFFF != header.checksum:
        raise ProtocolError("an ADB packet came with a wrong checksum")
