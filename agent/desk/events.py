"""What the system says of a folder on this computer, by watchdog."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

Seen = Callable[[FileSystemEvent], None]
#: Looking at files makes these.
_LOOKS = ("opened", "closed_no_write")


class _Handler(FileSystemEventHandler):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def on_any_event(self, event: FileSystemEvent) -> None:
        """What is done, but for being looked at."""
        if event.event_type not in _LOOKS:
            self._seen(event)


def observe(folders: Iterable[tuple[Path, Seen, bool]]) -> BaseObserver:
    """Call what belongs to a folder, from the observer's thread, for each change in it, and below
    it where the third says so. OSError where the system has no events to give."""
    observer = Observer()
    try:
        for folder, seen, below in folders:
            observer.schedule(_Handler(seen), str(folder), recursive=below)
        observer.start()
    except OSError:
        with contextlib.suppress(RuntimeError):
            observer.unschedule_all()
        raise
    return observer


def is_whole(observer: BaseObserver) -> bool:
    """Whether it still hears: of a folder that was removed it hears nothing any more, nor of one
    that is made in its place."""
    return all(emitter.should_keep_running() for emitter in observer.emitters)


def identity(folder: Path) -> tuple[int, int] | None:
    """What folder it is that has this path now, by device and inode; None where there is none.
    OSError where it can't be looked at."""
    try:
        status = folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def end(observer: BaseObserver) -> None:
    """No more of them, and no thread left."""
    observer.stop()
    observer.join()
