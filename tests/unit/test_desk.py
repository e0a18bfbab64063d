"""What watch has to do with the desktop: settings, the service's unit, hooks, notices."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.archive import Archive
from agent.cli import serving
from agent.cli.common import App
from agent.cli.desktop import Desktop
from agent.config import home_dir, load_config
from agent.desk import unit
from agent.desk.hook import Hooks
from agent.desk.manager import Manager
from agent.desk.notices import NO_PROGRAM, Notices, command_of
from agent.desk.settings import HookSetting, NotifySetting
from agent.errors import ConfigError, OffhookError, UsageError
from agent.sync.events import WatchEvent
from tests.offhook import wait_until

# Settings


def config(home: Path, text: str) -> Any:
    home.mkdir(exist_ok=True)
    (home / "offhook.toml").write_text(text)
    return load_config(home).desk


def test_nothing_is_on_unless_it_is_set(tmp_path: Path) -> None:
    desk = config(tmp_path, "")
    assert desk.inbox is None
    assert not desk.notify.any
    assert desk.hook.on_recording == ()


def test_an_inbox_is_beside_the_archive_in_home_or_anywhere(tmp_path: Path) -> None:
    text = (
        '[inbox]\nfolder = "in"\nafter = "move"\nphone = "desk"\nzone = "+02:00"\nregion = "CH"\n'
    )
    inbox = config(tmp_path, text).inbox
    assert (inbox.folder, inbox.after, inbox.phone) == (tmp_path / "in", "move", "desk")
    assert config(tmp_path, '[inbox]\nfolder = "/srv/in"\n').inbox.folder == Path("/srv/in")
    assert config(tmp_path, '[inbox]\nfolder = "~/in"\n').inbox.folder == Path.home() / "in"


def test_a_command_is_words(tmp_path: Path) -> None:
    hook = config(tmp_path, """[hooks]\non_recording = "a 'b c' $D; e"\n""").hook
    assert hook.on_recording == ("a", "b c", "$D;", "e")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[inbox]\nfolder = "archive/in"\n', "archive"),
        ('[inbox]\nfolder = "."\n', "has the archive in it"),
        ('[inbox]\nfolder = ""\n', "not a folder"),
        ('[inbox]\nfolder = "~nobody-of-this-name/in"\n', "[inbox] folder"),
        ('[inbox]\nfolder = "in\\u0000"\n', "[inbox] folder"),
        ('[inbox]\nfolder = "in"\nafter = "burn"\n', "keep or move"),
        ('[inbox]\nzone = "Mars"\n', "not a time zone"),
        ('[inbox]\nregion = "XX"\n', "two letters"),
        ('[inbox]\nfoldr = "in"\n', "'foldr' is not a setting"),
        ("inbox = 1\n", "[inbox]"),
        ("[notify]\nrecorded = 1\n", "true or false"),
        ("[notify]\ngone_min = -1\n", "0 to"),
        ('[hooks]\non_recording = "a \'b"\n', "a command"),
        ('[hooks]\non_recording = " "\n', "a command"),
        ("[hooks]\ntimeout_s = 0\n", "1 to 3600"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, text)
    assert said in caught.value.message


def test_an_inbox_is_not_in_an_archive_that_is_a_link(tmp_path: Path) -> None:
    """What is filed would lie in the inbox, and be moved away from there."""
    home = tmp_path / "home"
    for folder in (home, tmp_path / "disk/archive"):
        folder.mkdir(parents=True)
    (home / "archive").symlink_to(tmp_path / "disk/archive")
    for inbox in ("disk", "disk/archive", "disk/archive/in"):
        with pytest.raises(ConfigError) as caught:
            config(home, f'[inbox]\nfolder = "{tmp_path}/{inbox}"\n')
        assert "archive" in caught.value.message


def test_a_home_of_nobody_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        home_dir(Path("~nobody-of-this-name/offhook"))
    assert "nobody-of-this-name" in caught.value.message


# The service manager


def test_without_a_manager_nothing_is_said() -> None:
    manager = Manager({})
    manager.ready("x")
    assert manager.watchdog_s is None
    Manager({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready("x")
    Manager({"NOTIFY_SOCKET": "relative"}).ready("x")


def test_an_abstract_socket_is_spoken_to(tmp_path: Path) -> None:
    name = f"offhook-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind("\0" + name)
        Manager({"NOTIFY_SOCKET": "@" + name}).stopping()
        there.settimeout(10)
        assert there.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(
    said: dict[str, str], seconds: float | None
) -> None:
    assert Manager(said).watchdog_s == seconds


# The unit

ODD = Path("/home/me/a b%c$d\"e'f\\g")


def test_the_unit_stands_up_to_systemds_own_check(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None, "make test installs it"
    for number, runs_hook in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = unit.systemd_unit(
            [sys.executable, "-c", "odd $words %h", 'a "b"'],
            ODD,
            {"PATH": "/bin:/odd dir", "ADB_VENDOR_KEYS": "/k"},
            [ODD / "keys", Path("/srv/in")],
            runs_hook=runs_hook,
        )
        path = folder / "offhook.service"
        path.write_text(text)
        done = subprocess.run(
            [analyze, "verify", "--user", str(path)],
            env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        # A computer without a system bus is none of the unit's faults.
        said = [line for line in done.stderr.splitlines() if "system bus" not in line]
        assert (done.returncode, said) == (0, [])
        path.write_text(text.replace("WatchdogSec", "WatchdogSecs"))
        done = subprocess.run(
            [analyze, "verify", "--user", str(path)],
            env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "WatchdogSecs" in done.stderr, "the check can fail"


def test_the_unit_hides_what_it_can_and_keeps_what_the_work_needs() -> None:
    def lines(**known: Any) -> list[str]:
        return unit.systemd_unit(["/x/offhook", "watch"], Path("/h"), {}, **known).splitlines()

    usual = lines(writable=[Path("/k")])
    for line in (
        "Type=notify",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        "ReadWritePaths=/h",
        "ReadWritePaths=-/k",
        "LimitCORE=0",
        "ExecStart=/x/offhook watch",
        "Environment=OFFHOOK_HOME=/h",
    ):
        assert line in usual
    for line in ("PrivateTmp", "PrivateDevices", "CapabilityBoundingSet", "PrivateNetwork"):
        assert not [one for one in usual if one.startswith(line)]
    assert "ProtectHome=read-only" not in lines(runs_hook=True)


def test_words_of_a_unit_say_what_was_meant() -> None:
    text = unit.systemd_unit(["/a b/x", "$HOME", "50%", "q'\""], ODD, {})
    assert 'ExecStart="/a b/x" "$$HOME" 50%% "q\'\\""' in text
    assert 'Environment="OFFHOOK_HOME=/home/me/a b%%c$d\\"e\'f\\\\g"' in text


def test_a_mac_gets_a_property_list() -> None:
    said = plistlib.loads(unit.launchd_plist(["/x/offhook", "watch"], ODD, {"PATH": "/bin"}))
    assert said["ProgramArguments"] == ["/x/offhook", "watch"]
    assert said["EnvironmentVariables"] == {"OFFHOOK_HOME": str(ODD), "PATH": "/bin"}
    assert said["Umask"] == 0o077


# Install, status, uninstall


class Systemd:
    """A systemctl that notes what it is told, and refuses what ``refuses`` names."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.refuse("nothing")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        monkeypatch.setattr(unit, "runs_systemd", lambda: True)

    def refuse(self, word: str, said: str = "no such job") -> None:
        program = self.folder / "systemctl"
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {self.log}\n'
            f'case "$*" in *{word}*) echo "{said}" >&2; exit 1;; *is-active*) echo active;; esac\n'
        )
        program.chmod(0o755)

    @property
    def told(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def left(self) -> list[Path]:
        return [path for path in (self.folder / "config").rglob("*") if path.is_file()]


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    folder = tmp_path / "systemd"
    folder.mkdir()
    return Systemd(folder, monkeypatch)


def run(home: Path, *words: str) -> Result:
    app = App(home=home)
    result = CliRunner().invoke(serving.service, list(words), obj=app, standalone_mode=False)
    if isinstance(result.exception, OffhookError):
        raise result.exception
    assert result.exception is None, result.output
    return result


def test_installed_it_runs_and_uninstalled_nothing_is_left(
    systemd: Systemd, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert "not installed" in run(home, "status").output
    assert "would write" in run(home, "install", "--dry-run").output
    printed = run(home, "install", "--print").output
    assert (systemd.told, systemd.left) == ([], [])
    run(home, "install")
    assert systemd.told == [
        "--user daemon-reload",
        "--user enable offhook.service",
        "--user restart offhook.service",
    ]
    (file,) = systemd.left
    assert file == systemd.folder / "config/systemd/user/offhook.service"
    assert file.read_text() == printed
    assert "active" in run(home, "status").output
    (home / "offhook.toml").write_text('[inbox]\nfolder = "/srv/in"\n')
    assert "renews it" in run(home, "status").output
    run(home, "install")
    assert "ReadWritePaths=-/srv/in" in file.read_text()
    assert "would remove" in run(home, "uninstall", "--dry-run").output
    assert file.exists()
    run(home, "uninstall")
    assert systemd.told[-2:] == ["--user disable --now offhook.service", "--user daemon-reload"]
    assert systemd.left == []
    assert "There is no service" in run(home, "uninstall").output


def test_as_json_each_command_of_the_service_is_one_document(
    systemd: Systemd, tmp_path: Path
) -> None:
    def said(*words: str) -> dict[str, Any]:
        app = App(home=tmp_path / "home")
        result = CliRunner().invoke(
            serving.service, [*words, "--json"], obj=app, standalone_mode=False
        )
        assert result.exception is None, result.output
        assert result.stderr == ""
        told = json.loads(result.stdout)
        assert (told.pop("manager"), told.pop("file")) == ("systemd", str(file))
        return dict(told)

    file = systemd.folder / "config/systemd/user/offhook.service"
    none = {"installed": False, "current": False, "active": "no", "archive": None}
    assert said("status") == none
    text = said("install", "--print")
    would = said("install", "--dry-run")
    assert would["dry_run"] is True
    assert would["runs"][-1] == ["systemctl", "--user", "restart", "offhook.service"]
    assert not file.exists()
    there = {"installed": True, "current": True, "active": "active", "archive": None}
    assert said("install") == said("status") == there
    assert text == {"text": file.read_text()}
    would = said("uninstall", "--dry-run")
    assert would == {
        "dry_run": True,
        "runs": [["systemctl", "--user", "disable", "--now", "offhook.service"]],
    }
    own = file.with_name("offhook.service.d")
    own.mkdir()
    assert said("uninstall") == none | {"removed": True, "kept": str(own)}
    own.rmdir()
    assert said("uninstall") == none | {"removed": False, "kept": None}


def test_an_archive_that_is_a_link_can_be_written_by_the_service(
    systemd: Systemd, tmp_path: Path
) -> None:
    assert f"ReadWritePaths=-{tmp_path}/disk" not in run(tmp_path, "install", "--print").output
    (tmp_path / "archive").symlink_to(tmp_path / "disk")
    assert f"ReadWritePaths=-{tmp_path}/disk" in run(tmp_path, "install", "--print").output


def test_settings_with_a_mistake_hide_no_service_and_keep_none(
    systemd: Systemd, tmp_path: Path
) -> None:
    run(tmp_path, "install")
    (tmp_path / "offhook.toml").write_text("[inbox\n")
    app = App(home=tmp_path, json=True)
    result = CliRunner().invoke(serving.service, ["status"], obj=app, standalone_mode=False)
    assert isinstance(result.exception, ConfigError)
    said = json.loads(result.output)
    assert (said["installed"], said["active"], said["current"]) == (True, "active", None)
    run(tmp_path, "uninstall")
    assert systemd.left == []


def test_a_service_that_can_not_be_installed_leaves_nothing(
    systemd: Systemd, tmp_path: Path
) -> None:
    systemd.refuse("restart")
    with pytest.raises(serving.ServiceError) as caught:
        run(tmp_path, "install")
    assert "no such job" in caught.value.message
    assert "journalctl" in (caught.value.hint or "")
    assert systemd.left == []


def test_without_a_session_it_says_so(systemd: Systemd, tmp_path: Path) -> None:
    systemd.refuse("--user", "Failed to connect to bus: No medium found")
    with pytest.raises(serving.ServiceError) as caught:
        run(tmp_path, "install")
    assert "log in as yourself" in (caught.value.hint or "")
    assert systemd.left == []


def test_a_mac_takes_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """launchd refuses a second one of a name, so the first has to go before."""
    log, there = tmp_path / "log", tmp_path / "there"
    program = tmp_path / "launchctl"
    program.write_text(
        f'#!/bin/sh\necho "$1" >> {log}\n'
        f"case $1 in bootstrap) [ ! -e {there} ] && touch {there};; bootout) rm {there};; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    home = tmp_path / "home"
    run(home, "install")
    run(home, "install")
    assert log.read_text().split() == ["bootstrap", "bootout", "bootstrap"]
    assert home.is_dir()  # launchd writes its log there from the beginning


def test_without_systemd_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "runs_systemd", lambda: False)
    with pytest.raises(UsageError) as caught:
        run(tmp_path, "install")
    assert "offhook watch --stay" in (caught.value.hint or "")
    assert "Type=notify" in run(tmp_path, "install", "--print").output
    monkeypatch.setattr(sys, "platform", "sunos5")
    with pytest.raises(UsageError):
        run(tmp_path, "status")


# Hooks


@pytest.fixture
def hooks(tmp_path: Path) -> Any:
    made: list[Hooks] = []
    told: list[str] = []

    def make(command: list[str], timeout_s: int = 60) -> tuple[Hooks, list[str]]:
        made.append(Hooks(HookSetting(tuple(command), timeout_s), tmp_path, told.append))
        made[-1].start()
        return made[-1], told

    yield make
    for one in made:
        one.stop()


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(
    hooks: Callable[..., tuple[Hooks, list[str]]], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    hook, told = hooks(["sh", "-c", f"sleep 600 & echo $! > {pid}; wait"], 1)
    hook.recorded({"id": 7})
    wait_until(lambda: bool(told), 60)
    assert told == ["the command for recording 7 failed: it was ended: over 1 s"]
    child = int(pid.read_text())
    wait_until(lambda: not _runs(child), 30)


def _runs(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_a_command_that_is_not_there_or_reads_nothing_is_no_matter(
    hooks: Callable[..., tuple[Hooks, list[str]]], tmp_path: Path
) -> None:
    hook, told = hooks(["/nowhere/at/all"])
    hook.recorded({"id": 1})
    wait_until(lambda: bool(told), 60)
    assert "no such file" in told[0]
    done = tmp_path / "done"
    deaf, _ = hooks(["sh", "-c", f"exec <&-; echo > {done}"])
    deaf.recorded({"id": 2, "much": "x" * 1_000_000})
    wait_until(done.exists, 60)
    deaf.recorded({"id": 3})
    wait_until(lambda: "recording 3" in (tmp_path / "hooks.log").read_text(), 60)
    assert len(told) == 1
    assert (tmp_path / "hooks.log").stat().st_mode & 0o777 == 0o600


def test_a_command_that_runs_does_not_hold_up_the_end(
    hooks: Callable[..., tuple[Hooks, list[str]]], tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    hook, told = hooks(["sh", "-c", f"echo > {begun}; exec sleep 600"])
    hook.recorded({"id": 1})
    wait_until(begun.exists, 60)
    hook.stop()
    assert told == ["the command for recording 1 failed: it was ended: Offhook ended"]


def test_other_settings_end_no_command_that_runs_and_drop_none_that_waits(
    hooks: Callable[..., tuple[Hooks, list[str]]], tmp_path: Path
) -> None:
    begun, go, done = tmp_path / "begun", tmp_path / "go", tmp_path / "done"
    hook, told = hooks(
        ["sh", "-c", f"touch {begun}; until [ -e {go} ]; do sleep 0.05; done; echo 1 >> {done}"]
    )
    hook.recorded({"id": 1})
    hook.recorded({"id": 2})
    wait_until(begun.exists, 60)
    hook.reconfigure(HookSetting(("sh", "-c", f"echo 2 >> {done}")))
    go.touch()
    wait_until(lambda: done.exists() and done.read_text() == "1\n2\n", 60)
    assert told == []


def test_what_the_command_was_not_begun_for_is_told_at_the_end(
    hooks: Callable[..., tuple[Hooks, list[str]]], tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    hook, told = hooks(["sh", "-c", f"echo > {begun}; exec sleep 600"])
    for number in (1, 2, 3):
        hook.recorded({"id": number})
    wait_until(begun.exists, 60)
    hook.stop()
    assert told[1:] == ["Offhook ended before the command for recordings 2, 3 was begun"]


def test_a_command_that_prints_without_end_does_not_fill_the_disk(
    hooks: Callable[..., tuple[Hooks, list[str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.desk.hook._MOST_OF_ONE", 1000)
    small = "[ $(wc -c < hooks.log) -lt 1000 ]"
    hook, told = hooks(
        ["sh", "-c", f"head -c 9999 /dev/zero; until {small}; do sleep 0.05; done; echo the end"]
    )
    hook.recorded({"id": 1})
    log = tmp_path / "hooks.log"
    wait_until(lambda: log.exists() and log.read_text().endswith("the end\n"), 60)
    assert log.stat().st_size < 1000
    assert told == []


# Notices


def test_a_phone_that_is_away_for_long_is_told_once_and_not_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, shown = [0.0], []
    monkeypatch.setattr("agent.cli.desktop.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(Notices, "show", lambda _, title, body: shown.append((title, body)))
    config(tmp_path, "[notify]\ngone_min = 30\n")

    def later(minutes: float) -> None:
        now[0] += minutes * 60
        desktop.turn()

    with Archive(tmp_path) as archive:
        desktop = Desktop(App(home=tmp_path), archive, lambda _: None)
        for phone in ("Ada's", "Eve's", "desk"):
            desktop.take(WatchEvent("lost", phone))
        later(29)
        desktop.take(WatchEvent("connected", "desk"))
        desktop.take(WatchEvent("lost", "Ada's"))  # still
        desktop.forget("Eve's")
        assert shown == []
        later(1)
        later(60)
        assert shown == [("Phone away", "A watched phone has been out of reach for 30 minutes.")]
        desktop.take(WatchEvent("connected", "Ada's"))
        desktop.take(WatchEvent("lost", "Ada's"))
        later(30)
        assert len(shown) == 2


def test_a_text_is_never_part_of_a_script_or_an_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("notify-send", "osascript"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    odd = '--x "$(y)" <b>\x1b[2J'
    command = command_of(odd, odd)
    assert command is not None
    assert command[1:] == [
        "--app-name=Offhook",
        "--",
        '--x "$(y)" <b>\\x1b[2J',
        '--x "$(y)" &lt;b&gt;\\x1b[2J',
    ]
    monkeypatch.setattr(sys, "platform", "darwin")
    command = command_of(odd, odd)
    assert command is not None
    assert odd.split("\x1b")[0] not in command[2]
    assert command[3:] == ['--x "$(y)" <b>\\x1b[2J'] * 2


def test_where_nothing_can_be_shown_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told: list[str] = []
    there = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        there.set()

    notices = Notices(NotifySetting(recorded=True), tell)
    notices.start()
    for _ in range(3):
        notices.show("a", "b")
    assert there.wait(60)
    notices.stop()
    assert told == [NO_PROGRAM]
