"""Commands on the lab phone: nothing is left of those whose time is up; phones without shell v2;
root through every kind of su."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from agent.adb import shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.link import Link
from agent.errors import LinkError, LinkTimeout, RemoteError, RootError
from agent.phone.root import Root, find_root
from tests.contract.old import Without
from tests.lab.phone import LabPhone


@pytest.fixture(params=["shell v2", "exec"])
def link(request: pytest.FixtureRequest, lab: LabPhone, signer: Signer) -> Iterator[Link]:
    lab.su("grant")
    with connect_tcp(*lab.address, [signer]) as new:
        yield new if request.param == "shell v2" else Without(new, "shell_v2")


@pytest.fixture
def old(lab: LabPhone, signer: Signer) -> Iterator[Without]:
    with connect_tcp(*lab.address, [signer]) as new:
        yield Without(new, "shell_v2")


def none_left(lab: LabPhone, what: str) -> None:
    """Waits until nothing with ``what`` in its command line runs; fails after two seconds."""
    pattern = f"[{what[0]}]{what[1:]}"  # which does not match the one who asks
    lab.root(f"while pgrep -f '{pattern}' >/dev/null; do usleep 10000; done", timeout=2)


TREES = [
    "sleep {n} & sleep {n}",
    "(sleep {n} & sleep {n}) & sleep {n} | sleep {n}",
    "trap '' HUP TERM INT; sleep {n}; sleep {n}",
    "while :; do sleep {n}; done",
    "exec sleep {n}",
    "sh -c 'sleep {n} & wait'",
]


@pytest.mark.parametrize("who", ["shell", "root"])
def test_time_up_kills_all_of_it_on_the_phone(link: Link, lab: LabPhone, who: str) -> None:
    run = partial(shell.run, link) if who == "shell" else find_root(link).run
    ended: list[str] = []

    def work(tree: str) -> None:
        with pytest.raises(LinkTimeout, match="did not end"):
            run(tree.format(n=987), timeout=0.5)
        ended.append(tree)

    threads = [threading.Thread(target=work, args=(tree,)) for tree in TREES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == sorted(TREES)
    none_left(lab, "sleep 987")
    assert shell.run(link, "echo next").stdout == b"next\n"


@pytest.mark.parametrize("mode", ["aosp", "kernelsu", "banner"])
def test_so_it_is_with_every_su(link: Link, lab: LabPhone, mode: str) -> None:
    lab.su(mode)
    root = find_root(link)
    with pytest.raises(LinkTimeout):
        root.run("sleep 986 & sleep 986", timeout=0.3)
    with pytest.raises(LinkTimeout):
        root.run("cat; sleep 986 & sleep 986", data=b"input", timeout=0.5)
    none_left(lab, "sleep 986")
    assert root.run("id -u").stdout == b"0\n"
    root.close()


def test_a_closed_process_is_killed_also_before_it_said_anything(link: Link, lab: LabPhone) -> None:
    with shell.spawn(link, "sleep 985 & sleep 985"):
        pass
    none_left(lab, "sleep 985")
    with shell.spawn(link, "sleep 985", become="su -c"):
        pass
    none_left(lab, "sleep 985")


def test_an_endless_talker_is_killed(link: Link, lab: LabPhone) -> None:
    with shell.spawn(link, "cat /dev/zero & cat /dev/zero # talker") as process:
        assert process.frame(5)
    none_left(lab, "cat /dev/zero")
    assert shell.run(link, "echo next").stdout == b"next\n"


def test_what_left_the_group_lives_on(link: Link, lab: LabPhone) -> None:
    with pytest.raises(LinkTimeout):
        shell.run(link, "setsid sleep 984 </dev/null >/dev/null 2>&1 & sleep 983", timeout=0.5)
    none_left(lab, "sleep 983")
    lab.root("kill $(pgrep -f '[s]leep 984')")


def test_closing_from_another_thread_ends_a_read_at_once(link: Link, lab: LabPhone) -> None:
    process = shell.spawn(link, "echo ready; sleep 982")
    assert process.frame(5) == (shell.STDOUT, b"ready\n")
    begin = time.monotonic()
    closer = threading.Timer(0.1, process.close)
    closer.start()
    assert process.frame(20) is None
    assert time.monotonic() - begin < 5
    closer.join()
    none_left(lab, "sleep 982")


def test_a_command_that_ended_costs_no_kill(lab: LabPhone, signer: Signer) -> None:
    with connect_tcp(*lab.address, [signer]) as new:
        link = Without(new)
        shell.run(link, "true")
        shell.run(link, "exit 3", data=b"x" * 100_000)
        assert len(link.opened) == 2


def test_after_a_break_no_process_is_killed_by_a_number_of_before(
    lab: LabPhone, signer: Signer
) -> None:
    with connect_tcp(*lab.address, [signer]) as new:
        link = Without(new)
        process = shell.spawn(link, "echo ready; cat")
        assert process.frame(5)
        process._stream.close()  # as a break leaves it
        process.close()
        assert len(link.opened) == 1


# Phones without shell v2


def test_old_both_outputs_and_the_code_come_apart(old: Without) -> None:
    done = shell.run(old, "printf 'a\\000\\r\\n\\377'; echo err >&2; exit 37")
    assert (done.code, done.stdout, done.stderr) == (37, b"a\0\r\n\xff", b"err\n")
    assert old.opened[0].startswith("exec:")


@pytest.mark.parametrize("word", ["a b", "'", "$(id)", "a\nb", "\\n", "ö😀", "-n", "", "%s"])
def test_old_an_argument_arrives_as_it_is(old: Without, word: str) -> None:
    assert shell.run(old, ["printf", "%s|", word, "x"]).stdout == f"{word}|x|".encode()
    assert shell.run(old, ["sh", "-c", 'printf %s "$1" >&2', "-", word]).stderr == (
        word.encode().rstrip(b"\n")
    )


@pytest.mark.parametrize("size", [0, 1, 4096, 70_000, 3_000_000])
def test_old_input_ends_where_it_ends(old: Without, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    done = shell.run(old, "sha256sum; echo after", data=data)
    assert done.text == f"{hashlib.sha256(data).hexdigest()}  -\nafter\n"


def test_old_a_command_may_ignore_its_input(old: Without) -> None:
    for size in (10, 1_000_000):
        assert shell.run(old, "echo done", data=b"x" * size).stdout == b"done\n"


def test_old_a_broken_script_says_so(old: Without) -> None:
    done = shell.run(old, "if true; then 'unfinished")
    assert done.code != 0
    assert b"unfinished" in done.stderr or b"quote" in done.stderr
    assert shell.run(old, "exit 4").code == 4


def test_old_output_comes_while_the_command_runs(old: Without) -> None:
    with shell.spawn(old, "echo first; read line; echo $line") as process:
        assert process.frame(5) == (shell.STDOUT, b"first\n")
        process.send(b"second\n")
        assert process.frame(5) == (shell.STDOUT, b"second\n")
        assert process.frame(5) == (shell.EXIT, b"\0")
        assert process.frame(5) is None
    assert process.code == 0


def test_old_a_cut_stream_is_no_short_file(old: Without) -> None:
    with shell.spawn(old, "echo part; kill -KILL 0") as process, pytest.raises(LinkError):
        list(process.output(5))


# Input and output at once; root


def test_input_and_output_may_both_be_large(link: Link) -> None:
    data = bytes(range(256)) * 20_000
    assert shell.run(link, "cat", data=data).stdout == data


def test_root_output_is_binary_whatever_su_says_first(link: Link, lab: LabPhone) -> None:
    data = bytes(range(256)) * 5000
    lab.root("mkdir -p /data/adb; cat > /data/adb/secret", input=data)
    for mode in ("grant", "banner", "aosp", "kernelsu"):
        lab.su(mode)
        root = find_root(link)
        for _ in range(3):
            assert b"".join(root.output("cat /data/adb/secret")) == data
        assert b"".join(root.output("tail -c +1000001 /data/adb/secret")) == data[1_000_000:]
        with pytest.raises(RemoteError, match="No such file") as caught:
            list(root.output("cat /data/adb/none"))
        assert caught.value.code == 1
        root.close()


def test_a_root_read_that_is_cut_is_an_error(link: Link) -> None:
    root = find_root(link)
    with suppress(LinkError):  # it may have told its end before
        assert len(b"".join(root.output("head -c 100000 /dev/zero; kill -KILL $$"))) == 100_000
    with pytest.raises((LinkError, RemoteError)):
        list(root.output("head -c 100000 /dev/zero; kill -KILL 0"))
    assert root.run("id -u").stdout == b"0\n"
    root.close()


def test_a_su_that_denies_says_so_each_time(link: Link, lab: LabPhone) -> None:
    root = find_root(link)
    root.close()
    lab.su("deny")
    with pytest.raises(RootError, match="denied"):
        root.run("id")
    with pytest.raises(RootError, match="denied"):
        root.run("cat", data=b"x")
    with pytest.raises(RootError, match="denied"):
        list(root.output("id"))
    lab.su("absent")
    with pytest.raises(RootError, match="not found"):
        root.run("id")
    with pytest.raises(RootError):
        find_root(link)


def test_root_works_for_many_at_once(link: Link) -> None:
    root = find_root(link)
    said: list[bytes] = []

    def work(number: int) -> None:
        for _ in range(5):
            said.append(root.run(f"echo {number}; sleep 0.01").stdout)
            said.append(b"".join(root.output(f"echo {number}")))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == sorted(f"{n}\n".encode() for n in range(4) for _ in range(10))
    root.close()


def test_a_root_shell_leaves_with_its_owner(link: Link, lab: LabPhone) -> None:
    root: Root = find_root(link)
    assert root.run("sleep 981 >/dev/null 2>&1 & echo $$").code == 0
    pages = root.output("cat /dev/zero")
    assert next(pages)
    pages.close()  # type: ignore[attr-defined]
    root.close()
    none_left(lab, "cat /dev/zero")


@pytest.mark.parametrize("who", ["shell", "root"])
def test_output_that_nobody_can_hold_is_ended(
    link: Link, lab: LabPhone, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = partial(shell.run, link) if who == "shell" else find_root(link).run
    monkeypatch.setattr(shell, "MOST_OUTPUT", 1 << 20)
    with pytest.raises(RemoteError, match="said more than 1 MiB"):
        run("cat /dev/zero; echo offhook-endless-61")
    none_left(lab, "offhook-endless-61")
    assert run("echo on").stdout == b"on\n"
