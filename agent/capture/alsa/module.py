"""The boot module: a folder that Magisk, KernelSU or APatch reads at each boot of the phone.

All three run ``service.sh`` of each folder in ``/data/adb/modules`` late in the boot, leave out
those with a file ``disable``, and run ``uninstall.sh`` of those with a file ``remove`` before
they delete them (Magisk's developer guides; KernelSU's module guide says that it does the same,
and APatch took it over from there). So the folder is put there; no zip is flashed, and nothing
of ``/system`` is overlaid.
"""

from __future__ import annotations

from agent import __version__
from agent.errors import CaptureError
from agent.phone import scripts
from agent.phone.helper import PRIVATE, PrivateFile, install
from agent.phone.phone import Phone

MODULES = f"{PRIVATE}/modules"
MODULE = f"{MODULES}/offhook"
_MARK = "author=Offhook"


def install_module(phone: Phone) -> None:
    """Put the module there, or replace it; CaptureError where no root manager would read it."""
    asked = (
        f"[ -d {MODULES} ] || exit 3; [ ! -e {MODULE} ] || grep -qx {_MARK} {MODULE}/module.prop"
    )
    code = phone.root.run(asked).code
    if code == 3:
        raise CaptureError(
            f"nothing on {phone.facts.name} would start the recorder at boot: no {MODULES}",
            hint="--at-boot needs Magisk, KernelSU or APatch. Without it, `offhook watch` starts "
            "the recorder after a reboot.",
        )
    if code != 0:
        raise CaptureError(f"another module lies in {MODULE} on {phone.facts.name}")
    install(
        phone,
        [MODULE],
        [
            # Nothing is to be mounted; KernelSU and APatch skip the folder for that.
            PrivateFile(f"{MODULE}/skip_mount", b"", 0o644),
            PrivateFile(f"{MODULE}/service.sh", scripts.script("module/service.sh"), 0o755),
            PrivateFile(f"{MODULE}/uninstall.sh", scripts.script("module/uninstall.sh"), 0o755),
            PrivateFile(f"{MODULE}/module.prop", _prop().encode(), 0o644),
        ],
    )
    # What a manager's switch left there was meant for the module of before.
    phone.root.run(f"rm -f {MODULE}/disable {MODULE}/remove").check("can't turn the module on")


def remove_module(phone: Phone) -> None:
    """Take it away, if it is ours; harmless when it is not there."""
    done = phone.root.run(
        f"[ -e {MODULE} ] || exit 0; grep -qx {_MARK} {MODULE}/module.prop || "
        f"[ ! -e {MODULE}/module.prop ] || exit 0; rm -rf {MODULE}"
    )
    done.check(f"can't remove {MODULE} from the phone")


def _prop() -> str:
    """``module.prop``; ``versionCode`` is a number that grows with the version."""
    numbers = [int(part) for part in __version__.split(".")[:3] if part.isdigit()]
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return (
        f"id=offhook\nname=Offhook call recorder\nversion={__version__}\n"
        f"versionCode={major * 10000 + minor * 100 + patch + 1}\n{_MARK}\n"
        "description=Records this phone's calls, and shows a notification while it does. "
        "Turn it off with: offhook disable\n"
    )
