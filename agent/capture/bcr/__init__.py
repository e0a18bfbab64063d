"""The ``bcr`` route: the privileged recorder app BCR (com.chiller3.bcr), which is not ours.

It is talked to as the separate program that it is: through Android's own commands, its module's
manager, and its file of preferences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.capture import keeper
from agent.capture.bcr import folders, grants, module, prefs, settings
from agent.capture.bcr.settings import ID, TWO_TAPS
from agent.capture.journal import Journal, read_journal
from agent.capture.route import Route, RouteStatus, Seen, Setup, Tell, Verdict
from agent.errors import CaptureError, OffhookError, RestoreError, RootError, RouteError
from agent.phone import notice, packages
from agent.phone.files import Source

if TYPE_CHECKING:
    from agent.capture.bcr.prefs import Entry
    from agent.phone.packages import Package
    from agent.phone.phone import Phone

_GET = (
    "Download BCR-…-release.zip from https://github.com/chenxiaolong/BCR/releases, then run "
    "`offhook enable --route bcr --bcr-zip FILE`."
)
_REBOOT = "reboot the phone, then run `offhook enable` again"
_LEGS = {
    "VOICE_UPLINK_DOWNLINK": ("uplink", "downlink"),
    "VOICE_UPLINK": ("uplink",),
    "VOICE_DOWNLINK": ("downlink",),
}


class BcrRoute(Route):
    """Has BCR record: installs it where the user gave its zip, and turns it on."""

    name = "bcr"
    what = "the recorder app BCR, with the rights of a system app"
    needs = "BCR (or its zip: --bcr-zip), and root to turn it on"

    def probe(self, seen: Seen) -> Verdict:
        """See :class:`Route`."""
        phone = seen.phone
        package = packages.read_package(phone, ID)
        if package is None:
            return self._absent(seen)
        about = f"BCR {package.version}"
        detail: dict[str, Any] = {"version": package.version, "version_code": package.version_code}
        if not package.enabled and not _disabled_by_us(seen):
            hint = "On the phone: Settings, Apps, BCR, Enable."
            return Verdict(self.name, False, f"{about} is installed, but disabled", instead=hint)
        if not package.system:
            return Verdict(
                self.name,
                False,
                f"{about} is installed as an ordinary app, which hears no calls",
                instead=_GET,
            )
        if not seen.rooted:
            return Verdict(
                self.name,
                None,
                f"{about} is installed; without root, it is turned on by two taps",
                instead=TWO_TAPS,
                detail={"bcr": detail},
            )
        found = module.read_module(phone)
        detail["module"] = None if found is None else sorted(found.flags)
        try:
            entries = settings.read_entries(phone, package)
        except CaptureError as error:
            return Verdict(
                self.name, None, error.message, instead=error.hint, detail={"bcr": detail}
            )
        on = prefs.truth(entries, prefs.RECORD) is True
        detail |= {
            "recording": on,
            "metadata": prefs.truth(entries, prefs.METADATA) is True,
            "folder": None
            if folders.is_elsewhere(entries)
            else folders.chosen(entries, root=False) or folders.SHELLS,
            "granted": package.permissions,
        }
        reason = f"{about} is installed" + (", and its «Call recording» is on" if on else "")
        if found is not None and found.flags & {"disable", "remove"}:
            reason += "; its module goes at the next boot"
        source = prefs.text(entries, "audio_source") or "VOICE_CALL"
        legs = _LEGS.get(source, ("mixed",))
        return Verdict(self.name, True, reason, legs=legs, on=on, detail={"bcr": detail})

    def _absent(self, seen: Seen) -> Verdict:
        """The verdict where BCR's app is not there: not yet, or not at all."""
        found = module.read_module(seen.phone) if seen.rooted else None
        if found is not None and not found.flags & {"disable", "remove"}:
            return Verdict(
                self.name, None, f"BCR's module {found.version} waits for a reboot of the phone"
            )
        if not seen.rooted:
            reason = f"BCR is not installed, and can't be: {seen.root_problem}"
            return Verdict(self.name, False, reason, instead=seen.root_hint, lacks_root=True)
        if seen.options.bcr_zip is None:
            return Verdict(self.name, False, "BCR is not installed", instead=_GET)
        manager = module.find_manager(seen.phone)
        if manager is None:
            reason = "BCR can't be installed: neither Magisk nor KernelSU nor APatch is there"
            return Verdict(self.name, False, reason)
        given = module.read_zip(seen.options.bcr_zip)
        return Verdict(
            self.name,
            None,
            f"BCR {given.version} will be installed by {manager}, and a reboot is needed",
            detail={"bcr": {"zip_sha256": given.sha256, "manager": manager}},
        )

    def arm(self, phone: Phone, verdict: Verdict, setup: Setup) -> None:
        """See :class:`Route`. Without BCR's app it is installed, and ``pending`` in the journal
        says that a reboot has to come before the rest."""
        journal = setup.journal
        before = journal.before
        package = packages.read_package(phone, ID)
        if package is None:
            _install(phone, setup)
            return
        before.pop("pending", None)
        before.pop("taps", None)
        journal.changes = ["BCR's settings", "BCR's permissions", "notification"]
        before.setdefault("state", package.state)
        setup.tell("Giving BCR what it needs")
        grants.give(phone, package, before, setup.keep, setup.tell)
        notice.show(phone)
        if not package.enabled:  # our keeper's doing, for want of what is shown now
            packages.enable_again(phone, ID, before["state"])
        if not _is_rooted(phone, None):
            before["taps"] = True
            setup.keep()
            setup.tell(TWO_TAPS)
            return
        entries = settings.read_entries(phone, package)
        before.setdefault("file", settings.read(phone, package).data is not None)
        before.setdefault("folder", settings.has_folder(phone, package))
        before.setdefault("prefs", {name: prefs.truth(entries, name) for name in prefs.OURS})
        setup.keep()
        for words in _reservations(entries):
            setup.tell(words)
        kept = str(before.get("snapshot", "")).encode()
        setup.tell("Turning BCR on")

        def edit(data: bytes) -> bytes:
            if kept:
                names = prefs.lost(prefs.parse(data), prefs.parse(kept))
                data = prefs.restore(data, kept, names)
                others = [name for name in names if name not in prefs.OURS]
                if others:
                    setup.tell(f"BCR had lost {len(others)} settings: they are put back")
            return prefs.change(data, dict.fromkeys(prefs.OURS, True))

        now = settings.replace(phone, package, edit)
        before["snapshot"] = (now or b"").decode("utf-8", "replace")
        keeper.install_keeper(phone, setup, recorder=ID, enabled=before["state"])

    def stop(self, phone: Phone, journal: Journal | None, tell: Tell) -> None:
        """See :class:`Route`. BCR can't be stopped in a call: that is a CaptureError then."""
        if journal is None:
            return
        if journal.before.get("taps"):
            tell("On the phone, turn BCR's «Call recording» off.")
        package = packages.read_package(phone, ID)
        if package is not None and "prefs" in journal.before:
            tell("Turning BCR off")
            _put_back(phone, package, journal.before)

    def disarm(self, phone: Phone, journal: Journal | None, tell: Tell) -> list[str]:
        """See :class:`Route`. What was installed by Offhook goes too, with the next boot."""
        if journal is None:
            return []
        before, compared = journal.before, list[str]()
        with keeper.giving_back(phone):
            if before.get("keeper"):
                keeper.remove_keeper(phone)
            package = packages.read_package(phone, ID)
            if package is not None and not package.enabled and before.get("keeper"):
                packages.enable_again(phone, ID, before["state"])
            if package is not None and "prefs" in before:
                _put_back(phone, package, before)
                compared += prefs.OURS
            compared += grants.take_back(phone, before)
            if before.get("installed") and module.remove(phone):
                tell("BCR's module, which Offhook installed, is gone after a reboot of the phone.")
        return compared

    def status(self, phone: Phone, journal: Journal | None) -> RouteStatus:
        """See :class:`Route`."""
        if not self.is_installed(phone, journal) or journal is None:
            return RouteStatus(self.name, False, False)
        trouble = problem(phone, journal)
        package = packages.read_package(phone, ID)
        running = (
            package is not None
            and "pending" not in journal.before
            and _is_on(phone, package, journal)
        )
        state = ("offhook" if phone.in_call() else "idle") if running else None
        detail = {"bcr_version": package.version if package else None}
        shown = notice.is_shown(phone)
        return RouteStatus(self.name, True, running, state, shown, None, trouble, detail)

    def tend(self, phone: Phone, journal: Journal | None) -> None:
        """See :class:`Route`."""
        if journal is not None and "pending" not in journal.before:
            keeper.tend(phone, journal)

    def sources(self, phone: Phone, journal: Journal | None) -> list[Source]:
        """See :class:`Route`. Without root, BCR's own folder, where the shell may read it."""
        package = packages.read_package(phone, ID)
        if package is None:
            return []
        if not _is_rooted(phone, journal):
            if phone.run(f"[ -r {folders.SHELLS} ]").code != 0:
                return []
            return [Source("bcr", folders.SHELLS, recorder="bcr")]
        try:
            entries = settings.read_entries(phone, package)
        except CaptureError:
            entries = {}
        return folders.sources(entries)


def problem(phone: Phone, journal: Journal) -> str | None:
    """What is wrong with a BCR that Offhook turned on; to be asked now and then.

    That it loses its settings is what its users complain of most.
    """
    before = journal.before
    if "pending" in before:
        return f"BCR is not on yet: {_REBOOT}"
    package = packages.read_package(phone, ID)
    if package is None:
        return "BCR is not on the phone any more"
    kept = before.get("keeper") and _is_rooted(phone, journal)
    if kept and (words := keeper.keeper_problem(phone)) is not None:
        return words
    if not package.enabled:
        return "BCR was disabled"
    if not _is_rooted(phone, journal) or "snapshot" not in before:
        return None
    try:
        now = settings.read_entries(phone, package)
        kept = prefs.parse(str(before["snapshot"]).encode())
    except (CaptureError, prefs.PrefsError) as error:
        return error.message if isinstance(error, OffhookError) else str(error)
    if folders.is_elsewhere(now):
        return "BCR moves its recordings to a folder that is not on the phone: they can't be pulled"
    lost = prefs.lost(now, kept)
    if lost:
        return f"BCR lost {len(lost)} of its settings: `offhook enable` puts them back"
    off = [name for name in prefs.OURS if not prefs.truth(now, name)]
    if off:
        return f"BCR's {' and '.join(off)} was turned off: `offhook enable` turns it on"
    return None


def _disabled_by_us(seen: Seen) -> bool:
    """Whether it was our keeper that disabled BCR: then `enable` may enable it again."""
    journal = read_journal(seen.home, seen.phone.serial)
    return journal is not None and journal.route == BcrRoute.name and "keeper" in journal.before


def _reservations(entries: Mapping[str, Entry]) -> list[str]:
    """What in BCR's own settings, which stay, keeps calls from being recorded or from coming."""
    said = []
    if prefs.text(entries, "record_rules") is not None:
        said.append("BCR has rules of its own for which calls it records and keeps: they hold")
    least = prefs.number(entries, "min_duration")
    if least:
        said.append(f"BCR throws away what is shorter than {least} s: that setting holds")
    if folders.is_elsewhere(entries):
        said.append(
            "BCR moves its recordings to a folder that is not on the phone, so they can't be "
            "pulled: in BCR, choose one that is, or none"
        )
    return said


def _install(phone: Phone, setup: Setup) -> None:
    """BCR's module, from the user's zip; or what was installed waits for a reboot."""
    before, options = setup.journal.before, setup.options
    if module.read_module(phone) is None:
        manager = module.find_manager(phone)
        if manager is None or options.bcr_zip is None:
            raise RouteError(f"BCR is not installed on {phone.facts.name}", hint=_GET)
        given = module.read_zip(options.bcr_zip)
        before["installed"] = {"version": given.version, "sha256": given.sha256, "by": manager}
        setup.journal.changes = [module.MODULE]
        setup.keep()
        setup.tell(f"Installing BCR {given.version} by {manager}")
        module.install_zip(phone, manager, given)
    before["pending"] = "reboot"
    setup.keep()
    setup.tell(f"BCR is installed, and NOT on yet: {_REBOOT}.")


def _put_back(phone: Phone, package: Package, before: dict[str, Any]) -> None:
    """The two settings as they were; RestoreError when they do not stay."""
    values = {name: before["prefs"].get(name) for name in prefs.OURS}

    def edit(data: bytes) -> bytes | None:
        data = prefs.change(data, values)
        return data if before.get("file", True) or prefs.parse(data) else None

    settings.replace(phone, package, edit)
    settings.sweep(phone)
    if not before.get("folder", True):
        settings.remove_folder(phone, package)
    now = settings.read_entries(phone, package)
    wrong = [name for name, value in values.items() if prefs.truth(now, name) != value]
    if wrong:
        raise RestoreError(
            f"not as before on {phone.facts.name}: BCR's {', '.join(wrong)}",
            hint="Set it in BCR itself, then run `offhook disable` again.",
        )


def _is_on(phone: Phone, package: Package, journal: Journal) -> bool:
    """Whether BCR records the next call; without root, nobody can tell but the phone's user."""
    if not package.enabled:
        return False
    if not _is_rooted(phone, journal):
        return True
    try:
        return prefs.truth(settings.read_entries(phone, package), prefs.RECORD) is True
    except CaptureError:
        return False


def _is_rooted(phone: Phone, journal: Journal | None) -> bool:
    """Whether root can be had. A phone that gave none is not asked again: it may ask its owner."""
    if journal is not None and journal.before.get("taps"):
        return False
    try:
        phone.root  # noqa: B018 - found once, or the reason why not
    except RootError:
        return False
    return True


__all__ = ["BcrRoute", "problem"]
