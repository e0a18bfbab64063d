"""import: files of this computer, and all that is in their way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.archive import Archive
from agent.archive.audit import audit
from agent.capture.alsa.recorder import SOURCE
from agent.cli.common import App
from agent.cli.importing import import_
from agent.errors import DiskFullError
from agent.phone.calls import LoggedCall
from agent.sync.inbox import settle
from agent.sync.inbox.find import LocalFile, find
from agent.sync.inbox.run import run
from agent.sync.inbox.take import Importer, Outcome
from agent.sync.pull import Cancelled
from tests.faults.memory import START_MS, distinct, wav
from tests.offhook import PROGRAM, Offhook

BCR = "20260305_142207.000+0100_in_+41791234567_Ada"


class Desk:
    """An archive, and a folder of files beside it."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.archive = archive
        self.folder = folder
        folder.mkdir()

    def put(self, name: str, data: bytes, ms: int = START_MS) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (ms / 1000, ms / 1000))
        return path

    def importer(self, **known: Any) -> Importer:
        return Importer(self.archive, "import", **known)

    def go(self, *, dry: bool = False, **known: Any) -> dict[str, Outcome]:
        """What becomes of each file of the folder, by its path in there."""
        importer = self.importer(**known)
        found = list(find([str(self.folder)], not_below=[self.archive.store.root]))
        handle = importer.decide if dry else importer.take
        done = run(found, handle, threading.Event(), settle_s=0.0)
        return {os.path.relpath(one.path, self.folder): one for one in done}

    def actions(self) -> list[str]:
        with self.archive.reading() as db:
            return [row["action"] for row in db.query("SELECT action FROM custody ORDER BY seq")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Archive(tmp_path / "home", write=True) as archive:
        yield Desk(archive, tmp_path / "in")
        assert list(archive.store.root.rglob("*.part")) == []
        assert audit(archive).findings == []


def test_a_recording_is_filed_as_a_pulled_one_is(desk: Desk) -> None:
    desk.archive.add_phone("S1", alias="desk")
    desk.archive.add_calls("S1", [LoggedCall(7, START_MS, 1, 1, "+41791234567", raw="Row: 0")])
    source = desk.put(f"{BCR}.wav", wav(1, gains=(0.3, 0.0)))
    outcome = desk.go(phone="S1")[f"{BCR}.wav"]
    assert (outcome.action, outcome.phone) == ("filed", "S1")
    (joined,) = desk.archive.join_calls("S1")
    assert desk.archive.file_of(joined).read_bytes() == source.read_bytes()
    assert desk.archive.file_of(joined).stat().st_mode & 0o777 == 0o400
    assert (joined.number, joined.contact, joined.direction) == ("+41791234567", "Ada", "in")
    assert (joined.started_ms, joined.duration_s, joined.silent_channels) == (START_MS, 1.0, [1])
    assert joined.verified_ms is not None
    assert joined.call_id is not None
    (seen,) = desk.archive.sightings_of(joined.sha256)
    assert (seen["source"], seen["path"], seen["gone_ms"]) == ("import", str(source), None)
    filed = desk.archive.custody_of(joined.sha256)[0]
    assert (filed.action, filed.path) == ("filed", str(source))
    assert filed.detail["verified"] == "sha256 before the copy and of the copy"
    assert source.exists()


def test_the_same_bytes_twice_are_one_recording_seen_at_two_places(desk: Desk) -> None:
    desk.put("a.wav", wav())
    desk.put("b/a.wav", wav())
    done = desk.go()
    assert [done["a.wav"].action, done["b/a.wav"].action] == ["filed", "known"]
    (only,) = desk.archive.recordings()
    assert [one["path"] for one in desk.archive.sightings_of(only.sha256)] == [
        str(desk.folder / "a.wav"),
        str(desk.folder / "b/a.wav"),
    ]
    before = desk.actions()
    assert {one.action for one in desk.go().values()} == {"known"}
    assert desk.actions() == before, "what was seen at that place before is no news"


def test_a_lost_file_is_put_back(desk: Desk) -> None:
    desk.put("a.wav", wav())
    desk.go()
    (only,) = desk.archive.recordings()
    desk.archive.file_of(only).unlink()
    assert desk.go(dry=True)["a.wav"].action == "known"
    assert desk.go()["a.wav"].action == "known"
    assert desk.archive.file_of(only).read_bytes() == wav()
    assert desk.actions()[-1] == "restored"


def test_a_sidecar_beside_it_is_read_and_one_alone_is_listed(desk: Desk) -> None:
    desk.put("x.wav", wav())
    said = {"timestamp_unix_ms": START_MS, "direction": "out", "calls": [{"phone_number": "117"}]}
    desk.put("x.json", json.dumps(said).encode())
    desk.put("alone.json", b"{}")
    done = desk.go()
    assert done["x.wav"].sidecar
    assert done["alone.json"].reason == "a sidecar without its recording"
    (only,) = desk.archive.recordings()
    assert (only.number, only.direction, only.started_ms) == ("117", "out", START_MS)


def test_a_folder_with_the_name_of_a_phone_says_whose_they_are(desk: Desk) -> None:
    desk.archive.add_phone("S1", alias="desk")
    desk.put("desk/2026/a.wav", wav(0.2))
    desk.put("other/b.wav", wav(0.3))
    done = desk.go(folders={"desk": "S1"})
    assert (done["desk/2026/a.wav"].phone, done["other/b.wav"].phone) == ("S1", None)
    known = desk.archive.recording(done["desk/2026/a.wav"].sha256 or "")
    assert known.facts["phone"]["confidence"] == "assumed"


LEFT = {
    "notes.txt": (b"x", "no recording, by its name"),
    "a.m4a.part": (wav(), "another tool has not finished it, by its name"),
    ".syncthing.a.wav.tmp": (wav(), "another tool has not finished it, by its name"),
    ".pending-17-a.wav": (wav(), "another tool has not finished it, by its name"),
    ".trashed-17-a.wav": (wav(), "it was thrown away, by its name"),
    ".a.wav": (wav(), "a hidden file"),
    "empty.wav": (b"", "it is empty"),
    "text.mp3": (b"What is this?", "its bytes are of no kind of sound file that is known"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_no_recording_is_left_alone_with_the_reason(desk: Desk, name: str) -> None:
    data, reason = LEFT[name]
    path = desk.put(name, data)
    outcome = desk.go()[name]
    assert (outcome.action, outcome.reason) == ("left", reason)
    assert path.read_bytes() == data
    assert desk.archive.recordings() == []


def test_links_pipes_sockets_and_devices_are_told_and_the_rest_is_done(
    desk: Desk, tmp_path: Path
) -> None:
    desk.put("good.wav", wav())
    (desk.folder / "link.wav").symlink_to(desk.folder / "good.wav")
    (desk.folder / "round").symlink_to(desk.folder)
    os.mkfifo(desk.folder / "fifo.wav")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(desk.folder / "s.wav"))
    (desk.folder / ".stversions").mkdir()
    try:
        done = desk.go()
    finally:
        listener.close()
    reasons = {name: one.reason for name, one in done.items() if one.action == "left"}
    assert reasons == {
        "link.wav": "a symlink: what it points to was not looked at",
        "round": "a symlink: what it points to was not looked at",
        "fifo.wav": "a FIFO",
        "s.wav": "a socket",
        ".stversions": "a hidden folder",
    }
    assert done["good.wav"].action == "filed"


def test_a_device_is_no_recording(tmp_path: Path) -> None:
    (found,) = find(["/dev/null"])
    assert not isinstance(found, LocalFile)
    assert (found.reason, found.failed) == ("a device", False)


def test_what_can_t_be_read_is_told_and_the_rest_is_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put("bad.wav", wav(0.3))
    desk.put("good.wav", wav(0.2))

    def refuse(path: str) -> int:
        if path.endswith("bad.wav"):
            raise PermissionError(13, "Permission denied")
        return open_to_read(path)

    open_to_read = settle.open_to_read
    monkeypatch.setattr("agent.sync.inbox.take.open_to_read", refuse)
    done = desk.go()
    assert (done["bad.wav"].action, done["bad.wav"].reason) == ("failed", "permission denied")
    assert done["good.wav"].action == "filed"


def test_a_path_that_is_not_there_is_told() -> None:
    (found,) = find(["/nowhere/at/all"])
    assert not isinstance(found, LocalFile)
    assert (found.reason, found.failed) == ("no such file or directory", True)


def test_a_damaged_recording_is_filed_all_the_same(desk: Desk) -> None:
    desk.put("cut.m4a", b"\0\0\0\x20ftypM4A " + distinct(1))
    assert desk.go()["cut.m4a"].action == "filed"
    (only,) = desk.archive.recordings()
    assert only.problem


def test_the_archive_s_own_folder_is_not_looked_into(desk: Desk) -> None:
    desk.put("a.wav", wav())
    desk.go()
    found = list(find([str(desk.archive.home)], not_below=[desk.archive.store.root]))
    assert not [one for one in found if isinstance(one, LocalFile)]
    assert "Offhook's own folder" in {one.reason for one in found if not isinstance(one, LocalFile)}


def test_a_file_that_somebody_writes_to_waits(desk: Desk) -> None:
    path = desk.put("a.wav", wav())
    with path.open("ab"):
        outcome = desk.go()["a.wav"]
    assert (outcome.action, outcome.reason) == ("waiting", "another program is writing to it")
    assert desk.go()["a.wav"].action == "filed"


def test_a_file_that_changes_while_it_is_copied_is_not_taken(desk: Desk) -> None:
    path = desk.put("a.wav", wav())
    read: list[int] = []

    def spoil(count: int) -> None:
        read.append(count)
        path.write_bytes(wav(0.3))  # after its hash, before its copy

    (found,) = (one for one in find([str(path)]) if isinstance(one, LocalFile))
    outcome = desk.importer(progress=spoil).take(found)
    assert read
    assert outcome.action == "waiting"
    assert desk.archive.recordings() == []


def test_bytes_that_change_behind_the_same_times_are_not_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.put("a.wav", wav())
    monkeypatch.setattr(LocalFile, "is_still", lambda *_: True)

    def spoil(_count: int) -> None:
        path.write_bytes(wav(gains=(0.1, 0.1)))

    (found,) = (one for one in find([str(path)]) if isinstance(one, LocalFile))
    outcome = desk.importer(progress=spoil).take(found)
    assert (outcome.action, outcome.reason) == ("waiting", "it changed while it was read")
    assert desk.archive.recordings() == []


def test_stopped_in_the_middle_it_leaves_no_half_file(desk: Desk) -> None:
    for number in range(3):
        desk.put(f"{number}.wav", wav(0.2 + number / 10))
    cancel = threading.Event()
    reads: list[int] = []

    def stop(count: int) -> None:
        reads.append(count)
        if len(reads) == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        desk.go(cancel=cancel, progress=stop)
    assert len(desk.archive.recordings()) == 1
    assert sorted(one.action for one in desk.go().values()) == ["filed", "filed", "known"]


def test_a_full_disk_ends_it_and_leaves_no_half_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put("a.wav", wav())
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".part":
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr("agent.archive.store.os.write", full)
    with pytest.raises(DiskFullError):
        desk.go()
    monkeypatch.undo()
    assert desk.go()["a.wav"].action == "filed"


def test_what_was_filed_before_the_disk_was_full_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.wav").write_bytes(wav(1 + number))
    take = Importer.take

    def full(self: Importer, file: LocalFile) -> Outcome:
        if file.path.endswith("2.wav"):
            raise DiskFullError("no room left")
        return take(self, file)

    monkeypatch.setattr(Importer, "take", full)
    app = App(home=tmp_path / "home", json=True)
    words = [str(tmp_path / f"{number}.wav") for number in range(3)]
    result = CliRunner().invoke(import_, words, obj=app, standalone_mode=False)
    assert isinstance(result.exception, DiskFullError)
    assert [one["action"] for one in json.loads(result.output)["files"]] == ["filed", "filed"]


def test_a_file_that_kills_the_program_by_its_sound_is_filed_unheard(desk: Desk) -> None:
    path = desk.put("a.wav", wav())
    (found,) = (one for one in find([str(path)]) if isinstance(one, LocalFile))

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("agent.sync.inbox.take.listen_to", die)
            with pytest.raises(Killed):
                desk.importer().take(found)
    assert desk.importer().take(found).action == "filed"
    (only,) = desk.archive.recordings()
    assert only.problem == "not measured: the program died of it before"


def a_mixed_folder(folder: Path) -> None:
    """Everything that goes a way of its own."""
    (folder / "desk").mkdir(parents=True)
    files: dict[str, bytes] = {
        f"{BCR}.wav": wav(0.4),
        f"{BCR}.json": b'{"timestamp_unix_ms": 1772716927000, "direction": "in"}',
        "a.wav": wav(0.2),
        "again.wav": wav(0.2),
        "desk/a.wav": wav(0.3),  # another recording with the same name and time
        "desk/lost.json": b"{}",
        "notes.txt": b"x",
        "text.mp3": b"not sound",
        "empty.wav": b"",
        "broken.wav": wav(0.5)[:3000],
        "PTT-20260305-WA0001.opus": b"OggS" + distinct(2),
        "o'dd \x1b[31m.m4a": b"\0\0\0\x20ftypM4A " + distinct(3),
        "x.part": wav(0.6),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (START_MS / 1000, START_MS / 1000))
    (folder / "link.wav").symlink_to("a.wav")
    os.mkfifo(folder / "fifo.wav")


def test_a_dry_run_says_what_then_happens(tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home")
    with Archive(offhook.home) as archive:
        archive.add_phone("S1", alias="desk")
    folder = tmp_path / "in"
    a_mixed_folder(folder)
    dry = offhook.run("import", str(folder), "--dry-run", "--json", "--region", "CH")
    assert dry.code == 0, dry.err
    assert offhook.rows() == []
    assert not list((offhook.home / "archive").rglob("*"))
    done = offhook.run("import", str(folder), "--json", "--region", "CH")
    assert done.code == 0, done.err
    told = [
        {key: value for key, value in one.items() if key != "recording"}
        for one in done.json["files"]
    ]
    assert dry.json["files"] == told
    assert dry.json["counts"] == done.json["counts"]
    assert done.json["counts"] == {"filed": 6, "known": 1, "left": 7, "waiting": 0, "failed": 0}
    by_path = {Path(one["path"]).name: one for one in done.json["files"] if "recording" in one}
    rows = {row["sha256"]: row for row in offhook.rows()}
    for one in by_path.values():
        assert rows[one["sha256"]]["path"] == one["archived"]
    assert {row["phone"] for row in rows.values()} == {None, "S1"}
    # Once more, when all is there; and in words.
    again = offhook.run("import", str(folder), "--dry-run")
    real = offhook.run("import", str(folder))
    assert again.out == real.out.replace("filed", "would be filed")
    assert "7 known already, 7 left alone" in real.out
    assert "\x1b" not in real.out
    assert offhook.run("verify").code == 0


def test_what_could_not_be_taken_is_in_the_exit_code(tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home")
    good = tmp_path / "good.wav"
    good.write_bytes(wav())
    ran = offhook.run("import", str(good), str(tmp_path / "nowhere"))
    assert ran.code == 50
    assert "no such file or directory" in ran.out
    assert len(offhook.rows()) == 1


def test_an_unknown_phone_is_asked_about(tmp_path: Path) -> None:
    offhook = Offhook(tmp_path / "home")
    (tmp_path / "a.wav").write_bytes(wav())
    ran = offhook.run("import", str(tmp_path / "a.wav"), "--phone", "old")
    assert (ran.code, "--new-phone" in ran.err) == (13, True)
    offhook.good("import", str(tmp_path / "a.wav"), "--phone", "old", "--new-phone")
    assert [row["phone"] for row in offhook.rows()] == ["old"]
    assert "this computer" in offhook.good("show").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_in_good_order(tmp_path: Path, number: int) -> None:
    offhook = Offhook(tmp_path / "home")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.wav").write_bytes(wav())  # so new that it is waited for
    process = subprocess.Popen(
        [PROGRAM, "import", str(folder)],
        env=offhook.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = offhook.home / "offhook.lock"
    _until(lambda: (folder / "a.wav").touch() or (lock.exists() and _handles(process.pid, number)))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Stopped" in out + err
    assert not list((offhook.home / "archive").rglob("*.part"))
    offhook.good("import", str(folder))
    assert len(offhook.rows()) == 1


def _handles(pid: int, number: int) -> bool:
    """Whether a process waits with this signal caught, and SIGTERM with it."""
    caught = 0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            caught = int(line.split()[1], 16)
    wanted = (1 << (number - 1)) | (1 << (signal.SIGTERM - 1))
    return caught & wanted == wanted


def _until(condition: Callable[[], bool]) -> None:
    never = threading.Event()
    for _ in range(600):
        if condition():
            return
        never.wait(0.05)
    raise AssertionError("it did not come to that")


def test_our_own_spool_keeps_its_name() -> None:
    assert SOURCE.name not in ("import", "inbox")


@pytest.mark.parametrize(
    ("toml", "words"),
    [("", "give it an inbox"), ('[inbox]\nfolder = "/tmp/drop"\n', "the inbox, /tmp/drop:")],
)
def test_while_watch_has_the_archive_the_inbox_is_named(
    tmp_path: Path, toml: str, words: str
) -> None:
    offhook = Offhook(tmp_path / "home")
    with Archive(offhook.home, write=True, purpose="watch"):
        (offhook.home / "offhook.toml").write_text(toml)
        ran = offhook.run("import", str(tmp_path))
    assert ran.code == 32, ran
    assert words in ran.err
    with Archive(offhook.home, write=True, purpose="sync"):
        ran = offhook.run("import", str(tmp_path))
    assert ran.code == 32, ran
    assert "inbox" not in ran.err
