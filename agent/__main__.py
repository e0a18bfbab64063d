"""``offhook``, and ``python -m agent``. Ctrl-C while the modules are still read ends it quietly."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast


def _without_arrays() -> None:
    """Import sqlite-utils without numpy and pandas: it looks whether they are there, for values
    that we never give it, and numpy alone takes a tenth of a second."""
    hidden = [name for name in ("numpy", "pandas") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = cast(ModuleType, None)  # as good as not installed
    try:
        import sqlite_utils  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]


def main() -> None:
    """Run ``offhook``; the process ends with an exit code of :mod:`agent.errors`."""
    try:
        _without_arrays()
        from agent.cli.main import run  # takes a third of a second

        code = run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
