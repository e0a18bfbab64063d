"""A watch that is behind, that may not pull, or that meets a mistake, as a user sees it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.archive import Archive
from agent.cli.common import App, Target
from agent.cli.keeping import Keeper
from agent.phone.phone import Phone
from agent.sync.events import SyncEvent, WatchEvent
from tests.faults.memory import wav
from tests.lab.phone import LabPhone
from tests.offhook import Offhook, wait_until

FOLDER = "/data/media/0/Recordings"
SEEN = "/sdcard/Recordings"  # through which a change is told
BATTERY = "/lab/state/battery"


@pytest.fixture
def offhook(lab: LabPhone, tmp_path: Path) -> Iterator[Offhook]:
    lab.root(f"rm -rf {FOLDER}; mkdir -p {FOLDER}; chown 2000:1023 {FOLDER}")
    offhook = Offhook(tmp_path / "home", lab.address)
    offhook.home.mkdir()
    yield offhook
    lab.root(f"rm -rf {FOLDER} {BATTERY}")


def settings(offhook: Offhook, text: str) -> None:
    (offhook.home / "offhook.toml").write_text(
        f'[[source]]\nname = "shared"\npath = "/sdcard/Recordings"\n[sync]\n{text}\n'
    )


def put(lab: LabPhone, name: str, data: bytes) -> None:
    lab.root(
        f"cat > {SEEN}/{name}",
        input=data,
    )


def test_a_new_recording_does_not_wait_for_what_is_behind(lab: LabPhone, offhook: Offhook) -> None:
    """At a rate at which all that is behind takes half a minute."""
    behind = 120
    lab.root(
        f"cd {FOLDER}; cat > base; n=0; while [ $n -lt {behind} ]; do "
        "{ cat base; print $n; } > old$n.wav; touch -d 2026-01-01T00:00:00 old$n.wav; n=$((n + 1)); "
        "done; rm base; chmod 0644 *; chown 2000:1023 *",
        input=wav(1.0, gains=(0.3,)),
    )
    settings(offhook, 'rate = "64 KiB/s"')
    with offhook.watching() as watching:
        watching.wait("filed")
        put(lab, "new.wav", wav(1.0))

        def filed() -> list[str]:
            events = [one for one in list(watching.events) if one["event"] == "filed"]
            return [str(one["recording"]["original_name"]) for one in events]

        wait_until(lambda: "new.wav" in filed(), 120)
        assert len(filed()) < behind / 2


def test_watch_waits_for_a_phone_that_is_low_and_sync_says_so(
    lab: LabPhone, offhook: Offhook
) -> None:
    lab.root(f"echo level=9 usb=false > {BATTERY}")
    put(lab, "one.wav", wav(0.5))
    settings(offhook, "pause_below = 15")
    with offhook.watching() as watching:
        watching.wait("paused")
        (said,) = [event["text"] for event in watching.events if event["event"] == "paused"]
        assert "9 %" in said
        assert offhook.rows() == []
        settings(offhook, "pause_below = 5")
        watching.wait("filed")
        watching.wait("paused", count=2)
        assert "text" not in [one for one in watching.events if one["event"] == "paused"][1]
    put(lab, "two.wav", wav(0.6))
    lab.root(f"echo temperature=512 > {BATTERY}")
    settings(offhook, "pause_above = 45")
    ran = offhook.good("sync")
    assert "51 °C" in ran.err
    assert len(offhook.rows()) == 2


class _Signals:
    """Of nobody: :meth:`wait` says whether the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def wait(self, seconds: float) -> bool:
        return self.over.wait(seconds)

    def wake(self) -> None:
        pass

    def take_reload(self) -> bool:
        return False


class _Told:
    """Keeps what is told."""

    def __init__(self, events: list[WatchEvent | SyncEvent]) -> None:
        self.tell = events.append

    def have(self, *_: object) -> None:
        """See agent.cli.keeping.Told."""


@pytest.mark.parametrize("after", ['[inbox]\nfolder = "in"\n', None])
def test_settings_that_change_while_a_watch_begins_are_read_again(
    offhook: Offhook, after: str | None
) -> None:
    file = offhook.home / "offhook.toml"
    file.write_text('[inbox]\nfolder = "before"\n')
    events: list[WatchEvent | SyncEvent] = []
    signals = _Signals()
    app = App(offhook.home)
    assert app.config.desk.inbox is not None
    file.unlink() if after is None else file.write_text(after)
    with Archive(offhook.home, write=True) as archive:
        keeper = Keeper(app, archive, None, _Told(events), signals)
        thread = threading.Thread(target=keeper.run, args=([],))
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(signals.over.set)
            wait_until(lambda: any(event.kind == "settings" for event in list(events)))
    inbox = app.config.desk.inbox
    assert (inbox and inbox.folder.name) == (after and "in")


def test_a_mistake_with_one_phone_ends_no_other_watch(
    lab: LabPhone, offhook: Offhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(offhook, "")
    reach, tries = App.reach, []

    def reached(app: App, target: Target, **words: Any) -> Phone:
        if target.label == "odd":
            tries.append(target)
            raise ZeroDivisionError("by a mistake of ours")
        return reach(app, target, **words)

    monkeypatch.setattr(App, "reach", reached)
    monkeypatch.setenv("ANDROID_USER_HOME", str(offhook.home.parent / "android"))
    events: list[WatchEvent | SyncEvent] = []
    address = "{}:{}".format(*lab.address)
    signals = _Signals()
    with Archive(offhook.home, write=True) as archive:
        keeper = Keeper(App(offhook.home), archive, "desk", _Told(events), signals)
        targets = [Target("odd", "127.0.0.1:1"), Target("desk", address)]
        errors: list[BaseException] = []

        def run() -> None:
            try:
                keeper.run(targets)
            except BaseException as error:  # noqa: BLE001 - looked at below
                errors.append(error)

        def told(kind: str) -> list[WatchEvent | SyncEvent]:
            return [event for event in list(events) if event.kind == kind]

        thread = threading.Thread(target=run)
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(signals.over.set)
            wait_until(lambda: bool(told("problem")) and len(tries) > 1)
            put(lab, "one.wav", wav(0.5))
            wait_until(lambda: bool(told("filed") or errors), 60)
    assert errors == []
    (problem,) = told("problem")
    assert problem.phone == "odd"
    assert isinstance(problem, WatchEvent) and "ZeroDivisionError" in problem.text
