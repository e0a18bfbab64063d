"""The stand-in of scrcpy's server on a lab phone: given a call to hear, and told what goes wrong.

scrcpy itself can't run there; ``android/src/app_process.c`` says what the stand-in does. A jar of
ours holds the one thing of the real ones that is looked at: what the code says its version is.
"""

from __future__ import annotations

import io
import shlex
import zipfile
from pathlib import Path

from tests.lab.phone import LabPhone

SAYS = "The server version ({version}) does not match the client ("


def jar(version: str, code: str = SAYS) -> bytes:
    """A file such as scrcpy's server, the same bytes for the same version; none of it is its."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        entry = zipfile.ZipInfo("classes.dex", (1980, 1, 1, 0, 0, 0))
        said = code.format(version=version).encode()
        file.writestr(entry, b"dex\n039\0" + bytes(64) + said + b"\0" + bytes(64))
    return out.getvalue()


class StandIn:
    """The server on a phone: what it hears of a call, and what goes wrong with it."""

    def __init__(self, phone: LabPhone) -> None:
        self.phone = phone
        phone.root("mkdir -p /lab/state/scrcpy; chmod 777 /lab/state/scrcpy")

    def say(self, speech: Path) -> None:
        """What is said in the calls from now on: a WAV file of :mod:`tests.lab.speech`."""
        self.phone.root("cat > /lab/state/speech.wav", input=speech.read_bytes())

    def goes_wrong(self, *words: str) -> None:
        """What goes wrong from the next start on; nothing without words."""
        self.phone.root(f"print -r -- {shlex.quote(' '.join(words))} > /lab/state/scrcpy/mode")

    def running(self) -> int:
        """How many of it run."""
        found = "pgrep -f 'com[.]genymobile[.]scrcpy' | wc -l"
        return int(self.phone.root(found))
