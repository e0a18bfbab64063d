"""File transfer with the lab phone's adbd, by both versions of the sync protocol; many files at
once, onto the disk."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.adb import files, shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.fetch import FileSink, fetch
from agent.adb.link import Link
from agent.errors import FileGoneError, LinkError, PhoneError, RemoteError
from tests.contract.old import Without, phone_at
from tests.lab.phone import LabPhone
from tests.offhook import wait_until

HERE = "/data/local/tmp/files"


@pytest.fixture(params=["v2", "v1"])
def link(request: pytest.FixtureRequest, lab: LabPhone, signer: Signer) -> Iterator[Link]:
    with connect_tcp(*lab.address, [signer]) as new:
        if request.param == "v2":
            yield new
        else:
            yield Without(new, "stat_v2", "ls_v2", "sendrecv_v2")


@pytest.fixture(scope="module")
def made(lab: LabPhone) -> dict[str, bytes]:
    """Files on the phone, small and not; some that can't be read stand among them."""
    lab.root(f"mkdir -p {HERE}; chown 2000:2000 {HERE}")
    made = {}
    for number, size in enumerate([0, 1, 65535, 65536, 65537, 1_500_000, 3, 300_000]):
        name = f"{HERE}/{number} ö\udcff'\n"
        made[name] = hashlib.sha256(str(number).encode()).digest() * (size // 32 + 1)
        made[name] = made[name][:size]
        quoted = name.replace("'", "'\\''").encode("utf-8", "surrogateescape")
        script = b"head -c %d > '%s'; chmod 644 '%s'" % (size, quoted, quoted)
        lab.machine.run(script.decode("utf-8", "surrogateescape"), input=made[name], timeout=20)
    lab.root(f"echo no > {HERE}/closed; chmod 600 {HERE}/closed")
    return made


def test_a_file_is_what_stat_says(link: Link, lab: LabPhone, made: dict[str, bytes]) -> None:
    for path, data in made.items():
        found = files.stat(link, path)
        assert found.size == len(data)
        assert stat.S_ISREG(found.mode)
    lab.root(f"touch -d @1600000000 {HERE}/old; mkdir -p {HERE}/dir; ln -sf none {HERE}/link")
    assert files.stat(link, f"{HERE}/old").mtime_s == 1_600_000_000
    assert files.stat(link, f"{HERE}/old").inode == int(lab.root(f"stat -c %i {HERE}/old"))
    assert stat.S_ISDIR(files.stat(link, f"{HERE}/dir").mode)
    assert stat.S_ISLNK(files.stat(link, f"{HERE}/link").mode)
    with pytest.raises(FileGoneError):
        files.stat(link, f"{HERE}/none")


def test_only_version_2_knows_that_a_folder_is_closed(link: Link) -> None:
    with pytest.raises((RemoteError, FileGoneError)) as caught:
        files.stat(link, "/data/adb/x")
    assert isinstance(caught.value, FileGoneError) == ("stat_v2" not in link.features)


def test_a_size_above_4_gib_is_right(link: Link, lab: LabPhone) -> None:
    size = 5 * 2**30 + 7
    lab.root(f"truncate -s {size} {HERE}/sparse; chmod 644 {HERE}/sparse")
    try:
        assert files.stat(link, f"{HERE}/sparse").size == size
        listed = dict(files.listdir(link, HERE))["sparse"].size
        assert listed == (size if "ls_v2" in link.features else size % 2**32)
    finally:
        lab.root(f"rm {HERE}/sparse")


def test_a_folder_is_listed_with_names_of_any_bytes(link: Link, made: dict[str, bytes]) -> None:
    listed = dict(files.listdir(link, HERE))
    for path, data in made.items():
        assert listed[path.removeprefix(HERE + "/")].size == len(data)
    assert "." not in listed
    assert files.listdir(link, f"{HERE}/none") == []


def test_many_are_pulled_and_what_can_not_be_is_its_own_error(
    link: Link, made: dict[str, bytes]
) -> None:
    good = list(made)
    bad = [f"{HERE}/none", f"{HERE}/closed", "/data/adb/x", HERE, f"{HERE}/{'x' * 2000}"]
    for ahead in (1, 2, 3, 16):
        wanted = [bad[0], *good[:3], bad[1], bad[2], *good[3:], bad[3], good[0], bad[4], good[5]]
        got = {}
        order = []
        for path, chunks in files.pull_many(link, wanted, ahead=ahead):
            order.append(path)
            try:
                got[path] = b"".join(chunks)
            except FileGoneError:
                got[path] = b"gone"
            except RemoteError as error:
                got[path] = error.stderr.encode()
        assert order == wanted
        assert {p: d for p, d in got.items() if p in made} == made
        assert got[bad[0]] == b"gone"
        assert b"denied" in got[bad[1]]
        assert b"denied" in got[bad[2]]
        assert b"directory" in got[bad[3]]
        assert b"long" in got[bad[4]]


def test_what_nobody_took_and_what_was_left_in_the_middle_disturbs_nothing(
    link: Link, made: dict[str, bytes]
) -> None:
    wanted = list(made) * 2
    for number, (path, chunks) in enumerate(files.pull_many(link, wanted)):
        if number % 3 == 0:
            assert b"".join(chunks) == made[path]
        elif number % 3 == 1 and made[path]:
            assert made[path].startswith(next(chunks))
            chunks.close()  # type: ignore[attr-defined]
    for path, chunks in files.pull_many(link, wanted):
        assert made[path].startswith(next(chunks, b""))
        break


def test_a_file_left_in_the_middle_may_outlive_the_transfer(
    link: Link, made: dict[str, bytes]
) -> None:
    large = max(made, key=lambda path: len(made[path]))
    transfer = files.pull_many(link, [large, large])
    _, chunks = next(transfer)
    assert next(chunks)
    transfer.close()  # type: ignore[attr-defined]
    with pytest.raises(LinkError):
        list(chunks)
    transfer = files.pull_many(link, [large, large])
    _, chunks = next(transfer)
    assert next(chunks)
    transfer.close()  # type: ignore[attr-defined]
    chunks.close()  # type: ignore[attr-defined]


def test_a_pushed_file_has_its_time_and_mode(link: Link, lab: LabPhone) -> None:
    for size in (0, 1, 65536, 65537, 2_000_000):
        data = os.urandom(size)
        files.push(link, data, f"{HERE}/pushed", 0o640, mtime_s=1_500_000_000)
        assert b"".join(files.pull(link, f"{HERE}/pushed")) == data
    assert lab.root(f"stat -c '%a %Y' {HERE}/pushed") == "666 1500000000\n"
    with pytest.raises(RemoteError, match="denied"):
        files.push(link, b"x" * 500_000, "/data/adb/x", 0o600)


# Onto the disk


def test_what_is_fetched_is_on_the_disk_with_its_hash(
    link: Link, made: dict[str, bytes], tmp_path: Path
) -> None:
    wanted = [f"{HERE}/none", *made, f"{HERE}/closed"]
    there = {path: tmp_path / str(number) for number, path in enumerate(wanted)}
    got = {one.path: one for one in fetch(link, wanted, lambda path: FileSink(there[path]))}
    assert set(got) == set(wanted)
    for path, data in made.items():
        assert there[path].read_bytes() == data
        assert (got[path].size, got[path].error) == (len(data), None)
        assert got[path].sha256 == hashlib.sha256(data).hexdigest()
    assert isinstance(got[wanted[0]].error, FileGoneError)
    assert isinstance(got[wanted[-1]].error, RemoteError)
    assert not there[wanted[0]].exists()
    assert not there[wanted[-1]].exists()


class Failing(FileSink):
    """A sink whose disk is full, or whose flush fails."""

    def __init__(self, path: Path, when: str) -> None:
        super().__init__(path)
        self._when = when

    def write(self, data: bytes) -> None:
        if self._when == "write":
            raise OSError(28, "No space left on device")
        super().write(data)

    def flush(self) -> None:
        if self._when == "flush":
            raise OSError(5, "Input/output error")
        super().flush()


@pytest.mark.parametrize("when", ["open", "write", "flush"])
def test_a_disk_that_fails_ends_it_and_leaves_nothing_half(
    lab: LabPhone, signer: Signer, made: dict[str, bytes], tmp_path: Path, when: str
) -> None:
    wanted = [path for path in made if made[path]] * 5
    count = iter(range(1000))

    def open_sink(path: str) -> FileSink:
        number = next(count)
        place = tmp_path / str(number)
        if number != 7:
            return FileSink(place)
        if when == "open":
            raise OSError(28, "No space left on device")
        return Failing(place, when)

    with connect_tcp(*lab.address, [signer]) as link:
        got = []
        with pytest.raises(OSError, match=r"space|Input"):
            for one in fetch(link, wanted, open_sink):
                got.append(one)  # noqa: PERF402 - what came before counts
        assert not (tmp_path / "7").exists()
        for path in tmp_path.iterdir():
            assert path.read_bytes() == made[wanted[int(path.name)]]
        assert b"".join(files.pull(link, wanted[0])) == made[wanted[0]]


def test_a_link_that_breaks_and_a_caller_who_leaves_leave_nothing_half(
    lab: LabPhone, signer: Signer, made: dict[str, bytes], tmp_path: Path
) -> None:
    lab.root(f"head -c 60000000 /dev/zero > {HERE}/large; chmod 644 {HERE}/large")
    wanted = [*made, f"{HERE}/large", f"{HERE}/large"]
    there = {path: tmp_path / str(number) for number, path in enumerate(wanted)}
    with connect_tcp(*lab.address, [signer]) as link:
        threads = threading.active_count()
        pages = fetch(link, wanted, lambda path: FileSink(there[path]))
        next(pages)
        pages.close()  # type: ignore[attr-defined]
        assert threading.active_count() == threads
    for path in tmp_path.iterdir():
        assert path.read_bytes() == made[wanted[int(path.name)]]
        path.unlink()
    count = iter(range(1000))
    with connect_tcp(*lab.address, [signer]) as link, pytest.raises(LinkError):
        for _ in fetch(
            link, [f"{HERE}/large"] * 50, lambda path: FileSink(tmp_path / f"{next(count)}")
        ):
            link.close()
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {60_000_000}


# What a phone offers to sync


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("dd", [True, False])
def test_a_beginning_is_hashed_or_refused_where_head_can_not_count(
    lab: LabPhone,
    signer: Signer,
    made: dict[str, bytes],
    root: bool,
    dd: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = "head() { echo \"head: Unknown option 'c'\" >&2; return 1; }\n"
    lacking += "" if dd else "dd() { return 127; }\n"
    with phone_at(lab, signer) as phone:
        output = phone._output
        monkeypatch.setattr(phone, "_output", lambda script, **how: output(lacking + script, **how))
        for path, data in made.items():
            for first in (0, 1, 65537, len(data)):
                if dd:
                    wanted = hashlib.sha256(data[:first]).hexdigest()
                    assert phone.sha256(path, root=root, first=first) == wanted
                else:
                    with pytest.raises(RemoteError, match="first"):
                        phone.sha256(path, root=root, first=first)


@pytest.mark.parametrize("root", [False, True])
def test_a_phone_reads_from_an_offset_and_hashes_a_beginning(
    lab: LabPhone, signer: Signer, made: dict[str, bytes], root: bool
) -> None:
    with phone_at(lab, signer) as phone:
        for path, data in made.items():
            for offset in {0, 1, len(data) // 2, len(data)}:
                assert b"".join(phone.read(path, root=root, offset=offset)) == data[offset:]
            for first in (None, 0, 1, len(data)):
                wanted = hashlib.sha256(data[:first]).hexdigest()
                assert phone.sha256(path, root=root, first=first) == wanted
        for offset in (0, 10):
            with pytest.raises(FileGoneError):
                list(phone.read(f"{HERE}/none", root=root, offset=offset))
        for first in (None, 10):
            with pytest.raises(FileGoneError):
                phone.sha256(f"{HERE}/none", root=root, first=first)
        if not root:
            with pytest.raises(RemoteError, match="denied"):
                phone.sha256(f"{HERE}/closed", root=root, first=1)
            with pytest.raises(RemoteError, match="denied"):
                list(phone.read(f"{HERE}/closed", root=root, offset=1))


@pytest.mark.parametrize("root", [False, True])
def test_a_phone_reads_and_hashes_many_at_once(
    lab: LabPhone, signer: Signer, made: dict[str, bytes], root: bool
) -> None:
    closed = f"{HERE}/closed"
    paths = [f"{HERE}/none", *made, closed, next(iter(made))]
    with phone_at(lab, signer) as phone:
        hashes = phone.sha256_many(paths, root=root)
        wanted = [
            hashlib.sha256(made[path]).hexdigest() if path in made else None for path in paths
        ]
        if root:
            wanted[paths.index(closed)] = hashlib.sha256(b"no\n").hexdigest()
        assert hashes == wanted
        refused = []
        for path, chunks in phone.read_many(paths, root=root):
            try:
                assert b"".join(chunks) == (b"no\n" if path == closed else made.get(path))
            except PhoneError as error:
                refused.append((path, type(error)))
        assert refused == [(paths[0], FileGoneError)] + ([] if root else [(closed, RemoteError)])


def test_root_sees_which_files_are_being_written(lab: LabPhone, signer: Signer) -> None:
    folder = "/sdcard/Recordings/written"
    with phone_at(lab, signer) as phone:
        script = (
            f"mkdir -p {folder}; cd {folder}; echo x | tee 'read -> .wav' no.txt >ended.m4a; "
            "exec 3<'read -> .wav' 4>>no.txt 5>>'a b.WAV ' 6>>/dev/null; echo ready; cat"
        )
        with shell.spawn(phone.link, script) as writer:
            assert next(writer.output(20)).strip() == b"ready"
            found = {path[path.find("/Recordings") :] for path in phone.written([".wav", ".m4a"])}
        assert found == {"/Recordings/written/a b.WAV "}
        wait_until(lambda: phone.written([".wav"]) == [])
