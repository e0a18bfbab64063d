"""All files below some paths, at once, in order: so a dry run and the real one agree."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from agent.sync.inbox.find import Left, LocalFile
from agent.sync.inbox.settle import SETTLE_S, age_s
from agent.sync.inbox.take import Outcome
from agent.sync.pull import Cancelled

MOVING = "it is still being written"


class Waiting(Protocol):
    """A request to stop that can be waited for; a ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, seconds: float, /) -> bool:
        """Wait; whether to stop."""


def run(
    found: Sequence[LocalFile | Left],
    handle: Callable[[LocalFile], Outcome],
    cancel: Waiting,
    *,
    settle_s: float = SETTLE_S,
) -> Iterator[Outcome]:
    """What becomes of each; ``handle`` is an importer's ``take`` or ``decide``.

    Files that have changed just now are waited for first, once and all together. Cancelled when
    that is asked for.
    """
    late: set[str] = set()
    wait_s = 0.0
    for one in found:
        age = age_s(one) if isinstance(one, LocalFile) else None
        if isinstance(one, LocalFile) and (age is None or age < settle_s):
            late.add(one.path)
            wait_s = max(wait_s, settle_s - (age or 0.0))
    cancel.wait(wait_s)
    for one in found:
        if cancel.is_set():
            raise Cancelled
        if isinstance(one, Left):
            yield Outcome(one.path, "failed" if one.failed else "left", one.reason)
        elif one.path in late:
            yield _looked_again(one, handle)
        else:
            yield handle(one)


def _looked_again(file: LocalFile, handle: Callable[[LocalFile], Outcome]) -> Outcome:
    try:
        status = os.lstat(file.path)
    except OSError as error:
        return Outcome(file.path, "failed", (error.strerror or str(error)).lower())
    if not stat.S_ISREG(status.st_mode) or not file.is_still(status):
        return Outcome(file.path, "waiting", MOVING, size=status.st_size)
    return handle(file)
