"""Where Qt meets the engine: one thread asks, another indexes and removes, a third stops and pauses the two."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from app.lanes import Lane, Worker, boundary
from app.ports import EnginePort
from engine.messages import Document, DocumentChanged, IndexEvent, IndexFinished, IndexProgress, Question

__all__ = ["ControlThread", "EngineThread", "LibraryThread"]

_FLUSH_MS = 100


# ------------------------------------------------------------------ control


class _ControlWorker(Worker):
    @Slot()
    def on_stop(self) -> None:
        with boundary(self.failed, self.closed):
            self._engine.stop()

    @Slot(bool)
    def on_pause(self, paused: bool) -> None:
        with boundary(self.failed, self.closed):
            if paused:
                self._engine.library.pause()
            else:
                self._engine.library.resume()


class ControlThread(Lane):
    """Stop the answer, pause and resume the index job: at once, even where the engine waits for a process."""

    stop = Signal()
    pause = Signal(bool)

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        self._worker = _ControlWorker(engine)
        super().__init__(engine, self._worker, "control", parent)
        self.stop.connect(self._worker.on_stop)
        self.pause.connect(self._worker.on_pause)
        self.run()


# ------------------------------------------------------------------ questions


class _EngineWorker(Worker):
    arrived = Signal(object)
    idle = Signal()

    @Slot()
    def on_start(self) -> None:
        with boundary(self.failed, self.closed):
            self._engine.start()

    @Slot(object)
    def on_ask(self, question: Question) -> None:
        if not self.closed.is_set():
            with boundary(self.failed, self.closed):
                for event in self._engine.ask(question):
                    self.arrived.emit(event)
        self.idle.emit()


class EngineThread(Lane):
    """Ask one question at a time; `arrived` carries each `engine.messages.Event`, `idle` ends it."""

    arrived = Signal(object)
    idle = Signal()
    _start = Signal()
    _ask = Signal(object)

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        self._worker = _EngineWorker(engine)
        super().__init__(engine, self._worker, "engine", parent)
        self._worker.arrived.connect(self.arrived)
        self._worker.idle.connect(self.on_idle)
        self._start.connect(self._worker.on_start)
        self._ask.connect(self._worker.on_ask)
        self._busy = False
        self.run()

    @property
    def busy(self) -> bool:
        """Whether an answer is being made."""
        return self._busy

    def start_engine(self) -> None:
        """Start the engine's processes in the background."""
        self._start.emit()

    def ask(self, question: Question) -> None:
        """Queue a question; its events follow as signals."""
        self._busy = True
        self._ask.emit(question)

    @Slot()
    def on_idle(self) -> None:
        """Note that the answer has ended."""
        self._busy = False
        self.idle.emit()


# -------------------------------------------------------------------- library


class _LibraryWorker(Worker):
    pending = Signal()
    busy = Signal(bool)
    finished = Signal(object)
    removed = Signal(object)

    def __init__(self, engine: EnginePort) -> None:
        super().__init__(engine)
        self.generation = 0
        self.removals: SimpleQueue[tuple[Path, ...]] = SimpleQueue()
        self._lock = threading.Lock()
        self._documents: dict[str, Document] = {}
        self._progress: IndexProgress | None = None

    def take(self) -> tuple[list[Document], IndexProgress | None]:
        """Return what has changed since the last call; thread-safe."""
        with self._lock:
            documents, self._documents = list(self._documents.values()), {}
            progress, self._progress = self._progress, None
        return documents, progress

    @Slot(object, bool, int)
    def on_index(self, paths: tuple[Path, ...], rebuild: bool, generation: int) -> None:
        """Run one job to its end, unless it was cancelled before its turn."""
        if self._is_over(generation):
            return
        self.busy.emit(True)
        with boundary(self.failed, self.closed):
            library = self._engine.library
            self._drain(library.rebuild(paths) if rebuild else library.index(paths), generation)
        self.busy.emit(False)

    @Slot()
    def on_remove(self) -> None:
        """Remove what is waiting; also called between two events of a job, so that nobody waits for its end."""
        while not self.closed.is_set():
            try:
                paths = self.removals.get_nowait()
            except Empty:
                return
            with boundary(self.failed, self.closed):
                self._engine.library.remove(paths)
                self.removed.emit(paths)

    def _is_over(self, generation: int) -> bool:
        return self.closed.is_set() or generation != self.generation

    def _drain(self, events: Iterator[IndexEvent], generation: int) -> None:
        try:
            for event in events:
                self._note(event)
                if self._is_over(generation):
                    return
                if not self.removals.empty():
                    self.on_remove()
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()

    def _note(self, event: IndexEvent) -> None:
        with self._lock:
            was_empty = not self._documents and self._progress is None
            if isinstance(event, DocumentChanged):
                self._documents[event.document.path] = event.document
            elif isinstance(event, IndexProgress):
                self._progress = event
            else:
                self._documents.update({document.path: document for document in event.files})
        if was_empty:
            self.pending.emit()
        if isinstance(event, IndexFinished):
            self.finished.emit(event)


class LibraryThread(Lane):
    """Index, rebuild and remove, one job after the other; changes come at most ten times a second."""

    updated = Signal(object, object)
    """list[Document], IndexProgress | None"""
    busy_changed = Signal(bool)
    finished = Signal(object)
    removed = Signal(object)
    _index = Signal(object, bool, int)
    _remove = Signal()

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        self._worker = _LibraryWorker(engine)
        super().__init__(engine, self._worker, "library", parent)
        self._busy = False
        self._flush = QTimer(self, singleShot=True, interval=_FLUSH_MS, timerType=Qt.TimerType.PreciseTimer)
        self._flush.timeout.connect(self.on_flush)
        self._worker.pending.connect(self.on_pending)
        self._worker.busy.connect(self.on_busy)
        self._worker.finished.connect(self.on_finished)
        self._worker.removed.connect(self.removed)
        self._index.connect(self._worker.on_index)
        self._remove.connect(self._worker.on_remove)
        self.run()

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._busy

    @property
    def paused(self) -> bool:
        """Whether index jobs are held."""
        return self._engine.library.paused

    def index(self, paths: Sequence[Path]) -> None:
        """Queue files and folders; none resumes what is unfinished."""
        self._index.emit(tuple(paths), False, self._worker.generation)

    def rebuild(self, paths: Sequence[Path] = ()) -> None:
        """Queue documents to be read anew; none takes every one."""
        self._index.emit(tuple(paths), True, self._worker.generation)

    def remove(self, paths: Sequence[Path]) -> None:
        """Take documents out of the library, between two steps of a running job."""
        self._worker.removals.put(tuple(paths))
        self._remove.emit()

    def cancel(self) -> None:
        """End the running job, at its next event, and those that wait behind it."""
        self._worker.generation += 1

    @Slot()
    def on_pending(self) -> None:
        """Collect further changes for a moment."""
        if not self._flush.isActive():
            self._flush.start()

    @Slot()
    def on_flush(self) -> None:
        """Hand on what has been collected."""
        documents, progress = self._worker.take()
        if documents or progress is not None:
            self.updated.emit(documents, progress)

    @Slot(bool)
    def on_busy(self, busy: bool) -> None:
        """Note that a job begins or ends."""
        self._busy = busy
        self.busy_changed.emit(busy)

    @Slot(object)
    def on_finished(self, result: IndexFinished) -> None:
        """Hand on the last changes before the end."""
        self.on_flush()
        self.finished.emit(result)
