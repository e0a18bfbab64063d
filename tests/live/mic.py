"""A microphone for this computer's PortAudio: a real one but for the hardware."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.live.sounds import tone

RATE = 48000
_SOURCE = Path(__file__).with_name("labmic.c")


class Microphone:
    """Inputs ``usbmic`` and ``desk``, which hear a tone of 440 Hz; nothing else is there.

    ``environment`` is for a program that shall have them; ``only`` leaves some of them.
    """

    def __init__(self, folder: Path, *, only: tuple[str, ...] = ("usbmic", "desk")) -> None:
        folder.mkdir(exist_ok=True)
        self._library = folder / "labmic.so"
        self._samples = folder / "heard.raw"
        self._config = folder / "alsa.conf"
        self.environment = {"ALSA_CONFIG_PATH": str(self._config)}
        if not self._library.exists():
            flags = ("-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-DPIC")
            command = ["gcc", *flags, "-o", str(self._library), str(_SOURCE), "-lasound"]
            subprocess.run(command, check=True)
        self.hears(tone(RATE, rate=RATE))
        self.plug(*only)

    def hears(self, samples: bytes) -> None:
        """What there is to hear, again and again: int16, 48000 Hz."""
        new = self._samples.with_suffix(".new")
        new.write_bytes(samples)
        new.replace(self._samples)

    def plug(self, *names: str) -> None:
        """These inputs are there, and no others."""
        self._samples.with_name("heard.raw.gone").unlink(missing_ok=True)
        pcms = "".join(f'pcm.{name} {{ type labmic file "{self._samples}" }}\n' for name in names)
        self._config.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            f'pcm_type.labmic {{ lib "{self._library}" }}\n{pcms}ctl.!default {{ type null }}\n'
        )

    def unplug(self) -> None:
        """Gone, in the middle of whatever it was heard by."""
        self._samples.with_name("heard.raw.gone").touch()
