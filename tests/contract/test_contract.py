"""What every way to a phone has to keep: the contract of a link and of what stands on it."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest

from agent.adb import files, shell
from agent.adb.link import Link
from agent.errors import FileGoneError, LinkTimeout, RemoteError
from tests.contract.ways import Reached, times


def test_a_command_gives_its_code_and_both_outputs_apart(link: Link) -> None:
    done = shell.run(link, "echo out; echo err >&2; exit 37")
    assert (done.code, done.stdout, done.stderr) == (37, b"out\n", b"err\n")


@pytest.mark.parametrize(
    "word", ["a b", "'", '"', "$(id)", "`id`", "a\nb", "*", "\\", "ö😀", "-n", ""]
)
def test_an_argument_arrives_as_it_is(link: Link, word: str) -> None:
    assert shell.run(link, ["printf", "%s|", word, "x"]).stdout == f"{word}|x|".encode()


def test_input_of_any_size_reaches_the_command(link: Link) -> None:
    data = bytes(range(256)) * 20_000
    assert shell.run(link, "sha256sum", data=data).text[:64] == hashlib.sha256(data).hexdigest()


def test_a_command_that_ignores_its_input_still_gives_its_output(link: Link) -> None:
    for size in [1000] * times(45) + [1_000_000] * times(5):
        done = shell.run(link, "echo done; exit 3", data=b"x" * size)
        assert (done.code, done.stdout) == (3, b"done\n")


def test_output_of_any_size_arrives_whole(link: Link) -> None:
    size = times(50_000_000)
    digest = hashlib.sha256()
    with shell.spawn(link, f"head -c {size} /dev/zero") as process:
        for chunk in process.output(10):
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(bytes(size)).digest()


def test_a_slow_reader_makes_the_phone_wait_and_holds_up_nobody(link: Link) -> None:
    with shell.spawn(link, "cat /dev/zero") as process:
        assert process.frame(5)
        for _ in range(times(20)):
            assert shell.run(link, "echo quick", timeout=5).stdout == b"quick\n"


def test_a_silent_stream_does_not_delay_a_command(link: Link) -> None:
    alone = min(_took(link) for _ in range(times(40)))
    with shell.spawn(link, "cat") as silent:
        beside = min(_took(link) for _ in range(times(40)))
        with pytest.raises(LinkTimeout):
            silent.frame(0.05)
        silent.send(b"still here")
        assert silent.frame(5) == (shell.STDOUT, b"still here")
    assert beside < 3 * alone + 0.01


def _took(link: Link) -> float:
    start = time.monotonic()
    shell.run(link, "true")
    return time.monotonic() - start


def test_many_threads_share_a_connection(link: Link) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(times(20)):
            said = shell.run(link, f"echo {number} {turn}").text
            if said != f"{number} {turn}\n":
                wrong.append(said)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_time_limit_leaves_the_connection_in_step(link: Link) -> None:
    with pytest.raises(LinkTimeout):
        shell.run(link, "echo early; sleep 60", timeout=0.2)
    assert shell.run(link, "echo next").stdout == b"next\n"


_RUNS = "[ -d /proc/$p ] && ! grep -q ') Z' /proc/$p/stat"


@pytest.mark.parametrize("how", ["time is up", "closed"])
def test_nothing_of_a_command_is_left_on_the_phone(reached: Reached, how: str) -> None:
    link, note = reached.link, f"{reached.folder}/pids"
    script = (
        f"sleep 100 & echo $! > {note}; (sleep 100 & echo $! >> {note}; wait); echo ready; wait"
    )
    if how == "closed":
        with shell.spawn(link, script) as process:
            shell.run(link, f"until [ $(wc -l < {note}) = 2 ]; do sleep 0.01; done", timeout=5)
        assert process.code is None
    else:
        with pytest.raises(LinkTimeout):
            shell.run(link, script, timeout=0.5)
    left = f"while read -r p; do while {_RUNS}; do sleep 0.01; done; echo gone; done < {note}"
    assert shell.run(link, left, timeout=2).stdout == b"gone\ngone\n"
    shell.run(link, ["rm", note])


def test_input_and_output_may_both_be_large(link: Link) -> None:
    data = bytes(range(256)) * 20_000
    assert shell.run(link, "cat", data=data).stdout == data


def test_a_refused_service_is_an_error_at_once(link: Link) -> None:
    start = time.monotonic()
    with pytest.raises(RemoteError, match="refuses"):
        link.open("no-such-service:", 10)
    assert time.monotonic() - start < 5
    assert shell.run(link, "echo next").stdout == b"next\n"


def test_files_go_both_ways(reached: Reached) -> None:
    link, path = reached.link, f"{reached.folder}/ö 'quoted\" \n"
    data = bytes(range(256)) * 3000
    files.push(link, data, path, 0o755)
    assert b"".join(files.pull(link, path)) == data
    assert shell.run(link, ["stat", "-c", "%a", path]).stdout == b"777\n"


def test_a_missing_file_and_a_closed_folder_are_told_apart(reached: Reached) -> None:
    link = reached.link
    with pytest.raises(FileGoneError):
        list(files.pull(link, f"{reached.folder}/none"))
    with pytest.raises(RemoteError, match="denied"):
        list(files.pull(link, f"{reached.closed}/x"))
    with pytest.raises(RemoteError, match="denied"):
        files.push(link, b"x" * 300_000, f"{reached.closed}/x", 0o600)
    assert shell.run(link, "echo next").stdout == b"next\n"


def test_files_are_looked_at_and_pulled_many_at_once(reached: Reached) -> None:
    link, folder = reached.link, f"{reached.folder}/many"
    shell.run(link, ["mkdir", "-p", folder]).check("mkdir")
    made = {f"{folder}/{n} ö'\n": bytes([n]) * (n * 40_000) for n in range(8)}
    for path, data in made.items():
        files.push(link, data, path, 0o600, mtime_s=1_700_000_000 + len(data))
    listed = dict(files.listdir(link, folder))
    for path, data in made.items():
        what = files.stat(link, path)
        assert (what.size, what.mtime_s) == (len(data), 1_700_000_000 + len(data))
        assert listed[path.removeprefix(folder + "/")].size == len(data)
    wanted = [f"{folder}/none", *made, f"{reached.closed}/x", *made]
    got = []
    for path, chunks in files.pull_many(link, wanted):
        try:
            got.append((path, b"".join(chunks)))
        except (FileGoneError, RemoteError) as error:
            got.append((path, type(error).__name__.encode()))
    wrong = {wanted[0]: b"FileGoneError", f"{reached.closed}/x": b"RemoteError"}
    assert got == [(path, (made | wrong)[path]) for path in wanted]
    shell.run(link, ["rm", "-r", folder]).check("rm")
