"""A pull whose link breaks in the middle goes on from there, whatever broke and however it mends."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.archive.archive import Archive
from agent.phone.files import Source
from agent.phone.phone import Phone, open_phone
from agent.sync.engine import Rules, SyncEngine
from agent.sync.events import Report, SyncEvent
from tests.lab.google import Adb
from tests.lab.phone import LabPhone

SIZE = 48_000_000
FOLDER = "/data/media/0/Recordings"
AT_ONCE = Rules(settle_s=0.0)


@pytest.fixture(scope="module")
def wanted(lab: LabPhone) -> str:
    """The hash of a large file on the phone, asked of the phone past adb."""
    lab.root(f"mkdir -p {FOLDER}; head -c {SIZE} /dev/urandom > {FOLDER}/large.bin.wav")
    lab.root(f"chown -R 2000:1023 {FOLDER}; chmod -R a+rX {FOLDER}")
    return lab.root(f"sha256sum < {FOLDER}/large.bin.wav")[:64]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "home", write=True) as archive:
        yield archive


class Pull:
    """One run of the engine in which something happens when a third of the file is there."""

    def __init__(
        self, archive: Archive, phone: Phone, source: Source, rules: Rules = AT_ONCE
    ) -> None:
        self.events: list[SyncEvent] = []
        self.came = 0
        self._in_time = threading.Event()
        self._fault: Callable[[], None] = lambda: None
        read = phone.read

        def counted(path: str, *, root: bool, offset: int = 0) -> Iterator[bytes]:
            for chunk in read(path, root=root, offset=offset):
                self.came += len(chunk)
                yield chunk

        phone.read = counted  # type: ignore[method-assign]
        self._engine = SyncEngine(archive, phone, [source], self._tell, rules=rules)

    def run(self, fault: Callable[[], None]) -> Report:
        """Run, with the fault in the middle."""
        self._fault = fault
        return self._engine.run_once()

    def arrives(self, fault: Callable[[], None]) -> None:
        """Run, with the fault in the middle; the file has to come, no byte of it twice."""
        report = self.run(fault)
        assert report.whole, report
        broken = [event for event in self.events if event.kind == "broken"]
        assert len(broken) >= 1
        assert SIZE // 3 <= broken[0].done < SIZE
        assert self.came == SIZE

    def _tell(self, event: SyncEvent) -> None:
        self.events.append(event)
        if event.kind == "progress" and event.done >= SIZE // 3:
            fault, self._fault = self._fault, lambda: None
            fault()


def check(archive: Archive, wanted: str) -> None:
    (recording,) = archive.recordings()
    assert recording.sha256 == wanted
    stored = archive.store.locate(recording.path)
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == wanted


def restart_adbd(lab: LabPhone) -> None:
    lab.kill_adbd()
    lab.start_adbd()


def pull_the_cable(lab: LabPhone) -> None:
    lab.unplug()
    lab.plug()


@pytest.mark.parametrize("root", [False, True], ids=["as adbd", "as root"])
@pytest.mark.parametrize("fault", [restart_adbd, pull_the_cable])
def test_a_direct_pull_goes_on(
    lab: LabPhone, archive: Archive, wanted: str, fault: Callable[[LabPhone], None], root: bool
) -> None:
    folder = FOLDER if root else "/sdcard/Recordings"
    with open_phone("{}:{}".format(*lab.address)) as phone:
        Pull(archive, phone, Source("all", folder, root=root)).arrives(lambda: fault(lab))
    check(archive, wanted)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Adb]:
    """An adb server of the test's own, which the agent takes for the user's."""
    (tmp_path / "android").mkdir()
    google = Adb(tmp_path / "android")
    google.run("start-server")
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(google.port))
    yield google
    google.run("kill-server")


def restart_server(google: Adb, lab: LabPhone) -> None:
    google.run("kill-server")
    google.run("start-server")
    google.connect(lab)


def server_restarts_adbd(google: Adb, lab: LabPhone) -> None:
    restart_adbd(lab)


def leave_the_server(google: Adb, lab: LabPhone) -> None:
    google.run("kill-server")


@pytest.mark.parametrize("root", [False, True], ids=["as adbd", "as root"])
@pytest.mark.parametrize("fault", [restart_server, server_restarts_adbd, leave_the_server])
def test_a_pull_through_the_server_goes_on(
    lab: LabPhone,
    server: Adb,
    archive: Archive,
    wanted: str,
    fault: Callable[[Adb, LabPhone], None],
    root: bool,
) -> None:
    folder = FOLDER if root else "/sdcard/Recordings"
    with open_phone(server.connect(lab)) as phone:
        assert "adb server" in phone.link.where
        Pull(archive, phone, Source("all", folder, root=root)).arrives(lambda: fault(server, lab))
        if fault is leave_the_server:
            assert "adb server" not in phone.link.where
    check(archive, wanted)


def test_a_direct_pull_goes_on_through_a_server(
    lab: LabPhone, server: Adb, archive: Archive, wanted: str
) -> None:
    with open_phone("{}:{}".format(*lab.address)) as phone:
        assert "adb server" not in phone.link.where

        def move() -> None:
            server.connect(lab)
            phone.link.drop()

        Pull(archive, phone, Source("all", FOLDER, root=True)).arrives(move)
        assert "adb server" in phone.link.where
    check(archive, wanted)


def test_a_pull_goes_on_from_the_phones_new_address(
    server: Adb, archive: Archive, wanted: str, lab: LabPhone
) -> None:
    """Its old one is lent to another phone; the server has it at the new one."""
    with LabPhone() as phone:
        phone.root(f"mkdir -p {FOLDER}; head -c {SIZE} /dev/urandom > {FOLDER}/large.wav")
        digest = phone.root(f"sha256sum < {FOLDER}/large.wav")[:64]
        kept = phone.root(f"cat {FOLDER}/large.wav | base64 -w 0")
        with ExitStack() as later, open_phone("{}:{}".format(*phone.address)) as opened:

            def move() -> None:
                old, serial = phone.address[1], phone.serial
                phone.stop()
                other = later.enter_context(LabPhone(port=old))
                again = later.enter_context(LabPhone(serial=serial))
                assert again.address != other.address
                again.root(f"mkdir -p {FOLDER}")
                again.root(f"base64 -d > {FOLDER}/large.wav", input=kept.encode())
                server.connect(again)

            Pull(archive, opened, Source("all", FOLDER, root=True)).arrives(move)
            assert "adb server" in opened.link.where
    check(archive, digest)


def test_another_phone_at_the_same_address_is_not_pulled_from(archive: Archive) -> None:
    source = Source("all", FOLDER, root=True)
    with LabPhone() as first:
        first.root(f"mkdir -p {FOLDER}; head -c {SIZE} /dev/urandom > {FOLDER}/large.wav")
        with open_phone("{}:{}".format(*first.address)) as phone:
            others: list[LabPhone] = []

            def swap() -> None:
                port = first.address[1]
                first.stop()
                other = LabPhone(port=port)
                others.append(other)
                other.start()
                other.root(f"mkdir -p {FOLDER}; head -c {SIZE} /dev/urandom > {FOLDER}/large.wav")

            rules = Rules(settle_s=0.0, patience_s=1.0)
            try:
                report = Pull(archive, phone, source, rules).run(swap)
            finally:
                for other in others:
                    other.stop()
    assert report.link_lost is not None
    assert "another phone" in report.link_lost
    assert archive.recordings() == []
