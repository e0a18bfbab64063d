"""What the direct connection promises when the other side misbehaves, stream by stream."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.adb import shell
from agent.adb.direct import connection, stream
from agent.adb.direct.keys import Signer
from agent.errors import LinkError, LinkTimeout, ProtocolError, RemoteError
from tests.contract.peers import CLASSIC, in_thread, to
from tests.lab.peer import FEATURES, Fault, Peer

# Streams


def test_a_refused_service_is_an_error_at_once(signer: Signer) -> None:
    with Peer(refuses=["exec"]) as peer, to(peer, signer) as link:
        start = time.monotonic()
        with pytest.raises(RemoteError, match="refuses"):
            link.open("exec:true", 10)
        assert time.monotonic() - start < 2
        assert shell.run(link, "echo out").stdout == b"out\n"


@pytest.mark.parametrize("features", [FEATURES, CLASSIC])
def test_many_may_open_at_once(signer: Signer, features: frozenset[str]) -> None:
    said: list[bytes] = []
    with Peer(features=features) as peer, to(peer, signer) as link:
        work = [
            in_thread(lambda n=n: said.append(shell.run(link, f"echo {n}").stdout))  # type: ignore[misc]
            for n in range(40)
        ]
        for thread, raised in work:
            thread.join()
            assert not raised
    assert sorted(said) == sorted(b"%d\n" % n for n in range(40))


def test_ids_begin_again_and_leave_out_those_in_use(signer: Signer) -> None:
    with Peer() as peer, to(peer, signer) as link, link.open("shell,v2,raw:cat", 5) as first:
        assert first.local == 1
        link._last_id = connection._LAST_ID - 1
        used = []
        for _ in range(3):
            with link.open("exec:echo x", 5) as other:
                used.append(other.local)
                assert other.read(5) == b"x\n"
        assert used == [connection._LAST_ID, 2, 3]
        first.write(b"\0\1\0\0\0x", 5)
        assert first.read(5) == b"\1\1\0\0\0x"


def test_a_service_that_opens_too_late_is_closed_on_the_phone(signer: Signer) -> None:
    fault = Fault("drip", packet=1)  # the OKAY: 28 bytes in at least 56 ms
    with Peer(faults=[fault]) as peer, to(peer, signer) as link:
        with pytest.raises(LinkTimeout, match="did not open"):
            link.open("exec:cat", 0.02)
        for _ in range(100):
            assert shell.run(link, "echo out").stdout == b"out\n"
            if not peer.processes.alive:
                break
        assert not peer.processes.alive


@pytest.mark.parametrize("features", [FEATURES, CLASSIC])
def test_what_is_held_for_a_slow_reader_is_bounded(
    signer: Signer, features: frozenset[str]
) -> None:
    with (
        Peer(features=features) as peer,
        to(peer, signer) as link,
        link.open("exec:cat /dev/zero", 5) as slow,
    ):
        slow.read(5)
        for _ in range(5):
            assert shell.run(link, "echo out").stdout == b"out\n"
        assert slow._held <= connection._READ_AHEAD_FAR + (1 << 20)


@pytest.mark.parametrize("overshoot", [8 << 20, 1 << 30])
def test_a_window_that_is_overshot_ends_nothing_before_it_costs_memory(
    signer: Signer, overshoot: int
) -> None:
    # A real adbd sends some megabytes too much, now and then.
    with (
        Peer(overshoot=overshoot) as peer,
        to(peer, signer) as link,
        link.open("exec:cat /dev/zero", 5) as slow,
    ):
        if overshoot < stream._MOST:
            while slow._held < overshoot:
                assert shell.run(link, "echo out").stdout == b"out\n"
            assert slow.read(5)
            return
        with pytest.raises(ProtocolError, match="more than it was allowed"):
            while True:
                assert shell.run(link, "echo out").stdout == b"out\n"
        assert slow._held <= stream._MOST + (1 << 20)


def test_a_phone_far_away_may_send_more_ahead(signer: Signer) -> None:
    with Peer(faults=[Fault("drip")]) as peer, to(peer, signer) as link:
        assert link.open("exec:cat", 5).window == connection._READ_AHEAD_FAR


# The end


def test_ctrl_c_while_sending_leaves_no_half_packet_behind(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with Peer() as peer, to(peer, signer) as link, link.open("exec:cat", 5) as one:
        with monkeypatch.context() as patch:
            patch.setattr(link._wire._transport, "write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.write(b"x", 5)
        with pytest.raises(LinkError, match="interrupted"):
            one.write(b"y", 5)
        assert not link.alive


@pytest.mark.parametrize("kind", ["close", "reset", "magic"])
def test_every_stream_ends_with_the_same_error(signer: Signer, kind: str) -> None:
    with Peer(faults=[Fault(kind, packet=4)]) as peer, to(peer, signer) as link:
        streams = [link.open("shell,v2,raw:cat", 5) for _ in range(3)]
        streams[1].write(b"\0\1\0\0\0x", 5)
        errors = []
        for one in streams:
            with pytest.raises(LinkError) as caught:
                while one.read(5):
                    pass
            errors.append(caught.value)
            with pytest.raises(LinkError) as caught:
                one.write(b"x", 5)
            errors.append(caught.value)
        with pytest.raises(LinkError) as caught:
            link.open("exec:true", 5)
        errors.append(caught.value)
        assert not link.alive
        assert len({id(error) for error in errors}) == 1


def test_a_stream_that_is_closed_wrongly_ends_too(signer: Signer) -> None:
    fault = Fault("remote-id", packet=2)  # the CLSE, after CNXN and OKAY
    with Peer(faults=[fault]) as peer, to(peer, signer) as link:
        one = link.open("exec:sleep 0.1", 5)
        with pytest.raises(ProtocolError, match="mixes up"):
            one.read(5)


def test_a_close_elsewhere_ends_a_read_and_a_write(signer: Signer) -> None:
    with Peer() as peer, to(peer, signer) as link:
        silent, full = link.open("exec:cat", 5), link.open("exec:exec sleep 60 >&-", 5)
        reader, read = in_thread(lambda: silent.read(None))
        writer, written = in_thread(lambda: full.write(bytes(64 << 20), None))
        start = time.monotonic()
        silent.close()
        reader.join()
        assert not read
        assert silent.read(0) == b""
        full.close()
        writer.join()
        assert isinstance(written[0], LinkError)
        assert time.monotonic() - start < 2
        assert shell.run(link, "echo out").stdout == b"out\n"


def test_a_phone_that_reads_nothing_is_an_error_in_time(signer: Signer) -> None:
    with (
        Peer(window=1 << 30, faults=[Fault("stall", packet=3, direction="in")]) as peer,
        to(peer, signer) as link,
        link.open("exec:cat", 5) as one,
    ):
        start = time.monotonic()
        with pytest.raises(LinkTimeout, match="took no data"):
            for _ in range(100):
                one.write(bytes(1 << 20), 0.3)
        assert time.monotonic() - start < 5
        with pytest.raises(LinkError) as told:  # a packet was cut: nothing more may follow it
            link.open("exec:true", 5)
        assert not isinstance(told.value, LinkTimeout)  # which one would try again
        assert not link.alive


def test_a_write_that_found_no_credit_may_be_tried_again(signer: Signer) -> None:
    script = "read line; head -c 300000 | wc -c"
    with (
        Peer(window=1) as peer,
        to(peer, signer) as link,
        link.open(f"exec:sleep 0.3; {script}", 5) as one,
    ):
        one.write(b"go\n", 5)
        sent = 0
        while sent < 300_000:
            try:
                one.write(bytes(30_000), 0.05)
            except LinkTimeout:
                continue
            sent += 30_000
        assert one.read(5) == b"300000\n"
        assert link.alive


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_close_does_not_wait_for_a_stalled_phone(signer: Signer, direction: str) -> None:
    fault = Fault("stall", packet=4, direction=direction)  # type: ignore[arg-type]
    window = 1 << 30 if direction == "in" else 1 << 20  # full is the socket, or the credit
    with Peer(window=window, faults=[fault]) as peer:
        link = to(peer, signer, stall=60)
        one, two = (link.open("exec:cat >/dev/null", 5) for _ in range(2))
        writers = [in_thread(lambda s=s: s.write(bytes(64 << 20), 30)) for s in (one, two)]  # type: ignore[misc]
        with pytest.raises(LinkTimeout):
            one.read(0.3)
        start = time.monotonic()
        two.close()
        link.close()
        assert time.monotonic() - start < 2
        for thread, raised in writers:
            thread.join()
            assert isinstance(raised[0], LinkError)


def test_waiting_costs_no_processor(signer: Signer) -> None:
    for fault in (Fault("stall", packet=2), Fault("stall", packet=2, direction="in")):
        with (
            Peer(window=1 << 30, faults=[fault]) as peer,
            to(peer, signer, stall=0.1) as link,
            link.open("exec:cat", 5) as one,
        ):
            start = time.process_time()
            with pytest.raises(LinkTimeout):
                one.read(1.0)
            assert time.process_time() - start < 0.15


def test_what_was_sent_before_the_end_is_read(signer: Signer, tmp_path: Path) -> None:
    """Bytes that came before a break are given out, and only then its error."""
    with Peer(faults=[Fault("close", packet=4)]) as peer, to(peer, signer) as link:
        one = link.open("exec:printf first; sleep 0.1; printf second; sleep 0.1; echo third", 5)
        got = b""
        with pytest.raises(LinkError):
            while data := one.read(5):
                got += data
        assert got == b"firstsecond"
