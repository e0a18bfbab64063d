"""Our recorder on a phone: put there, started, asked, stopped, and taken away again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from agent import __version__
from agent.adb import shell
from agent.capture.consent import Consent
from agent.capture.route import Plan
from agent.errors import CaptureError, LinkTimeout, RestoreError
from agent.phone import notice, scripts
from agent.phone.files import Source
from agent.phone.helper import PRIVATE, PrivateFile, install
from agent.phone.phone import Phone
from agent.text import shown

HOME = f"{PRIVATE}/offhook"
SPOOL = f"{HOME}/spool"
SOURCE = Source("offhook", SPOOL, root=True, atomic=True, recorder="offhook")

#: What the recorder is made of, the one that starts it last.
SCRIPTS = ("common.sh", "calls.sh", "events.sh", "record.sh", "status.sh", "offhookd.sh")

_SCRIPT = f"sh {HOME}/offhookd.sh"
_STOP_TIMEOUT = 60.0


@dataclass(frozen=True)
class RecorderStatus:
    """What the recorder says of itself; ``state`` is None when it does not run.

    ``state`` is idle, ringing, offhook, recording, refused or failed; ``since_ms`` the phone's
    clock when it became so; ``off`` says that `disable` has begun; ``undo`` that controls wait
    to be put back.
    """

    installed: bool
    off: bool
    running: bool
    supervised: bool
    state: str | None
    since_ms: int | None
    notice: bool
    undo: bool
    spooled: int
    problem: str | None


_ABSENT = RecorderStatus(False, False, False, False, None, None, False, False, 0, None)


def install_recorder(phone: Phone, plan: Plan, consent: Consent) -> None:
    """Write the recorder's files; what stands there already is replaced."""
    _, helper = scripts.helper(phone.facts.abis)
    controls = "".join(f"{name}={value}\n" for name, value in plan.controls)
    config = (
        f"CARD={plan.card}\nDEVICE={plan.device}\nRATE={plan.rate}\nCHANNELS={plan.count}\n"
        f"CONSENT={consent.token}\nVERSION={__version__}\nLEGS={','.join(plan.channels)}\n"
    )
    install(
        phone,
        [HOME, SPOOL, f"{HOME}/run"],
        [
            PrivateFile(f"{HOME}/offhook-pcm", helper, 0o700),
            *(
                PrivateFile(f"{HOME}/{name}", scripts.script(name), 0o700)
                for name in SCRIPTS
            ),
            PrivateFile(f"{HOME}/controls", controls.encode(), 0o600),
            PrivateFile(f"{HOME}/config", config.encode(), 0o600),
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
    if not is_installed(phone):
        return
    try:
        done = phone.root.run(f"{_SCRIPT} stop", timeout=_STOP_TIMEOUT)
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
    stop_recorder(phone)  # whoever started it meanwhile
    # The second is what a borrowed helper leaves when this computer dies while it is lent.
    phone.root.run(f"rm -rf {HOME} {PRIVATE}/.offhook-*").check(
        f"can't remove {HOME} from the phone"
    )
    phone.run("rm -f /data/local/tmp/.offhook-*")
    notice.withdraw(phone)


def is_installed(phone: Phone) -> bool:
    """Whether the recorder's files are on the phone."""
    return phone.root.run(f"[ -f {HOME}/offhookd.sh ]").code == 0


def status(phone: Phone) -> RecorderStatus:
    """Ask the recorder; all False and None when it is not on the phone."""
    done = phone.root.run(f"[ -f {HOME}/offhookd.sh ] || exit 9; {_SCRIPT} status")
    if done.code == 9:
        return _ABSENT
    said = dict(
        line.partition("=")[::2] for line in done.check("the recorder's status").text.splitlines()
    )
    since, spooled = said.get("at", ""), said.get("spool", "")
    running = bool(said.get("daemon"))
    return RecorderStatus(
        installed=True,
        off=said.get("off") == "yes",
        running=running,
        supervised=bool(said.get("supervisor")),
        state=said.get("state") if running else None,
        since_ms=int(since) if since.isascii() and since.isdigit() else None,
        notice=said.get("notice") == "shown",
        undo=said.get("undo") == "pending",
        spooled=int(spooled) if spooled.isascii() and spooled.isdigit() else 0,
        problem=said.get("problem") or None,
    )


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
