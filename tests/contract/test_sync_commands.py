"""`offhook sync` against a real phone that misbehaves: nothing lost, nothing doubled, one message."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from agent.phone.listing import LOCKED
from tests.lab.phone import LabPhone
from tests.offhook import PROGRAM, Offhook, wait_until

FOLDER = "/data/media/0/Recordings"
NAMES = (
    "plain.wav",
    "two words  and more.wav",
    'it\'s "quoted" `id` $(id).wav',
    "söng 😀 录音.wav",
    "new\nline\ttab.wav",
    "esc\x1b[31mred.wav",
    "-rf.wav",
    "*?[a].wav",
    "back\\slash;&|<>.wav",
    "\u202egnp.wav",
    "x" * 250 + ".wav",
)


def wav(seed: int, seconds: float = 0.2) -> bytes:
    """A small WAV, different for each seed."""
    frames = round(8000 * seconds)
    sound = b"".join(
        ((index * (seed + 3) % 2000) - 1000).to_bytes(2, "little", signed=True)
        for index in range(frames)
    )
    head = (
        b"WAVEfmt "
        + (16).to_bytes(4, "little")
        + bytes.fromhex("0100010040 1f0000 803e0000 02001000")
    )
    head += b"data" + len(sound).to_bytes(4, "little")
    return b"RIFF" + (len(head) + len(sound)).to_bytes(4, "little") + head + sound


@pytest.fixture
def offhook(lab: LabPhone, tmp_path: Path) -> Offhook:
    lab.su("grant")
    lab.root(f"rm -rf {FOLDER}; mkdir -p {FOLDER}; chown 2000:1023 {FOLDER}")
    home = tmp_path / "home"
    home.mkdir()
    (home / "offhook.toml").write_text(
        '[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n'
        '[[source]]\nname = "private"\npath = "/data/data/com.google.android.dialer/files"\n'
        "root = true\n"
    )
    return Offhook(home, lab.address)


def put(lab: LabPhone, name: str, data: bytes, folder: str = FOLDER) -> None:
    """Write a file on the phone, past adb, with a time at which it has settled."""
    path = shlex.quote(f"{folder}/{name}")
    lab.root(f"mkdir -p {folder}; cat > {path}; touch -d @1700000000 {path}", input=data)


def archived(offhook: Offhook) -> dict[str, str]:
    """The SHA-256 of every file in the archive, as it is on the disk, by its path."""
    files = [path for path in (offhook.home / "archive").rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_names_of_every_kind_arrive_once_and_are_shown_tamely(
    lab: LabPhone, offhook: Offhook
) -> None:
    wanted = set()
    for number, name in enumerate(NAMES):
        put(lab, name, wav(number))
        wanted.add(hashlib.sha256(wav(number)).hexdigest())
    ran = offhook.good("sync")
    assert sorted(archived(offhook).values()) == sorted(wanted)
    listed = offhook.good("list")
    for text in (ran.out, listed.out):
        assert not {ch for ch in text if ord(ch) < 32 and ch != "\n"}, text
    assert {row["sha256"] for row in offhook.rows()} == wanted
    again = offhook.good("--json", "sync").json
    assert (again["filed"], again["duplicates"]) == ([], 0)
    assert len(archived(offhook)) == len(wanted)


def test_what_only_root_may_read_arrives_and_nothing_is_staged(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "call.wav", wav(40), "/data/data/com.google.android.dialer/files")
    before = lab.snapshot()
    offhook.good("sync")
    (row,) = offhook.rows()
    assert row["source"] == "private"
    assert lab.changes(before) == []
    lab.root("rm -rf /data/data/com.google.android.dialer/files")


@pytest.mark.parametrize("how", ["unplug", "kill adbd"])
def test_a_link_that_breaks_in_a_pull_is_one_message_and_the_next_sync_makes_it_good(
    lab: LabPhone, offhook: Offhook, how: str
) -> None:
    lab.root(
        f"head -c 150000000 /dev/urandom > {FOLDER}/big.wav; touch -d @1700000000 {FOLDER}/big.wav"
    )
    wanted = lab.root(f"sha256sum {FOLDER}/big.wav")[:64]
    process = subprocess.Popen(
        [PROGRAM, "sync"],
        env=offhook.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    cut = lab.unplug if how == "unplug" else lab.kill_adbd
    mend = lab.plug if how == "unplug" else lab.start_adbd
    wait_until(lambda: _part(offhook) > 1_000_000)
    cut()
    try:
        out, err = process.communicate(timeout=60)
    finally:
        mend()
    assert process.returncode == 11, (out, err)
    assert "Traceback" not in err
    assert err.count("offhook: ") == 1
    assert offhook.rows() == []
    offhook.good("sync")
    assert list(archived(offhook).values()) == [wanted]


def _part(offhook: Offhook) -> int:
    """The size of what has come so far."""
    try:
        return max((p.stat().st_size for p in offhook.home.rglob("*.part")), default=0)
    except FileNotFoundError:
        return 0


def test_an_agent_killed_in_a_pull_leaves_nothing_half(lab: LabPhone, offhook: Offhook) -> None:
    lab.root(
        f"head -c 150000000 /dev/urandom > {FOLDER}/big.wav; touch -d @1700000000 {FOLDER}/big.wav"
    )
    wanted = lab.root(f"sha256sum {FOLDER}/big.wav")[:64]
    with subprocess.Popen([PROGRAM, "sync"], env=offhook.env, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: _part(offhook) > 1_000_000)
        process.kill()
    offhook.good("sync")
    assert list(archived(offhook).values()) == [wanted]
    assert [row["sha256"] for row in offhook.rows()] == [wanted]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("deny", "denied root"),
        ("slow 60", "did not answer"),
    ],
)
def test_without_root_there_is_one_clear_message_and_nothing_is_left(
    lab: LabPhone, offhook: Offhook, mode: str, words: str
) -> None:
    put(lab, "plain.wav", wav(50))
    lab.su(mode)
    try:
        before = lab.snapshot()
        for command in (("enable", "--basis", "own-line", "--here", "DE"), ("status",)):
            ran = offhook.run(*command)
            assert ran.code == 14, ran
            assert words in ran.err
            assert ran.err.count("offhook: ") == 1
        diagnosis = offhook.good("--json", "doctor").json
        assert words in diagnosis["root_problem"]
        assert words in diagnosis["routes"][0]["reason"]
        # A su that was not answered is hung up with the link, a moment later.
        wait_until(lambda: not lab.diff(before, lab.snapshot()))
    finally:
        lab.su("grant")
    offhook.good("sync")
    assert len(offhook.rows()) == 1


def test_on_what_basis_is_not_asked_where_no_route_works(lab: LabPhone, offhook: Offhook) -> None:
    ours, theirs = pty.openpty()
    try:
        asked = subprocess.run(
            [PROGRAM, "enable"], env=offhook.env, stdin=theirs, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert asked.returncode == 21, asked
    assert "This phone" not in asked.stdout
    assert "no route for" in asked.stderr


def test_doctor_ends_with_what_to_do_now(lab: LabPhone, offhook: Offhook) -> None:
    said = offhook.good("doctor").out.rstrip().splitlines()[-1]
    assert said.startswith("None works yet. ")
    assert "`offhook enable --route" in said


def test_a_phone_that_was_never_rooted_is_asked_for_what_needs_no_root(
    lab: LabPhone, offhook: Offhook
) -> None:
    lab.su("absent")
    try:
        before = lab.snapshot()
        ran = offhook.run("enable", "--route", "alsa", "--basis", "own-line", "--here", "DE")
        assert ran.code == 21, ran
        assert "not rooted" in ran.err
        assert ran.err.count("offhook: ") == 1
        assert offhook.good("--json", "status").json["installed"] is False
        assert offhook.good("--json", "disable").json["compared"] == []
        assert lab.changes(before) == []
    finally:
        lab.su("grant")


def test_sources_that_need_no_root_are_pulled_without_it(lab: LabPhone, offhook: Offhook) -> None:
    put(lab, "plain.wav", wav(51))
    (offhook.home / "offhook.toml").write_text(
        '[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n'
    )
    lab.su("absent")
    try:
        offhook.good("sync")
    finally:
        lab.su("grant")
    assert len(offhook.rows()) == 1


@contextlib.contextmanager
def locked(lab: LabPhone) -> Iterator[None]:
    """As after a restart of the phone, before it is unlocked: no name in its storage is readable."""
    props, here = "/lab/state/sys/props", "cd /data/media/0"
    kept = lab.root(f"cat {props}")
    lab.root(
        f'{here}; for d in *; do mv "$d" "hRaKw7Eq,$d"; done; echo ro.crypto.type=file >> {props}'
    )
    try:
        yield
    finally:
        lab.root(f"cat > {props}", input=kept.encode())
        lab.root(f'{here}; for d in hRaKw7Eq,*; do mv "$d" "${{d#*,}}"; done')


def test_of_a_phone_that_was_not_unlocked_yet_nothing_is_gone(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "filed.wav", wav(54))
    offhook.good("sync")

    def gone() -> list[str | None]:
        (shown,) = offhook.good("--json", "show", "latest").json["sightings"]
        return [shown["gone"]]

    with locked(lab):
        ran = offhook.good("sync")
        assert ran.err.count("unlock the phone once") == 1
        told = offhook.good("--json", "sync").json
        assert [one["reason"] for one in told["locked"]] == [LOCKED]
        assert (told["gone"], told["failed"], gone()) == ([], [], [None])
    assert "unlock" not in offhook.good("sync").err
    assert gone() == [None]
    lab.root(f"rm -r {FOLDER}")
    ran = offhook.good("sync")  # of what a phone has not, nothing is said
    assert (ran.err, gone() == [None]) == ("", False)


def test_watch_says_that_the_phone_has_to_be_unlocked_and_goes_on(
    lab: LabPhone, offhook: Offhook
) -> None:
    with contextlib.ExitStack() as until:
        until.enter_context(locked(lab))
        with offhook.watching() as watching:
            watching.wait("locked", text=LOCKED)
            until.close()
            watching.wait("locked", count=2)
            put(lab, "first.wav", wav(55))
            watching.wait("filed", timeout=20)  # the folder, which was not there, is watched now
    assert len([event for event in watching.events if event["event"] == "locked"]) == 2


def test_watch_tries_what_failed_again_later_not_with_each_new_file(
    lab: LabPhone, offhook: Offhook
) -> None:
    size = shutil.disk_usage(offhook.home).total - (1 << 20)  # more than is free
    lab.root(f"cd {FOLDER}; truncate -s {size} bad.wav; touch -d @1600000000 bad.wav")
    with offhook.watching() as watching:
        watching.wait("failed")
        for count in range(1, 5):
            put(lab, f"good{count}.wav", wav(56 + count), folder="/sdcard/Recordings")
            watching.wait("filed", count=count)
    # At once, and then after 30 s, 60 s and so on, however many files come meanwhile.
    tried = [datetime.fromisoformat(e["at"]) for e in watching.events if e["event"] == "failed"]
    assert all((after - before).total_seconds() > 25 for before, after in pairwise(tried))


def test_watch_takes_a_new_file_by_the_phones_word(lab: LabPhone, offhook: Offhook) -> None:
    with offhook.watching() as watching:
        watching.wait("connected")
        put(lab, "first.wav", wav(60))
        watching.wait("filed", timeout=20)  # sooner than a scan would
        lab.unplug()
        try:
            watching.wait("lost")
            put(lab, "second.wav", wav(61))
        finally:
            lab.plug()
        watching.wait("filed", count=2, timeout=60)
    assert len(offhook.rows()) == 2
    assert watching.process.returncode == 0


def test_the_phone_that_was_asked_for_is_the_one_that_is_used(
    lab: LabPhone, offhook: Offhook
) -> None:
    offhook.good("sync")
    offhook.env["OFFHOOK_PHONE"] = "127.0.0.1:1"
    address = "{}:{}".format(*lab.address)
    assert offhook.good("--json", "--phone", address, "status").json["serial"] == lab.serial
    assert offhook.good("--json", "status", "--phone", lab.serial).json["serial"] == lab.serial
    assert offhook.run("status").code == 11
    with LabPhone() as other:
        offhook.good("--phone", "{}:{}".format(*other.address), "status")
        port = other.address[1]
    with LabPhone(port=port):
        ran = offhook.run("--phone", other.serial, "status")
        assert ran.code == 13, ran
        assert other.serial in ran.err


def test_odd_answers_of_a_phone_are_shown_tamely(lab: LabPhone, offhook: Offhook) -> None:
    props = "/lab/state/sys/props"
    kept = lab.root(f"cat {props}")
    odd = kept.replace("ro.build.version.sdk=34", "ro.build.version.sdk=35.1")
    odd = odd.replace("ro.product.model=Lab Phone", "ro.product.model=[/x]\\[red]\x1b[31m")
    assert odd != kept
    lab.root(f"cat > {props}", input=odd.encode())
    try:
        for command in (("doctor",), ("status",), ("devices",)):
            ran = offhook.good(*command)
            assert "\x1b" not in ran.out
        assert offhook.good("--json", "doctor").json["phone"]["sdk"] == 35
    finally:
        lab.root(f"cat > {props}", input=kept.encode())


def test_only_one_offhook_files_into_an_archive(lab: LabPhone, offhook: Offhook) -> None:
    with offhook.watching() as watching:
        watching.wait("connected")
        ran = offhook.run("sync")
    assert ran.code == 32
    assert "watch" in ran.err


def know_both(offhook: Offhook, one: LabPhone, two: LabPhone) -> None:
    """Two phones in offhook.toml, `one` and `two`, with a source that both have."""
    two.root(f"mkdir -p {FOLDER}; chown 2000:1023 {FOLDER}")
    (offhook.home / "offhook.toml").write_text(
        '[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n'
        + "".join(
            f'[[phone]]\nalias = "{name}"\naddress = "127.0.0.1:{phone.address[1]}"\n'
            for name, phone in (("one", one), ("two", two))
        )
    )
    del offhook.env["OFFHOOK_PHONE"]


def test_of_two_phones_it_is_said_which_gave_what_and_which_failed(
    offhook: Offhook, lab: LabPhone
) -> None:
    with LabPhone() as other:
        know_both(offhook, lab, other)
        put(lab, "a.wav", wav(72))
        offhook.good("sync")
        put(other, "b.wav", wav(73))
        with (offhook.home / "offhook.toml").open("a") as config:
            config.write('[[source]]\nname = "private"\npath = "/data/data/x"\nroot = true\n')
        lab.su("deny")
        try:
            ran = offhook.run("--json", "sync")
        finally:
            lab.su("grant")
        assert [row["phone_alias"] for row in ran.json["filed"]] == ["two"]
        (failed,) = ran.json["failed"]
        assert (failed["serial"], failed["name"], failed["path"]) == (lab.serial, "one", None)
    ran = offhook.run("--json", "sync")
    assert [one["name"] for one in ran.json["failed"]] == ["two"]
    assert "failed: two: " in offhook.run("sync").err


def test_a_phone_that_was_not_known_has_its_serial_number_in_what_failed(
    offhook: Offhook, lab: LabPhone
) -> None:
    put(lab, "a.wav", wav(74))
    lab.su("deny")
    try:
        ran = offhook.run("--json", "sync")
    finally:
        lab.su("grant")
    assert [one["serial"] for one in ran.json["failed"]] == [lab.serial]


def test_without_a_terminal_watch_begins_with_what_it_watches(
    offhook: Offhook, lab: LabPhone
) -> None:
    with (offhook.home / "offhook.toml").open("a") as config:
        config.write('[inbox]\nfolder = "in"\n')
    process = subprocess.Popen(
        [PROGRAM, "watch"], env=offhook.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    with process:
        lines = [process.stdout.readline().decode() for _ in range(2)]
        process.terminate()
        process.communicate(timeout=30)
    assert lines[0].split("  ", 1)[1] == "watching 1 phone and the inbox\n"
    assert "  connected: " in lines[1]


def test_two_phones_are_watched_side_by_side(offhook: Offhook, lab: LabPhone) -> None:
    threads = threading.active_count()
    with LabPhone() as other:
        know_both(offhook, lab, other)
        with offhook.watching() as watching:
            watching.wait("connected", phone="one")
            watching.wait("connected", phone="two")
            put(lab, "a.wav", wav(70))
            put(other, "b.wav", wav(71))
            watching.wait("filed", count=2)
        assert {row["phone_alias"] for row in offhook.rows()} == {"one", "two"}
        answers = offhook.good("--json", "devices").json
        assert [row["answers"] for row in answers] == [True, True]
    answers = offhook.good("--json", "devices").json
    assert sorted(row["answers"] for row in answers) == [False, True]
    assert threading.active_count() == threads


def test_an_archive_that_takes_nothing_is_told_once_and_no_phone_is_lost(
    lab: LabPhone, offhook: Offhook
) -> None:
    root, disk = offhook.home / "archive", offhook.home / "disk"
    with (
        LabPhone() as other,
        tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere,
    ):
        phones = (lab, other)
        for number, phone in enumerate(phones):
            put(phone, "first.wav", wav(70 + number))
            offhook.good("--phone", "{}:{}".format(*phone.address), "sync")
        del offhook.env["OFFHOOK_PHONE"]
        with offhook.watching() as watching:
            watching.wait("connected", count=2)
            root.rename(disk)
            root.symlink_to(elsewhere)
            put(lab, "second.wav", wav(80))
            watching.wait("unfiled", phone="archive")
            for number, phone in enumerate(phones):  # news of a phone is another try
                put(phone, f"third{number}.wav", wav(82 + number))
            lab.unplug()
            try:
                watching.wait("lost")
            finally:
                lab.plug()
            watching.wait("connected", count=3)
            assert list(Path(elsewhere).iterdir()) == []
            root.unlink()
            disk.rename(root)
            watching.wait("filed", count=3, timeout=60)
            watching.wait("unfiled", count=2)
    said = Counter(event["event"] for event in watching.events)
    assert (said["unfiled"], said["connected"], said["filed"]) == (2, 3, 3)
    lost = {event["phone"] for event in watching.events if event["event"] == "lost"}
    assert len(lost) == 1  # the one that was unplugged
    why, over = (event for event in watching.events if event["event"] == "unfiled")
    assert "is on another disk" in why["text"]
    assert "Mount its disk again" in why["hint"]
    assert "text" not in over
