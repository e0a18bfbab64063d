"""One measured run in a process of its own: ``python -m tests.benches.child JSON``.

Prints what it took, in seconds from before the connection is made to when all is done (or what
the job says that it took), what came, and the most memory that the process ever held. An interpreter's start is not counted, for
nobody: the agent runs on, and so do those who use adb-shell.
"""
# ruff: noqa: T201 - it answers on standard output

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from tests.benches.command import peak_mib

Job = Callable[[dict[str, Any]], "int | tuple[int, float]"]


def ours_pull(spec: dict[str, Any]) -> int:
    """Files onto the disk: received, hashed, written, flushed."""
    from agent.adb.fetch import FileSink, fetch

    there = Path(spec["target"])
    total = 0
    with _link(spec) as link:
        for one in fetch(link, spec["paths"], lambda p: FileSink(there / PurePosixPath(p).name)):
            if one.error is not None:
                raise one.error
            total += one.size
    return total


def ours_root_read(spec: dict[str, Any]) -> int:
    """A file that only root may read, hashed, written and flushed."""
    import hashlib

    from agent.adb.fetch import FileSink
    from agent.phone.phone import Phone

    digest, total = hashlib.sha256(), 0
    sink = FileSink(Path(spec["target"]) / "root")
    with Phone(lambda serial, timeout, named: _link(spec), "bench") as phone:
        for chunk in phone.read(spec["paths"][0], root=True):
            digest.update(chunk)
            sink.write(chunk)
            total += len(chunk)
        sink.flush()
        sink.close(whole=True)
    return total


def ours_list(spec: dict[str, Any]) -> int:
    """All files of a tree, with size, time and inode."""
    from agent.phone.files import Source
    from agent.phone.phone import Phone

    with Phone(lambda serial, timeout, named: _link(spec), "bench") as phone:
        return len(phone.scan(Source("bench", spec["paths"][0])))


def ours_commands(spec: dict[str, Any]) -> int:
    """Short commands, one after another."""
    from agent.adb import shell

    with _link(spec) as link:
        return sum(shell.run(link, "true").code == 0 for _ in range(spec["count"]))


def adb_shell_pull(spec: dict[str, Any]) -> int:
    """Files onto the disk with plain adb-shell: neither hashed nor flushed."""
    device = _adb_shell(spec)
    total = 0
    for path in spec["paths"]:
        target = Path(spec["target"]) / PurePosixPath(path).name
        device.pull(path, str(target))
        total += target.stat().st_size
    device.close()
    return total


def adb_shell_list(spec: dict[str, Any]) -> int:
    """A tree by adb-shell's list, folder by folder."""
    device = _adb_shell(spec)
    total, folders = 0, [spec["paths"][0]]
    while folders:
        folder = folders.pop()
        for entry in device.list(folder):
            name = entry.filename.decode()
            if name not in (".", ".."):
                if entry.mode & 0o40000:
                    folders.append(f"{folder}/{name}")
                else:
                    total += 1
    device.close()
    return total


def adb_shell_commands(spec: dict[str, Any]) -> int:
    """Short commands with plain adb-shell, which has no exit codes."""
    device = _adb_shell(spec)
    total = sum(device.shell("echo x") == "x\n" for _ in range(spec["count"]))
    device.close()
    return total


JOBS: dict[str, Job] = {
    job.__name__: job
    for job in (
        ours_pull,
        ours_root_read,
        ours_list,
        ours_commands,
        adb_shell_pull,
        adb_shell_list,
        adb_shell_commands,
    )
}


def _job(name: str) -> Job:
    """Of those here, or in :mod:`tests.benches.ours`, which has much to import."""
    if name in JOBS:
        return JOBS[name]
    from tests.benches import ours

    job: Job = getattr(ours, name)
    return job


def _link(spec: dict[str, Any]) -> Any:
    from agent.adb.direct.connection import connect_tcp
    from agent.adb.direct.keys import load_signer

    return connect_tcp(*spec["address"], [load_signer(Path(spec["key"]))])


def _adb_shell(spec: dict[str, Any]) -> Any:
    from adb_shell.adb_device import AdbDeviceTcp
    from adb_shell.auth.sign_pythonrsa import PythonRSASigner

    device = AdbDeviceTcp(*spec["address"], default_transport_timeout_s=60)
    device.connect(rsa_keys=[PythonRSASigner.FromRSAKeyPath(spec["key"])], auth_timeout_s=10)
    return device


def _warm_up(spec: dict[str, Any]) -> None:
    """Imports are not what is measured."""
    if spec["job"].startswith("ours"):
        import agent.adb.fetch
        import agent.phone.phone  # noqa: F401
    else:
        import adb_shell.adb_device
        import adb_shell.auth.sign_pythonrsa  # noqa: F401


def main() -> None:
    spec = json.loads(sys.argv[1])
    job = _job(spec["job"])
    _warm_up(spec)
    begin = time.monotonic()
    came = job(spec)
    took = time.monotonic() - begin
    if isinstance(came, tuple):
        came, took = came
    print(json.dumps({"took": took, "came": came, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
