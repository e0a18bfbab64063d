"""scrcpy's server on the phone: put there, checked, started, ended and taken away.

/data/local/tmp is the shell's own: no app can put anything else in its place (scrcpy's
doc/develop.md). What is there is checked all the same, each time before it is started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.adb import files
from agent.adb.shell import Completed
from agent.capture.voicecall.releases import parsed
from agent.capture.voicecall.server import ServerFile
from agent.errors import CaptureError, RestoreError
from agent.text import shown

if TYPE_CHECKING:
    from agent.phone.phone import Phone

JAR = "/data/local/tmp/offhook-scrcpy-server.jar"
CHANGED = 97  # exit code of a start that did not happen: the file is not the one put there
_CLASS = "com.genymobile.scrcpy.Server"
_AGAIN = "Run `offhook enable` again."
_MOST_SHOWN = 400  # characters of a server's words in a message
# Ours alone: a scrcpy of the user's runs from another file. The brackets keep pgrep from finding
# the shell that asks.
_OURS = (
    f"for p in $(pgrep -f '{_CLASS.replace('.Server', '[.]Server')}'); do "
    "tr '\\0' '\\n' </proc/$p/environ 2>/dev/null | "
    f"grep -qxF CLASSPATH={JAR} && echo $p; done; :"
)


def put(phone: Phone, server: ServerFile) -> None:
    """Put it there; CaptureError when what is there then is something else."""
    files.push(phone.link, server.data, JAR, 0o644)
    if phone.sha256(JAR, root=False) != server.sha256:
        raise CaptureError(
            f"what arrived on {phone.facts.name} is not the file that was sent", hint=_AGAIN
        )


def start_script(version: str, sha256: str, options: dict[str, str]) -> str:
    """What starts it, if the file is still the one with that hash. The shell becomes it."""
    words = " ".join(f"{name}={value}" for name, value in options.items())
    return (
        f'[ "$(sha256sum < {JAR} 2>/dev/null)" = "{sha256}  -" ] || exit {CHANGED}\n'
        f"export CLASSPATH={JAR}\n"
        f"exec app_process / {_CLASS} {version} {words} </dev/null"
    )


def capture_options(version: str, scid: int) -> dict[str, str]:
    """What it is told, to hear a call (S/Options.java). It waits for us before it captures.

    ``cleanup=false``: it would remove its own file, with a second process.
    """
    meta = "send_stream_meta" if parsed(version) >= (4,) else "send_codec_meta"
    return {
        "scid": f"{scid:08x}",
        "log_level": "info",
        "video": "false",
        "audio": "true",
        "control": "false",
        "audio_source": "voice-call",
        "audio_codec": "raw",
        "tunnel_forward": "true",
        "cleanup": "false",
        "send_device_meta": "false",
        "send_dummy_byte": "true",
        "send_frame_meta": "true",
        meta: "true",
    }


def check(phone: Phone, server: ServerFile) -> None:
    """Start it for nothing but a list of codecs, which records nothing: that tells whether it
    runs on this phone and is of the version that it is taken for. CaptureError when not."""
    options = {"list_encoders": "true", "cleanup": "false", "log_level": "info"}
    done = phone.run(start_script(server.version, server.sha256, options), timeout=30)
    if done.code != 0:
        raise not_started(phone, done)


def not_started(phone: Phone, done: Completed) -> CaptureError:
    """What to say of a server that ended at once."""
    name = phone.facts.name
    if done.code == CHANGED:
        return CaptureError(f"scrcpy's server is not on {name} as it was put there", hint=_AGAIN)
    said = words(done.stderr + b"\n" + done.stdout) or f"exit code {done.code}"
    hint = "Name the right file: `offhook enable --route voicecall --scrcpy-server FILE`."
    return CaptureError(
        f"scrcpy's server does not run on {name}: {said}",
        hint=hint if "does not match the client" in said else None,
    )


def words(output: bytes) -> str:
    """What of a server's log is worth telling: its errors, else its warnings, else nothing."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    for mark in ("ERROR:", "WARN:"):
        found = [line.partition(mark)[2].strip() for line in lines if mark in line]
        if found:
            return shown("; ".join(dict.fromkeys(found)))[:_MOST_SHOWN]
    return ""


def running(phone: Phone) -> list[int]:
    """The process ids of servers that run from our file."""
    return [int(word) for word in phone.run(_OURS).text.split() if word.isdigit()]


def end(phone: Phone) -> None:
    """End what runs from our file: a computer that died may have left it."""
    if pids := running(phone):
        phone.run(f"kill -KILL {' '.join(map(str, pids))}")


def remove(phone: Phone) -> None:
    """Take the file away; RestoreError when it stays."""
    phone.run(f"rm -f {JAR}")
    if phone.run(f"[ -e {JAR} ]").code == 0:
        raise RestoreError(
            f"{JAR} can't be removed from {phone.facts.name}",
            hint=f"Remove it: `adb shell rm {JAR}`.",
        )


def is_there(phone: Phone, sha256: str) -> bool:
    """Whether the file is there, and the one that was put there."""
    said = phone.run(f"sha256sum < {JAR} 2>/dev/null").text
    return said.split()[:1] == [sha256]
