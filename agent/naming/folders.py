"""Folders, and which recorder's they are (source: facts of devices, apps and ROMs).

A folder makes a reading surer and tells apart recorders that name alike; no name needs one.
"""

from __future__ import annotations

import re

#: The end of a folder's path, in lower case, and whose it is; the first that fits counts.
_FOLDERS = tuple(
    (re.compile(rf"(?:\A|/)(?:{path})(?:/[^/]+){{0,4}}\Z"), recorder)
    for path, recorder in (
        (r"com\.google\.android\.dialer/files/callrecordings?", "google"),
        (r"com\.chiller3\.bcr/files|bcr", "bcr"),
        (r"com\.kitsumed\.shizucallrecorder[^/]*|shizucallrecorder", "shizucallrecorder"),
        (r"callvault|com\.baba\.callvault[^/]*", "callvault"),
        (r"data/adb/offhook/spool", "offhook"),
        (r"cubecallrecorder|cube acr", "cube"),
        (r"acrcalls/acrphone|acr/acrphone|acrphone", "acr-phone"),
        (r"acrcalls", "acr"),
        (r"(?:miui/)?sound_recorder/call[_ ]?rec(?:2|order)?|recorder/call", "miui"),
        (r"\.?tphonecallrecords", "skt"),
        (r"sounds/callrecord", "huawei"),
        (r"record/phonerecord", "oxygenos"),
        (r"music/recordings/call recordings|recordings/call recordings/thirdrecord", "coloros"),
        (r"recordings/通话录音", "coloros"),
        (r"(?:recordings/)?record/call|录音/通话录音", "vivo"),
        (r"sound_recorder/phone_?record(?:er)?", "lenovo"),
        (r"recordings/callrecordings", "grapheneos"),
        (r"music/call recordings|callrecordings", "lineageos"),
        (r"recordings/call", "samsung"),
        (r"voicecall", "unisoc"),
        (r"call recorder", "axet"),
        (r"record", "huawei"),
    )
)
# Two recorders share it but for its case: Lineage writes «Call recordings».
_SHARED = re.compile(r"(?:\A|/)Recordings/Call (r|R)ecordings(?:/[^/]+){0,2}\Z")


def recorder_of(folder: str) -> str | None:
    """Whose folder it is, by its path or the end of one."""
    folder = folder.strip("/").replace("\\", "/")
    if not folder:
        return None
    if shared := _SHARED.search(folder):
        return "lineageos" if shared[1] == "r" else "coloros"
    lower = folder.lower()
    return next((recorder for path, recorder in _FOLDERS if path.search(lower)), None)
