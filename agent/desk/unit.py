"""`offhook watch` as a service of the user's: a systemd user unit, or launchd's on a Mac.

The unit is hardened as far as a user's own systemd can, and no further than the work allows:

- the whole file system is read-only but for Offhook's home, the ADB key's folder, the inbox, and
  /tmp and /var/tmp, where an announcement is made and SQLite may sort. Where the user has a
  command of their own run for each recording, only the system is: nobody here knows where that
  writes. systemd 253 and later does so for an ordinary user, by a user namespace; an older one
  leaves it, silently, unless PrivateUsers= is set, with which the service does not start where the
  kernel gives no such namespace. So it is not set here;
- /tmp is the real one: the user's commands may mean what lies there;
- devices stay: phones hang on USB, and the microphone route records;
- no capability is taken away, since a user's systemd has none, and fails where it is to drop one;
- no core is ever dumped: calls would be in it. So one that hangs is killed, not aborted.
"""

from __future__ import annotations

import os
import plistlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

NAME = "offhook"
LABEL = "io.github.offhook.watch"
WATCHDOG_S = 60
#: What the service needs of the environment, if the user has it set.
KEPT = (
    "ANDROID_USER_HOME",
    "ADB_VENDOR_KEYS",
    "ADB_SERVER_SOCKET",
    "ANDROID_ADB_SERVER_ADDRESS",
    "ANDROID_ADB_SERVER_PORT",
    "OFFHOOK_VIA",
    "PATH",
)


def systemd_unit(
    command: Sequence[str],
    home: Path,
    environment: dict[str, str],
    writable: Iterable[Path] = (),
    *,
    runs_hook: bool = False,
) -> str:
    """The text of ``offhook.service``. ``command`` is in words; ``writable`` are the folders that
    the service writes to besides ``home``, if they are there."""
    variables = "".join(
        f"Environment={_quoted(f'{name}={environment[name]}')}\n"
        for name in KEPT
        if environment.get(name)
    )
    folders = "".join(f"ReadWritePaths={_quoted(f'-{path}')}\n" for path in writable)
    protection = (
        f"ProtectSystem=strict\nProtectHome=read-only\nReadWritePaths={_quoted(str(home))}\n"
    )
    protection += folders + "ReadWritePaths=-/tmp -/var/tmp\n"
    if runs_hook:
        protection = "ProtectSystem=full\n"
    return f"""\
[Unit]
Description=Offhook: call recordings from test phones, pulled and verified
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={" ".join(_quoted(word).replace("$", "$$") for word in command)}
# By the shell's own kill: a small system has no /bin/kill.
ExecReload=/bin/sh -c "kill -HUP $$MAINPID"
Environment={_quoted(f"OFFHOOK_HOME={home}")}
{variables}WatchdogSec={WATCHDOG_S}
WatchdogSignal=SIGKILL
Restart=on-failure
RestartSec=10
# What was asked, or what offhook.toml says, makes no sense: it would make none in ten seconds.
RestartPreventExitStatus=2 3
TimeoutStartSec=60
TimeoutStopSec=30
KillMode=mixed

UMask=0077
LimitCORE=0
NoNewPrivileges=yes
{protection}LockPersonality=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def launchd_plist(command: Sequence[str], home: Path, environment: dict[str, str]) -> bytes:
    """The property list of a LaunchAgent."""
    kept = {name: environment[name] for name in KEPT if environment.get(name)}
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(command),
            "EnvironmentVariables": {"OFFHOOK_HOME": str(home), **kept},
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ProcessType": "Background",
            "Umask": 0o077,
            "StandardOutPath": str(home / "watch.log"),
            "StandardErrorPath": str(home / "watch.log"),
        }
    )


def systemd_path(environment: dict[str, str]) -> Path:
    """Where the user's own units are."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base, "systemd", "user", f"{NAME}.service")


def launchd_path() -> Path:
    """Where the user's own agents are."""
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def runs_systemd() -> bool:
    """Whether systemd is this computer's first process (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")  # noqa: PTH112 - as sd_booted says it


_PLAIN = re.compile(r"[A-Za-z0-9_./:=@+,%-]+\Z")


def _quoted(word: str) -> str:
    """A word of a unit file, in which ``%`` stands for itself."""
    word = word.replace("%", "%%")
    if _PLAIN.match(word):
        return word
    escaped = "".join(_escape(ch) for ch in word)
    return f'"{escaped}"'


def _escape(ch: str) -> str:
    if ch in '"\\':
        return "\\" + ch
    return ch if ch.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(ch))
