"""The root shells that stay: no command hears of another, and nothing outlives its connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from agent.adb import shell
from agent.adb.direct.connection import connect_tcp
from agent.adb.direct.keys import Signer
from agent.adb.link import Link
from agent.adb.shell import Process
from agent.errors import LinkError, PhoneError, ProtocolError, RemoteError
from agent.phone.phone import Phone
from agent.phone.root import _gather
from agent.phone.session import Session
from tests.contract.old import Without, phone_at
from tests.contract.peers import in_thread
from tests.contract.test_shell import none_left
from tests.lab.phone import LabPhone


@pytest.fixture
def phone(lab: LabPhone, signer: Signer) -> Iterator[Phone]:
    with phone_at(lab, signer) as phone:
        assert phone.root
        yield phone


def runs(lab: LabPhone, what: str) -> None:
    """Waits until something with ``what`` in its command line runs."""
    pattern = f"[{what[0]}]{what[1:]}"
    lab.root(f"until pgrep -f '{pattern}' >/dev/null; do usleep 10000; done", timeout=10)


# One command after another


def test_what_a_command_left_in_the_background_says_is_not_the_next_ones(phone: Phone) -> None:
    first = phone.root.run("(sleep 0.2; echo LATE; echo LERR >&2) & echo hi; echo err >&2")
    assert (first.code, first.stdout, first.stderr) == (0, b"hi\n", b"err\n")
    second = phone.root.run("sleep 0.4; echo second; echo err2 >&2; exit 5")
    assert (second.code, second.stdout, second.stderr) == (5, b"second\n", b"err2\n")


def test_so_it_is_for_long_output(phone: Phone) -> None:
    assert b"".join(phone.root.output("(sleep 0.2; echo LATE) & echo hi")) == b"hi\n"
    assert b"".join(phone.root.output("sleep 0.4; printf second")) == b"second"


@pytest.mark.parametrize("late", ["(usleep 1000; echo LATE; echo L >&2) &", "(echo LATE) &"])
def test_output_that_comes_beside_the_end_harms_nothing(phone: Phone, late: str) -> None:
    for number in range(60):
        done = phone.root.run(f"{late} echo {number}")
        assert done.code == 0
        assert done.stdout.replace(b"LATE\n", b"") == f"{number}\n".encode()


def test_nor_what_two_forks_hide(phone: Phone) -> None:
    for _ in range(20):
        done = phone.root.run("( (usleep 3000; echo LATE; echo L >&2) & ); echo hi")
        assert done.stdout.replace(b"LATE\n", b"") == b"hi\n"


def test_what_it_left_in_the_background_lives_on(phone: Phone, lab: LabPhone) -> None:
    phone.root.run("sleep 975 >/dev/null 2>&1 & echo")
    assert phone.root.run("echo next").stdout == b"next\n"
    lab.root("kill $(pgrep -f '[s]leep 975')")


def test_a_shell_serves_many_commands(lab: LabPhone, signer: Signer) -> None:
    with connect_tcp(*lab.address, [signer]) as new:
        link = Without(new)
        session = Session(link, lambda script, limit: shell.spawn(link, script, become="su -c"))
        for number in range(100):
            output = session.run(f"printf 'a\\nb'; exit {number}", bytearray(), lambda: 5.0)
            got = bytearray()
            assert _gather(got, output, "the lab") == number
            assert got == b"a\nb"
        assert len(link.opened) == 1
        session.close()


@pytest.mark.parametrize(
    "script",
    [
        "trap 'echo bye' EXIT; echo hi; exit 3",
        "echo hi; echo bye; exec 1>&- 2>&-; exit 3",
        "echo hi; echo bye; exec >/dev/null; exit 3",
    ],
)
def test_what_a_script_does_to_itself_is_its_own_affair(phone: Phone, script: str) -> None:
    for _ in range(3):
        done = phone.root.run(script)
        assert (done.code, done.stdout) == (3, b"hi\nbye\n")


class Says:
    """A phone's shell that answers with what a test wrote; ``{m}`` is the mark."""

    code = None
    started = True

    def __init__(self, *frames: tuple[int, bytes]) -> None:
        self._frames = list(frames)
        self._mark = b""
        self.closed = False
        self.parted = False

    def send(self, data: bytes, timeout: float | None = 30.0) -> None:
        at = data.find(b"offhook-")
        self._mark = data[at : at + 24]

    def end_input(self, timeout: float | None = 30.0) -> None:
        pass

    def frame(self, timeout: float | None) -> tuple[int, bytes] | None:
        if not self._frames:
            return None
        kind, data = self._frames.pop(0)
        return kind, data.replace(b"{m}", self._mark)

    def idle(self) -> bool:
        return True

    def leave(self) -> None:
        self.parted = True

    close = leave


GOOD = [(2, b"{m}(\n{m})\n{m}=0\n"), (1, b"{m}(\nhi{m})\n")]


def asked(*frames: tuple[int, bytes]) -> tuple[bytes, int, bool]:
    """What a session makes of the frames: output, exit code, and whether it parted from it."""
    says = Says(*frames)
    link: Any = SimpleNamespace(where="lab")
    process: Any = says
    session = Session(link, lambda script, limit: process)
    output = session.run("x", bytearray(), lambda: 1.0)
    got = bytearray()
    while True:
        try:
            got += next(output)
        except StopIteration as stop:
            return bytes(got), stop.value, says.parted


def test_marks_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 16)
    out = b"offhook-0{m}".replace(b"{m}", b"") + b"{m}(\nhi offhook-00{m})\n{m}=201\n"
    raw = out[len(b"offhook-0") :].replace(b"{m}", b"offhook-" + b"0" * 16)
    for size in range(1, 40):
        pieces = [(1, raw[at : at + size]) for at in range(0, len(raw), size)]
        assert asked(GOOD[0], *pieces) == (b"hi offhook-00", 201, False)


@pytest.mark.parametrize(
    ("tail", "clean"),
    [
        (b"{m}=0\n", True),
        (b"123\n{m}=0\n", False),
        (b"LATE\n{m}=0\n", False),
        (b"{m}=0\nLATE\n", False),
    ],
)
def test_bytes_between_the_marks_end_the_shell(tail: bytes, clean: bool) -> None:
    assert asked(*GOOD, (1, tail)) == (b"hi", 0, not clean)


def test_bytes_before_the_first_mark_end_it_too() -> None:
    assert asked(GOOD[0], (1, b"OLD{m}(\nhi{m})\n{m}=0\n")) == (b"hi", 0, True)
    assert asked((2, b"OLD{m}(\n{m})\n{m}=0\n"), (1, b"{m}(\nhi{m})\n{m}=0\n"))[2]


@pytest.mark.parametrize(
    "tail", [b"{m}=x\n", b"{m}=1234\n", b"{m}=\n", b"{m}=" + b"9" * 9000, b"{m}=0LATE\n", b"{m}!"]
)
def test_no_answer_of_a_phone_is_more_than_an_error(tail: bytes) -> None:
    with pytest.raises(ProtocolError):
        asked(*GOOD, (1, tail))


# What ends a command


def left_alone(lab: LabPhone) -> None:
    """The cable out and in again."""
    lab.unplug()
    lab.plug()


def restarted(lab: LabPhone) -> None:
    lab.kill_adbd()
    lab.start_adbd()


def in_run(phone: Phone) -> object:
    return phone.root.run("sleep 971; true", timeout=60)


def in_output(phone: Phone) -> object:
    return list(phone.root.output("sleep 971; true", timeout=60))


def in_run_of_its_own(phone: Phone) -> object:
    phone.root._short.claim()
    return in_run(phone)


def in_output_of_its_own(phone: Phone) -> object:
    phone.root._long.claim()
    return in_output(phone)


WAYS = [in_run, in_output, in_run_of_its_own, in_output_of_its_own]


@pytest.mark.parametrize("mode", ["grant", "aosp"])
@pytest.mark.parametrize("work", WAYS)
def test_a_close_ends_what_another_thread_runs(
    lab: LabPhone, signer: Signer, work: Callable[[Phone], object], mode: str
) -> None:
    lab.su(mode)
    with phone_at(lab, signer) as phone:
        assert phone.root
        thread, raised = in_thread(lambda: work(phone))
        runs(lab, "sleep 971")
        phone.close()
        thread.join()
        assert isinstance(raised[0], LinkError)
    none_left(lab, "sleep 971")
    lab.su("grant")


@pytest.mark.parametrize("own", [False, True])
def test_a_close_ends_what_is_half_read(lab: LabPhone, signer: Signer, own: bool) -> None:
    with phone_at(lab, signer) as phone:
        if own:
            phone.root._long.claim()
        pages = phone.root.output("cat /dev/zero & sleep 970; wait")
        assert next(iter(pages))
        phone.close()
        with pytest.raises(LinkError):
            list(pages)
    none_left(lab, "cat /dev/zero")
    none_left(lab, "sleep 970")


@pytest.mark.parametrize("mode", ["grant", "aosp"])
@pytest.mark.parametrize("fault", [left_alone, restarted])
@pytest.mark.parametrize("work", WAYS)
def test_a_break_ends_it(
    lab: LabPhone,
    signer: Signer,
    work: Callable[[Phone], object],
    fault: Callable[[LabPhone], None],
    mode: str,
) -> None:
    lab.su(mode)
    with phone_at(lab, signer) as phone:
        assert phone.root
        thread, raised = in_thread(lambda: work(phone))
        runs(lab, "sleep 971")
        fault(lab)
        thread.join()
        assert isinstance(raised[0], LinkError)
        none_left(lab, "sleep 971")
        assert phone.root.run("id -u").stdout == b"0\n"
    lab.su("grant")


def test_what_left_the_group_of_its_shell_outlives_the_break(lab: LabPhone, phone: Phone) -> None:
    phone.root.run("setsid sleep 969 </dev/null >/dev/null 2>&1 &")
    phone.root.run("sleep 0.1")
    left_alone(lab)
    assert phone.root.run("id -u").stdout == b"0\n"
    lab.root("kill $(pgrep -f '[s]leep 969')")


# A link that heals itself


def test_a_shell_that_went_with_its_connection_is_replaced(phone: Phone) -> None:
    for how in (
        lambda: phone.root.run("id -u").stdout,
        lambda: b"".join(phone.root.output("id -u")),
    ):
        assert how() == b"0\n"
        phone.link.drop()
        assert how() == b"0\n"
        phone.link.drop()
        assert phone.run("echo ok").stdout == b"ok\n"
        assert how() == b"0\n"


def test_so_is_one_that_was_killed(phone: Phone, lab: LabPhone) -> None:
    shells = phone.root.run("echo $$").text.strip()
    lab.root(f"kill -KILL {shells}")
    lab.root(f"while [ -d /proc/{shells} ]; do usleep 5000; done")
    while phone.root._short._process is not None and phone.root._short._process.idle():
        phone.run("true")
    assert phone.root.run("id -u").stdout == b"0\n"


def test_nothing_is_killed_over_a_later_connection(lab: LabPhone, signer: Signer) -> None:
    opened: list[Without] = []

    def connect(*_: object) -> Link:
        opened.append(Without(connect_tcp(*lab.address, [signer])))
        return opened[-1]

    with Phone(connect, "lab") as phone:
        process: Process = shell.spawn(phone.link, "echo ready; sleep 968")
        assert process.frame(5)
        # A break that this end notices only while it closes.
        stands = process._still_open
        process._still_open = lambda: stands() and (phone.link.drop() or True)  # type: ignore[method-assign,func-returns-value]
        process.close()
        assert phone.run("echo ok").stdout == b"ok\n"
        assert len(opened) == 2
        assert not [service for service in opened[1].opened if "kill" in service]


# Words


def test_an_error_shows_nothing_that_a_phone_could_hide(phone: Phone) -> None:
    bad = "printf 'a\\033[31m\\302\\233b\\342\\200\\256\\nc' >&2; exit 1"
    for work in (
        lambda: phone.root.run(bad).check("it"),
        lambda: phone.run(bad).check("it"),
        lambda: list(phone.root.output(bad)),
        lambda: list(phone._output(bad, root=False)),
    ):
        with pytest.raises(RemoteError) as caught:
            work()
        assert caught.value.message.isprintable()
        assert "\\x1b[31m" in caught.value.message
        assert "\x1b" in caught.value.stderr
    assert str(shell.NotStartedError("a\x1bb\u202e")).isprintable()


def test_what_a_phone_says_first_is_no_traceback(lab: LabPhone, signer: Signer) -> None:
    with connect_tcp(*lab.address, [signer]) as link:
        process = shell.spawn(link, "true")
        with pytest.raises(PhoneError):
            process._without_our_words(process._mark + b"9" * 5000 + b"\n")
        process.close()


def test_a_frozen_phone_is_not_waited_for_longer_than_allowed(
    lab: LabPhone, signer: Signer
) -> None:
    limits: list[float] = []

    class Slow(Without):
        def open(self, service: str, timeout: float) -> shell.Stream:
            limits.append(timeout)
            return super().open(service, timeout)

    with connect_tcp(*lab.address, [signer]) as new:
        link = Slow(new)
        assert shell.run(link, "true", timeout=1).code == 0
        assert limits[-1] <= 1
        assert shell.run(link, "true", timeout=60).code == 0
        assert limits[-1] <= 15
        with phone_at(lab, signer) as phone:
            phone.root.close()
            phone.root._link = link
            assert phone.root.run("true", timeout=2).code == 0
            assert limits[-1] <= 2
            phone.root.close()
