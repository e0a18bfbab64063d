"""`python -m tests.lab`: a lab phone to play with."""
# ruff: noqa: T201 - a command line prints

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from tests.lab import registry
from tests.lab.errors import LabError
from tests.lab.phone import KINDS, LabPhone
from tests.lab.profiles import PROFILES

PYTHON = "python -m tests.lab"


def main(words: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(words)
    try:
        return int(args.do(args))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PYTHON,
        description="A lab phone: Google's own adbd, mksh and toybox out of Debian's packages, "
        "dressed as a rooted Android phone. Not a handset; the README says what it can tell.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    start = commands.add_parser("start", help="start a phone, and keep it until Ctrl-C")
    start.add_argument(
        "--kind",
        choices=KINDS,
        default="host",
        help="host: namespaces of this computer, up in a second. vm: QEMU, with a sound card",
    )
    start.add_argument("--profile", choices=tuple(PROFILES), default="plain", help="which phone")
    start.add_argument("--port", type=int, help="of its adbd, on 127.0.0.1; else a free one")
    start.add_argument("--serial", help="its name; else one is made up")
    start.set_defaults(do=_start)

    call = commands.add_parser("call", help="play a call on a running phone")
    _takes_serial(call)
    call.add_argument("--number", default="+4917012345678")
    call.add_argument("--contact", default="", help="the name in the phone's contacts")
    call.add_argument("--direction", choices=("in", "out"), default="in")
    call.add_argument("--sim", type=int, choices=(0, 1), default=0)
    call.add_argument(
        "--presentation",
        choices=("allowed", "restricted", "unknown", "payphone"),
        default="allowed",
        help="restricted is a private number",
    )
    call.add_argument(
        "--outcome",
        choices=("answered", "missed", "rejected", "blocked", "unanswered"),
        default="answered",
    )
    call.add_argument("--second-number", default="+4915987654321", metavar="NUMBER")
    call.add_argument("--app", default="", metavar="PACKAGE", help="an app's own call, not a SIM's")
    call.add_argument("--managed", action="store_true", help="the app's call is Telecom's to show")
    lengths = {"second": 0.0, "merge": 0.0, "back": 0.0}
    lengths |= {"ring": 2.0, "active": 5.0, "hold": 0.0, "resume": 0.0, "log-delay": 0.1}
    for name, seconds in lengths.items():
        call.add_argument(f"--{name}", type=float, default=seconds, metavar="SECONDS")
    call.set_defaults(do=_call)

    su = commands.add_parser("su", help="how su answers on a running phone from now on")
    _takes_serial(su)
    su.add_argument(
        "mode",
        nargs="+",
        help="grant, deny, absent, slow SECONDS, banner, kernelsu, aosp; several go together",
    )
    su.set_defaults(do=_su)

    root = commands.add_parser("root", help="run a script as root in a running phone, not over adb")
    _takes_serial(root)
    root.add_argument("script")
    root.set_defaults(do=_root)

    listed = commands.add_parser("list", help="the phones that run")
    listed.set_defaults(do=_list)
    return parser


def _takes_serial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--serial", help="which phone; not needed when only one runs")


def _start(args: argparse.Namespace) -> int:
    phone = LabPhone(args.kind, args.profile, serial=args.serial, port=args.port)
    with phone:
        where = "{}:{}".format(*phone.address)
        print(f"Lab phone {phone.serial} ({phone.kind}, {phone.profile}) answers at {where}\n")
        print(f"  offhook --phone {where} doctor")
        print(f"  adb connect {where} && adb -s {where} shell")
        print(f"  {PYTHON} call --serial {phone.serial} --contact 'Ada Lovelace' --active 10")
        print(f"  {PYTHON} su --serial {phone.serial} deny")
        print("\nCtrl-C ends it.", flush=True)
        stop = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, stop)
        signal.sigwait(stop)
    print("\nThe lab phone is gone.")
    return 0


def _call(args: argparse.Namespace) -> int:
    phone = LabPhone.attach(args.serial)
    played = phone.call(
        number=args.number,
        contact=args.contact,
        direction=args.direction,
        sim=args.sim,
        presentation=args.presentation,
        outcome=args.outcome,
        ring=args.ring,
        active=args.active,
        hold=args.hold,
        resume=args.resume,
        second=args.second,
        second_number=args.second_number,
        merge=args.merge,
        back=args.back,
        app=args.app,
        managed=args.managed,
        log_delay=args.log_delay,
    )
    for step, at in played.at.items():
        print(f"{(at - played.begin) / 1000:8.3f} s  {step}")
    print(f"call log row {played.row}, {played.duration} s")
    return 0


def _su(args: argparse.Namespace) -> int:
    LabPhone.attach(args.serial).su(" ".join(args.mode))
    return 0


def _root(args: argparse.Namespace) -> int:
    sys.stdout.write(LabPhone.attach(args.serial).root(args.script))
    return 0


def _list(args: argparse.Namespace) -> int:
    for note in registry.running():
        print(note["serial"], f"127.0.0.1:{note['port']}", note["kind"], note["profile"], sep="\t")
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
