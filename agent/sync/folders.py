"""The folders of a phone as sources: those that the user has chosen, beside the route's and those
of ``offhook.toml``; and what each of them would bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from agent.archive import chosen
from agent.archive.archive import Archive
from agent.capture.dialer.vendors import BY_NAME
from agent.errors import RootError
from agent.naming.folders import Folder, below, folder_at
from agent.phone.files import IN_PLACE, SHARED, RemoteFile, Source
from agent.phone.folders import OnPhone, find_folders
from agent.phone.phone import Phone
from agent.sync.spot import kind_of


@dataclass(frozen=True)
class Found:
    """A folder of recordings, and what it would bring: ``recordings`` files of ``size`` bytes, the
    newest of ``newest_ms``; ``others`` stay where they are. ``there``: whether it exists."""

    source: Source
    row: Folder | None
    recordings: int = 0
    size: int = 0
    newest_ms: int | None = None
    others: int = 0
    there: bool = True

    @property
    def whose(self) -> str | None:
        """The recorder, or those that it could be, in words."""
        if self.row is None:
            return self.source.recorder
        if self.row.recorder is not None:
            return self.row.recorder
        return " or ".join(sorted(self.row.dialers or ())) or None


def source_of(path: str, *, root: bool, row: Folder | None = None) -> Source:
    """A folder that the user has chosen, as a source.

    It has the name that it has where its dialer's route is on, so what was pulled from it by
    that is known.
    """
    row = row or folder_at(path)
    dialers = (row.dialers if row.dialers is not None else (row.recorder,)) if row else ()
    is_dialers = any(name in BY_NAME for name in dialers)
    volume, rest = below(path)
    name = f"{'dialer' if is_dialers else 'folder'} {rest if volume == 'user 0' else path}"
    if row is not None and row.private and volume == "data 0":
        name = "dialer private"
    traits = {SHARED} if row is not None and row.mixed else set()
    if row is not None and row.recorder == "bcr":  # which has a rule of its own
        return Source(name, path, root, recorder="bcr", traits=frozenset(traits))
    traits.add(IN_PLACE)
    if not is_dialers:  # by what app, the file's name says, and its folder
        return Source(name, path, root, traits=frozenset(traits))
    recorder = row.recorder if row is not None else None
    return Source(name, path, root, recorder=recorder, traits=frozenset(traits), route="dialer")


def chosen_sources(archive: Archive, serial: str) -> list[Source]:
    """The folders of a phone that the user has chosen."""
    return [
        source_of(choice.path, root=choice.root)
        for choice in chosen.choices(archive, serial)
        if choice.chosen
    ]


def all_sources(
    route: Iterable[Source], picked: Iterable[Source], own: Iterable[Source]
) -> list[Source]:
    """The route's sources, those chosen, and the user's own, without any folder twice.

    Of a folder that the route has, too, the choice says that what is old in it shall come as well.
    """
    sources, kept, own = list(route), [], list(own)
    for one in picked:
        same = [other for other in sources if below(other.path) == below(one.path)]
        if same:
            sources = [replace(s, left=frozenset()) if s in same else s for s in sources]
        elif not any(holds(other, one) for other in (*sources, *own)):
            kept.append(one)
    return [*sources, *kept, *own]


def holds(outer: Source, inner: Source) -> bool:
    """Whether a folder is another one, by whatever path, or has it in it."""
    volume, rest = below(inner.path)
    outer_volume, outer_rest = below(outer.path)
    inside = not outer_rest or rest == outer_rest or rest.startswith(f"{outer_rest}/")
    return volume == outer_volume and inside


def look_over(
    phone: Phone, known: Sequence[Source], is_call: Callable[[str], bool]
) -> tuple[list[Found], RootError | None]:
    """Every folder of recordings on a phone with what it would bring, and those that are ``known``
    as sources, whether they are there or not. A handful of commands, however many there are.
    ``is_call`` tells a call's recording by its path, where others keep sounds too.

    Also why what only root sees was not looked at, if it was not.
    """
    there, problem = find_folders(phone)
    listed = [(source_of(one.path, root=one.root, row=one.row), one) for one in there]
    places = {below(source.path) for source, _ in listed}
    rest = {below(source.path): source for source in reversed(known)}  # of two, the first
    more = [(source, None) for place, source in rest.items() if place not in places]
    sources: list[tuple[Source, OnPhone | None]] = [*listed, *more]
    files: dict[Source, list[RemoteFile]] = {source: [] for source, _ in sources}
    for root in (False, True):
        mine = [source for source in files if source.root == root]
        if not mine or (root and problem is not None):
            continue
        for file in phone.files_below(_outermost(mine), root=root):
            for source in mine:
                if file.path.startswith(f"{source.path}/"):
                    files[source].append(file)
    found = [
        _found(source, one.row if one else None, files[source], is_call, there=one is not None)
        for source, one in sources
    ]
    return found, problem


def _outermost(sources: Sequence[Source]) -> list[str]:
    paths = {source.path.rstrip("/") for source in sources}
    return sorted(
        path for path in paths if not any(path.startswith(f"{other}/") for other in paths)
    )


def _found(
    source: Source,
    row: Folder | None,
    files: Sequence[RemoteFile],
    is_call: Callable[[str], bool],
    *,
    there: bool,
) -> Found:
    ours = [
        file
        for file in files
        if kind_of(file.path) == "recording"
        and file.size
        and (SHARED not in source.traits or is_call(file.path))
    ]
    return Found(
        source,
        row or folder_at(source.path),
        len(ours),
        sum(file.size for file in ours),
        max((file.mtime_ns // 1_000_000 for file in ours), default=None),
        len(files) - len(ours),
        there or bool(files),
    )
