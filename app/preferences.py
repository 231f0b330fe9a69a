"""What the window remembers by itself: its place, its panels, the zoom, whether only documents may answer."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow, QSplitter

__all__ = ["Preferences"]


class Preferences:
    """Keep the window's state in an INI file inside the data folder."""

    def __init__(self, folder: Path) -> None:
        self._store = QSettings(str(folder / "window.ini"), QSettings.Format.IniFormat)

    @property
    def zoom(self) -> float:
        """Factor on every text size; 1 unless it was changed."""
        try:
            return min(2.0, max(0.6, float(str(self._store.value("zoom", 1.0)))))
        except ValueError:
            return 1.0

    @property
    def documents_only(self) -> bool:
        """Whether questions are to be answered from the documents alone."""
        return str(self._store.value("documents_only", False)).lower() == "true"

    def set_documents_only(self, only: bool) -> None:
        """Write down whether questions are to be answered from the documents alone."""
        self._store.setValue("documents_only", only)

    def restore(self, window: QMainWindow, splitter: QSplitter) -> bool:
        """Put the window where it was; False on the first start."""
        geometry, sizes = self._store.value("geometry"), self._store.value("splitter")
        if isinstance(sizes, QByteArray):
            splitter.restoreState(sizes)
        return isinstance(geometry, QByteArray) and window.restoreGeometry(geometry)

    def panel(self, name: str, default: bool) -> bool:
        """Return whether a side panel was shown."""
        return str(self._store.value(f"panels/{name}", default)).lower() == "true"

    def save(self, window: QMainWindow, splitter: QSplitter, zoom: float, panels: dict[str, bool]) -> None:
        """Write everything down."""
        self._store.setValue("geometry", window.saveGeometry())
        self._store.setValue("splitter", splitter.saveState())
        self._store.setValue("zoom", zoom)
        for name, shown in panels.items():
            self._store.setValue(f"panels/{name}", shown)
        self._store.sync()
