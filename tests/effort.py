"""How much work something is, whatever computer it runs on and who else has it."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRIES = 3


def effort(work: Callable[[], object]) -> float:
    """The processor time of ``work``, where a million steps of a plain loop are 1; the least of
    three tries, since another process may slow either down."""
    return min(_once(work) for _ in range(_TRIES))


def _once(work: Callable[[], object]) -> float:
    before = _took(_plain)
    took = _took(work)
    return took / max(before, _took(_plain))


def _plain() -> int:
    return sum(n * n for n in range(1_000_000))


def _took(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
