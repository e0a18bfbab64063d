"""`offhook watch` as a service: signals, settings that change, the inbox, and what it says to a
service manager, by the real program on a lab phone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.memory import distinct, wav
from tests.lab.phone import LabPhone
from tests.offhook import PROGRAM, Offhook, Watching, wait_until

FOLDER = "/data/media/0/Recordings"
SOURCE = '[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n'
STOP_S = 2.0  # within which SIGTERM has to be obeyed


@pytest.fixture
def offhook(tmp_path: Path) -> Offhook:
    made = Offhook(tmp_path / "home")
    made.home.mkdir()
    return made


@pytest.fixture
def phone(lab: LabPhone, offhook: Offhook) -> Iterator[LabPhone]:
    """A lab phone that is known, with a folder to pull."""
    set_up(offhook, SOURCE)
    offhook.good("connect", "{}:{}".format(*lab.address))
    lab.root(f"rm -rf {FOLDER}; mkdir -p {FOLDER}; chown 2000:1023 {FOLDER}; chmod 777 {FOLDER}")
    yield lab
    lab.root(f"rm -rf {FOLDER}")


def set_up(offhook: Offhook, text: str) -> None:
    """Write offhook.toml as editors do: beside, then over it."""
    part = offhook.home / "offhook.toml.new"
    part.write_text(text)
    part.replace(offhook.home / "offhook.toml")


def end(watching: Watching, number: int = signal.SIGTERM) -> None:
    """End a watch by a signal: with exit code 0, within two seconds. On a computer that has much
    else to do, within four times what another program takes to start and end beside it."""
    begun = time.monotonic()
    beside: list[float] = []

    def gauge() -> None:
        subprocess.run([PROGRAM, "--version"], check=True, stdout=subprocess.DEVNULL)
        beside.append(time.monotonic() - begun)

    thread = threading.Thread(target=gauge)
    watching.process.send_signal(number)
    thread.start()
    code = watching.process.wait(timeout=120)
    took = time.monotonic() - begun
    thread.join()
    assert code == 0
    assert took < max(STOP_S, 4 * beside[0]), f"it took {took:.1f} s, {beside[0]:.1f} s beside it"


@contextlib.contextmanager
def watching(offhook: Offhook, *words: str, **env: str) -> Iterator[Watching]:
    process = subprocess.Popen(
        [PROGRAM, "--json", "watch", *words],
        env=offhook.env | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    there = Watching(process)
    try:
        yield there
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        there.reader.join()
        assert process.stdout is not None
        process.stdout.close()


# Ending


def test_sigterm_ends_a_watch_within_two_seconds(phone: LabPhone, offhook: Offhook) -> None:
    with watching(offhook) as there:
        there.wait("connected")
        end(there)


def test_sigterm_in_a_pull_abandons_it_safely(phone: LabPhone, offhook: Offhook) -> None:
    size = 300 << 20
    with watching(offhook) as there:
        there.wait("connected")
        phone.root(f"head -c {size} /dev/urandom > {FOLDER}/large.wav; chmod a+r {FOLDER}/*")
        there.wait("pulling")
        wait_until(lambda: bool(list((offhook.home / "archive").rglob("*.part"))), 90)
        end(there)
    assert offhook.rows() == []
    with watching(offhook) as there:
        there.wait("filed", timeout=120)
        end(there)
    (row,) = offhook.rows()
    assert row["size"] == size
    assert not list((offhook.home / "archive").rglob("*.part"))


def test_sigterm_while_a_phone_does_not_answer_is_obeyed(offhook: Offhook) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        set_up(offhook, f'[[phone]]\nalias = "mute"\naddress = "127.0.0.1:{port}"\n')
        with watching(offhook) as there:
            peer, _ = mute.accept()
            with peer:
                end(there)
    assert offhook.rows() == []


# One at a time


def test_there_is_one_watch_for_an_archive_and_a_killed_one_is_no_hindrance(
    offhook: Offhook,
) -> None:
    with watching(offhook, "--stay") as first:
        wait_until(lambda: b"watch" in _read(offhook.home / "offhook.lock"), 90)
        ran = offhook.run("watch", "--stay")
        assert ran.code == 32
        assert str(first.process.pid) in ran.err
        first.process.kill()
        first.process.wait()
        with watching(offhook, "--stay") as second:
            wait_until(
                lambda: str(second.process.pid).encode() in _read(offhook.home / "offhook.lock")
            )
            end(second)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


# Settings


def test_settings_that_change_hold_at_once_and_broken_ones_do_not(
    phone: LabPhone, offhook: Offhook
) -> None:
    set_up(offhook, "")
    with watching(offhook) as there:
        there.wait("connected")
        phone.root(f"head -c 20000 /dev/urandom > {FOLDER}/a.wav; chmod a+r {FOLDER}/*")
        set_up(offhook, "[[source]]\nnaem = 1\n")
        there.wait("settings")
        (said,) = (e["text"] for e in there.events if e["event"] == "settings")
        assert "naem" in said
        assert "what was set before stays" in said
        set_up(offhook, SOURCE)
        there.wait("settings", count=2)
        there.wait("filed")
        end(there)
    assert len(offhook.rows()) == 1


def test_sighup_reads_the_settings_again(phone: LabPhone, offhook: Offhook) -> None:
    """And who is watched by a certain way, as OFFHOOK_VIA asks, is so afterwards, too."""
    with watching(offhook, OFFHOOK_VIA="tcp") as there:
        there.wait("connected")
        there.process.send_signal(signal.SIGHUP)
        there.wait("settings", text="read again")
        phone.root(f"head -c 20000 /dev/urandom > {FOLDER}/a.wav; chmod a+r {FOLDER}/*")
        there.wait("filed")
        end(there)
    assert [e["event"] for e in there.events].count("connected") == 1


def test_settings_that_are_a_link_are_read_again_when_its_target_changes(offhook: Offhook) -> None:
    target = offhook.home.parent / "dotfiles.toml"
    target.write_text("")
    (offhook.home / "offhook.toml").symlink_to(target)
    with watching(offhook, "--stay") as there:
        wait_until(lambda: b"watch" in _read(offhook.home / "offhook.lock"), 90)
        target.write_text('[inbox]\nfolder = "~nobody-of-this-name/in"\n')
        there.wait("settings")
        target.write_text('[inbox]\nfolder = "in"\n')
        there.wait("settings", text="read again")
        wait_until((offhook.home / "in").is_dir)
        end(there)


def test_a_phone_that_is_made_known_meanwhile_is_watched(lab: LabPhone, offhook: Offhook) -> None:
    with watching(offhook, "--stay") as there:
        wait_until(lambda: (offhook.home / "offhook.lock").exists(), 90)
        offhook.good("connect", "{}:{}".format(*lab.address))
        there.wait("connected")
        end(there)


def test_a_phone_that_is_taken_out_of_the_settings_is_let_go(
    lab: LabPhone, offhook: Offhook
) -> None:
    address = "{}:{}".format(*lab.address)
    one = f'[[phone]]\nalias = "one"\naddress = "{address}"\n'
    two = '[[phone]]\nalias = "two"\naddress = "127.0.0.1:9"\n'
    set_up(offhook, one + two)
    with watching(offhook) as there:
        there.wait("connected", phone="one")
        there.wait("lost", phone="two")
        set_up(offhook, one)
        there.wait("settings")
        end(there)
    assert [e["event"] for e in there.events].count("connected") == 1


# The archived files


def test_changes_of_archived_files_are_told_at_once_and_our_own_are_not(
    phone: LabPhone, offhook: Offhook
) -> None:
    with watching(offhook) as there:
        there.wait("connected")
        for number in range(3):
            phone.root(
                f"head -c 3000{number} /dev/urandom > {FOLDER}/{number}.wav; chmod a+r {FOLDER}/*"
            )
        there.wait("filed", count=3)
        rows = offhook.rows()
        changed, removed = offhook.file(rows[0]), offhook.file(rows[1])
        changed.chmod(0o600)
        changed.write_bytes(b"other bytes")
        changed.chmod(0o400)
        there.wait(
            "archive",
            text=_about(
                rows[0],
                "changed",
                "it has other bytes than were filed; 30000 bytes were filed",
                rows,
            ),
        )
        removed.unlink()
        there.wait(
            "archive", text=_about(rows[1], "missing", "it is not in the archive's folder", rows)
        )
        changed.with_name("stranger.wav").write_bytes(b"x")
        there.wait("archive", text="a file in its folder: added: it is in no index")
        end(there)
    told = [e["text"] for e in there.events if e["event"] == "archive"]
    assert len(told) == 3, told


def _about(row: dict[str, Any], kind: str, text: str, rows: list[dict[str, Any]]) -> str:
    if kind == "changed":
        text = text.replace("30000", str(row["size"]))
    return f"recording {row['id']}: {kind}: {text}"


@pytest.mark.parametrize("json", [True, False])
def test_a_watch_that_nobody_hears_ends(offhook: Offhook, json: bool) -> None:
    """Whichever of its threads was about to tell something."""
    words = ["--json"] * json + ["watch", "--stay"]
    process = subprocess.Popen(
        [PROGRAM, *words],
        env=offhook.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()

    def is_over() -> bool:
        with contextlib.suppress(FileNotFoundError):
            (offhook.home / "archive/stranger.wav").unlink(missing_ok=True)
            (offhook.home / "archive/stranger.wav").write_bytes(b"x")
        return process.poll() is not None

    try:
        wait_until(is_over, 90)
    finally:
        process.kill()
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        process.wait()
    assert (process.returncode, said) == (141, "")


# The inbox


def test_what_is_dropped_into_the_inbox_is_filed(offhook: Offhook) -> None:
    set_up(offhook, '[inbox]\nfolder = "inbox"\n')
    with watching(offhook) as there:
        inbox = offhook.home / "inbox"
        wait_until(inbox.is_dir, 90)
        name = "20260305_142207.000+0100_in_+41791234567_Ada.wav"
        part = inbox / f".syncthing.{name}.tmp"
        part.write_bytes(wav(1))
        part.rename(inbox / name)
        there.wait("filed", phone="inbox")
        (inbox / "again.wav").write_bytes(wav(1))
        there.wait("duplicate", phone="inbox")
        (inbox / "notes.txt").write_bytes(b"x")
        there.wait("left")
        end(there)
    (row,) = offhook.rows()
    assert (row["number"], row["source"], row["verified"] is not None) == (
        "+41791234567",
        "inbox",
        True,
    )
    shown = offhook.good("--json", "show", "latest").json
    assert len(shown["sightings"]) == 2
    assert {path.name for path in inbox.iterdir()} == {name, "again.wav", "notes.txt"}


def test_a_recording_that_grows_in_the_inbox_is_taken_once_whole(offhook: Offhook) -> None:
    set_up(offhook, '[inbox]\nfolder = "inbox"\nafter = "move"\n')
    data = wav(3)
    with watching(offhook) as there:
        inbox = offhook.home / "inbox"
        wait_until(inbox.is_dir, 90)
        with (inbox / "call.wav").open("wb") as file:
            for at in range(0, len(data), 8000):
                file.write(data[at : at + 8000])
                file.flush()
                time.sleep(0.05)
        there.wait("filed")
        wait_until(lambda: (inbox / ".filed" / "call.wav").exists(), 90)
        end(there)
    assert (inbox / ".filed" / "call.wav").read_bytes() == data
    assert not (inbox / "call.wav").exists()
    (row,) = offhook.rows()
    assert row["size"] == len(data)
    assert offhook.good("verify").code == 0


# The service manager


class ManagerSocket:
    """systemd's side of the notify protocol."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self.said: list[dict[str, str]] = []

    def wait(self, test: Callable[[dict[str, str]], bool], timeout: float = 60) -> dict[str, str]:
        end_at = time.monotonic() + timeout
        while True:
            self._socket.settimeout(max(end_at - time.monotonic(), 0.01))
            try:
                lines = self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"not said: {self.said}") from None
            message = dict(line.split("=", 1) for line in lines)
            self.said.append(message)
            if test(message):
                return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ManagerSocket]:
    made = ManagerSocket(tmp_path / "notify")
    yield made
    made.close()


def test_it_speaks_systemds_protocol(offhook: Offhook, manager: ManagerSocket) -> None:
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"}
    with watching(offhook, "--stay", **env) as there:
        ready = manager.wait(lambda said: "READY" in said)
        assert ready == {"READY": "1", "STATUS": "watching 0 phones"}
        begun = time.monotonic()
        for _ in range(3):
            manager.wait(lambda said: "WATCHDOG" in said)
        assert time.monotonic() - begun < 6
        there.process.send_signal(signal.SIGHUP)
        reloading = manager.wait(lambda said: "RELOADING" in said)
        assert int(reloading["MONOTONIC_USEC"]) > 0
        manager.wait(lambda said: "READY" in said)
        set_up(offhook, '[inbox]\nfolder = "inbox"\n')
        status = manager.wait(lambda said: "READY" in said)
        assert status["STATUS"] == "watching 0 phones and the inbox"
        end(there)
        manager.wait(lambda said: said == {"STOPPING": "1"})


def test_who_can_not_have_its_index_is_not_alive(offhook: Offhook, manager: ManagerSocket) -> None:
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000"}
    with watching(offhook, "--stay", **env) as there:
        manager.wait(lambda said: "WATCHDOG" in said)
        there.process.send_signal(signal.SIGSTOP)
        for _ in range(1000):  # what was said before
            try:
                manager.wait(lambda said: False, timeout=0.1)
            except AssertionError:
                break
        manager.said.clear()
        with pytest.raises(AssertionError, match="not said: \\[\\]"):
            manager.wait(lambda said: True, timeout=1.5)
        there.process.send_signal(signal.SIGCONT)
        manager.wait(lambda said: "WATCHDOG" in said)
        end(there)


# Told elsewhere


def test_the_users_command_gets_the_facts_of_each_recording(
    offhook: Offhook, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    script = tmp_path / "a hook.py"
    script.write_text(
        "import json, sys\n"
        f"facts = json.load(sys.stdin)\nopen({str(out)!r}, 'a').write(json.dumps(facts) + '\\n')\n"
        "print('done'); sys.exit(facts['duration_s'] > 1)\n"
    )
    command = f"{sys.executable} '{script}'"
    set_up(offhook, f'[inbox]\nfolder = "inbox"\n[hooks]\non_recording = "{command}"\n')
    with watching(offhook) as there:
        inbox = offhook.home / "inbox"
        wait_until(inbox.is_dir, 90)
        (inbox / "$(touch pwned) 'x'.wav").write_bytes(wav(0.5))
        there.wait("filed")
        wait_until(lambda: out.exists() and out.read_text().endswith("\n"), 90)
        (inbox / "long.wav").write_bytes(wav(2))
        there.wait("desktop")
        end(there)
    first = json.loads(out.read_text().splitlines()[0])
    assert Path(first["file"]).read_bytes() == wav(0.5)
    assert first["facts"]["started_ms"]["confidence"] == "assumed"
    (told,) = (e["text"] for e in there.events if e["event"] == "desktop")
    assert "exit code 1" in told
    assert "done" in (offhook.home / "hooks.log").read_text()
    assert not list(tmp_path.rglob("pwned"))


def test_notifications_have_no_names_and_never_fail_the_watch(
    offhook: Offhook, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    shown = tmp_path / "shown"
    fake = tools / "notify-send"
    fake.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >> {shown}\n')
    fake.chmod(0o755)
    text = '[inbox]\nfolder = "inbox"\n[notify]\nrecorded = true\nsilent = true\n'
    set_up(offhook, text)
    path = f"{tools}:{os.environ['PATH']}"
    with watching(offhook, PATH=path) as there:
        inbox = offhook.home / "inbox"
        wait_until(inbox.is_dir, 90)
        (inbox / "20260305_142207.000+0100_in_+41791234567_Ada.wav").write_bytes(wav(1))
        wait_until(lambda: shown.exists() and shown.read_text().count("--app-name") == 1, 90)
        (inbox / "20260305_152207.000+0100_in_+41791234567_Ada.wav").write_bytes(
            wav(1, gains=(0, 0))
        )
        wait_until(lambda: shown.read_text().count("--app-name") == 2, 90)
        fake.write_text("#!/bin/sh\nexit 3\n")
        (inbox / "other.wav").write_bytes(wav(1.5))
        there.wait("desktop")
        fake.write_text("#!/bin/sh\nexec sleep 600\n")
        (inbox / "more.wav").write_bytes(wav(1.6))
        there.wait("filed", count=4)
        end(there)
    said = shown.read_text()
    assert "Recorded|Recording 1: 1 s, -10 dB" in said
    assert "Nothing is heard|Recording 2: 1 s, SILENT" in said
    assert "Ada" not in said
    assert "4179" not in said


def test_a_file_of_no_sound_in_the_inbox_is_told_once(offhook: Offhook) -> None:
    set_up(offhook, '[inbox]\nfolder = "inbox"\n')
    with watching(offhook) as there:
        inbox = offhook.home / "inbox"
        wait_until(inbox.is_dir, 90)
        (inbox / "a.mp3").write_bytes(distinct(1))
        there.wait("left", path=str(inbox / "a.mp3"))
        (inbox / "b.wav").write_bytes(wav())
        there.wait("filed")
        end(there)
    assert [e["event"] for e in there.events].count("left") == 1
