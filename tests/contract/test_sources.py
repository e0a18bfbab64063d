"""`offhook sources` on a lab phone: what is there is found, and what is chosen is pulled."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_sync_commands import wav
from tests.lab.phone import LabPhone
from tests.offhook import PROGRAM, Offhook, wait_until

CARD = "/storage/1A2B-3C4D"
#: Where root sees each folder, and where `sources` shows it.
PLACES = {
    "/data/media/0/recordings/call": "/sdcard/recordings/call",
    "/data/media/0/Sounds/CallRecord": "/sdcard/Sounds/CallRecord",
    "/data/media/0/录音/通话录音": "/sdcard/录音/通话录音",
    "/data/media/0/voice": "/sdcard/voice",
    "/data/media/0/Android/data/com.chiller3.bcr/files": "/sdcard/Android/data/com.chiller3.bcr/files",
    "/data/media/10/MIUI/sound_recorder/call_rec": "/data/media/10/MIUI/sound_recorder/call_rec",
    f"{CARD}/Record/Call": f"{CARD}/Record/Call",
    "/mnt/media_rw/5E6F-7A8B/Call": "/mnt/media_rw/5E6F-7A8B/Call",
}
CALL = "Call recording 010-4522-0000_260109_162929.wav"


@pytest.fixture
def phone(lab: LabPhone) -> Iterator[LabPhone]:
    lab.su("grant")
    for folder in PLACES:
        lab.root(f"mkdir -p {shlex.quote(folder)}; chmod -R a+rX {shlex.quote(folder)}")
    lab.root("chmod 0755 /data/media/0/recordings; chmod 0700 /data/media/10 /mnt/media_rw")
    yield lab
    lab.su("grant")
    lab.root(
        "rm -rf /data/media/10 /storage/1A2B-3C4D /mnt/media_rw/5E6F-7A8B; cd /data/media/0; "
        "rm -rf recordings Sounds 录音 voice Android/data/com.chiller3.bcr Odd* CubeCallRecorder"
    )


@pytest.fixture
def offhook(phone: LabPhone, tmp_path: Path) -> Offhook:
    return Offhook(tmp_path / "home", phone.address)


def put(phone: LabPhone, folder: str, name: str, data: bytes) -> None:
    path = shlex.quote(f"{folder}/{name}")
    phone.root(f"cat > {path}; touch -d @1700000000 {path}; chmod a+r {path}", input=data)


def listed(offhook: Offhook, *words: str) -> dict[str, dict[str, Any]]:
    said = offhook.good("--json", "sources", *words).json
    return {row["folder"]: row for row in said["folders"]}


def test_what_is_there_is_found_in_any_spelling_on_any_volume_of_any_user(
    phone: LabPhone, offhook: Offhook
) -> None:
    put(phone, "/data/media/0/recordings/call", CALL, wav(1))
    put(phone, "/data/media/0/recordings/call", "a.txt", b"what was said")
    put(phone, "/data/media/0/recordings/call", ".pending-1-b.wav", wav(2))
    put(phone, "/data/media/0/voice", "Voice 001.wav", wav(3))
    put(phone, "/data/media/0/voice", CALL, wav(4))
    put(phone, "/data/media/10/MIUI/sound_recorder/call_rec", "c.wav", wav(5))
    before = phone.snapshot()
    found = listed(offhook)
    assert phone.changes(before) == []
    assert set(found) == set(PLACES.values())
    own = found["/sdcard/recordings/call"]
    assert own == {
        "folder": "/sdcard/recordings/call",
        "recorder": "samsung",
        "root": False,
        "there": True,
        "recordings": 1,
        "bytes": len(wav(1)),
        "newest": own["newest"],
        "other_files": 2,
        "pulled_by": None,
        "asked": False,
    }
    assert own["newest"].startswith("2023-11-1")
    assert (found["/sdcard/voice"]["recordings"], found["/sdcard/voice"]["other_files"]) == (1, 1)
    other = found["/data/media/10/MIUI/sound_recorder/call_rec"]
    assert (other["recordings"], other["root"], other["recorder"]) == (1, True, "miui")
    assert found[f"{CARD}/Record/Call"]["recorder"] == "vivo"
    assert offhook.rows() == []
    # Without root the rest is listed all the same, and it is said.
    phone.su("absent")
    said = offhook.good("--json", "sources").json
    assert said["root_problem"]
    assert {row["folder"] for row in said["folders"]} == {
        shown for shown in PLACES.values() if not shown.startswith(("/data/", "/mnt/"))
    }


def test_only_what_is_chosen_is_pulled_and_read_by_its_name(
    phone: LabPhone, offhook: Offhook
) -> None:
    put(phone, "/data/media/0/recordings/call", CALL, wav(1))
    put(phone, "/data/media/0/Sounds/CallRecord", "Ada@+4930123456_20260109162929.wav", wav(2))
    put(phone, "/data/media/10/MIUI/sound_recorder/call_rec", "c.wav", wav(3))
    offhook.good("sync")  # nobody is asked here, and nothing is pulled
    assert offhook.rows() == []
    ran = offhook.run("sources", "--add", "/sdcard/Music")
    assert (ran.code, "[[source]]" in ran.err) == (2, True)
    found = listed(
        offhook, "--add", "huawei", "--add", "/data/media/10/MIUI/sound_recorder/call_rec"
    )
    assert {path for path, row in found.items() if row["pulled_by"] == "chosen"} == {
        "/sdcard/Sounds/CallRecord",
        "/data/media/10/MIUI/sound_recorder/call_rec",
    }
    offhook.good("sync")
    rows = {row["number"]: row for row in offhook.rows()}
    assert set(rows) == {"+4930123456", None}
    huawei = rows["+4930123456"]
    assert (huawei["contact"], huawei["route"]) == ("Ada", "dialer")
    offhook.good("sources", "--remove", "all")
    # A person writes the phone's own path, or the number that the list has.
    place = list(found).index("/sdcard/recordings/call") + 1
    found = listed(offhook, "--add", "/storage/emulated/0/Sounds/CallRecord/", "--add", str(place))
    assert {path for path, row in found.items() if row["pulled_by"] == "chosen"} == {
        "/sdcard/Sounds/CallRecord",
        "/sdcard/recordings/call",
    }
    offhook.good("sources", "--remove", "all")
    put(phone, "/data/media/0/Sounds/CallRecord", "+4930654321_20260109162930.wav", wav(4))
    offhook.good("sync")
    assert len(offhook.rows()) == 2
    offhook.good("sources", "--add", "all")
    offhook.good("sync")
    assert len(offhook.rows()) == 4


def test_watch_takes_up_a_folder_that_is_chosen_meanwhile(
    phone: LabPhone, offhook: Offhook
) -> None:
    with offhook.watching() as watching:
        watching.wait("connected")
        offhook.good("sources", "--add", "/sdcard/Sounds/CallRecord")
        put(phone, "/data/media/0/Sounds/CallRecord", "+4930123456_20260109162929.wav", wav(1))
        watching.wait("filed")
    assert [row["number"] for row in offhook.rows()] == ["+4930123456"]


def test_without_root_watch_takes_what_the_phone_tells_to_be_closed(
    phone: LabPhone, offhook: Offhook
) -> None:
    phone.root("mkdir -p /sdcard/CubeCallRecorder")
    phone.su("absent")
    offhook.good("sources", "--add", "/sdcard/CubeCallRecorder")
    with offhook.watching() as watching:
        watching.wait("connected")
        wait_until(lambda: "inotifyd" in phone.root("ps -A -o NAME"))
        phone.root("cat > /sdcard/CubeCallRecorder/a.wav", input=wav(8))  # written just now
        watching.wait("filed", timeout=25)  # less than it has to be old
    assert "still being written" in _after_a_write(phone, offhook)


def _after_a_write(phone: LabPhone, offhook: Offhook) -> str:
    """What a sync says that has heard nothing of a file before."""
    phone.root("cat > /sdcard/CubeCallRecorder/b.wav", input=wav(9))
    return offhook.good("sync").out


def test_a_folder_of_the_users_own_is_listed_once_and_not_chosen_with_all(
    phone: LabPhone, offhook: Offhook
) -> None:
    phone.root("mkdir -p /data/media/0/MyCalls; chmod a+rX /data/media/0/MyCalls")
    offhook.home.mkdir(exist_ok=True)
    (offhook.home / "offhook.toml").write_text(
        '[[source]]\nname = "my"\npath = "/sdcard/MyCalls"\n'
    )
    offhook.good("sources", "--add", "/sdcard/MyCalls", "--add", "all")
    offhook.good("sources", "--remove", "/sdcard/MyCalls")
    found = offhook.good("--json", "sources", "--add", "all").json["folders"]
    folders = [row["folder"] for row in found]
    assert len(folders) == len(set(folders))
    by = {row["folder"]: row["pulled_by"] for row in found}
    assert by.pop("/sdcard/MyCalls") == "offhook.toml"
    assert set(by.values()) == {"chosen"}


def test_a_folder_is_shown_tamely(phone: LabPhone, offhook: Offhook) -> None:
    folder = "/data/media/0/Odd\x1b[31m\n/Recordings/Call"
    phone.root(f"mkdir -p {shlex.quote(folder)}; chmod -R a+rX /data/media/0/Odd*")
    ran = offhook.good("sources")
    assert "/sdcard/Odd\\x1b[31m\\n/Recordings/Call" in ran.out
    assert "\x1b" not in ran.out
    offhook.good("sources", "--add", "/sdcard/Odd\\x1b[31m\\n/Recordings/Call")
    put(phone, folder, CALL, wav(1))
    offhook.good("sync")
    assert len(offhook.rows()) == 1


def at_terminal(
    offhook: Offhook, *words: str, answer: str, question: bytes = b"(numbers, all, none)"
) -> str:
    """Run the command at a terminal, answer its question, and give all that it says."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *words], env=offhook.env | {"TERM": "dumb"}, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    said = b""
    try:
        answered = False
        while select.select([mine], [], [], 60)[0]:
            with suppress(OSError):  # EIO when the command has ended
                chunk = os.read(mine, 65536)
                if chunk:
                    said += chunk
                    if not answered and question in said:
                        os.write(mine, f"{answer}\n".encode())
                        answered = True
                    continue
            break
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(mine)
    return said.decode()


def test_a_person_is_asked_at_the_first_sync_and_then_no_more(
    phone: LabPhone, offhook: Offhook
) -> None:
    put(phone, "/data/media/0/Sounds/CallRecord", "+4930123456_20260109162929.wav", wav(1))
    put(phone, "/data/media/0/recordings/call", CALL, wav(2))
    folders = list(listed(offhook))
    number = folders.index("/sdcard/Sounds/CallRecord") + 1
    said = at_terminal(offhook, "sync", answer=str(number))
    assert "folders with recordings of calls" in said
    assert "1 new" in said
    assert [row["number"] for row in offhook.rows()] == ["+4930123456"]
    again = at_terminal(offhook, "sync", answer="all")
    assert "(numbers" not in again
    assert "Nothing new" in again
    assert all(row["asked"] for row in listed(offhook).values())
    said = at_terminal(offhook, "sources", "--choose", answer="none")
    assert "Chosen: 0" in said


def test_a_program_is_not_asked(phone: LabPhone, offhook: Offhook) -> None:
    ran = offhook.run("sources", "--choose")
    assert (ran.code, "--add" in ran.err) == (2, True)
