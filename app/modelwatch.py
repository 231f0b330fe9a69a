"""Watch the language model until it is ready or failed."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.ports import EnginePort

__all__ = ["ModelWatch"]

_POLL_MS = 200


class ModelWatch(QObject):
    """Look at the model's state while it loads; no timer runs once that has ended."""

    changed = Signal(object)
    """ModelPort: the model as it stands"""

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.on_poll)
        self._seen: tuple[str, str, str] | None = None

    @property
    def is_watching(self) -> bool:
        """Whether a timer runs."""
        return self._timer.isActive()

    def start(self) -> None:
        """Watch, from now until the model is ready or failed."""
        self._seen = None
        self._timer.start()

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()

    @Slot()
    def on_poll(self) -> None:
        """Tell of a change."""
        model = self._engine.model
        seen = (model.name, model.state, model.detail)
        if model.state != "loading":
            self._timer.stop()
        if seen != self._seen:
            self._seen = seen
            self.changed.emit(model)
