"""Playing a recording through PortAudio (PyAudio, from the ``audio`` extra)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.audio import devices
from agent.audio.decode import Stream, blocks, open_stream
from agent.audio.devices import alone, portaudio
from agent.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Channel = Literal["uplink", "downlink", "both"]
CHANNELS: tuple[Channel, ...] = ("uplink", "downlink", "both")
_PIECE_S = 0.05


def play(
    path: Path,
    *,
    channel: Channel = "both",
    start: float = 0.0,
    device: str | None = None,
    on_position: Callable[[float], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> float:
    """Play a recording from ``start`` seconds on; returns the position it ended at, in seconds.

    The uplink (this phone's side) is the left channel. ``device`` is an output's number or a
    part of its name. AudioError says what is missing: the library, the device, the channel.
    """
    stream = open_stream(path)
    if channel != "both" and stream.channels != 2:
        raise AudioError(
            f"{path.name} has {stream.channels} channel{'s' * (stream.channels != 1)}: the two "
            "sides of the call are not apart in it",
            hint="Play it without --channel.",
        )
    channels = min(stream.channels, 2) if channel == "both" else 1
    position = start
    with _opened(device, stream.rate, channels) as output:
        for piece in _pieces(stream, channel, start):
            if stop():
                break
            output.write(piece.tobytes())
            position += len(piece) / stream.rate
            if on_position is not None:
                on_position(position)
    return position


def outputs() -> list[str]:
    """The names of the devices that can play, each with its number before it."""
    with portaudio("playing") as audio:
        return [f"{number} {name}" for number, name in devices.outputs(audio)]


def check_output(device: str | None) -> None:
    """AudioError when there is nothing to play on, or nothing of that name."""
    with portaudio("playing") as audio:
        if device is not None:
            _number_of(audio, device)
        elif not devices.outputs(audio):
            raise _no_output()


def _pieces(stream: Stream, channel: Channel, start: float) -> Iterator[NDArray[np.int16]]:
    import numpy as np

    frames = max(round(stream.rate * _PIECE_S), 1)
    for block in blocks(stream, start):
        side = {"uplink": block[:, :1], "downlink": block[:, 1:2]}.get(channel, block[:, :2])
        whole = np.clip(np.rint(side * 32768.0), -32768, 32767).astype("<i2")
        for first in range(0, len(whole), frames):
            yield whole[first : first + frames]


@contextlib.contextmanager
def _opened(device: str | None, rate: int, channels: int) -> Iterator[Any]:
    with portaudio("playing") as audio:
        import pyaudio

        number = None if device is None else _number_of(audio, device)
        try:
            with alone():
                output = audio.open(
                    rate=rate,
                    channels=channels,
                    format=pyaudio.paInt16,
                    output=True,
                    output_device_index=number,
                )
        except OSError as error:
            if not devices.outputs(audio):
                raise _no_output() from error
            raise AudioError(
                f"no sound device can play {channels} × {rate} Hz: {error}",
                hint=_device_hint(audio),
            ) from error
        try:
            yield output
            output.stop_stream()
        except OSError as error:
            raise AudioError(f"the sound device failed: {error}") from error
        finally:
            with alone():
                output.close()


def _number_of(audio: Any, device: str) -> int:
    found = devices.fitting(devices.outputs(audio), device)
    if found:
        return found[0][0]
    raise AudioError(f"no sound device is called {device!r}", hint=_device_hint(audio))


def _device_hint(audio: Any) -> str:
    names = devices.listed(devices.outputs(audio))
    return f"Choose with --device: {names}." if names else _PLUG_IN


_PLUG_IN = "Plug loudspeakers or a headset in; another program may also have taken them."


def _no_output() -> AudioError:
    return AudioError("this computer has no sound output", hint=_PLUG_IN)
