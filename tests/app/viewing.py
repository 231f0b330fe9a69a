"""Stand-ins for what the source viewer reads: a library with texts, and pages without a process."""

from __future__ import annotations

import threading
from pathlib import Path

from engine.errors import LibraryError, ViewerError
from engine.viewing.protocol import Box, Drawn, Located, Marks
from tests.app.fakes import FakeLibrary

LINE = Box(0.1, 0.70, 0.6, 0.72)
NEXT_LINE = Box(0.1, 0.72, 0.3, 0.74)
SNIPPET = "The warranty lasts 24 months."


class TextLibrary(FakeLibrary):
    """A library with texts; a form feed begins a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}

    def text(self, path: str, /) -> str:
        if path not in self.texts:
            raise LibraryError(f"{Path(path).name} is not in the library: add it first.")
        return self.texts[path]

    def page_of(self, path: str, offset: int, /) -> int | None:
        return self.texts[path].count("\f", 0, offset) + 1


class FakePages:
    """Draw white pages; `located` and `error` say what is found, `gate` holds the answers back while it is cleared."""

    def __init__(self) -> None:
        self.located = Located("whole", 1.0, (Marks(7, (LINE, NEXT_LINE)),), 9)
        self.error: ViewerError | None = None
        self.largest = 10_000
        self.drawn: list[tuple[int, int]] = []
        self.wanted: list[tuple[int, str, float]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def locate(self, path: str, page: int, snippet: str, position: float, /) -> Located:
        self.gate.wait()
        self.wanted.append((page, snippet, position))
        if self.error is not None:
            raise self.error
        return self.located

    def draw(self, path: str, page: int, width: int, /) -> Drawn:
        self.gate.wait()
        self.drawn.append((page, width))
        width = min(width, self.largest)
        return Drawn(page, 9, width, width * 3 // 2, b"\xff" * (width * (width * 3 // 2) * 4))

    def close(self) -> None:
        self.closed = True
        self.gate.set()
