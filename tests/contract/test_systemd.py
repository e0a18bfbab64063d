"""`offhook service` under a real systemd: a user manager of its own, the real program, a lab phone.

What is asked of the unit is asked of the running service: what it may write, when it is ready,
what becomes of it when it hangs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import BusyError
from tests.faults.memory import wav
from tests.lab.phone import LabPhone
from tests.lab.systemd import UserManager
from tests.offhook import PROGRAM, Offhook, wait_until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="a systemd of its own needs root: only root can give it a cgroup"
)
UNIT = "offhook.service"
FOLDER = "/data/media/0/Recordings"


@pytest.fixture(scope="module")
def systemd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserManager]:
    manager = UserManager(tmp_path_factory.mktemp("user"))
    manager.start()
    yield manager
    manager.stop()


class Service:
    """The service of one home, which :meth:`install` makes."""

    def __init__(self, systemd: UserManager, offhook: Offhook) -> None:
        self.systemd, self.offhook = systemd, offhook
        self.log = offhook.home.parent / "log"
        self.inbox = offhook.home.parent / "in" / "box"

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``offhook service WORDS``, as this home's user."""
        env = {k: v for k, v in self.offhook.env.items() if k.startswith(("OFFHOOK", "ANDROID"))}
        return self.systemd.run(PROGRAM, "service", *words, env=env, check=check)

    def settings(self, text: str) -> None:
        """Make the home, with an inbox that is outside of it and not there yet."""
        self.offhook.home.mkdir()
        inbox = f'[inbox]\nfolder = "{self.inbox}"\nafter = "move"\n'
        (self.offhook.home / "offhook.toml").write_text(text + inbox)

    def install_and_try(self) -> list[str]:
        """Install it, and say which of some folders it may write to."""
        home = self.offhook.home
        tries = "; ".join(
            f"touch {folder}/offhook-tried && rm {folder}/offhook-tried && echo {folder} >&3"
            for folder in ("/etc", "/tmp", "/var/tmp", "/srv", home)
        )
        self.change(f"ExecStartPre=-/bin/sh -c 'exec 3> {home}/may; {tries}'")
        self.command("install")
        return (home / "may").read_text().split()

    def control(self, *words: str) -> str:
        """``systemctl --user WORDS``."""
        return self.systemd.run("systemctl", "--user", *words).stdout

    def change(self, *lines: str) -> None:
        """Change the unit by a drop-in, as `systemctl --user edit` does."""
        folder = self.systemd.config / "systemd" / "user" / f"{UNIT}.d"
        folder.mkdir(parents=True, exist_ok=True)
        text = "\n".join(["[Service]", f"StandardOutput=append:{self.log}", *lines, ""])
        (folder / "test.conf").write_text(text)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def state(self) -> list[str]:
        return self.systemd.shown(UNIT, "ActiveState", "Result", "ExecMainStatus")

    @property
    def main(self) -> str:
        """The process id of the watch, as the manager's user counts."""
        return self.systemd.shown(UNIT, "MainPID")[0]


@pytest.fixture
def service(systemd: UserManager, tmp_path: Path) -> Iterator[Service]:
    made = Service(systemd, Offhook(tmp_path / "home"))
    made.change()
    yield made
    made.command("uninstall")
    dropin = systemd.config / "systemd" / "user" / f"{UNIT}.d" / "test.conf"
    dropin.unlink()
    dropin.parent.rmdir()


def test_it_runs_from_login_on_and_uninstalled_nothing_is_left(service: Service) -> None:
    before = set(service.systemd.config.rglob("*"))
    service.command("install")  # there is no home yet
    assert service.state == ["active", "success", "0"]
    assert service.systemd.shown(UNIT, "StatusText") == ["watching 0 phones"]
    service.control("stop", UNIT)
    assert service.state == ["inactive", "success", "0"]
    service.control("start", "default.target")  # what a login does
    wait_until(lambda: service.state[0] == "active", 90)
    service.command("uninstall")
    assert service.systemd.shown(UNIT, "ActiveState", "UnitFileState") == ["inactive", ""]
    assert set(service.systemd.config.rglob("*")) == before


def test_it_is_active_once_it_watches_and_not_before(service: Service) -> None:
    service.offhook.home.mkdir()
    service.command("install")
    service.control("stop", UNIT)
    held = service.offhook.home / "held"
    os.mkfifo(held)
    service.change(
        f"ExecStart=\nExecStart=/bin/sh -c 'read x <{held}; exec {PROGRAM} watch --stay'"
    )
    service.control("daemon-reload")
    service.control("start", "--no-block", UNIT)
    wait_until(lambda: service.main != "0", 90)
    assert service.state[0] == "activating"
    held.write_text("go\n")
    wait_until(lambda: service.state[0] == "active", 90)


def test_one_that_hangs_is_started_again(service: Service) -> None:
    service.change("WatchdogSec=3", "RestartSec=0")
    service.command("install")
    hung = service.main
    service.control("kill", "--signal=STOP", UNIT)
    wait_until(lambda: service.systemd.shown(UNIT, "NRestarts") == ["1"], 90)
    wait_until(lambda: service.state[0] == "active", 90)
    assert service.main not in (hung, "0")


def test_reload_reads_the_settings_again(service: Service) -> None:
    service.command("install")
    assert "read again" not in service.said()
    service.control("reload", UNIT)
    wait_until(lambda: "read again" in service.said(), 90)
    assert service.state[0] == "active"


def test_what_the_unit_forbids_is_no_hindrance(service: Service, lab: LabPhone) -> None:
    offhook = service.offhook
    service.settings('[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n')
    offhook.good("connect", "{}:{}".format(*lab.address))
    lab.root(f"rm -rf {FOLDER}; mkdir -p {FOLDER}; chown 2000:1023 {FOLDER}; chmod 777 {FOLDER}")
    assert service.install_and_try() == ["/tmp", "/var/tmp", str(offhook.home)]
    lab.root(f"head -c 20000 /dev/urandom > {FOLDER}/a.wav; chmod a+r {FOLDER}/*")
    wait_until(lambda: "recorded, ?" in service.said(), 90)
    (service.inbox / "b.wav").write_bytes(wav(1))
    wait_until(lambda: (service.inbox / ".filed" / "b.wav").exists(), 90)
    service.control("stop", UNIT)
    assert service.state == ["inactive", "success", "0"]
    assert {row["source"] for row in offhook.rows()} == {"shared", "inbox"}


def test_a_command_of_the_users_may_write_anywhere_but_to_the_system(service: Service) -> None:
    ran = service.offhook.home.parent / "ran"
    service.settings(f"""[hooks]\non_recording = "sh -c 'cat >> {ran}'"\n""")
    assert service.install_and_try() == ["/tmp", "/var/tmp", "/srv", str(service.offhook.home)]
    (service.inbox / "b.wav").write_bytes(wav(1))
    wait_until(lambda: ran.exists() and "b.wav" in ran.read_text(), 90)


def test_beside_a_watch_at_a_terminal_it_is_not_installed(service: Service) -> None:
    home = service.offhook.home
    begin = ("systemd-run", "--user", "--collect", "--unit=other", f"--setenv=OFFHOOK_HOME={home}")
    service.systemd.run(*begin, PROGRAM, "watch", "--stay")
    lock = home / "offhook.lock"
    wait_until(lambda: lock.exists() and "watch" in lock.read_text(), 90)
    ran = service.command("install", check=False)
    service.control("stop", "other")
    assert ran.returncode == BusyError.exit_code
    assert "`watch` works on this home's archive" in ran.stderr
    assert "There is no service" in service.command("uninstall").stdout
