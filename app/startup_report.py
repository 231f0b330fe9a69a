"""Tell `hola bench startup` when the window is on screen and takes input."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication, QKeyEvent

if TYPE_CHECKING:
    from app.window import MainWindow

__all__ = ["ENVIRONMENT", "StartupReport", "report_if_asked"]

ENVIRONMENT = "HOLA_BENCH_STARTUP"
"""Set to 1, the window reports once that it is ready, and closes."""


def report_if_asked(window: MainWindow) -> None:
    """Watch a window that is about to be shown, if the environment asks for a report."""
    if os.environ.get(ENVIRONMENT) == "1":
        StartupReport(window)


class StartupReport(QObject):
    """Wait for the first paint, type a letter, and report on stdout once the composer has taken it."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._painted = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice the first paint of the window."""
        if event.type() == QEvent.Type.Paint and not self._painted:
            self._painted = True
            # Behind all that the first paint has queued.
            QTimer.singleShot(0, self.on_painted)
        return False

    @Slot()
    def on_painted(self) -> None:
        """Queue a key press for the widget that has the keyboard, and look for its letter after it."""
        target = QGuiApplication.focusObject() or self._window.composer.edit
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            key = QKeyEvent(kind, Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier, "a")
            QGuiApplication.postEvent(target, key)
        QTimer.singleShot(0, self.on_typed)

    @Slot()
    def on_typed(self) -> None:
        """Report and close."""
        import psutil

        report = {
            "took_input": self._window.composer.text == "a",
            "gui_rss_mb": psutil.Process().memory_info().rss / 2**20,
        }
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()
        self._window.close()
