"""When a file on a phone is done and can be taken: a rule per recorder, one row of :data:`RULES`.

A rule looks at a scan and says how long a file has to be left alone yet. What has no rule of its
own is done when it has been the same for a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent.archive.sightings import Sighting
from agent.naming.sidecar import Sidecar
from agent.phone.files import IN_PLACE, SHARED, Source
from agent.sync.spot import Spotted, flat, stem

CUT = "cut"
INCOMPLETE = "incomplete"
NOT_MOVED = "not moved"
OTHER_SIZE = "listed with another size"
UNFINISHED = "still written to when it was taken"
#: What a rule said of a file that has no sidecar yet; a sidecar that says better takes it back.
PROVISIONAL = frozenset({CUT, INCOMPLETE})


@dataclass(frozen=True)
class Rules:
    """How patient sync is, in seconds.

    ``settle_s``: how long a file must have been the same where files are not renamed into
    place; more than the coarsest clock that dates files (FAT's, 2 s). ``pause_s``: how long ago an
    app of its own calls must have written it last, where nobody can tell whether it still does;
    longer than most pause between two writes. ``sidecar_wait_s``: how
    long a recording may be without the sidecar that belongs to it. ``leftover_s``: how long a
    file that its recorder should have finished must have been the same, with no call on, until
    it is taken for a leftover. ``held_s``: how long a file may stand still because a call seems
    to be on. ``attempts``: pulls of a file in one run until it counts as failed; ``retry_s``
    doubles with each failure up to ``retry_most_s``. ``patience_s``: how long a pull waits for a
    phone whose link broke. ``longest_s``: how long after it was first seen a file that still grows
    is taken as it is, once; it is longer than any call.
    """

    settle_s: float = 3.0
    pause_s: float = 30.0
    sidecar_wait_s: float = 10.0
    leftover_s: float = 10.0
    held_s: float = 600.0
    attempts: int = 3
    retry_s: float = 30.0
    retry_most_s: float = 3600.0
    patience_s: float = 15.0
    longest_s: float = 12 * 3600.0


@dataclass(frozen=True)
class Settled:
    """A rule's answer: seconds to wait (0: take it), flags for the recording; ``theirs``: it is
    no recording of this recorder, and stays alone."""

    wait_s: float = 0.0
    flags: tuple[str, ...] = ()
    theirs: bool = False


@dataclass(frozen=True)
class Scene:
    """What a rule may look at.

    ``unchanged_s``: for how long the file has been as it is. ``quiet_s``: the same, but counted
    anew while a call is on. ``idle_s``: for how long no call has been seen to be on. ``beside``
    is its sidecar, and ``said`` what that says; ``beside_s``
    for how long that has been as it is. ``others`` are the recorder's other folders. ``written``:
    whether a program has the file open to write, where root can tell. ``closed``: whether it was
    closed after that, as the phone told. ``still_s``: for how long nobody has written it, by its
    date and the phone's clock.
    """

    source: Source
    spotted: Spotted
    sighting: Sighting
    rules: Rules
    unchanged_s: float
    quiet_s: Callable[[], float]
    idle_s: Callable[[], float] = lambda: 0.0
    beside: Sighting | None = None
    beside_s: float = 0.0
    said: Callable[[], Sidecar | None] = lambda: None
    others: Mapping[Source, Spotted] = field(default_factory=dict)
    written: Callable[[], bool] = lambda: False
    closed: Callable[[], bool] = lambda: False
    still_s: Callable[[], float] = lambda: 0.0


Rule = Callable[[Scene], Settled]


def settled(scene: Scene) -> Settled:
    """Whether a file can be taken, by its recorder's rule."""
    usual = _in_place if IN_PLACE in scene.source.traits else _unchanged
    return RULES.get(scene.source.recorder or "", usual)(scene)


def only_calls(source: Source) -> bool:
    """Whether what has not the name of a call's recording is others', and stays alone: there is
    more of that in a folder than there are calls."""
    return SHARED in source.traits and source.recorder != "bcr"


def _unchanged(scene: Scene) -> Settled:
    """The rule for all that has no other."""
    if scene.source.atomic:
        return Settled()
    return _unless_written(scene, scene.rules.settle_s - scene.unchanged_s)


def _unless_written(scene: Scene, wait_s: float, *flags: str) -> Settled:
    """What an app records of a call of its own stands still between two of its writes, and no
    call is on as far as Android says. A program that never closes a file only delays it."""
    rules = scene.rules
    left_s = max(rules.held_s - scene.unchanged_s, 0.0)
    if wait_s <= 0 < left_s and scene.written():
        return Settled(min(rules.settle_s, left_s))
    return Settled(max(wait_s, 0.0), flags)


def _in_place(scene: Scene) -> Settled:
    """A dialer's file grows under its last name, and its header may be written at the very end.

    It also stands still, in a call that is held: so the call has to be over. A phone that never
    says so gets its recordings taken all the same, later.
    """
    rules = scene.rules
    wait_s = max(rules.settle_s - scene.unchanged_s, rules.settle_s - scene.idle_s())
    if _may_be_an_apps(scene.source) and wait_s < rules.pause_s and not scene.closed():
        wait_s = max(wait_s, rules.pause_s - scene.still_s())
    return _unless_written(scene, min(wait_s, rules.held_s - scene.unchanged_s))


def _may_be_an_apps(source: Source) -> bool:
    """Whether the calls in a folder may be an app's own, of which Android tells none, and nobody
    can tell whether a file is still open. A dialer's are the phone's."""
    return not source.root and source.route is None


def _offhook(scene: Scene) -> Settled:
    """Our own recorder renames into place: the sidecar first, then the recording."""
    if scene.source.atomic and scene.beside is None:
        return _until(scene.rules.sidecar_wait_s, scene.unchanged_s)
    return _unchanged(scene)


def _bcr(scene: Scene) -> Settled:
    """BCR (source: facts of its source code, 3.7).

    A recording grows in BCR's own folder, beside a log, under a name that may not be its last;
    then it is moved, which to a folder of the user's is a copy that grows under its last name;
    then the metadata is written, if it is on, and moved too; then the log goes. What was silent
    is deleted, after metadata that says so. What went wrong stays where it was.
    """
    rules, source = scene.rules, scene.source
    staging = "staging" in source.traits
    if scene.beside is not None:
        said = scene.said()
        flags = (NOT_MOVED,) if staging else ()
        if said is None or said.problem is not None:  # being written, or nonsense for good
            return _until(rules.leftover_s, min(scene.beside_s, scene.unchanged_s), *flags)
        if said.finished is None:  # BCR 1.48 does not tell
            return _until(rules.settle_s, scene.unchanged_s, *flags)
        if not said.finished:
            return _until(rules.leftover_s, scene.unchanged_s, INCOMPLETE, *flags)
        return Settled(flags=flags)
    if is_theirs(source, scene.sighting.path):
        return Settled(theirs=True)
    if _bcr_logged(scene):
        moved = (NOT_MOVED,) if staging else ()
        return _unless_written(scene, rules.leftover_s - scene.quiet_s(), CUT, *moved)
    if staging:
        return _unless_written(scene, rules.leftover_s - scene.quiet_s(), NOT_MOVED)
    waits_for_more = "sidecars" in source.traits or _bcr_copied(scene)
    patience_s = rules.sidecar_wait_s if waits_for_more else rules.settle_s
    return _unless_written(scene, patience_s - scene.unchanged_s)


#: The beginning of a name by BCR's own template: ``20230414_215701.088-0400``.
_BCR_NAME = re.compile(r"(?<!\d)(?:19|20)\d{6}_\d{6}(?!\d)")


def is_theirs(source: Source, path: str) -> bool:
    """Whether a file in a folder that others use too has not a name of the recorder's."""
    return (
        source.recorder == "bcr"
        and SHARED in source.traits
        and not _BCR_NAME.search(path.rsplit("/", 1)[-1])
    )


def _bcr_logged(scene: Scene) -> bool:
    """Whether a log of the same name lies in a folder of BCR's: it is at work, or died at it."""
    name = flat(scene.source, stem(scene.sighting.path))
    here = {scene.source: scene.spotted}
    return any(
        name in {flat(source, log) for log in spotted.logs}
        for source, spotted in (here | dict(scene.others)).items()
    )


def _bcr_copied(scene: Scene) -> bool:
    """Whether the same name with another size lies in another folder: it is being copied."""
    name, size = flat(scene.source, scene.sighting.path), scene.sighting.size
    return any(
        spotted.flat_sizes(source, name) - {size} for source, spotted in scene.others.items()
    )


def _until(patience_s: float, passed_s: float, *flags: str) -> Settled:
    return Settled(max(patience_s - passed_s, 0.0), flags)


RULES: dict[str, Rule] = {
    "offhook": _offhook,
    "bcr": _bcr,
}
