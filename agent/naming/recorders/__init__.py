"""How recorders name their files: a table of parsers, the most particular form first.

A parser knows one form. It reads from the right, where the recorder's own words stand, because
what a contact is called can look like anything. It returns None for another's form.
"""

from __future__ import annotations

from functools import lru_cache

from agent.naming.draft import Draft, Parser, Refused
from agent.naming.recorders import apps, bcr, cube, dialers, miui, own, samsung
from agent.naming.text import Name

_ANY = frozenset(range(256))
_14 = frozenset({14})
_DIGIT = frozenset("0123456789")

#: In this order: a form that says who wrote it before one that others share. With each, how many
#: digits a name of this form can end in, and whether it begins with one: that spares most looks.
PARSERS: tuple[tuple[Parser, frozenset[int], bool], ...] = (
    (own.archived, _ANY, True),
    (bcr.dated, _ANY, False),
    (cube.arrows, _ANY, True),
    (cube.source_first, _ANY, False),
    (apps.acr, _ANY, True),
    (apps.acr_phone, frozenset({10, 13}), False),
    (apps.number_code_epoch, frozenset({10, 13}), False),
    (dialers.unisoc, frozenset({17}), False),
    (apps.true_phone, frozenset({0}), False),
    (dialers.grapheneos, _ANY, False),
    (dialers.lenovo, frozenset({0}), False),
    (dialers.lineageos, frozenset({9}), False),
    (dialers.harmonyos, _14, False),
    (miui.bracketed, _14, False),
    (dialers.huawei, _14, False),
    (dialers.seventeen, frozenset({17}), False),
    (apps.axet, _ANY, True),
    (dialers.vivo, frozenset({2}), False),
    (samsung.dialer, frozenset({4, 6}), False),
    (dialers.fourteen, _14, False),
    (dialers.oxygenos, _14, False),
    (dialers.coloros, frozenset({10}), False),
    (apps.axet_epoch, _ANY, True),
    (dialers.without_time, _ANY, False),
)


@lru_cache(maxsize=512)
def _fitting(digits: int, begins: bool) -> tuple[Parser, ...]:
    return tuple(
        parse for parse, ends, first in PARSERS if digits in ends and (begins or not first)
    )


def read(name: Name) -> Draft | Refused | None:
    """What the first parser says that knows the name's form; None if none does.

    Then there is :func:`agent.naming.recorders.generic.tokens`.
    """
    text = name.folded
    digits = len(text) - len(text.rstrip("0123456789"))
    for parse in _fitting(min(digits, 255), text[:1] in _DIGIT):
        found = parse(name)
        if found is not None:
            return found
    return None
