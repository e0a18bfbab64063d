"""A phone that lies, by accident or not: `offhook sync` and `watch` say so, and take the rest.

The lab phone's own commands are shadowed by others in the first folder of its PATH.
"""

from __future__ import annotations

import hashlib
import os
import pty
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli import main
from agent.phone import phone as phones
from tests.faults.memory import wav
from tests.lab.phone import LabPhone
from tests.offhook import PROGRAM, Offhook, Ran, wait_until

FOLDER = "/data/media/0/Recordings"
SHARED = "/sdcard/Recordings"
PRIVATE = "/data/data/com.google.android.dialer/files"
SHADOWS = "/product/bin"
GROWER = "/lab/state/grower"
AT = "1700000000.5"  # when all files were last changed, as find tells it
REST = {"good.wav": wav(0.3), "more.wav": wav(0.4)}


@pytest.fixture(scope="module")
def lab() -> Iterator[LabPhone]:
    with LabPhone() as phone:
        phone.root(f"mount -t tmpfs -o mode=0755 shadows {SHADOWS}")
        yield phone


@pytest.fixture
def offhook(lab: LabPhone, tmp_path: Path) -> Iterator[Offhook]:
    """The command, and a phone with two good recordings and nothing else."""
    lab.su("grant")
    lab.root(f"rm -rf {FOLDER} {PRIVATE}; mkdir -p {FOLDER}; chown 2000:1023 {FOLDER}")
    for name, data in REST.items():
        put(lab, name, data)
    home = tmp_path / "home"
    home.mkdir()
    sources(home, shared=SHARED)
    yield Offhook(home, lab.address)
    lab.root(f"rm -f {SHADOWS}/*")
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "android"}, "written outside"


def sources(home: Path, **folders: str) -> None:
    """The user's own sources; one by the name of ``private`` needs root."""
    text = "".join(
        f'[[source]]\nname = "{name}"\npath = "{path}"\n' + "root = true\n" * (name == "private")
        for name, path in folders.items()
    )
    (home / "offhook.toml").write_text(text)


def put(lab: LabPhone, name: str | bytes, data: bytes, folder: str = FOLDER) -> None:
    """Write a file on the phone, past adb, with a time at which it has settled."""
    raw = name if isinstance(name, bytes) else name.encode()
    path = b"'" + f"{folder}/".encode() + raw.replace(b"'", b"'\\''") + b"'"
    lab.root(f"mkdir -p {folder}; cat > {folder}/.new", input=data)
    script = b"mv %s/.new %s; touch -d @%s %s; chmod 666 %s\n"
    lab.root("sh", input=script % (folder.encode(), path, AT.encode(), path, path))


def shadow(lab: LabPhone, name: str, script: str) -> None:
    """What the phone runs from now on instead of a command of its own."""
    text = f"#!/system/bin/sh\n{script}\n".encode()
    lab.root(f"cat > {SHADOWS}/{name}; chmod 755 {SHADOWS}/{name}", input=text)


def also_listed(lab: LabPhone, *records: str) -> None:
    """Let find tell these besides; what was told last of a path, holds."""
    said = "".join(f"printf {shlex.quote(record)}'\\0'; " for record in records)
    shadow(lab, "find", f'/system/bin/find "$@"; case $1 in {SHARED}*) {said};; esac')


def hashes(data: list[bytes]) -> list[str]:
    return sorted(hashlib.sha256(each).hexdigest() for each in data)


def archived(offhook: Offhook) -> list[str]:
    """The SHA-256 of every file in the archive, as it is on the disk."""
    files = [path for path in (offhook.home / "archive").rglob("*") if path.is_file()]
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def tame(*texts: str) -> None:
    """Nothing of this does anything to a terminal."""
    for text in texts:
        assert not {ch for ch in text if not ch.isprintable() and ch != "\n"}, repr(text)


def synced(offhook: Offhook, code: int) -> tuple[Ran, str]:
    """A run of ``sync`` that ends with ``code`` and says nothing raw; and all that it said."""
    ran = offhook.run("sync")
    tame(ran.out, ran.err)
    said = ran.out + ran.err
    assert ran.code == code, said
    return ran, said


def at_terminal(offhook: Offhook, *words: str, until: bytes | None = None) -> bytes:
    """What a run shows on a terminal; ended when it has shown ``until``."""
    ours, theirs = pty.openpty()
    env = offhook.env | {"TERM": "xterm-256color"}
    with subprocess.Popen(
        [PROGRAM, *words], env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
                if until is not None and until in seen:
                    process.terminate()
        except OSError:  # Linux says so that the other side is closed
            pass
        finally:
            os.close(ours)
    return seen


# Names

NAMES = [
    b"x" * 251 + b".wav",
    "é".encode() * 125 + b"x.wav",
    b"\xff\xfe\x80 not utf-8.wav",
    b"   leading.wav",
    b"\x1b]0;HOSTILE\x07title.wav",
    b"\x1b[2J\x1b[31mHOSTILE.wav",
    "\x9b31mHOSTILE.wav".encode(),
    b"line\nfeed\rreturn.wav",
    b"-rf.wav",
    b"--help.wav",
    b"~.wav",
    "'\"`$(id)` 😀 \u202egnp.wav".encode(),
    b"[red]markup[-red].wav",
]
#: Of the names, what a terminal would obey.
OBEYED = (
    b"\x1b]0",
    b"\x07",
    b"\x1b[2J",
    "\x9b".encode(),
    b"\x9b31m",
    "\u202e".encode(),
    b"\xff\xfe",
)


def test_no_name_does_anything_to_a_terminal(lab: LabPhone, offhook: Offhook) -> None:
    data = [wav(0.1 + number / 100) for number in range(len(NAMES))]
    for name, each in zip(NAMES, data, strict=True):
        put(lab, name, each)
    put(lab, b"\x1b]0;HOSTILE\x07empty.wav", b"0")
    lab.root(f"cd {FOLDER}; ln -s / \"$(printf 'l\\033]0;HOSTILE\\007.wav')\"")
    shown = at_terminal(offhook, "sync")
    assert archived(offhook) == hashes([*data, *REST.values(), b"0"])
    assert b"left alone" in shown
    shown += at_terminal(offhook, "watch", until=b"left alone")
    shown += at_terminal(offhook, "list")
    assert [mark for mark in OBEYED if mark in shown] == []
    for row in offhook.rows():
        assert offhook.file(row).is_file()
        tame(str(row["path"]))
    tame(*(offhook.good(*words).out for words in (("list",), ("--json", "list"))))


# What is no file


def test_what_is_no_file_is_left_alone_and_told(lab: LabPhone, offhook: Offhook) -> None:
    secret = "/data/local/tmp/secret"
    put(lab, "told.wav", wav(0.7), secret)
    put(lab, "inside.wav", wav(0.5), f"{FOLDER}/folder.wav")
    lab.root(
        f"cd {FOLDER}; mkdir empty.wav; mkfifo fifo.wav; mknod device.wav c 1 5;"
        f" ln -s {secret}/told.wav file.wav; ln -s {secret} elsewhere; ln -s loop.wav loop.wav;"
        " ln -s . around; ln -s nowhere dangling.wav;"
        " setsid nc -l -U -s socket.wav </dev/null >/dev/null 2>&1 &"
    )
    wait_until(lambda: "socket.wav" in lab.root(f"ls {FOLDER}"))
    # A lab phone of who is not root lives in a user namespace, where nobody makes a device.
    device = {"device.wav"} if os.geteuid() == 0 else set()
    _, said = synced(offhook, 0)
    assert archived(offhook) == hashes([*REST.values(), wav(0.5)])
    told = dict(re.findall(r"left alone: /sdcard/Recordings/(\S+): (.*)", said))
    others = {"fifo.wav", "socket.wav", "file.wav", "loop.wav", "dangling.wav"}
    assert set(told) == others | device
    assert (told["fifo.wav"], told.get("device.wav", "a device")) == ("a FIFO", "a device")
    assert (told["socket.wav"], told["file.wav"][:9]) == ("a socket", "a symlink")
    assert "elsewhere" not in said
    left = offhook.good("--json", "sync").json["left"]
    assert {Path(one["path"]).name for one in left} == set(told)


@pytest.mark.parametrize("root", [False, True])
def test_a_fifo_that_is_listed_as_a_file_keeps_nobody(
    lab: LabPhone, offhook: Offhook, root: bool
) -> None:
    folder = PRIVATE if root else SHARED
    sources(offhook.home, **{"private" if root else "shared": folder})
    for name, data in REST.items():
        put(lab, name, data, PRIVATE)
    lab.root(f"mkfifo {PRIVATE if root else FOLDER}/fifo.wav")
    records = f"printf '5000000 1 {AT} {folder}/fifo.wav\\0'"
    shadow(lab, "find", f'/system/bin/find "$@"; case $1 in {folder}*) {records};; esac')
    _, said = synced(offhook, 50)
    assert "fifo.wav: " in said
    assert "no regular file is there" in said
    assert archived(offhook) == hashes(list(REST.values()))


# Listings


@pytest.mark.parametrize(
    "path",
    [
        f"{SHARED}/../../data/local/tmp/secret/told.wav",
        f"{SHARED}/a/../../../secret/told.wav",
        "/data/local/tmp/secret/told.wav",
        f"{SHARED}-other/told.wav",
        "told.wav",
    ],
)
def test_what_lies_outside_of_the_folder_is_not_taken(
    lab: LabPhone, offhook: Offhook, path: str
) -> None:
    put(lab, "told.wav", wav(0.7), "/data/local/tmp/secret")
    also_listed(lab, f"{len(wav(0.7))} 1 {AT} {path}")
    _, said = synced(offhook, 50)
    assert f"find answered with «{path}»" in said
    assert "look at the rest by hand" in said
    assert archived(offhook) == hashes(list(REST.values()))


def test_a_listing_with_nonsense_in_it_gives_the_rest_and_nothing_is_said_to_be_gone(
    lab: LabPhone, offhook: Offhook
) -> None:
    put(lab, "early.wav", wav(0.6))
    synced(offhook, 0)
    lab.root(f"mv {FOLDER}/early.wav {FOLDER}/.early")
    put(lab, "later.wav", wav(0.8))
    also_listed(lab, "\\033[31mwarning: no", f"-5 1 {AT} {SHARED}/minus.wav", "x", "", "1 2 3")
    ran = offhook.run("--json", "sync")
    assert ran.code == 50
    tame(ran.out, ran.err)
    (failure,) = ran.json["failed"]
    assert "\\x1b[31mwarning: no" in failure["reason"]
    assert "minus.wav" in failure["reason"]
    assert "2 more" in failure["reason"]
    assert failure["hint"]
    assert ran.json["gone"] == []
    assert archived(offhook) == hashes([*REST.values(), wav(0.6), wav(0.8)])


def test_a_folder_that_is_closed_costs_only_what_is_in_it(lab: LabPhone, offhook: Offhook) -> None:
    own = "/data/local/tmp/own"
    sources(offhook.home, own=own)
    for name, data in REST.items():
        put(lab, name, data, own)
    lab.root(f"mkdir -p {own}/shut; chmod 700 {own}/shut")
    _, said = synced(offhook, 50)
    assert "Permission denied" in said
    assert archived(offhook) == hashes(list(REST.values()))


def test_what_is_listed_twice_comes_once(lab: LabPhone, offhook: Offhook) -> None:
    size = len(REST["good.wav"])
    also_listed(lab, *[f"{size} 1 {AT} {SHARED}/good.wav"] * 3)
    ran = offhook.good("--json", "sync")
    assert (len(ran.json["filed"]), ran.json["duplicates"]) == (2, 0)
    assert archived(offhook) == hashes(list(REST.values()))


SIZES = {  # that the listing tells of a file, and what comes of it
    "smaller": (10, "more came than the 10 bytes that are listed"),
    "nothing": (0, "it is listed with 0 bytes, and has some"),
    "larger": (1_000_000, None),
    "huge": (1 << 61, None),
    "beyond": (1 << 99, None),
}


def test_sizes_that_are_wrong_are_found_out(lab: LabPhone, offhook: Offhook) -> None:
    data = {name: wav(0.5 + number / 10) for number, name in enumerate(SIZES)}
    for name, each in data.items():
        put(lab, f"{name}.wav", each)
    also_listed(lab, *(f"{size} 1 {AT} {SHARED}/{name}.wav" for name, (size, _) in SIZES.items()))
    _, said = synced(offhook, 50)
    for name, (_, words) in SIZES.items():
        assert (words is None) != (f"{name}.wav: {words}" in said), said
    assert said.count("verified; listed with another size") == 3  # the phone's hash proves them
    assert said.count("offhook import") == 1
    came = [data[name] for name, (_, words) in SIZES.items() if words is None]
    assert archived(offhook) == hashes([*REST.values(), *came])
    lab.root(f"rm {SHADOWS}/find")
    synced(offhook, 0)
    assert archived(offhook) == hashes([*REST.values(), *data.values()])


# A file that grows and grows


@pytest.fixture
def growing(lab: LabPhone) -> Iterator[None]:
    script = "while :; do head -c 5000 /dev/urandom >> long.wav; usleep 50000; done"
    lab.root(
        f"cd {FOLDER}; setsid sh -c '{script}' </dev/null >/dev/null 2>&1 & echo $! > {GROWER}"
    )
    wait_until(lambda: "long.wav" in lab.root(f"ls {FOLDER}"))
    yield
    lab.root(f"kill -KILL $(cat {GROWER})")


def test_a_file_that_grows_without_end_keeps_no_other_and_is_taken_once_when_no_call_is_so_long(
    lab: LabPhone, offhook: Offhook, growing: None
) -> None:
    _, said = synced(offhook, 0)
    assert f"still being written: {SHARED}/long.wav" in said
    assert archived(offhook) == hashes(list(REST.values()))
    with sqlite3.connect(offhook.home / "offhook.db") as db:
        db.execute("UPDATE sightings SET first_seen_ms = first_seen_ms - 13 * 3600000")
    db.close()
    _, said = synced(offhook, 0)
    assert "verified; still written to when it was taken" in said
    (row,) = [row for row in offhook.rows() if row["original_name"] == "long.wav"]
    data = offhook.file(row).read_bytes()
    assert hashlib.sha256(data).hexdigest() == row["sha256"]
    assert lab.root(f"head -c {len(data)} {FOLDER}/long.wav | sha256sum")[:64] == row["sha256"]
    with sqlite3.connect(offhook.home / "offhook.db") as db:
        db.execute("UPDATE sightings SET first_seen_ms = first_seen_ms - 13 * 3600000")
    db.close()
    synced(offhook, 0)
    assert len(offhook.rows()) == 3


def test_watch_goes_on_beside_it(lab: LabPhone, offhook: Offhook, growing: None) -> None:
    with offhook.watching() as watching:
        watching.wait("filed", count=2)
        put(lab, "new.wav", wav(0.6))
        watching.wait("filed", count=3)
    assert archived(offhook) == hashes([*REST.values(), wav(0.6)])


# Hashes

LIAR = (
    'case $(readlink /proc/self/fd/0) in *liar.wav) {};; *) exec /system/bin/sha256sum "$@";; esac'
)


def test_a_hash_that_is_wrong_fails_that_file(lab: LabPhone, offhook: Offhook) -> None:
    put(lab, "liar.wav", wav(0.9))
    shadow(lab, "sha256sum", LIAR.format(f"echo {'0' * 64}"))
    _, said = synced(offhook, 50)
    assert "liar.wav: the phone has 000000000000…" in said
    assert "offhook import" in said
    assert archived(offhook) == hashes(list(REST.values()))


@pytest.mark.parametrize(
    "script",
    [
        r"printf '\033[31mHOSTILE\n'",
        "yes HOSTILE",
        "head -c 300 /dev/urandom",
        "exit 1",
        r"printf '%0128d\n'",
    ],
)
def test_what_is_no_hash_is_made_good_by_a_second_reading(
    lab: LabPhone, offhook: Offhook, script: str
) -> None:
    shadow(lab, "sha256sum", script)
    _, said = synced(offhook, 0)
    assert said.count("sha256sum gave no hash") == 1
    assert archived(offhook) == hashes(list(REST.values()))


def in_process(
    offhook: Offhook, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """A run whose patience a test has shortened: its code, and all that it said."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OFFHOOK_HOME", "OFFHOOK_PHONE"):
            patch.setenv(name, offhook.env[name])
        code = main.run(list(words))
    said = capsys.readouterr()
    tame(said.out, said.err)
    return code, said.out + said.err


def test_a_hash_that_never_comes_is_waited_for_once(
    lab: LabPhone,
    offhook: Offhook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(phones, "_HASH_LEAST", 2.0)
    shadow(lab, "sha256sum", "echo asked >> /data/local/tmp/asked; exec sleep 978")
    lab.root(": > /data/local/tmp/asked; chmod 666 /data/local/tmp/asked")
    code, said = in_process(offhook, capsys, "sync")
    assert code == 0, said
    assert "sha256sum gave no hash (it does not come to an end); files were read twice" in said
    assert archived(offhook) == hashes(list(REST.values()))
    assert lab.root("cat /data/local/tmp/asked") == "asked\n"
    wait_until(lambda: not lab.root("pgrep -f '[s]leep 978' || :"))


def test_a_listing_that_never_comes_keeps_no_other_folder(
    lab: LabPhone,
    offhook: Offhook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(phones, "_SILENCE", 3.0)
    sources(offhook.home, ill="/sdcard/Ill", shared=SHARED)
    lab.root("mkdir -p /data/media/0/Ill")
    shadow(
        lab, "find", 'case $1 in /sdcard/Ill*) exec sleep 979;; esac; exec /system/bin/find "$@"'
    )
    code, said = in_process(offhook, capsys, "sync")
    assert code == 50, said
    assert "failed: ill (/sdcard/Ill): a command on the phone said nothing for 3 s" in said
    assert archived(offhook) == hashes(list(REST.values()))


# su


@pytest.mark.parametrize("to", ["", " >&2"])
def test_a_su_that_greets_spoils_nothing(lab: LabPhone, offhook: Offhook, to: str) -> None:
    sources(offhook.home, private=PRIVATE, shared=SHARED)
    put(lab, "private.wav", wav(0.6), PRIVATE)
    shadow(lab, "su", rf"printf '\033[31mwelcome\r\nto root\n'{to}; exec /system/xbin/su " + '"$@"')
    _, said = synced(offhook, 0)
    assert "welcome" not in said
    assert archived(offhook) == hashes([*REST.values(), wav(0.6)])


def test_a_su_that_changes_line_ends_is_told_and_what_needs_no_root_comes(
    lab: LabPhone, offhook: Offhook
) -> None:
    sources(offhook.home, private=PRIVATE, shared=SHARED)
    put(lab, "private.wav", wav(0.6), PRIVATE)
    mangle = r"while IFS= read -r line; do printf '%s\r\n' " + '"$line"; done'
    shadow(lab, "su", f'/system/xbin/su "$@" | {mangle}')
    _, said = synced(offhook, 50)
    assert "changes what passes through it" in said
    assert "root manager" in said
    assert archived(offhook) == hashes(list(REST.values()))
