"""`offhook clean` on a real phone: what goes, what stays, and what is said of it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive
from agent.archive.archive import now_ms
from agent.archive.settings import Cleanup
from agent.capture.alsa import recorder
from agent.errors import LinkError
from agent.phone.files import Source
from agent.phone.listing import LOCKED
from agent.phone.phone import Phone, open_phone
from agent.phone.removing import Meant, Removal
from agent.sync import Rules, SyncEngine
from agent.sync.clean import Cleaner
from tests.contract.test_sources import at_terminal
from tests.contract.test_sync_commands import locked, wav
from tests.lab.phone import LabPhone
from tests.offhook import Offhook

FOLDER = "/data/media/0/Recordings"
SHARED = Source("shared", "/sdcard/Recordings")
PRIVATE = Source("private", "/data/data/com.google.android.dialer/files", root=True)
CLOSED = Source("closed", "/data/local/tmp/closed")
DAY_S = 86_400
AGO_S = 200 * DAY_S
NAMES = (
    "plain.wav",
    'it\'s "quoted" `id` $(id).wav',
    "new\nline\n.wav",
    "-rf.wav",
    "*.wav",
    "not\udcff\udcfeutf8.wav",
    "below/-rf /line\n/deep.wav",
    "x" * 250 + ".wav",
)


@pytest.fixture
def offhook(lab: LabPhone, tmp_path: Path) -> Offhook:
    lab.su("grant")
    lab.root(
        f"mkdir -p {FOLDER} {PRIVATE.path} {CLOSED.path}; "
        f"find {FOLDER} {PRIVATE.path} {CLOSED.path} -mindepth 1 -delete; chown 2000:1023 {FOLDER}; chown 0:0 {CLOSED.path}; chmod 755 {CLOSED.path}"
    )
    home = tmp_path / "home"
    home.mkdir()
    made = Offhook(home, lab.address)
    settings(made)
    return made


def settings(offhook: Offhook, **cleanup: int) -> None:
    """offhook.toml, by which nothing is kept but for its age."""
    said = {"after_days": 90, "keep_newest": 0, "most_per_run": 50} | cleanup
    text = "".join(
        f'[[source]]\nname = "{one.name}"\npath = "{one.path}"\nroot = {str(one.root).lower()}\n'
        for one in (SHARED, PRIVATE, CLOSED)
    )
    text += "[cleanup]\n" + "".join(f"{key} = {value}\n" for key, value in said.items())
    (offhook.home / "offhook.toml").write_text(text)


def put(lab: LabPhone, path: str, data: bytes, *, ago_s: int = AGO_S) -> None:
    """A file on the phone, so many seconds old; in :data:`FOLDER`, if the path is no whole one."""
    whole = path if path.startswith("/") else f"{FOLDER}/{path}"
    folder, name = (shlex.quote(part) for part in (whole.rpartition("/")[0], whole))
    at = now_ms() // 1000 - ago_s
    lab.root(f"mkdir -p {folder}; cat > {name}; touch -d @{at} {name}", input=data)


def there(lab: LabPhone, folder: str = FOLDER) -> set[str]:
    """The names in a folder on the phone, with those below it."""
    said = lab.root(f"cd {folder} && find . -type f -print0")
    return {name.removeprefix("./") for name in said.split("\0") if name}


@contextmanager
def opened(lab: LabPhone) -> Iterator[Phone]:
    with open_phone("{}:{}".format(*lab.address)) as phone:
        yield phone


def archive_all(
    lab: LabPhone,
    offhook: Offhook,
    sources: Sequence[Source] = (SHARED, PRIVATE, CLOSED),
    *,
    ago_s: int = AGO_S,
) -> None:
    """All that is on the phone into the archive, as if so many seconds ago."""
    with (
        opened(lab) as phone,
        Archive(offhook.home, write=True, clock=lambda: now_ms() - ago_s * 1000) as archive,
    ):
        archive.add_phone(phone.serial, address=offhook.env["OFFHOOK_PHONE"])
        rules = Rules(settle_s=0, sidecar_wait_s=0)
        report = SyncEngine(archive, phone, sources, rules=rules).run_once()
        assert report.scanned and report.whole and not report.waiting


def _locked_and_back(lab: LabPhone, offhook: Offhook) -> None:
    """A run while the phone was not unlocked yet, and so nothing is known of its files."""
    with locked(lab):
        did = cleaned(offhook, "--yes")
        assert (did["cut_off_before"], did["kept"], did["locked"]) == ([], [], LOCKED)


def cleaned(offhook: Offhook, *words: str, code: int = 0) -> dict[str, Any]:
    """What `clean` says of the only phone."""
    ran = offhook.run("--json", "clean", *words)
    assert ran.code == code, ran
    (phone,) = ran.json["phones"]
    return dict(phone)


def log_of(offhook: Offhook, sha256: str) -> list[tuple[str, dict[str, Any]]]:
    """What the custody log says of a recording's removal."""
    with Archive(offhook.home) as archive:
        assert archive.verify_chain() == []
        return [
            (entry.action, {key: value for key, value in entry.detail.items() if key != "row"})
            for entry in archive.custody_of(sha256)
            if "phone" in entry.action
        ]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_old_goes_as_the_dry_run_said_and_the_archive_keeps_it(
    lab: LabPhone, offhook: Offhook
) -> None:
    for number, name in enumerate(NAMES):
        put(lab, name, wav(number))
    put(lab, f"{PRIVATE.path}/-private.wav", wav(20))
    put(lab, "young.wav", wav(21), ago_s=80 * DAY_S)
    archive_all(lab, offhook)
    put(lab, "new.wav", wav(22))
    put(lab, "notes.txt", b"not ours")
    before = lab.snapshot()

    would = cleaned(offhook, "--dry-run")
    assert lab.changes(before) == []
    did = cleaned(offhook)

    assert did == would
    assert len(did["removed"]) == len(NAMES) + 1
    assert (did["kept"], did["too_young"], did["not_archived"]) == ([], 1, 1)
    assert there(lab) == {"young.wav", "new.wav", "notes.txt"}
    assert there(lab, PRIVATE.path) == set()
    offhook.good("verify")
    gone = sha(wav(0))
    assert [action for action, _ in log_of(offhook, gone)] == [
        "removing from phone",
        "removed from phone",
    ]
    assert offhook.good("--json", "show", gone).json["sightings"][0]["gone"] is not None
    after = offhook.good("--json", "sync").json
    assert (len(after["filed"]), after["gone"], after["failed"]) == (1, [], [])
    assert cleaned(offhook)["removed"] == []
    assert len(offhook.rows()) == len(NAMES) + 3


def test_what_was_archived_lately_stays_however_old_its_date(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "old.wav", wav(1))
    archive_all(lab, offhook, ago_s=80 * DAY_S)
    assert cleaned(offhook, "--yes")["too_young"] == 1
    settings(offhook, after_days=79)
    assert len(cleaned(offhook, "--yes")["removed"]) == 1


def test_bytes_known_for_long_in_a_file_seen_lately_are_a_new_file(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "old.wav", wav(1))
    archive_all(lab, offhook)
    put(lab, "again.wav", wav(1))
    archive_all(lab, offhook, ago_s=0)
    did = cleaned(offhook, "--yes")
    assert [one["path"] for one in did["removed"]] == ["/sdcard/Recordings/old.wav"]
    assert there(lab) == {"again.wav"}


def test_the_newest_stay_and_a_run_takes_no_more_than_it_may(
    lab: LabPhone, offhook: Offhook
) -> None:
    for number in range(7):
        put(lab, f"{number}.wav", wav(number), ago_s=AGO_S - number * DAY_S)
    put(lab, "6 again.wav", wav(6), ago_s=AGO_S)  # the newest's bytes, under an old name
    archive_all(lab, offhook)
    settings(offhook, keep_newest=2, most_per_run=3)
    would = cleaned(offhook, "--dry-run")
    did = cleaned(offhook)
    assert did == would
    assert [one["path"] for one in did["removed"]] == [
        f"/sdcard/Recordings/{number}.wav" for number in range(3)
    ]
    assert (did["newest"], did["next_run"]) == (3, 2)
    assert len(cleaned(offhook)["removed"]) == 2
    assert there(lab) == {"5.wav", "6.wav", "6 again.wav"}
    assert cleaned(offhook)["removed"] == []


def test_a_damaged_copy_keeps_the_phones_file(lab: LabPhone, offhook: Offhook) -> None:
    for number, name in enumerate(("flipped.wav", "lost.wav", "link.wav", "whole.wav")):
        put(lab, name, wav(number))
    archive_all(lab, offhook)
    rows = {row["original_name"]: offhook.file(row) for row in offhook.rows()}
    rows["flipped.wav"].chmod(0o600)
    data = bytearray(rows["flipped.wav"].read_bytes())
    data[1000] ^= 1
    rows["flipped.wav"].write_bytes(data)
    rows["lost.wav"].unlink()
    rows["link.wav"].rename(offhook.home / "elsewhere.wav")
    rows["link.wav"].symlink_to(offhook.home / "elsewhere.wav")
    for words in (("--dry-run",), ()):
        said = cleaned(offhook, *words, code=50)
        assert [one["path"].rpartition("/")[2] for one in said["removed"]] == ["whole.wav"]
        kept = {one["path"].rpartition("/")[2]: one["reason"] for one in said["kept"]}
        assert kept.keys() == {"flipped.wav", "lost.wav", "link.wav"}
        assert "other bytes" in kept["flipped.wav"]
    assert there(lab) == {"flipped.wav", "lost.wav", "link.wav"}
    assert log_of(offhook, sha(wav(0))) == []


def test_other_bytes_under_the_same_name_size_and_date_stay_and_come_by_the_next_sync(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "a.wav", wav(1))
    archive_all(lab, offhook)
    date = lab.root(f"stat -c %y {FOLDER}/a.wav").strip()
    lab.root(f"cat > {FOLDER}/a.wav; touch -d '{date}' {FOLDER}/a.wav", input=wav(2))
    assert "other bytes" in cleaned(offhook, "--dry-run", code=50)["kept"][0]["reason"]
    said = cleaned(offhook, "--yes", code=50)
    assert said["removed"] == []
    assert "the next sync takes them" in said["kept"][0]["reason"]
    assert there(lab) == {"a.wav"}
    (begun, _), (action, detail) = log_of(offhook, sha(wav(1)))
    assert (begun, action) == ("removing from phone", "not removed from phone")
    assert "other bytes" in detail["why"]
    assert len(offhook.good("--json", "sync").json["filed"]) == 1
    assert {row["sha256"] for row in offhook.rows()} == {sha(wav(1)), sha(wav(2))}


def test_what_the_phone_does_not_remove_is_said_and_the_rest_goes(
    lab: LabPhone, offhook: Offhook
) -> None:
    for number in range(3):
        put(lab, f"{CLOSED.path}/{number}.wav", wav(number))
    put(lab, "open.wav", wav(9))
    archive_all(lab, offhook)
    would = cleaned(offhook, "--dry-run", code=50)
    assert "written to" in would["kept"][0]["reason"]
    did = cleaned(offhook, code=50)
    assert len(did["kept"]) == 1  # the folder was not tried again
    assert "does not remove" in did["kept"][0]["reason"]
    for said in (would, did):
        assert [one["path"] for one in said["removed"]] == ["/sdcard/Recordings/open.wav"]
        assert said["next_run"] == 2
    assert there(lab, CLOSED.path) == {"0.wav", "1.wav", "2.wav"}
    action, detail = log_of(offhook, sha(wav(0)))[-1]
    assert (action, detail["why"]) == ("not removed from phone", "the phone does not remove it")


class Broken:
    """A phone whose link breaks at the removal: before the command, or before its answer."""

    def __init__(self, phone: Phone, breaks: Callable[[], None], *, first: bool) -> None:
        self.phone, self.breaks, self.first = phone, breaks, first

    def __getattr__(self, name: str) -> Any:
        return getattr(self.phone, name)

    def remove(
        self, source: Source, file: Meant, beside: Sequence[Meant] = (), *, look: bool = False
    ) -> Removal:
        if self.first:
            self.breaks()
        done = self.phone.remove(source, file, beside, look=look)
        self.breaks()
        raise LinkError(f"the answer {done.said} is lost")


@pytest.mark.parametrize("first", [True, False])
def test_a_link_that_breaks_leaves_it_open_and_the_next_run_says_what_came_of_it(
    lab: LabPhone, offhook: Offhook, first: bool
) -> None:
    put(lab, "a.wav", wav(1))
    put(lab, "b.wav", wav(2), ago_s=AGO_S - 10)
    archive_all(lab, offhook)
    try:
        with opened(lab) as phone, Archive(offhook.home, write=True) as archive:
            broken = Broken(phone, lab.unplug, first=first)
            cleaner = Cleaner(archive, broken, [SHARED], Cleanup(90, 0))  # type: ignore[arg-type]
            report = cleaner.run()
    finally:
        lab.plug()
    assert report.link_lost is not None
    assert report.removed == []
    assert [action for action, _ in log_of(offhook, sha(wav(1)))] == ["removing from phone"]
    assert there(lab) == ({"a.wav", "b.wav"} if first else {"b.wav"})
    _locked_and_back(lab, offhook)
    did = cleaned(offhook, "--yes")
    (settled,) = did["cut_off_before"]
    _, after, *rest = log_of(offhook, sha(wav(1)))
    if first:
        assert "there yet" in settled["reason"]
        assert after[0] == "not removed from phone"
        assert [action for action, _ in rest] == ["removing from phone", "removed from phone"]
    else:
        assert "not there any more" in settled["reason"]
        assert after[0] == "gone from phone"
        assert rest == []
    assert there(lab) == set()
    assert cleaned(offhook)["cut_off_before"] == []


def test_a_sidecar_goes_with_its_recording_if_the_archive_has_it_and_logs_stay(
    lab: LabPhone, offhook: Offhook
) -> None:
    spool = recorder.SOURCE
    lab.root(f"rm -rf {spool.path}; mkdir -p {spool.path}")
    sidecar = b'{"schema": 1, "recorder": "offhook", "number": "+4930123456"}\n'
    for name, beside in (("a", sidecar), ("b", sidecar[:-2] + b', "contact": "\xff"}')):
        put(lab, f"{spool.path}/{name}.json", beside)
        put(lab, f"{spool.path}/{name}.wav", wav(ord(name)))
    put(lab, f"{spool.path}/a.log.txt", b"what BCR would write")
    archive_all(lab, offhook, [spool])
    try:
        with opened(lab) as phone, Archive(offhook.home, write=True) as archive:
            look = Cleaner(archive, phone, [spool], Cleanup(90, 0), look=True).run()
            report = Cleaner(archive, phone, [spool], Cleanup(90, 0)).run()
            assert look.removed == report.removed
            assert [one.beside for one in report.removed] == [1, 0]
            assert there(lab, spool.path) == {"a.log.txt", "b.json"}
            after = SyncEngine(archive, phone, [spool]).run_once()
            assert after.whole and not after.gone
            assert len(archive.recordings()) == 2
    finally:
        lab.root(f"rm -rf {recorder.HOME}")


def test_only_a_file_in_its_folder_is_removed_no_link_and_no_folder(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "real/a.wav", wav(1))
    put(lab, "sub\n/a.wav", wav(1))
    lab.root(
        f"cd {FOLDER}; ln -s real linked; mkdir -p dir.wav; ln -s real/a.wav link.wav;"
        f"ln -s {FOLDER} /data/local/tmp/way"
    )
    try:
        with opened(lab) as phone:
            root = Source("root", FOLDER, root=True)
            way = Source("way", "/data/local/tmp/way", root=True)

            def said(source: Source, path: str, data: bytes = wav(1)) -> str:
                file = Meant(f"{source.path}/{path}", len(data), sha(data))
                looked = phone.remove(source, file, look=True).said
                done = phone.remove(source, file).said
                assert (looked, done) in {(done, done), ("same", "removed")}
                return done

            assert said(root, "linked/a.wav") == "outside"
            assert said(root, "link.wav") == "nofile"
            assert said(root, "dir.wav") == "nofile"
            assert said(root, "nothing.wav") == "gone"
            assert said(root, "nowhere/a.wav") == "gone"
            assert said(root, "real/a.wav", wav(2)) == "other"
            assert said(root, "sub\n/a.wav") == "removed"
            assert said(way, "real/a.wav") == "removed"  # the folder itself may be a link
            for path in ("/etc/hosts", f"{FOLDER}/../x.wav", f"{FOLDER}x/a.wav", FOLDER):
                with pytest.raises(ValueError, match=r"path|folder"):
                    phone.remove(root, Meant(path, 1, sha(b"x")))
    finally:
        lab.root("rm -f /data/local/tmp/way")
    assert there(lab) == set()


def test_without_a_setting_nothing_is_removed_and_the_first_time_is_asked_for(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "a.wav", wav(1))
    archive_all(lab, offhook)
    ran = offhook.run("clean")
    assert ran.code == 2
    assert "--yes" in ran.err
    with locked(lab):
        assert cleaned(offhook, "--dry-run")["removed"] == []
    assert offhook.run("clean").code == 2  # who was shown nothing has seen nothing
    said = at_terminal(offhook, "clean", answer="n", question=b"[y/N]")
    assert "would remove" in said
    assert there(lab) == {"a.wav"}
    assert offhook.run("clean").code == 2  # a No is no agreement
    offhook.good("clean", "--dry-run")
    settings(offhook, after_days=91)
    assert offhook.run("clean").code == 2  # nor is a look by other settings
    said = at_terminal(offhook, "clean", answer="y", question=b"[y/N]")
    assert there(lab) == set()
    assert "1 recording removed" in said
    (offhook.home / "offhook.toml").write_text("")
    ran = offhook.run("clean", "--dry-run")
    assert ran.code == 3
    assert "after_days" in ran.err


def test_without_root_what_needs_none_is_cleaned(lab: LabPhone, offhook: Offhook) -> None:
    put(lab, "a.wav", wav(1))
    put(lab, f"{PRIVATE.path}/b.wav", wav(2))
    archive_all(lab, offhook)
    lab.su("deny")
    try:
        ran = offhook.run("--json", "clean", "--yes")
    finally:
        lab.su("grant")
    assert ran.code == 50
    assert len(ran.json["phones"][0]["removed"]) == 1
    assert "denied root" in ran.json["problems"][0]
    assert there(lab, PRIVATE.path) == {"b.wav"}


def test_watch_cleans_once_a_day_what_the_user_has_had_cleaned(
    lab: LabPhone, offhook: Offhook
) -> None:
    offhook.good("clean", "--yes")
    put(lab, "a.wav", wav(1))
    archive_all(lab, offhook)
    with offhook.watching() as watching:
        put(lab, "new.wav", wav(2))
        watching.wait("filed")
        put(lab, "newer.wav", wav(3))
        watching.wait("filed", count=2)
        assert there(lab) == {"a.wav", "new.wav", "newer.wav"}  # a day is not over
    with Archive(offhook.home) as archive, archive.writing() as db:
        db.execute("UPDATE cleanings SET at_ms = at_ms - 86400001")
    with offhook.watching() as watching:
        watching.wait("cleaned", text="removed from the phone: 1 archived recording")
    assert there(lab) == {"new.wav", "newer.wav"}
    assert offhook.good("--json", "sync").json["gone"] == []
