"""What a phone's watcher has told since it was last asked."""

from __future__ import annotations

from agent.capture.alsa import recorder
from agent.sync.lines import Lines

_MOST_CLOSED = 1000


class News:
    """Gathers the watcher's lines (inotifyd's: letters, folder, name).

    ``files``: a scan is worth while. ``closed``: the paths of what was closed after writing. ``state``: the recorder does something else now. ``moved``: a
    folder is gone; another may stand in its place. Who has seen to one of them takes it back.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.files = self.state = self.moved = False
        self.closed: set[str] = set()

    def hear(self, timeout: float) -> bool:
        """Take in what was told, waiting for the first of it; whether there is anything to see
        to. LinkError when no more will be told."""
        line = self._lines.next(timeout)
        while line is not None:
            letters, _, rest = line.partition("\t")
            folder, _, name = rest.partition("\t")
            self.moved |= "D" in letters or "x" in letters
            self.state |= (folder, name) == (f"{recorder.HOME}/run", "state")
            if _is_news(folder, name):
                self.files = True
                if "w" in letters and len(self.closed) < _MOST_CLOSED:
                    self.closed.add(f"{folder}/{name}")
            line = self._lines.next(0)
        return self.files or self.state or self.moved


def _is_news(folder: str, name: str) -> bool:
    """Whether a change is worth a scan. Our recorder writes a recording's sidecar first: the
    recording itself is the news."""
    if folder == f"{recorder.HOME}/run":
        return False
    return folder != recorder.SPOOL or name.endswith(".wav")
