"""selftest: one test call, judged; the proof of a route on a phone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from agent import __version__
from agent.archive.records import Recording
from agent.audio import hearing
from agent.audio.hearing.judge import Judgement
from agent.capture import report as reports
from agent.capture import testcall
from agent.capture.advice import advice
from agent.capture.consent import BASES
from agent.capture.control import installed_route
from agent.capture.journal import Journal, read_journal
from agent.capture.look import ask, look
from agent.capture.proof import Proof, keep_proof, proof_of, read_proofs
from agent.capture.route import Options, Route, Verdict
from agent.capture.routes import NAMES
from agent.capture.testcall import TestCall
from agent.cli import consenting
from agent.cli.common import App, pass_app
from agent.cli.judging import judge_recording, why_none
from agent.cli.phone import turn_off, turn_on
from agent.cli.testresult import Prompts, print_result
from agent.errors import (
    CaptureError,
    OffhookError,
    PartialError,
    ProofError,
    UsageError,
)
from agent.phone import line
from agent.phone.phone import Phone
from agent.sync.onecall import Bringing, Window

_PATIENCE_S = 45.0  # for a recording after its call: BCR's rules wait for up to ten seconds
_END_S = 120.0  # for the people to hang up

_SECONDS = click.FloatRange(1, 3600)


@dataclass(frozen=True)
class _Asked:
    """What the options say of the call."""

    number: str | None
    limit_s: float
    turn_s: float


@dataclass(frozen=True)
class _Tested:
    """A test that came to a judgement."""

    verdict: Verdict
    proof: Proof
    judgement: Judgement
    call: TestCall
    recording: Recording | None
    to_do: list[str]
    report: Path


@click.command()
@click.option("--phone", metavar="NAME", help="Alias, serial or HOST:PORT.")
@click.option("--dial", metavar="NUMBER", help="Have the phone call this number.")
@click.option("--wait", is_flag=True, help="Wait for a call; so it is without --dial, too.")
@click.option(
    "--limit",
    type=_SECONDS,
    default=180,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until a call is answered.",
)
@click.option(
    "--turn",
    type=click.FloatRange(2, 60),
    default=8,
    show_default=True,
    metavar="SECONDS",
    help="How long each end speaks.",
)
@click.option("--enable", is_flag=True, help="If capture is off: on for the test, without asking.")
@click.option("--route", type=click.Choice(NAMES), help="With --enable: this way of recording.")
@click.option("--basis", type=click.Choice(list(BASES)), help="On what basis you record.")
@click.option("--here", metavar="CC[-SS]", help="Where this phone is: DE, US-CA.")
@click.option("--there", metavar="CC[-SS]", help="Where the other end is; default: the same.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report goes; default: into Offhook's home.",
)
@pass_app
def selftest(
    app: App,
    /,
    phone: str | None,
    dial: str | None,
    wait: bool,
    limit: float,
    turn: float,
    enable: bool,
    route: str | None,
    basis: str | None,
    here: str | None,
    there: str | None,
    report: Path | None,
) -> None:
    """Prove the recording with a test call.

    Leads two people through one call: each end speaks in its turn, and then each channel of the
    recording is judged. The verdict is kept for this build of the phone, and `offhook enable`
    goes by it. Writes a report without numbers, names or serial numbers, to be passed on.

    Exit code 0: proven; 50: in part; 24: failed.
    """
    if dial is not None and wait:
        raise UsageError("--dial and --wait are two ways to come to a call: give one")
    asked = _Asked(None if dial is None else line.checked_number(dial), limit, turn)
    hearing.require()
    with app.open_phone(phone) as opened:
        name, serial = opened.facts.name, opened.serial
        on = installed_route(opened, read_journal(app.home, opened.serial))
        if on is not None:
            if route not in (None, on.name):
                raise CaptureError(
                    f"capture is on by the route {on.name}, on {name}",
                    hint="Run `offhook disable` first.",
                )
            tested = _test(app, opened, asked, report)
        else:
            _ask_to_enable(app, name, enable=enable)
            basis_of = partial(consenting.ask, app, opened, basis, here, there)
            choice, _ = turn_on(app, opened, basis_of, route, _options(app))
            app.note(f"Capture is on for the test, by {choice.verdict.route}: {choice.why}.")
            with _off_again(app, opened):
                tested = _test(app, opened, asked, report)
    print_result(app, serial, name, tested.verdict.route, tested.judgement, tested.to_do, tested.report,
                 tested.recording)  # fmt: skip
    if tested.judgement.result == "failed":
        raise ProofError(
            f"the test call of {name} by {tested.verdict.route} failed",
            hint="What is said above is what to do next.",
        )
    if tested.judgement.result == "partly":
        raise PartialError(f"the route {tested.verdict.route} is proven only in part on {name}")


def _options(app: App) -> Options:
    """What the routes may work with, as it is set."""
    return Options(spool_mb=app.config.spool_mb, microphone=app.config.microphone)


def _ask_to_enable(app: App, name: str, *, enable: bool) -> None:
    """Capture is never turned on unasked."""
    if enable:
        return
    if app.json or not sys.stdin.isatty():
        raise CaptureError(
            f"capture is off on {name}",
            hint="Run `offhook enable`, or add --enable: then it is on for the test only.",
        )
    if not click.confirm(f"Capture is off on {name}. Turn it on for the test, and off after it?"):
        raise CaptureError(
            "nothing was tested: capture is off", hint="`offhook enable` turns it on."
        )


@contextmanager
def _off_again(app: App, phone: Phone) -> Iterator[None]:
    """Capture off after the test, whatever became of it; the first error is the one told."""
    try:
        yield
    except BaseException:
        try:
            turn_off(app, phone)
        except OffhookError as error:
            app.note(f"Capture is still on: {error.message}. Run `offhook disable`.")
        raise
    turn_off(app, phone)


def _test(app: App, phone: Phone, asked: _Asked, path: Path | None) -> _Tested:
    journal = read_journal(app.home, phone.serial)
    route = installed_route(phone, journal)
    if route is None:
        raise CaptureError(f"capture is off on {phone.facts.name}")
    _check_on(phone, route, journal)
    app.note("Looking at the phone")
    verdicts = ask(look(phone, app.home, _options(app)))
    verdict = next(v for v in verdicts if v.route == route.name)
    plan = (journal.plan if journal else None) or (verdict.plan.as_dict() if verdict.plan else {})
    legs = verdict.legs or tuple(plan.get("channels") or ())
    since_ms = time.time_ns() // 1_000_000
    with Bringing(
        phone,
        lambda write: app.archive(write=write, purpose="selftest"),
        lambda serial: read_journal(app.home, serial),
    ) as bringing:
        if not bringing.ours:
            app.note("Another Offhook is at the archive: it is left to bring the recording.")
        call = _call(app, phone, asked)
        app.note("Waiting for the recording")
        window = Window(phone.serial, call.begun.earliest, call.ended.latest, since_ms)
        found = bringing.wait(window, _PATIENCE_S)
    recording = max(found, key=lambda each: each.duration_s or 0.0, default=None)
    if recording is None:
        judgement = Judgement(
            "failed",
            defects=("nothing",),
            words=(why_none(phone, route, journal, bringing.problem, _PATIENCE_S),),
        )
    else:
        judgement = judge_recording(app, recording, call, legs, len(found))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    proof = proof_of(judgement, route.name, at, __version__, plan)
    keep_proof(app.home, phone.facts, proof)
    path = path or reports.default_path(app.home, phone.facts, proof)
    _save_report(phone, asked, path, proof, judgement, call, recording)
    with app.archive() as archive:
        archive.log(
            "self-test",
            sha256=recording.sha256 if recording else None,
            phone=phone.serial,
            detail={"route": route.name, "result": proof.result, "defects": list(proof.defects)},
        )
    to_do = advice(judgement, route.name, verdicts, read_proofs(app.home, phone.facts))
    return _Tested(verdict, proof, judgement, call, recording, to_do, path)


def _check_on(phone: Phone, route: Route, journal: Journal | None) -> None:
    """CaptureError when the next call would not be recorded anyway."""
    status = route.status(phone, journal)
    name = phone.facts.name
    if not status.running:
        raise CaptureError(
            f"capture by {route.name} does not run on {name}: {status.problem or 'it ended'}",
            hint="Run `offhook enable` again.",
        )
    if not status.notice:
        raise CaptureError(
            f"{name} does not show the notification: until it does, nothing is taken from it",
            hint="Run `offhook enable` again.",
        )


def _call(app: App, phone: Phone, asked: _Asked) -> TestCall:
    """One call, from nothing to its end."""
    if line.read_line(phone) != "idle":
        raise CaptureError("a call is on", hint="Hang up, then run `offhook selftest` again.")
    with Prompts(app) as prompts:
        if asked.number is not None:
            app.note("Dialling")
            line.dial(phone, asked.number)
        else:
            app.note(
                f"Now call {phone.facts.name}, or call somebody with it, and let it be answered."
            )
        return testcall.follow(
            phone,
            prompts,
            outgoing=asked.number is not None,
            turn_s=asked.turn_s,
            wait_s=asked.limit_s,
            end_s=_END_S,
        )


def _save_report(
    phone: Phone,
    asked: _Asked,
    path: Path,
    proof: Proof,
    judgement: Judgement,
    call: TestCall,
    recording: Recording | None,
) -> None:
    wanted = ("format", "codec", "rate", "channels", "duration_s", "flags")
    sound = {name: getattr(recording, name) for name in wanted} if recording else None
    root = phone.root.name if "root" in phone.__dict__ else None
    body = reports.report_of(phone.facts, root, proof, judgement, call, sound)
    texts = [phone.serial, phone.name, phone.link.where]
    numbers = [asked.number or ""]
    if recording is not None:
        numbers.append(recording.number or "")
        texts += [recording.contact or "", recording.phone_alias or ""]
    reports.save(path, reports.redacted(body, texts, numbers))


COMMANDS: tuple[click.Command, ...] = (selftest,)
