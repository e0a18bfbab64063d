"""What the tests with the fault peer share."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agent.adb.direct.connection import Connection, connect_tcp
from agent.adb.direct.keys import Signer
from tests.lab.peer import FEATURES, Peer

CLASSIC = FEATURES - {"delayed_ack"}


def to(peer: Peer, signer: Signer, *, timeout: float = 5, stall: float = 5) -> Connection:
    return connect_tcp(*peer.address, [signer], timeout=timeout, stall=stall)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Run it in a thread; what it raises is in the list when the thread has ended."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is looked at
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised
