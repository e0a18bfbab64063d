"""A test that root runs, as another user would: what is read-only can't be written."""

from __future__ import annotations

import ctypes
import os

_VERSION = 0x20080522
_DAC = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def become_ordinary() -> None:
    """Give up root's right to read and write whatever a file's mode says, for this process and
    what it forks. Nothing to do for others."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; and of the upper half
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for number in range(3):
        sets[number] &= ~_DAC
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
