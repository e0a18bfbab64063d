"""The lab phone: the nearest thing to a handset that Debian's packages can make.

    with LabPhone() as phone:                  # or LabPhone(kind="vm", profile="sm8250")
        adb.connect(*phone.address)
        played = phone.call(number="+491701234567", direction="in", active=2)
        phone.root("ls -l /data/data")         # the examiner's eye: root, and not over adb

All that an examiner does (``root``, ``su``, ``snapshot``) goes past adb, so it neither helps nor
disturbs what is being tested.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from tests.lab import registry, wire
from tests.lab import snapshot as shots
from tests.lab.calls import Call, OngoingCall, PlayedCall
from tests.lab.elsewhere import Elsewhere
from tests.lab.errors import LabError
from tests.lab.host import HostMachine
from tests.lab.profiles import Profile, profile

if TYPE_CHECKING:
    from tests.lab.machine import Machine

KINDS = ("host", "vm")


class CallWords(TypedDict, total=False):
    """The words of a ``Call``, for those who type ``phone.call(...)``."""

    number: str
    contact: str
    direction: str
    sim: int
    presentation: str
    outcome: str
    ring: float
    active: float
    hold: float
    resume: float
    second: float
    second_number: str
    second_contact: str
    merge: float
    back: float
    takeover: bool
    app: str
    managed: bool
    dialled: bool
    log_delay: float
    logged: bool


class LabPhone:
    """One phone. A context manager: ``start`` on the way in, ``stop`` on the way out.

    ``port`` and ``serial`` are chosen free where they are not given.
    """

    def __init__(
        self,
        kind: str = "host",
        profile: str = "plain",
        *,
        serial: str | None = None,
        port: int | None = None,
        deadline: float | None = None,
    ) -> None:
        if kind not in KINDS:
            raise LabError(
                f"no kind of lab phone is called {kind!r}; there are: {', '.join(KINDS)}"
            )
        self.kind = kind
        self.profile = profile
        self.serial = serial or f"LAB{secrets.token_hex(4).upper()}"
        self.deadline = deadline if deadline is not None else (20.0 if kind == "host" else 240.0)
        """Seconds that a start may take."""
        self._wanted_port = port
        self._claim: registry.Claim | None = None
        self._machine: Machine | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def machine(self) -> Machine:
        if self._machine is None:
            raise LabError(f"the lab phone {self.serial} is not running")
        return self._machine

    @property
    def address(self) -> tuple[str, int]:
        """Where its adbd answers: ``("127.0.0.1", port)``."""
        return self.machine.address

    @classmethod
    def attach(cls, serial: str | None = None) -> Self:
        """A phone that another process runs; without a serial, the only one there is.

        All but ``start`` and ``stop`` works on it.
        """
        note = registry.find(serial)
        phone = cls(str(note["kind"]), str(note["profile"]), serial=str(note["serial"]))
        phone._machine = Elsewhere(note)
        return phone

    # -- power ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when its adbd answers; raises LabError, with nothing left behind, if not."""
        known = profile(self.profile)
        self._claim = registry.Claim(self.serial, self._wanted_port)
        try:
            self._machine = self._make_machine(self._claim)
            self._machine.start(deadline=self.deadline)
            self._provision(known)
            self.start_adbd()
            self._claim.write(
                {
                    "serial": self.serial,
                    "kind": self.kind,
                    "profile": self.profile,
                    "port": self.address[1],
                    "adbd": "{} {}".format(*self._machine.adbd),
                    "starter": os.getpid(),
                    **self._machine.note(),
                }
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every process of the phone and removes its folder. Harmless when called twice."""
        if self._machine is not None:
            self._machine.stop()
            self._machine = None
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _make_machine(self, claim: registry.Claim) -> Machine:
        if self.kind == "vm":
            from tests.lab.vm import VmMachine  # QEMU only where it is asked for

            return VmMachine(
                name=self.serial, port=claim.port, folder=claim.folder, profile=self.profile
            )
        return HostMachine(name=self.serial, port=claim.port, folder=claim.folder)

    def _provision(self, known: Profile) -> None:
        files = known.state(self.serial)
        sizes = " ".join(f"{name}={len(lines)}" for name, lines in files.items())
        text = "".join(f"{line}\n" for lines in files.values() for line in lines)
        self.root(f"/lab/bin/provision {sizes}", input=text.encode())
        self.su(known.su)

    # -- the examiner's eye --------------------------------------------------------------------

    def root(self, script: str, *, input: bytes = b"", timeout: float = 30) -> str:  # noqa: A002
        """What ``script`` (for mksh) prints, run as root in the phone, not over adb.

        Raises LabError when it exits other than 0, or runs longer than ``timeout`` seconds.
        Whatever it leaves running must not keep standard output.
        """
        done = self.machine.run(script, input=input, timeout=timeout)
        if done.returncode == 124:
            raise LabError(f"as root on {self.serial}: not done in {timeout:.0f} s\n  {script}")
        if done.returncode != 0:
            said = done.stderr.decode(errors="backslashreplace").strip()
            raise LabError(f"as root on {self.serial}: exit {done.returncode}: {said}\n  {script}")
        return done.stdout.decode(errors="surrogateescape")

    def su(self, mode: str) -> None:
        """How ``su`` answers from now on.

        Words, of which several may stand together: ``grant``, ``deny``, ``absent`` (the file is
        really not there), ``slow N`` (seconds), ``banner``, ``kernelsu``, ``aosp``.
        """
        words = mode.split()
        known = {"grant", "deny", "absent", "slow", "banner", "kernelsu", "aosp"}
        if not words or not all(w in known or w.replace(".", "", 1).isdigit() for w in words):
            raise LabError(f"su knows no mode {mode!r}")
        self.root(f"/lab/bin/su-mode {' '.join(words)}")

    def snapshot(self) -> shots.Snapshot:
        """Everything on the phone that could differ; ``tests.lab.snapshot`` says what."""
        return shots.take(self.root, self.machine.mixer())

    @staticmethod
    def diff(before: shots.Snapshot, after: shots.Snapshot) -> list[str]:
        """What differs between two snapshots, a line each."""
        return shots.diff(before, after)

    def changes(self, before: shots.Snapshot) -> list[str]:
        """What differs from a snapshot now. Processes have ten seconds to be the same: the shell
        of a command that has just ended may not know it yet."""
        end = time.monotonic() + 10
        while True:
            left = shots.diff(before, self.snapshot())
            unrest = any(line.startswith("processes:") for line in left)
            if not unrest or time.monotonic() > end:
                return left

    @contextmanager
    def without_notifications(self) -> Iterator[None]:
        """Meanwhile every ``cmd`` on the phone fails."""
        self.root("mount --bind /system/bin/false /system/bin/cmd")
        try:
            yield
        finally:
            self.root("umount -l /system/bin/cmd")  # lazily: somebody may just be calling it

    # -- calls ---------------------------------------------------------------------------------

    def call(self, **what: Unpack[CallWords]) -> PlayedCall:
        """Plays a call, to its row in the call log. The words are those of ``Call``."""
        return self.start_call(**what).wait()

    def start_call(self, **what: Unpack[CallWords]) -> OngoingCall:
        """Begins a call, and returns while it rings; ``wait()`` for it."""
        return OngoingCall(self.root, Call(**what))

    # -- the link ------------------------------------------------------------------------------

    def start_adbd(self) -> None:
        """Starts adbd, and returns when it answers."""
        port, where = self.machine.adbd
        log = "/lab/state/run/adbd.log"
        self.root(f"setsid /lab/bin/adbd-up {port} {where} </dev/null >>{log} 2>&1 &")
        wire.wait_for(self.address, self.deadline)

    def kill_adbd(self) -> None:
        """Kills adbd as a crash would. Shells that it started learn of it from their pipes."""
        self.root(
            "kill -KILL $(pgrep -x adbd); while pgrep -x adbd >/dev/null; do usleep 5000; done"
        )

    def unplug(self) -> None:
        """Pulls the cable: every connection is reset in mid-stream, and none can be made."""
        port, _ = self.machine.adbd
        # One signal after another may be handled by two threads at once, and the first one last:
        # whoever plugs in would find it unplugged for good.
        listens = f"grep -qE ':{port:04X} [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6"
        self.root(f"kill -USR1 $(pgrep -x adbd); while {listens} 2>/dev/null; do usleep 2000; done")

    def freeze(self) -> None:
        """Stops adbd in its tracks: connections stay open, and nothing comes any more."""
        self.root("kill -STOP $(pgrep -x adbd)")

    def thaw(self) -> None:
        """Lets a frozen adbd go on."""
        self.root("kill -CONT $(pgrep -x adbd)")

    def plug(self) -> None:
        """Plugs the cable in again, and returns when adbd answers."""
        self.root("kill -USR2 $(pgrep -x adbd)")
        wire.wait_for(self.address, self.deadline)
