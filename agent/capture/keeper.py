"""Who keeps the notification shown on the phone, where another's app records: `notice.sh`.

Our own recorder does that by itself, and of what this computer records it is this computer's
part. BCR and dialers know nothing of our notification, and go on after a reboot: so, on a
rooted phone, a small loop of ours stays there, which the root manager starts again. Without
root, it is only looked after while `offhook watch` runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.capture.alsa import module
from agent.capture.journal import Journal
from agent.capture.route import Setup
from agent.errors import CaptureError, PhoneError, RestoreError, RootError
from agent.phone import notice, scripts
from agent.phone.helper import PRIVATE, PrivateFile, install

if TYPE_CHECKING:
    from agent.phone.phone import Phone

HOME = f"{PRIVATE}/offhook"
_SCRIPT = f"{HOME}/notice.sh"


def install_keeper(
    phone: Phone, setup: Setup, *, recorder: str = "", enabled: int = 0, every_s: int = 60
) -> None:
    """Put it there and start it, anew where it runs; what it is to be undone by is in the journal
    first.

    ``recorder`` is the app to be disabled while the notification can't be shown, ``enabled`` its
    state from before as ``dumpsys package`` has it: 0 the default, 1 enabled.
    """
    setup.journal.before["keeper"] = True
    for change in (HOME, module.MODULE):
        if change not in setup.journal.changes:
            setup.journal.changes.append(change)
    setup.keep()
    keep = f"RECORDER={recorder}\nENABLED={enabled}\nEVERY_S={every_s}\n"
    install(
        phone,
        [HOME, f"{HOME}/run"],
        [
            PrivateFile(f"{HOME}/common.sh", scripts.script("common.sh"), 0o700),
            PrivateFile(f"{HOME}/keep", keep.encode(), 0o600),
            PrivateFile(_SCRIPT, scripts.script("notice.sh"), 0o700),
        ],
    )
    try:
        module.install_module(phone)
    except CaptureError as error:
        setup.tell(
            f"After a reboot the notification comes back with `offhook watch` only: {error.message}"
        )
    phone.root.run(f"sh {_SCRIPT} restart").check("can't keep the notification shown")


def remove_keeper(phone: Phone) -> None:
    """End it, with the recorder that it disabled as it was, and take it away; harmless twice."""
    stop = f"[ ! -f {_SCRIPT} ] || sh {_SCRIPT} stop"
    phone.root.run(stop).check("can't end the keeper of the notification")
    module.remove_module(phone)
    # What an `enable` that was killed had half written is there without the script, too. Where
    # our recorder is, the folder is its own.
    files = " ".join(f"{name} {name}.new" for name in ("notice.sh", "keep", "common.sh"))
    phone.root.run(
        f"[ ! -f {HOME}/offhookd.sh ] && cd {HOME} 2>/dev/null || exit 0; "
        f"rm -rf {files} run; rmdir {HOME} 2>/dev/null; exit 0"
    )


def keeper_problem(phone: Phone) -> str | None:
    """What is wrong with it: it does not run, or has disabled the recorder."""
    done = phone.root.run(f"[ -f {_SCRIPT} ] || exit 9; sh {_SCRIPT} status")
    if done.code == 9:
        return "nobody on the phone keeps the notification shown: run `offhook enable`"
    if "module=off" in done.text:
        suspended = "; its recorder is disabled" if "suspended=yes" in done.text else ""
        return (
            "Offhook's module is turned off in the root manager, and nobody would show the "
            f"notification after a reboot{suspended}: run `offhook enable`, or turn it on there"
        )
    if "suspended=yes" in done.text:
        return (
            "the phone does not show the notification, so its recorder is disabled: allow "
            "notifications of «Shell» (Settings, Apps, Shell)"
        )
    if "keeper=yes" not in done.text:
        return "what keeps the notification shown had ended: run `offhook enable`"
    return None


def tend(phone: Phone, journal: Journal) -> None:
    """Have the notification shown: by what keeps it, which is started again where it was killed,
    else from here. CaptureError when the phone does not show it."""
    if journal.before.get("keeper"):
        phone.root.run(f"[ ! -f {_SCRIPT} ] || sh {_SCRIPT} start")
    notice.show(phone)


@contextmanager
def giving_back(phone: Phone) -> Iterator[None]:
    """For the end of a ``disarm``: what the block could not put back is a RestoreError, and the
    notification goes whatever happened, unless the phone did."""
    try:
        yield
    except (CaptureError, RootError):
        raise
    except PhoneError as error:
        if not phone.link.alive:
            raise
        raise RestoreError(
            f"not as before on {phone.facts.name}: {error.message}",
            hint="Run `offhook disable` again.",
        ) from error
    finally:
        if phone.link.alive:
            notice.withdraw(phone)
