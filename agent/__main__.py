"""``offhook``, and ``python -m agent``. Ctrl-C while the modules are still read ends it quietly."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``offhook``; the process ends with an exit code of :mod:`agent.errors`."""
    try:
        from agent.cli.main import run  # takes half a second

        code = run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
