"""Listing a tree on the lab phone, by each way that phones have; names of every kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from agent.adb import shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.link import Link
from agent.errors import RemoteError
from agent.phone import listing
from agent.phone.files import RemoteFile, Seen, Source
from agent.phone.listing import How, Listing
from tests.contract.old import phone_at
from tests.lab.phone import LabPhone

TREE = "/data/local/tmp/tree"
NAMES = [
    b"a\nb",
    b"-rf",
    b"'",
    b'"',
    b"\\n",
    b"%s",
    b" ",
    b"\t x ",
    b"\xff\xfe",
    b"x" * 255,
    b"\x01\x7f\r",
    "ö😀".encode(),
    b"$(id)",
    b"1 2 3.4 x",
    b"12 34 56.2026-01-01 00:00:00.000000000 +0000",
    b"\n",
]
TIMES = [0, 5, 70_000_000, 999_999_999, 500_000_000]


@pytest.fixture
def link(lab: LabPhone, signer: Signer) -> Iterator[Link]:
    with connect_tcp(*lab.address, [signer]) as new:
        yield new


@pytest.fixture(scope="module")
def tree(lab: LabPhone) -> dict[bytes, tuple[int, int]]:
    """A tree of strange names: path to size and mtime in nanoseconds."""
    made = {}
    script = [b"rm -rf " + TREE.encode()]
    for folder in (b"", b"d\ne", b"-d", b"\xff", b"d" * 255):
        place = TREE.encode() + (b"/" + folder if folder else b"")
        script.append(b"mkdir -p " + _quoted(place))
        for number, name in enumerate(NAMES):
            path = place + b"/" + name
            at = f"1700000{number:03}.{TIMES[number % len(TIMES)]:09}"
            script.append(b"head -c %d /dev/zero > " % number + _quoted(path))
            script.append(f"touch -d @{at} ".encode() + _quoted(path))
            made[path] = (number, int(at.replace(".", "")))
    script.append(f"ln -s /system/bin/sh {TREE}/link; mkfifo {TREE}/fifo".encode())
    lab.root("sh", input=b"\n".join(script) + b"\n")
    return made


def _quoted(raw: bytes) -> bytes:
    return b"'" + raw.replace(b"'", b"'\\''") + b"'"


def listed(link: Link, folder: str, way: How, *, gather: bool = True) -> list[RemoteFile]:
    one = Listing(folder, way, gather=gather)
    with shell.spawn(link, one.script) as process:
        return list(one.files(process.output(30)))


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_every_name_size_and_time_is_told(
    link: Link, tree: dict[bytes, tuple[int, int]], way: How
) -> None:
    found = listed(link, TREE, way)
    assert {os.fsencode(f.path): (f.size, f.mtime_ns) for f in found} == tree
    assert len({f.inode for f in found}) == len(tree)


def test_both_ways_tell_the_same(link: Link, tree: dict[bytes, tuple[int, int]]) -> None:
    by = [sorted(listed(link, TREE, way), key=lambda f: f.path) for way in ("printf", "stat")]
    assert by[0] == by[1]


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_an_absent_and_an_empty_folder_hold_nothing(link: Link, lab: LabPhone, way: How) -> None:
    lab.root("mkdir -p /data/local/tmp/empty")
    assert listed(link, "/data/local/tmp/empty", way) == []
    assert listed(link, "/data/local/tmp/absent", way) == []
    assert listed(link, "/data/local/tmp/it's absent", way) == []


def away(link: Link, folder: str, way: How, props: dict[str, str]) -> list[str | None]:
    """Why a folder could not be looked for, on a phone with these properties; none if it could."""
    one = Listing(folder, way, gather=True)
    said = " ".join(f"{name}) echo {value};;" for name, value in props.items())
    script = f"getprop() {{ case $1 in {said} esac; }}\n{one.script}"
    with shell.spawn(link, script) as process:
        assert list(one.files(process.output(30))) == []
    assert all(each.path == folder for each in one.away)
    return [each.why for each in one.away]


LOCKED = {"ro.crypto.type": "file"}
OPEN = LOCKED | {"sys.user.0.ce_available": "true"}


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_an_absent_folder_is_told_from_an_absent_storage(
    link: Link, lab: LabPhone, way: How
) -> None:
    lab.root("mkdir -p /data/local/tmp/shut/in; chmod 0700 /data/local/tmp/shut")
    lab.root("ln -sfn /data/local/tmp/nowhere /data/local/tmp/dangles")
    for folder, props, why in (
        ("/data/local/tmp/it's absent/below", OPEN, []),
        ("/data/local/tmp/shut/in/absent", OPEN, [None]),
        ("/data/local/tmp/dangles", OPEN, [None]),
        ("/sdcard/Nobody made this", OPEN, []),
        ("/sdcard/Nobody made this", {}, []),
        ("/storage/1234-ABCD/Call", OPEN, [None]),
        ("/storage/emulated/77/Call", OPEN, [None]),
        ("/data/media/0/Nobody made this", LOCKED, [None]),  # adbd's user does not see it
        ("/data/data/com.nobody/files", OPEN, []),
        ("/data/data/com.nobody/files", LOCKED, [listing.LOCKED]),
        ("/data/user_de/0/com.nobody/files", LOCKED, []),
    ):
        assert away(link, folder, way, props) == why, (folder, props)


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_a_folder_that_can_not_be_entered_is_an_error(link: Link, lab: LabPhone, way: How) -> None:
    lab.root("mkdir -p /data/local/tmp/part/shut; chmod 0700 /data/local/tmp/part/shut")
    with pytest.raises(RemoteError, match="denied") as caught:
        listed(link, "/data/local/tmp/part", way)
    assert not listing.vanished(caught.value)


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_a_large_tree_is_listed_in_a_few_processes(link: Link, lab: LabPhone, way: How) -> None:
    lab.root(
        "mkdir -p /data/local/tmp/large; cd /data/local/tmp/large; i=0; "
        "while [ $i -lt 5000 ]; do : > $i; i=$((i + 1)); done"
    )
    found = listed(link, "/data/local/tmp/large", way)
    assert sorted(int(f.path.rpartition("/")[2]) for f in found) == list(range(5000))


def test_gathered_or_not_it_is_the_same(link: Link, tree: dict[bytes, tuple[int, int]]) -> None:
    way: How
    for way in ("printf", "stat"):
        assert listed(link, TREE, way) == listed(link, TREE, way, gather=False)


def test_gathered_it_comes_in_few_pieces(link: Link, lab: LabPhone) -> None:
    folder = "/data/local/tmp/many"
    lab.root(f"mkdir -p {folder}; cd {folder}; i=0; while [ $((i += 1)) -le 500 ]; do : > $i; done")
    one = Listing(folder, "printf", gather=True)
    with shell.spawn(link, one.script) as process:
        pieces = list(process.output(30))
    assert len(list(one.files(pieces))) == 500
    assert len(pieces) < 10
    lab.root(f"rm -rf {folder}")


def test_a_phone_whose_dd_or_shell_can_not_gather_is_found_out(link: Link) -> None:
    said = shell.run(link, listing.PROBE).text
    assert listing.gathers(said)
    for lacking in (
        f"dd() {{ return 1; }}; {listing.PROBE}",
        f"dd() {{ cat; echo x; }}; {listing.PROBE}",
        listing.PROBE.replace("-o pipefail", "-o no-such"),
        listing.PROBE.replace("-o pipefail", "+o pipefail"),
    ):
        said = shell.run(link, lacking).text
        assert listing.how(said) == "printf"
        assert not listing.gathers(said)


def test_the_way_is_found_out(link: Link) -> None:
    said = shell.run(link, listing.PROBE).text
    assert listing.how(said) == "printf"
    assert listing.how(said.splitlines()[1]) == "stat"
    with pytest.raises(RemoteError, match="neither"):
        listing.how("find: unknown argument '-printf'\nsh: stat: inaccessible or not found")


def test_records_may_be_cut_anywhere() -> None:
    way: How
    for way in ("printf", "stat"):
        one = Listing("/x", way)
        mark = one._mark
        raw = (
            b"5 7 1700000000.5 /x/a b\n\0" * 2
            if way == "printf"
            else (b"5 7 1700000000.2023-11-14 22:13:20.000000005 +0000//x/a b\n" + mark) * 2
        )
        wanted = [RemoteFile("/x/a b\n", 5, 1_700_000_000_000_000_005, 7)] * 2
        for size in range(1, 40):
            pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
            assert list(one.files(pieces)) == wanted


def test_every_record_that_is_whole_is_kept_when_the_rest_fails() -> None:
    way: How
    for way in ("printf", "stat"):
        one = Listing("/x", way)
        raw = (
            b"5 7 1700000000.5 /x/a\nb\0"
            if way == "printf"
            else b"5 7 1700000000.2023-11-14 22:13:20.000000005 +0000//x/a\nb" + one._mark
        ) * 2

        def broken(upto: int, raw: bytes = raw) -> Iterator[bytes]:
            yield raw[:upto]
            raise RemoteError("gone", stderr="x: No such file or directory")

        for upto in range(len(raw) + 1):
            found: list[RemoteFile] = []
            with pytest.raises(RemoteError, match="gone"):
                for file in one.files(broken(upto)):
                    found.append(file)  # noqa: PERF402 - what came before counts
            assert [file.path for file in found] == ["/x/a\nb"] * (2 * upto // len(raw))


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_a_file_that_vanishes_meanwhile_hides_no_other(
    lab: LabPhone, signer: Signer, way: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = "/data/local/tmp/vanishing"
    with phone_at(lab, signer) as phone:
        monkeypatch.setitem(phone.__dict__, "_how_to_list", way)
        for root in (False, True):
            lab.root(f"mkdir -p {folder}; cd {folder}; for i in 1 2 3 4; do echo > $i; done")
            output = phone._output

            def vanishing(script: str, *, root: bool, output: Any = output) -> Iterator[bytes]:
                yield from output(f"{script}; stat {folder}/none", root=root)

            monkeypatch.setattr(phone, "_output", vanishing)
            assert len(phone.scan(Source("all", folder, root=root))) == 4
            monkeypatch.undo()
            monkeypatch.setitem(phone.__dict__, "_how_to_list", way)


@pytest.mark.parametrize("raw", [b"x\0", b"1 2 3\0", b"1 2 x.y /a\0", b"-\0", b"1 2 3.4"])
def test_what_makes_no_sense_is_an_error(raw: bytes) -> None:
    with pytest.raises(RemoteError, match="answered with"):
        list(Listing("/x", "printf").files([raw]))


@pytest.mark.parametrize("way", ["printf", "stat"])
def test_what_is_neither_file_nor_folder_is_told_apart(
    link: Link, tree: dict[bytes, tuple[int, int]], way: How
) -> None:
    one = Listing(TREE, way)
    with shell.spawn(link, one.script) as process:
        assert len(list(one.files(process.output(30)))) == len(tree)
    assert {other.path: other.what.split()[:2] for other in one.others} == {
        f"{TREE}/link": ["a", "symlink:"],
        f"{TREE}/fifo": ["a", "FIFO"],
    }


@pytest.mark.parametrize(
    "path", ["/x/../a", "/x/b/..", "/xy/a", "/a", "a", "/x/./a", "/x", "/x/a\0b"]
)
def test_what_lies_in_none_of_the_folders_is_an_error_and_costs_no_other(path: str) -> None:
    one = Listing(["/x", "/y z"], "stat")
    paths = ["/x/a b", path, "/y z/..b/c"]
    records = (
        f"5 7 1700000000.2023-11-14 22:13:20.000000005 +0000/{each}".encode() + one._mark
        for each in paths
    )
    found = []
    with pytest.raises(RemoteError, match="answered with «") as caught:
        for file in one.files(records):
            found.append(file.path)
    assert found == [paths[0], paths[2]]
    assert caught.value.hint


def test_a_listing_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MOST", 100_000)
    endless = (b"5 7 1700000000.5 /x/%d\0" % number for number in range(1 << 60))
    with pytest.raises(RemoteError, match="listed more than"):
        list(Listing("/x", "printf").files(endless))


def test_a_record_without_an_end_is_not_gathered() -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 4096

    for way in ("printf", "stat"):
        with pytest.raises(RemoteError, match="answered with") as caught:
            list(Listing("/x", way).files(endless()))  # type: ignore[arg-type]
        assert len(caught.value.message) < 1000
    assert given < 100


def test_a_phone_scans_with_and_without_root(
    lab: LabPhone, signer: Signer, tree: dict[bytes, tuple[int, int]]
) -> None:
    with phone_at(lab, signer) as phone:
        for root in (False, True):
            found = phone.scan(Source("tree", TREE, root=root))
            assert {os.fsencode(f.path) for f in found} == set(tree)
        phone.__dict__["_how_to_list"] = "stat"
        assert sorted(phone.scan(Source("tree", TREE)), key=str) == sorted(found, key=str)


@pytest.mark.parametrize("way", ["printf", "stat"])
@pytest.mark.parametrize("root", [False, True])
def test_what_lists_the_same_is_not_told_again(
    lab: LabPhone,
    signer: Signer,
    way: How,
    root: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = "/data/local/tmp/same"
    changes = (
        f"touch -d @1700000000.5 {folder}/a",
        f"echo longer > {folder}/a; touch -d @1700000000.5 {folder}/a",
        f"mv {folder}/a {folder}/b",
        f": > {folder}/c",
        f"rm {folder}/c",
    )
    lab.root(f"rm -rf {folder}; mkdir -p {folder}; cd {folder}; echo > a; touch -d @1700000000 a")
    source, seen = Source("same", folder, root=root), Seen()
    with phone_at(lab, signer) as phone:
        monkeypatch.setitem(phone.__dict__, "_how_to_list", way)
        assert len(phone.scan_unless(seen, source) or ()) == seen.count == 1
        for change in changes:
            assert phone.scan_unless(seen, source) is None
            lab.root(change)
            files = phone.scan_unless(seen, source)
            assert files == phone.scan(source)
        assert phone.scan_unless(seen, source) is None


def test_what_vanishes_meanwhile_is_left_out() -> None:
    gone = "find: '/x/a': No such file or directory\nstat: '/x/b': No such file or directory"
    assert listing.vanished(RemoteError("", code=1, stderr=gone))
    assert not listing.vanished(RemoteError("", code=1, stderr=gone + "\nfind: 'c': Denied"))
    assert not listing.vanished(RemoteError("", code=127))
