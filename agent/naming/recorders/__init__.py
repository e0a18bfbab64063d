"""How recorders name their files: a table of parsers, the most particular form first.

A parser knows one form. It reads from the right, where the recorder's own words stand, because
what a contact is called can look like anything. It returns None for another's form.
"""

from __future__ import annotations

from agent.naming.draft import Draft, Parser, Refused
from agent.naming.recorders import apps, bcr, cube, dialers, generic, miui, samsung
from agent.naming.text import Name

#: In this order: a form that says who wrote it before one that others share. With each, how many
#: digits a name of this form can end in, where that is fixed: it spares most of the looking.
PARSERS: tuple[tuple[Parser, frozenset[int] | None], ...] = (
    (bcr.dated, None),
    (cube.arrows, None),
    (cube.source_first, None),
    (apps.acr, None),
    (apps.acr_phone, frozenset({10, 13})),
    (apps.number_code_epoch, frozenset({10, 13})),
    (dialers.unisoc, frozenset({17})),
    (apps.true_phone, frozenset({0})),
    (dialers.grapheneos, None),
    (dialers.lenovo, frozenset({0})),
    (dialers.lineageos, frozenset({9})),
    (dialers.harmonyos, frozenset({14})),
    (miui.bracketed, frozenset({14})),
    (dialers.huawei, frozenset({14})),
    (dialers.seventeen, frozenset({17})),
    (dialers.vivo, frozenset({2})),
    (apps.axet, None),
    (samsung.dialer, frozenset({4, 6})),
    (dialers.fourteen, frozenset({14})),
    (dialers.oxygenos, frozenset({14})),
    (dialers.coloros, frozenset({10})),
    (apps.axet_epoch, None),
    (dialers.without_time, None),
    (generic.tokens, None),
)


def read(name: Name) -> Draft | Refused | None:
    """What the first parser says that knows the name's form; None if none does."""
    digits = len(name.folded) - len(name.folded.rstrip("0123456789"))
    for parse, ends in PARSERS:
        if (ends is None or digits in ends) and (found := parse(name)) is not None:
            return found
    return None
