"""Where it is measured: a lab phone of the host kind, and who talks to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.adb.direct.keys import load_signer
from tests.lab.phone import LabPhone
from tests.lab_tests.conftest import Adb

FOLDER = "/data/local/tmp/bench"


class Field:
    """A phone, Google's adb with a server of its own, and a folder on this computer's disk."""

    def __init__(self, phone: LabPhone, adb: Adb, home: Path) -> None:
        self.phone = phone
        self.adb = adb
        self.home = home
        self.serial = adb.connect(phone)
        self.key = home / "adbkey"
        load_signer(self.key)
        self.peak_mib = 0.0

    @property
    def target(self) -> Path:
        """An empty folder, and a disk with nothing left to write."""
        folder = self.home / "target"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.sync()
        return folder

    def make(self, name: str, count: int, size: int, head: bytes = b"") -> list[str]:
        """``count`` files of ``size`` bytes on the phone: random, but for their ``head``, with
        which they are WAVs."""
        folder = f"{FOLDER}/{name}"
        suffix = ".wav" if head else ""
        self.phone.root(
            f"mkdir -p {folder}; cd {folder}; cat > ../head; i=0; while [ $i -lt {count} ]; do "
            f"{{ cat ../head; head -c {size - len(head)} /dev/urandom; }} > f$i{suffix}; "
            f"i=$((i + 1)); done; rm ../head; chown -R 2000:2000 {FOLDER}",
            input=head,
            timeout=300,
        )
        return [f"{folder}/f{number}{suffix}" for number in range(count)]

    def remove(self, name: str) -> None:
        self.phone.root(f"rm -rf {FOLDER}/{name}", timeout=300)

    def child(self, job: str, wanted: int, paths: list[str], **more: Any) -> float:
        """Seconds of a job of tests.benches.child, which has to bring ``wanted``."""
        spec = {
            "job": job,
            "address": self.phone.address,
            "key": str(self.key),
            "paths": paths,
            "target": str(self.target),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.benches.child", json.dumps(spec)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{job}: {done.stderr.strip()[-2000:]}")
        said = json.loads(done.stdout)
        if said["came"] != wanted:
            raise RuntimeError(f"{job} brought {said['came']} of {wanted}")
        if job.startswith("ours"):
            self.peak_mib = max(self.peak_mib, said["peak_mib"])
        return float(said["took"])

    def google(self, *words: str, into: Path | None = None) -> float:
        """Seconds of a command of Google's adb."""
        command = [*self.adb.command, "-s", self.serial, *words]
        begin = time.monotonic()
        with (into or Path(os.devnull)).open("wb") as out:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                env=self.adb.environment,
                check=False,
            )
        took = time.monotonic() - begin
        if done.returncode != 0:
            raise RuntimeError(f"adb {words[0]}: {done.stderr.decode(errors='replace')[-2000:]}")
        return took

    def google_flushed(self, folder: str) -> float:
        """Seconds of ``adb pull`` and of flushing what it wrote, file by file."""
        target = self.target
        took = self.google("pull", folder, str(target))
        begin = time.monotonic()
        for path in target.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fdatasync(file.fileno())
        return took + time.monotonic() - begin

    def better(self, *words: str) -> float:
        """Seconds of BetterADBSync, with the same adb."""
        program = Path(sys.executable).with_name("adbsync")
        adb, _, port = self.adb.command
        command = [str(program), "-qqqq", "--adb-bin", adb, "--adb-option", "P", port]
        command += ["--adb-option", "s", self.serial, *words]
        begin = time.monotonic()
        done = subprocess.run(command, capture_output=True, env=self.adb.environment, check=False)
        took = time.monotonic() - begin
        if done.returncode != 0:
            raise RuntimeError(f"adbsync: {done.stderr.decode(errors='replace')[-2000:]}")
        return took


@contextmanager
def field(home: Path, profile: str = "plain") -> Iterator[Field]:
    """A field in ``home``, which is emptied before and removed after."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    adb = Adb(home)
    try:
        with LabPhone(profile=profile) as phone:
            yield Field(phone, adb, home)
    finally:
        adb.run("kill-server")
        shutil.rmtree(home, ignore_errors=True)
