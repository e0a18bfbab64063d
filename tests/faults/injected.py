"""``offhook sync`` with a fault at one of its system calls, and a look at the archive after it.

A process that has every module loaded, and ``shim.c`` preloaded, forks one child a run: that costs
a tenth of a new Python. Both sides are here: :class:`Runs` for the driver, and the process itself.

    python -m tests.faults.injected      (with LD_PRELOAD; Runs starts it)
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import json
import mmap
import os
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Self

from tests.faults.kill_runner import sync_all, wrong_in
from tests.faults.ordinary import become_ordinary

SHIM = Path(__file__).with_name("shim.c")
WRITES, SYNCS, NAMES, NET = 1, 2, 4, 8
COUNT, KILL_BEFORE, KILL_AFTER, TORN, FAIL, FAIL_ON = range(6)
_LONGEST_S = 120


def folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, where there is one: what a disk would lose is worked out anyway."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(
        prefix="offhook-faults-", dir=memory if memory.is_dir() else None
    )


class Page(ctypes.Structure):
    """What the shim is told, and tells: ``struct page`` of shim.c."""

    _fields_ = [
        ("count", ctypes.c_uint64),
        ("at", ctypes.c_uint64),
        ("clock_ns", ctypes.c_int64),
        ("mode", ctypes.c_uint32),
        ("classes", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("log", ctypes.c_int32),
        ("hit", ctypes.c_uint32),
        ("call", ctypes.c_char * 20),
        ("root", ctypes.c_char * 200),
    ]


class Runs:
    """Starts runs of offhook in ``home``. A context manager."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder = home, folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        shim = self.folder / "shim.so"
        subprocess.run(
            ["gcc", "-O2", "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-ldl"], check=True
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.injected"],
            env={
                **os.environ,
                "LD_PRELOAD": str(shim),
                "OPENBLAS_NUM_THREADS": "1",
                "OFFHOOK_HOME": str(self.home),
                "ANDROID_USER_HOME": str(self.folder / "android"),
                "ANDROID_ADB_SERVER_PORT": "9",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def begin(self, **asked: Any) -> None:
        """Begin a run; the words are those of :func:`_serve`."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """What came of it."""
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks the runs has died")
        said: dict[str, Any] = json.loads(line)
        return said

    def run(self, **asked: Any) -> dict[str, Any]:
        """Both."""
        self.begin(**asked)
        return self.end()


def look(home: Path) -> dict[str, Any]:
    """What there is in an archive: how often each hash was filed, and what is wrong there."""
    from agent.archive import Archive
    from agent.archive.audit import audit

    found: dict[str, list[str]] = {"doubled": [], "corrupt": [], "left_over": []}
    with Archive(home, write=True) as archive:
        for one in audit(archive).findings:
            kind = "left_over" if one.kind in ("added", "left over") else "corrupt"
            found[kind].append(f"{one.kind}: {one.path}: {one.text}")
        files = [path for path in archive.store.root.rglob("*") if path.is_file()]
        hashes = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
        found["doubled"] += [f"{n} files with {sha}" for sha, n in hashes.items() if n > 1]
        found["left_over"] += [
            f"{path.name} has {status.st_nlink} names, mode {stat.S_IMODE(status.st_mode):o}"
            for path in files
            if (status := path.stat()).st_nlink != 1 or stat.S_IMODE(status.st_mode) != 0o400
        ]
        with archive.reading() as db:
            rows = [str(row["sha256"]) for row in db.query("SELECT sha256 FROM recordings")]
            for table, wanted in (("custody", " WHERE action = 'filed'"), ("search", "")):
                (count,) = db.execute(f"SELECT count(*) FROM {table}{wanted}").fetchone()
                if count != len(rows):
                    found["doubled"].append(f"{len(rows)} recordings, {count} in {table}")
            for row in db.query("SELECT path FROM filing"):
                found["left_over"].append(f"still being filed: {row['path']}")
            for row in db.query(
                "SELECT shown, state, error FROM sightings WHERE state NOT IN ('filed', 'gone')"
            ):
                found["left_over"].append("{shown} is {state}: {error}".format(**row))
    return {"sha256": rows, **found}


# -- the process that forks ------------------------------------------------------------------------


def _serve() -> None:
    """One JSON object a line in, one out.

    ``address``: the phone's. ``mode``, ``at``, ``classes``, ``error``, ``clock_ns``: see Page.
    ``log``: the file for what was done to the disk. ``busy_s``: how long a locked index is waited
    for. ``look``: only look at the archive.
    """
    become_ordinary()
    _load()
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    page = Page.from_buffer(shared)
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        for line in sys.stdin:
            asked = json.loads(line)
            for file in (out, said):
                file.seek(0)
                file.truncate()
            child = os.fork()
            if child == 0:
                _child(asked, page, shim, (out.fileno(), said.fileno()))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            answer: dict[str, Any] = {"code": code, "count": page.count, "hit": page.hit}
            answer["call"] = page.call.decode()
            for name, file in (("out", out), ("said", said)):
                file.seek(0)
                answer[name] = file.read().decode(errors="replace")
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def _load() -> None:
    """Everything that a run imports or starts once."""
    import agent.adb.direct.connection
    import agent.adb.direct.keys  # noqa: F401
    from agent.audio.measure import warm_up
    from agent.cli.main import MODULES
    from agent.naming.number import number_in

    for name in set(MODULES.values()):
        importlib.import_module(f"agent.cli.{name}")
    warm_up()
    number_in("+493012345678")


def _child(asked: dict[str, Any], page: Page, shim: ctypes.CDLL, outputs: tuple[int, int]) -> None:
    """One run; does not return."""
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
        home = Path(os.environ["OFFHOOK_HOME"])
        page.count = page.hit = 0
        page.call = b""
        page.root = f"{home}/".encode()
        for name in ("mode", "at", "classes", "error", "clock_ns"):
            setattr(page, name, asked.get(name, 0))
        page.log = -1
        if "log" in asked:
            page.log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if asked.get("look"):
            code = 0
            found = wrong_in(home) if asked.get("memory") else look(home)
            sys.stdout.write(json.dumps(found))
        elif asked.get("memory"):
            code = 0
            shim.offhook_arm(ctypes.byref(page))
            sync_all(home, later=bool(asked.get("later")))
        else:
            code = _sync(asked, page, shim)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a child has nobody to raise it to
        import traceback

        with contextlib.suppress(OSError):
            os.write(2, traceback.format_exc().encode())
        code = 99
    os._exit(code)


def _sync(asked: dict[str, Any], page: Page, shim: ctypes.CDLL) -> int:
    from agent.archive import Archive, db
    from agent.capture.alsa import recorder
    from agent.cli import syncing
    from agent.cli.common import App
    from agent.cli.main import run
    from agent.phone.files import Source
    from agent.phone.phone import Phone
    from agent.sync import Rules, SyncEngine

    def sources(app: App, archive: Archive, phone: Phone) -> list[Source]:
        # The spool without its recorder, which needs a sound card, and is not the matter here.
        return [recorder.SOURCE, *app.config.sources]

    # A run does not wait for what is unfinished: the next one's clock is ahead of it.
    syncing._PATIENCE = 0.0
    syncing.sources_of = sources
    syncing.SyncEngine = functools.partial(SyncEngine, rules=Rules(patience_s=1.0))
    if "busy_s" in asked:
        db.Index.__init__.__defaults__ = (asked["busy_s"],)
    shim.offhook_arm(ctypes.byref(page))
    return run(["--phone", asked["address"], "--json", "sync"])


if __name__ == "__main__":
    _serve()
