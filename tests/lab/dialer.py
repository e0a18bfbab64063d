"""The stand-ins of dialers that record, on a lab phone; ``android/lab/dialer`` says what they do."""

from __future__ import annotations

from tests.lab.phone import LabPhone
from tests.lab.sounds import Hearing

#: kind -> its user, and where it records, as root sees it
KINDS = {
    "miui": (10074, "/data/media/0/MIUI/sound_recorder/call_rec"),
    "samsung": (10074, "/data/media/0/Recordings/Call"),
    "google": (10133, "/data/data/com.google.android.dialer/files/callrecording"),
    "lineageos": (10074, "/data/media/0/Recordings/Call recordings"),
}


class DialerStandIn(Hearing):
    """A dialer on a phone. ``start`` once; a call is recorded when its setting says so, or when
    the user told it to (``tell``)."""

    def __init__(self, phone: LabPhone, kind: str) -> None:
        super().__init__(phone, "/lab/state/dialer")
        self.kind = kind
        self.uid, self.folder = KINDS[kind]

    def start(self) -> None:
        """The dialer, which on a phone is always there."""
        self.phone.root(
            f"mkdir -p {self.home}/audio; chmod -R 777 {self.home}; umask 0; "
            f"setsid /lab/bin/as {self.uid}:{self.uid},1023 /system/bin/sh /lab/bin/dialer "
            f"{self.kind} </dev/null >/dev/null 2>> /lab/state/run/dialer.log & "
            f"until [ -e {self.home}/pid ]; do usleep 5000; done"
        )

    def stop(self) -> None:
        """No dialer any more."""
        self.phone.root(f"kill -9 $(cat {self.home}/pid) 2>/dev/null; rm -rf {self.home}; :")

    def tell(self, record: bool = True) -> None:
        """The user taps «record» in each call from now on, or does not."""
        self.phone.root(f"{'touch' if record else 'rm -f'} {self.home}/record")

    def knows(self, number: str, name: str) -> None:
        """Somebody is in the phone's contacts."""
        line = f"{number}={name}\n".encode()
        self.phone.root(f"cat >> {self.home}/contacts; chmod 666 {self.home}/contacts", input=line)

    def idle(self, timeout: float = 20) -> None:
        """Until nothing is being recorded, or the dialer is dead."""
        self.phone.root(
            f"while [ -d /proc/$(cat {self.home}/pid) ] && [ -e {self.home}/busy ]; "
            f"do usleep 20000; done; rm -f {self.home}/busy",
            timeout=timeout,
        )

    def files(self) -> list[str]:
        """The names in its folder, the hidden ones too."""
        return self.phone.root(f"ls -A '{self.folder}' 2>/dev/null; :").splitlines()
