"""What the wire holds for a phone that takes nothing."""

from __future__ import annotations

import pytest

from agent.adb.direct import packet, wire
from agent.adb.direct.packet import Buffer
from agent.errors import LinkTimeout, ProtocolError


class Deaf:
    """A transport that takes nothing."""

    down = False

    def read(self, size: int, timeout: float | None) -> bytes:
        raise LinkTimeout("nothing came")

    def write(self, header: bytes, payload: Buffer, timeout: float | None) -> None:
        raise LinkTimeout("it took nothing")

    def shutdown(self) -> None:
        self.down = True

    def close(self) -> None:
        """Nothing to free."""


def test_answers_that_are_not_taken_are_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MOST_POSTED", 100)
    transport = Deaf()
    one = wire.Wire(transport, "a liar", 1.0)
    with pytest.raises(ProtocolError, match="takes none"):
        for _ in range(101):
            one.post(packet.CLSE, 1, 1, patience=0.0)
    assert transport.down
    assert isinstance(one.error, ProtocolError)
