"""A worker in a thread of its own with one serial queue: snapshots in, signals out.

A lane is closed by queueing `on_close`: the worker ends its own event loop, the window only waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, QThread, Signal, SignalInstance, Slot

from app.ports import EnginePort
from engine.errors import HolaError

__all__ = ["Lane", "Worker", "boundary"]

_log = logging.getLogger(__name__)
_UNEXPECTED = "Something unexpected went wrong: the details are in the log (Settings, Open logs)."
_JOIN_MS = 5000


@contextmanager
def boundary(failed: SignalInstance, closed: threading.Event) -> Iterator[None]:
    """Turn an error into one sentence for the window; what nobody foresaw goes to the log."""
    try:
        yield
    except HolaError as exc:
        if not closed.is_set():
            failed.emit(exc.sentence)
    except Exception:  # noqa: BLE001  the last resort of a worker: it must live on
        if closed.is_set():
            _log.debug("a worker was interrupted by the end", exc_info=True)
        else:
            _log.exception("unexpected error in a worker")
            failed.emit(_UNEXPECTED)


class Worker(QObject):
    """Live in a thread of its own and end that thread when it is told to close."""

    failed = Signal(str)

    def __init__(self, engine: EnginePort) -> None:
        super().__init__()
        self._engine = engine
        self.closed = threading.Event()

    @Slot()
    def on_close(self) -> None:
        """End the thread's event loop; what was queued before has been done or skipped."""
        self.thread().quit()


class Lane(QObject):
    """Own a worker and its thread."""

    failed = Signal(str)
    _closing = Signal()

    def __init__(self, engine: EnginePort, worker: Worker, name: str, parent: QObject | None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._closed = worker.closed
        self._thread = QThread(self)
        self._thread.setObjectName(name)
        worker.moveToThread(self._thread)
        worker.failed.connect(self.failed)
        self._closing.connect(worker.on_close)

    def run(self) -> None:
        """Start the thread; everything is connected."""
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended."""
        return self._thread.isFinished()

    def request_close(self) -> None:
        """Tell the worker to end after what it does now; return at once."""
        self._closed.set()
        self._closing.emit()

    def join(self) -> None:
        """Wait until the thread has ended."""
        if not self._thread.wait(_JOIN_MS):
            _log.error("the thread %s did not end in time", self._thread.objectName())
            self._thread.wait()
