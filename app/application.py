"""Start the application: one window on the data folder of the user."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import socket
import sys
from collections.abc import Sequence

from PySide6.QtCore import QObject, QSocketNotifier, Slot
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from engine.config import DataPaths, EngineConfig, Settings
from engine.errors import HolaError, SettingsError

__all__ = ["EndSignals", "configure", "has_screen", "make_application", "open_window"]

_LOG_BYTES = 1_000_000


class EndSignals(QObject):
    """Close a window when the system asks the process to end."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._inside, self._outside = socket.socketpair()
        for end in (self._inside, self._outside):
            end.setblocking(False)
        # Python runs handlers between byte codes only; the socket wakes Qt's loop so that there are some.
        signal.set_wakeup_fd(self._outside.fileno(), warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(self._inside.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self.on_woken)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle)

    def handle(self, _number: int, _frame: object) -> None:
        """Close, once Qt's loop is back."""
        self._window.close()

    @Slot()
    def on_woken(self) -> None:
        """Empty the socket; the handler has run or runs next."""
        self._inside.recv(64)

    def restore(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._notifier.setEnabled(False)
        self._inside.close()
        self._outside.close()


def make_application(arguments: Sequence[str]) -> QApplication:
    """Return the application object, with the same style on every system."""
    application = QApplication(list(arguments))
    application.setStyle("Fusion")
    application.setApplicationName("Hola")
    application.setDesktopFileName("hola")
    return application


def open_window(arguments: Sequence[str]) -> int:
    """Show the window until it is closed; return the exit code."""
    application = make_application(arguments)
    try:
        config, notice = configure()
        _log_to(config.data)
        from app.startup_report import report_if_asked
        from app.window import MainWindow

        window = MainWindow(config)
    except HolaError as exc:
        QMessageBox.critical(None, "Hola", exc.sentence)
        return 1
    if notice:
        window.banner.say(notice)
    signals = EndSignals(window)
    report_if_asked(window)
    window.show()
    code = application.exec()
    signals.restore()
    return code


def configure() -> tuple[EngineConfig, str]:
    """Return the configuration and an empty string; with damaged settings the defaults, and a sentence that says so."""
    from app.paths import assets_dir, data_dir, engine_config

    try:
        return engine_config(), ""
    except SettingsError as exc:
        data = DataPaths(data_dir())
        data.create()
        return EngineConfig(data, assets_dir(), Settings.model_validate({})), exc.sentence


def _log_to(data: DataPaths) -> None:
    """Write what goes wrong to a file that never grows large."""
    try:
        handler = logging.handlers.RotatingFileHandler(
            data.logs / "window.log", maxBytes=_LOG_BYTES, backupCount=2, encoding="utf-8", delay=True
        )
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)


def has_screen() -> bool:
    """Return whether windows can be shown to somebody."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
