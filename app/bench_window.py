"""Measure whether anything ever blocks the window: answers stream and documents index while a timer watches."""

from __future__ import annotations

import itertools
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEventLoop, QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from app.bench import screen
from app.turn import TurnState
from app.window import MainWindow
from engine.errors import HolaError

__all__ = ["Load", "blocks", "percentile", "responsiveness", "write_documents"]

RUN_S = 20.0
LONGEST_WAIT_S = 120.0
TICK_MS = 1
DOCUMENTS = 300
PARAGRAPHS = 40
SUBJECTS = ("river", "workshop", "harbour", "garden", "library", "bakery", "railway", "orchard", "market", "mill")
VERBS = ("opens", "closes", "moves", "grows", "waits", "changes", "returns", "gathers", "empties", "rests")
PLACES = ("behind the hill", "by the old bridge", "near the station", "under the tower", "along the canal")
QUESTION = "Tell me a long story about a river, a bridge and a mill."


def responsiveness(seconds: float = RUN_S) -> dict[str, Any]:
    """Stream answers while documents index in the real window; return how long its event loop was kept waiting.

    A timer of one millisecond runs in the window's thread; what passes beyond that between two ticks is a block.

    Returns:
        `gui_block_max_ms`, `gui_block_p99_ms`: longest block and 99th percentile.
        `answers`, `answer_tokens`, `changes`: questions answered, tokens streamed and changes of documents meanwhile.
        `gui_rss_mb`: resident memory of the process at the end, in MiB (the command line is part of it).
    """
    import psutil

    from app.paths import engine_config

    os.environ.update(screen())
    application = QApplication.instance() or QApplication(["hola"])
    with tempfile.TemporaryDirectory(prefix="hola-bench-", ignore_cleanup_errors=True) as folder:
        documents = Path(folder) / "documents"
        write_documents(documents, DOCUMENTS)
        window = MainWindow(engine_config(Path(folder) / "data"))
        window.show()
        try:
            load = Load(window)
            load.run(documents, seconds)
        finally:
            window.close()
            QCoreApplication.processEvents()
    late = blocks(load.ticks, TICK_MS)
    del window, application
    return {
        "gui_block_max_ms": max(late),
        "gui_block_p99_ms": percentile(late, 0.99),
        "answers": load.answers,
        "answer_tokens": load.tokens,
        "changes": load.changes,
        "gui_rss_mb": psutil.Process().memory_info().rss / 2**20,
    }


def write_documents(folder: Path, count: int) -> None:
    """Write so many Markdown files of plain sentences, no two alike."""
    folder.mkdir(parents=True)
    for number in range(count):
        lines = [f"# Report {number}", ""]
        for place in range(PARAGRAPHS):
            seed = number * 31 + place * 7
            sentences = [
                f"The {SUBJECTS[(seed + word) % len(SUBJECTS)]} {VERBS[(seed // 3 + word) % len(VERBS)]} "
                f"{PLACES[(seed // 5 + word) % len(PLACES)]} at {(seed + word) % 24} o'clock on day {seed + word}."
                for word in range(4)
            ]
            lines += [" ".join(sentences), ""]
        (folder / f"report {number:03d}.md").write_text("\n".join(lines), "utf-8")


def blocks(ticks: Sequence[float], interval_ms: float) -> list[float]:
    """Return by how many milliseconds each tick came late; `ticks` in seconds of a monotonic clock."""
    gaps = ((later - earlier) * 1000 - interval_ms for earlier, later in itertools.pairwise(ticks))
    return [max(0.0, gap) for gap in gaps]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least this share of them does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


class Load(QObject):
    """Ask one question after the other and index documents in a window, and note when its thread is free."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self.ticks: list[float] = []
        self.answers = 0
        self.tokens = 0
        self.changes = 0
        self._window = window
        self._ending = False
        self._error = ""
        # After the window's own slots: when these run, the composer is ready again.
        window.conversation.tokens_arrived.connect(self.on_tokens)
        window.conversation.ended.connect(self.on_ended)
        window.conversation.trouble.connect(self.on_trouble)
        window.library.updated.connect(self.on_updated)
        window.library.finished.connect(self.on_indexed)
        window.library.failed.connect(self.on_trouble)
        self._timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer, interval=TICK_MS)
        self._timer.timeout.connect(self.on_tick)

    def run(self, documents: Path, seconds: float) -> None:
        """Put the window under load, and watch it for so long once answers and changes of documents come."""
        self._window.librarian.add([documents])
        self._ask()
        self._wait(lambda: self.tokens > 0 and self.changes > 0, LONGEST_WAIT_S)
        self.answers = self.tokens = self.changes = 0
        self._timer.start()
        until = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() > until, seconds + LONGEST_WAIT_S)
        self._timer.stop()
        self._ending = True
        if not self.tokens or not self.changes:
            raise HolaError("The answer or the indexing stood still while the window was measured: try it again.")

    @Slot()
    def on_tick(self) -> None:
        """Note the time."""
        self.ticks.append(time.perf_counter())

    @Slot(int)
    def on_tokens(self, count: int) -> None:
        """Count what streams in."""
        self.tokens += count

    @Slot(object)
    def on_ended(self, state: TurnState) -> None:
        """Ask again, so that an answer streams all the time."""
        self.answers += 1
        if state.reason == "failed":
            self.on_trouble(state.error or "The answer broke off: run `hola doctor`.")
        elif not self._ending:
            QTimer.singleShot(0, self._ask)

    @Slot(object, object)
    def on_updated(self, documents: Sequence[object], progress: object) -> None:
        """Count what the library says."""
        self.changes += len(documents)

    @Slot(object)
    def on_indexed(self, finished: object) -> None:
        """Begin anew, so that documents are indexed all the time."""
        if not self._ending:
            self._window.library.rebuild()

    @Slot(str)
    def on_trouble(self, sentence: str) -> None:
        """Keep the first error."""
        self._error = self._error or sentence

    def _ask(self) -> None:
        self._window.composer.set_text(QUESTION)
        self._window.composer.on_send()

    def _wait(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Run the event loop until the condition holds; raise HolaError after the limit."""
        loop = QEventLoop()
        check = QTimer(interval=20)
        check.timeout.connect(lambda: loop.quit() if condition() or self._error else None)
        limit = QTimer(singleShot=True, interval=round(limit_s * 1000))
        limit.timeout.connect(loop.quit)
        check.start()
        limit.start()
        loop.exec()
        if self._error:
            raise HolaError(self._error)
        if not condition():
            raise HolaError("The window did not get to work in time: run `hola doctor`.")
