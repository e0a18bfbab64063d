"""The `host` kind: adbd in a chroot, in mount, process and host-name namespaces of its own.

It shares this computer's kernel, its network and its clock. It has no sound card.
As root it needs nothing; as an ordinary user it runs in a user namespace, for which the system
must allow that, with a range of subordinate uids and a /dev/fuse that this user may open.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.machine import PATH, TZ
from tests.lab.rootfs import build

MOUNTS = Path(__file__).with_name("host_mounts.sh")


class HostMachine:
    """One phone in namespaces of this computer. ``folder`` is its own, empty, and goes with it."""

    kind = "host"

    def __init__(self, *, name: str, port: int, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.address = ("127.0.0.1", port)
        self.adbd = (port, "loopback")
        self.pid = 0
        self._unshare: subprocess.Popen[bytes] | None = None

    def start(self, *, deadline: float) -> None:
        if os.geteuid() != 0:
            _check_user()
        tree = build()
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        command = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child=KILL"]
        command += ["--propagation=private"]
        if os.geteuid() != 0:
            command += ["--user", "--map-root-user", "--map-auto"]
        command += ["sh", str(MOUNTS), str(tree), str(root), self.name]
        log = self.folder / "start.log"
        with log.open("wb") as stderr:
            self._unshare = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # the phone ends with it, and so with this process
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"},
                start_new_session=True,
            )
        try:
            said = self._listen(time.monotonic() + deadline)
        except BaseException:
            self.stop()
            raise
        if said is None:
            reason = log.read_text(errors="replace").strip() or "no reason was given"
            self.stop()
            raise LabError(f"the `host` phone did not start: {reason}", hint=_hint())
        self.pid = said

    def _listen(self, deadline: float) -> int | None:
        """The init's process id once it said "ready"; None when it ended or took too long."""
        assert self._unshare is not None and self._unshare.stdout is not None
        pid, text = 0, b""
        with self._unshare.stdout as stdout, selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"ready\n" not in text:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                part = os.read(stdout.fileno(), 4096)
                if not part:
                    return None
                text += part
            for line in text.decode().splitlines():
                if line.startswith("pid "):
                    pid = int(line[4:])
        return pid

    def stop(self) -> None:
        if self._unshare is not None:
            # The first process of a PID namespace takes all the others with it, and unshare, its
            # parent, ends after it: then they are all gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid or self._unshare.pid, signal.SIGKILL)
            self._unshare.wait()
            if self._unshare.stdin is not None:
                self._unshare.stdin.close()
            self._unshare = None
        self.pid = 0

    def run(
        self,
        script: str,
        *,
        input: bytes,  # noqa: A002
        timeout: float,
    ) -> subprocess.CompletedProcess[bytes]:
        return run_in(self.pid, script, input=input, timeout=timeout)

    def mixer(self) -> dict[str, str]:
        return {}

    def note(self) -> dict[str, object]:
        return {"pid": self.pid}


def run_in(
    pid: int,
    script: str,
    *,
    input: bytes,  # noqa: A002
    timeout: float,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a script as root in the namespaces of process ``pid``."""
    command = [shutil.which("nsenter") or "nsenter", f"--target={pid}"]
    command += ["--mount", "--pid", "--uts", "--root", "--wd"]
    if os.geteuid() != 0:
        command += ["--user"]
    command += ["/lab/bin/within", f"{timeout:.3f}", "/system/bin/sh", "-c", script]
    environment = {
        "PATH": PATH,
        "HOME": "/",
        "TZ": TZ,
        "ANDROID_ROOT": "/system",
        "ANDROID_DATA": "/data",
        "TMPDIR": "/data/local/tmp",
    }
    return subprocess.run(command, input=input, capture_output=True, env=environment, check=False)


def _check_user() -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    if shutil.which("newuidmap") is None:
        raise LabError("newuidmap is not installed", hint="apt-get install uidmap")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise LabError(
            f"{name} may not open /dev/fuse, which a lab phone needs for its /sdcard",
            hint="chmod 0666 /dev/fuse as root (most systems have it so), or run as root",
        )


def _hint() -> str | None:
    if os.geteuid() == 0:
        return (
            "it needs mounts and namespaces: a container may have to be started with them, and "
            "the folder of a chroot has to be a mount point (mount --bind DIR DIR)"
        )
    return (
        "it needs user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian before 11), "
        "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), and a range for you in "
        "/etc/subuid and /etc/subgid; or run as root"
    )
