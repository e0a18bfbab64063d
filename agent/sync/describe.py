"""What is known of a file before it is filed: from its source, its sidecar and its sound."""

from __future__ import annotations

import json
from pathlib import Path

from agent.adb.reconnect import Cancel
from agent.archive import consents
from agent.archive.archive import Archive
from agent.archive.basis import fact_of
from agent.archive.filing import NewRecording
from agent.archive.joining import BY_FILE
from agent.archive.records import Fact, Recording
from agent.archive.sightings import Sighting
from agent.archive.store import Part
from agent.audio.measure import BrokenAudioError, measure
from agent.errors import AudioError
from agent.naming.sidecar import Sidecar
from agent.phone.files import Source
from agent.sync.named import NOWHERE, Place, beside, overruled, read_name
from agent.sync.pull import Cancelled
from agent.sync.settled import PROVISIONAL

NO_SIDECAR = "no sidecar"


def describe(
    source: Source, sighting: Sighting, sidecar: Sidecar | None, place: Place = NOWHERE
) -> NewRecording:
    """What the source and the sidecar say of a file, and its name, of what they leave open."""
    facts = dict(sidecar.facts) if sidecar else {}
    by = f"source {source.name}"
    if "route" not in facts and (source.route or source.recorder):
        facts["route"] = Fact(source.route or source.recorder, by, "assumed")
    if source.route is not None and source.recorder is not None:
        facts.setdefault("recorder", Fact(source.recorder, by, "assumed"))
    flags = list(sidecar.flags) if sidecar else []
    if sidecar is None and source.recorder == "offhook":
        flags.append(NO_SIDECAR)
    named = read_name(sighting.path, sighting.mtime_ns, place)
    facts = beside(facts, named.facts)
    flags += [flag for flag in named.flags if flag not in flags]
    return NewRecording(
        original_name=sighting.path.rsplit("/", 1)[-1],
        mtime_ns=sighting.mtime_ns,
        phone=sighting.phone,
        source=source.name,
        remote_path=sighting.path,
        sighting=sighting.id,
        facts=facts,
        flags=flags,
        sidecar=sidecar.raw if sidecar else None,
    )


def listen(part: Part, new: NewRecording, *, deaf: bool, cancel: Cancel | None = None) -> None:
    """Measure a part's sound, and date the recording by it where nothing else does.

    ``deaf`` leaves the sound alone, because decoding it has killed the program before.
    """
    listen_to(part.path, new, deaf=deaf, cancel=cancel)


def listen_to(path: Path, new: NewRecording, *, deaf: bool, cancel: Cancel | None = None) -> None:
    """The same of any file with the recording's bytes. Cancelled when that is asked for."""
    if deaf:
        new.sound = {"problem": "not measured: the program died of it before"}
    else:
        try:
            new.sound = measure(path, lambda: _check(cancel)).columns()
        except BrokenAudioError as error:
            new.sound = error.measurement.columns()
        except AudioError as error:
            new.sound = {"problem": error.message}
        if new.sound.get("problem"):
            new.sound["problem"] = new.sound["problem"].replace(path.name, "it")
    length_ms = round(new.sound.get("duration_s", 0) * 1000)
    if "started_ms" not in new.facts:
        started = new.mtime_ns // 1_000_000 - length_ms
        new.facts["started_ms"] = Fact(started, BY_FILE, "assumed")
    if "ended_ms" not in new.facts and length_ms:
        ended = new.facts["started_ms"].value + length_ms
        new.facts["ended_ms"] = Fact(ended, "its start and its length", "measured")


def _check(cancel: Cancel | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled


def rest_on_consent(archive: Archive, new: NewRecording) -> None:
    """Give a dated recording the answer that its capture rested on, unless its sidecar has it.

    What another recorder had recorded before Offhook turned it on rests on none.
    """
    if "consent" in new.facts or new.phone is None:
        return
    route = new.facts["route"].value if "route" in new.facts else None
    began = new.facts["started_ms"].value
    given = consents.in_force(archive, new.phone, began, route=route, source=new.source)
    if given is not None:
        new.facts["consent"] = Fact(fact_of(given), "the answer in force then", "told")


def complete(
    archive: Archive, sha256: str, sidecar: Sidecar, *, phone: str | None, path: str
) -> Recording:
    """Give a recording that is filed the sidecar that came after it, or changed. It wins over
    what the name had given."""
    with archive.writing():
        known = archive.recording(sha256)
        better = PROVISIONAL if sidecar.finished else ()
        flags = [f for f in known.flags if f != NO_SIDECAR and f not in better]
        flags += [flag for flag in sidecar.flags if flag not in flags]
        facts = sidecar.facts | overruled(sidecar.facts, known.facts)
        archive.change(sha256, facts, sidecar=sidecar.raw, flags=json.dumps(flags))
        archive.log("sidecar added", sha256=sha256, phone=phone, path=path)
    return archive.recording(sha256)
