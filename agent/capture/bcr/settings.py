"""BCR's file of preferences on a phone: found, read, and replaced while BCR does not run.

BCR keeps its preferences in memory and writes them whole, so it is ended before they are
changed: by its process id, as Android itself ends what it needs no more. Telecom starts it anew
with the next call. It is never ended in a call, nor while it still writes a recording.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from agent.capture.bcr import prefs
from agent.capture.bcr.prefs import PrefsError
from agent.errors import CaptureError, RemoteError
from agent.phone.packages import Package
from agent.phone.phone import Phone
from agent.text import shown

ID = "com.chiller3.bcr"
_NAME = f"shared_prefs/{ID}_preferences.xml"
#: Device-protected from 1.68 on, and in the app's own folder before.
DEVICE = f"/data/user_de/0/{ID}"
FOLDERS = (DEVICE, f"/data/data/{ID}")
DEFAULT = f"/data/media/0/Android/data/{ID}/files"

TWO_TAPS = (
    "On the phone, open BCR, and turn on «Call recording» and «Write metadata file» "
    "(hidden from the launcher, BCR opens by dialing *#*#227#*#*)."
)
_AGAIN = 3  # times that the file may change under our hands


@dataclass(frozen=True)
class Stored:
    """The file as it is: ``data`` is None where there is none. ``held``: a folder for it exists."""

    path: str
    data: bytes | None


def read(phone: Phone, package: Package) -> Stored:
    """Read the file; the one that Android would take, were it ended halfway through writing."""
    script = (
        f"for d in {' '.join(FOLDERS)}; do f=$d/{_NAME}; "
        '[ ! -f "$f.bak" ] || { echo "$f"; cat "$f.bak"; exit; }; '
        '[ ! -f "$f" ] || { echo "$f"; cat "$f"; exit; }; done'
    )
    done = phone.root.run(script).check("can't read BCR's settings")
    path, _, data = done.stdout.partition(b"\n")
    if path:
        return Stored(path.decode("ascii", "replace"), data)
    return Stored(f"{FOLDERS[_version(package) < (1, 68)]}/{_NAME}", None)


def has_folder(phone: Phone, package: Package) -> bool:
    """Whether there is a folder for it: not on a phone where BCR was never opened."""
    return phone.root.run(f"[ -d {_folder(phone, package)} ]").code == 0


def remove_folder(phone: Phone, package: Package) -> None:
    """Remove that folder, if nothing is in it."""
    phone.root.run(f"rmdir {_folder(phone, package)} 2>/dev/null")


def _folder(phone: Phone, package: Package) -> str:
    return shlex.quote(read(phone, package).path.rpartition("/")[0])


def sweep(phone: Phone) -> None:
    """Remove what a change that was killed halfway has left beside the file."""
    phone.root.run(f"rm -f {' '.join(f'{folder}/{_NAME}.offhook' for folder in FOLDERS)}")


def read_entries(phone: Phone, package: Package) -> dict[str, prefs.Entry]:
    """What is in the file; nothing where there is none. CaptureError when it makes no sense."""
    data = read(phone, package).data
    try:
        return {} if data is None else prefs.parse(data)
    except PrefsError as error:
        raise unreadable(phone, error) from error


def unreadable(phone: Phone, error: PrefsError) -> CaptureError:
    """Settings that can't be changed from here."""
    return CaptureError(
        f"BCR's settings on {phone.facts.name} can't be changed from here: {shown(str(error))}",
        hint=TWO_TAPS,
    )


def replace(phone: Phone, package: Package, edit: Callable[[bytes], bytes | None]) -> bytes | None:
    """Have the file changed by ``edit`` (None: no file), with BCR ended; the new content.

    Owner, mode and SELinux label stay; where there was no file, they are its folder's. It is
    read back. CaptureError in a call, or when the file can't be replaced.
    """
    for _ in range(_AGAIN):
        stored = read(phone, package)
        old = prefs.EMPTY if stored.data is None else stored.data
        try:
            new = edit(old)
        except PrefsError as error:
            raise unreadable(phone, error) from error
        if new == stored.data or (stored.data is None and new == old):
            return new
        done = phone.root.run(_script(stored, package, new), data=new or b"", timeout=90)
        if done.code == _CALL:
            raise CaptureError(
                f"a call is on at {phone.facts.name}, and BCR may not be ended in a call",
                hint="Hang up, then try again.",
            )
        if done.code == _BUSY:
            raise CaptureError(
                f"BCR still writes a recording on {phone.facts.name}",
                hint="Try again in a minute.",
            )
        if done.code == _CHANGED:
            continue
        try:
            done.check("can't write BCR's settings")
        except RemoteError as error:
            raise CaptureError(error.message, hint=TWO_TAPS) from error
        if read(phone, package).data != new:
            raise CaptureError(
                f"BCR's settings on {phone.facts.name} do not stay as they were written",
                hint=TWO_TAPS,
            )
        return new
    raise CaptureError(
        f"BCR's settings on {phone.facts.name} change all the time", hint="Close BCR, try again."
    )


def _version(package: Package) -> tuple[int, int]:
    numbers = [int(word) for word in package.version.lstrip("v").split(".")[:2] if word.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (99, 0)


_CHANGED, _CALL, _BUSY = 76, 75, 74

# Exit codes as above. The new content comes on standard input, and is in place in one step.
_REPLACE = r"""
umask 077
new=$f.offhook
dir=${f%/*}
made=
calling() { dumpsys telephony.registry | grep -q 'mCallState=[12]'; }
running() {
	for p in $(pidof "$package"); do
		[ "$(stat -c %u "/proc/$p" 2>/dev/null)" = "$uid" ] && echo "$p"
	done
}
# A recording is being written or moved: a file of it is open, or its log is fresh.
writing() {
	for p in $(running); do
		ls -l "/proc/$p/fd" 2>/dev/null
		for child in $(pgrep -P "$p" 2>/dev/null); do ls -l "/proc/$child/fd" 2>/dev/null; done
	done | grep -q "/$package/files/" && return 0
	[ -n "$(running)" ] || return 1
	find "$logs" "$boot" -name '*.log.txt' 2>/dev/null | while IFS= read -r log; do
		changed=$(stat -c %Y "$log" 2>/dev/null) || continue
		[ $(($(date +%s) - changed)) -ge 10 ] || [ -f "${log%.log.txt}.json" ] || echo "$log"
	done | grep -q .
}
give_up() {
	rm -f "$new"
	[ -z "$made" ] || rmdir "$dir"
	exit "$1"
}
end() {
	for p in $(running); do
		kill -9 "$p" 2>/dev/null
		n=0
		while [ -d "/proc/$p" ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
	done
}
if [ ! -d "$dir" ]; then
	[ -d "${dir%/*}" ] || exit 1
	mkdir -m 771 "$dir" && chown "$uid:$uid" "$dir" || exit 1
	restorecon "$dir" 2>/dev/null
	made=1
fi
cat > "$new" || give_up 1
like=$f
[ -f "$like" ] || like=$dir
if [ -f "$f" ]; then
	chown "$(stat -c %u:%g "$f")" "$new" && chmod "$(stat -c %a "$f")" "$new" || give_up 1
else
	chown "$uid:$uid" "$new" && chmod 660 "$new" || give_up 1
fi
label=$(stat -c %C "$like" 2>/dev/null)
case $label in
*:*:*) chcon "$label" "$new" || restorecon "$new" || give_up 1 ;;
esac
fsync "$new" 2>/dev/null || sync
n=0
while calling && give_up 75; writing; do
	[ $n -lt 40 ] || give_up 74
	sleep 0.5
	n=$((n + 1))
done
end
# Android takes the backup where there is one: then writing was cut off.
if [ -f "$f.bak" ]; then mv -f "$f.bak" "$f"; fi
if [ -f "$f" ]; then now=$(sha256sum < "$f"); else now=none; fi
case $now in
"$old"*) ;;
*) give_up 76 ;;
esac
if [ -n "$gone" ]; then rm -f "$f" "$new"; else mv -f "$new" "$f" || give_up 1; fi
# Who began meanwhile has the old ones in memory.
if ! calling; then end; fi
"""


def _script(stored: Stored, package: Package, new: bytes | None) -> str:
    old = "none" if stored.data is None else hashlib.sha256(stored.data).hexdigest()
    names = {
        "f": stored.path,
        "package": ID,
        "uid": str(package.uid),
        "old": old,
        "gone": "1" if new is None else "",
        "logs": DEFAULT,
        "boot": f"{DEVICE}/files/in_progress",
    }
    return "\n".join(f"{k}={shlex.quote(v)}" for k, v in names.items()) + _REPLACE
