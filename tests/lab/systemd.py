"""A real systemd user manager, with a runtime folder, a home and a cgroup of its own.

It needs root: an ordinary user has no cgroup to give, but in a session of systemd's. So its manager
is root's, and can do all that a unit asks of the file system.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

SCRIPT = Path(__file__).with_suffix(".sh")


class UserManager:
    """A manager from :meth:`start` to :meth:`stop`. ``folder`` becomes the home of its user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / ".config"
        self.env = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(self.config),
            "XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}",
            "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
            "LC_ALL": "C",
        }
        self._pid = 0
        self._outer: subprocess.Popen[bytes] | None = None

    def start(self, *, deadline: float = 60.0) -> None:
        """Start it; OSError with its own words where it does not."""
        command = ["unshare", "--mount", "--cgroup", "--propagation=private"]
        command += ["sh", str(SCRIPT), str(self.folder)]
        with (self.folder / "start.log").open("wb") as stderr:
            self._outer = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # it ends with it, and so with this process
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self.env,
                start_new_session=True,
            )
        said = self._listen(time.monotonic() + deadline)
        if not said.endswith(b"ready\n"):
            self.stop()
            words = [
                path.read_text(errors="replace")
                for name in ("start.log", "systemd.log")
                if (path := self.folder / name).exists()
            ]
            raise OSError("no systemd user manager: " + " ".join(words).strip())
        self._pid = int(said.split()[0])

    def _listen(self, deadline: float) -> bytes:
        assert self._outer is not None and self._outer.stdout is not None
        text = b""
        with self._outer.stdout as stdout, selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not text.endswith(b"ready\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    break
                part = os.read(stdout.fileno(), 4096)
                if not part:
                    break
                text += part
        return text

    def stop(self) -> None:
        """End it, and all that it has started; nothing of it is left but ``folder``."""
        if self._outer is None:
            return
        assert self._outer.stdin is not None
        self._outer.stdin.close()
        self._outer.wait()
        self._outer = None

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the manager's user would, with ``env`` besides."""
        enter = [shutil.which("nsenter") or "nsenter", f"--target={self._pid}"]
        # --root: who lives in a chroot would else be out of it.
        enter += ["--mount", "--pid", "--cgroup", "--root", "--wd"]
        done = subprocess.run(
            [*enter, *words],
            env={**(env or {}), **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def shown(self, unit: str, *properties: str) -> list[str]:
        """What ``systemctl show`` says of a unit's properties, in their order."""
        said = self.run("systemctl", "--user", "show", unit, "--property", ",".join(properties))
        lines = dict(line.split("=", 1) for line in said.stdout.splitlines())
        return [lines[name] for name in properties]
