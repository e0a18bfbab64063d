"""Builds the PCM helper for each ABI of a phone, the same bytes on every machine.

    python device_scripts/pcm/build.py            build what is not up to date, compare the hashes
    python device_scripts/pcm/build.py --update   the same, and write SHA256SUMS anew
    python device_scripts/pcm/build.py --out DIR  build into DIR/<abi>/offhook-pcm
    python device_scripts/pcm/build.py --abi ABI  this one only; may be given again

The compiler is the ``ziglang`` package at one version: another would give other bytes, and the
hashes in SHA256SUMS, which the host checks before it puts the helper on a phone, would not fit.
Exit code 1 when it does not compile, or the hashes differ.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUMS = HERE / "SHA256SUMS"
ZIGLANG = "0.17.1"
#: Android's name for an ABI, and the compiler's for a static program on it.
TARGETS = {
    "arm64-v8a": "aarch64-linux-musl",
    "armeabi-v7a": "arm-linux-musleabihf",
    "x86_64": "x86_64-linux-musl",
    "x86": "x86-linux-musl",
}
FLAGS = [
    *("-static", "-Os", "-s", "-std=c11", "-D_GNU_SOURCE"),
    *("-Wall", "-Wextra", "-Wshadow", "-Wformat=2", "-Werror"),
    # No name of a folder gets into the program.
    "-ffile-prefix-map=.=",
]


class BuildError(Exception):
    """What could not be built, and why."""


def sources() -> list[str]:
    """The names of the C files, in an order that is the same everywhere."""
    return sorted(path.name for path in HERE.glob("*.c"))


def recipe() -> str:
    """A hash of all that the programs are made from."""
    digest = hashlib.sha256(repr((ZIGLANG, TARGETS, FLAGS)).encode())
    for path in sorted(HERE.glob("*.[ch]")):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def compile_for(abi: str, target: Path) -> None:
    """Write the program for ``abi`` to ``target``, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        program = Path(scratch) / "offhook-pcm"
        command = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[abi], *FLAGS]
        command += [*sources(), "-o", str(program)]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{abi}: the compiler ended with {done.returncode}\n{done.stderr}")
        program.chmod(0o755)
        program.replace(target)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, or nothing when it is not there."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def build(out: Path, abis: list[str]) -> dict[str, str]:
    """Build into ``out`` what is not up to date; the hash for each of ``abis``."""
    wanted = recipe()

    def one(abi: str) -> str:
        target = out / abi / "offhook-pcm"
        stamp = target.with_name(".made-from")
        if not stamp.is_file() or stamp.read_text() != f"{wanted} {digest_of(target)}":
            compile_for(abi, target)
            stamp.write_text(f"{wanted} {digest_of(target)}")
        return digest_of(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(abis, pool.map(one, abis), strict=True))


def check_compiler() -> None:
    """The one version of the compiler, or BuildError."""
    command = [sys.executable, "-m", "ziglang", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = done.stdout.strip()
    if found != ZIGLANG:
        raise BuildError(
            f"ziglang {ZIGLANG} is needed, {found or 'none'} is there: "
            f"{sys.executable} -m pip install ziglang=={ZIGLANG}"
        )


def main() -> int:
    """Build, and compare or write the hashes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "bin")
    parser.add_argument("--abi", action="append", choices=TARGETS)
    parser.add_argument("--update", action="store_true", help="write SHA256SUMS anew")
    options = parser.parse_args()
    if options.update and options.abi:
        parser.error("SHA256SUMS is about all ABIs")
    try:
        check_compiler()
        digests = build(options.out, options.abi or list(TARGETS))
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [f"{digest}  {abi}/offhook-pcm\n" for abi, digest in digests.items()]
    if options.update:
        SUMS.write_text("".join(lines))
    listed = SUMS.read_text().splitlines(keepends=True) if SUMS.is_file() else []
    if not set(lines) <= set(listed):
        sys.stderr.write(
            f"The hashes are not those in {SUMS.name}. Where the sources were changed: --update\n"
            + "".join(lines)
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
