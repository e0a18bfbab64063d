"""The recorder on a `host` lab phone: the real scripts, and a helper that only plays its part."""

from __future__ import annotations

import json
from typing import Any

from agent.capture.alsa.recorder import HOME, SCRIPTS
from agent.phone import scripts
from tests.lab.phone import LabPhone
from tests.offhook import wait_until

#: Records silence where the helper would record a call; ends by itself at its limit.
HELPER = r"""#!/system/bin/sh
print -r -- "$*" >>/data/adb/offhook/said
case $1 in capture) ;; *) print '{}'; exit 0 ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=$2 ;;
    --max-bytes) most=$2 ;;
    --journal) : >"$2" && undo=$2 ;;
  esac
  shift
done
: >"$out"
trap 'rm -f "$undo"; print "{\"ended\":\"signal\"}"; exit 0' TERM
read -r -n 1 go
size=0
while :; do
  head -c 500000 /dev/zero >>"$out"
  size=$((size + 500000))
  [ "$size" -lt "$most" ] || { print "{\"ended\":\"max-bytes\",\"bytes\":$size}"; exit 0; }
  sleep 0.1 &
  wait $!
done
"""

#: Waits that a test has no time for.
QUICK = {
    "events.sh": {
        "ALERT_MS=15000": "ALERT_MS=300",
        "LATE_MS=5000": "LATE_MS=300",
        "events_live 2000": "events_live 200",
    },
    "loop.sh": {'"$checked" 25000': '"$checked" 500'},
}


class Recorder:
    """The recorder at its place on a phone."""

    def __init__(self, phone: LabPhone) -> None:
        self.phone = phone

    def install(
        self,
        controls: str = "",
        quick: dict[str, dict[str, str]] | None = None,
        **config: object,
    ) -> None:
        """As `enable` does, but for the helper."""
        self.phone.root(f"umask 077; mkdir -p {HOME}/spool {HOME}/run")
        for name in SCRIPTS:
            text = scripts.script(name).decode()
            for old, new in {**QUICK.get(name, {}), **(quick or {}).get(name, {})}.items():
                assert old in text, (name, old)
                text = text.replace(old, new)
            self.phone.root(f"cat >{HOME}/{name}", input=text.encode())
        self.phone.root(f"cat >{HOME}/offhook-pcm; chmod 700 {HOME}/*", input=HELPER.encode())
        said = {"VERSION": "9.9", "CONSENT": "own-line DE DE", "LEGS": "downlink,uplink"} | config
        text = "".join(f"{key}={value}\n" for key, value in said.items())
        self.phone.root(f"cat >{HOME}/config", input=text.encode())
        self.phone.root(f"cat >{HOME}/controls", input=controls.encode())

    def do(self, word: str, *, path: str = "") -> str:
        """One of its commands; ``path`` stands before the phone's own programs."""
        return self.phone.root(f"PATH={path}:$PATH sh {HOME}/offhookd.sh {word}", timeout=60)

    def status(self) -> dict[str, str]:
        """What it says of itself."""
        return dict(line.partition("=")[::2] for line in self.do("status").splitlines())

    def state(self) -> str:
        """The state that it has written down."""
        said = self.phone.root(f"cat {HOME}/run/state 2>/dev/null; exit 0")
        return said.partition("state=")[2].partition("\n")[0]

    def until(self, state: str, timeout: float = 20) -> None:
        """Until it is in a state."""
        wait_until(lambda: self.state() == state, timeout)

    def sidecars(self) -> list[dict[str, Any]]:
        """The sidecars in its spool that stand beside a recording, oldest first."""
        said = self.phone.root(
            f"cd {HOME}/spool; for w in *.wav; do [ ! -e $w ] || cat ${{w%.wav}}.json; done; exit 0"
        )
        return sorted(map(json.loads, said.splitlines()), key=lambda car: int(car["started_ms"]))

    def log(self) -> str:
        """Its log."""
        return self.phone.root(f"cat {HOME}/run/log 2>/dev/null; exit 0")

    def processes(self, words: str) -> list[int]:
        """The processes whose command line has these words."""
        lines = self.phone.root("ps -A -o PID,ARGS").splitlines()
        return [int(line.split()[0]) for line in lines if words in line and "ps -A" not in line]

    def clear(self) -> None:
        """Nothing of it is left, whatever a test did."""
        self.phone.root(
            f"[ ! -f {HOME}/offhookd.sh ] || sh {HOME}/offhookd.sh stop; "
            f"rm -rf {HOME} /data/adb/modules/offhook /data/local/tmp/stand-ins; "
            "am force-stop com.android.shell; exit 0",
            timeout=60,
        )
