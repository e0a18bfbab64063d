"""The first packets of a connection: who speaks, and whether the phone trusts this computer.

Source: AOSP packages/modules/adb/adb.cpp (``handle_new_connection``, ``parse_banner``) and
protocol.txt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agent.adb.direct import packet
from agent.adb.direct.keys import Signer
from agent.adb.direct.packet import Header
from agent.adb.direct.wire import Wire
from agent.errors import LinkError, LinkTimeout, ProtocolError, UnauthorizedError

DELAYED_ACK = "delayed_ack"
# No zero byte at its end: adbd would take it for a part of the last feature's name.
_BANNER = (
    "host::features=shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,apex,abb,sendrecv_v2,"
    f"fixed_push_symlink_timestamp,{DELAYED_ACK}"
).encode()


def shake_hands(
    wire: Wire,
    signers: Sequence[Signer],
    timeout: float,
    on_prompt: Callable[[], None] | None = None,
) -> dict[str, str]:
    """Introduce ourselves and prove with a key that the phone may trust us; its banner's values.

    Every key gets one chance, then the phone is asked to ask its user about the first one:
    ``on_prompt`` is called, and ``timeout`` (seconds) runs anew from there. LinkTimeout,
    ProtocolError or UnauthorizedError say what came instead of a welcome.
    """
    end = time.monotonic() + timeout
    wire.send(packet.CNXN, packet.VERSION, packet.MAX_PAYLOAD, _BANNER, timeout)
    sent = time.monotonic()
    untried = list(signers)
    asked = False
    while True:
        try:
            header, payload = wire.receive(None, end)
        except LinkTimeout as error:
            if asked:
                raise _unauthorized(wire, "was not answered") from error
            raise LinkTimeout(
                f"{wire.where} does not speak ADB: no greeting within {timeout:g} s",
                hint="Is it a phone's adbd that listens there? Another computer may hold it.",
            ) from error
        wire.round_trip = min(wire.round_trip, time.monotonic() - sent)
        if header.command == packet.CNXN:
            return _greeted(wire, header, payload)
        if header.command == packet.STLS:
            raise LinkError(
                f"{wire.where} is a port for wireless debugging, which wants TLS",
                hint="That goes through the adb server: `offhook pair`, then `offhook connect`. "
                "Without one: `adb tcpip 5555` over USB, and then port 5555.",
            )
        if header.command != packet.AUTH or header.arg0 != packet.AUTH_TOKEN:
            raise ProtocolError(f"{wire.where} answered the greeting with something else")
        left = max(0.0, end - time.monotonic())
        sent = time.monotonic()
        if untried:
            signature = _sign(wire, untried.pop(0), payload)
            wire.send(packet.AUTH, packet.AUTH_SIGNATURE, 0, signature, left)
        elif signers and not asked:
            asked = True
            end = time.monotonic() + timeout
            if on_prompt is not None:
                on_prompt()
            public = signers[0].GetPublicKey()
            raw = public.encode() if isinstance(public, str) else bytes(public)
            wire.send(packet.AUTH, packet.AUTH_PUBLIC_KEY, 0, raw.rstrip(b"\0\n") + b"\0", timeout)
        else:
            raise _unauthorized(wire, "was refused")


def _sign(wire: Wire, signer: Signer, token: bytes) -> bytes:
    if len(token) != 20:  # it is signed as a SHA-1, and nothing else may be had signed
        raise ProtocolError(f"{wire.where} wants {len(token)} bytes signed, where ADB has 20")
    return signer.Sign(token)


def _greeted(wire: Wire, header: Header, payload: bytes) -> dict[str, str]:
    if header.arg0 < packet.VERSION_CHECKSUM or not header.arg1:
        raise ProtocolError(f"{wire.where} greets with a version or packet size that ADB has not")
    wire.checksum = header.arg0 < packet.VERSION
    wire.max_payload = min(header.arg1, packet.MAX_PAYLOAD)
    _, _, text = payload.rstrip(b"\0").decode("utf-8", "replace").partition("::")
    pairs = (item.partition("=") for item in text.split(";"))
    return {key: value for key, _, value in pairs if key}


def _unauthorized(wire: Wire, what: str) -> UnauthorizedError:
    return UnauthorizedError(
        f"the phone at {wire.where} does not trust this computer: its question {what}",
        hint="Unlock the phone, tap «Always allow from this computer», «Allow», and try again.",
    )
