"""What the law of a place asks of who records their own calls: a table, and no legal advice.

Each row has its source and date; what the lists differ on, what nobody verified and what is not
in the table is taken from the strict side. :data:`VERSION` changes with every row that does.
"""

from __future__ import annotations

from dataclasses import replace

from agent.capture.law.america import ROWS as _AMERICA
from agent.capture.law.codes import COUNTRIES, PARTS, checked, name_of
from agent.capture.law.rule import Kind, Rule
from agent.capture.law.world import ROWS as _WORLD

#: The table's version, kept with each recording.
VERSION = "2026.1"

#: Every row, by its code.
RULES: dict[str, Rule] = {
    rule.code: rule for rule in sorted((*_AMERICA, *_WORLD), key=lambda r: r.code)
}

NOT_ADVICE = "This is a table, not legal advice: ask somebody who knows the law of both ends."


def rule_of(code: str) -> Rule:
    """The rule of a place, whose code is checked (ConsentError).

    The country's, where its part has none of its own; a row that says so where there is neither.
    """
    code = checked(code)
    country = code[:2]
    if code in RULES:
        return RULES[code]
    # Federal law alone does not say what a state or territory asks for.
    if country in RULES and RULES[country].kind != "unknown":
        return replace(RULES[country], code=code)
    return Rule(
        code,
        "unknown",
        "It is not in the table: nothing is known here of its law.",
        "none",
        VERSION,
        verified=False,
    )


__all__ = [
    "COUNTRIES",
    "NOT_ADVICE",
    "PARTS",
    "RULES",
    "VERSION",
    "Kind",
    "Rule",
    "checked",
    "name_of",
    "rule_of",
]
