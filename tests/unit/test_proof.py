"""What a test call proved is kept for the build, counts in the choice of a route, and tells nobody
whose phone it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audio import hearing
from agent.audio.hearing.judge import Judgement
from agent.capture import testcall
from agent.capture.advice import advice
from agent.capture.choose import choose
from agent.capture.proof import Proof, keep_proof, read_proofs
from agent.capture.report import redacted, save
from agent.capture.route import Plan, Verdict
from agent.capture.testcall import Moment, TestCall, follow
from agent.cli.main import run
from agent.errors import AudioError, CaptureError, ConfigError, RemoteError, RouteError, UsageError
from agent.phone.facts import Clock, Facts
from agent.phone.line import checked_number, parse_line

FACTS = Facts(
    serial="SERIAL1", manufacturer="Lab", model="One", android="14", sdk=34,
    fingerprint="lab/one/one:14/AP1A.240101.001/1234567:user/release-keys", platform="lab",
    soc="SM8250", abis="arm64-v8a", timezone="UTC", kernel="5.10.1", selinux="Enforcing",
    free_bytes=None,
)  # fmt: skip
PLAN = Plan("qualcomm", 0, 23, "MultiMedia9", 48000, 2, ("uplink", "downlink"), (("A", "on"),))


def proof(route: str = "alsa", result: Any = "proven", **more: Any) -> Proof:
    return Proof(route, result, "2026-02-03T10:00:00+00:00", "0.1.0", **more)


def works(route: str, possible: bool | None = True, **more: Any) -> Verdict:
    return Verdict(route, possible, f"{route} can do it", **more)


# -- kept ------------------------------------------------------------------------------------------


def test_the_last_proof_of_a_route_is_kept_for_the_build_and_its_kernel(tmp_path: Path) -> None:
    assert read_proofs(tmp_path, FACTS) == {}
    keep_proof(tmp_path, FACTS, proof(result="failed", defects=("silent",)))
    keep_proof(tmp_path, FACTS, proof("bcr", hears=("near", "far")))
    keep_proof(tmp_path, FACTS, proof(hears=("near", "far"), apart=True, plan=PLAN.as_dict()))
    assert read_proofs(tmp_path, FACTS) == {
        "alsa": proof(hears=("near", "far"), apart=True, plan=PLAN.as_dict()),
        "bcr": proof("bcr", hears=("near", "far")),
    }
    twin = replace(FACTS, serial="SERIAL2")
    assert set(read_proofs(tmp_path, twin)) == {"alsa", "bcr"}
    for changed in (
        replace(FACTS, fingerprint=FACTS.fingerprint + "x"),
        replace(FACTS, kernel="5.10.2"),
    ):
        assert read_proofs(tmp_path, changed) == {}
    (file,) = (tmp_path / "proofs").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "SERIAL" not in file.read_text()


@pytest.mark.parametrize(
    "text", ['{"proofs": 3}', '{"proofs": [3, {}, {"route": "alsa", "result": "maybe", "at": ""}]}']
)
def test_what_another_offhook_wrote_is_no_proof(tmp_path: Path, text: str) -> None:
    keep_proof(tmp_path, FACTS, proof())
    (file,) = (tmp_path / "proofs").iterdir()
    file.write_text(text)
    assert read_proofs(tmp_path, FACTS) == {}
    file.write_text("{")
    with pytest.raises(ConfigError, match="proofs"):
        read_proofs(tmp_path, FACTS)


# -- chosen ----------------------------------------------------------------------------------------


def test_what_was_proven_is_preferred() -> None:
    verdicts = [works("alsa"), works("bcr"), works("microphone")]
    assert choose(verdicts, "x").verdict.route == "alsa"
    chosen = choose(verdicts, "x", proofs={"bcr": proof("bcr")})
    assert chosen.verdict.route == "bcr"
    assert "heard both ends with it on this build, on 2026-02-03" in chosen.why


def test_a_microphone_is_what_is_left_however_sure_it_is() -> None:
    verdicts = [works("voicecall", None), works("dialer", None), works("microphone")]
    assert choose(verdicts, "x").verdict.route == "voicecall"
    failed = {"voicecall": proof("voicecall", "failed"), "dialer": proof("dialer", "failed")}
    assert choose(verdicts, "x", proofs=failed).verdict.route == "microphone"


def test_where_nothing_works_the_hint_asks_for_root_last() -> None:
    def no(route: str, hint: str | None, *, root: bool = False) -> Verdict:
        return Verdict(route, False, "no", instead=hint, lacks_root=root)

    rooted, scrcpy = no("alsa", "Root it.", root=True), no("voicecall", "Install scrcpy.")
    for verdicts, hint in (
        ([rooted, no("bcr", "Root it.", root=True), scrcpy], "Install scrcpy."),
        ([rooted, no("microphone", None)], "Root it."),
        ([no("microphone", None)], None),
    ):
        with pytest.raises(RouteError) as caught:
            choose(verdicts, "x")
        assert caught.value.hint == hint


def test_what_was_heard_to_fail_comes_last_and_why_is_said() -> None:
    verdicts = [works("alsa"), works("bcr"), works("microphone", None)]
    failed = {"alsa": proof(result="failed", defects=("silent",))}
    chosen = choose(verdicts, "x", proofs=failed)
    assert chosen.verdict.route == "bcr"
    assert "not alsa: `offhook selftest` failed on 2026-02-03 (silent)" in chosen.why
    only = choose([works("alsa"), works("bcr", False)], "x", proofs=failed)
    assert only.verdict.route == "alsa"
    assert "but by `offhook selftest` it failed" in only.why
    asked = choose(verdicts, "x", asked="alsa", proofs=failed)
    assert "it failed on 2026-02-03 (silent)" in asked.why


def test_one_end_alone_is_less_than_what_may_hear_both() -> None:
    verdicts = [works("alsa"), works("bcr")]
    half = proof(result="partly", hears=("near",), defects=("one end",))
    assert choose(verdicts, "x", proofs={"alsa": half}).verdict.route == "bcr"
    clipped = proof(result="partly", hears=("near", "far"), defects=("clipped",))
    chosen = choose(verdicts, "x", proofs={"alsa": clipped})
    assert chosen.verdict.route == "alsa"
    assert "was proven in part on 2026-02-03 (clipped)" in chosen.why


def test_another_plan_was_not_tested() -> None:
    verdicts = [works("alsa", plan=PLAN), works("bcr")]
    other = PLAN.as_dict() | {"pcm": 14}
    failed = proof(result="failed", plan=other)
    assert choose(verdicts, "x", proofs={"alsa": failed}).verdict.route == "alsa"
    same = proof(result="failed", plan=json.loads(json.dumps(PLAN.as_dict())))
    assert choose(verdicts, "x", proofs={"alsa": same}).verdict.route == "bcr"


def test_a_recorder_that_is_on_is_not_fought_whatever_was_proven() -> None:
    verdicts = [works("alsa"), works("bcr", on=True)]
    proofs = {"alsa": proof(), "bcr": proof("bcr", "failed")}
    chosen = choose(verdicts, "x", proofs=proofs)
    assert chosen.verdict.route == "bcr"
    assert "but by `offhook selftest` it failed" in chosen.why


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alsa", "bcr", "voicecall", "dialer", "microphone"]),
            st.sampled_from([True, None]),
            st.sampled_from([None, "proven", "partly", "failed"]),
        ),
        min_size=1,
        unique_by=lambda each: each[0],
    )
)
def test_no_choice_is_behind_a_better_proof(
    routes: list[tuple[str, bool | None, str | None]],
) -> None:
    verdicts = [works(name, possible) for name, possible, _ in routes]
    proofs = {name: proof(name, result) for name, _, result in routes if result}
    results = {name: result for name, _, result in routes}
    taken = results[choose(verdicts, "x", proofs=proofs).verdict.route]
    if "proven" in results.values():
        assert taken == "proven"
    elif set(results.values()) != {"failed"}:
        assert taken != "failed"


def test_advice_names_a_route_that_did_not_fail() -> None:
    verdicts = [works("alsa"), works("bcr"), works("microphone")]
    silent = Judgement("failed", defects=("silent",))
    proofs = {"alsa": proof(result="failed"), "bcr": proof("bcr", "failed")}
    said = advice(silent, "alsa", verdicts, proofs)
    assert "Wi-Fi" in said[0]
    assert "--route microphone" in said[-1]
    assert "offhook routes" in advice(silent, "alsa", [works("alsa")], proofs)[-1]
    assert advice(Judgement("proven"), "alsa", verdicts, {}) == []


# -- told ------------------------------------------------------------------------------------------


@given(st.text(alphabet="0123456789", min_size=7, max_size=14), st.sampled_from(["+49", "0", ""]))
def test_no_number_however_it_is_written_stays_in_a_report(digits: str, prefix: str) -> None:
    body = {"a": f"call {prefix}{digits}!", "b": [{"c": f"{digits[-7:]}"}], "d": 3, "e": None}
    said = json.dumps(redacted(body, [], [prefix + digits]))
    assert digits not in said
    assert digits[-7:] not in said


def test_names_serials_and_builders_go_and_the_build_stays(tmp_path: Path) -> None:
    body = {
        "fingerprint": "lab/one/one:14/AP1A/eng.ada.20260203:userdebug/test-keys",
        "model": "One SERIAL1 of Ada Miller",
        "kernel": "5.10.1",
    }
    said = redacted(body, ["SERIAL1", "Ada Miller", "", "10"], ["", "+49"])
    assert said["fingerprint"] == "lab/one/one:14/AP1A/….20260203:userdebug/test-keys"
    assert said["model"] == "One … of …"
    assert said["kernel"] == "5.10.1"
    save(tmp_path / "r" / "x.json", said)
    assert (tmp_path / "r" / "x.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="can't write"):
        save(Path("/proc/none/x.json"), said)


# -- the call --------------------------------------------------------------------------------------

_REGISTRY = "  Phone Id={}\n    mCallState={}\n    mForegroundCallState={}\n"


@pytest.mark.parametrize(
    ("sims", "state"),
    [
        ([(0, 0), (0, 0)], "idle"),
        ([(1, 0), (0, 0)], "ringing"),
        ([(0, 0), (2, 3)], "dialing"),
        ([(2, 0), (2, 4)], "dialing"),  # Telecom tells one state for all SIMs
        ([(2, 0), (2, 1)], "active"),
        ([(2, 0), (0, 0)], "active"),  # a phone whose precise states say nothing
    ],
)
def test_the_line_is_what_any_sim_says(sims: list[tuple[int, int]], state: str) -> None:
    text = "".join(_REGISTRY.format(sim, *said) for sim, said in enumerate(sims))
    assert parse_line(text) == state


@pytest.mark.parametrize(
    "text", ["", "Ada", "911", "112", "+49 1", "*#06#", "**21*4930123456#", "1234;rm", "٣٣٣٣٣"]
)
def test_only_what_is_a_number_is_dialled_and_it_is_not_repeated(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        checked_number(text)
    assert run(["--home", str(tmp_path), "selftest", "--dial", text]) == 2
    said = capsys.readouterr()
    assert len(text) < 3 or text not in said.out + said.err


def test_a_number_is_dialled_as_digits() -> None:
    assert checked_number("+49 (30) 123-456/7") == "+49301234567"


def test_without_numpy_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hearing, "have_numpy", lambda: False)
    assert run(["--home", str(tmp_path), "selftest"]) == AudioError.exit_code
    assert ".[audio]" in capsys.readouterr().err


class Told:
    """The prompts, as words."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def rings(self) -> None:
        self.said.append("rings")

    def turn(self, who: hearing.Who, seconds: float) -> None:
        self.said.append(who)

    def left(self, seconds: float) -> None:
        assert seconds > 0

    def listen(self) -> None:
        self.said.append("listen")

    def hang_up(self) -> None:
        self.said.append("hang up")


Call = Callable[..., tuple[TestCall, list[str]]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Follows a call whose states are given, one a look; the last stays, until they are told to
    hang up."""
    for name, value in (("_POLL_S", 0.001), ("_LEAD_S", 0.0), ("_BETWEEN_S", 0.0)):
        monkeypatch.setattr(testcall, name, value)
    monkeypatch.setattr(testcall, "read_clock", lambda link: Clock(0, 1))

    def played(
        states: Sequence[str], *, outgoing: bool = False, deaf: bool = False
    ) -> tuple[TestCall, list[str]]:
        left, told = list(states), Told()

        def look(phone: object) -> str:
            if "hang up" in told.said and not deaf:
                return "idle"
            state = left.pop(0) if len(left) > 1 else left[0]
            if state == "broken":
                raise RemoteError("no answer")
            return state

        monkeypatch.setattr(testcall, "read_line", look)
        phone = cast(Any, SimpleNamespace(link=None))
        call = follow(phone, told, outgoing=outgoing, turn_s=0.05, wait_s=0.3, end_s=0.3)
        return call, told.said

    return played


def test_each_end_speaks_in_its_turn_and_the_end_is_waited_for(play: Call) -> None:
    states = ["idle", "ringing", "broken", "ringing", "active", "broken", "active"]
    call, said = play(states)
    assert said == ["rings", "near", "listen", "far", "listen", "hang up"]
    assert [who for who, _, _ in call.turns] == ["near", "far"]
    assert call.begun.latest <= call.active.latest <= call.turns[0][1] < call.turns[0][2]
    assert call.turns[1][2] <= call.ended.latest
    assert 0 < call.talk_s <= call.whole_s


@pytest.mark.parametrize(
    ("states", "outgoing", "words"),
    [
        (["idle"], False, "no call was answered"),
        (["idle", "ringing", "idle"], False, "no call was answered"),
        (["idle", "dialing", "idle"], True, "was not answered"),
        (["idle", *["active"] * 3, "idle"], False, "before both ends had spoken"),
    ],
)
def test_a_call_that_proves_nothing_is_no_verdict(
    play: Call, states: list[str], outgoing: bool, words: str
) -> None:
    with pytest.raises(CaptureError, match=words):
        play(states, outgoing=outgoing)


def test_a_call_that_does_not_end_is_no_verdict(play: Call) -> None:
    with pytest.raises(CaptureError, match="still on"):
        play(["active"], deaf=True)


def test_a_missed_call_is_not_the_one_that_is_waited_for(play: Call) -> None:
    call, said = play(["idle", "ringing", "idle", "ringing", "active"])
    assert said[:2] == ["rings", "rings"]
    assert call.turns


def test_a_phone_that_does_not_answer_for_long_is_an_error(play: Call) -> None:
    with pytest.raises(RemoteError):
        play(["idle", *["broken"] * 20])


def at(ms: int) -> Moment:
    return Moment(ms, ms + 400)


@pytest.mark.parametrize(
    ("started", "seconds", "begin"),
    [
        (None, 20.0, 10_200),  # the call's end, and its length
        (11_500, 18.6, 11_500),  # late, and says so
        (None, 18.6, 11_600),
        (2_000, 20.0, 10_200),  # dated by the first ring: it would end before the call
        (99_000, 20.0, 10_200),  # a clock of its own
    ],
)
def test_where_the_turns_are_in_a_recording(
    started: int | None, seconds: float, begin: int
) -> None:
    turns = (("near", 12_000, 15_000), ("far", 17_000, 20_000))
    call = TestCall(False, at(2_000), at(10_000), at(30_000), cast(Any, turns))
    near, far = call.turns_in(started, seconds)
    assert near.start == pytest.approx((12_000 - begin) / 1000)
    assert far.end == pytest.approx((20_000 - begin) / 1000)
