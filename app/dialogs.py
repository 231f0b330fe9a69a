"""Questions that the window asks before something is done."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QWidget

from app.sources import file_name

__all__ = ["Opener", "confirm"]

_OPENABLE = ("http", "https", "mailto")


def confirm(parent: QWidget, question: str, detail: str, verb: str) -> bool:
    """Ask, with Cancel as the answer of a hasty Enter; return whether the user agrees."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, "Hola", question, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(detail)
    yes = box.addButton(verb, QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    agreed = box.clickedButton() is yes
    box.deleteLater()
    return agreed


PROGRAM_SUFFIXES = frozenset(
    "appimage bat cmd com command cpl desktop exe hta jar js jse lnk msc msi ps1 py pyw reg scr sh vbe vbs wsf".split()
)


def is_program(path: Path) -> bool:
    """Tell whether opening a file would run it: documents come from anywhere."""
    runs = os.name != "nt" and os.access(path, os.X_OK) and path.read_bytes()[:2] == b"#!"
    return path.suffix.lower().removeprefix(".") in PROGRAM_SUFFIXES or runs


class Opener(QObject):
    """Open links and files in other programs, after a click of the user only."""

    trouble = Signal(str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window

    @Slot(str)
    def on_link(self, link: str) -> None:
        """Open a link in the browser, if the user wants to; only the web and mail are ever opened."""
        url = QUrl(link)
        if url.scheme().lower() not in _OPENABLE:
            self.trouble.emit(f"This link is not opened, since it leads neither to the web nor to mail: {link}")
        elif confirm(self._window, "Open this link in your browser?", url.toString(), "Open"):
            QDesktopServices.openUrl(url)

    @Slot(str)
    def on_file(self, path: str) -> None:
        """Open a file in its own program; one that the system would run is shown in its folder instead."""
        name = file_name(path)
        if not Path(path).exists():
            self.trouble.emit(f"{name} is no longer at its place: it was moved or deleted.")
        elif is_program(Path(path)):
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(path).parent)))
            self.trouble.emit(f"{name} is a program, so Hola opened its folder and not the file.")
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(path)):
            self.trouble.emit(f"No program opens {name}: choose one in your system's settings.")
