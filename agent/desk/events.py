"""What the system says of a folder on this computer, by watchdog."""

from __future__ import annotations

import contextlib
import errno
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from agent.errors import OffhookError

#: What inotify refuses for: the limit's name, in words, and a value that does.
_LIMITS = {
    errno.ENOSPC: ("max_user_watches", "of watched folders", 524288),
    errno.EMFILE: ("max_user_instances", "of programs that watch folders", 512),
}

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


def observe(
    folders: Iterable[tuple[Path, Seen, bool]], refused: Callable[[OSError], None]
) -> BaseObserver:
    """Call what belongs to a folder, from the observer's thread, for each change in it, and below
    it where the third says so. OSError where the system has no events to give.

    ``refused`` is called, from any thread, where it has none of a folder below: it should only
    set something.
    """
    observer = Observer()
    _tell_refused(observer, refused)
    try:
        for folder, seen, below in folders:
            observer.schedule(_Handler(seen), str(folder), recursive=below)
        observer.start()
    except OSError:
        with contextlib.suppress(RuntimeError):
            observer.unschedule_all()
        raise
    return observer


def _tell_refused(observer: BaseObserver, refused: Callable[[OSError], None]) -> None:
    """watchdog keeps to itself that a folder below could not be added, now or when it is made."""
    inotify = getattr(observer, "_inotify_fd", None)  # Linux alone has one, and the limit
    add = getattr(inotify, "add_callback", None)
    if inotify is None or add is None:
        return

    def adding(*words: Any) -> Any:
        try:
            return add(*words)
        except OSError as error:
            if error.errno in _LIMITS:
                refused(error)
            raise

    inotify.add_callback = adding


def unheard(what: str, error: OSError) -> OffhookError | None:
    """What to tell of it, where it is one of the system's limits: ``what`` is not to be had."""
    if error.errno not in _LIMITS:
        return None
    name, words, enough = _LIMITS[error.errno]
    return OffhookError(
        f"{what}: the system's limit {words} is reached",
        hint=f"Raise it by `sudo sysctl fs.inotify.{name}={enough}`, or end what else watches many "
        "folders, as editors do; then start `watch` again.",
    )


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
