"""One process at a time changes the library: the window and a command may run side by side."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import LibraryError

__all__ = ["Turn"]

PATIENCE_S = 10.0
"""A program that was just killed leaves its library process behind for about two seconds."""


class Turn:
    """The right to change the library: SQLite's lock of a file, which ends with the process, however that ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._holders = 0

    def take(self) -> Iterator[None]:
        """Take the turn, or take it once more; yields while another process has it, and raises LibraryError at last."""
        if self._connection is None:
            deadline = time.monotonic() + PATIENCE_S
            while not self._try():
                if time.monotonic() > deadline:
                    raise LibraryError(
                        "Another copy of Hola is changing the library: wait until it is done, then try again."
                    )
                yield
        self._holders += 1

    def release(self) -> None:
        """Give back what `take` took, each time."""
        self._holders -= 1
        if not self._holders and self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(self) -> bool:
        connection = None
        try:
            connection = sqlite3.connect(self._file, timeout=0.0, isolation_level=None, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as exc:
            if connection is not None:
                connection.close()
            if "locked" in str(exc):
                return False
            raise LibraryError(f"The library can't be written ({exc}): check the folder {self._file.parent}.") from exc
        self._connection = connection
        return True
