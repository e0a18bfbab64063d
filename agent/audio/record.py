"""Recording from one of this computer's inputs through PortAudio (PyAudio, extra ``audio``)."""

from __future__ import annotations

import contextlib
import queue
import time
from dataclasses import dataclass
from typing import Any

from agent.audio.devices import alone, fitting, inputs, listed, portaudio
from agent.errors import AudioError

_PIECE_S = 0.05
_MOST_PIECES = 2400  # that wait to be taken: two minutes, as when a disk hangs
_DEAD_S = 5.0  # without a piece: the device is gone, or hangs


@dataclass(frozen=True)
class Device:
    """An input: its number and name, how it records best."""

    number: int
    name: str
    rate: int
    channels: int


def find_input(wanted: str | None) -> Device:
    """The input that is meant, by its number or a part of its name, or else the usual one.

    AudioError names the inputs there are, when none fits or several do.
    """
    with portaudio("recording") as audio:
        return _find(audio, wanted)


def _find(audio: Any, wanted: str | None) -> Device:
    found = inputs(audio)
    if not found:
        raise AudioError(
            "this computer has no sound input",
            hint="Plug a microphone in; another program may also have taken it.",
        )
    if wanted is None:
        with contextlib.suppress(OSError):
            return _device(audio.get_default_input_device_info())
        fits = found
    else:
        fits = fitting(found, wanted)
    if len(fits) == 1:
        return _device(audio.get_device_info_by_index(fits[0][0]))
    what = "no sound input" if not fits else f"{len(fits)} sound inputs"
    if wanted is None:
        problem = f"{what} could be meant"
    else:
        problem = f"{what} {'is' if not fits else 'are'} called {wanted!r}"
    raise AudioError(problem, hint=f"Choose with --microphone: {listed(fits or found)}.")


def _device(info: Any) -> Device:
    return Device(
        int(info["index"]),
        str(info["name"]),
        int(info["defaultSampleRate"]) or 48000,
        min(int(info["maxInputChannels"]), 2),
    )


class Input:
    """An input that records, from being made until it is closed. One thread reads it.

    ``device`` says which it is; ``channels`` is 1 wherever it can be had.
    """

    def __init__(self, wanted: str | None) -> None:
        self._waiting: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._closing = contextlib.ExitStack()
        try:
            audio = self._closing.enter_context(portaudio("recording"))
            with alone():
                self.device = _find(audio, wanted)
                self.channels, self._stream = self._open(audio)
            self._closing.callback(self._close_stream)
            self.rate = self.device.rate
            self._next = 0  # the frame that comes next
            self._begun: float | None = None  # when frame 0 was
            self._last = time.monotonic()
            self._stream.start_stream()
        except BaseException:
            self._closing.close()
            raise

    def _open(self, audio: Any) -> tuple[int, Any]:
        """One channel, or else what the device has."""
        import pyaudio

        for channels in sorted({1, self.device.channels}):
            try:
                return channels, audio.open(
                    rate=self.device.rate,
                    channels=channels,
                    format=pyaudio.paInt16,
                    input=True,
                    input_device_index=self.device.number,
                    frames_per_buffer=max(round(self.device.rate * _PIECE_S), 1),
                    stream_callback=self._heard,
                    start=False,
                )
            except (OSError, ValueError) as error:
                problem = error
        raise AudioError(
            f"the input {self.device.name!r} can't record {self.device.rate} Hz: {problem}",
            hint="Another program may have it; or choose another with --microphone.",
        )

    def _heard(self, data: bytes, count: int, _time: Any, status: int) -> tuple[None, int]:
        """PortAudio's thread brings a piece."""
        import pyaudio

        now = time.monotonic()
        if self._begun is None:
            self._begun = now - count / self.rate
        elif status & pyaudio.paInputOverflow:
            # How much was lost, only the clock tells.
            self._next = max(self._next, round((now - self._begun) * self.rate) - count)
        if self._waiting.qsize() < _MOST_PIECES:
            self._waiting.put((self._next, data))
        self._next += count
        return None, pyaudio.paContinue

    def read(self, timeout: float) -> tuple[int, bytes] | None:
        """The next piece, and the number of its first frame; None when none came in ``timeout``
        seconds, AudioError when none will."""
        try:
            piece = self._waiting.get(timeout=timeout) if timeout else self._waiting.get_nowait()
        except queue.Empty:
            if time.monotonic() - self._last > _DEAD_S or not self._stream.is_active():
                raise AudioError(
                    f"the input {self.device.name!r} gives nothing any more",
                    hint="Is it still plugged in?",
                ) from None
            return None
        self._last = time.monotonic()
        return piece

    def close(self) -> None:
        """Stop recording; harmless twice."""
        self._closing.close()

    def _close_stream(self) -> None:
        with alone(), contextlib.suppress(OSError):
            self._stream.close()
