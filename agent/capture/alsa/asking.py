"""What a phone's own files say of its sound: its chip's names, and its audio HAL's XML.

Asked only where the kernel does not say enough, and never the truth: see ``hints``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from agent.capture.alsa.hints import Hints, XmlError, XmlFile, chips, parse_xml
from agent.capture.alsa.plan import plan, wants_hints, wants_xml
from agent.capture.route import Sound, Verdict
from agent.errors import RemoteError, RootError
from agent.phone.facts import parse_getprop
from agent.phone.phone import Phone

#: Where makers keep the files that their audio HAL reads, and what they call them.
FOLDERS = (
    "/vendor/etc",
    "/odm/etc",
    "/system/etc",
    "/product/etc",
    "/system/vendor/etc",
    "/my_product/etc",
)
NAMES = (
    "*mixer_paths*.xml",
    "*audio_platform_info*.xml",
    "audio_platform_configuration*.xml",
    "audio_device*.xml",
    "card-defs*.xml",
    "resourcemanager*.xml",
    "usecaseKvManager*.xml",
)
_MAX_FILE_KB = 1024
_MAX_FILES = 60


def verdict_on(phone: Phone, sound: Sound) -> Verdict:
    """The ``alsa`` route's verdict on a live phone; its files are read where that can matter."""
    seen = (sound.controls, sound.cards, sound.pcms)
    verdict = plan(*seen)
    if not sound.cards or not wants_hints(verdict):
        return verdict
    names = chips(parse_getprop(phone.run("getprop").text))
    verdict = plan(*seen, Hints(names))
    if not wants_xml(verdict):
        return verdict
    return plan(*seen, Hints(names, tuple(_parsed(read_xml(phone)))))


def read_xml(phone: Phone) -> list[tuple[str, str]]:
    """Path and text of each such file, as root; none where they can't be read."""
    names = " -o ".join(f"-name {shlex.quote(name)}" for name in NAMES)
    # Some folders are links to others, and some toyboxes' find can't tell a size.
    script = (
        f'set --; for d in {shlex.join(FOLDERS)}; do [ ! -d $d ] || set -- "$@" $d; done; '
        f'[ $# -gt 0 ] || exit 0; find -H "$@" -maxdepth 4 -type f \\( {names} \\) 2>/dev/null | sort | '
        f"head -n {_MAX_FILES} | while IFS= read -r file; do "
        f'size=$(stat -c %s "$file") && [ $size -le {_MAX_FILE_KB << 10} ] || continue; '
        'echo "$size $file"; cat "$file"; echo; done'
    )
    try:
        said = phone.root.run(script, timeout=60).stdout
    except (RemoteError, RootError):
        return []
    return list(_cut(said))


def _cut(said: bytes) -> Iterator[tuple[str, str]]:
    """Of ``SIZE PATH``, a newline, so many bytes and a newline, again and again; once a file."""
    seen = set()
    while said:
        head, _, rest = said.partition(b"\n")
        size, _, path = head.decode("utf-8", "replace").partition(" ")
        if not size.isdecimal() or len(size) > 8 or len(rest) < int(size):
            return
        body, said = rest[: int(size)], rest[int(size) + 1 :]
        if body not in seen:
            seen.add(body)
            yield path, body.decode("utf-8", "replace")


def _parsed(files: list[tuple[str, str]]) -> Iterator[XmlFile]:
    for path, text in files:
        try:
            yield parse_xml(path.rpartition("/")[2], text)
        except XmlError:
            continue
