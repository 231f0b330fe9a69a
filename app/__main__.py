"""Start Hola: the window, or a command."""

from __future__ import annotations

import multiprocessing
import sys

__all__ = ["main"]


def main() -> int:
    """Open the window if no command is given (Qt's own options are none); return the exit code.

    Child processes import this module again, so it loads nothing by itself.
    """
    multiprocessing.freeze_support()
    arguments = sys.argv[1:]
    if not arguments or _is_qt_option(arguments[0]):
        from app.application import open_window

        return open_window(sys.argv)
    from app.cli import app

    app()
    return 0


def _is_qt_option(argument: str) -> bool:
    """Return whether an argument is written as Qt writes its own: one dash, then a word."""
    return argument.startswith("-") and not argument.startswith("--") and len(argument) > 2


if __name__ == "__main__":
    sys.exit(main())
