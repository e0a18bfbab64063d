"""What ``selftest`` says: to the people in the call, and of the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from agent.archive.records import Recording
from agent.audio.hearing import Who
from agent.audio.hearing.judge import ChannelVerdict, Judgement
from agent.capture.report import judged
from agent.cli.common import App
from agent.text import shown

_TURNS: dict[Who, str] = {
    "near": "Now speak into the phone: a few sentences, for {:.0f} seconds.",
    "far": "Now let the other end speak, for {:.0f} seconds.",
}
_RESULTS = {
    "proven": ("Proven: both ends are in the recording, as they should be.", "bold green"),
    "partly": ("Proven in part: something of the call is in the recording.", "bold yellow"),
    "failed": ("FAILED: nobody is heard in the recording.", "bold red"),
}


class Prompts:
    """Tells the people what to do, in lines; on a terminal with a bar for the time left."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.listen()

    def rings(self) -> None:
        """See :class:`agent.capture.testcall.Prompts`."""
        self._app.note("It rings")

    def turn(self, who: Who, seconds: float) -> None:
        """See :class:`agent.capture.testcall.Prompts`."""
        self._app.note(_TURNS[who].format(seconds))
        console = self._app.errors if self._app.json else self._app.console
        if console.is_terminal:
            columns = TextColumn("{task.fields[left]:.0f} s"), BarColumn()
            self._bars = Progress(*columns, console=console, transient=True)
            self._task = self._bars.add_task("", total=seconds, left=seconds)
            self._bars.start()

    def left(self, seconds: float) -> None:
        """See :class:`agent.capture.testcall.Prompts`."""
        if self._bars is not None and self._task is not None:
            total = self._bars.tasks[0].total or 0.0
            self._bars.update(self._task, completed=total - seconds, left=seconds)

    def listen(self) -> None:
        """See :class:`agent.capture.testcall.Prompts`."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def hang_up(self) -> None:
        """See :class:`agent.capture.testcall.Prompts`."""
        self._app.note("That was all: hang up now.")


def print_result(
    app: App,
    serial: str,
    name: str,
    route: str,
    judgement: Judgement,
    to_do: Sequence[str],
    report: Path,
    recording: Recording | None,
) -> None:
    """The verdict on each channel and on the whole, and what to do next."""
    if app.json:
        app.print_json(
            {
                "serial": serial,
                "name": name,
                "route": route,
                **judged(judgement),
                "advice": list(to_do),
                "recording": recording.id if recording else None,
                "sha256": recording.sha256 if recording else None,
                "report": str(report),
            }
        )
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for channel in judgement.channels:
        mark = Text("good", "green") if channel.good else Text("bad", "red")
        table.add_row(channel.name, mark, Text(_channel_words(channel)))
    if judgement.channels:
        app.console.print(table)
    for words in judgement.words:
        app.note(f"! {shown(words)}")
    text, style = _RESULTS[judgement.result]
    app.console.print(f"{text} ({route}, {shown(name)})", style=style, markup=False, soft_wrap=True)
    for words in to_do:
        app.note(shown(words))
    if recording is not None:
        app.note(f"The recording: `offhook play {recording.id}`.")
    app.note(f"The report, without numbers or names: {report}")


def _channel_words(channel: ChannelVerdict) -> str:
    """Its words, and how much of its turn each end speaks in it, and how loud."""
    said = [channel.words]
    for who in channel.hears:
        level = channel.numbers.speech_dbfs.get(who)
        loud = "" if level is None else f", at {level:.0f} dBFS"
        of = "" if len(channel.hears) == 1 else ("near " if who == "near" else "far ")
        said.append(f"{of}speech in {channel.numbers.speech.get(who, 0.0):.0%} of the turn{loud}")
    return "; ".join(said)
