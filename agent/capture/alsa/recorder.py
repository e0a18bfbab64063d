"""Our recorder on a phone: put there, started, asked, stopped, and taken away again."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass

from agent import __version__
from agent.adb import shell
from agent.capture.alsa import module
from agent.capture.consent import Consent
from agent.capture.route import Plan
from agent.errors import CaptureError, LinkTimeout, RestoreError, RootError
from agent.phone import notice, scripts
from agent.phone.files import Source
from agent.phone.helper import PRIVATE, PrivateFile, install
from agent.phone.phone import Phone
from agent.text import shown

HOME = f"{PRIVATE}/offhook"
SPOOL = f"{HOME}/spool"
SOURCE = Source("offhook", SPOOL, root=True, atomic=True, recorder="offhook")

#: The language that is spoken with the recorder on the phone: its commands, the words of its
#: status, its sidecars. The same number stands in offhookd.sh and in the boot module.
PROTOCOL = 1

#: What the recorder is made of, the one that starts it last.
SCRIPTS = (
    "common.sh", "calls.sh", "events.sh", "loop.sh", "record.sh", "status.sh", "offhookd.sh",
)  # fmt: skip

#: What recordings may take on the phone, in MiB: three hours of stereo.
SPOOL_MB = 2048

_SCRIPT = f"sh {HOME}/offhookd.sh"
_STOP_TIMEOUT = 60.0


@dataclass(frozen=True)
class Cost:
    """What the recorder on the phone has cost since it was started, its children included.

    Of a program that Android starts for it, only the program's own part: what the services that
    it asks do for the answer is theirs.
    """

    cpu_s: float
    wakes: int
    lived_s: int

    def as_dict(self) -> dict[str, float]:
        """For ``--json``: also the share of one core, in per cent."""
        share = 100 * self.cpu_s / self.lived_s if self.lived_s else 0.0
        return {
            "cpu_s": self.cpu_s,
            "wakes": self.wakes,
            "lived_s": self.lived_s,
            "cpu_percent": round(share, 3),
        }


@dataclass(frozen=True)
class RecorderStatus:
    """What the recorder says of itself; ``state`` is None when it does not run.

    ``state`` is idle, ringing, offhook, recording, refused or failed; ``since_ms`` the phone's
    clock when it became so; ``off`` says that `disable` has begun; ``undo`` that controls wait
    to be put back; ``voip`` that another app has a call, which is not recorded. ``events`` is
    what wakes it: buffers of the phone's log, or ``untrusted`` or ``dead``: then it asks every
    second. ``boot`` is yes, no, disabled or removed: whether the root manager starts it.
    """

    installed: bool
    off: bool = False
    running: bool = False
    supervised: bool = False
    state: str | None = None
    since_ms: int | None = None
    notice: bool = False
    undo: bool = False
    spooled: int = 0
    problem: str | None = None
    version: str = ""
    protocol: int = PROTOCOL
    voip: bool = False
    events: str | None = None
    boot: str = "no"
    spool_kb: int = 0
    spool_max_kb: int = 0
    cost: Cost | None = None


_STATES = ("idle", "ringing", "offhook", "recording", "refused", "failed")


def install_recorder(phone: Phone, plan: Plan, consent: Consent, spool_mb: int = SPOOL_MB) -> None:
    """Write the recorder's files; what stands there already is replaced.

    ``spool_mb`` MiB is what recordings may take on the phone before the next is refused.
    """
    _, helper = scripts.helper(phone.facts.abis)
    controls = "".join(f"{name}={value}\n" for name, value in plan.controls)
    config = (
        f"CARD={plan.card}\nDEVICE={plan.device}\nRATE={plan.rate}\nCHANNELS={plan.count}\n"
        f"CONSENT={consent.token}\nVERSION={__version__}\nLEGS={','.join(plan.channels)}\n"
        f"SPOOL_MAX_KB={spool_mb * 1024}\n"
    )
    install(
        phone,
        [HOME, SPOOL, f"{HOME}/run"],
        [
            PrivateFile(f"{HOME}/offhook-pcm", helper, 0o700),
            PrivateFile(f"{HOME}/controls", controls.encode(), 0o600),
            PrivateFile(f"{HOME}/config", config.encode(), 0o600),
            # The last of them is what says that the recorder is there, to whoever may start it.
            *(PrivateFile(f"{HOME}/{name}", scripts.script(name), 0o700) for name in SCRIPTS),
        ],
    )


def start_recorder(phone: Phone, *, turn_on: bool) -> None:
    """Start it; CaptureError with its own words when it does not.

    Without ``turn_on`` a recorder that `disable` has stopped stays off.
    """
    done = phone.root.run(f"{_SCRIPT} {'on' if turn_on else 'start'}", timeout=30)
    if done.code != 0 and b"already running" not in done.stderr:
        words = shown(done.stderr.decode("utf-8", "replace").strip())
        raise CaptureError(
            f"the recorder does not start on {phone.facts.name}: {words or 'no words'}",
            hint="`offhook doctor` shows what the phone offers.",
        )


def stop_recorder(phone: Phone) -> None:
    """Stop it; a call under way is finished and kept, and every control put back."""
    there = f"[ -f {HOME}/offhookd.sh ] || exit 0"
    try:
        done = phone.root.run(f"{there}; {_SCRIPT} stop", timeout=_STOP_TIMEOUT)
    except LinkTimeout as error:
        raise RestoreError(
            f"the recorder on {phone.facts.name} does not stop",
            hint="Try `offhook disable` again; a reboot of the phone also puts its mixer back.",
        ) from error
    if done.code != 0:
        words = shown((done.stderr or done.stdout).decode("utf-8", "replace").strip())
        raise RestoreError(
            f"the recorder on {phone.facts.name} could not put everything back: "
            f"{words or status(phone).problem or 'no words'}",
            hint="Try `offhook disable` again; a reboot of the phone also puts its mixer back.",
        )


def remove_recorder(phone: Phone) -> None:
    """Take its files and its notification away; its spool must have been pulled."""
    module.remove_module(phone)
    stop_recorder(phone)  # whoever started it meanwhile
    phone.root.run(f"rm -rf {HOME}").check(f"can't remove {HOME} from the phone")
    sweep(phone)
    notice.withdraw(phone)


def sweep(phone: Phone, *, ask: bool = True) -> None:
    """Remove what is left on a phone by a computer that died while it put something there.

    Without ``ask``, what only root can see stays unless root was had anyway: asking may prompt.
    """
    with suppress(RootError):  # then there was never a helper to lend
        if ask or phone.has_root:
            phone.root.run(f"rm -rf {PRIVATE}/.offhook-*")
    phone.run("rm -f /data/local/tmp/.offhook-*")


def is_installed(phone: Phone) -> bool:
    """Whether the recorder's files are on the phone, or recordings that it left.

    These stay when the user removes the boot module in the root manager.
    """
    asked = f"[ -f {HOME}/offhookd.sh ] || ls {SPOOL}/*.wav >/dev/null 2>&1"
    return phone.root.run(asked).code == 0


def version_problem(phone: Phone) -> str | None:
    """Why this Offhook and the recorder on the phone do not fit, or None where they do."""
    asked = f"cat {HOME}/config; grep '^PROTOCOL=' {HOME}/offhookd.sh"
    done = phone.root.run(
        f"[ -f {HOME}/offhookd.sh ] || exit 0; {{ {asked}; }} 2>/dev/null; exit 0"
    )
    said = _said(done.text)
    if not said:
        return None
    return _misfit(said.get("VERSION", ""), _number(said.get("PROTOCOL")) or 0)


def _misfit(version: str, protocol: int) -> str | None:
    if protocol == PROTOCOL:
        return None
    named = f"the recorder on the phone is of Offhook {shown(version) or 'unknown'}"
    if protocol < PROTOCOL:
        return f"{named}, which is older than this one: run `offhook enable` again"
    return f"{named}, which is newer than this one: update Offhook here, or run `offhook enable`"


def _said(text: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def status(phone: Phone) -> RecorderStatus:
    """Ask the recorder; all False and None when it is not on the phone."""
    done = phone.root.run(f"[ -f {HOME}/offhookd.sh ] || exit 9; {_SCRIPT} status")
    if done.code == 9:
        left = _number(phone.root.run(f"ls {SPOOL} 2>/dev/null | grep -c '\\.wav$'").text.strip())
        return RecorderStatus(False, spooled=left or 0)
    return _parse_status(done.check("the recorder's status").text)


def _parse_status(text: str) -> RecorderStatus:
    """The key=value lines of ``offhookd.sh status``; what is not known is left out."""
    said = _said(text)
    running = bool(said.get("daemon"))
    version, protocol = said.get("version", ""), _number(said.get("protocol")) or 0
    ticks, lived = _number(said.get("ticks")), _number(said.get("lived"))
    state = said.get("state") if running else None
    return RecorderStatus(
        installed=True,
        off=said.get("off") == "yes",
        running=running,
        supervised=bool(said.get("supervisor")),
        # A word that a newer recorder may have: it runs, and that is all that we know.
        state=state if state in _STATES or not running else "idle",
        since_ms=_number(said.get("at")),
        notice=said.get("notice") == "shown",
        undo=said.get("undo") == "pending",
        spooled=_number(said.get("spool")) or 0,
        problem=_misfit(version, protocol) or said.get("problem") or None,
        version=version,
        protocol=protocol,
        voip=said.get("voip") == "yes",
        events=said.get("events") or None,
        boot=said.get("boot") or "no",
        spool_kb=_number(said.get("spool_kb")) or 0,
        spool_max_kb=_number(said.get("spool_max_kb")) or 0,
        cost=None
        if ticks is None or lived is None
        else Cost(ticks / _TICKS, _number(said.get("wakes")) or 0, lived),
    )


_TICKS = 100  # a second, in /proc: USER_HZ is the same on every Android


def watch_command(phone: Phone, sources: list[Source]) -> shell.Process:
    """The phone's own word of changes in its sources, and of the recorder's state.

    Lines are inotifyd's: letters, folder, name. It ends with the stream. Nothing needs to be
    installed for it, and root only where a source does.
    """
    # The first letter of a mask is lost in toybox before 2024 (commit a8b55f89): it stands twice.
    folders = [_watched(source) + ":wwynDx" for source in sources]
    if SOURCE in sources:
        folders.append(f"{HOME}/run:yy")
    script = f"set -- {shlex.join(folders)}\n{scripts.script('watch.sh').decode()}"
    if any(source.root for source in sources):
        return phone.root.spawn(script)
    return shell.spawn(phone.link, script)


def _watched(source: Source) -> str:
    """The folder to watch: changes made behind Android's FUSE view are not seen through it."""
    path = source.path
    if not source.root:
        return path
    for view in ("/sdcard", "/storage/emulated/0"):
        if path == view or path.startswith(view + "/"):
            return "/data/media/0" + path.removeprefix(view)
    return path
