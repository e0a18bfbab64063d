"""Whatever the wire does: right bytes or a PhoneError, in time, and nothing is left behind.

The peer's faults come at every packet boundary, and inside packets. ``OFFHOOK_FAULT_EXAMPLES``
is how many Hypothesis tries (150); ``OFFHOOK_FAULT_EXAMPLES=20000`` is a run of some minutes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from agent.adb import files, shell, sync
from agent.adb.direct.connection import Connection, connect_tcp
from agent.adb.direct.keys import Signer
from agent.errors import PhoneError
from tests.lab.peer import BREAKS, FEATURES, INSERTS, KINDS, TWISTS, Fault, Peer

LIMIT = 0.3
"""Seconds for each step of an operation, and for the handshake."""
STALL = 0.15
PATIENCE = 20.0
"""Instead of both, where no fault comes: a busy computer is none."""
DATA = os.urandom(100_000)
EXAMPLES = int(os.environ.get("OFFHOOK_FAULT_EXAMPLES", "150"))


@dataclass(frozen=True)
class Ground:
    """Where a fault is tried."""

    folder: Path
    signer: Signer


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Ground:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "file").write_bytes(DATA)
    return Ground(folder, signer)


# What is done while the fault comes


def greet(link: Connection, folder: Path) -> None:
    pass


def command(link: Connection, folder: Path) -> None:
    done = shell.run(link, "cat; echo err >&2; exit 3", data=b"in", timeout=sync.TIMEOUT)
    assert (done.code, done.stdout, done.stderr) == (3, b"in", b"err\n")


def pull(link: Connection, folder: Path) -> None:
    assert b"".join(files.pull(link, f"{folder}/file")) == DATA


def push(link: Connection, folder: Path) -> None:
    target = folder / f"pushed-{threading.get_ident()}"
    files.push(link, DATA, str(target), 0o600)
    assert target.read_bytes() == DATA
    target.unlink()


def several(link: Connection, folder: Path) -> None:
    """Streams side by side; each ends well or with an error."""
    wrong: list[BaseException] = []
    failed: list[PhoneError] = []

    def run(what: Callable[[Connection, Path], None]) -> None:
        try:
            what(link, folder)
        except PhoneError as error:
            failed.append(error)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(what,)) for what in (command, pull, push, pull)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    if failed:
        raise failed[0]


OPERATIONS = {what.__name__: what for what in (greet, command, pull, push, several)}

STYLES: dict[str, dict[str, Any]] = {
    "modern": {},
    "with a key": {"trusted": "ours"},
    "without delayed_ack": {"features": FEATURES - {"delayed_ack"}, "max_payload": 16384},
    "Android 8": {
        "features": FEATURES & {"shell_v2", "cmd"},
        "version": 0x01000000,
        "max_payload": 4096,
    },
    "small segments": {"mss": 100, "max_payload": 65536},
}


@dataclass
class Outcome:
    error: PhoneError | None = None
    took: float = 0.0
    sent: int = 0
    received: int = 0
    happened: list[Fault] = field(default_factory=list)


def attempt(ground: Ground, operation: str, faults: list[Fault], style: str) -> Outcome:
    """Try it, then see that the healed peer works and that nothing is left."""
    with pytest.MonkeyPatch.context() as patch:
        limit, stall = (LIMIT, STALL) if faults else (PATIENCE, PATIENCE)
        patch.setattr(sync, "TIMEOUT", limit)
        patch.setattr(shell, "_OPEN_TIMEOUT", limit)
        patch.setattr(shell, "_KILL_TIMEOUT", limit)
        return _attempt(ground, operation, faults, style, limit, stall)


def _attempt(
    ground: Ground, operation: str, faults: list[Fault], style: str, limit: float, stall: float
) -> Outcome:
    options = dict(STYLES[style])
    if "trusted" in options:
        options["trusted"] = [str(ground.signer.GetPublicKey())]
    before = open_files()
    threads = set(threading.enumerate())
    outcome = Outcome()
    cpu, start = time.process_time(), time.monotonic()
    with Peer(faults=faults, **options) as peer:
        try:
            with connect_tcp(*peer.address, [ground.signer], timeout=limit, stall=stall) as link:
                try:
                    OPERATIONS[operation](link, ground.folder)
                finally:
                    outcome.happened = peer.happened()
                    wires = [session.wire for session in list(peer.sessions)]
                    if wires:
                        outcome.sent, outcome.received = wires[0].sent, wires[0].received
        except PhoneError as error:
            outcome.error = error
        outcome.took = time.monotonic() - start
        spent = time.process_time() - cpu
        peer.faults = []
        with connect_tcp(*peer.address, [ground.signer]) as link:
            assert shell.run(link, "echo healthy").stdout == b"healthy\n"
    assert spent < 0.3 + 0.4 * outcome.took, f"{spent:.2f} s of the processor"
    assert outcome.took < 8 * LIMIT + 2, f"{outcome.took:.2f} s"
    assert set(threading.enumerate()) <= threads
    assert open_files() == before
    return outcome


def open_files() -> list[str]:
    """What this process has open, by kind; sockets have a number that says which."""
    found = []
    for name in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the folder itself
            found.append(f"{name.name} {name.readlink()}")
    return sorted(found)


# Without a fault


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_fault_it_works(ground: Ground, operation: str, style: str) -> None:
    assert attempt(ground, operation, [], style).error is None


# At every packet, and inside


@pytest.mark.parametrize("operation", ["greet", "command", "pull", "push"])
@pytest.mark.parametrize("kind", ["close", "reset", "garbage"])
def test_a_break_at_every_packet(ground: Ground, operation: str, kind: str) -> None:
    style = "with a key" if operation == "greet" else "modern"
    plain = attempt(ground, operation, [], style)
    places = [("out", packet) for packet in range(plain.sent)]
    if kind != "garbage":
        places += [("in", packet) for packet in range(plain.received)]
    for direction, packet in places:
        for byte in (0, 13) if kind == "garbage" else (0, 13, 30):
            fault = Fault(kind, packet, byte, direction)  # type: ignore[arg-type]
            attempt(ground, operation, [fault], style)


@pytest.mark.parametrize(("style", "size"), [("with a key", 44), ("modern", 190)])
def test_a_break_at_every_byte_of_the_greeting(ground: Ground, style: str, size: int) -> None:
    """It begins with the phone's question for a key, or with its own greeting."""
    for byte in range(size):
        assert attempt(ground, "greet", [Fault("close", 0, byte)], style).error is not None


@pytest.mark.parametrize("operation", ["greet", "command"])
def test_a_stall_at_every_packet(ground: Ground, operation: str) -> None:
    style = "with a key" if operation == "greet" else "modern"
    plain = attempt(ground, operation, [], style)
    for packet in range(plain.sent):
        for byte in (0, 20):
            fault = Fault("stall", packet, byte)
            outcome = attempt(ground, operation, [fault], style)
            assert outcome.took < 4 * LIMIT + 1


@pytest.mark.parametrize("operation", ["command", "pull", "push"])
@pytest.mark.parametrize("kind", (*TWISTS, *INSERTS))
def test_a_strange_packet_at_every_place(ground: Ground, operation: str, kind: str) -> None:
    for packet in range(6):
        attempt(ground, operation, [Fault(kind, packet, 5)], "modern")


# What Hypothesis comes up with


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind = draw(st.sampled_from(KINDS))
    packet = draw(st.integers(0, 20))
    byte = draw(st.one_of(st.integers(0, 30), st.integers(0, 70_000)))
    direction = draw(st.sampled_from(["out", "in"])) if kind in BREAKS else "out"
    if kind in ("drip", "bytewise"):
        byte = max(byte, 20)  # a long packet, byte by byte, takes longer than is allowed here
    return Fault(kind, packet, byte, direction)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(
    ordered=st.lists(faults(), min_size=1, max_size=3),
    operation=st.sampled_from(sorted(OPERATIONS)),
    style=st.sampled_from(sorted(STYLES)),
)
def test_any_fault_anywhere(
    ground: Ground, ordered: list[Fault], operation: str, style: str
) -> None:
    if style != "Android 8":  # without checksums, noise in the data can't be told from data
        ordered = [
            Fault(fault.kind, fault.packet, min(fault.byte, 23))
            if fault.kind == "garbage"
            else fault
            for fault in ordered
        ]
    outcome = attempt(ground, operation, ordered, style)
    event(f"{type(outcome.error).__name__ if outcome.error else 'went well'}")
