"""Everything on a lab phone that could differ, taken as root past adb: to compare, not to assume.

A snapshot is a dictionary of sections, each name -> value:

    files          path -> "type mode uid:gid size sha256" (a link: its target)
    settings       "space name" -> value
    properties     name -> value
    notifications  key -> title and text
    processes      command line -> how many (the snapshot's own are left out)
    mounts         mount point -> what, type
    selinux        "mode" -> Enforcing or Permissive
    mixer          control -> value; empty where there is no sound card
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.lab.errors import LabError

Snapshot = dict[str, dict[str, str]]

# What is Debian's, the kernel's or the lab's own. /storage/emulated is a view of /data/media.
_PRUNED = ("proc", "sys", "usr", "boot", "lab", "storage/emulated", "dev/pts", "root")
_PRUNE = " -o ".join(f"-path /{name}" for name in _PRUNED)
_FILES = rf"""
cd /lab/state/run
find / \( {_PRUNE} \) -prune -o -printf '%M %m %U:%G %s %l\0%p\0'
echo --
find / \( {_PRUNE} \) -prune -o -type f -print0 > snapshot.$$
cat snapshot.$$
echo --
xargs -0 sha256sum -b < snapshot.$$
rm -f snapshot.$$
"""
_STATE = r"""
for space in system secure global; do
	while IFS= read -r line; do print -r -- "setting $space $line"; done < /lab/state/sys/settings.$space
done
while IFS= read -r line; do print -r -- "property $line"; done < /lab/state/sys/props
while read -r what where type rest; do print -r -- "mount $where=$what $type"; done < /proc/mounts
print "selinux mode=$(cat /lab/state/sys/enforce)"
"""
_NOTIFICATIONS = r"""
for folder in /lab/state/notifications/*/; do
	[ -r "$folder/key" ] || continue
	for part in key title text snoozed; do
		[ ! -r "$folder/$part" ] || cat "$folder/$part"
		printf '\0'
	done
done
"""
# The shell that asks, its parent (within) and what it starts are the snapshot's own. A program for
# each process would cost an emulated phone two seconds.
_PROCESSES = r"""
for folder in /proc/+([0-9]); do
	pid=${folder#/proc/}
	[ $pid != $$ ] && [ $pid != $PPID ] || continue
	IFS= read -r stat < $folder/stat || continue
	stat=${stat##*\) }
	set -- $stat
	[ "$2" != $$ ] || continue
	line= word=
	while IFS= read -r -d '' word; do line="$line$word "; done < $folder/cmdline
	line=$line$word
	print -r -- "${line//[$'\n']/ }"
done 2>/dev/null
"""


def take(root: Callable[..., str], mixer: dict[str, str]) -> Snapshot:
    """A snapshot of the phone that ``root`` runs scripts on."""
    sections: Snapshot = {"settings": {}, "properties": {}, "mounts": {}, "selinux": {}}
    homes = {"setting": "settings", "property": "properties", "mount": "mounts"}
    for line in root(_STATE).splitlines():
        kind, _, rest = line.partition(" ")
        name, _, value = rest.partition("=")
        sections[homes.get(kind, kind)][name] = value
    words = root(_NOTIFICATIONS).split("\0")
    sections["notifications"] = {
        words[i].rstrip("\n"): " / ".join(w.rstrip("\n") for w in words[i + 1 : i + 4])
        for i in range(0, len(words) - 3, 4)
    }
    lines = [line.strip() for line in root(_PROCESSES).splitlines()]
    sections["processes"] = {n: str(c) for n, c in Counter(filter(None, lines)).items()}
    sections["files"] = _files(root)
    sections["mixer"] = mixer
    return sections


def _files(root: Callable[..., str]) -> dict[str, str]:
    for _ in range(5):  # a file that goes while we look makes us look again
        listing, names, hashes = root(_FILES, timeout=120).split("--\n", 2)
        hashed = dict(zip(names.split("\0")[:-1], hashes.splitlines(), strict=False))
        if names.count("\0") == len(hashes.splitlines()):
            break
    else:
        raise LabError("the phone's files would not hold still")
    words = listing.split("\0")
    found = {}
    for about, path in zip(words[::2], words[1::2], strict=False):
        kind_mode, mode, owner, size, target = about.split(" ", 4)
        kind = kind_mode[0]
        if kind == "-":
            found[path] = f"file {mode} {owner} {size} {hashed.get(path, '?')}"
        elif kind == "l":
            found[path] = f"link {owner} -> {target}"
        else:
            found[path] = f"{'folder' if kind == 'd' else kind} {mode} {owner}"
    return found


def diff(before: Snapshot, after: Snapshot) -> list[str]:
    """What is not the same any more, a line each; empty when all of it is."""
    lines = []
    for section in sorted(before.keys() | after.keys()):
        old, new = before.get(section, {}), after.get(section, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name):
                continue
            if name not in new:
                lines.append(f"{section}: - {name!r} (was {old[name]!r})")
            elif name not in old:
                lines.append(f"{section}: + {name!r} ({new[name]!r})")
            else:
                lines.append(f"{section}: {name!r}: {old[name]!r} -> {new[name]!r}")
    return lines
