"""The folders in which calls' recordings lie, and whose they are: one table, :data:`FOLDERS`.

A folder makes the reading of a name surer and tells apart recorders that name alike; the dialers
of :mod:`agent.capture.dialer.vendors` take their folders from here; and a scan of a phone looks
for what of it is there. Source: facts of devices, apps and ROMs, as others have seen them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

_BELOW = 4  # some recorders make a folder a number, a day or a month


@dataclass(frozen=True)
class Folder:
    """A folder, by the end of its path, in any case of its letters.

    ``recorder`` is whose it is by itself; None where several would do. ``dialers`` are the rows
    of the table of dialers that record there, if not the recorder's alone. ``private``: it lies
    in an app's own data, which only root sees. ``top``: its name is anybody's, so it counts only
    directly in shared storage. ``mixed``: others keep their sounds there too, voice memos say.
    """

    path: str
    recorder: str | None
    dialers: tuple[str, ...] | None = None
    private: bool = False
    top: bool = False
    mixed: bool = False

    def is_of(self, dialer: str) -> bool:
        """Whether a dialer of the table records there."""
        return dialer in ((self.recorder,) if self.dialers is None else self.dialers)


#: In the order in which a dialer is looked for: where its newest version records comes first.
FOLDERS: tuple[Folder, ...] = (
    # The dialers of the makers.
    Folder("com.google.android.dialer/files/callrecording", "google", private=True),
    Folder("com.google.android.dialer/files/callrecordings", "google", (), private=True),
    Folder("Recordings/Call", "samsung"),
    Folder("Call", "samsung", top=True),
    Folder("MIUI/sound_recorder/call_rec", "miui"),
    Folder("MIUI/sound_recorder/call_rec2", "miui"),
    Folder("Recorder/call", "miui", ("miui", "meizu")),  # HyperOS's is only claimed
    Folder("sound_recorder/call_rec", "miui", ()),
    Folder("sound_recorder/call_rec2", "miui", ()),
    Folder("sound_recorder/callrecorder", "miui", ()),
    Folder("Sounds/CallRecord", "huawei"),
    Folder("record", "huawei", top=True, mixed=True),
    Folder("PhoneRecord", "huawei"),
    Folder("Music/Recordings/Call Recordings", "coloros"),
    Folder("Recordings/Call Recordings", "coloros"),
    Folder("Recordings/通话录音", "coloros"),
    Folder("Recordings/Record/Call", "vivo"),
    Folder("Record/Call", "vivo"),
    Folder("录音/通话录音", "vivo", ("coloros", "vivo")),
    Folder("Record/PhoneRecord", "oxygenos"),
    Folder("Recordings/TPhoneCallRecords", "skt"),
    Folder("Music/TPhoneCallRecords", "skt"),
    Folder("TPhoneCallRecords", "skt", ()),
    Folder(".TPhoneCallRecords", "skt", ()),
    Folder("Sound_recorder/Phone_recorder", "lenovo"),
    Folder("Sound_recorder/PhoneRecord", "lenovo"),
    Folder("Sound_recorder/PhoneRecorder", "lenovo", ()),
    Folder("Audios/VoiceCall", "lenovo"),
    Folder("Audio/Recorder/PhoneRecorder", "lenovo"),
    Folder("Music/Sound recorder/Phone recorder", "lenovo", ("motorola",)),
    Folder("Music/Sound_recorder/Phone_recorder", "lenovo", ("motorola",)),
    Folder("Music/Sound recorder/Phone_recorder", "lenovo", ("motorola",)),
    Folder("Music/Sound_recorder/Phone recorder", "lenovo", ("motorola",)),
    Folder("360OS/My Records/Call Records", None, ("360",)),
    Folder("My Records/Call Records", None, ("coolpad",)),
    Folder("CallRecord", None, ("zte", "coolpad", "lg")),
    Folder("voice", None, mixed=True, top=True),  # ZTE's, with its voice memos
    Folder("Recorder/remote", None, ("leeco",)),
    Folder("voicecall", "unisoc"),
    Folder("Android/media/com.android.dialer/voicecall", "unisoc"),
    # The dialers of other systems.
    Folder("Recordings/Call recordings", "lineageos", ("lineageos", "samsung")),
    Folder("Music/Call Recordings", "lineageos"),
    Folder("CallRecordings", "lineageos"),
    Folder("Recordings/CallRecordings", "grapheneos", ("lineageos", "grapheneos")),  # and crDroid
    # Recorder apps.
    Folder("Android/data/com.chiller3.bcr/files", "bcr"),
    Folder("com.chiller3.bcr/files", "bcr"),
    Folder("BCR", "bcr"),
    Folder("ShizuCallRecorder", "shizucallrecorder"),
    Folder("CallVault", "callvault"),
    Folder("CubeCallRecorder/All", "cube"),
    Folder("CubeCallRecorder", "cube"),
    Folder("Cube ACR", "cube"),
    Folder("ACRCalls/ACRPhone", "acr-phone"),
    Folder("ACR/ACRPhone", "acr-phone"),
    Folder("ACRPhone", "acr-phone"),
    Folder("ACRCalls", "acr"),
    Folder("Call Recorder", "axet"),
    Folder("data/adb/offhook/spool", "offhook", private=True),
)
_BY_END: defaultdict[str, list[Folder]] = defaultdict(list)
for _folder in FOLDERS:
    _BY_END[_folder.path.lower()].append(_folder)
#: Recorder apps that keep their files in a folder of their own package.
_PACKAGES = re.compile(
    r"com\.(?:kitsumed\.(shizucallrecorder)|baba\.(callvault))[^/]*", re.IGNORECASE
)
_VOLUME = re.compile(
    r"/(?:sdcard|mnt/sdcard|storage/self/primary|(?:storage/emulated|data/media)/(?P<user>\d+)"
    r"|(?:storage|mnt/media_rw)/(?P<card>[^/]+))(?:/|\Z)"
)
_DATA = re.compile(r"/data/(?:data|user(?:_de)?/(?P<user>\d+))/")


def below(path: str) -> tuple[str, str]:
    """Which storage of a phone a path lies in, and what is left of it below that.

    A storage has many paths on a phone, and here one name: ``user 0``, ``card 1A2B-3C4D``, an
    app's own data (``data 0``), or none.

    >>> below("/data/media/10/Call/a.m4a"), below("/sdcard/Call"), below("Recordings/Call")
    (('user 10', 'Call/a.m4a'), ('user 0', 'Call'), ('', 'Recordings/Call'))
    """
    if found := _VOLUME.match(path):
        card = found["card"]
        name = f"card {card}" if card else f"user {found['user'] or 0}"
        return name, path[found.end() :].strip("/")
    if found := _DATA.match(path):
        return f"data {found['user'] or 0}", path[found.end() :].strip("/")
    return "", path.strip("/")


def folder_at(path: str) -> Folder | None:
    """The row of a folder, by its path or the end of one; the longest that fits counts.

    Where rows differ in the case of their letters alone, as LineageOS's and ColorOS's do, it is
    the letters that tell; a spelling that is in neither row is told to be nobody's.
    """
    words = below(path)[1].split("/")
    for first in range(len(words)):
        end = "/".join(words[first:])
        rows = [row for row in _BY_END.get(end.lower(), ()) if not (row.top and first)]
        if len(rows) > 1:
            rows = [row for row in rows if row.path == end] or [
                Folder(end, None, tuple({row.recorder or "" for row in rows}))
            ]
        if rows:
            return rows[0]
    return None


def recorder_of(folder: str) -> str | None:
    """Whose folder it is, by its path or the end of one; or whose the folder is that it lies in."""
    folder = folder.replace("\\", "/").rstrip("/")
    for _ in range(_BELOW + 1):
        row = folder_at(folder)
        if row is not None:
            return row.recorder
        own = _PACKAGES.fullmatch(folder.rpartition("/")[2])
        if own is not None:
            return (own[1] or own[2]).lower()
        folder = folder.rpartition("/")[0]
    return None


@cache
def folders_of(dialer: str) -> tuple[str, ...]:
    """Where a dialer records, below shared storage; its newest version's folder first."""
    return tuple(row.path for row in FOLDERS if row.is_of(dialer) and not row.private)


@cache
def private_of(dialer: str) -> str | None:
    """The folder in an app's own data where a dialer records, for root."""
    rows = (row.path for row in FOLDERS if row.is_of(dialer) and row.private)
    return next((f"/data/data/{path}" for path in rows), None)
