"""This computer's sound devices, through PortAudio (PyAudio, from the ``audio`` extra).

PortAudio is not for several threads: whoever calls it but to play or to record holds the lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from agent.audio.decode import HINT
from agent.errors import AudioError

_LOCK = threading.RLock()


@contextlib.contextmanager
def portaudio(what: str) -> Iterator[Any]:
    """PortAudio, started; AudioError when it can't be. ``what`` needs it: «playing»."""
    try:
        import numpy  # noqa: F401
        import pyaudio
    except ImportError as error:
        raise AudioError(f"{what} needs {error.name}, which is not installed", hint=HINT) from error
    with alone():
        try:
            audio = pyaudio.PyAudio()
        except OSError as error:
            raise AudioError(f"PortAudio does not start: {error}") from error
    try:
        yield audio
    finally:
        with alone():
            audio.terminate()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One thread at a time, and with standard error aside: ALSA's library writes its every doubt
    to file descriptor 2 while PortAudio looks round."""
    with _LOCK:
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(nowhere)
            os.close(kept)


def outputs(audio: Any) -> list[tuple[int, str]]:
    """The number and the name of each device that can play."""
    return _with(audio, "maxOutputChannels")


def inputs(audio: Any) -> list[tuple[int, str]]:
    """The number and the name of each device that can record."""
    return _with(audio, "maxInputChannels")


def _with(audio: Any, channels: str) -> list[tuple[int, str]]:
    listed = (audio.get_device_info_by_index(n) for n in range(audio.get_device_count()))
    return [(int(d["index"]), str(d["name"])) for d in listed if d[channels] > 0]


def fitting(found: list[tuple[int, str]], wanted: str) -> list[tuple[int, str]]:
    """The devices that a user can mean: the one of that number or that very name, else those
    whose names have it in them."""
    exact = [one for one in found if wanted in (str(one[0]), one[1])]
    return exact[:1] or [one for one in found if wanted.casefold() in one[1].casefold()]


def listed(found: list[tuple[int, str]]) -> str:
    """For a message."""
    return ", ".join(f"{number} {name}" for number, name in found)
