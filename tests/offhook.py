"""The real ``offhook`` command, run as a user would, in a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).with_name("offhook"))


@dataclass(frozen=True)
class Ran:
    """A run that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the JSON document that it is."""
        return json.loads(self.out)


class Offhook:
    """The command with a home; ``address`` is the phone meant, ``HOST:PORT``."""

    def __init__(self, home: Path, address: tuple[str, int] | None = None) -> None:
        self.home = home
        self.address = address
        self.env = os.environ | {
            "OFFHOOK_HOME": str(home),
            "ANDROID_USER_HOME": str(home.parent / "android"),
            "ANDROID_ADB_SERVER_PORT": os.environ.get("ANDROID_ADB_SERVER_PORT", "9"),
            "COLUMNS": "120",
        }
        if address is not None:
            self.env["OFFHOOK_PHONE"] = "{}:{}".format(*address)

    def run_closed(self, *words: str) -> Ran:
        """Run it where nothing in its home can be written, which root has to be kept from."""
        folders = [self.home, *(path for path in self.home.rglob("*") if path.is_dir())]
        index = self.home / "offhook.db"
        index.chmod(0o400)
        for folder in folders:
            folder.chmod(0o500)
        lesser = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
        try:
            return self.run(*words, before=lesser if os.geteuid() == 0 else ())
        finally:
            for folder in folders:
                folder.chmod(0o700)
            index.chmod(0o600)

    def run(self, *words: str, timeout: float = 120, before: Sequence[str] = ()) -> Ran:
        """Run it to its end, by another program if need be; nothing is asserted."""
        done = subprocess.run(
            [*before, PROGRAM, *words],
            env=self.env,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def good(self, *words: str, timeout: float = 120) -> Ran:
        """Run it; it has to succeed."""
        ran = self.run(*words, timeout=timeout)
        assert ran.code == 0, f"offhook {words}: {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def rows(self) -> list[dict[str, Any]]:
        """``list``, oldest first."""
        listed: list[dict[str, Any]] = self.good("--json", "list").json
        return sorted(listed, key=lambda row: (str(row["started"]), row["id"]))

    def file(self, row: dict[str, Any]) -> Path:
        """Where a row's recording is."""
        return self.home / "archive" / str(row["path"])

    @contextmanager
    def watching(self) -> Iterator[Watching]:
        """``offhook --json watch`` beside what the block does; ended by SIGTERM."""
        process = subprocess.Popen(
            [PROGRAM, "--json", "watch"], env=self.env, stdout=subprocess.PIPE, text=True
        )
        watching = Watching(process)
        try:
            yield watching
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            watching.reader.join()
            assert process.stdout is not None
            process.stdout.close()

    @contextmanager
    def selftest(self, *words: str) -> Iterator[SelfTest]:
        """``offhook --json selftest`` beside what the block does."""
        process = subprocess.Popen(
            [PROGRAM, "--json", "selftest", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield SelfTest(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


class SelfTest:
    """A self-test that runs, and what it has asked for so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""

    def wait_for(self, words: str) -> None:
        """Until it says this."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it did not say {words!r}: {self.said}")

    def end(self, timeout: float = 120) -> Ran:
        """Until it ends; nothing is asserted."""
        out, err = self.process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        return Ran(self.process.returncode, out, self.said + err)


class Watching:
    """A watch that runs, and the events that it has told so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()

    def wait(self, kind: str, count: int = 1, timeout: float = 90, **facts: object) -> None:
        """Until ``count`` events of a kind, with these facts, have been told."""

        def there() -> bool:
            return sum(_fits(event, kind, facts) for event in self.events) >= count

        with self._news:
            assert self._news.wait_for(there, timeout), (
                f"no {count} × {kind} {facts} in {timeout} s: {self.events}"
            )


def _fits(event: dict[str, Any], kind: str, facts: dict[str, object]) -> bool:
    return event["event"] == kind and all(event.get(key) == value for key, value in facts.items())


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Until a condition holds, asked again and again; AssertionError when it does not."""
    never, left = threading.Event(), timeout
    while not condition():
        assert left > 0, f"it did not hold within {timeout} s"
        never.wait(0.05)
        left -= 0.05
