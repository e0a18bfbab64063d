"""The stand-in of BCR on a lab phone: started, given something to hear, and asked what it made.

BCR itself can't run there; ``android/lab/bcr`` says what the stand-in does.
"""

from __future__ import annotations

import io
import zipfile

from tests.lab.phone import LabPhone
from tests.lab.sounds import Hearing

ID = "com.chiller3.bcr"
UID = 10215
PREFS = f"/data/user_de/0/{ID}/shared_prefs/{ID}_preferences.xml"
OWN = f"/data/media/0/Android/data/{ID}/files"


class StandIn(Hearing):
    """BCR on a phone that has it. ``start`` once; a call is recorded when its settings say so."""

    def __init__(self, phone: LabPhone) -> None:
        super().__init__(phone, "/lab/state/bcr")

    def start(self) -> None:
        """Telecom, which starts the app when a call begins."""
        self.phone.root(
            "mkdir -p /lab/state/bcr/audio; chmod -R 777 /lab/state/bcr; umask 0; "
            "setsid /lab/bin/bcr telecom </dev/null >/dev/null 2>&1 & echo $! > /lab/state/bcr.pid"
        )

    def stop(self) -> None:
        """No more Telecom, and the app with it; returns when neither has a process left."""
        self.phone.root(
            f"kill -9 -$(cat /lab/state/bcr.pid) $(pidof {ID}); "
            f"while kill -0 -$(cat /lab/state/bcr.pid) || pidof {ID}; do usleep 5000; done "
            ">/dev/null 2>&1; rm -f /lab/state/bcr.pid; :"
        )

    def idle(self, timeout: float = 20) -> None:
        """Until nothing is being recorded or moved, or the app is dead."""
        self.phone.root(
            f"while pidof {ID} >/dev/null && [ -e /lab/state/bcr/busy ]; do usleep 20000; done; "
            "rm -f /lab/state/bcr/busy",
            timeout=timeout,
        )

    def settings(self, **values: str | bool | int) -> None:
        """The settings as Android would write them, and BCR not running."""
        lines = []
        for name, value in values.items():
            if isinstance(value, bool):
                lines.append(f'<boolean name="{name}" value="{str(value).lower()}" />')
            elif isinstance(value, int):
                lines.append(f'<int name="{name}" value="{value}" />')
            else:
                lines.append(f'<string name="{name}">{value}</string>')
        body = "".join(f"    {line}\n" for line in lines)
        text = f"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<map>\n{body}</map>\n"
        folder = PREFS.rpartition("/")[0]
        self.phone.root(
            f"kill -9 $(pidof {ID}) 2>/dev/null; mkdir -p {folder}; cat > {PREFS}; "
            f"chown -R {UID}:{UID} {folder}; chmod 771 {folder}; chmod 660 {PREFS}",
            input=text.encode(),
        )

    def prefs(self) -> str:
        """The settings as they are; empty where there is no file."""
        return self.phone.root(f"cat {PREFS} 2>/dev/null; :")

    def allowed(self) -> str:
        """What Android allows it."""
        return self.phone.root(
            f"dumpsys package {ID}; cmd appops get {ID} RECORD_AUDIO; cmd deviceidle whitelist"
        )


def module_zip(*, name: str = ID, version: str = "v3.7", apk: bytes = b"PK\x03\x04...") -> bytes:
    """A zip with the files of BCR's module; none of them is BCR's."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(
            "module.prop", f"id={name}\nname=BCR\nversion={version}\nversionCode=198400\n"
        )
        file.writestr(f"system/priv-app/{ID}/app-release.apk", apk)
        file.writestr(f"system/etc/permissions/privapp-permissions-{ID}.xml", "<permissions/>")
        file.writestr("META-INF/com/google/android/update-binary", "#!/sbin/sh\n")
    return out.getvalue()
