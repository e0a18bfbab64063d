"""``make profiles``: on a lab phone of each kind, everything from `doctor` to `disable`, and a table.

For each: does a bundle give the plan that the phone gives, does `enable` take the route that it
should and say why, is each channel what it is said to be, and is the phone after `disable` as it
was before. One phone runs at a time.
"""
# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.bcr import OWN, PREFS, StandIn
from tests.lab.errors import LabError
from tests.lab.phone import LabPhone
from tests.lab.sounds import sound
from tests.lab.speech import conversation
from tests.offhook import Offhook, wait_until
from tests.sound import legs

ENABLE = ("enable", "--basis", "own-line", "--here", "DE")
LIKE, UNLIKE = 0.9, 0.3


@dataclass(frozen=True)
class Wanted:
    """What `enable` has to take, None for a refusal: written from what is known of the chips."""

    route: str | None
    family: str | None
    pcm: int | None
    channels: tuple[str, ...]
    why: str
    """Words that the reason has."""


WANTED = {
    "sm8250": Wanted("alsa", "qualcomm-adsp", 23, ("uplink", "downlink"), "MultiMedia9"),
    "sm8150": Wanted("alsa", "qualcomm-adsp", 27, ("uplink", "downlink"), "MultiMedia9"),
    "msm8953": Wanted("alsa", "qualcomm-adsp", 14, ("mixed",), "no `Voc Rec Config`"),
    "tensor": Wanted("alsa", "tensor", 22, ("mixed",), "Incall Capture Stream2"),
    "exynos9810": Wanted("alsa", "exynos", 24, ("downlink", "uplink"), "not proven"),
    "mt6785": Wanted("alsa", "mediatek", 9, ("downlink",), "never shown to work"),
    "audioreach": Wanted(None, "audioreach", None, (), "AudioReach"),
    "bcr": Wanted("bcr", None, None, ("mixed",), "BCR 1.79 is installed"),
}


@dataclass
class Row:
    """What came of one profile; ``wrong`` is empty where all is well."""

    profile: str
    route: str = "-"
    family: str = "-"
    pcm: str = "-"
    channels: str = "-"
    like: str = "-"
    length: str = "-"
    seconds: float = 0.0
    why: str = ""
    wrong: list[str] = field(default_factory=list)

    def check(self, good: object, what: str) -> None:
        if not good:
            self.wrong.append(what)


def try_profile(name: str, seconds: float) -> Row:
    """One phone, from its start to its end."""
    row, begin = Row(name), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="offhook-profiles-") as folder:
        try:
            with LabPhone("vm", name) as phone:
                _try(row, WANTED[name], phone, Path(folder), seconds)
        except (LabError, AssertionError) as error:
            row.wrong.append(f"{type(error).__name__}: {str(error)[:300]}")
    row.seconds = time.monotonic() - begin
    return row


def _try(row: Row, wanted: Wanted, phone: LabPhone, folder: Path, seconds: float) -> None:
    offhook = Offhook(folder / "home", phone.address)
    before = phone.snapshot()
    _bundle(row, offhook, folder / "bundle.zip")
    row.check(not phone.changes(before), "doctor left a trace")
    ran = offhook.run("--json", *ENABLE)
    if ran.code == 0:
        _enabled(row, wanted, ran.json)
        if row.route == "bcr":
            _bcr_call(row, offhook, phone)
        else:
            _call(row, wanted, offhook, phone, seconds)
        offhook.good("disable")
    else:
        row.why = ran.err
        row.check(wanted.route is None and ran.code == 21, f"enable failed: {ran.err[:300]}")
        row.check(wanted.why in ran.err, f"the refusal does not say {wanted.why!r}")
    trace = phone.changes(before)
    if row.route == "bcr":
        trace = _but_for_bcrs_own(phone, trace)
    if trace:
        row.wrong.append(f"disable left {len(trace)}: {'; '.join(trace[:5])}")


def _but_for_bcrs_own(phone: LabPhone, trace: list[str]) -> list[str]:
    """Its recordings are the user's, and it counts its notifications in its settings; ours of
    those have to be gone."""
    own = (OWN, PREFS.rpartition("/")[0])
    kept = [line for line in trace if not line.startswith(tuple(f"files: + '{o}" for o in own))]
    ours = [name for name in ("call_recording", "write_metadata") if name in StandIn(phone).prefs()]
    return kept + ours


def _bundle(row: Row, offhook: Offhook, file: Path) -> None:
    live = offhook.good("--json", "doctor", "--bundle", str(file)).json
    saved = offhook.good("--json", "doctor", "--from", str(file)).json
    plan = live["routes"][0]
    row.family, row.pcm = plan["family"] or "-", "-" if plan["pcm"] is None else str(plan["pcm"])
    proven = {"proof": plan["proof"]}  # which a bundle has none of
    row.check(saved["routes"][0] | proven == plan, "the bundle gives another plan")
    possible = [[(r["route"], r["possible"]) for r in body["routes"]] for body in (live, saved)]
    row.check(possible[0] == possible[1], "the bundle gives other verdicts")
    wanted = WANTED[row.profile]
    row.check(wanted.family in (None, plan["family"]), f"the family is {plan['family']}")
    row.check(wanted.pcm == plan["pcm"], f"the PCM is {plan['pcm']}")


def _enabled(row: Row, wanted: Wanted, said: dict[str, Any]) -> None:
    row.route, row.why = said["route"], said["why"]
    row.channels = ", ".join(said["channels"])
    row.check(row.route == wanted.route, f"the route is {row.route}")
    row.check(tuple(said["channels"]) == wanted.channels, f"the channels are {row.channels}")
    row.check(wanted.why in row.why, f"why does not say {wanted.why!r}: {row.why}")


def _call(row: Row, wanted: Wanted, offhook: Offhook, phone: LabPhone, seconds: float) -> None:
    speech = conversation(seconds + 4, seed=sum(map(ord, row.profile)))
    phone.root("cat > /lab/state/speech.wav", input=speech.read_bytes())
    played = phone.call(active=seconds, number="+4930123456")
    wait_until(lambda: ".wav" in phone.root("ls /data/adb/offhook/spool"))
    phone.root("rm /lab/state/speech.wav")
    offhook.good("sync")
    (recording,) = offhook.rows()
    found = legs(offhook.file(recording), speech, wanted.channels, played.talk)
    row.like = ", ".join(f"{like:.3f} ({unlike:+.3f})" for like, unlike in found)
    row.length = f"{recording['duration_s']:.2f} of {played.talk:.2f}"
    row.check(
        all(like >= LIKE for like, _ in found),
        f"a channel is not what it is said to be: {row.like}",
    )
    row.check(
        all(abs(unlike) < UNLIKE for _, unlike in found), f"a channel has both ends: {row.like}"
    )
    row.check(abs(recording["duration_s"] - played.talk) < 1.5, f"it is {row.length} s long")
    row.check(recording["verified"] and not recording["silent"], "it is not verified, or silent")


def _bcr_call(row: Row, offhook: Offhook, phone: LabPhone) -> None:
    stand_in = StandIn(phone)
    stand_in.start()
    try:
        digest = stand_in.give(sound("oga", 1.0, 440), "oga")
        call = phone.start_call(ring=0.1, active=60, number="+4930123456")
        wait_until(lambda: ".oga" in phone.root(f"ls {OWN} 2>/dev/null; :"), timeout=60)
        call.hang_up()
        call.wait()
        stand_in.idle(60)
        offhook.good("sync")
    finally:
        stand_in.stop()
    row.like = "its bytes"
    row.check([r["sha256"] for r in offhook.rows()] == [digest], "it is not what BCR recorded")


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        (
            "| profile | route | family | PCM | channels | like what is said (like the other end) "
            "| s | all that took | after disable |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        state = "; ".join(row.wrong) or "as before"
        lines.append(
            f"| {row.profile} | {row.route} | {row.family} | {row.pcm} | {row.channels} "
            f"| {row.like} | {row.length} | {row.seconds:.0f} s | {state} |"
        )
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.profiles", description=__doc__)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=", ".join(WANTED))
    parser.add_argument("--seconds", type=float, default=5.0, help="of talk in each call")
    args = parser.parse_args(words)
    unknown = set(args.profiles) - WANTED.keys()
    if unknown:
        parser.error(f"no such profile: {', '.join(sorted(unknown))}")
    rows = []
    for name in args.profiles or WANTED:
        row = try_profile(name, args.seconds)
        rows.append(row)
        print(f"{name}: {'; '.join(row.wrong) or 'good'}, {row.seconds:.0f} s", file=sys.stderr)
        if row.why:
            print(f"  {' '.join(row.why.split())}", file=sys.stderr)
    print(table(rows))
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
