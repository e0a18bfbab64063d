"""What a folder is judged by, but for what the phone says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from agent import __version__
from agent.naming import Pattern
from agent.phone.files import Source
from agent.sync.settled import Rules

_AGENT = Path(__file__).parent.parent
_JUDGES = ("naming", "sync")  # the packages whose code judges


def basis_of(source: Source, kin: Iterable[Source], rules: Rules, own: Iterable[Pattern]) -> bytes:
    """A hash of it. Who has another Offhook, looks at other folders of the recorder as well
    (``kin``), or has ``own`` patterns of names, may see more in the same files."""
    names = [(one.recorder, one.text, one.folder, one.suffix) for one in own]
    where = (source.path, source.root, source.atomic, source.recorder, source.route)
    what = (sorted(source.traits), sorted(source.left))
    beside = sorted((one.name, one.path) for one in kin)
    said = repr((_code(), rules, names, where, what, beside))
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).digest()


@cache
def _code() -> str:
    """A hash of what judges: of a checkout, the version alone does not tell."""
    digest = hashlib.sha256(__version__.encode())
    for package in _JUDGES:
        for path in sorted((_AGENT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
